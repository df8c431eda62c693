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
    vec *inputs, *input_gradient, *values, *norm;
    Angles angles;
    void *memory;
} Workspace;

static inline size_t padded(size_t bytes) { return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

static inline int open_workspace(const Program *program, SharedAngles shared, Workspace *work) {
    size_t state = padded(sizeof(Amplitude) << program->qubits), row = padded(sizeof(vec) * (size_t)program->inputs);
    size_t own = padded(sizeof(vec) * (size_t)(program->angles - program->shared));
    size_t values = padded(sizeof(vec) * (size_t)(program->values + 1)); /* the last one is the norm */
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
    work->norm = work->values + program->values;
    work->angles.shared_gradient = (double *)(next += values);
    return DONE;
}

static inline void close_workspace(Workspace *work) { free(work->memory); }

/* Lanes beyond the batch repeat its last sample. */
static inline void gather(const REAL *rows, int64_t batch, int64_t block, int32_t columns, vec *lanes) {
    for (int lane = 0; lane < LANES; lane++) {
        int64_t sample = block * LANES + lane;
        const REAL *row = rows + (sample < batch ? sample : batch - 1) * columns;
        for (int32_t column = 0; column < columns; column++) lanes[column][lane] = row[column];
    }
}

static inline void scatter(const vec *lanes, int64_t batch, int64_t block, int32_t columns, REAL *rows) {
    for (int lane = 0; lane < LANES && block * LANES + lane < batch; lane++) {
        REAL *row = rows + (block * LANES + lane) * columns;
        for (int32_t column = 0; column < columns; column++) row[column] = lanes[column][lane];
    }
}

/* The samples' norms, free of overflow; 0 for the zero vector. */
static inline vec norms(const vec *data, int32_t count) {
    vec largest = {0}, sum = {0}, norm;
    for (int32_t k = 0; k < count; k++)
        for (int lane = 0; lane < LANES; lane++) {
            REAL size = data[k][lane] < 0 ? -data[k][lane] : data[k][lane];
            if (!(size <= largest[lane])) largest[lane] = size; /* keeps NaN */
        }
    for (int lane = 0; lane < LANES; lane++)
        if (largest[lane] == 0) largest[lane] = 1;
    for (int32_t k = 0; k < count; k++) sum += (data[k] / largest) * (data[k] / largest);
    for (int lane = 0; lane < LANES; lane++) norm[lane] = (REAL)sqrt((double)sum[lane]) * largest[lane];
    return norm;
}

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
    vec norm = norms(work->inputs, encoded(program));
    for (int32_t k = 0; k < program->amplitudes; k++) {
        work->psi[k].re = work->inputs[k] / norm;
        if (program->complex_data) work->psi[k].im = work->inputs[program->amplitudes + k] / norm;
    }
    *work->norm = norm;
    int zero = 0;
    for (int lane = 0; lane < LANES; lane++) zero |= norm[lane] == 0;
    return zero;
}

/* Gradient of the amplitudes' inputs from lambda at the start: 2 lambda without its part along the sample, over the
 * norm. */
static inline void amplitude_gradient(const Program *program, Workspace *work) {
    int32_t count = program->amplitudes;
    vec norm = norms(work->inputs, encoded(program)), along = {0};
    for (int32_t k = 0; k < count; k++) {
        along += work->lambda[k].re * (work->inputs[k] / norm);
        if (program->complex_data) along += work->lambda[k].im * (work->inputs[count + k] / norm);
    }
    vec scale = 2 / norm;
    for (int32_t k = 0; k < count; k++) {
        work->input_gradient[k] += scale * (work->lambda[k].re - along * (work->inputs[k] / norm));
        if (program->complex_data)
            work->input_gradient[count + k] +=
                scale * (work->lambda[k].im - along * (work->inputs[count + k] / norm));
    }
}

#endif
