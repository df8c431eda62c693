/* What is measured: expectation values of Pauli strings or probabilities of outcome groups, and the state they pull
 * back. */
#ifndef COUNTERSPIN_READS_H
#define COUNTERSPIN_READS_H

#include "cosets.h"
#include "lanes.h"

/* The sign of i^turns, and whether it is imaginary. */
static inline REAL turned_sign(const Pauli *pauli) { return pauli->turns & 2 ? -1 : 1; }

static inline REAL sign_at(const Pauli *pauli, uint32_t index) {
    return parity(index & pauli->mask) ^ (uint32_t)pauli->offset ? -1 : 1;
}

static inline vec expectation(const Pauli *pauli, int qubits, const Amplitude *psi) {
    uint32_t size = 1u << qubits;
    vec sum = {0};
    for (uint32_t i = 0; i < size; i++) {
        Amplitude u = psi[i], l = psi[i ^ pauli->flip];
        vec part = pauli->turns & 1 ? l.im * u.re - l.re * u.im : l.re * u.re + l.im * u.im;
        sum += sign_at(pauli, i) * part;
    }
    return turned_sign(pauli) * sum;
}

/* lambda += weight * P psi */
static inline void add_observable(const Pauli *pauli, int qubits, const Amplitude *psi, vec weight, Amplitude *lambda) {
    uint32_t size = 1u << qubits;
    weight *= turned_sign(pauli);
    for (uint32_t i = 0; i < size; i++) {
        uint32_t j = i ^ pauli->flip;
        vec w = sign_at(pauli, j) * weight;
        Amplitude u = psi[j];
        if (pauli->turns & 1) u = (Amplitude){-u.im, u.re};
        lambda[i].re += w * u.re;
        lambda[i].im += w * u.im;
    }
}

static inline void read_values(const Program *program, const Amplitude *psi, vec *values) {
    for (int32_t k = 0; k < program->paulis; k++) values[k] = expectation(&program->pauli[k], program->qubits, psi);
    if (program->paulis) return;
    uint32_t size = 1u << program->qubits;
    for (int32_t k = 0; k < program->values; k++) values[k] = (vec){0};
    for (uint32_t i = 0; i < size; i++)
        if (program->group[i] >= 0) values[program->group[i]] += psi[i].re * psi[i].re + psi[i].im * psi[i].im;
}

/* lambda = sum over the values of gradient * observable * psi */
static inline void pull_back(const Program *program, const Amplitude *psi, const vec *gradient, Amplitude *lambda) {
    uint32_t size = 1u << program->qubits;
    for (uint32_t i = 0; i < size; i++) {
        vec weight = {0};
        if (!program->paulis && program->group[i] >= 0) weight = gradient[program->group[i]];
        lambda[i] = (Amplitude){weight * psi[i].re, weight * psi[i].im};
    }
    for (int32_t k = 0; k < program->paulis; k++)
        add_observable(&program->pauli[k], program->qubits, psi, gradient[k], lambda);
}

#endif
