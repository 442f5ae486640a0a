/* The batch block: what goes up for each batch. */
#include "compute/cuda/cuda.h"

#include <string.h>

/* A part's place in the block depends on T and B alone, so that a recording finds it
 * again. */

/* The host's view of a slot: as struct bs_cuda_batch, to be written. */
struct staged {
    int32_t *ids, *type_ids, *position, *offset, *labels, *row_sequence;
    uint32_t *example;
    int32_t *by_id, *segment, *n_segments;
};

/* Cuts `count` numbers off, and returns where they begin. */
static int64_t cut(int64_t *at, int64_t count) {
    int64_t begin = *at;
    *at += (count + 63) / 64 * 64;
    return begin;
}

/* Lays a batch of T and B out in both places; returns the numbers used. */
static int64_t lay_out(struct bs_cuda_batch *device, struct staged *host, int32_t *block,
                       int32_t *pinned, int64_t T, int64_t B) {
    int64_t at = 0, n;
#define PLACE(name, count)                                                               \
    (n = cut(&at, count), device->name = (void *)(block + n),                            \
     host->name = (void *)(pinned + n))
    PLACE(n_segments, 1);
    PLACE(ids, T);
    PLACE(type_ids, T);
    PLACE(position, T);
    PLACE(row_sequence, T);
    PLACE(by_id, T);
    PLACE(segment, T + 1);
    PLACE(offset, B + 1);
    PLACE(labels, B);
    PLACE(example, B);
#undef PLACE
    return at;
}

static void fill(void *to, const void *from, int64_t count) {
    if (from)
        memcpy(to, from, (size_t)count * sizeof(int32_t));
    else
        memset(to, 0, (size_t)count * sizeof(int32_t));
}

static void fill_rows(int32_t *row_sequence, const struct bs_batch *batch) {
    for (int64_t b = 0; b < batch->n_sequences; b++)
        for (int64_t t = batch->offset[b]; t < batch->offset[b + 1]; t++)
            row_sequence[t] = (int32_t)b;
    for (int64_t t = bs_batch_used(batch); t < batch->n_tokens; t++)
        row_sequence[t] = -1;
}

/* One pass of a stable radix sort of tokens by eight bits of their ids. */
static void sort_pass(int32_t *to, const int32_t *from, const int32_t *ids, int64_t n,
                      int shift) {
    int64_t first[257] = {0};
    for (int64_t i = 0; i < n; i++)
        first[(ids[i] >> shift & 255) + 1]++;
    for (int digit = 0; digit < 256; digit++)
        first[digit + 1] += first[digit];
    for (int64_t i = 0; i < n; i++)
        to[first[ids[from[i]] >> shift & 255]++] = from[i];
}

/* Tokens by id and place, and where each distinct id begins. `spare` has room for n. */
static void sort_tokens(struct staged *host, const struct bs_batch *batch) {
    int64_t n = bs_batch_used(batch);
    int32_t *spare = host->segment, count = 0;
    for (int64_t i = 0; i < n; i++)
        spare[i] = (int32_t)i;
    sort_pass(host->by_id, spare, batch->ids, n, 0);
    sort_pass(spare, host->by_id, batch->ids, n, 8);
    sort_pass(host->by_id, spare, batch->ids, n, 16);
    for (int64_t i = 0; i < n; i++)
        if (i == 0 || batch->ids[host->by_id[i]] != batch->ids[host->by_id[i - 1]])
            host->segment[count++] = (int32_t)i;
    host->segment[count] = (int32_t)n;
    host->n_segments[0] = count;
}

static void stage(struct staged *host, const struct bs_batch *batch, bool training) {
    int64_t T = batch->n_tokens, B = batch->n_sequences;
    fill(host->ids, batch->ids, T);
    fill(host->type_ids, batch->type_ids, T);
    fill(host->position, batch->position, T);
    fill(host->offset, batch->offset, B + 1);
    fill(host->labels, batch->labels, B);
    fill(host->example, batch->example, B);
    fill_rows(host->row_sequence, batch);
    if (training)
        sort_tokens(host, batch);
}

void cuda_set_batch(struct bs_queue *q) {
    static const char operation[] = "sending a batch";
    struct cuda_queue *data = q->data;
    struct cuda_slot *slot = &data->batches[data->next_batch++ % CUDA_SLOTS];
    const struct bs_batch *batch = &q->batch;
    struct staged host;
    if (!cuda_slot_wait(q, slot, operation))
        return;
    int64_t used = lay_out(&data->batch, &host, (int32_t *)data->block, slot->pinned,
                           batch->n_tokens, batch->n_sequences);
    data->batch.n_tokens = batch->n_tokens;
    data->batch.n_sequences = batch->n_sequences;
    data->batch.max_length = (batch->max_length + 63) / 64 * 64;
    stage(&host, batch, q->has_step);
    (void)(cuda_check(q,
                      cudaMemcpyAsync(data->block, slot->pinned,
                                      (size_t)used * sizeof(int32_t),
                                      cudaMemcpyHostToDevice, data->stream),
                      operation) &&
           cuda_check(q, cudaEventRecord(slot->free, data->stream), operation));
}
