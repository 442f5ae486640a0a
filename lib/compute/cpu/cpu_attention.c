/* Attention: one item for each head of each sequence. */
#include "compute/cpu/cpu.h"

#include <math.h>
#include <string.h>

struct attention_job {
    const struct bs_queue *queue;
    struct cpu_queue *data;
    struct bs_attention attention;
    struct bs_rows q, k, v, lse, out, dout, dq, dk, dv;
    bool backward;
};

/* Head `head` of rows first .. of a view; absent stays absent. */
static struct bs_rows head_rows(struct bs_rows rows, int64_t first, int64_t count,
                                int64_t head, int64_t width) {
    if (!rows.data)
        return rows;
    return bs_rows_columns(bs_rows_slice(rows, first, count), head * width, width);
}

static struct bs_cpu_attention head_of(const struct attention_job *job, int64_t sequence,
                                       int64_t head) {
    const struct bs_batch *batch = &job->queue->batch;
    int64_t width = job->q.columns / job->attention.heads;
    int64_t key = batch->offset[sequence], keys = batch->offset[sequence + 1] - key;
    int64_t query = job->attention.first_only ? sequence : key;
    int64_t queries = job->attention.first_only ? 1 : keys;
    return (struct bs_cpu_attention){
        .q = head_rows(job->q, query, queries, head, width),
        .k = head_rows(job->k, key, keys, head, width),
        .v = head_rows(job->v, key, keys, head, width),
        .out = head_rows(job->out, query, queries, head, width),
        .dout = head_rows(job->dout, query, queries, head, width),
        .dq = head_rows(job->dq, query, queries, head, width),
        .dk = head_rows(job->dk, key, keys, head, width),
        .dv = head_rows(job->dv, key, keys, head, width),
        .lse = head_rows(job->lse, query, queries, head, 1).data,
        .lse_stride = job->lse.stride,
        .scale = 1.0F / sqrtf((float)width),
        .dropout = cpu_dropout_at(job->queue, job->attention.dropout, true, sequence),
        .head = (uint32_t)head,
    };
}

static void attention_item(void *context, int64_t item, int worker) {
    const struct attention_job *job = context;
    int64_t heads = job->attention.heads;
    struct bs_cpu_attention head = head_of(job, item / heads, item % heads);
    float *scratch = job->data->workers[worker].scratch;
    if (job->backward)
        job->data->kernels->attention_backward(&head, scratch);
    else
        job->data->kernels->attention(&head, scratch);
}

/* Rows behind the last sequence become zero. */
static void clear_padding(const struct bs_queue *q, struct bs_rows rows) {
    size_t size = bs_type_size(rows.type);
    for (int64_t r = bs_batch_used(&q->batch); r < rows.rows; r++)
        memset((char *)rows.data + (size_t)(r * rows.stride) * size, 0,
               (size_t)rows.columns * size);
}

static void run(struct bs_queue *q, struct attention_job *job) {
    int64_t heads = job->attention.heads;
    int64_t floats = job->data->kernels->attention_scratch(
        q->max_length, job->q.columns / heads, job->backward);
    if (!cpu_reserve_workers(q, floats * (int64_t)sizeof(float)))
        return;
    bs_team_run(job->data->team, q->batch.n_sequences * heads, attention_item, job);
}

void cpu_attention(struct bs_queue *queue, struct bs_attention attention,
                   struct bs_rows q, struct bs_rows k, struct bs_rows v,
                   struct bs_rows lse, struct bs_rows out) {
    struct attention_job job = {.queue = queue,
                                .data = queue->data,
                                .attention = attention,
                                .q = q,
                                .k = k,
                                .v = v,
                                .lse = lse,
                                .out = out};
    run(queue, &job);
    if (!attention.first_only)
        clear_padding(queue, out);
}

void cpu_attention_backward(struct bs_queue *queue, struct bs_attention attention,
                            struct bs_rows q, struct bs_rows k, struct bs_rows v,
                            struct bs_rows lse, struct bs_rows out, struct bs_rows dout,
                            struct bs_rows dq, struct bs_rows dk, struct bs_rows dv) {
    struct attention_job job = {.queue = queue,
                                .data = queue->data,
                                .attention = attention,
                                .q = q,
                                .k = k,
                                .v = v,
                                .lse = lse,
                                .out = out,
                                .dout = dout,
                                .dq = dq,
                                .dk = dk,
                                .dv = dv,
                                .backward = true};
    run(queue, &job);
    clear_padding(queue, dk);
    clear_padding(queue, dv);
    if (!attention.first_only)
        clear_padding(queue, dq);
}
