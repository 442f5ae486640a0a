/* Parameters in fp32 as they are uploaded, and what products want of the matrices: a
 * packed copy in the weights' precision for x W^T, and in bf16 one for dy W: packed too,
 * or plain where products take fp32 in its place. */
#include "compute/cpu/cpu.h"
#include "compute/cpu/cpu_memory.h"

#include "common/buffer.h"

#include <stdlib.h>
#include <string.h>

void cpu_weights_free(struct bs_weights *weights) {
    struct cpu_weights *data = weights->data;
    for (int i = 0; i < weights->n_parameters; i++) {
        bs_packed_free(data->tensors[i].forward);
        bs_packed_free(data->tensors[i].backward);
        free(data->tensors[i].rounded);
    }
    free(data->memory);
    free(data);
}

/* Floats that a tensor takes in each of its slots: whole cache lines. */
static int64_t slot_size(const struct cpu_tensor *tensor) {
    return (tensor->size + 15) / 16 * 16;
}

/* One allocation for all slots of all tensors. */
static int tensor_memory(struct bs_weights *weights, struct bs_error *error) {
    struct cpu_weights *data = weights->data;
    int64_t total = 0;
    for (int i = 0; i < weights->n_parameters; i++)
        total += slot_size(&data->tensors[i]) * (bs_weights_trains(weights, i) ? 4 : 1);
    float *at = data->memory = cpu_alloc((size_t)total * sizeof(float));
    if (!at)
        return bs_fail_memory(error, (size_t)total * sizeof(float), "weights");
    for (int i = 0; i < weights->n_parameters; i++) {
        struct cpu_tensor *tensor = &data->tensors[i];
        float **slots[] = {&tensor->value, &tensor->gradient, &tensor->moment1,
                           &tensor->moment2};
        for (int slot = 0; slot < (bs_weights_trains(weights, i) ? 4 : 1); slot++) {
            *slots[slot] = at;
            at += slot_size(tensor);
        }
    }
    return BS_OK;
}

/* The values are bf16 but products take them as fp32. */
static bool is_rounded(const struct bs_weights *weights) {
    return weights->precision == BS_PRECISION_BF16 &&
           cpu_product_type(weights->device, BS_BF16) == BS_F32;
}

static int tensor_packed(struct bs_weights *weights, int index, struct bs_error *error) {
    const struct cpu_device *cpu = weights->device->data;
    const struct bs_parameter *p = &weights->parameters[index];
    struct cpu_tensor *tensor = cpu_tensor(weights, index);
    bool low = weights->precision == BS_PRECISION_BF16, rounded = is_rounded(weights);
    enum bs_type type = low && !rounded ? BS_BF16 : BS_F32;
    struct bs_strides turned = {1, p->columns}, straight = {p->columns, 1};
    if (bs_packed_new(&tensor->forward, cpu->products, CPU_TILE, p->rows, p->columns,
                      type, tensor->value, turned, error))
        return error->code;
    if (!low || !weights->training)
        return BS_OK;
    if (rounded) {
        size_t bytes = (size_t)tensor->size * sizeof(float);
        tensor->rounded = cpu_alloc(bytes);
        return tensor->rounded ? BS_OK : bs_fail_memory(error, bytes, "weights");
    }
    return bs_packed_new(&tensor->backward, cpu->products, CPU_TILE, p->columns, p->rows,
                         type, tensor->value, straight, error);
}

int cpu_weights_new(struct bs_weights *weights, struct bs_error *error) {
    size_t n = (size_t)weights->n_parameters;
    struct cpu_weights *data = bs_alloc(1, sizeof *data + n * sizeof(struct cpu_tensor));
    if (!data)
        return bs_fail_memory(error, n * sizeof(struct cpu_tensor), "weights");
    weights->data = data;
    for (int i = 0; i < weights->n_parameters; i++)
        data->tensors[i].size =
            weights->parameters[i].rows * weights->parameters[i].columns;
    if (tensor_memory(weights, error))
        goto out;
    for (int i = 0; i < weights->n_parameters; i++)
        if (weights->parameters[i].role == BS_ROLE_MATRIX &&
            tensor_packed(weights, i, error)) {
            bs_error_prefix(error, "%s: ", weights->parameters[i].name);
            goto out;
        }
    return BS_OK;
out:
    cpu_weights_free(weights);
    return error->code;
}

static float *slot_values(const struct bs_weights *weights, int index,
                          enum bs_slot slot) {
    struct cpu_tensor *tensor = cpu_tensor(weights, index);
    float *slots[] = {[BS_SLOT_VALUE] = tensor->value,
                      [BS_SLOT_GRADIENT] = tensor->gradient,
                      [BS_SLOT_MOMENT1] = tensor->moment1,
                      [BS_SLOT_MOMENT2] = tensor->moment2};
    return slots[slot];
}

int cpu_weights_upload(struct bs_weights *weights, int index, enum bs_slot slot,
                       int64_t first_row, int64_t rows, const float *values,
                       struct bs_error *error) {
    (void)error;
    int64_t columns = weights->parameters[index].columns;
    memcpy(slot_values(weights, index, slot) + first_row * columns, values,
           (size_t)(rows * columns) * sizeof *values);
    return BS_OK;
}

int cpu_weights_download(const struct bs_weights *weights, int index, enum bs_slot slot,
                         int64_t first_row, int64_t rows, float *values,
                         struct bs_error *error) {
    (void)error;
    int64_t columns = weights->parameters[index].columns;
    memcpy(values, slot_values(weights, index, slot) + first_row * columns,
           (size_t)(rows * columns) * sizeof *values);
    return BS_OK;
}

/* Copies are numbered: 2 i for x W^T of parameter i, 2 i + 1 for dy W. Makes one anew,
 * if there is one. Where products take fp32 in place of bf16, it is rounded here. */
static bool refresh(const struct bs_weights *weights, int64_t number,
                    struct bs_product_worker *worker) {
    const struct cpu_device *cpu = weights->device->data;
    const struct cpu_tensor *tensor = cpu_tensor(weights, (int)(number / 2));
    const struct bs_packed *packed = number % 2 ? tensor->backward : tensor->forward;
    if (number % 2 && tensor->rounded)
        cpu->kernels->round(tensor->value, tensor->rounded, tensor->size);
    if (!packed)
        return true;
    if (!bs_packed_refresh(packed, worker))
        return false;
    if (is_rounded(weights)) {
        float *values = bs_packed_data(packed);
        int64_t n = bs_packed_bytes(packed) / (int64_t)sizeof *values;
        cpu->kernels->round(values, values, n);
    }
    return true;
}

int cpu_repack(struct bs_weights *weights, struct bs_error *error) {
    const struct cpu_device *cpu = weights->device->data;
    struct bs_product_worker *worker = NULL;
    if (bs_product_worker_new(&worker, cpu->products, error))
        return error->code;
    bool good = true;
    for (int64_t n = 0; good && n < 2 * (int64_t)weights->n_parameters; n++)
        good = refresh(weights, n, worker);
    bs_product_worker_free(worker);
    return good ? BS_OK : bs_fail(error, BS_DEVICE, "oneDNN failed to pack weights");
}

struct repack_job {
    struct cpu_queue *data;
    const struct bs_weights *weights;
};

static void repack_item(void *context, int64_t item, int worker) {
    const struct repack_job *job = context;
    if (bs_weights_trains(job->weights, (int)(item / 2)) &&
        !refresh(job->weights, item, job->data->workers[worker].products))
        atomic_store(&job->data->product_failed, true);
}

void cpu_repack_trained(struct bs_queue *q, struct bs_weights *weights) {
    struct repack_job job = {cpu_queue(q), weights};
    bs_team_run(job.data->team, 2 * (int64_t)weights->n_parameters, repack_item, &job);
    cpu_check_products(q);
}

struct bs_weights_memory cpu_weights_memory(const struct bs_weights *weights) {
    struct bs_weights_memory memory = {0};
    for (int i = 0; i < weights->n_parameters; i++) {
        const struct cpu_tensor *tensor = cpu_tensor(weights, i);
        int64_t bytes = tensor->size * (int64_t)sizeof(float);
        memory.values += bytes;
        memory.gradients += tensor->gradient ? bytes : 0;
        memory.moments += tensor->gradient ? 2 * bytes : 0;
        memory.derived += tensor->forward ? bs_packed_bytes(tensor->forward) : 0;
        memory.derived += tensor->backward ? bs_packed_bytes(tensor->backward) : 0;
        memory.derived += tensor->rounded ? bytes : 0;
    }
    return memory;
}
