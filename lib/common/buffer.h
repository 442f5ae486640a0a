/*
 * Bytes: a span borrows them, a buffer owns and grows them.
 *
 * A `struct bs_buffer` that is all zero is empty and valid. Its functions return
 * false when memory runs out and leave the buffer as it was; `bs_buffer_free` leaves
 * it empty and may be called again. `data` is not terminated by a zero byte.
 */
#ifndef BS_COMMON_BUFFER_H
#define BS_COMMON_BUFFER_H

#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bs_span {
    const char *data;
    size_t size;
};

struct bs_buffer {
    char *data;
    size_t size;
    size_t capacity;
};

static inline struct bs_span bs_span(const char *data, size_t size) {
    return (struct bs_span){data, size};
}

static inline struct bs_span bs_span_of(const char *string) {
    return (struct bs_span){string, strlen(string)};
}

static inline struct bs_span bs_buffer_span(const struct bs_buffer *buffer) {
    return (struct bs_span){buffer->data, buffer->size};
}

static inline bool bs_span_equal(struct bs_span a, struct bs_span b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool bs_span_is(struct bs_span a, const char *string) {
    return bs_span_equal(a, bs_span_of(string));
}

/* Less than, equal to or more than 0, as memcmp; what begins with the other is more. */
static inline int bs_span_order(struct bs_span a, struct bs_span b) {
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size ? memcmp(a.data, b.data, size) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

/* A copy that ends with a zero byte; to be freed with free(); NULL without memory. */
char *bs_span_string(struct bs_span span) BS_MUST_CHECK;

/* Copies of strings, in a list of their own; NULL without memory. */
char **bs_names_copy(const char *const *names, size_t count) BS_MUST_CHECK;
void bs_names_free(char **names, size_t count);

/* Room for `more` bytes behind `size`; grows by doubling. */
bool bs_buffer_reserve(struct bs_buffer *buffer, size_t more) BS_MUST_CHECK;

bool bs_buffer_append(struct bs_buffer *buffer, const void *data,
                      size_t size) BS_MUST_CHECK;
bool bs_buffer_append_span(struct bs_buffer *buffer, struct bs_span span) BS_MUST_CHECK;
bool bs_buffer_append_byte(struct bs_buffer *buffer, char byte) BS_MUST_CHECK;
bool bs_buffer_printf(struct bs_buffer *buffer, const char *format, ...)
    BS_PRINTF(2, 3) BS_MUST_CHECK;

/* Drops the first `size` bytes. */
void bs_buffer_consume(struct bs_buffer *buffer, size_t size);

void bs_buffer_free(struct bs_buffer *buffer);

/* calloc and realloc that check `count * size` for overflow; NULL without memory. */
void *bs_alloc(size_t count, size_t size) BS_MUST_CHECK;
void *bs_realloc(void *old, size_t count, size_t size) BS_MUST_CHECK;

/* Zeroed memory aligned to 64 bytes, for vectors; freed with free(). */
void *bs_alloc_aligned(size_t size) BS_MUST_CHECK;

#endif
