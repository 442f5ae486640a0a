/* statx and clocks. */
#include "format/file_times.h"

#include <fcntl.h>

static const int64_t nanoseconds = 1000000000; /* of a second */

int64_t bs_to_ns(struct timespec time) {
    return time.tv_sec * nanoseconds + time.tv_nsec;
}

struct timespec bs_from_ns(int64_t time) {
    return (struct timespec){.tv_sec = time / nanoseconds, .tv_nsec = time % nanoseconds};
}

int64_t bs_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return bs_to_ns(now);
}

int64_t bs_birth_of(int fd, const char *path) {
    struct statx status;
    int flags = path ? 0 : AT_EMPTY_PATH;
    if (statx(fd, path ? path : "", flags, STATX_BTIME, &status) ||
        !(status.stx_mask & STATX_BTIME))
        return 0;
    return bs_to_ns((struct timespec){.tv_sec = status.stx_btime.tv_sec,
                                      .tv_nsec = status.stx_btime.tv_nsec});
}

bool bs_same_file(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

bool bs_is_file(uint64_t inode, int64_t birth, uint64_t other, int64_t other_birth) {
    return inode == other && (birth == other_birth || !birth || !other_birth);
}

int bs_compare_times(struct timespec a, struct timespec b) {
    if (a.tv_sec != b.tv_sec)
        return a.tv_sec < b.tv_sec ? -1 : 1;
    return a.tv_nsec < b.tv_nsec ? -1 : a.tv_nsec > b.tv_nsec;
}
