/*
 * A clock that stands still until it is moved, and the times of files by it: what takes
 * days is tried in microseconds, and the same each time.
 *
 * A program is linked with them in place of stat, lstat, fstat, statx, clock_gettime,
 * poll and inotify_init1 (ld's --wrap), the library's calls as well. Between
 * virtual_begin and virtual_end files that are known have the times that they would have
 * had, in steps of 4 ms as on Linux; poll finds nothing and lets its timeout pass, and
 * there is no inotify. Outside of that all is as ever.
 */
#ifndef BS_TESTS_FUZZ_VIRTUAL_H
#define BS_TESTS_FUZZ_VIRTUAL_H

#include <stdbool.h>
#include <stdint.h>

/* `births`: whether the file system knows when a file was made. `waits` is called
 * after each poll. */
void virtual_begin(bool births, void (*waits)(void));
void virtual_end(void);

void virtual_pass(int64_t nanoseconds);
int64_t virtual_now(void);

/* What just happened to an open file. */
void virtual_made(int fd);
void virtual_written(int fd);
void virtual_renamed(int fd);
/* It got the time at which another one was written to, as by cp -p. */
void virtual_keep_time(int fd, int from);

#endif
