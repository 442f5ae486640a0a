/* A queue is a team of threads with scratch memory; operations run when they are
 * called. Scratch grows when an operation first needs more: after the first step of a
 * size nothing is allocated. */
#include "compute/cpu/cpu.h"
#include "compute/cpu/cpu_memory.h"
#include "compute/host.h"

#include "common/buffer.h"

#include <stdlib.h>
#include <string.h>

static void free_data(struct cpu_queue *data) {
    if (!data)
        return;
    bs_team_free(data->team);
    for (int i = 0; data->workers && i < data->threads; i++) {
        bs_product_worker_free(data->workers[i].products);
        cpu_free(data->workers[i].scratch);
    }
    free(data->workers);
    cpu_free(data->shared);
    free(data->row_example);
    free(data->row_place);
    free(data);
}

static int make_workers(struct cpu_queue *data, struct bs_error *error) {
    data->workers = bs_alloc((size_t)data->threads, sizeof *data->workers);
    if (!data->workers)
        return bs_fail_memory(error, sizeof *data->workers, "workers");
    for (int i = 0; i < data->threads; i++)
        if (bs_product_worker_new(&data->workers[i].products, data->products, error))
            return error->code;
    return bs_team_new(&data->team, data->threads, error);
}

int cpu_queue_new(struct bs_queue *queue, struct bs_error *error) {
    const struct cpu_device *cpu = queue->device->data;
    size_t tokens = (size_t)queue->max_tokens;
    struct cpu_queue *data = bs_alloc(1, sizeof *data);
    if (!data)
        return bs_fail_memory(error, sizeof *data, "a queue");
    data->kernels = cpu->kernels;
    data->products = cpu->products;
    data->threads = queue->threads;
    data->row_example = bs_alloc(tokens, sizeof *data->row_example);
    data->row_place = bs_alloc(tokens, sizeof *data->row_place);
    if (!data->row_example || !data->row_place)
        bs_fail_memory(error, 2 * tokens * sizeof *data->row_place, "a queue");
    else if (!make_workers(data, error)) {
        queue->data = data;
        return BS_OK;
    }
    free_data(data);
    return error->code;
}

void cpu_queue_free(struct bs_queue *queue) {
    free_data(queue->data);
}

void cpu_queue_finish(struct bs_queue *queue) {
    (void)queue;
}

void cpu_set_batch(struct bs_queue *queue) {
    struct cpu_queue *data = queue->data;
    const struct bs_batch *batch = &queue->batch;
    for (int64_t b = 0; b < batch->n_sequences; b++)
        for (int64_t t = batch->offset[b]; t < batch->offset[b + 1]; t++) {
            data->row_example[t] = batch->example ? batch->example[b] : 0;
            data->row_place[t] = (uint32_t)(t - batch->offset[b]);
        }
}

void cpu_set_step(struct bs_queue *queue, bool new_update) {
    bs_host_set_step(queue, new_update);
}

void cpu_set_loss_total(struct bs_queue *queue, double total) {
    bs_host_set_loss_total(queue, total);
}

void cpu_read_step(struct bs_queue *queue, struct bs_step_result *result) {
    bs_host_read_step(queue, result);
}

struct rows_job {
    int64_t rows;
    cpu_rows_work *work;
    void *context;
};

static void rows_item(void *context, int64_t item, int worker) {
    const struct rows_job *job = context;
    int64_t first = item * CPU_TILE, left = job->rows - first;
    job->work(job->context, first, left < CPU_TILE ? left : CPU_TILE, worker);
}

void cpu_for_rows(struct bs_queue *q, int64_t rows, cpu_rows_work *work, void *context) {
    struct cpu_queue *data = q->data;
    struct rows_job job = {rows, work, context};
    bs_team_run(data->team, (rows + CPU_TILE - 1) / CPU_TILE, rows_item, &job);
}

static bool grow(void **memory, int64_t *bytes, int64_t wanted) {
    if (wanted <= *bytes)
        return true;
    cpu_free(*memory);
    *bytes = 0;
    *memory = cpu_alloc((size_t)wanted);
    if (*memory)
        *bytes = wanted;
    return *memory;
}

static bool no_memory(struct bs_queue *q, int64_t bytes) {
    bs_queue_fail(q, BS_RESOURCE, "out of memory (wanted %lld bytes for an operation)",
                  (long long)bytes);
    return false;
}

bool cpu_reserve_workers(struct bs_queue *q, int64_t bytes) {
    struct cpu_queue *data = q->data;
    for (int i = 0; i < data->threads; i++)
        if (!grow(&data->workers[i].scratch, &data->workers[i].scratch_bytes, bytes))
            return no_memory(q, bytes);
    return true;
}

bool cpu_reserve_shared(struct bs_queue *q, int64_t bytes) {
    struct cpu_queue *data = q->data;
    return grow(&data->shared, &data->shared_bytes, bytes) || no_memory(q, bytes);
}

const struct bs_product *cpu_product(struct bs_queue *q,
                                     const struct bs_product_shape *shape) {
    struct cpu_queue *data = q->data;
    const struct bs_product *product = NULL;
    struct bs_error error;
    int code = bs_product_get(&product, data->products, shape, &error);
    for (int i = 0; i < data->threads && !code; i++)
        code = bs_product_prepare(product, data->workers[i].products, &error);
    if (!code)
        return product;
    bs_queue_fail(q, error.code, "%s", error.text);
    return NULL;
}

void cpu_run_product(struct cpu_queue *data, const struct bs_product *product, int worker,
                     const struct bs_operands *operands) {
    if (!bs_product_run(product, data->workers[worker].products, operands))
        atomic_store(&data->product_failed, true);
}

void cpu_check_products(struct bs_queue *q) {
    struct cpu_queue *data = q->data;
    if (atomic_exchange(&data->product_failed, false))
        bs_queue_fail(q, BS_DEVICE, "oneDNN failed in a matrix product");
}

struct bs_cpu_dropout cpu_dropout_at(const struct bs_queue *q, struct bs_dropout dropout,
                                     bool first_only, int64_t first) {
    const struct cpu_queue *data = q->data;
    uint32_t threshold = bs_dropout_threshold(dropout.probability);
    if (!threshold)
        return (struct bs_cpu_dropout){0};
    return (struct bs_cpu_dropout){
        .threshold = threshold,
        .site = dropout.site,
        .update = q->step.update,
        .seed = q->step.seed,
        .example = first_only ? q->batch.example + first : data->row_example + first,
        .place = first_only ? NULL : data->row_place + first,
    };
}
