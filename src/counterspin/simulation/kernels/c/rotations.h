/* Runs of rotations: fused to one SU(2) on the way forward, taken apart again for their gradients. */
#ifndef COUNTERSPIN_ROTATIONS_H
#define COUNTERSPIN_ROTATIONS_H

#include "angles.h"

/* The matrix [[a, -conj(b)], [b, conj(a)]] of each lane. */
typedef struct {
    vec ar, ai, br, bi;
} Su2;

/* Im <lambda| sigma |psi> for the three Pauli matrices: half the derivative along each axis, times two. */
typedef struct {
    vec x, y, z;
} Axes;

static inline Su2 fused(const Program *program, const Angles *angles, Run run) {
    Su2 g = {broadcast(1), {0}, {0}, {0}};
    for (int32_t k = run.start; k < run.start + run.count; k++) {
        Rotation rotation = program->rotation[k];
        vec c = cosine(program, angles, rotation.angle), s = sine(program, angles, rotation.angle);
        if (rotation.axis == AXIS_X)
            g = (Su2){c * g.ar + s * g.bi, c * g.ai - s * g.br, c * g.br + s * g.ai, c * g.bi - s * g.ar};
        else if (rotation.axis == AXIS_Y)
            g = (Su2){c * g.ar - s * g.br, c * g.ai - s * g.bi, c * g.br + s * g.ar, c * g.bi + s * g.ai};
        else
            g = (Su2){c * g.ar + s * g.ai, c * g.ai - s * g.ar, c * g.br - s * g.bi, c * g.bi + s * g.br};
    }
    return g;
}

static inline Su2 adjoint(Su2 g) { return (Su2){g.ar, -g.ai, -g.br, -g.bi}; }

/* Gradients of a run's angles from v at its output, last rotation first: dL/dangle is the component of v along the
 * rotation's axis, and v before the rotation is v after it turned back by the angle. */
static inline void collect(const Program *program, Angles *angles, Run run, Axes v) {
    for (int32_t k = run.start + run.count - 1; k >= run.start; k--) {
        Rotation rotation = program->rotation[k];
        vec half_c = cosine(program, angles, rotation.angle), half_s = sine(program, angles, rotation.angle);
        vec c = half_c * half_c - half_s * half_s, s = 2 * half_c * half_s;
        if (rotation.axis == AXIS_X) {
            add_gradient(program, angles, rotation.angle, v.x);
            v = (Axes){v.x, c * v.y + s * v.z, c * v.z - s * v.y};
        } else if (rotation.axis == AXIS_Y) {
            add_gradient(program, angles, rotation.angle, v.y);
            v = (Axes){c * v.x - s * v.z, v.y, c * v.z + s * v.x};
        } else {
            add_gradient(program, angles, rotation.angle, v.z);
            v = (Axes){c * v.x + s * v.y, c * v.y - s * v.x, v.z};
        }
    }
}

#endif
