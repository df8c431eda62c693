/* Spreading the blocks of a batch over threads. */
#ifndef COUNTERSPIN_THREADS_H
#define COUNTERSPIN_THREADS_H

#include <pthread.h>
#include <stdint.h>

enum { MOST_THREADS = 256 };

/* `work` takes blocks of `job` until none is left. The caller works too; threads that cannot be had are done without. */
static inline void on_threads(void *(*work)(void *), void *job, int64_t blocks, int threads) {
    pthread_t helper[MOST_THREADS];
    int helpers = 0;
    while (helpers < threads - 1 && helpers < MOST_THREADS && helpers + 1 < blocks &&
           pthread_create(&helper[helpers], NULL, work, job) == 0)
        helpers++;
    work(job);
    for (int k = 0; k < helpers; k++) pthread_join(helper[k], NULL);
}

static inline int64_t blocks_of(int64_t batch, int64_t lanes) { return (batch + lanes - 1) / lanes; }

#endif
