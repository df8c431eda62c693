/* Runs on one qubit of a Pauli vector: fused to one affine map of (X, Y, Z), taken apart again for their gradients. */
#ifndef COUNTERSPIN_AFFINE_H
#define COUNTERSPIN_AFFINE_H

#include <string.h>

#include "angles.h"
#include "transfer_program.h"

/* Row a of the result is at[a][0] + at[a][1] x + at[a][2] y + at[a][3] z, the first for an identity of 1. */
typedef struct {
    vec at[3][4];
} Affine;

static inline void turn_rows(Affine *m, int32_t axis, vec c, vec s) {
    int a = (axis + 1) % 3, b = (axis + 2) % 3;
    for (int k = 0; k < 4; k++) {
        vec x = m->at[a][k], y = m->at[b][k];
        m->at[a][k] = c * x - s * y;
        m->at[b][k] = s * x + c * y;
    }
}

static inline void cosine_and_sine(const Program *program, const Angles *angles, int32_t angle, vec *c, vec *s) {
    vec half_c = cosine(program, angles, angle), half_s = sine(program, angles, angle);
    *c = half_c * half_c - half_s * half_s;
    *s = 2 * half_c * half_s;
}

/* `prefix`: room for the map after each element of the run, or NULL. */
static inline Affine fused_run(const Transfer *transfer, const Angles *angles, Run run, Affine *prefix) {
    const Program *program = &transfer->angles;
    Affine m = {0};
    for (int a = 0; a < 3; a++) m.at[a][a + 1] = broadcast(1);
    for (int32_t k = 0; k < run.count; k++) {
        Rotation rotation = program->rotation[run.start + k];
        if (rotation.axis == AXIS_FIXED) {
            const REAL *map = transfer->map + 12 * rotation.angle;
            Affine old = m;
            for (int a = 0; a < 3; a++)
                for (int j = 0; j < 4; j++)
                    m.at[a][j] = map[4 * a + 1] * old.at[0][j] + map[4 * a + 2] * old.at[1][j] +
                                 map[4 * a + 3] * old.at[2][j] + (j ? broadcast(0) : broadcast(map[4 * a]));
        } else {
            vec c, s;
            cosine_and_sine(program, angles, rotation.angle, &c, &s);
            turn_rows(&m, rotation.axis, c, s);
        }
        if (prefix) prefix[k] = m;
    }
    return m;
}

/* Gradients of a run's angles from that of its map, last element first: turning by an angle moves the two rows of the map
 * so far against each other. */
static inline void collect_run(const Transfer *transfer, Angles *angles, Run run, const Affine *prefix, Affine g) {
    const Program *program = &transfer->angles;
    for (int32_t k = run.count - 1; k >= 0; k--) {
        Rotation rotation = program->rotation[run.start + k];
        if (rotation.axis == AXIS_FIXED) {
            const REAL *map = transfer->map + 12 * rotation.angle;
            Affine old = g;
            for (int a = 0; a < 3; a++)
                for (int j = 0; j < 4; j++)
                    g.at[a][j] = map[1 + a] * old.at[0][j] + map[5 + a] * old.at[1][j] + map[9 + a] * old.at[2][j];
            continue;
        }
        int a = (rotation.axis + 1) % 3, b = (rotation.axis + 2) % 3;
        vec slope = {0}, c, s;
        for (int j = 0; j < 4; j++) slope += g.at[b][j] * prefix[k].at[a][j] - g.at[a][j] * prefix[k].at[b][j];
        add_gradient(program, angles, rotation.angle, slope);
        cosine_and_sine(program, angles, rotation.angle, &c, &s);
        turn_rows(&g, rotation.axis, c, -s);
    }
}

/* out = m in on the digit of `stride`, at the `count` places; `in` may be `out`. */
static inline __attribute__((always_inline)) void move_digit(Affine m, int shifts, const int32_t *place, int32_t count,
                                                             int32_t stride, const vec *in, vec *out) {
    for (int32_t k = 0; k < count; k++) {
        const vec *own = in + place[k];
        vec *moved = out + place[k];
        vec w = own[0], x = own[stride], y = own[2 * stride], z = own[3 * stride];
        moved[0] = w;
        for (int a = 0; a < 3; a++) {
            vec sum = m.at[a][1] * x + m.at[a][2] * y + m.at[a][3] * z;
            moved[(a + 1) * stride] = shifts ? sum + m.at[a][0] * w : sum;
        }
    }
}

/* The transposed map on lambda; with `g`, adds the outer product of lambda and the map's argument r. */
static inline __attribute__((always_inline)) void move_digit_back(Affine m, int shifts, const int32_t *place,
                                                                  int32_t count, int32_t stride, const vec *r,
                                                                  vec *lambda, Affine *g) {
    Affine sum = g ? *g : (Affine){0};
    for (int32_t k = 0; k < count; k++) {
        vec *own = lambda + place[k];
        vec l[3] = {own[stride], own[2 * stride], own[3 * stride]};
        if (g)
            for (int b = shifts ? 0 : 1; b < 4; b++) {
                vec argument = r[place[k] + b * stride];
                for (int a = 0; a < 3; a++) sum.at[a][b] += l[a] * argument;
            }
        if (shifts) own[0] += m.at[0][0] * l[0] + m.at[1][0] * l[1] + m.at[2][0] * l[2];
        for (int b = 1; b < 4; b++)
            own[b * stride] = m.at[0][b] * l[0] + m.at[1][b] * l[1] + m.at[2][b] * l[2];
    }
    if (g) *g = sum;
}

#endif
