/* Which amplitudes a pass on one or two qubits acts on together. */
#ifndef COUNTERSPIN_COSETS_H
#define COUNTERSPIN_COSETS_H

#include "program.h"

/* The k-th index whose bit is 0. */
static inline uint32_t without_bit(uint32_t k, int bit) {
    uint32_t low = k & ((1u << bit) - 1);
    return ((k ^ low) << 1) | low;
}

static inline uint32_t parity(uint32_t bits) { return (uint32_t)__builtin_parity(bits); }

static inline uint32_t value_at(Qubit qubit, uint32_t index) { return parity(index & qubit.mask) ^ (uint32_t)qubit.offset; }

/* Index of the coset's member in which the qubit is 0. */
static inline uint32_t cleared(Qubit qubit, uint32_t index) { return index ^ (qubit.flip & (0u - value_at(qubit, index))); }

/* The k-th pair: its member with the qubit 0; the other one is `^ flip` away. */
static inline uint32_t pair_base(const Pass *pass, uint32_t k) { return cleared(pass->first, without_bit(k, pass->low)); }

/* The k-th quadruple: its member with both qubits 0. */
static inline uint32_t quad_base(const Pass *pass, uint32_t k) {
    uint32_t index = without_bit(without_bit(k, pass->low), pass->high);
    return cleared(pass->second, cleared(pass->first, index));
}

#endif
