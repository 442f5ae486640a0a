/* Reading bytes: plain read(2), so that a live pipe is answered at once, or through
 * decompression; and finding lines in them. */
#include "format/input.h"

#include "common/file.h"
#include "common/log.h"
#include "format/decompress.h"
#include "format/follow.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

/* No more than this at once: a window that has doubled holds only what it must. Fuzzing
 * reads less, so that small inputs do to it what large ones do. */
#ifndef BS_READ_SIZE
#define BS_READ_SIZE (256 * 1024)
#endif

static const struct bs_span stream_magic = {"\x92\xa2"
                                            "bs",
                                            4};

/* What may still become a record stream is no line yet, so waiting for more of it delays
 * no answer. */
static bool may_be_stream(struct bs_span data) {
    return data.size < stream_magic.size &&
           (data.size == 0 || memcmp(data.data, stream_magic.data, data.size) == 0);
}

/* Room for `more` bytes behind `end`. */
static bool make_room(struct bs_input *input, size_t more) {
    if (input->capacity - input->end >= more)
        return true;
    size_t size = input->end - input->begin;
    if (input->begin > 0 && size > 0)
        memmove(input->data, input->data + input->begin, size);
    input->begin = 0;
    input->end = size;
    if (input->capacity - size >= more)
        return true;
    size_t capacity = input->capacity ? input->capacity * 2 : more;
    while (capacity - size < more)
        capacity *= 2;
    char *data = realloc(input->data, capacity);
    if (!data)
        return false;
    input->data = data;
    input->capacity = capacity;
    return true;
}

static int read_plain(struct bs_input *input, struct bs_error *error) {
    ssize_t n;
    do
        n = read(input->fd, input->data + input->end, BS_READ_SIZE);
    while (n < 0 && errno == EAGAIN && bs_await(input->fd, POLLIN));
    if (n < 0)
        return bs_fail_errno(error, BS_DATA, "%s: cannot read", input->name);
    input->stored += n;
    input->end += (size_t)n;
    return n ? BS_OK : BS_END;
}

/* A log has ended when it is done. */
static int read_log(struct bs_input *input, struct bs_error *error) {
    enum bs_follow_state state;
    size_t before = input->end;
    int code;
    do {
        while ((state = bs_follow_look(input->follow, input->fd, input->stored)) ==
               BS_FOLLOW_WAIT)
            if (!bs_follow_wait(input->follow, -1))
                return bs_fail(error, BS_INTERRUPTED, "%s: interrupted", input->name);
        code = state == BS_FOLLOW_DONE ? BS_END : read_plain(input, error);
    } while (code == BS_END && state == BS_FOLLOW_BYTES); /* cut since the look */
    if (!code)
        bs_follow_given(input->follow,
                        bs_span(input->data + before, input->end - before));
    return code;
}

static int read_decompressed(struct bs_input *input, struct bs_error *error) {
    size_t got;
    int code = bs_decompress_read(input->decompress, input->data + input->end,
                                  BS_READ_SIZE, &got, error);
    input->stored = bs_decompress_stored(input->decompress);
    if (!code)
        input->end += got;
    return code;
}

int bs_input_fill(struct bs_input *input, struct bs_error *error) {
    if (input->ended)
        return BS_END;
    if (!make_room(input, BS_READ_SIZE))
        return bs_fail_memory(error, input->capacity * 2, input->name);
    int code = input->decompress ? read_decompressed(input, error)
               : input->follow   ? read_log(input, error)
                                 : read_plain(input, error);
    if (code == BS_END)
        input->ended = true;
    return code;
}

int bs_input_sniff(struct bs_input *input, struct bs_error *error) {
    struct bs_span data = bs_input_data(input);
    bool undecided;
    if (input->follow)
        return BS_OK;
    const struct bs_codec *codec = bs_decompress_sniff(data, &undecided);
    if (codec && !input->decompress) {
        if (bs_decompress_open(&input->decompress, codec, input->fd, data, input->name,
                               error))
            return error->code;
        input->begin = input->end = 0;
        input->ended = false;
        data.size = 0;
    }
    undecided = undecided || may_be_stream(data);
    return undecided && !input->ended ? BS_MORE : BS_OK;
}

int bs_input_open(struct bs_input *input, const char *path, struct bs_error *error) {
    bool is_stdin = !path || strcmp(path, "-") == 0;
    *input =
        (struct bs_input){.name = is_stdin ? "standard input" : path, .fd = STDIN_FILENO};
    if (!is_stdin)
        input->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (input->fd < 0)
        return bs_fail_errno(error, BS_DATA, "%s: cannot open", path);
    return BS_OK;
}

int bs_input_open_log(struct bs_input *input, struct bs_follow *follow, const char *path,
                      int64_t *lines, struct bs_error *error) {
    *input = (struct bs_input){.name = path, .fd = -1, .follow = follow};
    return bs_follow_open(follow, &input->fd, lines, error);
}

void bs_input_close(struct bs_input *input) {
    bs_decompress_close(input->decompress);
    if (input->fd > STDIN_FILENO)
        close(input->fd);
    free(input->data);
    bs_buffer_free(&input->kept);
    *input = (struct bs_input){.fd = -1};
}

static bool wait_log(const struct bs_input *input, double seconds) {
    double until = bs_seconds() + seconds;
    while (bs_follow_look(input->follow, input->fd, input->stored) == BS_FOLLOW_WAIT) {
        double left = seconds < 0 ? -1 : until - bs_seconds();
        if ((seconds >= 0 && left <= 0) || !bs_follow_wait(input->follow, left))
            return false;
    }
    return true;
}

bool bs_input_wait(const struct bs_input *input, double seconds) {
    if (input->follow && !input->ended)
        return wait_log(input, seconds);
    if (input->ended || (input->decompress && bs_decompress_pending(input->decompress)))
        return true;
    struct pollfd poll_fd = {.fd = input->fd, .events = POLLIN};
    double milliseconds = seconds < 0 ? -1 : seconds * 1000 + 0.999;
    if (milliseconds > 1e9)
        milliseconds = 1e9;
    return poll(&poll_fd, 1, (int)milliseconds) > 0;
}

void bs_input_consume(struct bs_input *input, size_t size) {
    input->begin += size;
    input->taken += (int64_t)size;
    if (input->begin == input->end)
        input->begin = input->end = 0;
}

/* Keeps the beginning of a line that is too long and lets go of the rest. */
static int skip_bytes(struct bs_input *input, size_t size, struct bs_error *error) {
    size_t keep = BS_RAW_KEPT - input->kept.size;
    keep = keep < size ? keep : size;
    if (!bs_buffer_append(&input->kept, input->data + input->begin, keep))
        return bs_fail_memory(error, keep, "a line that is too long");
    input->skipping = true;
    bs_input_consume(input, size);
    input->scanned = 0;
    return BS_OK;
}

/* `size` bytes of the window belong to the line, `feed` more end it. */
static int line_found(struct bs_input *input, size_t size, size_t feed, size_t max,
                      struct bs_line *line, struct bs_error *error) {
    line->too_long = input->skipping || size > max;
    if (line->too_long && skip_bytes(input, size, error))
        return error->code;
    line->size = line->too_long ? feed : size + feed;
    line->text = line->too_long ? bs_buffer_span(&input->kept)
                                : bs_span(input->data + input->begin, size);
    return BS_OK;
}

int bs_input_find_line(struct bs_input *input, size_t max, struct bs_line *line,
                       struct bs_error *error) {
    struct bs_span data = bs_input_data(input);
    const char *feed = NULL;
    if (data.size > input->scanned)
        feed = memchr(data.data + input->scanned, '\n', data.size - input->scanned);
    if (feed)
        return line_found(input, (size_t)(feed - data.data), 1, max, line, error);
    if (input->ended && (data.size > 0 || input->skipping))
        return line_found(input, data.size, 0, max, line, error);
    if (input->ended)
        return BS_END;
    input->scanned = data.size;
    if ((input->skipping || data.size > max) && skip_bytes(input, data.size, error))
        return error->code;
    return BS_MORE;
}

void bs_input_next_line(struct bs_input *input, const struct bs_line *line) {
    bs_input_consume(input, line->size);
    input->scanned = 0;
    input->skipping = false;
    input->kept.size = 0;
}
