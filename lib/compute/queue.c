/* Queues: the sticky failure, the current batch and the current step. */
#include "compute/backend.h"
#include "compute/compute.h"
#include "compute/step.h"

#include "common/buffer.h"

#include <stdio.h>
#include <stdlib.h>

static void write_failure(struct bs_error *failure, const char *format, va_list args) {
    if (vsnprintf(failure->text, sizeof failure->text, format, args) < 0)
        failure->text[0] = '\0';
}

void bs_queue_fail(struct bs_queue *queue, enum bs_code code, const char *format, ...) {
    if (queue->failure.code)
        return;
    va_list args;
    va_start(args, format);
    write_failure(&queue->failure, format, args);
    va_end(args);
    queue->failure.code = code;
}

int bs_queue_new(struct bs_queue **queue, struct bs_device *device, int threads,
                 int64_t max_tokens, int64_t max_length, struct bs_error *error) {
    *queue = NULL;
    if (threads < 1 || max_tokens < 1 || max_tokens > INT32_MAX || max_length < 1 ||
        max_length > 65536)
        return bs_fail(error, BS_DEVICE,
                       "a queue cannot have %d threads, %lld tokens, length %lld",
                       threads, (long long)max_tokens, (long long)max_length);
    struct bs_queue *made = bs_alloc(1, sizeof *made);
    if (!made)
        return bs_fail_memory(error, sizeof *made, "a queue");
    *made = (struct bs_queue){.device = device,
                              .threads = threads,
                              .max_tokens = max_tokens,
                              .max_length = max_length,
                              .step = {.loss_scale = 1.0F},
                              .result = bs_step_result_new()};
    if (device->backend->queue_new(made, error)) {
        free(made);
        return error->code;
    }
    *queue = made;
    return BS_OK;
}

void bs_queue_free(struct bs_queue *queue) {
    if (!queue)
        return;
    queue->device->backend->queue_free(queue);
    free(queue);
}

static int failure(const struct bs_queue *queue, struct bs_error *error) {
    if (queue->failure.code)
        *error = queue->failure;
    return queue->failure.code;
}

int bs_queue_finish(struct bs_queue *queue, struct bs_error *error) {
    queue->device->backend->queue_finish(queue);
    int code = failure(queue, error);
    queue->failure.code = BS_OK;
    return code;
}

int bs_queue_check(const struct bs_queue *queue, struct bs_error *error) {
    return failure(queue, error);
}

bool bs_queue_record(struct bs_queue *queue, uint32_t recording) {
    if (queue->failure.code || !queue->device->backend->record)
        return true;
    return queue->device->backend->record(queue, recording);
}

void bs_queue_recorded(struct bs_queue *queue) {
    if (queue->device->backend->recorded)
        queue->device->backend->recorded(queue);
}

void bs_rows_upload(struct bs_queue *queue, struct bs_rows to, const float *from) {
    if (queue->failure.code)
        return;
    if (!to.data)
        bs_queue_fail(queue, BS_DEVICE, "upload: there are no rows");
    else
        queue->device->backend->rows_upload(queue, to, from);
}

int bs_rows_download(struct bs_queue *queue, struct bs_rows from, float *to,
                     struct bs_error *error) {
    if (!from.data)
        bs_queue_fail(queue, BS_DEVICE, "download: there are no rows");
    if (!queue->failure.code)
        queue->device->backend->rows_download(queue, from, to);
    return failure(queue, error);
}

/* NULL, or what is wrong with a batch. */
static const char *batch_fault(const struct bs_queue *queue,
                               const struct bs_batch *batch) {
    int64_t longest = 0;
    if (batch->n_sequences < 1 || batch->n_tokens < 1)
        return "it is empty";
    if (batch->n_tokens > queue->max_tokens)
        return "it has more tokens than the queue was made for";
    if (batch->n_tokens % queue->device->info.row_tile)
        return "its tokens are not padded to the device's row tile";
    if (batch->offset[0] != 0)
        return "its first offset is not 0";
    for (int64_t b = 0; b < batch->n_sequences; b++) {
        int64_t length = (int64_t)batch->offset[b + 1] - batch->offset[b];
        if (length < 1)
            return "a sequence has no tokens";
        longest = length > longest ? length : longest;
    }
    if (batch->offset[batch->n_sequences] > batch->n_tokens)
        return "its offsets go beyond its tokens";
    if (longest > batch->max_length || batch->max_length > queue->max_length)
        return "a sequence is longer than max_length";
    return NULL;
}

void bs_set_batch(struct bs_queue *queue, const struct bs_batch *batch) {
    if (queue->failure.code)
        return;
    const char *fault = batch_fault(queue, batch);
    if (fault) {
        bs_queue_fail(queue, BS_DEVICE, "batch of %lld sequences, %lld tokens: %s",
                      (long long)batch->n_sequences, (long long)batch->n_tokens, fault);
        return;
    }
    queue->batch = *batch;
    queue->device->backend->set_batch(queue);
}

void bs_set_step(struct bs_queue *queue, const struct bs_step *step) {
    if (queue->failure.code)
        return;
    bool new_update = !queue->has_step || queue->step.update != step->update;
    queue->step = *step;
    queue->has_step = true;
    queue->device->backend->set_step(queue, new_update);
}

void bs_set_loss_total(struct bs_queue *queue, double total) {
    if (!queue->failure.code)
        queue->device->backend->set_loss_total(queue, total);
}

void bs_set_loss_scale(struct bs_queue *queue, struct bs_loss_scale scale) {
    if (!queue->failure.code)
        queue->device->backend->set_loss_scale(queue, scale);
}

int bs_read_step(struct bs_queue *queue, struct bs_step_result *result,
                 struct bs_error *error) {
    if (!queue->failure.code)
        queue->device->backend->read_step(queue, result);
    return failure(queue, error);
}
