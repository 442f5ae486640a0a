/*
 * Files: whole reads, mappings, and outputs that appear whole or not at all.
 */
#ifndef BS_COMMON_FILE_H
#define BS_COMMON_FILE_H

#include "common/buffer.h"

#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

/* Reads a file of at most `limit` bytes; a zero byte follows the data and is not
 * counted. BS_DATA names the path. */
int bs_file_read(const char *path, size_t limit, struct bs_buffer *bytes,
                 struct bs_error *error) BS_MUST_CHECK;

/* Opens a file to read it; what is none, such as a FIFO, which would be waited for, is
 * BS_DATA. */
int bs_open_regular(const char *path, int *fd, struct bs_error *error) BS_MUST_CHECK;

/* A read-only mapping; an empty file gives {NULL, 0}. */
int bs_file_map(const char *path, struct bs_span *bytes,
                struct bs_error *error) BS_MUST_CHECK;
/* Of an open file, which stays the caller's; `path` is for messages. */
int bs_file_map_open(int fd, const char *path, struct bs_span *bytes,
                     struct bs_error *error) BS_MUST_CHECK;
/* Of DIRECTORY/NAME. */
int bs_file_map_in(const char *directory, const char *name, struct bs_span *bytes,
                   struct bs_error *error) BS_MUST_CHECK;
void bs_file_unmap(struct bs_span bytes);
/* Gives back the memory of a part of a mapping; whoever reads it again finds the same, at
 * the cost of reading. */
void bs_file_forget(struct bs_span part);

bool bs_file_exists(const char *path);
/* Whether two paths name one file, there or yet to be made. "-" is standard input or
 * output. False of devices and pipes, which several may use. */
bool bs_is_same_file(const char *path, const char *other);
/* Whether standard output is that file or pipe; false of devices, and if it is closed. */
bool bs_is_stdout(const char *path);
bool bs_is_directory(const char *path);

/* Waits until a descriptor that does not block, as whoever gave it wants it, can be read
 * (POLLIN) or written (POLLOUT). False if a signal came, with errno EINTR. */
bool bs_await(int fd, short events);

/* mkdir -p. */
int bs_make_directories(const char *path, struct bs_error *error) BS_MUST_CHECK;

/* Removes a file or a folder with all that is in it; what is not there is fine.
 * Follows no links. */
int bs_remove_tree(const char *path, struct bs_error *error) BS_MUST_CHECK;

/* rename, then fsync of the folder. */
int bs_rename_durable(const char *from, const char *to,
                      struct bs_error *error) BS_MUST_CHECK;

/* fsync of a folder; one that may not be read cannot be synced, which is fine. */
int bs_sync_directory(const char *path, struct bs_error *error) BS_MUST_CHECK;

/* Writes a whole file: temporary sibling, fsync, rename, fsync of the folder. */
int bs_file_write(const char *path, struct bs_span bytes,
                  struct bs_error *error) BS_MUST_CHECK;

/* "DIR/NAME" as a new string, to be freed; NULL without memory. */
char *bs_path_join(const char *directory, const char *name) BS_MUST_CHECK;
/* What a path leads to through links, one after the other, whether it is there or not, as
 * a new string, to be freed. NULL, with errno, without memory or where links go round. */
char *bs_path_follow(const char *path) BS_MUST_CHECK;

/* Gives what lies at `path` the group, owner and permissions of what it replaces. A
 * group that cannot be kept leaves what everybody may, and another owner is warned of.
 * `name` is for messages. BS_RESOURCE if permissions cannot be set. */
int bs_take_access(const char *path, const struct stat *replaced, const char *name,
                   struct bs_error *error) BS_MUST_CHECK;
/* Gives it `mode`, less what the process's mask takes away. A new folder keeps what it
 * has of the one around it: that what is made in it belongs to its group. */
int bs_default_access(const char *path, mode_t mode, const char *name,
                      struct bs_error *error) BS_MUST_CHECK;

/*
 * An output: stdout, or a file that gets its name only when it is complete.
 * Order: open, write..., then commit or abandon, exactly one of them; both free it.
 * The first failed write sticks: later writes and commit return it again.
 */
struct bs_output;

/* `path` NULL or "-": stdout. Links are followed, also to what is not there yet. What
 * stdout or stderr is anyway (/dev/stdout), a device or a pipe is written in place; a
 * folder is BS_RESOURCE. A file that replaces another takes its access
 * (bs_take_access). */
int bs_output_open(struct bs_output **output, const char *path,
                   struct bs_error *error) BS_MUST_CHECK;
/* A regular file that is written in place, behind its first `size` bytes; what it holds
 * behind them is cut off. It is made if `size` is 0 and it is not there. BS_USAGE if it
 * is shorter, or if another process writes to it like this. */
int bs_output_continue(struct bs_output **output, const char *path, int64_t size,
                       struct bs_error *error) BS_MUST_CHECK;
/* Of an output that goes on: flushes, and waits until the disk has it. Returns the size
 * of the file in `size`. BS_RESOURCE if somebody else cut it, wrote to it or took its
 * name. */
int bs_output_sync(struct bs_output *output, int64_t *size,
                   struct bs_error *error) BS_MUST_CHECK;
int bs_output_write(struct bs_output *output, struct bs_span bytes,
                    struct bs_error *error) BS_MUST_CHECK;
/* Hands on what is buffered: for live streams, and before a block on input. */
int bs_output_flush(struct bs_output *output, struct bs_error *error) BS_MUST_CHECK;
bool bs_output_is_terminal(const struct bs_output *output);
int bs_output_commit(struct bs_output *output, struct bs_error *error) BS_MUST_CHECK;
/* A file leaves no trace; on stdout, and in place, what was written has been written
 * (flushed). */
void bs_output_abandon(struct bs_output *output);

/* An exclusive lock on PATH (created if need be), held until the process ends or
 * bs_unlock. BS_USAGE if another process still holds it after half a second. */
int bs_lock(const char *path, int *lock, struct bs_error *error) BS_MUST_CHECK;
void bs_unlock(int lock);

#endif
