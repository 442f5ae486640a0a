/* Looks for a library in three places and keeps what it found. */
#include "compute/library.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The folder of the running program, with a final slash; empty if it cannot be told. */
static void program_folder(char *folder, size_t size) {
    ssize_t length = readlink("/proc/self/exe", folder, size - 1);
    folder[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[1] = '\0';
    else
        folder[0] = '\0';
}

/* Opens libbs-NAME.so in `folder`, or anywhere if it is "". */
static void *open_in(const char *folder, const char *more, const char *name) {
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s%slibbs-%s.so", folder, more, name);
    return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

/* Found where the CUDA run time looks for it; what uses it opens it again. */
bool bs_library_has_nvidia_driver(void) {
    void *driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
    return driver && dlclose(driver) == 0;
}

const struct bs_backend *bs_library_backend(const char *name, struct bs_error *error) {
    char folder[PATH_MAX], symbol[64];
    program_folder(folder, sizeof folder);
    void *library = *folder ? open_in(folder, "", name) : NULL;
    if (!library && *folder)
        library = open_in(folder, "../lib/", name);
    if (!library)
        library = open_in("", "", name);
    if (!library) {
        const char *reason = dlerror();
        bs_fail(error, BS_DEVICE, "device \"%s\" cannot be had: %s", name,
                reason ? reason : "no library");
        return NULL;
    }
    snprintf(symbol, sizeof symbol, "bs_backend_%s", name);
    const struct bs_backend *backend = dlsym(library, symbol);
    if (!backend)
        bs_fail(error, BS_DEVICE, "libbs-%s.so is not of bs: it has no %s", name, symbol);
    return backend;
}
