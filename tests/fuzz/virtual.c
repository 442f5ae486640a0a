#include "fuzz/virtual.h"

#include "fuzz/fuzz.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FILES = 256 };
static const int64_t second = 1000000000, tick = 4000000, begin = 1000000 * second;

static struct {
    bool on, births;
    int64_t now; /* since 1970, in nanoseconds */
    void (*waits)(void);
    struct times {
        uint64_t inode;
        int64_t birth, written, changed;
    } files[FILES];
    size_t n_files;
} world;

static int64_t file_time(void) {
    return world.now / tick * tick;
}

static struct timespec to_timespec(int64_t time) {
    return (struct timespec){.tv_sec = time / second, .tv_nsec = time % second};
}

static struct times *find(uint64_t inode) {
    for (size_t i = 0; world.on && i < world.n_files; i++)
        if (world.files[i].inode == inode)
            return &world.files[i];
    return NULL;
}

static struct times *times_of(int fd) {
    struct stat status;
    fuzz_require(!fstat(fd, &status), "no file");
    struct times *times = find((uint64_t)status.st_ino);
    if (times)
        return times;
    fuzz_require(world.n_files < FILES, "too many files");
    times = &world.files[world.n_files++];
    *times = (struct times){.inode = (uint64_t)status.st_ino};
    return times;
}

void virtual_begin(bool births, void (*waits)(void)) {
    world.on = true;
    world.births = births;
    world.now = begin;
    world.waits = waits;
    world.n_files = 0;
}

void virtual_end(void) {
    world.on = false;
}

void virtual_pass(int64_t nanoseconds) {
    world.now += nanoseconds;
}

int64_t virtual_now(void) {
    return world.now;
}

void virtual_made(int fd) {
    struct times *times = times_of(fd);
    times->birth = times->written = times->changed = file_time();
}

void virtual_written(int fd) {
    struct times *times = times_of(fd);
    times->written = times->changed = file_time();
}

void virtual_renamed(int fd) {
    times_of(fd)->changed = file_time();
}

void virtual_keep_time(int fd, int from) {
    int64_t written = times_of(from)->written;
    struct times *times = times_of(fd);
    times->written = written;
    times->changed = file_time();
}

/* ---- in place of libc's ---------------------------------------------------------- */

int __real_statx(int fd, const char *path, int flags, unsigned int mask,
                 struct statx *status);
int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __real_inotify_init1(int flags);
int __real_poll(struct pollfd *fds, nfds_t count, int timeout);

int __wrap_stat(const char *path, struct stat *status);
int __wrap_lstat(const char *path, struct stat *status);
int __wrap_fstat(int fd, struct stat *status);
int __wrap_statx(int fd, const char *path, int flags, unsigned int mask,
                 struct statx *status);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_inotify_init1(int flags);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout);

static int changed(int code, struct stat *status) {
    const struct times *times = code ? NULL : find((uint64_t)status->st_ino);
    if (times) {
        status->st_mtim = to_timespec(times->written);
        status->st_ctim = to_timespec(times->changed);
    }
    return code;
}

int __wrap_stat(const char *path, struct stat *status) {
    return changed(fstatat(AT_FDCWD, path, status, 0), status);
}

int __wrap_lstat(const char *path, struct stat *status) {
    return changed(fstatat(AT_FDCWD, path, status, AT_SYMLINK_NOFOLLOW), status);
}

int __wrap_fstat(int fd, struct stat *status) {
    return changed(fstatat(fd, "", status, AT_EMPTY_PATH), status);
}

int __wrap_statx(int fd, const char *path, int flags, unsigned int mask,
                 struct statx *status) {
    int code = __real_statx(fd, path, flags, mask, status);
    const struct times *times = code ? NULL : find(status->stx_ino);
    if (!times)
        return code;
    status->stx_btime.tv_sec = times->birth / second;
    status->stx_btime.tv_nsec = (uint32_t)(times->birth % second);
    if (!world.births)
        status->stx_mask &= ~(uint32_t)STATX_BTIME;
    return code;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *now) {
    if (!world.on)
        return __real_clock_gettime(clock, now);
    bool coarse = clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE;
    *now = to_timespec(coarse ? file_time() : world.now);
    return 0;
}

/* To close a real one takes the system 10 ms. */
int __wrap_inotify_init1(int flags) {
    return world.on ? -1 : __real_inotify_init1(flags);
}

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout) {
    if (!world.on)
        return __real_poll(fds, count, timeout);
    virtual_pass(timeout * (second / 1000));
    world.waits();
    return 0;
}
