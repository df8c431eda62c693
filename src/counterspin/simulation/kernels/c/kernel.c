/* Entry points: a batch in blocks, spread over threads. Nothing survives a call, so threads and forks may call at once. */
#include <stdatomic.h>

#include "sweeps.h"
#include "threads.h"

typedef struct {
    const Program *program;
    const REAL *inputs, *weights, *states_in, *gradient;
    REAL *values, *states_out, *input_gradient;
    double *weight_gradient; /* one row per block, so that the sum does not depend on the threads */
    SharedAngles shared;
    int64_t batch, blocks;
    int wanted;
    atomic_llong next;
    atomic_int status;
} Job;

static void forward_one(const Job *job, int64_t block, Workspace *work, int *zero) {
    const Program *program = job->program;
    gather(job->inputs, job->batch, block, program->inputs, work->inputs);
    *zero |= forward_block(program, job->weights, work);
    scatter(work->values, job->batch, block, program->values, job->values);
    size_t size = sizeof(Amplitude) << program->qubits;
    if (job->states_out) memcpy((char *)job->states_out + (size_t)block * size, work->psi, size);
}

static void backward_one(const Job *job, int64_t block, Workspace *work) {
    const Program *program = job->program;
    size_t size = sizeof(Amplitude) << program->qubits;
    memcpy(work->psi, (const char *)job->states_in + (size_t)block * size, size);
    gather(job->inputs, job->batch, block, program->inputs, work->inputs);
    gather(job->gradient, job->batch, block, program->values, work->values);
    for (int lane = 0; lane < LANES; lane++)
        if (block * LANES + lane >= job->batch)
            for (int32_t k = 0; k < program->values; k++) work->values[k][lane] = 0;
    double *weight_gradient = job->weight_gradient ? job->weight_gradient + block * program->weights : NULL;
    backward_block(program, job->weights, work, weight_gradient);
    if (job->input_gradient)
        scatter(work->input_gradient, job->batch, block, program->inputs, job->input_gradient);
}

static void *work_through(void *shared_job) {
    Job *job = shared_job;
    Workspace work;
    int zero = 0;
    if (open_workspace(job->program, job->shared, &work) != DONE) {
        job->status = OUT_OF_MEMORY;
        return NULL;
    }
    work.angles.wanted = job->wanted;
    for (int64_t block; (block = job->next++) < job->blocks && job->status != OUT_OF_MEMORY;) {
        if (job->gradient)
            backward_one(job, block, &work);
        else
            forward_one(job, block, &work, &zero);
    }
    close_workspace(&work);
    if (zero) job->status = ZERO_VECTOR;
    return NULL;
}

static int run(Job *job, int threads) {
    const Program *program = job->program;
    REAL *table = malloc(sizeof(REAL) * 2 * (size_t)(program->shared + 1));
    if (!table) return OUT_OF_MEMORY;
    fill_shared(program, job->weights, table, table + program->shared);
    job->shared = (SharedAngles){table, table + program->shared};
    on_threads(work_through, job, job->blocks, threads);
    free(table);
    return job->status;
}

/* Bytes of the saved states of a batch. */
int64_t KERNEL(states_size)(const Program *program, int64_t batch) {
    return blocks_of(batch, LANES) * (int64_t)(sizeof(Amplitude) << program->qubits);
}

/* inputs (batch, inputs), weights (weights); values (batch, values); states: NULL or states_size bytes. */
int KERNEL(forward)(const Program *program, const REAL *inputs, const REAL *weights, int64_t batch, REAL *values,
                    REAL *states, int threads) {
    Job job = {.program = program, .inputs = inputs, .weights = weights, .batch = batch, .blocks = blocks_of(batch, LANES)};
    job.values = values;
    job.states_out = states;
    return batch ? run(&job, threads) : DONE;
}

/* gradient (batch, values) of the loss; input_gradient (batch, inputs) and weight_gradient (weights), NULL: not wanted. */
int KERNEL(backward)(const Program *program, const REAL *inputs, const REAL *weights, int64_t batch, const REAL *states,
                     const REAL *gradient, REAL *input_gradient, REAL *weight_gradient, int threads) {
    Job job = {.program = program, .inputs = inputs, .weights = weights, .batch = batch, .blocks = blocks_of(batch, LANES)};
    job.states_in = states;
    job.gradient = gradient;
    job.input_gradient = input_gradient;
    job.wanted = (weight_gradient ? NEEDS_WEIGHTS : 0) | (input_gradient ? NEEDS_INPUTS : 0);
    size_t weights_count = (size_t)program->weights;
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
