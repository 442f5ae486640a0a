/* What products want of the matrices: a packed copy in the weights' precision for x W^T,
 * and in bf16 one for dy W: packed too, or plain where products take fp32 in its place.
 */
#include "compute/cpu/cpu.h"
#include "compute/cpu/cpu_memory.h"
#include "compute/cpu/cpu_panels.h"
#include "compute/host.h"

#include "common/buffer.h"

#include <stdlib.h>

void cpu_weights_free(struct bs_weights *weights) {
    for (int i = 0; i < weights->n_parameters; i++) {
        bs_packed_free(cpu_tensor(weights, i)->forward);
        bs_packed_free(cpu_tensor(weights, i)->backward);
        free(cpu_tensor(weights, i)->panels);
        free(cpu_tensor(weights, i)->rounded);
    }
    free(weights->data);
}

/* The values are bf16 but products take them as fp32. */
static bool is_rounded(const struct bs_weights *weights) {
    return weights->precision == BS_PRECISION_BF16 &&
           cpu_product_type(weights->device, BS_BF16) == BS_F32;
}

/* A copy in the weights' precision for x W^T. */
static int packed_forward(struct bs_weights *weights, int index, enum bs_type type,
                          struct bs_error *error) {
    const struct cpu_device *cpu = weights->device->data;
    const struct bs_parameter *p = &weights->parameters[index];
    struct cpu_tensor *tensor = cpu_tensor(weights, index);
    if (!cpu->kernels->product)
        return bs_packed_new(&tensor->forward, cpu->products, CPU_TILE, p->rows,
                             p->columns, type, tensor->value,
                             (struct bs_strides){1, p->columns}, error);
    size_t bytes = (size_t)cpu_panels_size(p->columns, p->rows) * sizeof(float);
    tensor->panels = cpu_alloc(bytes);
    return tensor->panels ? BS_OK : bs_fail_memory(error, bytes, "packed weights");
}

static int tensor_packed(struct bs_weights *weights, int index, struct bs_error *error) {
    const struct cpu_device *cpu = weights->device->data;
    const struct bs_parameter *p = &weights->parameters[index];
    struct cpu_tensor *tensor = cpu_tensor(weights, index);
    bool low = weights->precision == BS_PRECISION_BF16, rounded = is_rounded(weights);
    enum bs_type type = low && !rounded ? BS_BF16 : BS_F32;
    struct bs_strides straight = {p->columns, 1};
    if (packed_forward(weights, index, type, error))
        return error->code;
    if (!low || !weights->training)
        return BS_OK;
    if (rounded) {
        size_t bytes = (size_t)weights->slots[index].size * sizeof(float);
        tensor->rounded = cpu_alloc(bytes);
        return tensor->rounded ? BS_OK : bs_fail_memory(error, bytes, "weights");
    }
    return bs_packed_new(&tensor->backward, cpu->products, CPU_TILE, p->columns, p->rows,
                         type, tensor->value, straight, error);
}

int cpu_weights_new(struct bs_weights *weights, struct bs_error *error) {
    size_t count = weights->n_parameters > 0 ? (size_t)weights->n_parameters : 1;
    weights->data = bs_alloc(count, sizeof(struct cpu_tensor));
    if (!weights->data)
        return bs_fail_memory(error, count * sizeof(struct cpu_tensor), "weights");
    for (int i = 0; i < weights->n_parameters; i++) {
        const struct bs_parameter *p = &weights->parameters[i];
        *cpu_tensor(weights, i) = (struct cpu_tensor){
            .value = weights->slots[i].value, .gradient = weights->slots[i].gradient};
        if (p->role == BS_ROLE_MATRIX && tensor_packed(weights, i, error)) {
            bs_error_prefix(error, "%s: ", p->name);
            cpu_weights_free(weights);
            return error->code;
        }
    }
    return BS_OK;
}

int cpu_weights_upload(struct bs_weights *weights, float *to, const float *from,
                       int64_t n, struct bs_error *error) {
    return bs_host_weights_upload(weights, to, from, n, error);
}

int cpu_weights_download(const struct bs_weights *weights, const float *from, float *to,
                         int64_t n, struct bs_error *error) {
    return bs_host_weights_download(weights, from, to, n, error);
}

/* Of parameter i, from its values. */
static void refresh_panels(const struct bs_weights *weights, int index) {
    const struct cpu_device *cpu = weights->device->data;
    const struct bs_parameter *p = &weights->parameters[index];
    const struct cpu_tensor *tensor = cpu_tensor(weights, index);
    struct bs_rows values = {tensor->value, BS_F32, p->rows, p->columns, p->columns};
    cpu_panels_pack(cpu->kernels, values, tensor->panels);
    if (is_rounded(weights))
        cpu->kernels->round(tensor->panels, tensor->panels,
                            cpu_panels_size(p->columns, p->rows));
}

/* Copies are numbered: 2 i for x W^T of parameter i, 2 i + 1 for dy W. Makes one anew,
 * if there is one. Where products take fp32 in place of bf16, it is rounded here. */
static bool refresh(const struct bs_weights *weights, int64_t number,
                    struct bs_product_worker *worker) {
    const struct cpu_device *cpu = weights->device->data;
    const struct cpu_tensor *tensor = cpu_tensor(weights, (int)(number / 2));
    const struct bs_packed *packed = number % 2 ? tensor->backward : tensor->forward;
    if (number % 2 && tensor->rounded)
        cpu->kernels->round(tensor->value, tensor->rounded,
                            weights->slots[number / 2].size);
    if (!(number % 2) && tensor->panels)
        refresh_panels(weights, (int)(number / 2));
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
        const struct bs_parameter *p = &weights->parameters[i];
        const struct cpu_tensor *tensor = cpu_tensor(weights, i);
        memory.derived += tensor->forward ? bs_packed_bytes(tensor->forward) : 0;
        memory.derived +=
            tensor->panels ? cpu_panels_size(p->columns, p->rows) * (int64_t)sizeof(float)
                           : 0;
        memory.derived += tensor->backward ? bs_packed_bytes(tensor->backward) : 0;
        memory.derived +=
            tensor->rounded ? weights->slots[i].size * (int64_t)sizeof(float) : 0;
    }
    return memory;
}
