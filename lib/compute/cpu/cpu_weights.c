/* What products want of the matrices: a packed copy in the weights' precision for x W^T,
 * and in bf16 one for dy W: packed too, or plain where products take fp32 in its place.
 */
#include "compute/cpu/cpu.h"
#include "compute/cpu/cpu_memory.h"
#include "compute/cpu/cpu_panels.h"

#include "common/buffer.h"

#include <stdlib.h>

/* So many products of an unsigned and a signed byte have a sum of 32 bits. */
enum { MOST_INT8 = INT32_MAX / (255 * 127) };

void cpu_weights_free(struct bs_weights *weights) {
    for (int i = 0; i < weights->n_parameters; i++) {
        bs_packed_free(cpu_tensor(weights, i)->forward);
        bs_packed_free(cpu_tensor(weights, i)->backward);
        cpu_panels_free(&cpu_tensor(weights, i)->panels);
        cpu_panels_free(&cpu_tensor(weights, i)->back_panels);
        cpu_free(cpu_tensor(weights, i)->rounded);
    }
    free(weights->data);
}

/* The values are bf16 but products take them as fp32. */
static bool is_rounded(const struct bs_weights *weights) {
    return weights->precision == BS_PRECISION_BF16 &&
           cpu_product_type(weights->device, BS_BF16) == BS_F32;
}

/* Copies of w[k, n], or of the transpose, for products. */
static int packed_new(struct bs_weights *weights, struct bs_packed **packed,
                      struct bs_cpu_panels *panels, int64_t k, int64_t n,
                      const float *value, struct bs_strides strides,
                      struct bs_error *error) {
    const struct cpu_device *cpu = weights->device->data;
    enum bs_cpu_operand operand = cpu_operand(weights);
    if (cpu->own[operand])
        return cpu_panels_new(panels, cpu->kernels, operand, k, n, error);
    return bs_packed_new(packed, cpu->products, CPU_TILE, n, k,
                         operand == BS_CPU_BF16 ? BS_BF16 : BS_F32, value, strides,
                         error);
}

static int tensor_packed(struct bs_weights *weights, int index, struct bs_error *error) {
    const struct bs_parameter *p = &weights->parameters[index];
    struct cpu_tensor *tensor = cpu_tensor(weights, index);
    struct bs_strides transposed = {1, p->columns}, straight = {p->columns, 1};
    if (weights->precision == BS_PRECISION_INT8 && p->columns > MOST_INT8)
        return bs_fail(error, BS_DATA, "%lld inputs are too many for int8",
                       (long long)p->columns);
    if (packed_new(weights, &tensor->forward, &tensor->panels, p->columns, p->rows,
                   tensor->value, transposed, error))
        return error->code;
    if (weights->precision != BS_PRECISION_BF16 || !weights->training)
        return BS_OK;
    if (is_rounded(weights)) {
        size_t bytes = (size_t)weights->slots[index].size * sizeof(float);
        tensor->rounded = cpu_alloc(bytes);
        return tensor->rounded ? BS_OK : bs_fail_memory(error, bytes, "weights");
    }
    return packed_new(weights, &tensor->backward, &tensor->back_panels, p->rows,
                      p->columns, tensor->value, straight, error);
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

/* Labelling with products of our own needs panels alone: the slot is never touched. */
bool cpu_weights_pack(struct bs_weights *weights, int index, int64_t first_row,
                      int64_t rows, const float *values) {
    const struct cpu_device *cpu = weights->device->data;
    const struct bs_parameter *p = &weights->parameters[index];
    struct bs_cpu_panels panels = cpu_tensor(weights, index)->panels;
    if (weights->training || !panels.words)
        return false;
    struct bs_rows from = {(float *)values, BS_F32, rows, p->columns, p->columns};
    cpu->kernels->pack_transposed(cpu_operand(weights), from, first_row, panels);
    return true;
}

/* Of parameter i, for x W^T or for dy W, from its values if it has them. */
static void refresh_panels(const struct bs_weights *weights, int index, bool transposed,
                           struct bs_cpu_panels panels) {
    const struct cpu_device *cpu = weights->device->data;
    const struct bs_parameter *p = &weights->parameters[index];
    struct bs_rows values = {cpu_tensor(weights, index)->value, BS_F32, p->rows,
                             p->columns, p->columns};
    enum bs_cpu_operand operand = cpu_operand(weights);
    if (!weights->released[index])
        cpu_panels_pack(cpu->kernels, operand, values, transposed, panels);
    if (is_rounded(weights))
        cpu->kernels->round(panels.words, panels.words,
                            cpu_panels_words(cpu->kernels, operand, p->columns, p->rows));
}

/* Copies are numbered: 2 i for x W^T of parameter i, 2 i + 1 for dy W. Makes one anew,
 * if there is one. Where products take fp32 in place of bf16, it is rounded here. */
static bool refresh(const struct bs_weights *weights, int64_t number,
                    struct bs_product_worker *worker) {
    const struct cpu_device *cpu = weights->device->data;
    const struct cpu_tensor *tensor = cpu_tensor(weights, (int)(number / 2));
    const struct bs_packed *packed = number % 2 ? tensor->backward : tensor->forward;
    struct bs_cpu_panels panels = number % 2 ? tensor->back_panels : tensor->panels;
    if (number % 2 && tensor->rounded)
        cpu->kernels->round(tensor->value, tensor->rounded,
                            weights->slots[number / 2].size);
    if (panels.words)
        refresh_panels(weights, (int)(number / 2), number % 2 == 0, panels);
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
    for (int i = 0; good && i < weights->n_parameters; i++)
        good = refresh(weights, 2 * (int64_t)i, worker) &&
               refresh(weights, 2 * (int64_t)i + 1, worker);
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
    const struct cpu_device *cpu = weights->device->data;
    enum bs_cpu_operand operand = cpu_operand(weights);
    struct bs_weights_memory memory = {0};
    for (int i = 0; i < weights->n_parameters; i++) {
        const struct bs_parameter *p = &weights->parameters[i];
        const struct cpu_tensor *tensor = cpu_tensor(weights, i);
        memory.derived += tensor->forward ? bs_packed_bytes(tensor->forward) : 0;
        memory.derived += tensor->backward ? bs_packed_bytes(tensor->backward) : 0;
        memory.derived += tensor->panels.words ? cpu_panels_bytes(cpu->kernels, operand,
                                                                  p->columns, p->rows)
                                               : 0;
        memory.derived +=
            tensor->back_panels.words
                ? cpu_panels_bytes(cpu->kernels, operand, p->rows, p->columns)
                : 0;
        memory.derived +=
            tensor->rounded ? weights->slots[i].size * (int64_t)sizeof(float) : 0;
    }
    return memory;
}
