/* Runs the kernel for Pauli vectors on one case outside Python, under sanitizers; called as driver.c is.
 *
 * CASE is written by transfer_case.py; neither counts nor indices in it are checked. */
#include "transfer.c" /* first: it chooses what the system's headers declare */

#include "driver.h"

enum Section {
    ANGLES, TERMS, ROTATIONS, PASSES, OPS, OFFSETS, SOURCES, SCALES, MAPS, STARTS, ENTRIES, COEFFICIENTS,
    READ_STARTS, READ_ENTRIES, READ_COEFFICIENTS, INPUTS, WEIGHTS, GIVEN, GRADIENT, SECTIONS
};

enum { NEEDS_GIVEN = 4 }; /* beside NEEDS_WEIGHTS and NEEDS_INPUTS */

typedef struct {
    char magic[8];
    int32_t real_bytes, wanted;
    int64_t batch;
    Transfer transfer; /* its pointers mean nothing here, but for whether there is a preparation */
    int64_t bytes[SECTIONS];
} Header;

static const char *check(const void *header) {
    const Header *h = header;
    if (memcmp(h->magic, "cs-case2", sizeof(h->magic)) != 0) return "the file is no case";
    return h->real_bytes == sizeof(REAL) ? NULL : "the case has another precision than this driver";
}

static void point(Transfer *t, void *const section[SECTIONS]) {
    t->angles.angle = section[ANGLES];
    t->angles.term = section[TERMS];
    t->angles.rotation = section[ROTATIONS];
    t->preparation = t->preparation ? section[OPS] : NULL;
    t->pass = section[PASSES];
    t->op = section[OPS];
    t->offset = section[OFFSETS];
    t->source = section[SOURCES];
    t->scale = section[SCALES];
    t->map = section[MAPS];
    t->start = section[STARTS];
    t->entry = section[ENTRIES];
    t->coefficient = section[COEFFICIENTS];
    t->read_start = section[READ_STARTS];
    t->read_entry = section[READ_ENTRIES];
    t->read_coefficient = section[READ_COEFFICIENTS];
}

/* What the kernel writes; NULL: not wanted or empty. */
enum Output { VALUES, OF_INPUTS, OF_WEIGHTS, OF_GIVEN, OUTPUTS };

static const char *run_case(const Header *h, void *const section[SECTIONS], const char *path, int threads,
                            long repetitions) {
    const Transfer *t = &h->transfer;
    const REAL *inputs = section[INPUTS], *weights = section[WEIGHTS], *given = section[GIVEN];
    const int64_t bytes[OUTPUTS] = {
        [VALUES] = h->bytes[GRADIENT],
        [OF_INPUTS] = h->wanted & NEEDS_INPUTS ? h->bytes[INPUTS] : 0,
        [OF_WEIGHTS] = h->wanted & NEEDS_WEIGHTS ? h->bytes[WEIGHTS] : 0,
        [OF_GIVEN] = h->wanted & NEEDS_GIVEN ? h->bytes[GIVEN] : 0,
    };
    void *output[OUTPUTS] = {NULL};
    const char *trouble = allocate(bytes, OUTPUTS, output);
    int status = DONE;
    for (long k = 0; k < repetitions && status == DONE && !trouble; k++) {
        status = KERNEL(transfer_forward)(t, inputs, weights, given, h->batch, output[VALUES], threads);
        if (status == DONE && h->wanted)
            status = KERNEL(transfer_backward)(t, inputs, weights, given, h->batch, section[GRADIENT],
                                               output[OF_INPUTS], output[OF_WEIGHTS], output[OF_GIVEN], threads);
    }
    if (status != DONE) trouble = "the kernel found no memory";
    if (!trouble) trouble = write_results(path, bytes, OUTPUTS, output);
    release(output, OUTPUTS);
    return trouble;
}

static const char *run_files(const char *path, const char *result, int threads, long repetitions) {
    Header h = {.batch = 0};
    void *section[SECTIONS] = {NULL};
    const char *trouble = read_file(path, &h, sizeof(h), check, h.bytes, SECTIONS, section);
    if (!trouble) {
        point(&h.transfer, section);
        trouble = run_case(&h, section, result, threads, repetitions);
    }
    release(section, SECTIONS);
    return trouble;
}
