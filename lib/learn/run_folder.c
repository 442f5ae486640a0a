/* Lock, links and checkpoints of an output folder. */
#include "learn/run_folder.h"

#include "store/model_write.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool begins(const char *name, const char *with) {
    return strncmp(name, with, strlen(with)) == 0;
}

static bool is_checkpoint(const char *name) {
    return begins(name, "checkpoint-");
}

/* Names that a run makes, temporary ones included. */
static bool is_ours(const char *name) {
    return is_checkpoint(name) || begins(name, "log.tsv") || begins(name, ".link-") ||
           strcmp(name, "lock") == 0 || strcmp(name, "last") == 0 ||
           strcmp(name, "best") == 0;
}

/* Calls `visit` for every entry until it fails. */
static int each_entry(const char *path,
                      int (*visit)(const char *folder, const char *name, void *context,
                                   struct bs_error *error),
                      void *context, struct bs_error *error) {
    DIR *directory = opendir(path);
    if (!directory)
        return bs_fail_errno(error, BS_RESOURCE, "%s: cannot read", path);
    int code = BS_OK;
    struct dirent *entry;
    while (!code && (entry = readdir(directory)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            code = visit(path, entry->d_name, context, error);
    closedir(directory);
    return code;
}

static int check_entry(const char *folder, const char *name, void *context,
                       struct bs_error *error) {
    (void)context;
    if (is_ours(name))
        return BS_OK;
    return bs_fail(error, BS_USAGE,
                   "%s: holds \"%s\", which is not of a training run; choose another "
                   "folder",
                   folder, name);
}

static int take_lock(struct bs_run_folder *folder, struct bs_error *error) {
    char *path = bs_run_folder_file(folder, "lock");
    if (!path)
        return bs_fail_memory(error, strlen(folder->path), "a path");
    int code = bs_lock(path, &folder->lock, error);
    free(path);
    if (code == BS_USAGE)
        return bs_fail(error, BS_USAGE, "%s: another run is using this folder",
                       folder->path);
    return code;
}

int bs_run_folder_open(struct bs_run_folder *folder, const char *path,
                       struct bs_error *error) {
    *folder = (struct bs_run_folder){.path = strdup(path), .lock = -1};
    if (!folder->path)
        return bs_fail_memory(error, strlen(path), "a path");
    int code = BS_OK;
    if (bs_is_directory(path)) {
        code = each_entry(path, check_entry, NULL, error);
    } else {
        code = bs_make_directories(path, error);
        folder->created = !code;
    }
    if (!code)
        code = take_lock(folder, error);
    if (!code)
        code = bs_model_write_sweep(path, error);
    if (code)
        bs_run_folder_close(folder);
    return code;
}

static int count_checkpoint(const char *folder, const char *name, void *context,
                            struct bs_error *error) {
    (void)folder, (void)error;
    *(int *)context += is_checkpoint(name);
    return BS_OK;
}

void bs_run_folder_close(struct bs_run_folder *folder) {
    struct bs_error ignored;
    int checkpoints = 0;
    if (folder->created && folder->lock >= 0 &&
        !each_entry(folder->path, count_checkpoint, &checkpoints, &ignored) &&
        checkpoints == 0 && !bs_run_folder_clear(folder, &ignored)) {
        char *lock = bs_run_folder_file(folder, "lock");
        if (lock)
            unlink(lock);
        free(lock);
        rmdir(folder->path);
    }
    bs_unlock(folder->lock);
    free(folder->path);
    *folder = (struct bs_run_folder){.lock = -1};
}

char *bs_run_folder_file(const struct bs_run_folder *folder, const char *name) {
    return bs_path_join(folder->path, name);
}

static void checkpoint_name(int64_t step, char name[40]) {
    snprintf(name, 40, "checkpoint-%" PRId64, step);
}

char *bs_run_folder_checkpoint(const struct bs_run_folder *folder, int64_t step) {
    char name[40];
    checkpoint_name(step, name);
    return bs_path_join(folder->path, name);
}

bool bs_run_folder_has_last(const struct bs_run_folder *folder) {
    char path[PATH_MAX];
    struct stat status;
    int size = snprintf(path, sizeof path, "%s/last", folder->path);
    return size < (int)sizeof path && lstat(path, &status) == 0;
}

static int remove_entry(const char *folder, const char *name, struct bs_error *error) {
    char *path = bs_path_join(folder, name);
    if (!path)
        return bs_fail_memory(error, strlen(name), "a path");
    int code = bs_remove_tree(path, error);
    free(path);
    return code;
}

/* Under another name first, which a sweep knows: what is half gone must not look
 * whole. */
static int remove_checkpoint(const char *folder, const char *name,
                             struct bs_error *error) {
    struct bs_buffer going = {0};
    char *path = bs_path_join(folder, name);
    int code = BS_OK;
    if (!path || !bs_buffer_printf(&going, "%s.partial-remove", path))
        code = bs_fail_memory(error, strlen(folder), "a path");
    else if (rename(path, going.data))
        code = bs_fail_errno(error, BS_RESOURCE, "%s: cannot rename", path);
    else
        code = bs_remove_tree(going.data, error);
    bs_buffer_free(&going);
    free(path);
    return code;
}

static int clear_entry(const char *folder, const char *name, void *context,
                       struct bs_error *error) {
    (void)context;
    if (!is_ours(name) || strcmp(name, "lock") == 0)
        return BS_OK;
    return is_checkpoint(name) ? remove_checkpoint(folder, name, error)
                               : remove_entry(folder, name, error);
}

int bs_run_folder_clear(const struct bs_run_folder *folder, struct bs_error *error) {
    /* `last` first: without it nothing of the rest counts. */
    if (remove_entry(folder->path, "last", error) ||
        bs_sync_directory(folder->path, error))
        return error->code;
    return each_entry(folder->path, clear_entry, NULL, error);
}

/* Points `name` to a checkpoint, at once. */
static int set_link(const struct bs_run_folder *folder, const char *name, int64_t step,
                    struct bs_error *error) {
    char target[40], temporary_name[32];
    checkpoint_name(step, target);
    snprintf(temporary_name, sizeof temporary_name, ".link-%s", name);
    char *path = bs_run_folder_file(folder, name);
    char *temporary = bs_run_folder_file(folder, temporary_name);
    int code = BS_OK;
    if (!path || !temporary)
        code = bs_fail_memory(error, strlen(folder->path), "a path");
    else if ((unlink(temporary) && errno != ENOENT) || symlink(target, temporary))
        code = bs_fail_errno(error, BS_RESOURCE, "%s: cannot make a link", temporary);
    else
        code = bs_rename_durable(temporary, path, error);
    free(temporary);
    free(path);
    return code;
}

struct kept {
    char last[40], best[40];
};

static int tidy_entry(const char *folder, const char *name, void *context,
                      struct bs_error *error) {
    const struct kept *kept = context;
    if (!begins(name, ".link-") && !begins(name, "log.tsv.") && !is_checkpoint(name))
        return BS_OK;
    if (strcmp(name, kept->last) == 0 || strcmp(name, kept->best) == 0)
        return BS_OK;
    return is_checkpoint(name) ? remove_checkpoint(folder, name, error)
                               : remove_entry(folder, name, error);
}

static int remove_old_state(const struct bs_run_folder *folder, int64_t best,
                            const char *state_file, struct bs_error *error) {
    char *checkpoint = bs_run_folder_checkpoint(folder, best);
    if (!checkpoint)
        return bs_fail_memory(error, strlen(folder->path), "a path");
    int code = remove_entry(checkpoint, state_file, error);
    free(checkpoint);
    return code;
}

int bs_run_folder_settle(const struct bs_run_folder *folder, int64_t last, int64_t best,
                         const char *state_file, struct bs_error *error) {
    struct kept kept;
    checkpoint_name(last, kept.last);
    checkpoint_name(best ? best : last, kept.best);
    if (set_link(folder, "last", last, error))
        return error->code;
    int code = best ? set_link(folder, "best", best, error)
                    : remove_entry(folder->path, "best", error);
    if (!code)
        code = each_entry(folder->path, tidy_entry, &kept, error);
    if (!code && best && best != last)
        code = remove_old_state(folder, best, state_file, error);
    return code;
}
