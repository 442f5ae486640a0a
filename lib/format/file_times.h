/*
 * When files were made and written, in nanoseconds since 1970, and which file is which:
 * a number (inode) may be given again, to a file that was made later.
 */
#ifndef BS_FORMAT_FILE_TIMES_H
#define BS_FORMAT_FILE_TIMES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

int64_t bs_to_ns(struct timespec time);
struct timespec bs_from_ns(int64_t time);

/* On the clock that the times of files are taken from. */
int64_t bs_now_ns(void);

/* -1, 0 or 1. */
int bs_compare_times(struct timespec a, struct timespec b);

/* When a file was made; 0 where that is not known. `path` NULL: of `fd`. */
int64_t bs_birth_of(int fd, const char *path);

bool bs_same_file(const struct stat *a, const struct stat *b);

/* An inode of which the birth is not known is taken for the same file. */
bool bs_is_file(uint64_t inode, int64_t birth, uint64_t other, int64_t other_birth);

#endif
