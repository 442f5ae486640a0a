/* The choice of a device, and weights: what is the same for all back ends. */
#include "compute/compute.h"
#include "compute/backend.h"
#include "compute/library.h"

#include "common/buffer.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Those of this program, the fastest first. */
static const struct bs_backend *const backends[] = {
#ifdef BS_WITH_CPU
    &bs_backend_cpu,
#endif
    &bs_backend_ref,
};
enum { N_BACKENDS = sizeof backends / sizeof backends[0] };

/* ---- device ------------------------------------------------------------------- */

static const struct bs_backend *cuda_backend(struct bs_error *error) {
#ifdef BS_WITH_CUDA
    (void)error;
    return &bs_backend_cuda;
#else
    return bs_library_backend("cuda", error);
#endif
}

/* "cuda" or "cuda:N". */
static bool is_cuda(const char *name, int *ordinal) {
    int end = 0;
    *ordinal = 0;
    return !strcmp(name, "cuda") || (sscanf(name, "cuda:%3d%n", ordinal, &end) == 1 &&
                                     !name[end] && *ordinal >= 0);
}

/* NULL, with the reason, if there is none of that name. */
static const struct bs_backend *find_backend(const char *name, int *ordinal,
                                             struct bs_error *error) {
    if (is_cuda(name, ordinal))
        return cuda_backend(error);
    for (int i = 0; i < N_BACKENDS; i++)
        if (!strcmp(name, "auto") || !strcmp(name, backends[i]->name))
            return backends[i];
    if (!strcmp(name, "cpu"))
        bs_fail(error, BS_DEVICE, "device \"cpu\" is not compiled in; --device ref is");
    else
        bs_fail(error, BS_USAGE,
                "there is no device \"%s\"; choose auto, cpu, cuda, cuda:N or ref", name);
    return NULL;
}

static int open_backend(struct bs_device **device, const struct bs_backend *backend,
                        int ordinal, struct bs_error *error) {
    if (backend->version != BS_BACKEND_VERSION)
        return bs_fail(error, BS_DEVICE,
                       "device \"%s\" speaks version %u of the interface, wanted %d",
                       backend->name, (unsigned)backend->version, BS_BACKEND_VERSION);
    struct bs_device *made = bs_alloc(1, sizeof *made);
    if (!made)
        return bs_fail_memory(error, sizeof *made, "a device");
    made->backend = backend;
    made->ordinal = ordinal;
    if (backend->device_open(made, error)) {
        free(made);
        return error->code;
    }
    *device = made;
    return BS_OK;
}

int bs_device_open(struct bs_device **device, const char *name, struct bs_error *error) {
    int ordinal = 0;
    *device = NULL;
    if (!strcmp(name, "auto")) {
        struct bs_error reason = {0};
        const struct bs_backend *cuda = cuda_backend(&reason);
        if (cuda && !open_backend(device, cuda, 0, &reason))
            return BS_OK;
    }
    const struct bs_backend *backend = find_backend(name, &ordinal, error);
    if (!backend)
        return error->code;
    return open_backend(device, backend, ordinal, error);
}

void bs_device_close(struct bs_device *device) {
    if (!device)
        return;
    device->backend->device_close(device);
    free(device);
}

const struct bs_device_info *bs_device_info(const struct bs_device *device) {
    return &device->info;
}

int bs_device_check(const struct bs_device *device, enum bs_precision precision,
                    struct bs_error *error) {
    if (device->info.support[precision] != BS_REFUSED)
        return BS_OK;
    return bs_fail(error, BS_DEVICE,
                   "device \"%s\" (%s) has no %s arithmetic; use --precision %s",
                   device->info.backend, device->info.hardware,
                   bs_precision_name(precision), bs_precision_name(BS_PRECISION_FP32));
}

static char backends_text[256];

static void describe_backends(void) {
    size_t used = 0;
    for (int i = N_BACKENDS - 1; i >= 0 && used < sizeof backends_text; i--)
        used += (size_t)snprintf(backends_text + used, sizeof backends_text - used,
                                 "%s%s", used ? " " : "", backends[i]->describe());
}

const char *bs_compute_backends(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, describe_backends);
    return backends_text;
}

/* ---- weights ------------------------------------------------------------------ */

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

int bs_weights_new(struct bs_weights **weights, struct bs_device *device,
                   const struct bs_parameter *parameters, int n_parameters,
                   enum bs_precision precision, bool training, struct bs_error *error) {
    *weights = NULL;
    if (bs_device_check(device, precision, error) ||
        check_parameters(parameters, n_parameters, error))
        return error->code;
    struct bs_weights *made = bs_alloc(1, sizeof *made);
    size_t count = n_parameters > 0 ? (size_t)n_parameters : 1;
    struct bs_parameter *copy = bs_alloc(count, sizeof *copy);
    if (!made || !copy) {
        bs_fail_memory(error, count * sizeof *copy, "a table of parameters");
        goto out;
    }
    memcpy(copy, parameters, (size_t)n_parameters * sizeof *copy);
    *made = (struct bs_weights){.device = device,
                                .parameters = copy,
                                .n_parameters = n_parameters,
                                .precision = precision,
                                .training = training};
    if (device->backend->weights_new(made, error))
        goto out;
    *weights = made;
    return BS_OK;
out:
    free(copy);
    free(made);
    return error->code;
}

void bs_weights_free(struct bs_weights *weights) {
    if (!weights)
        return;
    weights->device->backend->weights_free(weights);
    free(weights->parameters);
    free(weights);
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

int bs_weights_upload(struct bs_weights *weights, int index, enum bs_slot slot,
                      int64_t first_row, int64_t rows, const float *values,
                      struct bs_error *error) {
    if (check_transfer(weights, index, slot, first_row, rows, error))
        return error->code;
    if (slot == BS_SLOT_VALUE)
        weights->ready = false;
    return weights->device->backend->weights_upload(weights, index, slot, first_row, rows,
                                                    values, error);
}

int bs_weights_download(const struct bs_weights *weights, int index, enum bs_slot slot,
                        int64_t first_row, int64_t rows, float *values,
                        struct bs_error *error) {
    if (check_transfer(weights, index, slot, first_row, rows, error))
        return error->code;
    return weights->device->backend->weights_download(weights, index, slot, first_row,
                                                      rows, values, error);
}

int bs_weights_ready(struct bs_weights *weights, struct bs_error *error) {
    if (weights->device->backend->weights_ready(weights, error))
        return error->code;
    weights->ready = true;
    return BS_OK;
}

struct bs_weights_memory bs_weights_memory(const struct bs_weights *weights) {
    return weights->device->backend->weights_memory(weights);
}
