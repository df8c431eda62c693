/* A block of samples through all passes on Pauli vectors, forward and back. */
#ifndef COUNTERSPIN_TRANSFER_BLOCK_H
#define COUNTERSPIN_TRANSFER_BLOCK_H

#include "block.h"
#include "tiles.h"

/* Everything a thread needs for one block at a time. Vectors of all Pauli strings are `start` (NULL: the product), the
 * two of `pair` (states on the way forward, lambda on the way back), and `room` many `states` that the way back makes
 * anew. */
typedef struct {
    vec *start, *pair[2], *states, *tile, *tape;
    int32_t room;
    vec *inputs, *input_gradient, *values;
    Affine *map, *gradient, *prefix;
    Product product;
    Angles angles;
    void *memory;
} TransferWorkspace;

/* The next `count` vectors of the memory that `next` walks through. */
static inline vec *taken(char **next, size_t count) {
    vec *found = (vec *)*next;
    *next += padded(sizeof(vec) * count);
    return found;
}

/* How many states the way back makes room for: those of all passes, or as many as fit into 16 MiB, fresh memory costs more
 * than walking again. At least as many as `rewind_passes` needs to cut the passes in halves. */
static inline int32_t room_for(const Transfer *transfer) {
    int64_t room = ((int64_t)1 << 24) / (int64_t)(sizeof(vec) * length_of(transfer)), least = 3;
    for (int32_t passes = transfer->passes; passes > 1; passes /= 2) least++;
    if (room < least) room = least;
    return room < transfer->passes ? (int32_t)room : transfer->passes;
}

/* Memory on large pages where the system has them: the states of 8 qubits would be thousands of small ones. */
static inline void *large(size_t bytes) {
    enum { PAGE = 1 << 21 };
    if (bytes < 2 * PAGE) return aligned_alloc(ALIGNMENT, padded(bytes));
    void *memory = aligned_alloc(PAGE, (bytes + PAGE - 1) / PAGE * PAGE);
#ifdef MADV_HUGEPAGE
    if (memory) madvise(memory, bytes, MADV_HUGEPAGE);
#endif
    return memory;
}

static inline int open_transfer(const Transfer *transfer, SharedAngles shared, int32_t room, TransferWorkspace *work) {
    const Program *program = &transfer->angles;
    size_t length = length_of(transfer), own = (size_t)(program->angles - program->shared);
    size_t ops = (size_t)transfer->most_ops, affine = sizeof(Affine) / sizeof(vec);
    size_t given = transfer->preparation ? 0 : 1, half = half_of(transfer), digits = 4 * (size_t)program->qubits;
    size_t states = length * (2 + given + (size_t)room), tiles = MOST_LOCAL * (1 + (size_t)transfer->most_taped);
    size_t maps = affine * (2 * ops + (size_t)transfer->longest);
    size_t inputs = (size_t)program->inputs, values = (size_t)program->values;
    size_t vectors = padded(sizeof(vec) * states) + padded(sizeof(vec) * tiles) + 2 * padded(sizeof(vec) * inputs) +
                     padded(sizeof(vec) * values) + 3 * padded(sizeof(vec) * own) + padded(sizeof(vec) * maps) +
                     padded(sizeof(vec) * digits) + 5 * padded(sizeof(vec) * half);
    char *next = large(vectors + padded(sizeof(double) * (size_t)program->shared) + ALIGNMENT);
    *work = (TransferWorkspace){.memory = next, .angles = {.shared = shared}};
    if (!next) return OUT_OF_MEMORY;
    work->pair[0] = taken(&next, states);
    work->pair[1] = work->pair[0] + length;
    work->states = work->pair[1] + length;
    work->start = given ? work->states + length * (size_t)room : NULL;
    work->room = room;
    work->tile = taken(&next, tiles);
    work->tape = work->tile + MOST_LOCAL;
    work->inputs = taken(&next, inputs);
    work->input_gradient = taken(&next, inputs);
    work->values = taken(&next, values);
    work->angles.cosine = taken(&next, own);
    work->angles.sine = taken(&next, own);
    work->angles.gradient = taken(&next, own);
    work->map = (Affine *)taken(&next, maps);
    work->gradient = work->map + ops;
    work->prefix = work->gradient + ops;
    work->product.digit = taken(&next, digits);
    for (int k = 0; k < 2; k++) {
        work->product.half[k] = taken(&next, half);
        work->product.slope[k] = taken(&next, half);
    }
    work->product.prefix = taken(&next, half);
    work->angles.shared_gradient = (double *)next;
    return DONE;
}

static inline void close_transfer(TransferWorkspace *work) { free(work->memory); }

static inline void fuse_pass(const Transfer *transfer, const TransferPass *pass, TransferWorkspace *work) {
    for (int32_t p = 0; p < pass->count; p++) {
        const Op *op = &transfer->op[pass->first + p];
        if (op->kind == AFFINE_RUN) work->map[p] = fused_run(transfer, &work->angles, op->run, NULL);
    }
}

static inline void walk(const Transfer *transfer, int32_t p, TransferWorkspace *work, const vec *in, vec *out) {
    const TransferPass *pass = &transfer->pass[p];
    fuse_pass(transfer, pass, work);
    forward_pass(transfer, pass, work->map, &work->product, in, out, work->tile);
}

static inline void fill_angles(const Transfer *transfer, const REAL *weights, TransferWorkspace *work) {
    fill_own(&transfer->angles, work->inputs, weights, &work->angles);
    if (transfer->preparation) prepare(transfer, &work->angles, &work->product);
}

/* Values from the start. */
static inline void transfer_forward_block(const Transfer *transfer, const REAL *weights, TransferWorkspace *work) {
    fill_angles(transfer, weights, work);
    const vec *state = work->start;
    for (int32_t p = 0; p < transfer->passes; p++) {
        int here = state == work->pair[0];
        vec *next = work->pair[p && transfer->pass[p].index < 0 ? !here : here]; /* in place where no index changes */
        walk(transfer, p, work, state, next);
        state = next;
    }
    for (int32_t k = 0; k < transfer->angles.values; k++) {
        vec sum = {0};
        for (int32_t e = transfer->read_start[k]; e < transfer->read_start[k + 1]; e++) {
            int32_t i = transfer->read_entry[e];
            sum += transfer->read_coefficient[e] * (state ? state[i] : product_at(&work->product, i));
        }
        work->values[k] = sum;
    }
}

/* What the way back asks for: lambda behind the passes that are not yet taken back, and before which pass nothing is
 * needed any more. */
typedef struct {
    vec *lambda;
    int32_t last;
    int to_start;
} Back;

/* Pass p back, given the state `in` before it; gathers the gradients of its angles. */
static inline void unwind(const Transfer *transfer, int32_t p, TransferWorkspace *work, const vec *in, Back *back) {
    const TransferPass *pass = &transfer->pass[p];
    const Op *op = &transfer->op[pass->first];
    Angles *angles = &work->angles;
    vec *lambda = back->lambda, *before = NULL;
    fuse_pass(transfer, pass, work);
    memset(work->gradient, 0, sizeof(Affine) * (size_t)pass->count);
    if (p > back->last || back->to_start) before = pass->index < 0 ? lambda : work->pair[lambda == work->pair[0]];
    /* Of lambda only what a pass reads is ever anything but zero. */
    if (before && before != lambda && (size_t)pass->bases * (size_t)pass->size < strings_of(transfer))
        memset(before, 0, sizeof(vec) * length_of(transfer));
    backward_pass(transfer, pass, work->map, angles->wanted, &work->product, in, lambda, before, work->tile,
                  work->tape, work->gradient);
    for (int32_t k = 0; k < pass->count; k++) {
        if (!(op[k].needs & angles->wanted)) continue;
        fused_run(transfer, angles, op[k].run, work->prefix);
        collect_run(transfer, angles, op[k].run, work->prefix, work->gradient[k]);
    }
    back->lambda = before;
}

/* The state before pass `end`, from `begin` before pass `first`, in the first of two states. */
static inline const vec *advanced(const Transfer *transfer, int32_t first, int32_t end, TransferWorkspace *work,
                                  const vec *begin, vec *states) {
    for (int32_t p = first; p < end; p++) {
        vec *next = states + length_of(transfer) * (size_t)((end - 1 - p) % 2);
        walk(transfer, p, work, begin, next);
        begin = next;
    }
    return begin;
}

/* Passes `first` to `end` back, given the state `begin` before them. The states between them are made anew: all at once if
 * `room` states hold them, else those of the latter part first, from one state in the middle. Nothing is inverted. */
static void rewind_passes(const Transfer *transfer, int32_t first, int32_t end, TransferWorkspace *work,
                          const vec *begin, vec *states, int32_t room, Back *back) {
    size_t length = length_of(transfer);
    int32_t count = end - first;
    if (count - 1 <= room) {
        for (int32_t k = 0; k < count - 1; k++)
            walk(transfer, first + k, work, k ? states + (size_t)(k - 1) * length : begin,
                 states + (size_t)k * length);
        for (int32_t k = count - 1; k >= 0; k--)
            unwind(transfer, first + k, work, k ? states + (size_t)(k - 1) * length : begin, back);
        return;
    }
    int32_t middle = count <= 2 * room ? end - room : first + count / 2;
    const vec *state = advanced(transfer, first, middle, work, begin, states);
    rewind_passes(transfer, middle, end, work, state, states + length, room - 1, back);
    rewind_passes(transfer, first, middle, work, begin, states, room, back);
}

/* From the gradient of the values (in work->values) to those of inputs and weights. Returns lambda at the start if
 * `to_start`. What nobody asked for is not computed. */
static inline vec *transfer_backward_block(const Transfer *transfer, const REAL *weights, TransferWorkspace *work,
                                                 int to_start, double *weight_gradient) {
    const Program *program = &transfer->angles;
    Angles *angles = &work->angles;
    size_t length = length_of(transfer);
    fill_angles(transfer, weights, work);
    memset(angles->gradient, 0, sizeof(vec) * (size_t)(program->angles - program->shared));
    memset(angles->shared_gradient, 0, sizeof(double) * (size_t)program->shared);
    memset(work->input_gradient, 0, sizeof(vec) * (size_t)program->inputs);
    Back back = {.lambda = work->pair[0]};
    memset(back.lambda, 0, sizeof(vec) * length);
    for (int32_t k = 0; k < program->values; k++)
        for (int32_t e = transfer->read_start[k]; e < transfer->read_start[k + 1]; e++)
            back.lambda[transfer->read_entry[e]] += transfer->read_coefficient[e] * work->values[k];
    int32_t lowest = 0;
    int to_product = 0;
    for (int32_t q = 0; transfer->preparation && q < program->qubits; q++)
        to_product |= transfer->preparation[q].needs & angles->wanted;
    back.to_start = to_start || to_product;
    while (lowest < transfer->passes && !(transfer->pass[lowest].needs & angles->wanted)) lowest++;
    back.last = back.to_start ? 0 : lowest;
    if (lowest < transfer->passes) {
        const vec *begin = lowest ? advanced(transfer, 0, lowest, work, work->start, work->states) : work->start;
        rewind_passes(transfer, lowest, transfer->passes, work, begin, work->states + (lowest ? length : 0),
                      work->room - (lowest ? 1 : 0), &back);
    }
    for (int32_t p = lowest - 1; p >= back.last; p--) unwind(transfer, p, work, NULL, &back);
    if (to_product) product_gradient(transfer, angles, &work->product, back.lambda, work->prefix);
    chain(program, angles, work->inputs, weights, angles->wanted & NEEDS_INPUTS ? work->input_gradient : NULL,
          weight_gradient);
    return back.lambda;
}

#endif
