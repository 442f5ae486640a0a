/* Growing bytes, and allocation with its multiplication checked. */
#include "common/buffer.h"

#include <stdio.h>
#include <stdlib.h>

void *bs_alloc(size_t count, size_t size) {
    return calloc(count ? count : 1, size ? size : 1);
}

void *bs_realloc(void *old, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    return realloc(old, bytes ? bytes : 1);
}

void *bs_alloc_aligned(size_t size) {
    size_t rounded = (size + 63) / 64 * 64;
    void *memory = rounded < size ? NULL : aligned_alloc(64, rounded ? rounded : 64);
    if (memory)
        memset(memory, 0, rounded);
    return memory;
}

char *bs_span_string(struct bs_span span) {
    char *string = malloc(span.size + 1);
    if (!string)
        return NULL;
    if (span.size)
        memcpy(string, span.data, span.size);
    string[span.size] = '\0';
    return string;
}

char **bs_names_copy(const char *const *names, size_t count) {
    char **copies = bs_alloc(count, sizeof *copies);
    for (size_t i = 0; copies && i < count; i++) {
        copies[i] = bs_span_string(bs_span_of(names[i]));
        if (!copies[i]) {
            bs_names_free(copies, i);
            return NULL;
        }
    }
    return copies;
}

void bs_names_free(char **names, size_t count) {
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

bool bs_buffer_reserve(struct bs_buffer *buffer, size_t more) {
    size_t wanted;
    if (__builtin_add_overflow(buffer->size, more, &wanted))
        return false;
    if (wanted <= buffer->capacity)
        return true;
    size_t capacity = buffer->capacity ? buffer->capacity : 64;
    while (capacity < wanted)
        capacity = capacity > SIZE_MAX / 2 ? wanted : capacity * 2;
    char *data = realloc(buffer->data, capacity);
    if (!data)
        return false;
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

bool bs_buffer_append(struct bs_buffer *buffer, const void *data, size_t size) {
    if (!bs_buffer_reserve(buffer, size))
        return false;
    if (size)
        memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
    return true;
}

bool bs_buffer_append_span(struct bs_buffer *buffer, struct bs_span span) {
    return bs_buffer_append(buffer, span.data, span.size);
}

bool bs_buffer_append_byte(struct bs_buffer *buffer, char byte) {
    return bs_buffer_append(buffer, &byte, 1);
}

bool bs_buffer_printf(struct bs_buffer *buffer, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0 || !bs_buffer_reserve(buffer, (size_t)n + 1))
        return false;
    va_start(args, format);
    vsnprintf(buffer->data + buffer->size, (size_t)n + 1, format, args);
    va_end(args);
    buffer->size += (size_t)n;
    return true;
}

void bs_buffer_consume(struct bs_buffer *buffer, size_t size) {
    buffer->size -= size;
    if (buffer->size)
        memmove(buffer->data, buffer->data + size, buffer->size);
}

void bs_buffer_free(struct bs_buffer *buffer) {
    free(buffer->data);
    *buffer = (struct bs_buffer){0};
}
