/* The step block: what goes up for each step, class weights with it, and comes down. */
#include "compute/cuda/cuda.h"

#include "common/buffer.h"

#include <string.h>

/* Copies `bytes` of the next slot, from `offset` of the step block on, up. */
static void send(struct bs_queue *q, struct cuda_slot *slot, size_t offset,
                 size_t bytes) {
    static const char operation[] = "sending a step";
    struct cuda_queue *data = q->data;
    (void)(cuda_check(q,
                      cudaMemcpyAsync((char *)data->step + offset,
                                      (char *)slot->pinned + offset, bytes,
                                      cudaMemcpyHostToDevice, data->stream),
                      operation) &&
           cuda_check(q, cudaEventRecord(slot->free, data->stream), operation));
}

/* The next slot, free to be written; NULL, and the queue failed. */
static struct cuda_slot *next_slot(struct bs_queue *q) {
    struct cuda_queue *data = q->data;
    struct cuda_slot *slot = &data->steps[data->next_step++ % CUDA_SLOTS];
    return cuda_slot_wait(q, slot, "sending a step") ? slot : NULL;
}

/* Room on both sides for the weights of K classes. */
static bool class_weights_room(struct bs_queue *q, int64_t K) {
    struct cuda_queue *data = q->data;
    struct bs_error error = {0};
    void *memory = NULL;
    float *sent = bs_realloc(data->class_weights_sent, (size_t)K, sizeof *sent);
    if (!sent) {
        bs_queue_fail(q, BS_RESOURCE, "out of memory (class weights)");
        return false;
    }
    data->class_weights_sent = sent;
    cudaFree(data->class_weights);
    data->class_weights = NULL;
    data->n_class_weights = 0;
    if (cuda_memory(&memory, (size_t)K * sizeof(float), "class weights", &error)) {
        cuda_fail(q, error.code, "sending a step", error.text);
        return false;
    }
    data->class_weights = memory;
    return true;
}

/* Class weights on the device; NULL if there are none, or the queue failed. They go up,
 * and are waited for, when they are not those of the last time. */
static const float *class_weights_up(struct bs_queue *q, const float *host, int64_t K) {
    static const char operation[] = "sending class weights";
    struct cuda_queue *data = q->data;
    size_t bytes = (size_t)K * sizeof(float);
    if (!host)
        return NULL;
    if (K == data->n_class_weights && !memcmp(host, data->class_weights_sent, bytes))
        return data->class_weights;
    if (!cuda_check(q, cudaStreamSynchronize(data->stream), operation) ||
        (K != data->n_class_weights && !class_weights_room(q, K)))
        return NULL;
    memcpy(data->class_weights_sent, host, bytes);
    data->n_class_weights = K;
    (void)(cuda_check(q,
                      cudaMemcpyAsync(data->class_weights, data->class_weights_sent,
                                      bytes, cudaMemcpyHostToDevice, data->stream),
                      operation) &&
           cuda_check(q, cudaStreamSynchronize(data->stream), operation));
    return data->class_weights;
}

void cuda_set_step(struct bs_queue *q, bool new_update) {
    struct cuda_queue *data = q->data;
    const struct bs_loss *loss = &q->step.loss;
    struct cuda_slot *slot = next_slot(q);
    if (!slot)
        return;
    const float *weights = class_weights_up(q, loss->class_weights, loss->n_labels);
    if (q->failure.code)
        return;
    struct bs_cuda_step *block = slot->pinned;
    block->step = q->step;
    block->step.loss.class_weights = weights;
    block->new_update = new_update;
    send(q, slot, 0, offsetof(struct bs_cuda_step, result));
    if (!q->failure.code)
        cuda_check(q, bs_cuda_begin_step(data->stream, data->step), "beginning a step");
}

void cuda_set_loss_total(struct bs_queue *q, double total) {
    struct cuda_slot *slot = next_slot(q);
    if (!slot)
        return;
    ((struct bs_cuda_step *)slot->pinned)->result.loss_total = total;
    send(q, slot, offsetof(struct bs_cuda_step, result.loss_total), sizeof total);
}

void cuda_set_loss_scale(struct bs_queue *q, struct bs_loss_scale scale) {
    struct cuda_slot *slot = next_slot(q);
    if (!slot)
        return;
    ((struct bs_cuda_step *)slot->pinned)->result.loss_scale = scale;
    send(q, slot, offsetof(struct bs_cuda_step, result.loss_scale), sizeof scale);
}

void cuda_read_step(struct bs_queue *q, struct bs_step_result *result) {
    static const char operation[] = "reading a step";
    struct cuda_queue *data = q->data;
    struct cuda_slot *slot = next_slot(q);
    if (!slot)
        return;
    struct bs_step_result *landed = &((struct bs_cuda_step *)slot->pinned)->result;
    if (cuda_check(q,
                   cudaMemcpyAsync(landed, &data->step->result, sizeof *landed,
                                   cudaMemcpyDeviceToHost, data->stream),
                   operation) &&
        cuda_check(q, cudaStreamSynchronize(data->stream), operation))
        *result = bs_step_result_seen(landed);
}
