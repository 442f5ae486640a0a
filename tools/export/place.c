/* What stands under an output's name and around it. */
#include "place.h"

#include "common/buffer.h"
#include "common/file.h"
#include "store/bundle.h"
#include "store/model_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a file of a model directory is called, as bs-export writes it. */
static bool is_ours(const char *name) {
    const char *ours;
    for (int i = 0; (ours = bs_model_file_name(i)); i++)
        if (strcmp(name, ours) == 0)
            return true;
    return false;
}

static bool is_itself_or_parent(const char *name) {
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Whether bs-export may have written this entry: folders and links it writes none. */
static bool can_go(DIR *folder, const char *name) {
    struct stat there;
    return is_itself_or_parent(name) ||
           (is_ours(name) && !fstatat(dirfd(folder), name, &there, AT_SYMLINK_NOFOLLOW) &&
            S_ISREG(there.st_mode));
}

/* A folder with anything else in it is not removed, nor one that is protected. */
static int check_folder(const char *path, struct bs_error *error) {
    DIR *folder = opendir(path);
    if (!folder)
        return bs_fail_errno(error, BS_RESOURCE, "%s: cannot open folder", path);
    if (access(path, W_OK | X_OK)) {
        closedir(folder);
        return bs_fail_errno(error, BS_RESOURCE, "%s: cannot be replaced", path);
    }
    int code = BS_OK;
    for (struct dirent *entry; !code && (entry = readdir(folder));)
        if (!can_go(folder, entry->d_name))
            code = bs_fail(error, BS_USAGE,
                           "%s: is there and holds \"%s\", which bs-export did not "
                           "write; choose another -o",
                           path, entry->d_name);
    closedir(folder);
    return code;
}

static bool is_run(const char *folder) {
    char path[PATH_MAX];
    for (int i = 0; i < 2; i++) {
        int size = snprintf(path, sizeof path, "%s/%s", folder, i ? "log.tsv" : "lock");
        if (size >= (int)sizeof path || !bs_file_exists(path))
            return false;
    }
    return true;
}

/* A run goes on only while nothing else lies in its folder. */
static int check_outside(const char *output, char *folder, struct bs_error *error) {
    for (; strcmp(folder, "/") != 0; folder = dirname(folder))
        if (is_run(folder))
            return bs_fail(error, BS_USAGE,
                           "%s: lies in the training run %s; choose another -o", output,
                           folder);
    return BS_OK;
}

/* Among a model's files, there or not yet, it would be read as one of them. */
static int check_name(const char *output, const char *path, struct bs_error *error) {
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    if (is_itself_or_parent(name))
        return bs_fail(error, BS_USAGE, "%s: cannot be replaced; choose another -o",
                       output);
    if (is_ours(name))
        return bs_fail(error, BS_USAGE,
                       "%s: is what a file of a model's folder is called; choose another "
                       "-o",
                       output);
    return BS_OK;
}

/* A link would be replaced, not what it points to. `path` is without slashes at its end.
 */
static int check_around(const char *output, char *path, struct bs_error *error) {
    struct stat there;
    if (!lstat(path, &there) && S_ISLNK(there.st_mode))
        return bs_fail(error, BS_USAGE,
                       "%s: is a symbolic link; name its target, or choose another -o",
                       output);
    char *copy = strdup(path);
    if (!copy)
        return bs_fail_memory(error, strlen(path), output);
    char *folder = realpath(dirname(copy), NULL);
    int code = folder ? check_outside(output, folder, error) : BS_OK;
    free(folder);
    free(copy);
    return code ? code : check_name(output, path, error);
}

static int check_there(const char *output, const struct stat *there, enum layout layout,
                       struct bs_error *error) {
    if (layout == HUGGING_FACE && S_ISDIR(there->st_mode))
        return check_folder(output, error);
    if (layout == HUGGING_FACE)
        return bs_fail(error, BS_USAGE, "%s: is a file; --to hf writes a folder", output);
    if (!S_ISREG(there->st_mode) || (there->st_size > 0 && !bs_bundle_is(output)))
        return bs_fail(error, BS_USAGE,
                       "%s: is there and is no bundle; choose another -o", output);
    return BS_OK;
}

static int check_path(const char *output, char *path, const char *model,
                      enum layout layout, struct bs_error *error) {
    struct stat there, source;
    if (check_around(output, path, error))
        return error->code;
    if (layout != HUGGING_FACE &&
        (strlen(path) < strlen(output) || bs_is_directory(path)))
        return bs_fail(error, BS_USAGE, "%s: names a folder; a bundle is a file", output);
    if (stat(path, &there))
        return BS_OK;
    if (!stat(model, &source) && there.st_dev == source.st_dev &&
        there.st_ino == source.st_ino)
        return bs_fail(error, BS_USAGE, "%s: is the model itself; choose another -o",
                       output);
    return check_there(output, &there, layout, error);
}

int place_check(const char *output, enum layout layout, const char *model,
                struct bs_error *error) {
    char *path = strdup(output);
    if (!path)
        return bs_fail_memory(error, strlen(output), output);
    for (size_t size = strlen(path); size > 1 && path[size - 1] == '/';)
        path[--size] = '\0';
    int code = check_path(output, path, model, layout, error);
    free(path);
    return code;
}
