/*
 * Parameters in two arenas: the trained ones, those that decay first, so that one launch
 * updates all of them; and the others. Each tensor begins at a multiple of 64 elements.
 * In bf16 and fp16 an arena has a low-precision twin of the same layout.
 */
#include "compute/cuda/cuda.h"

#include "common/buffer.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 }; /* elements */

static int64_t padded_size(const struct bs_parameter *p) {
    return (p->rows * p->columns + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static struct cuda_weights *data_of(const struct bs_weights *w) {
    return w->data;
}

static struct bs_cuda_trained *arena_of(const struct bs_weights *w, int index) {
    struct cuda_weights *data = data_of(w);
    return data->tensors[index].trained ? &data->trained : &data->fixed;
}

const float *cuda_value(const struct bs_weights *w, int index) {
    return arena_of(w, index)->value + data_of(w)->tensors[index].at;
}

float *cuda_gradient(const struct bs_weights *w, int index) {
    const struct cuda_tensor *tensor = &data_of(w)->tensors[index];
    return tensor->trained ? data_of(w)->trained.gradient + tensor->at : NULL;
}

const void *cuda_low(const struct bs_weights *w, int index) {
    const char *low = arena_of(w, index)->low;
    return low ? low + 2 * data_of(w)->tensors[index].at : NULL;
}

/* ---- memory --------------------------------------------------------------------- */

static void place(struct bs_weights *w, bool trained, bool decays,
                  struct bs_cuda_trained *arena) {
    for (int i = 0; i < w->n_parameters; i++) {
        const struct bs_parameter *p = &w->parameters[i];
        if (bs_weights_trains(w, i) != trained || (trained && p->decays != decays))
            continue;
        data_of(w)->tensors[i] = (struct cuda_tensor){trained, arena->n};
        arena->n += padded_size(p);
    }
}

static int arena_memory(struct bs_cuda_trained *arena, enum bs_type low, bool training,
                        struct bs_error *error) {
    size_t each = (size_t)arena->n * sizeof(float), floats = training ? 4 * each : each;
    size_t bytes = floats + (low == BS_F32 ? 0 : each / 2);
    void *memory = NULL;
    if (cuda_memory(&memory, bytes, "the model's weights", error))
        return error->code;
    arena->value = memory;
    if (training) {
        arena->gradient = arena->value + arena->n;
        arena->moment1 = arena->gradient + arena->n;
        arena->moment2 = arena->moment1 + arena->n;
    }
    if (low != BS_F32)
        arena->low = (char *)memory + floats;
    arena->low_type = low;
    return cuda_code(cudaMemset(memory, 0, bytes), "weights", error);
}

int cuda_weights_new(struct bs_weights *w, struct bs_error *error) {
    const struct cuda_device *device = w->device->data;
    enum bs_type low = bs_precision_type(w->precision);
    size_t bytes = sizeof(struct cuda_weights) +
                   (size_t)w->n_parameters * sizeof(struct cuda_tensor);
    w->data = bs_alloc(1, bytes);
    if (!w->data)
        return bs_fail_memory(error, bytes, "weights");
    struct cuda_weights *data = w->data;
    place(w, true, true, &data->trained);
    data->trained.n_decaying = data->trained.n;
    place(w, true, false, &data->trained);
    place(w, false, false, &data->fixed);
    if (!cuda_code(cudaSetDevice(device->ordinal), "weights", error) &&
        !arena_memory(&data->trained, low, true, error) &&
        !arena_memory(&data->fixed, low, false, error) &&
        !cuda_code(cudaDeviceSynchronize(), "weights", error))
        return BS_OK;
    cuda_weights_free(w);
    return error->code;
}

void cuda_weights_free(struct bs_weights *w) {
    struct cuda_weights *data = w->data;
    cudaFree(data->trained.value);
    cudaFree(data->fixed.value);
    free(data);
}

/* ---- transfers ------------------------------------------------------------------ */

static float *slot_values(const struct bs_weights *w, int index, enum bs_slot slot) {
    const struct bs_cuda_trained *arena = arena_of(w, index);
    float *slots[] = {[BS_SLOT_VALUE] = arena->value,
                      [BS_SLOT_GRADIENT] = arena->gradient,
                      [BS_SLOT_MOMENT1] = arena->moment1,
                      [BS_SLOT_MOMENT2] = arena->moment2};
    return slots[slot] + data_of(w)->tensors[index].at;
}

static int transfer(const struct bs_weights *w, void *to, const void *from,
                    int64_t elements, enum cudaMemcpyKind kind, struct bs_error *error) {
    const struct cuda_device *device = w->device->data;
    cudaError_t status = cudaSetDevice(device->ordinal);
    if (!status)
        status = cudaMemcpyAsync(to, from, (size_t)elements * sizeof(float), kind,
                                 device->stream);
    if (!status)
        status = cudaStreamSynchronize(device->stream);
    return cuda_code(status, "a transfer of weights", error);
}

int cuda_weights_upload(struct bs_weights *w, int index, enum bs_slot slot,
                        int64_t first_row, int64_t rows, const float *values,
                        struct bs_error *error) {
    int64_t columns = w->parameters[index].columns;
    return transfer(w, slot_values(w, index, slot) + first_row * columns, values,
                    rows * columns, cudaMemcpyHostToDevice, error);
}

int cuda_weights_download(const struct bs_weights *w, int index, enum bs_slot slot,
                          int64_t first_row, int64_t rows, float *values,
                          struct bs_error *error) {
    int64_t columns = w->parameters[index].columns;
    return transfer(w, values, slot_values(w, index, slot) + first_row * columns,
                    rows * columns, cudaMemcpyDeviceToHost, error);
}

int cuda_weights_ready(struct bs_weights *w, struct bs_error *error) {
    const struct cuda_device *device = w->device->data;
    struct cuda_weights *data = w->data;
    const struct bs_cuda_trained *arenas[] = {&data->trained, &data->fixed};
    cudaError_t status = cudaSetDevice(device->ordinal);
    for (int i = 0; i < 2 && !status; i++)
        if (arenas[i]->low && arenas[i]->n)
            status = bs_cuda_round(device->stream, arenas[i]->value, arenas[i]->low,
                                   arenas[i]->low_type, arenas[i]->n);
    if (!status)
        status = cudaStreamSynchronize(device->stream);
    return cuda_code(status, "rounding the weights", error);
}

struct bs_weights_memory cuda_weights_memory(const struct bs_weights *w) {
    const struct cuda_weights *data = w->data;
    int64_t trained = data->trained.n, all = trained + data->fixed.n;
    return (struct bs_weights_memory){.values = 4 * all,
                                      .derived = data->fixed.low ? 2 * all : 0,
                                      .gradients = 4 * trained,
                                      .moments = 8 * trained};
}
