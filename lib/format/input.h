/*
 * Raw input: the bytes of one file or of standard input, decompressed, in one growing
 * window of memory.
 *
 * Order: bs_input_open; bs_input_sniff, with bs_input_fill while it wants more; then
 * bs_input_fill until there is enough (or BS_END), look at bs_input_data,
 * bs_input_consume; bs_input_close. What reads lines uses
 * bs_input_find_line instead of looking itself.
 */
#ifndef BS_FORMAT_INPUT_H
#define BS_FORMAT_INPUT_H

#include "common/buffer.h"

/* More bytes are needed before anything can be said; goes with enum bs_code. */
enum { BS_MORE = -3 };

/* Source bytes kept of a record that is rejected. */
enum { BS_RAW_KEPT = 64 * 1024 };

struct bs_decompress;
struct bs_follow;

struct bs_input {
    const char *name; /* for messages */
    int fd;
    bool ended;                       /* nothing more can be read */
    struct bs_decompress *decompress; /* NULL: stored as it is */
    struct bs_follow *follow; /* the file grows (follow.h); borrowed. NULL: it does not */
    int64_t stored;           /* bytes read from fd */
    int64_t taken;            /* bytes given to bs_input_consume */
    char *data;               /* the window: data[begin, end) */
    size_t begin, end, capacity;

    /* The line being looked for. */
    size_t scanned; /* bytes behind `begin` known to hold no line feed */
    bool skipping;  /* it is too long: only its beginning is kept, here */
    struct bs_buffer kept;
};

/* `path` NULL or "-": standard input. Reads nothing yet. */
int bs_input_open(struct bs_input *input, const char *path,
                  struct bs_error *error) BS_MUST_CHECK;
/* The next file of a log, behind so many `lines` of it; it is not decompressed. */
int bs_input_open_log(struct bs_input *input, struct bs_follow *follow, const char *path,
                      int64_t *lines, struct bs_error *error) BS_MUST_CHECK;
/* Looks at the first bytes and begins to decompress if they say so. BS_MORE (fill and
 * call again), BS_OK (the window holds the first bytes, or nothing at the end of an
 * empty file), or a failure. */
int bs_input_sniff(struct bs_input *input, struct bs_error *error) BS_MUST_CHECK;
void bs_input_close(struct bs_input *input);

static inline struct bs_span bs_input_data(const struct bs_input *input) {
    return bs_span(input->data ? input->data + input->begin : "",
                   input->end - input->begin);
}

/* One read: BS_OK, BS_END, or a failure. May wait, unless bs_input_wait says that it
 * would not; then decompression may have come to no byte more. */
int bs_input_fill(struct bs_input *input, struct bs_error *error) BS_MUST_CHECK;

/* Whether a fill would return without waiting, at most `seconds` later (negative:
 * forever). False also if a signal came in between. */
bool bs_input_wait(const struct bs_input *input, double seconds);

void bs_input_consume(struct bs_input *input, size_t size);

struct bs_line {
    struct bs_span text; /* without its line feed; in the window, or, if too long, its
                            first BS_RAW_KEPT bytes */
    size_t size;         /* bytes to consume when done with it */
    bool too_long;
};

/* Finds the next line of at most `max` bytes without consuming it. BS_OK, BS_MORE (fill
 * and call again), or BS_END. A longer one is read over in constant memory. A last line
 * without its line feed is a line. */
int bs_input_find_line(struct bs_input *input, size_t max, struct bs_line *line,
                       struct bs_error *error) BS_MUST_CHECK;

/* Goes past the line found. */
void bs_input_next_line(struct bs_input *input, const struct bs_line *line);

#endif
