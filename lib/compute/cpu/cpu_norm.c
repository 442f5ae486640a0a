/* Dropout, residual sums and layer norm, fused by tile: what one kernel leaves in the
 * cache the next one takes from there. */
#include "compute/cpu/cpu.h"

#include <string.h>

struct norm_job {
    const struct bs_queue *queue;
    struct cpu_queue *data;
    const float *gain, *bias;
    float epsilon;
    struct bs_dropout dropout;
    bool first_only;
    struct bs_rows x, residual, sum, stats, y, y_low, dy, dx;
    float *sums; /* [tiles, 2 C]: gradients of gain and bias, or NULL */
};

static struct norm_job norm_job(struct bs_queue *q, const struct bs_weights *w,
                                struct bs_norm norm) {
    return (struct norm_job){.queue = q,
                             .data = cpu_queue(q),
                             .gain = w->slots[norm.gain].value,
                             .bias = w->slots[norm.bias].value,
                             .epsilon = norm.epsilon};
}

/* Rows of a tile that dropout applies to; padding behind the batch passes unchanged. */
static int64_t dropped_rows(const struct norm_job *job, int64_t first, int64_t count) {
    int64_t used = job->first_only ? job->queue->batch.n_sequences
                                   : bs_batch_used(&job->queue->batch);
    int64_t left = used > first ? used - first : 0;
    return left < count ? left : count;
}

static void drop_rows(const struct norm_job *job, int64_t first, int64_t count,
                      struct bs_dropout dropout, struct bs_rows x,
                      struct bs_rows residual, struct bs_rows y, struct bs_rows y_low) {
    if (!count)
        return;
    struct bs_cpu_dropout mask =
        cpu_dropout_at(job->queue, dropout, job->first_only, first);
    job->data->kernels->dropout(
        &mask, bs_rows_slice(x, first, count), bs_rows_slice(residual, first, count),
        bs_rows_slice(y, first, count), bs_rows_slice(y_low, first, count));
}

static void dropout_rows(const struct norm_job *job, int64_t first, int64_t count,
                         struct bs_rows x, struct bs_rows residual, struct bs_rows y,
                         struct bs_rows y_low) {
    int64_t dropped = dropped_rows(job, first, count);
    struct bs_dropout none = {0};
    drop_rows(job, first, dropped, job->dropout, x, residual, y, y_low);
    drop_rows(job, first + dropped, count - dropped, none, x, residual, y, y_low);
}

static void dropout_tile(void *context, int64_t first, int64_t count, int worker) {
    const struct norm_job *job = context;
    (void)worker;
    dropout_rows(job, first, count, job->x, job->residual, job->y, job->y_low);
}

static void run_dropout(struct bs_queue *q, struct bs_dropout dropout, bool first_only,
                        struct bs_rows x, struct bs_rows residual, struct bs_rows y,
                        struct bs_rows y_low) {
    struct norm_job job = {.queue = q,
                           .data = cpu_queue(q),
                           .dropout = dropout,
                           .first_only = first_only,
                           .x = x,
                           .residual = residual,
                           .y = y,
                           .y_low = y_low};
    cpu_for_rows(q, x.rows, dropout_tile, &job);
}

void cpu_dropout(struct bs_queue *q, struct bs_dropout dropout, bool first_only,
                 struct bs_rows x, struct bs_rows y, struct bs_rows y_low) {
    struct bs_rows none = {0};
    run_dropout(q, dropout, first_only, x, none, y, y_low);
}

void cpu_dropout_add(struct bs_queue *q, struct bs_dropout dropout, bool first_only,
                     struct bs_rows x, struct bs_rows residual, struct bs_rows sum) {
    struct bs_rows none = {0};
    run_dropout(q, dropout, first_only, x, residual, sum, none);
}

static void norm_rows(const struct norm_job *job, int64_t first, int64_t count,
                      struct bs_rows x, struct bs_rows residual, struct bs_rows sum) {
    job->data->kernels->layer_norm(
        job->gain, job->bias, job->epsilon, bs_rows_slice(x, first, count),
        bs_rows_slice(residual, first, count), bs_rows_slice(sum, first, count),
        bs_rows_slice(job->stats, first, count), bs_rows_slice(job->y, first, count),
        bs_rows_slice(job->y_low, first, count));
}

static void norm_tile(void *context, int64_t first, int64_t count, int worker) {
    const struct norm_job *job = context;
    struct bs_rows none = {0};
    (void)worker;
    norm_rows(job, first, count, job->x, none, job->x);
}

void cpu_layer_norm(struct bs_queue *q, const struct bs_weights *w, struct bs_norm norm,
                    struct bs_rows x, struct bs_rows stats, struct bs_rows y,
                    struct bs_rows y_low) {
    struct norm_job job = norm_job(q, w, norm);
    job.x = x, job.stats = stats, job.y = y, job.y_low = y_low;
    cpu_for_rows(q, x.rows, norm_tile, &job);
}

static void add_norm_tile(void *context, int64_t first, int64_t count, int worker) {
    const struct norm_job *job = context;
    struct bs_rows none = {0};
    (void)worker;
    if (!bs_dropout_threshold(job->dropout.probability)) {
        norm_rows(job, first, count, job->x, job->residual, job->sum);
        return;
    }
    dropout_rows(job, first, count, job->x, job->residual, job->sum, none);
    norm_rows(job, first, count, job->sum, none, job->sum);
}

void cpu_dropout_add_norm(struct bs_queue *q, const struct bs_weights *w,
                          struct bs_norm norm, struct bs_dropout dropout, bool first_only,
                          struct bs_rows x, struct bs_rows residual, struct bs_rows sum,
                          struct bs_rows stats, struct bs_rows y, struct bs_rows y_low) {
    struct norm_job job = norm_job(q, w, norm);
    job.dropout = dropout, job.first_only = first_only;
    job.x = x, job.residual = residual, job.sum = sum.data ? sum : y;
    job.stats = stats, job.y = y, job.y_low = y_low;
    cpu_for_rows(q, x.rows, add_norm_tile, &job);
}

/* ---- backward ---- */

static void norm_back_tile(void *context, int64_t first, int64_t count, int worker) {
    const struct norm_job *job = context;
    int64_t columns = job->x.columns;
    float *sums = job->sums ? job->sums + first / CPU_TILE * 2 * columns : NULL;
    (void)worker;
    if (sums)
        memset(sums, 0, 2 * (size_t)columns * sizeof *sums);
    job->data->kernels->layer_norm_backward(
        job->gain, bs_rows_slice(job->x, first, count),
        bs_rows_slice(job->stats, first, count), bs_rows_slice(job->dy, first, count),
        bs_rows_slice(job->dx, first, count), sums);
}

/* Then dropout of the result, from dx into y. */
static void add_norm_back_tile(void *context, int64_t first, int64_t count, int worker) {
    const struct norm_job *job = context;
    struct bs_rows none = {0};
    norm_back_tile(context, first, count, worker);
    dropout_rows(job, first, count, job->dx, none, job->y, none);
}

static bool reserve_sums(struct bs_queue *q, const struct bs_weights *w,
                         struct bs_norm norm, struct norm_job *job) {
    int64_t tiles = (job->x.rows + CPU_TILE - 1) / CPU_TILE;
    if (!bs_weights_trains(w, norm.gain) && !bs_weights_trains(w, norm.bias))
        return true;
    if (!cpu_reserve_shared(q, tiles * 2 * job->x.columns * (int64_t)sizeof(float)))
        return false;
    job->sums = job->data->shared;
    return true;
}

static void add_sums(const struct norm_job *job, const struct bs_weights *w, int index,
                     int64_t offset) {
    int64_t columns = job->x.columns;
    if (!bs_weights_trains(w, index))
        return;
    float *gradient = w->slots[index].gradient;
    for (int64_t first = 0; first < job->x.rows; first += CPU_TILE) {
        const float *sums = job->sums + first / CPU_TILE * 2 * columns + offset;
        for (int64_t c = 0; c < columns; c++)
            gradient[c] += sums[c];
    }
}

static void norm_backward(struct bs_queue *q, struct bs_weights *w, struct bs_norm norm,
                          struct norm_job *job, cpu_rows_work *work) {
    if (!reserve_sums(q, w, norm, job))
        return;
    cpu_for_rows(q, job->x.rows, work, job);
    add_sums(job, w, norm.gain, 0);
    add_sums(job, w, norm.bias, job->x.columns);
}

void cpu_layer_norm_backward(struct bs_queue *q, struct bs_weights *w,
                             struct bs_norm norm, struct bs_rows x, struct bs_rows stats,
                             struct bs_rows dy, struct bs_rows dx) {
    struct norm_job job = norm_job(q, w, norm);
    job.x = x, job.stats = stats, job.dy = dy, job.dx = dx;
    norm_backward(q, w, norm, &job, norm_back_tile);
}

void cpu_dropout_add_norm_backward(struct bs_queue *q, struct bs_weights *w,
                                   struct bs_norm norm, struct bs_dropout dropout,
                                   bool first_only, struct bs_rows sum,
                                   struct bs_rows stats, struct bs_rows dy,
                                   struct bs_rows dresidual, struct bs_rows dx) {
    struct norm_job job = norm_job(q, w, norm);
    job.dropout = dropout, job.first_only = first_only;
    job.x = sum, job.stats = stats, job.dy = dy, job.dx = dresidual, job.y = dx;
    norm_backward(q, w, norm, &job, add_norm_back_tile);
}
