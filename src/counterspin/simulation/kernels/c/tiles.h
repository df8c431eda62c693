/* One pass over a Pauli vector, tile by tile, forward and back. */
#ifndef COUNTERSPIN_TILES_H
#define COUNTERSPIN_TILES_H

#include "affine.h"

enum { MOST_LOCAL = 256 }; /* entries of a sparse map */

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

static inline void move_op(const Transfer *transfer, const Op *op, const Affine *map, int32_t size, const vec *in,
                           vec *out) {
    if (op->kind == SPARSE_MAP)
        move_sparse(transfer, op, op->rows, out); /* never taped: in is out */
    else if (op->shifts)
        move_digit(*map, 1, size, op->stride, in, out);
    else
        move_digit(*map, 0, size, op->stride, in, out);
}

static inline void move_op_back(const Transfer *transfer, const Op *op, const Affine *map, int32_t size, const vec *r,
                                vec *lambda, Affine *g) {
    if (op->kind == SPARSE_MAP)
        move_sparse(transfer, op, op->columns, lambda);
    else if (op->shifts && g)
        move_digit_back(*map, 1, size, op->stride, r, lambda, g);
    else if (op->shifts)
        move_digit_back(*map, 1, size, op->stride, r, lambda, NULL);
    else if (g)
        move_digit_back(*map, 0, size, op->stride, r, lambda, g);
    else
        move_digit_back(*map, 0, size, op->stride, r, lambda, NULL);
}

static inline void gather_tile(const Transfer *transfer, const TransferPass *pass, int32_t base, const vec *state,
                               vec *tile) {
    const int32_t *offset = transfer->offset + pass->tile;
    if (pass->index < 0) {
        for (int32_t k = 0; k < pass->size; k++) tile[k] = state[base + offset[k]];
        return;
    }
    const int32_t *source = transfer->source + pass->index + base;
    const REAL *scale = transfer->scale + pass->index + base;
    for (int32_t k = 0; k < pass->size; k++) tile[k] = scale[offset[k]] * state[source[offset[k]]];
}

/* `in` may be `out` where the pass changes no index. */
static inline void forward_pass(const Transfer *transfer, const TransferPass *pass, const Affine *map, const vec *in,
                                vec *out, vec *tile) {
    const int32_t *offset = transfer->offset + pass->tile;
    for (int32_t k = 0; k < pass->bases; k++) {
        int32_t base = transfer->offset[pass->base + k];
        gather_tile(transfer, pass, base, in, tile);
        for (int32_t p = 0; p < pass->count; p++)
            move_op(transfer, &transfer->op[pass->first + p], &map[p], pass->size, tile, tile);
        for (int32_t i = 0; i < pass->size; i++) out[base + offset[i]] = tile[i];
    }
}

/* lambda before the pass from lambda after it, and the gradients of the maps of its wanted runs, given the state `in`
 * before it. The maps are applied to the tile once more, keeping the argument of each wanted run: nothing is inverted.
 * `before` may be `after` where the pass changes no index, or NULL: not needed. */
static inline void backward_pass(const Transfer *transfer, const TransferPass *pass, const Affine *map, int wanted,
                                 const vec *in, const vec *after, vec *before, vec *tile, vec *tape, Affine *g) {
    const int32_t *offset = transfer->offset + pass->tile;
    const Op *op = transfer->op + pass->first;
    int32_t taped = 0; /* number of ops up to the last wanted one */
    for (int32_t p = 0; p < pass->count; p++)
        if (op[p].needs & wanted) taped = p + 1;
    for (int32_t k = 0; k < pass->bases; k++) {
        int32_t base = transfer->offset[pass->base + k];
        int32_t slot = 0;
        if (taped) gather_tile(transfer, pass, base, in, tape);
        for (int32_t p = 0; p < taped - 1; p++) {
            int32_t next = op[p].needs & wanted ? slot + pass->size : slot;
            move_op(transfer, &op[p], &map[p], pass->size, tape + slot, tape + next);
            slot = next;
        }
        for (int32_t i = 0; i < pass->size; i++) tile[i] = after[base + offset[i]];
        for (int32_t p = pass->count - 1; p >= 0; p--) {
            int own = op[p].needs & wanted;
            move_op_back(transfer, &op[p], &map[p], pass->size, tape + slot, tile, own ? &g[p] : NULL);
            if (own && slot) slot -= pass->size;
        }
        if (!before) continue;
        if (pass->index < 0) {
            for (int32_t i = 0; i < pass->size; i++) before[base + offset[i]] = tile[i];
            continue;
        }
        const int32_t *source = transfer->source + pass->index + base;
        const REAL *scale = transfer->scale + pass->index + base;
        for (int32_t i = 0; i < pass->size; i++) before[source[offset[i]]] = scale[offset[i]] * tile[i];
    }
}

#endif
