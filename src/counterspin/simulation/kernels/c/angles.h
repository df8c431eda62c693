/* Angles of one block of samples: cosines and sines of their halves, and the way back from gradients to inputs and
 * weights. */
#ifndef COUNTERSPIN_ANGLES_H
#define COUNTERSPIN_ANGLES_H

#include <math.h>

#include "lanes.h"
#include "program.h"

/* Half angles that all samples share. */
typedef struct {
    const REAL *cosine, *sine;
} SharedAngles;

/* Half angles of a block, and the gradients gathered for them. `gradient` and `shared_gradient` are summed over all
 * rotations by the same angle; `wanted` holds the needs the caller asked for. */
typedef struct {
    SharedAngles shared;
    vec *cosine, *sine, *gradient;
    double *shared_gradient;
    int wanted;
} Angles;

static inline vec cosine(const Program *program, const Angles *angles, int32_t angle) {
    int32_t own = angle - program->shared;
    return own < 0 ? broadcast(angles->shared.cosine[angle]) : angles->cosine[own];
}

static inline vec sine(const Program *program, const Angles *angles, int32_t angle) {
    int32_t own = angle - program->shared;
    return own < 0 ? broadcast(angles->shared.sine[angle]) : angles->sine[own];
}

static inline REAL cosine_of(REAL x) { return sizeof(REAL) == sizeof(float) ? (REAL)cosf((float)x) : (REAL)cos(x); }

static inline REAL sine_of(REAL x) { return sizeof(REAL) == sizeof(float) ? (REAL)sinf((float)x) : (REAL)sin(x); }

/* The term for an input of 1. */
static inline double without_input(const Term *t, const REAL *weights) {
    return t->weight < 0 ? t->coefficient : t->coefficient * (double)weights[t->weight];
}

/* Shared angles are computed in double precision, once per call. */
static inline void fill_shared(const Program *program, const REAL *weights, REAL *cosines, REAL *sines) {
    for (int32_t a = 0; a < program->shared; a++) {
        const Angle *angle = &program->angle[a];
        double value = angle->constant;
        for (int32_t k = angle->start; k < angle->start + angle->count; k++)
            value += without_input(&program->term[k], weights);
        cosines[a] = (REAL)cos(0.5 * value);
        sines[a] = (REAL)sin(0.5 * value);
    }
}

/* `inputs` holds one vector per input. */
static inline void fill_own(const Program *program, const vec *inputs, const REAL *weights, Angles *angles) {
    for (int32_t a = program->shared; a < program->angles; a++) {
        const Angle *angle = &program->angle[a];
        vec value = broadcast((REAL)angle->constant);
        for (int32_t k = angle->start; k < angle->start + angle->count; k++) {
            const Term *t = &program->term[k];
            REAL factor = (REAL)without_input(t, weights);
            value += t->input < 0 ? broadcast(factor) : factor * inputs[t->input];
        }
        vec half = (REAL)0.5 * value;
        for (int lane = 0; lane < LANES; lane++) {
            angles->cosine[a - program->shared][lane] = cosine_of(half[lane]);
            angles->sine[a - program->shared][lane] = sine_of(half[lane]);
        }
    }
}

static inline void add_gradient(const Program *program, Angles *angles, int32_t angle, vec gradient) {
    if (!(program->angle[angle].needs & angles->wanted)) return;
    if (angle < program->shared)
        angles->shared_gradient[angle] += lane_sum(gradient);
    else
        angles->gradient[angle - program->shared] += gradient;
}

/* Adds to `input_gradient`, one vector per input, and to `weight_gradient`; NULL: not wanted. */
static inline void chain(const Program *program, const Angles *angles, const vec *inputs, const REAL *weights,
                         vec *input_gradient, double *weight_gradient) {
    for (int32_t a = 0; a < program->angles; a++) {
        const Angle *angle = &program->angle[a];
        if (!(angle->needs & angles->wanted)) continue;
        for (int32_t k = angle->start; k < angle->start + angle->count; k++) {
            const Term *t = &program->term[k];
            if (a < program->shared) {
                if (t->weight >= 0) weight_gradient[t->weight] += t->coefficient * angles->shared_gradient[a];
                continue;
            }
            vec gradient = (REAL)t->coefficient * angles->gradient[a - program->shared];
            if (input_gradient && t->input >= 0)
                input_gradient[t->input] += t->weight < 0 ? gradient : gradient * weights[t->weight];
            if (weight_gradient && t->weight >= 0)
                weight_gradient[t->weight] += lane_sum(t->input < 0 ? gradient : gradient * inputs[t->input]);
        }
    }
}

#endif
