/*
 * A log that grows: one file after the other, as it is rotated.
 *
 * A follower stands in a file and waits at its end. The file is done when it is read and
 * another one has come in its place at PATH; those who still write to it have a second
 * for that. What comes next is the oldest file that was written to after it, or made
 * after it and written to in that second, of PATH and its rotated siblings (PATH.1,
 * PATH-20261129, not compressed). A file that was truncated begins anew: it is shorter
 * than what was read of it, or ends differently there. What was not read of it is read
 * first from the sibling that it was copied to; if there is none, lines that came and
 * went in between are lost, which is said.
 *
 * Positions count the bytes that the follower gave, over all files. Not for two threads
 * at once, but for bs_follow_locate.
 */
#ifndef BS_FORMAT_FOLLOW_H
#define BS_FORMAT_FOLLOW_H

#include "common/buffer.h"

#include <stdbool.h>

/* A place between two lines of a file, and what is needed to know it again. Files are
 * siblings, on one device, whose number may change when it is mounted again. */
struct bs_log_place {
    uint64_t inode;
    int64_t birth_ns;        /* when it was made; 0: unknown */
    uint64_t before;         /* inode of the file that was read before; 0: none */
    int64_t before_birth_ns; /* when that was made; 0: unknown */
    int64_t since_ns;        /* files that were made before are older; 0: unknown */
    int64_t offset;
    int64_t lines;      /* up to there; 0: unknown */
    int64_t line_bytes; /* of the line before it, line feed included; 0: unknown */
    int64_t begun_ns;   /* when reading it began: files and copies that come later were
                           written to since then */
    char digest[65];    /* SHA-256 of that line, without the line feed, in hexadecimal */
};

struct bs_follow;

/* Begins at `place`, whatever its file is called now. If it cannot be found, or does not
 * hold that line there, nor a copy of it, which is said, with what was written to since.
 * NULL: at the beginning of PATH. `path` is borrowed. BS_DATA if PATH is not a regular
 * file, or is not there and there is no `place`. */
int bs_follow_new(struct bs_follow **follow, const char *path,
                  const struct bs_log_place *place, struct bs_error *error) BS_MUST_CHECK;
void bs_follow_free(struct bs_follow *follow);

/* Opens the next file, at the first call the one to begin with, where reading is to go
 * on, behind so many `lines` of it. The descriptor is the caller's. */
int bs_follow_open(struct bs_follow *follow, int *fd, int64_t *lines,
                   struct bs_error *error) BS_MUST_CHECK;

/* What a read of it gave. */
void bs_follow_given(struct bs_follow *follow, struct bs_span bytes);

/* Where it begins: `place`, or the beginning of PATH. */
const struct bs_log_place *bs_follow_first(const struct bs_follow *follow);

/* What reading that file again would give, when `read` bytes were read from it. */
enum bs_follow_state { BS_FOLLOW_BYTES, BS_FOLLOW_WAIT, BS_FOLLOW_DONE };
enum bs_follow_state bs_follow_look(struct bs_follow *follow, int fd, int64_t read);

/* Waits until that may have changed, at most `seconds`; false if a signal came. */
bool bs_follow_wait(struct bs_follow *follow, double seconds);

/* The file and the offset of a position; `line`: the one that ends there, and `number` of
 * its file. Any thread. */
void bs_follow_locate(struct bs_follow *follow, int64_t position, int64_t number,
                      int64_t line_bytes, struct bs_span line,
                      struct bs_log_place *place);

#endif
