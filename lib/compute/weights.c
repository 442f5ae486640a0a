/* Weights: the table of parameters, memory for their slots, transfers; the same for all
 * back ends, which add what they derive. */
#include "compute/backend.h"
#include "compute/compute.h"

#include "common/buffer.h"

#include <stdlib.h>
#include <string.h>

static int check_parameters(const struct bs_parameter *parameters, int n,
                            struct bs_error *error) {
    for (int i = 0; i < n; i++) {
        const struct bs_parameter *p = &parameters[i];
        int64_t size;
        if (p->rows < 1 || p->columns < 1 ||
            __builtin_mul_overflow(p->rows, p->columns, &size) || size > INT64_MAX / 64 ||
            (p->role == BS_ROLE_VECTOR && p->rows != 1))
            return bs_fail(error, BS_DATA, "parameter %s: shape %lld x %lld", p->name,
                           (long long)p->rows, (long long)p->columns);
    }
    return BS_OK;
}

/* Which part of the values a parameter is in: those that decay, the other trained ones,
 * other vectors, the rest, whose memory may never be touched. */
enum { PARTS = 4 };

static int part_of(const struct bs_weights *weights, int index) {
    const struct bs_parameter *p = &weights->parameters[index];
    if (!bs_weights_trains(weights, index))
        return p->role == BS_ROLE_VECTOR ? 2 : 3;
    return p->decays ? 0 : 1;
}

/* Floats of a slot: whole blocks of BS_SLOT_ALIGNMENT. */
static int64_t slot_floats(const struct bs_slots *slots) {
    return (slots->size + BS_SLOT_ALIGNMENT - 1) / BS_SLOT_ALIGNMENT * BS_SLOT_ALIGNMENT;
}

/* Gives each parameter its place among the values; INT64_MAX floats if that is too
 * small. Returns the floats of all slots. */
static int64_t place_values(struct bs_weights *weights, int64_t *place) {
    int64_t at = 0, ends[PARTS], all;
    for (int part = 0; part < PARTS; part++) {
        for (int i = 0; i < weights->n_parameters; i++) {
            if (part_of(weights, i) != part)
                continue;
            place[i] = at;
            if (__builtin_add_overflow(at, slot_floats(&weights->slots[i]), &at))
                return INT64_MAX;
        }
        ends[part] = at;
    }
    weights->n_decaying = ends[0];
    weights->n_trained = ends[1];
    weights->n_values = at;
    if (__builtin_mul_overflow(ends[1], 3, &all) || __builtin_add_overflow(all, at, &all))
        return INT64_MAX;
    return all;
}

static void point_slots(struct bs_weights *weights, const int64_t *place) {
    float *values = weights->memory, *trained = values + weights->n_values;
    int64_t n = weights->n_trained;
    for (int i = 0; i < weights->n_parameters; i++) {
        struct bs_slots *slots = &weights->slots[i];
        slots->value = values + place[i];
        if (!bs_weights_trains(weights, i))
            continue;
        slots->gradient = trained + place[i];
        slots->moment1 = trained + n + place[i];
        slots->moment2 = trained + 2 * n + place[i];
    }
}

/* One allocation for all slots of all parameters. memory_new does not know what it is
 * for; the message does. */
static int slots_memory(struct bs_weights *weights, int64_t *place,
                        struct bs_error *error) {
    struct bs_device *device = weights->device;
    for (int i = 0; i < weights->n_parameters; i++)
        weights->slots[i].size =
            weights->parameters[i].rows * weights->parameters[i].columns;
    int64_t floats = place_values(weights, place), bytes;
    if (__builtin_mul_overflow(floats, (int64_t)sizeof(float), &bytes))
        bytes = INT64_MAX;
    if (device->backend->memory_new(device, bytes ? bytes : 1, &weights->memory, error))
        return error->code == BS_RESOURCE
                   ? bs_fail_memory(error, (unsigned long long)bytes, "weights")
                   : error->code;
    point_slots(weights, place);
    return BS_OK;
}

static int make_slots(struct bs_weights *weights, struct bs_error *error) {
    size_t count = weights->n_parameters > 0 ? (size_t)weights->n_parameters : 1;
    int64_t *place = bs_alloc(count, sizeof *place);
    if (!place)
        return bs_fail_memory(error, count * sizeof *place, "a table of parameters");
    int code = slots_memory(weights, place, error);
    free(place);
    return code;
}

/* All but what the back end derives. */
static void free_common(struct bs_weights *weights) {
    if (weights->memory)
        weights->device->backend->memory_free(weights->device, weights->memory);
    free(weights->released);
    free(weights->slots);
    free(weights->parameters);
    free(weights);
}

int bs_weights_new(struct bs_weights **weights, struct bs_device *device,
                   const struct bs_parameter *parameters, int n_parameters,
                   enum bs_precision precision, bool training, struct bs_error *error) {
    const struct bs_backend *backend = device->backend;
    *weights = NULL;
    if (training && precision == BS_PRECISION_INT8)
        return bs_fail(error, BS_USAGE,
                       "int8 is for labelling; train in fp32 or bf16, then bs-export "
                       "--to int8");
    if (bs_device_check(device, precision, error) ||
        check_parameters(parameters, n_parameters, error))
        return error->code;
    size_t count = n_parameters > 0 ? (size_t)n_parameters : 1;
    struct bs_weights *made = bs_alloc(1, sizeof *made);
    if (!made)
        return bs_fail_memory(error, sizeof *made, "weights");
    *made = (struct bs_weights){.device = device,
                                .parameters = bs_alloc(count, sizeof *made->parameters),
                                .slots = bs_alloc(count, sizeof *made->slots),
                                .released = bs_alloc(count, sizeof *made->released),
                                .n_parameters = n_parameters,
                                .precision = precision,
                                .training = training};
    if (!made->parameters || !made->slots || !made->released) {
        bs_fail_memory(error, count * sizeof *made->slots, "a table of parameters");
        goto out;
    }
    memcpy(made->parameters, parameters, (size_t)n_parameters * sizeof *parameters);
    if (make_slots(made, error) ||
        (backend->weights_new && backend->weights_new(made, error)))
        goto out;
    *weights = made;
    return BS_OK;
out:
    free_common(made);
    return error->code;
}

void bs_weights_free(struct bs_weights *weights) {
    if (!weights)
        return;
    if (weights->device->backend->weights_free)
        weights->device->backend->weights_free(weights);
    free_common(weights);
}

static int check_transfer(const struct bs_weights *weights, int index, enum bs_slot slot,
                          int64_t first_row, int64_t rows, struct bs_error *error) {
    if (index < 0 || index >= weights->n_parameters)
        return bs_fail(error, BS_DEVICE, "there is no parameter %d", index);
    const struct bs_parameter *p = &weights->parameters[index];
    if (first_row < 0 || rows < 0 || first_row > p->rows || rows > p->rows - first_row)
        return bs_fail(error, BS_DEVICE, "parameter %s has no rows %lld + %lld", p->name,
                       (long long)first_row, (long long)rows);
    if (slot != BS_SLOT_VALUE && !bs_weights_trains(weights, index))
        return bs_fail(error, BS_DEVICE, "parameter %s is not trained", p->name);
    return BS_OK;
}

/* Where a row of a slot begins. */
static float *slot_row(const struct bs_weights *weights, int index, enum bs_slot slot,
                       int64_t row) {
    const struct bs_slots *slots = &weights->slots[index];
    float *const starts[] = {[BS_SLOT_VALUE] = slots->value,
                             [BS_SLOT_GRADIENT] = slots->gradient,
                             [BS_SLOT_MOMENT1] = slots->moment1,
                             [BS_SLOT_MOMENT2] = slots->moment2};
    return starts[slot] + row * weights->parameters[index].columns;
}

int bs_weights_upload(struct bs_weights *weights, int index, enum bs_slot slot,
                      int64_t first_row, int64_t rows, const float *values,
                      struct bs_error *error) {
    if (check_transfer(weights, index, slot, first_row, rows, error))
        return error->code;
    const struct bs_backend *backend = weights->device->backend;
    if (slot == BS_SLOT_VALUE)
        weights->ready = false;
    if (slot == BS_SLOT_VALUE && backend->weights_pack &&
        backend->weights_pack(weights, index, first_row, rows, values)) {
        weights->released[index] = true;
        return BS_OK;
    }
    if (weights->released[index])
        return bs_fail(error, BS_DEVICE, "parameter %s is lent: it cannot be uploaded",
                       weights->parameters[index].name);
    return backend->weights_upload(weights, slot_row(weights, index, slot, first_row),
                                   values, rows * weights->parameters[index].columns,
                                   error);
}

int bs_weights_download(const struct bs_weights *weights, int index, enum bs_slot slot,
                        int64_t first_row, int64_t rows, float *values,
                        struct bs_error *error) {
    if (check_transfer(weights, index, slot, first_row, rows, error))
        return error->code;
    if (weights->released[index] && weights->parameters[index].role == BS_ROLE_MATRIX)
        return bs_fail(error, BS_DEVICE,
                       "parameter %s is packed for labelling: it cannot be downloaded",
                       weights->parameters[index].name);
    return weights->device->backend->weights_download(
        weights, slot_row(weights, index, slot, first_row), values,
        rows * weights->parameters[index].columns, error);
}

static bool is_host(const struct bs_weights *weights) {
    return !weights->device->backend->memory_used;
}

const float *bs_weights_values(const struct bs_weights *weights, int index) {
    return is_host(weights) && !weights->released[index] ? weights->slots[index].value
                                                         : NULL;
}

bool bs_weights_lend(struct bs_weights *weights, int index, const float *values) {
    if (!is_host(weights) || weights->training || index < 0 ||
        index >= weights->n_parameters ||
        weights->parameters[index].role != BS_ROLE_EMBEDDING)
        return false;
    weights->slots[index].value = (float *)values; /* which nothing writes to */
    weights->released[index] = true;
    return true;
}

int bs_weights_ready(struct bs_weights *weights, struct bs_error *error) {
    const struct bs_backend *backend = weights->device->backend;
    if (backend->weights_ready && backend->weights_ready(weights, error))
        return error->code;
    weights->ready = true;
    return BS_OK;
}

struct bs_weights_memory bs_weights_memory(const struct bs_weights *weights) {
    const struct bs_backend *backend = weights->device->backend;
    struct bs_weights_memory memory = {0};
    if (backend->weights_memory)
        memory = backend->weights_memory(weights);
    for (int i = 0; i < weights->n_parameters; i++) {
        int64_t bytes = weights->slots[i].size * (int64_t)sizeof(float);
        bool trains = bs_weights_trains(weights, i);
        memory.values += weights->released[i] ? 0 : bytes;
        memory.gradients += trains ? bytes : 0;
        memory.moments += trains ? 2 * bytes : 0;
    }
    return memory;
}
