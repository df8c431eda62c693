/* One pass over a Pauli vector, tile by tile, forward and back. */
#ifndef COUNTERSPIN_TILES_H
#define COUNTERSPIN_TILES_H

#include "preparation.h"

enum { MOST_LOCAL = 256 }; /* entries of a tile, and of a sparse map in it */

/* The map, or its transposed one, of the CSR rows from `rows` on. */
static inline void move_sparse(const Transfer *transfer, const Op *op, int32_t rows, vec *tile) {
    const int32_t *local = transfer->offset + op->local, *start = transfer->start + rows;
    vec argument[MOST_LOCAL];
    for (int32_t k = 0; k < op->rests; k++) {
        vec *own = tile + transfer->offset[op->rest + k];
        for (int32_t i = 0; i < op->size; i++) argument[i] = own[local[i]];
        for (int32_t i = 0; i < op->size; i++) {
            vec sum = {0};
            for (int32_t e = start[i]; e < start[i + 1]; e++)
                sum += transfer->coefficient[e] * argument[transfer->entry[e]];
            own[local[i]] = sum;
        }
    }
}

static inline void add_up(const Transfer *transfer, const Op *op, vec *tile) {
    const int32_t *target = transfer->offset + op->local, *source = transfer->entry + op->rows;
    const REAL *factor = transfer->coefficient + op->rows;
    for (int32_t k = 0; k < op->size; k++) tile[target[k]] += factor[k] * tile[source[k]];
}

static inline void add_up_back(const Transfer *transfer, const Op *op, vec *tile) {
    const int32_t *target = transfer->offset + op->local, *source = transfer->entry + op->rows;
    const REAL *factor = transfer->coefficient + op->rows;
    for (int32_t k = op->size - 1; k >= 0; k--) tile[source[k]] += factor[k] * tile[target[k]];
}

/* `in` is `out` but for runs. Of a run's only what it moves is written. */
static inline void move_op(const Transfer *transfer, const Op *op, const Affine *map, const vec *in, vec *out) {
    const int32_t *place = transfer->offset + op->rest;
    if (op->kind == SPARSE_MAP)
        move_sparse(transfer, op, op->rows, out);
    else if (op->kind == ADDITIONS)
        add_up(transfer, op, out);
    else if (op->shifts)
        move_digit(*map, 1, place, op->rests, op->stride, in, out);
    else
        move_digit(*map, 0, place, op->rests, op->stride, in, out);
}

static inline void move_op_back(const Transfer *transfer, const Op *op, const Affine *map, const vec *r, vec *lambda,
                                Affine *g) {
    const int32_t *place = transfer->offset + op->rest;
    if (op->kind == SPARSE_MAP)
        move_sparse(transfer, op, op->columns, lambda);
    else if (op->kind == ADDITIONS)
        add_up_back(transfer, op, lambda);
    else if (op->shifts && g)
        move_digit_back(*map, 1, place, op->rests, op->stride, r, lambda, g);
    else if (op->shifts)
        move_digit_back(*map, 1, place, op->rests, op->stride, r, lambda, NULL);
    else if (g)
        move_digit_back(*map, 0, place, op->rests, op->stride, r, lambda, g);
    else
        move_digit_back(*map, 0, place, op->rests, op->stride, r, lambda, NULL);
}

/* The k-th tile of a pass. `state` NULL: the product. */
static inline void gather_tile(const Transfer *transfer, const TransferPass *pass, int32_t k, const vec *state,
                               const Product *product, vec *tile) {
    if (pass->index < 0) {
        const int32_t *offset = transfer->offset + pass->tile;
        state += transfer->offset[pass->base + k];
        for (int32_t i = 0; i < pass->size; i++) tile[i] = state[offset[i]];
        return;
    }
    const int32_t *source = transfer->source + pass->index + k * pass->size;
    const REAL *scale = transfer->scale + pass->index + k * pass->size;
    if (state)
        for (int32_t i = 0; i < pass->size; i++) tile[i] = scale[i] * state[source[i]];
    else
        for (int32_t i = 0; i < pass->size; i++) tile[i] = scale[i] * product_at(product, source[i]);
}

/* `in` may be `out` where the pass changes no index, or NULL: the product. */
static inline void forward_pass(const Transfer *transfer, const TransferPass *pass, const Affine *map,
                                const Product *product, const vec *in, vec *out, vec *tile) {
    const int32_t *offset = transfer->offset + pass->tile;
    for (int32_t k = 0; k < pass->bases; k++) {
        int32_t base = transfer->offset[pass->base + k];
        gather_tile(transfer, pass, k, in, product, tile);
        for (int32_t p = 0; p < pass->count; p++)
            move_op(transfer, &transfer->op[pass->first + p], &map[p], tile, tile);
        for (int32_t i = 0; i < pass->size; i++) out[base + offset[i]] = tile[i];
    }
}

/* lambda before the pass from lambda after it, and the gradients of the maps of its wanted runs, given the state `in`
 * before it (NULL: the product). The maps are applied to the tile once more, keeping the argument of each wanted run:
 * nothing is inverted. `before` may be `after` where the pass changes no index, or NULL: not needed. */
static inline void backward_pass(const Transfer *transfer, const TransferPass *pass, const Affine *map, int wanted,
                                 const Product *product, const vec *in, const vec *after, vec *before, vec *tile,
                                 vec *tape, Affine *g) {
    const int32_t *offset = transfer->offset + pass->tile;
    const Op *op = transfer->op + pass->first;
    int32_t taped = 0; /* number of ops up to the last wanted one */
    for (int32_t p = 0; p < pass->count; p++)
        if (op[p].needs & wanted) taped = p + 1;
    for (int32_t k = 0; k < pass->bases; k++) {
        int32_t base = transfer->offset[pass->base + k];
        vec *slot = tape;
        if (taped) gather_tile(transfer, pass, k, in, product, slot);
        for (int32_t p = 0; p < taped - 1; p++) {
            vec *next = op[p].needs & wanted ? slot + pass->size : slot;
            if (next != slot && 4 * op[p].rests < pass->size) memcpy(next, slot, sizeof(vec) * (size_t)pass->size);
            move_op(transfer, &op[p], &map[p], slot, next);
            slot = next;
        }
        for (int32_t i = 0; i < pass->size; i++) tile[i] = after[base + offset[i]];
        for (int32_t p = pass->count - 1; p >= 0; p--) {
            int own = op[p].needs & wanted;
            move_op_back(transfer, &op[p], &map[p], slot, tile, own ? &g[p] : NULL);
            if (own && slot != tape) slot -= pass->size;
        }
        if (!before) continue;
        if (pass->index < 0) {
            for (int32_t i = 0; i < pass->size; i++) before[base + offset[i]] = tile[i];
            continue;
        }
        const int32_t *source = transfer->source + pass->index + k * pass->size;
        const REAL *scale = transfer->scale + pass->index + k * pass->size;
        for (int32_t i = 0; i < pass->size; i++) before[source[i]] = scale[i] * tile[i];
    }
}

#endif
