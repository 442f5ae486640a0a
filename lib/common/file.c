/* Reads, mappings, folders, durable renames and outputs that appear whole. */
#include "common/file.h"

#include "common/log.h"
#include "common/own_files.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static bool is_open_at(int fd, const char *path) {
    struct stat open, named;
    return !fstat(fd, &open) && !stat(path, &named) && open.st_dev == named.st_dev &&
           open.st_ino == named.st_ino;
}

static int read_all(int fd, const char *path, size_t limit, struct bs_buffer *bytes,
                    struct bs_error *error) {
    for (;;) {
        if (!bs_buffer_reserve(bytes, 65536))
            return bs_fail_memory(error, bytes->size + 65536, path);
        ssize_t n =
            read(fd, bytes->data + bytes->size, bytes->capacity - bytes->size - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return bs_fail_errno(error, BS_DATA, "%s: cannot read", path);
        if (n == 0)
            break;
        bytes->size += (size_t)n;
        if (bytes->size > limit)
            return bs_fail(error, BS_DATA, "%s: larger than %zu bytes", path, limit);
    }
    bytes->data[bytes->size] = '\0';
    return BS_OK;
}

int bs_open_regular(const char *path, int *fd, struct bs_error *error) {
    struct stat status;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return bs_fail_errno(error, BS_DATA, "%s: cannot open", path);
    if (!fstat(*fd, &status) && S_ISREG(status.st_mode))
        return BS_OK;
    close(*fd);
    return bs_fail(error, BS_DATA, "%s: not a regular file", path);
}

int bs_file_read(const char *path, size_t limit, struct bs_buffer *bytes,
                 struct bs_error *error) {
    int fd;
    if (bs_open_regular(path, &fd, error))
        return error->code;
    int code = read_all(fd, path, limit, bytes, error);
    close(fd);
    return code;
}

int bs_file_map_open(int fd, const char *path, struct bs_span *bytes,
                     struct bs_error *error) {
    struct stat status;
    *bytes = bs_span(NULL, 0);
    if (fstat(fd, &status))
        return bs_fail_errno(error, BS_DATA, "%s: cannot read", path);
    if (!S_ISREG(status.st_mode))
        return bs_fail(error, BS_DATA, "%s: not a regular file", path);
    if (status.st_size == 0)
        return BS_OK;
    size_t size = (size_t)status.st_size;
    void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return bs_fail_errno(error, BS_DATA, "%s: cannot map", path);
    *bytes = bs_span(data, size);
    return BS_OK;
}

int bs_file_map(const char *path, struct bs_span *bytes, struct bs_error *error) {
    int fd;
    *bytes = bs_span(NULL, 0);
    if (bs_open_regular(path, &fd, error))
        return error->code;
    int code = bs_file_map_open(fd, path, bytes, error);
    close(fd);
    return code;
}

int bs_file_map_in(const char *directory, const char *name, struct bs_span *bytes,
                   struct bs_error *error) {
    char *path = bs_path_join(directory, name);
    int code = path ? bs_file_map(path, bytes, error)
                    : bs_fail_memory(error, strlen(directory), "a path");
    free(path);
    return code;
}

void bs_file_unmap(struct bs_span bytes) {
    if (bytes.data)
        munmap((void *)bytes.data, bytes.size);
}

void bs_file_forget(struct bs_span part) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t before = (page - (uintptr_t)part.data % page) % page; /* a whole one */
    if (part.size >= before + page)
        madvise((char *)part.data + before, (part.size - before) / page * page,
                MADV_DONTNEED);
}

bool bs_file_exists(const char *path) {
    struct stat status;
    return stat(path, &status) == 0;
}

static int directory_of(const char *path, char directory[PATH_MAX],
                        struct bs_error *error) {
    const char *slash = strrchr(path, '/');
    size_t size = slash ? (size_t)(slash - path) : 0;
    if (size >= PATH_MAX)
        return bs_fail(error, BS_RESOURCE, "%.200s: path too long", path);
    memcpy(directory, path, size);
    directory[size] = '\0';
    if (size == 0) {
        directory[0] = slash ? '/' : '.';
        directory[1] = '\0';
    }
    return BS_OK;
}

static const char *last_part(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool is_same_name(const char *path, const char *other) {
    char a[PATH_MAX], b[PATH_MAX];
    struct stat in, in_other;
    struct bs_error ignored;
    if (strcmp(last_part(path), last_part(other)) != 0 ||
        directory_of(path, a, &ignored) || directory_of(other, b, &ignored))
        return false;
    if (stat(a, &in) || stat(b, &in_other))
        return strcmp(path, other) == 0;
    return in.st_dev == in_other.st_dev && in.st_ino == in_other.st_ino;
}

/* Of what is not there yet, though links may lead to it. */
static bool is_same_place(const char *path, const char *other) {
    char *target = bs_path_follow(path), *other_target = bs_path_follow(other);
    bool same = target && other_target && is_same_name(target, other_target);
    free(target);
    free(other_target);
    return same;
}

bool bs_is_same_file(const char *path, const char *other) {
    struct stat a, b;
    if (strcmp(path, "-") == 0 || strcmp(other, "-") == 0)
        return strcmp(path, other) == 0;
    bool is_there = !stat(path, &a), other_is_there = !stat(other, &b);
    if (!is_there || !other_is_there)
        return is_there == other_is_there && is_same_place(path, other);
    return S_ISREG(a.st_mode) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

bool bs_is_stdout(const char *path) {
    struct stat status;
    return is_open_at(STDOUT_FILENO, path) && !fstat(STDOUT_FILENO, &status) &&
           !S_ISCHR(status.st_mode) && !S_ISLNK(status.st_mode);
}

bool bs_await(int fd, short events) {
    struct pollfd poll_fd = {.fd = fd, .events = events};
    return poll(&poll_fd, 1, -1) >= 0;
}

bool bs_is_directory(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

int bs_make_directories(const char *path, struct bs_error *error) {
    char part[PATH_MAX];
    size_t size = strlen(path);
    if (size == 0 || size >= sizeof part)
        return bs_fail(error, BS_RESOURCE, "\"%.200s\": not a usable path", path);
    memcpy(part, path, size + 1);
    for (size_t i = 1; i <= size; i++) {
        if (part[i] != '/' && part[i] != '\0')
            continue;
        char kept = part[i];
        part[i] = '\0';
        if (mkdir(part, 0777) && !(errno == EEXIST && bs_is_directory(part)))
            return bs_fail_errno(error, BS_RESOURCE, "%s: cannot create folder", part);
        part[i] = kept;
    }
    return BS_OK;
}

static int remove_one(const char *path, const struct stat *status, int kind,
                      struct FTW *ftw) {
    (void)status, (void)kind, (void)ftw;
    return remove(path);
}

int bs_remove_tree(const char *path, struct bs_error *error) {
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) && errno != ENOENT)
        return bs_fail_errno(error, BS_RESOURCE, "%s: cannot remove", path);
    return BS_OK;
}

char *bs_path_join(const char *directory, const char *name) {
    struct bs_buffer path = {0};
    if (!bs_buffer_printf(&path, "%s/%s", directory, name))
        return NULL;
    return path.data;
}

enum { MAX_LINKS = 40 };

char *bs_path_follow(const char *path) {
    char target[PATH_MAX], *at = strdup(path);
    for (int links = 0; at && links < MAX_LINKS; links++) {
        ssize_t size = readlink(at, target, sizeof target - 1);
        if (size < 0)
            return at;
        target[size] = '\0';
        char *slash = target[0] == '/' ? NULL : strrchr(at, '/');
        if (slash)
            *slash = '\0';
        char *next = slash ? bs_path_join(at, target) : strdup(target);
        free(at);
        at = next;
    }
    if (at)
        errno = ELOOP;
    free(at);
    return NULL;
}

int bs_sync_directory(const char *path, struct bs_error *error) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == EACCES)
        return BS_OK; /* it may be written, not read: a drop box */
    if (fd < 0)
        return bs_fail_errno(error, BS_RESOURCE, "%s: cannot open folder", path);
    /* Some file systems cannot sync a folder and say so with EINVAL. */
    int failed = fsync(fd) && errno != EINVAL;
    int code =
        failed ? bs_fail_errno(error, BS_RESOURCE, "%s: cannot sync", path) : BS_OK;
    close(fd);
    return code;
}

int bs_rename_durable(const char *from, const char *to, struct bs_error *error) {
    char directory[PATH_MAX];
    if (directory_of(to, directory, error))
        return error->code;
    if (rename(from, to))
        return bs_fail_errno(error, BS_RESOURCE, "%s: cannot rename to %s", from, to);
    return bs_sync_directory(directory, error);
}

int bs_file_write(const char *path, struct bs_span bytes, struct bs_error *error) {
    struct bs_output *output;
    int code = bs_output_open(&output, path, error);
    if (code)
        return code;
    if (bs_output_write(output, bytes, error)) {
        bs_output_abandon(output);
        return error->code;
    }
    return bs_output_commit(output, error);
}

enum { OUTPUT_BUFFER = 1 << 16 };

struct bs_output {
    int fd;
    char *path;      /* as the user gave it; NULL for stdout */
    char *target;    /* the final name, links followed; NULL if written in place */
    char *temporary; /* its name until then */
    struct bs_own_file written, replaced;
    struct bs_buffer pending;
    int64_t end; /* of a file that is written in place, when nobody else writes to it */
    bool failed;
    struct bs_error error;
};

static const char *output_name(const struct bs_output *output) {
    return output->path ? output->path : "standard output";
}

static void output_free(struct bs_output *output) {
    bs_own_file_unmark(&output->written);
    bs_own_file_unmark(&output->replaced);
    bs_buffer_free(&output->pending);
    free(output->temporary);
    free(output->target);
    free(output->path);
    free(output);
}

static int open_temporary(struct bs_output *output, struct bs_error *error) {
    struct bs_buffer name = {0};
    if (!bs_buffer_printf(&name, "%s.XXXXXX", output->target))
        return bs_fail_memory(error, strlen(output->target), output->path);
    output->temporary = name.data;
    output->fd = mkostemp(output->temporary, O_CLOEXEC);
    if (output->fd < 0) {
        free(output->temporary); /* not a file of ours */
        output->temporary = NULL;
        return bs_fail_errno(error, BS_RESOURCE, "%s: cannot create", output->path);
    }
    return BS_OK;
}

int bs_take_access(const char *path, const struct stat *replaced, const char *name,
                   struct bs_error *error) {
    mode_t mode = replaced->st_mode & 07777;
    if (chown(path, (uid_t)-1, replaced->st_gid))
        mode &= 07707 | (mode & 07) << 3;
    if (chown(path, replaced->st_uid, (gid_t)-1))
        bs_warn("%s: belongs to another user than before", name);
    if (chmod(path, mode))
        return bs_fail_errno(error, BS_RESOURCE, "%s: cannot set its mode", name);
    return BS_OK;
}

int bs_default_access(const char *path, mode_t mode, const char *name,
                      struct bs_error *error) {
    struct stat status;
    mode_t mask = umask(0);
    umask(mask);
    mode &= ~mask;
    if (!stat(path, &status))
        mode |= status.st_mode & S_ISGID;
    if (chmod(path, mode))
        return bs_fail_errno(error, BS_RESOURCE, "%s: cannot set its mode", name);
    return BS_OK;
}

/* What stands in for a closed stream (front/tool.c), an O_PATH, fails when used. */
static bool may_write(int fd) {
    int flags = fcntl(fd, F_GETFL);
    return (flags & O_ACCMODE) != O_RDONLY || (flags & O_PATH);
}

/* Standard output or error, if `path` is what that is anyway, else -1. */
static int standard_stream(const char *path) {
    for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
        if (is_open_at(fd, path) && may_write(fd))
            return fd;
    return -1;
}

/* Written at the place where the stream stands, and closed without closing it. */
static int open_standard(struct bs_output *output, int stream, struct bs_error *error) {
    output->fd = fcntl(stream, F_DUPFD_CLOEXEC, 0);
    if (output->fd < 0)
        return bs_fail_errno(error, BS_RESOURCE, "%s: cannot open", output->path);
    return BS_OK;
}

/* A device or a pipe is written as it is: replacing /dev/null by a file helps nobody. */
static int open_in_place(struct bs_output *output, struct bs_error *error) {
    output->fd = open(output->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (output->fd < 0)
        return bs_fail_errno(error, BS_RESOURCE, "%s: cannot open", output->path);
    return BS_OK;
}

/* `replaced` NULL: nothing is there yet. */
static void mark_own(struct bs_output *output, const struct stat *replaced) {
    struct stat written;
    if (!fstat(output->fd, &written))
        bs_own_file_mark(&output->written, &written);
    if (replaced)
        bs_own_file_mark(&output->replaced, replaced);
}

static int open_path(struct bs_output *output, const char *path, struct bs_error *error) {
    struct stat there;
    bool is_there = stat(path, &there) == 0;
    int stream = standard_stream(path);
    output->fd = -1;
    output->path = strdup(path);
    if (!output->path)
        return bs_fail_memory(error, strlen(path), path);
    if (stream >= 0)
        return open_standard(output, stream, error);
    if (is_there && S_ISDIR(there.st_mode))
        return bs_fail(error, BS_RESOURCE, "%s: is a folder, not a file", path);
    if (is_there && !S_ISREG(there.st_mode))
        return open_in_place(output, error);
    output->target = is_there ? realpath(path, NULL) : bs_path_follow(path);
    if (!output->target)
        return bs_fail_errno(error, BS_RESOURCE, "%s: cannot resolve", path);
    if (open_temporary(output, error))
        return error->code;
    mark_own(output, is_there ? &there : NULL);
    return is_there ? bs_take_access(output->temporary, &there, path, error)
                    : bs_default_access(output->temporary, 0666, path, error);
}

int bs_output_open(struct bs_output **result, const char *path, struct bs_error *error) {
    struct bs_output *output = bs_alloc(1, sizeof *output);
    if (!output)
        return bs_fail_memory(error, sizeof *output, "an output");
    output->fd = STDOUT_FILENO;
    int code = BS_OK;
    if (path && strcmp(path, "-") != 0)
        code = open_path(output, path, error);
    if (code) {
        bs_output_abandon(output);
        return code;
    }
    *result = output;
    return BS_OK;
}

/* For as long as it is open, which readers do not feel; -1 with EWOULDBLOCK if another
 * process has it. One that was killed may not be gone yet. */
static int lock_file(int fd) {
    int failed;
    for (int tries = 25; (failed = flock(fd, LOCK_EX | LOCK_NB)); tries--) {
        if (errno != EWOULDBLOCK || tries == 0)
            break;
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    return failed;
}

/* Appending, so that what another one writes meanwhile stays and is noticed. */
static int open_continued(struct bs_output *output, const char *path, int64_t size,
                          struct bs_error *error) {
    struct stat there;
    output->path = strdup(path);
    if (!output->path)
        return bs_fail_memory(error, strlen(path), path);
    output->fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | (size ? 0 : O_CREAT), 0666);
    /* A file system without locks is no reason to fail. */
    if (output->fd >= 0 && lock_file(output->fd) && errno == EWOULDBLOCK)
        return bs_fail(error, BS_USAGE, "%s: in use by another process", path);
    if (output->fd < 0 || fstat(output->fd, &there))
        return bs_fail_errno(error, BS_RESOURCE, "%s: cannot open", path);
    if (!S_ISREG(there.st_mode))
        return bs_fail(error, BS_USAGE, "%s: is no regular file", path);
    if (there.st_size < size)
        return bs_fail(error, BS_USAGE, "%s: has %lld bytes, and had %lld", path,
                       (long long)there.st_size, (long long)size);
    if (ftruncate(output->fd, size))
        return bs_fail_errno(error, BS_RESOURCE, "%s: cannot cut", path);
    output->end = size;
    return BS_OK;
}

int bs_output_continue(struct bs_output **result, const char *path, int64_t size,
                       struct bs_error *error) {
    struct bs_output *output = bs_alloc(1, sizeof *output);
    if (!output)
        return bs_fail_memory(error, sizeof *output, "an output");
    output->fd = -1;
    if (open_continued(output, path, size, error)) {
        bs_output_abandon(output);
        return error->code;
    }
    *result = output;
    return BS_OK;
}

/* Keeps the first failure of an output, to be returned from then on. */
static int output_failed(struct bs_output *output, struct bs_error *error) {
    if (!output->failed)
        output->error = *error;
    output->failed = true;
    *error = output->error;
    return error->code;
}

static int write_out(struct bs_output *output, const char *data, size_t size,
                     struct bs_error *error) {
    while (size > 0) {
        ssize_t n = write(output->fd, data, size);
        if (n < 0 && errno == EAGAIN)
            (void)bs_await(output->fd, POLLOUT);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0) {
            bs_fail_errno(error, BS_RESOURCE, "%s: cannot write", output_name(output));
            return output_failed(output, error);
        }
        data += n;
        size -= (size_t)n;
        output->end += n;
    }
    return BS_OK;
}

int bs_output_flush(struct bs_output *output, struct bs_error *error) {
    if (output->failed)
        return output_failed(output, error);
    size_t size = output->pending.size;
    output->pending.size = 0;
    return write_out(output, output->pending.data, size, error);
}

int bs_output_write(struct bs_output *output, struct bs_span bytes,
                    struct bs_error *error) {
    if (output->failed)
        return output_failed(output, error);
    if (output->pending.size + bytes.size > OUTPUT_BUFFER &&
        bs_output_flush(output, error))
        return error->code;
    if (bytes.size > OUTPUT_BUFFER)
        return write_out(output, bytes.data, bytes.size, error);
    if (!bs_buffer_append_span(&output->pending, bytes)) {
        bs_fail_memory(error, bytes.size, "output");
        return output_failed(output, error);
    }
    return BS_OK;
}

int bs_output_sync(struct bs_output *output, int64_t *size, struct bs_error *error) {
    if (bs_output_flush(output, error))
        return error->code;
    struct stat status;
    if (fdatasync(output->fd) || fstat(output->fd, &status)) {
        bs_fail_errno(error, BS_RESOURCE, "%s: cannot sync", output_name(output));
        return output_failed(output, error);
    }
    if (status.st_size != output->end || !is_open_at(output->fd, output->path)) {
        bs_fail(error, BS_RESOURCE, "%s: was removed, replaced or written to by another",
                output_name(output));
        return output_failed(output, error);
    }
    *size = output->end;
    return BS_OK;
}

bool bs_output_is_terminal(const struct bs_output *output) {
    return isatty(output->fd);
}

/* Errors that only show at close (NFS, quotas) count; a closed stdout is an error. */
static int finish_file(struct bs_output *output, struct bs_error *error) {
    if (output->target && fsync(output->fd))
        return bs_fail_errno(error, BS_RESOURCE, "%s: cannot sync", output_name(output));
    int fd = output->fd;
    output->fd = -1;
    if (close(fd))
        return bs_fail_errno(error, BS_RESOURCE, "%s: cannot close", output_name(output));
    if (!output->target)
        return BS_OK;
    if (bs_rename_durable(output->temporary, output->target, error))
        return error->code;
    free(output->temporary);
    output->temporary = NULL;
    return BS_OK;
}

int bs_output_commit(struct bs_output *output, struct bs_error *error) {
    int code = bs_output_flush(output, error);
    if (!code)
        code = finish_file(output, error);
    if (code)
        bs_output_abandon(output);
    else
        output_free(output);
    return code;
}

void bs_output_abandon(struct bs_output *output) {
    struct bs_error ignored;
    if (!output)
        return;
    if (!output->target && output->fd >= 0 && bs_output_flush(output, &ignored))
        bs_detail("%s", ignored.text); /* the failure being handled is the news */
    if (output->path && output->fd >= 0)
        close(output->fd);
    if (output->temporary)
        unlink(output->temporary);
    output_free(output);
}

/* Where it cannot be written, one that is there will do. */
static int open_lock(const char *path) {
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666), why = errno;
    if (fd < 0 && (why == EROFS || why == EACCES) &&
        (fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        errno = why;
    return fd;
}

int bs_lock(const char *path, int *lock, struct bs_error *error) {
    for (;;) {
        int fd = open_lock(path);
        if (fd < 0)
            return bs_fail_errno(error, BS_RESOURCE, "%s: cannot create", path);
        if (lock_file(fd)) {
            bool in_use = errno == EWOULDBLOCK;
            bs_fail_errno(error, BS_RESOURCE, "%s: cannot lock", path);
            close(fd);
            return in_use
                       ? bs_fail(error, BS_USAGE, "%s: in use by another process", path)
                       : (int)error->code;
        }
        if (is_open_at(fd, path)) {
            *lock = fd;
            return BS_OK;
        }
        close(fd); /* whoever held it removed it before giving it back */
    }
}

void bs_unlock(int lock) {
    if (lock >= 0)
        close(lock);
}
