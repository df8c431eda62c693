/* A block through the whole program, forward and back. */
#ifndef COUNTERSPIN_SWEEPS_H
#define COUNTERSPIN_SWEEPS_H

#include "block.h"
#include "entangling.h"
#include "product.h"
#include "reads.h"

enum Direction { FORWARD, BACK };

/* Applies one pass, or its adjoint, to one state. */
static inline void apply(const Program *program, const Pass *pass, const Angles *angles, enum Direction direction,
                         Amplitude *state) {
    int qubits = program->qubits;
    Su2 g, h;
    vec c, s;
    switch (pass->kind) {
    case LOCAL:
        g = fused(program, angles, pass->first_run);
        apply_local(pass, qubits, state, direction == BACK ? adjoint(g) : g);
        break;
    case LOCAL_PAIR:
        g = fused(program, angles, pass->first_run), h = fused(program, angles, pass->second_run);
        apply_pair(pass, qubits, state, direction == BACK ? adjoint(g) : g, direction == BACK ? adjoint(h) : h);
        break;
    case CONTROLLED:
        g = fused(program, angles, pass->second_run);
        apply_controlled(pass, qubits, state, direction == BACK ? adjoint(g) : g);
        break;
    case PHASE_PAIR:
        c = cosine(program, angles, pass->angle), s = sine(program, angles, pass->angle);
        apply_phase_pair(pass, qubits, state, c, direction == BACK ? -s : s);
        break;
    case FLIP_PAIR:
        c = cosine(program, angles, pass->angle), s = sine(program, angles, pass->angle);
        apply_flip_pair(pass, qubits, state, c, direction == BACK ? -s : s);
        break;
    default:
        apply_signs(program, pass, state);
    }
}

/* Takes one pass back from both states and gathers the gradients of its angles. */
static inline void sweep(const Program *program, const Pass *pass, Angles *angles, Amplitude *psi, Amplitude *lambda) {
    int qubits = program->qubits;
    Su2 g, h;
    Axes v[2];
    vec c, s;
    switch (pass->kind) {
    case LOCAL:
        v[0] = sweep_local(pass, qubits, psi, lambda, fused(program, angles, pass->first_run));
        collect(program, angles, pass->first_run, v[0]);
        break;
    case LOCAL_PAIR:
        g = fused(program, angles, pass->first_run), h = fused(program, angles, pass->second_run);
        sweep_pair(pass, qubits, psi, lambda, g, h, v);
        collect(program, angles, pass->first_run, v[0]);
        collect(program, angles, pass->second_run, v[1]);
        break;
    case CONTROLLED:
        v[0] = sweep_controlled(pass, qubits, psi, lambda, fused(program, angles, pass->second_run));
        collect(program, angles, pass->second_run, v[0]);
        break;
    case PHASE_PAIR:
        c = cosine(program, angles, pass->angle), s = sine(program, angles, pass->angle);
        add_gradient(program, angles, pass->angle, sweep_phase_pair(pass, qubits, psi, lambda, c, s));
        break;
    default: /* FLIP_PAIR; signs have no angle */
        c = cosine(program, angles, pass->angle), s = sine(program, angles, pass->angle);
        add_gradient(program, angles, pass->angle, sweep_flip_pair(pass, qubits, psi, lambda, c, s));
    }
}

/* psi from the start to the end. Returns whether a sample is the zero vector. */
static inline int forward_block(const Program *program, const REAL *weights, Workspace *work) {
    fill_own(program, work->inputs, weights, &work->angles);
    int zero = start_state(program, work);
    start_product(program, &work->angles, work->psi);
    for (int32_t p = program->leading; p < program->passes; p++)
        apply(program, &program->pass[p], &work->angles, FORWARD, work->psi);
    read_values(program, work->psi, work->values);
    return zero;
}

/* From psi at the end and the gradient of the values (in work->values) to the gradients of inputs and weights. What
 * nobody asked for is not computed: psi is taken back only to the first pass with a wanted angle, lambda only to there
 * or, for amplitudes, to the start. */
static inline void backward_block(const Program *program, const REAL *weights, Workspace *work,
                                  double *weight_gradient) {
    Angles *angles = &work->angles;
    fill_own(program, work->inputs, weights, angles);
    memset(angles->gradient, 0, sizeof(vec) * (size_t)(program->angles - program->shared));
    memset(angles->shared_gradient, 0, sizeof(double) * (size_t)program->shared);
    memset(work->input_gradient, 0, sizeof(vec) * (size_t)program->inputs);
    pull_back(program, work->psi, work->values, work->lambda);
    int32_t first = 0;
    while (first < program->passes && !(program->pass[first].needs & angles->wanted)) first++;
    int to_start = program->amplitudes && (angles->wanted & NEEDS_INPUTS);
    int32_t last = to_start || first < program->leading ? program->leading : first;
    for (int32_t p = program->passes - 1; p >= last; p--) {
        const Pass *pass = &program->pass[p];
        if (pass->needs & angles->wanted) {
            sweep(program, pass, angles, work->psi, work->lambda);
        } else {
            apply(program, pass, angles, BACK, work->lambda);
            if (p > first) apply(program, pass, angles, BACK, work->psi);
        }
    }
    read_product(program, angles, work->psi, work->lambda);
    if (to_start) amplitude_gradient(program, work);
    chain(program, angles, work->inputs, weights, angles->wanted & NEEDS_INPUTS ? work->input_gradient : NULL,
          weight_gradient);
}

#endif
