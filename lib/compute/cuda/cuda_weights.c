/* Parameters on the device. What is derived from them, in bf16 and fp16, is one rounded
 * copy of all values, in their layout. */
#include "compute/cuda/cuda.h"

#include "common/buffer.h"

#include <stdlib.h>

const void *cuda_low(const struct bs_weights *w, int index) {
    const struct cuda_weights *data = w->data;
    return data->low ? data->low + (w->slots[index].value - (float *)w->memory) : NULL;
}

struct bs_cuda_trained cuda_trained(const struct bs_weights *w) {
    float *values = w->memory, *trained = values + w->n_values;
    const struct cuda_weights *data = w->data;
    return (struct bs_cuda_trained){.n = w->n_trained,
                                    .n_decaying = w->n_decaying,
                                    .value = values,
                                    .gradient = trained,
                                    .moment1 = trained + w->n_trained,
                                    .moment2 = trained + 2 * w->n_trained,
                                    .low = data->low,
                                    .low_type = bs_precision_type(w->precision)};
}

int cuda_weights_new(struct bs_weights *w, struct bs_error *error) {
    struct cuda_weights *data = bs_alloc(1, sizeof *data);
    void *low = NULL;
    if (!data)
        return bs_fail_memory(error, sizeof *data, "weights");
    if (bs_precision_type(w->precision) != BS_F32 &&
        cuda_memory(&low, (size_t)w->n_values * sizeof *data->low,
                    "rounded copies of the weights", error)) {
        free(data);
        return error->code;
    }
    data->low = low;
    w->data = data;
    return BS_OK;
}

void cuda_weights_free(struct bs_weights *w) {
    struct cuda_weights *data = w->data;
    cudaFree(data->low);
    free(data);
}

/* Behind all that is on any queue, and done when it returns. */
static int transfer(const struct bs_weights *w, void *to, const void *from, int64_t n,
                    enum cudaMemcpyKind kind, struct bs_error *error) {
    const struct cuda_device *device = w->device->data;
    cudaError_t status = cudaSetDevice(device->ordinal);
    if (!status)
        status = cudaDeviceSynchronize();
    if (!status)
        status =
            cudaMemcpyAsync(to, from, (size_t)n * sizeof(float), kind, device->stream);
    if (!status)
        status = cudaStreamSynchronize(device->stream);
    if (status) /* the caller frees his memory: nothing may be under way */
        (void)cudaStreamSynchronize(device->stream);
    return cuda_code(status, "a transfer of weights", error);
}

int cuda_weights_upload(struct bs_weights *w, float *to, const float *from, int64_t n,
                        struct bs_error *error) {
    return transfer(w, to, from, n, cudaMemcpyHostToDevice, error);
}

int cuda_weights_download(const struct bs_weights *w, const float *from, float *to,
                          int64_t n, struct bs_error *error) {
    return transfer(w, to, from, n, cudaMemcpyDeviceToHost, error);
}

int cuda_weights_ready(struct bs_weights *w, struct bs_error *error) {
    const struct cuda_device *device = w->device->data;
    const struct cuda_weights *data = w->data;
    if (!data->low || !w->n_values)
        return BS_OK;
    cudaError_t status = cudaSetDevice(device->ordinal);
    if (!status)
        status = bs_cuda_round(device->stream, w->memory, data->low,
                               bs_precision_type(w->precision), w->n_values);
    if (!status)
        status = cudaStreamSynchronize(device->stream);
    return cuda_code(status, "rounding the weights", error);
}

struct bs_weights_memory cuda_weights_memory(const struct bs_weights *w) {
    const struct cuda_weights *data = w->data;
    return (struct bs_weights_memory){
        .derived = data->low ? w->n_values * (int64_t)sizeof *data->low : 0};
}
