/* The reference back end: device, queue, memory, and the table of its functions. */
#include "compute/ref/ref.h"
#include "compute/host.h"

#include "common/buffer.h"

#include <stdlib.h>

static const char *describe(void) {
    return "ref";
}

static int device_open(struct bs_device *device, struct bs_error *error) {
    (void)error;
    device->info = (struct bs_device_info){.backend = "ref",
                                           .hardware = "plain C, one thread",
                                           .support = {[BS_PRECISION_FP32] = BS_NATIVE,
                                                       [BS_PRECISION_BF16] = BS_EMULATED,
                                                       [BS_PRECISION_FP16] = BS_EMULATED,
                                                       [BS_PRECISION_TF32] = BS_EMULATED,
                                                       [BS_PRECISION_INT8] = BS_EMULATED},
                                           .row_tile = 1,
                                           .batch_tokens = 512};
    return BS_OK;
}

static void device_close(struct bs_device *device) {
    (void)device;
}

static int queue_new(struct bs_queue *queue, struct bs_error *error) {
    struct ref_queue *made = bs_alloc(1, sizeof *made);
    double *scratch = bs_alloc(2 * (size_t)queue->max_length, sizeof *scratch);
    if (!made || !scratch) {
        free(made);
        free(scratch);
        return bs_fail_memory(error, 2 * (size_t)queue->max_length * sizeof *scratch,
                              "a queue");
    }
    *made = (struct ref_queue){.score = scratch, .other = scratch + queue->max_length};
    queue->data = made;
    return BS_OK;
}

static void queue_free(struct bs_queue *queue) {
    struct ref_queue *made = queue->data;
    free(made->score);
    free(made);
}

static void queue_finish(struct bs_queue *queue) {
    (void)queue;
}

static int memory_new(struct bs_device *device, int64_t bytes, void **memory,
                      struct bs_error *error) {
    (void)device;
    *memory = bs_alloc_aligned((size_t)bytes);
    return *memory ? BS_OK
                   : bs_fail_memory(error, (unsigned long long)bytes, "activations");
}

static void memory_free(struct bs_device *device, void *memory) {
    (void)device;
    free(memory);
}

static void set_batch(struct bs_queue *queue) {
    (void)queue;
}

const struct bs_backend bs_backend_ref = {
    .version = BS_BACKEND_VERSION,
    .name = "ref",
    .describe = describe,
    .device_open = device_open,
    .device_close = device_close,
    .weights_upload = bs_host_weights_upload,
    .weights_download = bs_host_weights_download,
    .queue_new = queue_new,
    .queue_free = queue_free,
    .queue_finish = queue_finish,
    .memory_new = memory_new,
    .memory_free = memory_free,
    .rows_upload = ref_rows_upload,
    .rows_download = ref_rows_download,
    .set_batch = set_batch,
    .set_step = bs_host_set_step,
    .set_loss_total = bs_host_set_loss_total,
    .set_loss_scale = bs_host_set_loss_scale,
    .read_step = bs_host_read_step,
    .embedding = ref_embedding,
    .embedding_backward = ref_embedding_backward,
    .layer_norm = ref_layer_norm,
    .layer_norm_backward = ref_layer_norm_backward,
    .dropout = ref_dropout,
    .dropout_add = ref_dropout_add,
    .linear = ref_linear,
    .activate = ref_activate,
    .linear_backward = ref_linear_backward,
    .gelu_backward = ref_gelu_backward,
    .tanh_backward = ref_tanh_backward,
    .attention = ref_attention,
    .attention_backward = ref_attention_backward,
    .gather_first = ref_gather_first,
    .scatter_first = ref_scatter_first,
    .cross_entropy = ref_cross_entropy,
    .softmax = ref_softmax,
    .zero = ref_zero,
    .copy = ref_copy,
    .update = ref_update,
    .zero_gradients = ref_zero_gradients,
};
