/* Entry points for circuits with channels on Pauli vectors: a batch in blocks, spread over threads as in kernel.c. */
#define _DEFAULT_SOURCE /* madvise */
#include <stdatomic.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

#include "threads.h"
#include "transfer_block.h"

typedef struct {
    const Transfer *transfer;
    const REAL *inputs, *weights, *start, *gradient;
    REAL *values, *input_gradient, *start_gradient;
    double *weight_gradient; /* one row per block, so that the sum does not depend on the threads */
    SharedAngles shared;
    int64_t batch, blocks;
    int wanted;
    atomic_llong next;
    atomic_int status;
} TransferJob;

static void gather_start(const TransferJob *job, int64_t block, vec *start) {
    int32_t strings = (int32_t)strings_of(job->transfer);
    gather(job->start, job->batch, block, strings, start);
    for (int32_t i = strings - 1; i >= 0; i--) start[spaced(i)] = start[i];
}

static void forward_one(const TransferJob *job, int64_t block, TransferWorkspace *work) {
    const Transfer *transfer = job->transfer;
    transfer_forward_block(transfer, job->weights, work);
    scatter(work->values, job->batch, block, transfer->angles.values, job->values);
}

static void backward_one(const TransferJob *job, int64_t block, TransferWorkspace *work) {
    const Transfer *transfer = job->transfer;
    const Program *program = &transfer->angles;
    gather(job->gradient, job->batch, block, program->values, work->values);
    for (int lane = 0; lane < LANES; lane++)
        if (block * LANES + lane >= job->batch)
            for (int32_t k = 0; k < program->values; k++) work->values[k][lane] = 0;
    double *weight_gradient = job->weight_gradient ? job->weight_gradient + block * program->weights : NULL;
    vec *lambda =
        transfer_backward_block(transfer, job->weights, work, job->start_gradient != NULL, weight_gradient);
    if (job->input_gradient)
        scatter(work->input_gradient, job->batch, block, program->inputs, job->input_gradient);
    if (!job->start_gradient) return;
    int32_t strings = (int32_t)strings_of(transfer);
    for (int32_t i = 0; i < strings; i++) lambda[i] = lambda[spaced(i)];
    scatter(lambda, job->batch, block, strings, job->start_gradient);
}

static void *work_through(void *shared_job) {
    TransferJob *job = shared_job;
    TransferWorkspace work;
    if (open_transfer(job->transfer, job->shared, job->gradient ? room_for(job->transfer) : 0, &work) != DONE) {
        job->status = OUT_OF_MEMORY;
        return NULL;
    }
    work.angles.wanted = job->wanted;
    for (int64_t block; (block = job->next++) < job->blocks && job->status == DONE;) {
        gather(job->inputs, job->batch, block, job->transfer->angles.inputs, work.inputs);
        if (job->start) gather_start(job, block, work.start);
        if (job->gradient)
            backward_one(job, block, &work);
        else
            forward_one(job, block, &work);
    }
    close_transfer(&work);
    return NULL;
}

static int run(TransferJob *job, int threads) {
    const Program *program = &job->transfer->angles;
    REAL *table = malloc(sizeof(REAL) * 2 * (size_t)(program->shared + 1));
    if (!table) return OUT_OF_MEMORY;
    fill_shared(program, job->weights, table, table + program->shared);
    job->shared = (SharedAngles){table, table + program->shared};
    on_threads(work_through, job, job->blocks, threads);
    free(table);
    return job->status;
}

/* inputs (batch, inputs), weights (weights), start (batch, 4^qubits), NULL if the program
 * prepares |0...0> itself; values (batch, values). */
int KERNEL(transfer_forward)(const Transfer *transfer, const REAL *inputs, const REAL *weights, const REAL *start,
                             int64_t batch, REAL *values, int threads) {
    TransferJob job = {.transfer = transfer, .inputs = inputs, .weights = weights, .start = start, .batch = batch};
    job.blocks = blocks_of(batch, LANES);
    job.values = values;
    return batch ? run(&job, threads) : DONE;
}

/* gradient (batch, values) of the loss; input_gradient (batch, inputs), weight_gradient (weights) and start_gradient (batch,
 * 4^qubits), NULL: not wanted. */
int KERNEL(transfer_backward)(const Transfer *transfer, const REAL *inputs, const REAL *weights, const REAL *start,
                              int64_t batch, const REAL *gradient, REAL *input_gradient, REAL *weight_gradient,
                              REAL *start_gradient, int threads) {
    TransferJob job = {.transfer = transfer, .inputs = inputs, .weights = weights, .start = start, .batch = batch};
    job.blocks = blocks_of(batch, LANES);
    job.gradient = gradient;
    job.input_gradient = input_gradient;
    job.start_gradient = start_gradient;
    job.wanted = (weight_gradient ? NEEDS_WEIGHTS : 0) | (input_gradient ? NEEDS_INPUTS : 0);
    size_t weights_count = (size_t)transfer->angles.weights;
    if (weight_gradient) {
        memset(weight_gradient, 0, sizeof(REAL) * weights_count);
        job.weight_gradient = calloc((size_t)job.blocks * weights_count + 1, sizeof(double));
        if (!job.weight_gradient) return OUT_OF_MEMORY;
    }
    int status = batch ? run(&job, threads) : DONE;
    if (weight_gradient && status == DONE)
        for (size_t w = 0; w < weights_count; w++) {
            double sum = 0;
            for (int64_t block = 0; block < job.blocks; block++)
                sum += job.weight_gradient[(size_t)block * weights_count + w];
            weight_gradient[w] = (REAL)sum;
        }
    free(job.weight_gradient);
    return status;
}
