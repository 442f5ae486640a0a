/* Lock, links and checkpoints of an output folder. */
#include "learn/run_folder.h"

#include "common/log.h"
#include "learn/state.h"
#include "learn/table.h"
#include "store/model_files.h"
#include "store/model_write.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A log.tsv on its way. */
static const char new_log[] = ".new-log.tsv";

static void checkpoint_name(int64_t step, char name[40]) {
    snprintf(name, 40, "checkpoint-%" PRId64, step);
}

/* N of "checkpoint-N", in just this spelling; else -1. */
static int64_t step_of(const char *name) {
    static const char prefix[] = "checkpoint-";
    char spelled[40];
    if (strncmp(name, prefix, sizeof prefix - 1) != 0)
        return -1;
    int64_t step = strtoll(name + sizeof prefix - 1, NULL, 10);
    checkpoint_name(step, spelled);
    return strcmp(name, spelled) == 0 ? step : -1;
}

static bool holds(const char *folder, const char *name, const char *file) {
    char path[PATH_MAX];
    int size = snprintf(path, sizeof path, "%s/%s/%s", folder, name, file);
    return size < (int)sizeof path && bs_file_exists(path);
}

/* Of an entry itself, S_IFREG and the like; 0: it is gone. */
static mode_t type_of(const char *folder, const char *name) {
    char path[PATH_MAX];
    struct stat status;
    int size = snprintf(path, sizeof path, "%s/%s", folder, name);
    return size < (int)sizeof path && !lstat(path, &status) ? status.st_mode & S_IFMT : 0;
}

static bool is_link(const char *folder, const char *name) {
    return type_of(folder, name) == S_IFLNK;
}

static bool points_to(const char *folder, const char *link, const char *name) {
    char path[PATH_MAX], there[40];
    if (snprintf(path, sizeof path, "%s/%s", folder, link) >= (int)sizeof path)
        return false;
    ssize_t size = readlink(path, there, sizeof there);
    return size >= 0 && bs_span_is(bs_span(there, (size_t)size), name);
}

/* Hugging Face's Trainer calls its checkpoints the same; the files tell. */
static bool has_own_file(const char *folder, const char *name) {
    return holds(folder, name, BS_STATE_FILE) || holds(folder, name, "bs.json");
}

/* One that lost those files, or may not be read, is known by the links of the run. */
static bool is_linked(const char *folder, const char *name) {
    return type_of(folder, "lock") == S_IFREG &&
           (points_to(folder, "last", name) || points_to(folder, "best", name));
}

static bool is_checkpoint(const char *folder, const char *name) {
    return step_of(name) >= 0 && (has_own_file(folder, name) || is_linked(folder, name));
}

/* A checkpoint that was being written or removed. */
static bool is_partial(const char *name) {
    char whole[40];
    size_t size = bs_model_write_leftover(name);
    if (size == 0 || size >= sizeof whole)
        return false;
    snprintf(whole, sizeof whole, "%.*s", (int)size, name);
    return step_of(whole) >= 0;
}

/* What bs_file_write leaves of a new log when it is killed: six letters or digits. */
static bool is_partial_log(const char *name) {
    size_t size = sizeof new_log - 1;
    if (strncmp(name, new_log, size) != 0 || name[size] != '.' ||
        strlen(name) != size + 7)
        return false;
    for (size_t i = size + 1; name[i]; i++)
        if (!isalnum((unsigned char)name[i]))
            return false;
    return true;
}

static bool is_new_log(const char *name) {
    return strcmp(name, new_log) == 0 || is_partial_log(name);
}

static bool is_new_link(const char *name) {
    return strcmp(name, ".link-last") == 0 || strcmp(name, ".link-best") == 0;
}

static bool is_link_name(const char *name) {
    return strcmp(name, "last") == 0 || strcmp(name, "best") == 0;
}

/* What a run makes, and nothing that only looks like it. What is gone was another
 * run's, which is there now. */
static bool is_ours(const char *folder, const char *name) {
    switch (type_of(folder, name)) {
    case 0:
        return true;
    case S_IFREG:
        return strcmp(name, "lock") == 0 || strcmp(name, "log.tsv") == 0 ||
               is_new_log(name);
    case S_IFLNK:
        return is_link_name(name) || is_new_link(name) || is_checkpoint(folder, name);
    case S_IFDIR:
        return is_partial(name) || is_checkpoint(folder, name);
    default:
        return false;
    }
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

/* What a run writes into a checkpoint. */
static bool is_checkpoint_file(const char *checkpoint, const char *name) {
    const char *ours;
    if (type_of(checkpoint, name) == S_IFDIR)
        return false;
    for (int i = 0; (ours = bs_model_file_name(i)); i++)
        if (strcmp(name, ours) == 0)
            return true;
    return strcmp(name, BS_STATE_FILE) == 0;
}

static int find_other(const char *checkpoint, const char *name, void *context,
                      struct bs_error *error) {
    char *other = context;
    (void)error;
    if (!is_checkpoint_file(checkpoint, name))
        snprintf(other, NAME_MAX + 1, "%s", name);
    return BS_OK;
}

/* What somebody else put into a checkpoint, or ''. A link is removed as one. */
static int other_file(const char *folder, const char *name, char other[NAME_MAX + 1],
                      struct bs_error *error) {
    other[0] = '\0';
    if (type_of(folder, name) != S_IFDIR)
        return BS_OK;
    char *path = bs_path_join(folder, name);
    if (!path)
        return bs_fail_memory(error, strlen(name), "a path");
    int code = each_entry(path, find_other, other, error);
    free(path);
    return code;
}

/* Other people call files log.tsv, too: where no checkpoint lies the heading tells. */
static int has_heading(const char *folder, bool *has, struct bs_error *error) {
    struct bs_span heading = bs_span_of(bs_table_header), bytes;
    if (bs_file_map_in(folder, "log.tsv", &bytes, error))
        return error->code;
    *has = bytes.size == 0 || (bytes.size >= heading.size &&
                               memcmp(bytes.data, heading.data, heading.size) == 0);
    bs_file_unmap(bytes);
    return BS_OK;
}

/* One that is gone was another run's. */
static int check_checkpoint(const char *folder, const char *name, void *context,
                            struct bs_error *error) {
    char other[NAME_MAX + 1];
    (void)context;
    if (!is_checkpoint(folder, name))
        return BS_OK;
    if (other_file(folder, name, other, error))
        return type_of(folder, name) ? (int)error->code : BS_OK;
    if (!other[0])
        return BS_OK;
    return bs_fail(error, BS_USAGE,
                   "%s/%s: holds \"%s\", which is not of a run of bs-train; take it "
                   "away, or choose another folder",
                   folder, name, other);
}

static int check_entry(const char *folder, const char *name, void *context,
                       struct bs_error *error) {
    (void)context;
    bool ours = is_ours(folder, name);
    if (is_link_name(name) && !is_link(folder, name))
        return bs_fail(error, BS_USAGE,
                       "%s/%s: is no link to a checkpoint, which a run has here; take it "
                       "away (to copy a run: cp -a), or choose another folder",
                       folder, name);
    if (ours && strcmp(name, "log.tsv") == 0 && !is_link(folder, "last") &&
        has_heading(folder, &ours, error))
        return error->code;
    if (ours)
        return check_checkpoint(folder, name, NULL, error);
    return bs_fail(error, BS_USAGE,
                   "%s: holds \"%s\", which is not of a run of bs-train; choose another "
                   "folder",
                   folder, name);
}

static void mark_own(struct bs_run_folder *folder) {
    struct stat status;
    if (!stat(folder->path, &status))
        bs_own_file_mark(&folder->own, &status);
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

static int enter(struct bs_run_folder *folder, struct bs_error *error) {
    int code = BS_OK;
    folder->created = !bs_is_directory(folder->path);
    if (folder->created)
        code = bs_make_directories(folder->path, error);
    else
        code = each_entry(folder->path, check_entry, NULL, error);
    return code ? code : take_lock(folder, error);
}

int bs_run_folder_open(struct bs_run_folder *folder, const char *path,
                       struct bs_error *error) {
    *folder = (struct bs_run_folder){.path = strdup(path), .lock = -1};
    if (!folder->path)
        return bs_fail_memory(error, strlen(path), "a path");
    int code = enter(folder, error);
    /* A run that made it and failed took it away meanwhile. */
    for (int tries = 5; code == BS_RESOURCE && !bs_file_exists(path) && tries; tries--)
        code = enter(folder, error);
    if (!code)
        code = bs_model_write_sweep(path, error);
    if (code)
        bs_run_folder_close(folder);
    else
        mark_own(folder);
    return code;
}

int bs_run_folder_check(const struct bs_run_folder *folder, struct bs_error *error) {
    struct stat held, there;
    char *lock = bs_run_folder_file(folder, "lock");
    if (!lock)
        return bs_fail_memory(error, strlen(folder->path), "a path");
    bool same = !fstat(folder->lock, &held) && !stat(lock, &there) &&
                held.st_dev == there.st_dev && held.st_ino == there.st_ino;
    free(lock);
    if (same)
        return BS_OK;
    return bs_fail(error, BS_RESOURCE,
                   "%s: was moved or removed while this run trained, which ends here; "
                   "the same command goes on with it where it lies now",
                   folder->path);
}

static int count_checkpoint(const char *folder, const char *name, void *context,
                            struct bs_error *error) {
    (void)error;
    *(int *)context += is_checkpoint(folder, name);
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
    bs_own_file_unmark(&folder->own);
    bs_unlock(folder->lock);
    free(folder->path);
    *folder = (struct bs_run_folder){.lock = -1};
}

char *bs_run_folder_file(const struct bs_run_folder *folder, const char *name) {
    return bs_path_join(folder->path, name);
}

char *bs_run_folder_checkpoint(const struct bs_run_folder *folder, int64_t step) {
    char name[40];
    checkpoint_name(step, name);
    return bs_path_join(folder->path, name);
}

/* The real path; of what is not there, or what a link leads to, its folder's; NULL: not
 * there either. */
static char *real_place(const char *path) {
    char *real = realpath(path, NULL), *copy = real ? NULL : bs_path_follow(path);
    if (copy)
        real = realpath(dirname(copy), NULL);
    free(copy);
    return real;
}

bool bs_run_folder_encloses(const char *folder, const char *path) {
    char *outer = realpath(folder, NULL), *inner = real_place(path);
    size_t size = outer ? strlen(outer) : 0;
    bool encloses = outer && inner && strncmp(inner, outer, size) == 0 &&
                    (inner[size] == '/' || inner[size] == '\0');
    free(outer);
    free(inner);
    return encloses;
}

struct found {
    int64_t newest; /* step of the newest one with a state; -1: none */
    bool any;
};

static int find_state(const char *folder, const char *name, void *context,
                      struct bs_error *error) {
    struct found *found = context;
    (void)error;
    if (!is_checkpoint(folder, name))
        return BS_OK;
    found->any = true;
    if (step_of(name) > found->newest && holds(folder, name, BS_STATE_FILE))
        found->newest = step_of(name);
    return BS_OK;
}

int bs_run_folder_state(const struct bs_run_folder *folder, char **path,
                        struct bs_error *error) {
    struct found found = {.newest = -1};
    bool linked = is_link(folder->path, "last");
    if (!linked && each_entry(folder->path, find_state, &found, error))
        return error->code;
    if (!linked && !found.any)
        return BS_END;
    if (linked ? !holds(folder->path, "last", BS_STATE_FILE) : found.newest < 0)
        return bs_fail(error, BS_DATA,
                       "%s: the last checkpoint or its " BS_STATE_FILE
                       " is gone; put it back, or --restart begins the run anew",
                       folder->path);
    *path = linked ? bs_run_folder_file(folder, "last")
                   : bs_run_folder_checkpoint(folder, found.newest);
    return *path ? BS_OK : bs_fail_memory(error, strlen(folder->path), "a path");
}

static bool holds_text(const char *path, struct bs_span text) {
    struct bs_span bytes;
    struct bs_error ignored;
    if (bs_file_map(path, &bytes, &ignored))
        return false;
    bool same = bs_span_equal(bytes, text);
    bs_file_unmap(bytes);
    return same;
}

/* By way of a name that is nobody else's: "log.tsv.XXXXXX" might be kept by people. */
int bs_run_folder_write_log(const struct bs_run_folder *folder, struct bs_span text,
                            struct bs_error *error) {
    if (bs_run_folder_check(folder, error))
        return error->code;
    char *path = bs_run_folder_file(folder, "log.tsv");
    char *new = bs_run_folder_file(folder, new_log);
    int code = BS_OK;
    if (!path || !new)
        code = bs_fail_memory(error, strlen(folder->path), "a path");
    else if (!holds_text(path, text) && !(code = bs_file_write(new, text, error)))
        code = bs_rename_durable(new, path, error);
    free(new);
    free(path);
    return code;
}

static int remove_entry(const char *folder, const char *name, struct bs_error *error) {
    char *path = bs_path_join(folder, name);
    if (!path)
        return bs_fail_memory(error, strlen(name), "a path");
    int code = bs_remove_tree(path, error);
    free(path);
    return code;
}

static int remove_file(const char *checkpoint, const char *name, struct bs_error *error) {
    return is_checkpoint_file(checkpoint, name) ? remove_entry(checkpoint, name, error)
                                                : BS_OK;
}

/* config.json is the first: without it there is no model. */
static int empty_checkpoint(const char *path, struct bs_error *error) {
    const char *name;
    int code = remove_file(path, "config.json", error);
    for (int i = 0; !code && (name = bs_model_file_name(i)); i++)
        code = remove_file(path, name, error);
    return code ? code : remove_file(path, BS_STATE_FILE, error);
}

/* Under another name first, which a sweep knows: what is half gone must not look
 * whole. */
static int remove_whole(const char *folder, const char *name, struct bs_error *error) {
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

/* What somebody else put there stays, under its name. */
static int remove_checkpoint(const char *folder, const char *name,
                             struct bs_error *error) {
    char other[NAME_MAX + 1];
    if (other_file(folder, name, other, error))
        return error->code;
    if (!other[0])
        return remove_whole(folder, name, error);
    char *path = bs_path_join(folder, name);
    if (!path)
        return bs_fail_memory(error, strlen(name), "a path");
    bs_warn("%s: is removed, but for \"%s\", which is not of this run; take it away "
            "before the run is started again",
            path, other);
    int code = empty_checkpoint(path, error);
    free(path);
    return code;
}

static int clear_entry(const char *folder, const char *name, void *context,
                       struct bs_error *error) {
    (void)context;
    if (!is_ours(folder, name) || strcmp(name, "lock") == 0)
        return BS_OK;
    return is_checkpoint(folder, name) ? remove_checkpoint(folder, name, error)
                                       : remove_entry(folder, name, error);
}

/* While there are links to tell. */
static int clear_linked(const char *folder, const char *name, void *context,
                        struct bs_error *error) {
    (void)context;
    return is_checkpoint(folder, name) && !has_own_file(folder, name)
               ? remove_checkpoint(folder, name, error)
               : BS_OK;
}

int bs_run_folder_clear(const struct bs_run_folder *folder, struct bs_error *error) {
    /* `last` before what it leads to: it never points to what is half gone. */
    if (bs_run_folder_check(folder, error) ||
        each_entry(folder->path, check_checkpoint, NULL, error) ||
        each_entry(folder->path, clear_linked, NULL, error) ||
        remove_entry(folder->path, "last", error) ||
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
    else if (points_to(folder->path, name, target))
        code = BS_OK;
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
    if (is_new_log(name) || is_new_link(name))
        return remove_entry(folder, name, error);
    if (!is_checkpoint(folder, name) || strcmp(name, kept->last) == 0 ||
        strcmp(name, kept->best) == 0)
        return BS_OK;
    return remove_checkpoint(folder, name, error);
}

/* Where the best one is a link, it is another run's that it leads to. */
static int remove_old_state(const struct bs_run_folder *folder, int64_t best,
                            struct bs_error *error) {
    char name[40];
    checkpoint_name(best, name);
    if (is_link(folder->path, name))
        return BS_OK;
    char *checkpoint = bs_run_folder_checkpoint(folder, best);
    if (!checkpoint)
        return bs_fail_memory(error, strlen(folder->path), "a path");
    int code = remove_entry(checkpoint, BS_STATE_FILE, error);
    free(checkpoint);
    return code;
}

int bs_run_folder_settle(const struct bs_run_folder *folder, int64_t last, int64_t best,
                         struct bs_error *error) {
    struct kept kept;
    checkpoint_name(last, kept.last);
    checkpoint_name(best ? best : last, kept.best);
    if (bs_run_folder_check(folder, error) || set_link(folder, "last", last, error))
        return error->code;
    int code = best ? set_link(folder, "best", best, error)
                    : remove_entry(folder->path, "best", error);
    if (!code)
        code = each_entry(folder->path, tidy_entry, &kept, error);
    if (!code && best && best != last)
        code = remove_old_state(folder, best, error);
    return code;
}
