/* Weights in fp32, as they are uploaded. Products in bf16 round them when they read. */
#include "compute/ref/ref.h"

#include "common/buffer.h"

#include <stdlib.h>

static size_t parameter_size(const struct bs_parameter *p) {
    return (size_t)(p->rows * p->columns);
}

void ref_weights_free(struct bs_weights *weights) {
    struct ref_tensor *tensors = weights->data;
    for (int i = 0; i < weights->n_parameters; i++) {
        free(tensors[i].value);
        free(tensors[i].gradient);
        free(tensors[i].moment1);
        free(tensors[i].moment2);
    }
    free(tensors);
}

static bool tensor_new(struct ref_tensor *tensor, size_t size, bool trains) {
    tensor->value = bs_alloc(size, sizeof(float));
    if (!trains)
        return tensor->value;
    tensor->gradient = bs_alloc(size, sizeof(float));
    tensor->moment1 = bs_alloc(size, sizeof(float));
    tensor->moment2 = bs_alloc(size, sizeof(float));
    return tensor->value && tensor->gradient && tensor->moment1 && tensor->moment2;
}

int ref_weights_new(struct bs_weights *weights, struct bs_error *error) {
    size_t count = weights->n_parameters > 0 ? (size_t)weights->n_parameters : 1;
    weights->data = bs_alloc(count, sizeof(struct ref_tensor));
    if (!weights->data)
        return bs_fail_memory(error, count * sizeof(struct ref_tensor), "weights");
    for (int i = 0; i < weights->n_parameters; i++) {
        size_t size = parameter_size(&weights->parameters[i]);
        if (tensor_new(ref_tensor(weights, i), size, bs_weights_trains(weights, i)))
            continue;
        ref_weights_free(weights);
        return bs_fail_memory(error, size * sizeof(float), weights->parameters[i].name);
    }
    return BS_OK;
}

static float *slot_values(const struct bs_weights *weights, int index,
                          enum bs_slot slot) {
    struct ref_tensor *tensor = ref_tensor(weights, index);
    float *slots[] = {[BS_SLOT_VALUE] = tensor->value,
                      [BS_SLOT_GRADIENT] = tensor->gradient,
                      [BS_SLOT_MOMENT1] = tensor->moment1,
                      [BS_SLOT_MOMENT2] = tensor->moment2};
    return slots[slot];
}

int ref_weights_upload(struct bs_weights *weights, int index, enum bs_slot slot,
                       int64_t first_row, int64_t rows, const float *values,
                       struct bs_error *error) {
    (void)error;
    int64_t columns = weights->parameters[index].columns;
    memcpy(slot_values(weights, index, slot) + first_row * columns, values,
           (size_t)(rows * columns) * sizeof *values);
    return BS_OK;
}

int ref_weights_download(const struct bs_weights *weights, int index, enum bs_slot slot,
                         int64_t first_row, int64_t rows, float *values,
                         struct bs_error *error) {
    (void)error;
    int64_t columns = weights->parameters[index].columns;
    memcpy(values, slot_values(weights, index, slot) + first_row * columns,
           (size_t)(rows * columns) * sizeof *values);
    return BS_OK;
}

int ref_weights_ready(struct bs_weights *weights, struct bs_error *error) {
    (void)weights;
    (void)error;
    return BS_OK;
}

struct bs_weights_memory ref_weights_memory(const struct bs_weights *weights) {
    struct bs_weights_memory memory = {0};
    for (int i = 0; i < weights->n_parameters; i++) {
        int64_t bytes =
            (int64_t)(parameter_size(&weights->parameters[i]) * sizeof(float));
        memory.values += bytes;
        memory.gradients += bs_weights_trains(weights, i) ? bytes : 0;
        memory.moments += bs_weights_trains(weights, i) ? 2 * bytes : 0;
    }
    return memory;
}
