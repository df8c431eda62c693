/* Passes of gates on two qubits: controlled rotations, two-qubit rotations, signs. */
#ifndef COUNTERSPIN_ENTANGLING_H
#define COUNTERSPIN_ENTANGLING_H

#include "local.h"

/* Only the half of the amplitudes with the first qubit 1 is touched. */
static inline void apply_controlled(const Pass *pass, int qubits, Amplitude *state, Su2 g) {
    uint32_t quads = 1u << (qubits - 2), f = pass->first.flip, s = pass->second.flip;
    for (uint32_t k = 0; k < quads; k++) {
        uint32_t i = quad_base(pass, k) ^ f;
        Amplitude u = state[i], w = state[i ^ s];
        turn(&u, &w, &g);
        state[i] = u, state[i ^ s] = w;
    }
}

static inline Axes sweep_controlled(const Pass *pass, int qubits, Amplitude *psi, Amplitude *lambda, Su2 g) {
    uint32_t quads = 1u << (qubits - 2), f = pass->first.flip, second = pass->second.flip;
    Su2 back = adjoint(g);
    Axes v = {{0}, {0}, {0}};
    for (uint32_t k = 0; k < quads; k++) {
        uint32_t i = quad_base(pass, k) ^ f, j = i ^ second;
        Amplitude u = psi[i], w = psi[j], s = lambda[i], t = lambda[j];
        accumulate(&v, u, w, s, t);
        turn(&u, &w, &back);
        turn(&s, &t, &back);
        psi[i] = u, psi[j] = w;
        lambda[i] = s, lambda[j] = t;
    }
    return v;
}

/* The amplitude times c - i s. */
static inline Amplitude phased(Amplitude u, vec c, vec s) { return (Amplitude){c * u.re + s * u.im, c * u.im - s * u.re}; }

/* Im(conj(l) u) */
static inline vec imaginary(Amplitude l, Amplitude u) { return l.re * u.im - l.im * u.re; }

static inline void apply_phase_pair(const Pass *pass, int qubits, Amplitude *state, vec c, vec s) {
    uint32_t quads = 1u << (qubits - 2), f = pass->first.flip, e = pass->second.flip;
    for (uint32_t k = 0; k < quads; k++) {
        uint32_t i = quad_base(pass, k);
        state[i] = phased(state[i], c, s);
        state[i ^ f ^ e] = phased(state[i ^ f ^ e], c, s);
        state[i ^ f] = phased(state[i ^ f], c, -s);
        state[i ^ e] = phased(state[i ^ e], c, -s);
    }
}

/* Takes the rotation back and returns Im <lambda| Z Z |psi>. */
static inline vec sweep_phase_pair(const Pass *pass, int qubits, Amplitude *psi, Amplitude *lambda, vec c, vec s) {
    uint32_t quads = 1u << (qubits - 2), f = pass->first.flip, e = pass->second.flip;
    vec v = {0};
    for (uint32_t k = 0; k < quads; k++) {
        uint32_t base = quad_base(pass, k);
        uint32_t index[4] = {base, base ^ f ^ e, base ^ f, base ^ e};
        for (int member = 0; member < 4; member++) {
            uint32_t i = index[member];
            Amplitude u = psi[i], l = lambda[i];
            vec turned = member < 2 ? -s : s;
            v = member < 2 ? v + imaginary(l, u) : v - imaginary(l, u);
            psi[i] = phased(u, c, turned);
            lambda[i] = phased(l, c, turned);
        }
    }
    return v;
}

/* (u, w) to (c u - i s w, c w - i s u) */
static inline void couple(Amplitude *u, Amplitude *w, vec c, vec s) {
    Amplitude a = *u, b = *w;
    *u = (Amplitude){c * a.re + s * b.im, c * a.im - s * b.re};
    *w = (Amplitude){c * b.re + s * a.im, c * b.im - s * a.re};
}

/* Y Y is X X with a minus where the two qubits are equal. */
static inline void apply_flip_pair(const Pass *pass, int qubits, Amplitude *state, vec c, vec s) {
    uint32_t quads = 1u << (qubits - 2), f = pass->first.flip, e = pass->second.flip;
    vec equal = (REAL)pass->sign * s;
    for (uint32_t k = 0; k < quads; k++) {
        uint32_t i = quad_base(pass, k);
        couple(&state[i], &state[i ^ f ^ e], c, equal);
        couple(&state[i ^ f], &state[i ^ e], c, s);
    }
}

static inline vec sweep_flip_pair(const Pass *pass, int qubits, Amplitude *psi, Amplitude *lambda, vec c, vec s) {
    uint32_t quads = 1u << (qubits - 2), f = pass->first.flip, e = pass->second.flip;
    vec v = {0}, equal = (REAL)pass->sign * s;
    for (uint32_t k = 0; k < quads; k++) {
        uint32_t i = quad_base(pass, k), j = i ^ f ^ e, l = i ^ f, m = i ^ e;
        v += (REAL)pass->sign * (imaginary(lambda[i], psi[j]) + imaginary(lambda[j], psi[i]));
        v += imaginary(lambda[l], psi[m]) + imaginary(lambda[m], psi[l]);
        couple(&psi[i], &psi[j], c, -equal);
        couple(&psi[l], &psi[m], c, -s);
        couple(&lambda[i], &lambda[j], c, -equal);
        couple(&lambda[l], &lambda[m], c, -s);
    }
    return v;
}

static inline void apply_signs(const Program *program, const Pass *pass, Amplitude *state) {
    const int32_t *listed = program->signs + pass->signs_start;
    for (int32_t k = 0; k < pass->signs_count; k++) {
        Amplitude u = state[listed[k]];
        state[listed[k]] = (Amplitude){-u.re, -u.im};
    }
}

#endif
