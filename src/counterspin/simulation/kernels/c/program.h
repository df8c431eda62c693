/* The compiled circuit as the caller hands it over; the layouts are mirrored in abi.py, and so is the number below:
 * raise it with every change of a layout or of what a function expects, so that no library of older sources is called.
 *
 * Basis states are addressed by a physical index i. CNOT, SWAP and X move no data: they change the affine map over bits
 * from i to the logical basis state, so a logical qubit is a pair of masks. Flipping it takes i to i ^ flip; its value
 * at i is parity(i & mask) ^ offset. */
#ifndef COUNTERSPIN_PROGRAM_H
#define COUNTERSPIN_PROGRAM_H

#include <stdint.h>

enum { LAYOUT = 4 };

typedef struct {
    uint32_t flip, mask;
    int32_t offset;
} Qubit;

enum PassKind { LOCAL, LOCAL_PAIR, CONTROLLED, PHASE_PAIR, FLIP_PAIR, SIGNS };

enum { NEEDS_WEIGHTS = 1, NEEDS_INPUTS = 2 }; /* whose gradients an angle contributes to */

/* A run of rotations on one qubit, first applied first. */
typedef struct {
    int32_t start, count;
} Run;

/* One sweep over the state.
 *   LOCAL       the run `first` on qubit `first`
 *   LOCAL_PAIR  run `first` on qubit `first` and run `second` on qubit `second`
 *   CONTROLLED  run `second` on qubit `second` where qubit `first` is 1
 *   PHASE_PAIR  exp(-i angle/2 Z Z) on both qubits
 *   FLIP_PAIR   exp(-i angle/2 X X), or with `sign` -1 exp(-i angle/2 Y Y)
 *   SIGNS       minus on the listed basis states */
typedef struct {
    int32_t kind, angle, sign, needs;
    Qubit first, second;
    Run first_run, second_run;
    int32_t low, high; /* bits that are 0 in exactly one index of every coset of the flips; low < high */
    int32_t signs_start, signs_count;
} Pass;

enum { AXIS_X, AXIS_Y, AXIS_Z };

typedef struct {
    int32_t axis, angle;
} Rotation;

/* coefficient * inputs[input] * weights[weight]; an index of -1 stands for the factor 1. */
typedef struct {
    double coefficient;
    int32_t input, weight;
} Term;

/* constant + the terms; the first `shared` angles hold no inputs. */
typedef struct {
    double constant;
    int32_t start, count, needs, reserved;
} Angle;

/* The Pauli string i^turns X^flip Z^mask; turns has the parity of the number of Y. */
typedef struct {
    uint32_t flip, mask;
    int32_t offset, turns;
} Pauli;

typedef struct {
    int32_t qubits, inputs, weights, values;
    int32_t amplitudes, complex_data; /* amplitudes: number encoded; 0: start in |0...0> */
    int32_t angles, shared, passes, paulis;
    int32_t leading, reserved; /* passes that make a product state of |0...0>: one run on each of some qubits */
    const Angle *angle;
    const Term *term;
    const Rotation *rotation;
    const Pass *pass;
    const int32_t *signs;
    const Pauli *pauli;   /* one per value, or */
    const int32_t *group; /* the value each basis state counts for, -1: none */
} Program;

enum Status { DONE, OUT_OF_MEMORY, ZERO_VECTOR };

#endif
