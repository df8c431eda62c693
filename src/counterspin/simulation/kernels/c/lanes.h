/* One vector holds one number of LANES samples: the batch is the innermost axis everywhere in this kernel.
 *
 * A translation unit is compiled once for each pair of precision (REAL is float or double) and instruction set
 * (VECTOR_BYTES is the width of its registers); KERNEL(name) gives each copy a name of its own. */
#ifndef COUNTERSPIN_LANES_H
#define COUNTERSPIN_LANES_H

#include <stddef.h>
#include <stdint.h>

#ifndef REAL
#define REAL float
#endif
#ifndef VECTOR_BYTES
#define VECTOR_BYTES 16
#endif
#ifndef SUFFIX
#define SUFFIX f32_default
#endif
#define JOINED(name, suffix) counterspin_##name##_##suffix
#define EXPANDED(name, suffix) JOINED(name, suffix)
#define KERNEL(name) EXPANDED(name, SUFFIX)

enum { LANES = VECTOR_BYTES / sizeof(REAL), ALIGNMENT = 64 };

typedef REAL vec __attribute__((vector_size(VECTOR_BYTES)));

/* An amplitude of each lane. */
typedef struct {
    vec re, im;
} Amplitude;

static inline vec broadcast(REAL value) { return (vec){0} + value; }

static inline double lane_sum(vec values) {
    double sum = 0;
    for (int lane = 0; lane < LANES; lane++) sum += values[lane];
    return sum;
}

#endif
