/* Opens and maps the files of a folder through its descriptor. */
#include "store/model_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int bs_model_folder_open(const char *path, int *folder, struct bs_error *error) {
    *folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return *folder < 0 ? bs_fail_errno(error, BS_DATA, "%s: cannot open", path) : BS_OK;
}

bool bs_model_folder_is_at(int folder, const char *path) {
    struct stat held, named;
    return !fstat(folder, &held) && !stat(path, &named) && held.st_dev == named.st_dev &&
           held.st_ino == named.st_ino;
}

static int map(int file, const char *path, const char *name, struct bs_span *bytes,
               struct bs_error *error) {
    struct stat status;
    if (fstat(file, &status))
        return bs_fail_errno(error, BS_DATA, "%s/%s: cannot read", path, name);
    if (!S_ISREG(status.st_mode))
        return bs_fail(error, BS_DATA, "%s/%s: not a regular file", path, name);
    *bytes = bs_span("", 0);
    if (status.st_size == 0)
        return BS_OK;
    size_t size = (size_t)status.st_size;
    void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0);
    if (data == MAP_FAILED)
        return bs_fail_errno(error, BS_DATA, "%s/%s: cannot map", path, name);
    *bytes = bs_span(data, size);
    return BS_OK;
}

int bs_model_folder_map(int folder, const char *path, const char *name,
                        struct bs_span *bytes, struct bs_error *error) {
    *bytes = bs_span(NULL, 0);
    /* One that is a FIFO would be waited for. */
    int file = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0 && (errno == ENOENT || errno == ENOTDIR))
        return BS_OK;
    if (file < 0)
        return bs_fail_errno(error, BS_DATA, "%s/%s: cannot open", path, name);
    int code = map(file, path, name, bytes, error);
    close(file);
    return code;
}
