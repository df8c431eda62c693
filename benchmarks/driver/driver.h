/* What the drivers share: a case file is a header and its sections, in this machine's byte order; the results are
 * written one behind the other. Every section and every result lies in an allocation of exactly its size. */
#ifndef COUNTERSPIN_DRIVER_H
#define COUNTERSPIN_DRIVER_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Of each driver: what is wrong, or NULL. */
static const char *run_files(const char *path, const char *result, int threads, long repetitions);

/* NULL stays where nothing is to be held, as for an empty tensor. */
static const char *allocate(const int64_t *bytes, int count, void **memory) {
    for (int k = 0; k < count; k++)
        if (bytes[k] && !(memory[k] = malloc((size_t)bytes[k]))) return "no memory for the case";
    return NULL;
}

static void release(void **memory, int count) {
    for (int k = 0; k < count; k++) free(memory[k]);
}

/* Whether sections of these sizes fill the rest of a file. */
static const char *check_sizes(const int64_t *bytes, int count, int64_t left) {
    for (int k = 0; k < count; k++) {
        if (bytes[k] < 0 || bytes[k] > left) return "the file is cut off";
        left -= bytes[k];
    }
    return left ? "the file is longer than its sections" : NULL;
}

/* Reads the header, asks `check` for what is wrong with it, then reads the sections, whose sizes the header holds at
 * `bytes`. */
static const char *read_file(const char *path, void *header, size_t size, const char *(*check)(const void *header),
                             const int64_t *bytes, int count, void **section) {
    FILE *file = fopen(path, "rb");
    if (!file) return "the case file cannot be opened";
    const char *trouble = "the file is no case";
    long whole = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    rewind(file);
    if (whole >= 0 && fread(header, size, 1, file) == 1) {
        trouble = check(header);
        if (!trouble) trouble = check_sizes(bytes, count, whole - (int64_t)size);
        if (!trouble) trouble = allocate(bytes, count, section);
        for (int k = 0; k < count && !trouble; k++)
            if (bytes[k] && fread(section[k], (size_t)bytes[k], 1, file) != 1) trouble = "the file is cut off";
    }
    fclose(file);
    return trouble;
}

static const char *write_results(const char *path, const int64_t *bytes, int count, void *const *results) {
    FILE *file = fopen(path, "wb");
    int written = file != NULL;
    for (int k = 0; k < count && written; k++)
        if (bytes[k]) written = fwrite(results[k], (size_t)bytes[k], 1, file) == 1;
    if (file && fclose(file) != 0) written = 0;
    return written ? NULL : "the results cannot be written";
}

/* A whole number from 1 to 1000, or 0. */
static int count(const char *text) {
    char *end;
    long number = strtol(text, &end, 10);
    return *end || number < 1 || number > 1000 ? 0 : (int)number;
}

int main(int arguments, char **argument) {
    const char *trouble = "usage: driver CASE RESULT THREADS REPETITIONS, the last two from 1 to 1000";
    if (arguments == 5 && count(argument[3]) && count(argument[4]))
        trouble = run_files(argument[1], argument[2], count(argument[3]), count(argument[4]));
    if (trouble) fprintf(stderr, "driver: %s\n", trouble);
    return trouble != NULL;
}

#endif
