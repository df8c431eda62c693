/* Passes of fused single-qubit gates, on one qubit or on two at a time (half the memory traffic). */
#ifndef COUNTERSPIN_LOCAL_H
#define COUNTERSPIN_LOCAL_H

#include "cosets.h"
#include "rotations.h"

static inline void turn(Amplitude *zero, Amplitude *one, const Su2 *g) {
    Amplitude u = *zero, w = *one;
    zero->re = g->ar * u.re - g->ai * u.im - g->br * w.re - g->bi * w.im;
    zero->im = g->ar * u.im + g->ai * u.re - g->br * w.im + g->bi * w.re;
    one->re = g->br * u.re - g->bi * u.im + g->ar * w.re + g->ai * w.im;
    one->im = g->br * u.im + g->bi * u.re + g->ar * w.im - g->ai * w.re;
}

/* Adds what the pair (u, w) of psi and (s, t) of lambda contribute to v. */
static inline void accumulate(Axes *v, Amplitude u, Amplitude w, Amplitude s, Amplitude t) {
    v->x += s.re * w.im - s.im * w.re + t.re * u.im - t.im * u.re;
    v->y += t.re * u.re + t.im * u.im - s.re * w.re - s.im * w.im;
    v->z += s.re * u.im - s.im * u.re - t.re * w.im + t.im * w.re;
}

static inline void apply_local(const Pass *pass, int qubits, Amplitude *state, Su2 g) {
    uint32_t pairs = 1u << (qubits - 1), flip = pass->first.flip;
    for (uint32_t k = 0; k < pairs; k++) {
        uint32_t i = pair_base(pass, k);
        Amplitude u = state[i], w = state[i ^ flip];
        turn(&u, &w, &g);
        state[i] = u;
        state[i ^ flip] = w;
    }
}

/* Takes the gate g back from psi and lambda and returns v at its output. */
static inline Axes sweep_local(const Pass *pass, int qubits, Amplitude *psi, Amplitude *lambda, Su2 g) {
    uint32_t pairs = 1u << (qubits - 1), flip = pass->first.flip;
    Su2 back = adjoint(g);
    Axes v = {{0}, {0}, {0}};
    for (uint32_t k = 0; k < pairs; k++) {
        uint32_t i = pair_base(pass, k), j = i ^ flip;
        Amplitude u = psi[i], w = psi[j], s = lambda[i], t = lambda[j];
        accumulate(&v, u, w, s, t);
        turn(&u, &w, &back);
        turn(&s, &t, &back);
        psi[i] = u, psi[j] = w;
        lambda[i] = s, lambda[j] = t;
    }
    return v;
}

/* v at the output of the gate, which is not taken back. */
static inline Axes read_local(const Pass *pass, int qubits, const Amplitude *psi, const Amplitude *lambda) {
    uint32_t pairs = 1u << (qubits - 1), flip = pass->first.flip;
    Axes v = {{0}, {0}, {0}};
    for (uint32_t k = 0; k < pairs; k++) {
        uint32_t i = pair_base(pass, k), j = i ^ flip;
        accumulate(&v, psi[i], psi[j], lambda[i], lambda[j]);
    }
    return v;
}

static inline void apply_pair(const Pass *pass, int qubits, Amplitude *state, Su2 g, Su2 h) {
    uint32_t quads = 1u << (qubits - 2), f = pass->first.flip, s = pass->second.flip;
    for (uint32_t k = 0; k < quads; k++) {
        uint32_t i = quad_base(pass, k);
        Amplitude a = state[i], b = state[i ^ s], c = state[i ^ f], d = state[i ^ f ^ s];
        turn(&a, &c, &g);
        turn(&b, &d, &g);
        turn(&a, &b, &h);
        turn(&c, &d, &h);
        state[i] = a, state[i ^ s] = b;
        state[i ^ f] = c, state[i ^ f ^ s] = d;
    }
}

/* v[0] belongs to the first qubit's gate g, v[1] to the second's h; they commute, so both are read at the output. */
static inline void sweep_pair(const Pass *pass, int qubits, Amplitude *psi, Amplitude *lambda, Su2 g, Su2 h, Axes *v) {
    uint32_t quads = 1u << (qubits - 2), f = pass->first.flip, s = pass->second.flip;
    Su2 g_back = adjoint(g), h_back = adjoint(h);
    Axes first = {{0}, {0}, {0}}, second = {{0}, {0}, {0}};
    for (uint32_t k = 0; k < quads; k++) {
        uint32_t i = quad_base(pass, k), j = i ^ s, l = i ^ f, m = i ^ f ^ s;
        Amplitude a = psi[i], b = psi[j], c = psi[l], d = psi[m];
        Amplitude p = lambda[i], q = lambda[j], r = lambda[l], t = lambda[m];
        accumulate(&first, a, c, p, r);
        accumulate(&first, b, d, q, t);
        turn(&a, &c, &g_back);
        turn(&b, &d, &g_back);
        turn(&p, &r, &g_back);
        turn(&q, &t, &g_back);
        accumulate(&second, a, b, p, q);
        accumulate(&second, c, d, r, t);
        turn(&a, &b, &h_back);
        turn(&c, &d, &h_back);
        turn(&p, &q, &h_back);
        turn(&r, &t, &h_back);
        psi[i] = a, psi[j] = b, psi[l] = c, psi[m] = d;
        lambda[i] = p, lambda[j] = q, lambda[l] = r, lambda[m] = t;
    }
    v[0] = first;
    v[1] = second;
}

static inline void read_pair(const Pass *pass, int qubits, const Amplitude *psi, const Amplitude *lambda, Axes *v) {
    uint32_t quads = 1u << (qubits - 2), f = pass->first.flip, s = pass->second.flip;
    Axes first = {{0}, {0}, {0}}, second = {{0}, {0}, {0}};
    for (uint32_t k = 0; k < quads; k++) {
        uint32_t i = quad_base(pass, k), j = i ^ s, l = i ^ f, m = i ^ f ^ s;
        Amplitude a = psi[i], b = psi[j], c = psi[l], d = psi[m];
        Amplitude p = lambda[i], q = lambda[j], r = lambda[l], t = lambda[m];
        accumulate(&first, a, c, p, r);
        accumulate(&first, b, d, q, t);
        accumulate(&second, a, b, p, q);
        accumulate(&second, c, d, r, t);
    }
    v[0] = first;
    v[1] = second;
}

#endif
