/* One block of LANES samples: its workspace, and how rows of the caller's tensors become lanes. */
#ifndef COUNTERSPIN_BLOCK_H
#define COUNTERSPIN_BLOCK_H

#include <stdlib.h>
#include <string.h>

#include "angles.h"
#include "lanes.h"
#include "program.h"

/* Everything a thread needs for one block at a time. Memory does not grow with the depth of the circuit, but for one
 * vector for each distinct angle. */
typedef struct {
    Amplitude *psi, *lambda;
    vec *inputs, *input_gradient, *values;
    Angles angles;
    void *memory;
} Workspace;

static inline size_t padded(size_t bytes) { return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

static inline int open_workspace(const Program *program, SharedAngles shared, Workspace *work) {
    size_t state = padded(sizeof(Amplitude) << program->qubits), row = padded(sizeof(vec) * (size_t)program->inputs);
    size_t own = padded(sizeof(vec) * (size_t)(program->angles - program->shared));
    size_t values = padded(sizeof(vec) * (size_t)program->values);
    size_t gradients = padded(sizeof(double) * (size_t)program->shared);
    char *next = aligned_alloc(ALIGNMENT, 2 * state + 2 * row + 3 * own + values + gradients);
    *work = (Workspace){.memory = next, .angles = {.shared = shared}};
    if (!next) return OUT_OF_MEMORY;
    work->psi = (Amplitude *)next;
    work->lambda = (Amplitude *)(next += state);
    work->inputs = (vec *)(next += state);
    work->input_gradient = (vec *)(next += row);
    work->angles.cosine = (vec *)(next += row);
    work->angles.sine = (vec *)(next += own);
    work->angles.gradient = (vec *)(next += own);
    work->values = (vec *)(next += own);
    work->angles.shared_gradient = (double *)(next += values);
    return DONE;
}

static inline void close_workspace(Workspace *work) { free(work->memory); }

/* Lanes beyond the batch repeat its last sample. `rows` of no columns may be NULL. */
static inline void gather(const REAL *rows, int64_t batch, int64_t block, int32_t columns, vec *lanes) {
    for (int lane = 0; lane < LANES; lane++) {
        int64_t sample = block * LANES + lane;
        int64_t first = (sample < batch ? sample : batch - 1) * columns;
        for (int32_t column = 0; column < columns; column++) lanes[column][lane] = rows[first + column];
    }
}

static inline void scatter(const vec *lanes, int64_t batch, int64_t block, int32_t columns, REAL *rows) {
    for (int lane = 0; lane < LANES && block * LANES + lane < batch; lane++) {
        int64_t first = (block * LANES + lane) * columns;
        for (int32_t column = 0; column < columns; column++) rows[first + column] = lanes[column][lane];
    }
}

/* A sample's norm as two factors, so that neither it nor a square of the data leaves the range of REAL: the largest
 * modulus, 0 for the zero vector, and the norm of the data over it. */
typedef struct {
    vec largest, relative;
} Norm;

static inline Norm norm_of(const vec *data, int32_t count) {
    vec largest = {0}, sum = {0};
    for (int32_t k = 0; k < count; k++)
        for (int lane = 0; lane < LANES; lane++) {
            REAL size = data[k][lane] < 0 ? -data[k][lane] : data[k][lane];
            if (!(size <= largest[lane])) largest[lane] = size;
        }
    for (int32_t k = 0; k < count; k++) sum += (data[k] / largest) * (data[k] / largest);
    for (int lane = 0; lane < LANES; lane++) sum[lane] = (REAL)sqrt((double)sum[lane]);
    return (Norm){largest, sum};
}

static inline vec unit(vec value, Norm norm) { return value / norm.largest / norm.relative; }

/* Number of leading inputs that are amplitudes. */
static inline int32_t encoded(const Program *program) {
    return program->complex_data ? 2 * program->amplitudes : program->amplitudes;
}

/* |0...0>, or the unit vector of the leading inputs padded with zeros. Returns whether any sample is the zero vector. */
static inline int start_state(const Program *program, Workspace *work) {
    memset(work->psi, 0, sizeof(Amplitude) << program->qubits);
    if (!program->amplitudes) {
        work->psi[0].re = broadcast(1);
        return 0;
    }
    Norm norm = norm_of(work->inputs, encoded(program));
    for (int32_t k = 0; k < program->amplitudes; k++) {
        work->psi[k].re = unit(work->inputs[k], norm);
        if (program->complex_data) work->psi[k].im = unit(work->inputs[program->amplitudes + k], norm);
    }
    int zero = 0;
    for (int lane = 0; lane < LANES; lane++) zero |= norm.largest[lane] == 0;
    return zero;
}

/* Gradient of the amplitudes' inputs from lambda at the start: 2 lambda without its part along the sample, over the
 * norm. */
static inline void amplitude_gradient(const Program *program, Workspace *work) {
    int32_t count = program->amplitudes;
    Norm norm = norm_of(work->inputs, encoded(program));
    vec along = {0};
    for (int32_t k = 0; k < count; k++) {
        along += work->lambda[k].re * unit(work->inputs[k], norm);
        if (program->complex_data) along += work->lambda[k].im * unit(work->inputs[count + k], norm);
    }
    vec scale = 2 / norm.relative / norm.largest;
    for (int32_t k = 0; k < count; k++) {
        work->input_gradient[k] += scale * (work->lambda[k].re - along * unit(work->inputs[k], norm));
        if (program->complex_data)
            work->input_gradient[count + k] +=
                scale * (work->lambda[k].im - along * unit(work->inputs[count + k], norm));
    }
}

#endif
