/* The optimizer's step, in chunks of parameters: the norm of all gradients first, then
 * AdamW, then the packed copies. */
#include "compute/cpu/cpu.h"
#include "compute/step.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 32768 /* elements of one item */ };

/* Chunks are numbered over all trained parameters. */
struct chunk {
    int index;
    int64_t first, count;
};

struct update_job {
    struct cpu_queue *data;
    const struct bs_weights *weights;
    double *squares; /* [chunks] */
    struct bs_adamw_factors decayed, plain;
};

static int64_t chunks_of(const struct bs_weights *w, int index) {
    return bs_weights_trains(w, index) ? (w->slots[index].size + CHUNK - 1) / CHUNK : 0;
}

static int64_t count_chunks(const struct bs_weights *w) {
    int64_t total = 0;
    for (int i = 0; i < w->n_parameters; i++)
        total += chunks_of(w, i);
    return total;
}

static struct chunk find_chunk(const struct bs_weights *w, int64_t item) {
    int index = 0;
    for (; item >= chunks_of(w, index); index++)
        item -= chunks_of(w, index);
    int64_t first = item * CHUNK, left = w->slots[index].size - first;
    return (struct chunk){index, first, left < CHUNK ? left : CHUNK};
}

static void squares_item(void *context, int64_t item, int worker) {
    const struct update_job *job = context;
    struct chunk chunk = find_chunk(job->weights, item);
    const float *gradient = job->weights->slots[chunk.index].gradient;
    (void)worker;
    job->squares[item] = job->data->kernels->squares(gradient + chunk.first, chunk.count);
}

static double gradient_norm(struct update_job *job, int64_t chunks) {
    double total = 0;
    bs_team_run(job->data->team, chunks, squares_item, job);
    for (int64_t i = 0; i < chunks; i++)
        total += job->squares[i];
    return sqrt(total);
}

static void adamw_item(void *context, int64_t item, int worker) {
    const struct update_job *job = context;
    struct chunk chunk = find_chunk(job->weights, item);
    const struct bs_slots *slots = &job->weights->slots[chunk.index];
    bool decays = job->weights->parameters[chunk.index].decays;
    (void)worker;
    job->data->kernels->adamw(decays ? &job->decayed : &job->plain,
                              slots->value + chunk.first, slots->gradient + chunk.first,
                              slots->moment1 + chunk.first, slots->moment2 + chunk.first,
                              chunk.count);
}

void cpu_update(struct bs_queue *q, struct bs_weights *w, struct bs_adamw adamw) {
    struct cpu_queue *data = q->data;
    int64_t chunks = count_chunks(w);
    struct update_job job = {.data = data, .weights = w};
    if (!cpu_reserve_shared(q, chunks * (int64_t)sizeof *job.squares))
        return;
    job.squares = data->shared;
    double norm = gradient_norm(&job, chunks) / (double)q->step.loss_scale;
    if (!bs_step_result_update(&q->result, q->step.update, norm))
        return;
    job.decayed = bs_adamw_factors(&adamw, &q->step, norm, true);
    job.plain = bs_adamw_factors(&adamw, &q->step, norm, false);
    bs_team_run(data->team, chunks, adamw_item, &job);
    cpu_repack_trained(q, w);
}

static void zero_item(void *context, int64_t item, int worker) {
    const struct update_job *job = context;
    struct chunk chunk = find_chunk(job->weights, item);
    (void)worker;
    memset(job->weights->slots[chunk.index].gradient + chunk.first, 0,
           (size_t)chunk.count * sizeof(float));
}

void cpu_zero_gradients(struct bs_queue *q, struct bs_weights *w) {
    struct update_job job = {.data = q->data, .weights = w};
    bs_team_run(job.data->team, count_chunks(w), zero_item, &job);
}
