/* A circuit with channels as the caller hands it over for Pauli vectors; mirrored in transfer/abi.py.
 *
 * The state is the real vector of Tr(P rho) over the 4^qubits Pauli strings, I, X, Y, Z per qubit. Each pass reads it
 * through a change of index (all that is a scaled signed permutation, as Clifford gates and Pauli channels are) and applies
 * several maps to tiles of few qubits. */
#ifndef COUNTERSPIN_TRANSFER_PROGRAM_H
#define COUNTERSPIN_TRANSFER_PROGRAM_H

#include "lanes.h"
#include "program.h"

enum OpKind { AFFINE_RUN, SPARSE_MAP, ADDITIONS };

enum { AXIS_FIXED = 3 }; /* a rotation of this axis is a constant map, and its angle the number of that map */

/* What is applied to a tile, to the part of it that anything behind it reads.
 *   AFFINE_RUN  the run of rotations and constant maps on the digit of `stride`, at each of the `rests` offsets from
 *               `rest` on
 *   SPARSE_MAP  a constant map of `size` entries by its rows, and by its columns for the way back: entries
 *               start[rows + i] to start[rows + i + 1] of `entry` and `coefficient` make row i. Its entries lie at the
 *               `size` offsets from `local` on, once for each of the `rests` offsets from `rest` on.
 *   ADDITIONS   one after the other, coefficient[rows + k] times the entry at entry[rows + k] is added to that at
 *               offset[local + k], for k below `size` */
typedef struct {
    int32_t kind, needs, shifts, stride;
    Run run;
    int32_t size, local, rest, rests;
    int32_t rows, columns;
} Op;

/* The tile of `size` entries at the offsets from `tile` on is walked once for each of the `bases` offsets from `base`
 * on, those that anything behind it reads. What it reads for the i-th entry of the k-th tile is the entry of the vector
 * at source[index + k size + i], times scale[index + k size + i]; with index -1 that at its own place. */
typedef struct {
    int32_t first, count, needs, index;
    int32_t tile, size, base, bases;
} TransferPass;

typedef struct {
    Program angles; /* counts, angles, terms, and the rotations of all runs */
    int32_t passes, most_ops, most_taped, longest; /* longest: run, in rotations and maps */
    const Op *preparation; /* of |0...0>, a run for each qubit; NULL: the state before the first pass is given */
    const TransferPass *pass;
    const Op *op;
    const int32_t *offset, *source;
    const REAL *scale;
    const REAL *map; /* three rows (shift, x, y, z) each */
    const int32_t *start, *entry;
    const REAL *coefficient;
    const int32_t *read_start, *read_entry; /* value k is the sum of read_coefficient * r[read_entry] */
    const REAL *read_coefficient;
} Transfer;

static inline size_t strings_of(const Transfer *transfer) { return (size_t)1 << (2 * transfer->angles.qubits); }

/* Where string i lies in a vector. Without the gaps all entries of a tile of high digits would fall into the same few
 * sets of the cache. */
static inline int32_t spaced(int32_t i) { return i + (i >> 8); }
static inline int32_t unspaced(int32_t place) { return place - place / 257; }

static inline size_t length_of(const Transfer *transfer) { return (size_t)spaced((int32_t)strings_of(transfer)); }

#endif
