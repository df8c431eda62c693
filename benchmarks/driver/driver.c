/* Runs the kernel on one case outside Python: under sanitizers, and under callgrind to count its instructions.
 *
 *     driver CASE RESULT THREADS REPETITIONS
 *
 * CASE, written by case.py: a Header and its sections. RESULT: the values, then the wanted gradients. Exit code 1 and one
 * line on stderr if anything is wrong; indices inside the tables are not checked. */
#include "driver.h"

#include "kernel.c"

enum Section { ANGLES, TERMS, ROTATIONS, PASSES, SIGN_LISTS, PAULIS, GROUPS, INPUTS, WEIGHTS, GRADIENT, SECTIONS };

typedef struct {
    char magic[8];
    int32_t real_bytes, wanted; /* wanted: NEEDS_WEIGHTS, NEEDS_INPUTS */
    int64_t batch;
    Program program; /* its pointers mean nothing here */
    int64_t bytes[SECTIONS];
} Header;

typedef struct {
    Header header;
    void *section[SECTIONS];
} Case;

enum { MOST = 1 << 28, MOST_QUBITS = 28 }; /* so that no size below overflows */

static int in_range(const Header *h) {
    const Program *p = &h->program;
    const int64_t counts[] = {h->batch,  p->inputs, p->weights, p->values, p->amplitudes,
                              p->angles, p->shared, p->passes,  p->paulis};
    for (size_t k = 0; k < sizeof(counts) / sizeof(counts[0]); k++)
        if (counts[k] < 0 || counts[k] > MOST) return 0;
    return p->qubits >= 1 && p->qubits <= MOST_QUBITS && p->shared <= p->angles;
}

/* What is wrong with a header, or NULL. */
static const char *check(const void *header) {
    const Header *h = header;
    if (memcmp(h->magic, "cs-case1", sizeof(h->magic)) != 0) return "the file is no case";
    if (h->real_bytes != sizeof(REAL)) return "the case has another precision than this driver";
    if (!in_range(h)) return "a count of the case is out of range";
    const Program *p = &h->program;
    const int64_t any = -1, real = sizeof(REAL);
    const int64_t expected[SECTIONS] = {
        [ANGLES] = p->angles * (int64_t)sizeof(Angle),
        [TERMS] = any,
        [ROTATIONS] = any,
        [PASSES] = p->passes * (int64_t)sizeof(Pass),
        [SIGN_LISTS] = any,
        [PAULIS] = p->paulis * (int64_t)sizeof(Pauli),
        [GROUPS] = p->paulis ? 0 : (int64_t)sizeof(int32_t) << p->qubits,
        [INPUTS] = h->batch * p->inputs * real,
        [WEIGHTS] = p->weights * real,
        [GRADIENT] = h->batch * p->values * real,
    };
    for (int k = 0; k < SECTIONS; k++)
        if (expected[k] != any && h->bytes[k] != expected[k]) return "a section has not the size its counts ask for";
    return NULL;
}

static const char *read_case(const char *path, Case *c) {
    Header *h = &c->header;
    const char *trouble = read_file(path, h, sizeof(*h), check, h->bytes, SECTIONS, c->section);
    Program *p = &h->program;
    p->angle = c->section[ANGLES];
    p->term = c->section[TERMS];
    p->rotation = c->section[ROTATIONS];
    p->pass = c->section[PASSES];
    p->signs = c->section[SIGN_LISTS];
    p->pauli = c->section[PAULIS];
    p->group = c->section[GROUPS];
    return trouble;
}

/* What the kernel writes; NULL: not wanted or empty. */
enum Output { VALUES, OF_INPUTS, OF_WEIGHTS, STATES, OUTPUTS };

static const char *repeat(const Case *c, void *const output[OUTPUTS], int threads, long repetitions) {
    const Program *p = &c->header.program;
    const REAL *inputs = c->section[INPUTS], *weights = c->section[WEIGHTS];
    int64_t batch = c->header.batch;
    int status = DONE;
    for (long k = 0; k < repetitions && status == DONE; k++) {
        status = KERNEL(forward)(p, inputs, weights, batch, output[VALUES], output[STATES], threads);
        if (status == DONE && c->header.wanted)
            status = KERNEL(backward)(p, inputs, weights, batch, output[STATES], c->section[GRADIENT],
                                      output[OF_INPUTS], output[OF_WEIGHTS], threads);
    }
    if (status == ZERO_VECTOR) return "a sample to encode is the zero vector";
    return status == DONE ? NULL : "the kernel found no memory";
}

static const char *run_case(const Case *c, const char *path, int threads, long repetitions) {
    const Header *h = &c->header;
    const int64_t bytes[OUTPUTS] = {
        [VALUES] = h->bytes[GRADIENT],
        [OF_INPUTS] = h->wanted & NEEDS_INPUTS ? h->bytes[INPUTS] : 0,
        [OF_WEIGHTS] = h->wanted & NEEDS_WEIGHTS ? h->bytes[WEIGHTS] : 0,
        [STATES] = h->wanted ? KERNEL(states_size)(&h->program, h->batch) : 0,
    };
    void *output[OUTPUTS] = {NULL};
    const char *trouble = allocate(bytes, OUTPUTS, output);
    if (!trouble) trouble = repeat(c, output, threads, repetitions);
    if (!trouble) trouble = write_results(path, bytes, STATES, output);
    release(output, OUTPUTS);
    return trouble;
}

static const char *run_files(const char *path, const char *result, int threads, long repetitions) {
    Case c = {.section = {NULL}};
    const char *trouble = read_case(path, &c);
    if (!trouble) trouble = run_case(&c, result, threads, repetitions);
    release(c.section, SECTIONS);
    return trouble;
}
