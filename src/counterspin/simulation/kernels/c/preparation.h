/* The state behind the first run on each qubit of |0...0>: a product, kept as its two halves and never written out. */
#ifndef COUNTERSPIN_PREPARATION_H
#define COUNTERSPIN_PREPARATION_H

#include "affine.h"

/* Entry h 4^digits[1] + l of the state is half[0][h] half[1][l]. `digit` holds (1, X, Y, Z) of each qubit; `slope` and
 * `prefix` are room for the way back. */
typedef struct {
    vec *digit, *half[2], *slope[2], *prefix;
    int32_t digits[2];
} Product;

static inline size_t half_of(const Transfer *transfer) { return (size_t)1 << (transfer->angles.qubits + 1) / 2 * 2; }

/* The entry at a place of the vector that is not there. */
static inline vec product_at(const Product *product, int32_t place) {
    int32_t i = unspaced(place), bits = 2 * product->digits[1];
    return product->half[0][i >> bits] * product->half[1][i & ((1 << bits) - 1)];
}

static inline void multiply_out(const vec *digit, int32_t digits, vec *product) {
    product[0] = broadcast(1);
    for (int32_t q = 0; q < digits; q++)
        for (int32_t i = (1 << 2 * q) - 1; i >= 0; i--) {
            vec whole = product[i];
            for (int a = 0; a < 4; a++) product[4 * i + a] = whole * digit[4 * q + a];
        }
}

static inline void prepare(const Transfer *transfer, const Angles *angles, Product *product) {
    int32_t qubits = transfer->angles.qubits;
    for (int32_t q = 0; q < qubits; q++) {
        Affine m = fused_run(transfer, angles, transfer->preparation[q].run, NULL);
        product->digit[4 * q] = broadcast(1);
        for (int a = 0; a < 3; a++) product->digit[4 * q + 1 + a] = m.at[a][0] + m.at[a][3];
    }
    product->digits[0] = qubits / 2;
    product->digits[1] = qubits - qubits / 2;
    multiply_out(product->digit, product->digits[0], product->half[0]);
    multiply_out(product->digit + 4 * product->digits[0], product->digits[1], product->half[1]);
}

/* Gradients of the angles of the first runs from lambda behind them; `room` holds the maps of a run. */
static inline void product_gradient(const Transfer *transfer, Angles *angles, Product *product, const vec *lambda,
                                    Affine *room) {
    int32_t high = 1 << 2 * product->digits[0], low = 1 << 2 * product->digits[1];
    memset(product->slope[1], 0, sizeof(vec) * (size_t)low);
    for (int32_t h = 0; h < high; h++) {
        vec sum = {0}, factor = product->half[0][h];
        for (int32_t l = 0; l < low; l++) {
            vec slope = lambda[spaced(h * low + l)];
            sum += slope * product->half[1][l];
            product->slope[1][l] += slope * factor;
        }
        product->slope[0][h] = sum;
    }
    for (int k = 0; k < 2; k++) {
        int32_t first = k ? product->digits[0] : 0;
        vec *slope = product->slope[k], *digit = product->digit + 4 * first;
        for (int32_t q = product->digits[k] - 1; q >= 0; q--) { /* slope is left with the digits before q */
            multiply_out(digit, q, product->prefix);
            vec own[4] = {{0}};
            for (int32_t i = 0; i < 1 << 2 * q; i++) {
                vec sum = {0};
                for (int a = 0; a < 4; a++) {
                    own[a] += product->prefix[i] * slope[4 * i + a];
                    sum += slope[4 * i + a] * digit[4 * q + a];
                }
                slope[i] = sum;
            }
            const Op *op = &transfer->preparation[first + q];
            if (!(op->needs & angles->wanted)) continue;
            Affine g = {0}; /* the argument of the run is |0>, (1, 0, 0, 1) */
            for (int a = 0; a < 3; a++) g.at[a][0] = g.at[a][3] = own[a + 1];
            fused_run(transfer, angles, op->run, room);
            collect_run(transfer, angles, op->run, room, g);
        }
    }
}

#endif
