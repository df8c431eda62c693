/* The leading passes: one run on each of some qubits of |0...0> makes a product state. It is built in two writes per
 * amplitude instead of one sweep per pass, and no sweep takes it back, because nothing comes before it. */
#ifndef COUNTERSPIN_PRODUCT_H
#define COUNTERSPIN_PRODUCT_H

#include "local.h"

static inline Amplitude times(Amplitude a, Amplitude b) {
    return (Amplitude){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

/* Spreads the amplitudes so far, 2^known of them at the indices that `flips` span, over one more qubit. */
static inline void spread(Qubit qubit, Su2 g, const uint32_t *flips, int known, Amplitude *psi) {
    Amplitude stays = {g.ar, g.ai}, moves = {g.br, g.bi};
    if (qubit.offset) stays = (Amplitude){g.ar, -g.ai}, moves = (Amplitude){-g.br, g.bi}; /* the qubit is 1 */
    uint32_t index = 0, count = 1u << known;
    for (uint32_t k = 0; k < count; k++) {
        Amplitude u = psi[index];
        psi[index] = times(stays, u);
        psi[index ^ qubit.flip] = times(moves, u);
        if (k + 1 < count) index ^= flips[__builtin_ctz(k + 1)]; /* Gray code: one flip from each to the next */
    }
}

/* psi is |0...0>. */
static inline void start_product(const Program *program, const Angles *angles, Amplitude *psi) {
    uint32_t flips[32];
    int known = 0;
    for (int32_t p = 0; p < program->leading; p++) {
        const Pass *pass = &program->pass[p];
        spread(pass->first, fused(program, angles, pass->first_run), flips, known, psi);
        flips[known++] = pass->first.flip;
        if (pass->kind != LOCAL_PAIR) continue;
        spread(pass->second, fused(program, angles, pass->second_run), flips, known, psi);
        flips[known++] = pass->second.flip;
    }
}

/* Gradients of the leading passes' angles. Their gates act on different qubits, so v of each is read at the output of all
 * of them. */
static inline void read_product(const Program *program, Angles *angles, const Amplitude *psi, const Amplitude *lambda) {
    for (int32_t p = 0; p < program->leading; p++) {
        const Pass *pass = &program->pass[p];
        if (!(pass->needs & angles->wanted)) continue;
        if (pass->kind == LOCAL) {
            collect(program, angles, pass->first_run, read_local(pass, program->qubits, psi, lambda));
            continue;
        }
        Axes v[2];
        read_pair(pass, program->qubits, psi, lambda, v);
        collect(program, angles, pass->first_run, v[0]);
        collect(program, angles, pass->second_run, v[1]);
    }
}

#endif
