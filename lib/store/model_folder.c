/* Opens and maps the files of a folder through its descriptor. */
#include "store/model_folder.h"

#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
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

/* What is empty is not missing. */
static int map(int file, const char *path, struct bs_span *bytes,
               struct bs_error *error) {
    if (bs_file_map_open(file, path, bytes, error))
        return error->code;
    if (!bytes->data)
        *bytes = bs_span("", 0);
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
    char *whole = bs_path_join(path, name);
    int code = whole ? map(file, whole, bytes, error)
                     : bs_fail_memory(error, strlen(path), path);
    free(whole);
    close(file);
    return code;
}
