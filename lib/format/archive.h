/*
 * The members of an archive in order: the door to libarchive.
 */
#ifndef BS_FORMAT_ARCHIVE_H
#define BS_FORMAT_ARCHIVE_H

#include "common/buffer.h"

struct bs_input;

/* Whether these first bytes are those of an archive that can be read. */
bool bs_archive_sniff(struct bs_span data);

/* Whether they are too few to say that, and with others behind them it might be one: no
 * line has ended, so that waiting for more delays no answer. */
bool bs_archive_may_be(struct bs_span data);

/* The regular files in an archive (tar, zip), one after the other, read from an input
 * as it comes. The input is borrowed until close. */
struct bs_archive;
int bs_archive_open(struct bs_archive **archive, struct bs_input *input,
                    struct bs_error *error) BS_MUST_CHECK;

enum bs_member {
    BS_MEMBER_TEXT,
    BS_MEMBER_LINK,    /* to another member: it has no content of its own */
    BS_MEMBER_UPWARDS, /* ".." is in its path */
};
/* Goes on to the next regular file: BS_OK, BS_MORE (the archive has ended, the input has
 * not: fill and call again), BS_END, or a failure. Waits for the input where the header
 * of a member is not there yet. `path` is borrowed until the next call; "." and doubled
 * slashes are taken out of it. */
int bs_archive_next(struct bs_archive *archive, const char **path, enum bs_member *member,
                    struct bs_error *error) BS_MUST_CHECK;
/* Appends the content of the current file; what is more than `max` bytes is left and
 * `too_long` set. */
int bs_archive_read(struct bs_archive *archive, size_t max, struct bs_buffer *content,
                    bool *too_long, struct bs_error *error) BS_MUST_CHECK;
void bs_archive_close(struct bs_archive *archive);

#endif
