/* Names, and the choice of a device. */
#include "compute/compute.h"
#include "compute/backend.h"

#include "common/buffer.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The fastest first: "auto" takes the head of the list. */
static const struct bs_backend *const backends[] = {
#ifdef BS_WITH_CPU
    &bs_backend_cpu,
#endif
    &bs_backend_ref,
};
enum { N_BACKENDS = sizeof backends / sizeof backends[0] };

static const char *const precision_names[] = {"fp32", "bf16"};
enum { N_PRECISIONS = sizeof precision_names / sizeof precision_names[0] };

size_t bs_type_size(enum bs_type type) {
    return type == BS_BF16 ? 2 : 4;
}

const char *bs_precision_name(enum bs_precision precision) {
    return precision_names[precision];
}

int bs_precision_parse(const char *name, enum bs_precision *precision,
                       struct bs_error *error) {
    for (int i = 0; i < N_PRECISIONS; i++) {
        if (!strcmp(name, precision_names[i])) {
            *precision = (enum bs_precision)i;
            return BS_OK;
        }
    }
    return bs_fail(error, BS_USAGE, "precision \"%s\": choose fp32 or bf16", name);
}

/* ---- device ------------------------------------------------------------------- */

/* NULL, with the reason, if there is none of that name. */
static const struct bs_backend *find_backend(const char *name, struct bs_error *error) {
    for (int i = 0; i < N_BACKENDS; i++)
        if (!strcmp(name, "auto") || !strcmp(name, backends[i]->name))
            return backends[i];
    if (!strcmp(name, "cpu"))
        bs_fail(error, BS_DEVICE, "device \"cpu\" is not compiled in; --device ref is");
    else
        bs_fail(error, BS_USAGE, "there is no device \"%s\"; choose auto, cpu or ref",
                name);
    return NULL;
}

int bs_device_open(struct bs_device **device, const char *name, struct bs_error *error) {
    *device = NULL;
    const struct bs_backend *backend = find_backend(name, error);
    if (!backend)
        return error->code;
    if (backend->version != BS_BACKEND_VERSION)
        return bs_fail(error, BS_DEVICE,
                       "device \"%s\" speaks version %u of the interface, wanted %d",
                       backend->name, (unsigned)backend->version, BS_BACKEND_VERSION);
    struct bs_device *made = bs_alloc(1, sizeof *made);
    if (!made)
        return bs_fail_memory(error, sizeof *made, "a device");
    made->backend = backend;
    if (backend->device_open(made, error)) {
        free(made);
        return error->code;
    }
    *device = made;
    return BS_OK;
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
    bool bf16 = precision == BS_PRECISION_BF16;
    if ((bf16 ? device->info.bf16 : device->info.fp32) != BS_REFUSED)
        return BS_OK;
    return bs_fail(error, BS_DEVICE,
                   "device \"%s\" (%s) has no %s arithmetic; use --precision %s",
                   device->info.backend, device->info.hardware,
                   bs_precision_name(precision), bf16 ? "fp32" : "bf16");
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
