/* The choice of a device. */
#include "compute/compute.h"
#include "compute/backend.h"
#include "compute/library.h"

#include "common/buffer.h"
#include "common/number.h"

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

/* "cuda" or "cuda:N"; BS_END: another name. */
static int parse_cuda(const char *name, int *ordinal, struct bs_error *error) {
    int64_t number = 0;
    *ordinal = 0;
    if (strncmp(name, "cuda", 4) != 0 || (name[4] && name[4] != ':'))
        return BS_END;
    if (name[4] && bs_parse_integer(name + 5, "--device cuda:N", 0, 999, &number, error))
        return error->code;
    *ordinal = (int)number;
    return BS_OK;
}

/* NULL, with the reason, if there is none of that name. */
static const struct bs_backend *find_backend(const char *name, int *ordinal,
                                             struct bs_error *error) {
    int code = parse_cuda(name, ordinal, error);
    if (code != BS_END)
        return code ? NULL : cuda_backend(error);
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

/* The first GPU, if there is one. */
static bool open_gpu(struct bs_device **device) {
    struct bs_error reason = {0};
#ifndef BS_WITH_CUDA
    if (!bs_library_has_nvidia_driver())
        return false;
#endif
    const struct bs_backend *cuda = cuda_backend(&reason);
    return cuda && open_backend(device, cuda, 0, &reason) == BS_OK;
}

int bs_device_open(struct bs_device **device, const char *name, struct bs_error *error) {
    int ordinal = 0;
    *device = NULL;
    if (!strcmp(name, "auto") && open_gpu(device))
        return BS_OK;
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

int64_t bs_device_memory_used(const struct bs_device *device) {
    return device->backend->memory_used ? device->backend->memory_used(device) : 0;
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
