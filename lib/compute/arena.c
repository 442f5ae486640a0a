/* Arenas and views of rows: arithmetic that no device sees. */
#include "compute/backend.h"
#include "compute/compute.h"

#include "common/buffer.h"

#include <stdlib.h>

enum { ALIGNMENT = 64 };

struct bs_arena {
    struct bs_device *device;
    char *memory; /* NULL: only counts */
    int64_t bytes, at, used;
};

int bs_arena_new(struct bs_arena **arena, struct bs_device *device, int64_t bytes,
                 struct bs_error *error) {
    *arena = NULL;
    struct bs_arena *made = bs_alloc(1, sizeof *made);
    if (!made)
        return bs_fail_memory(error, sizeof *made, "an arena");
    *made = (struct bs_arena){.device = device, .bytes = bytes};
    void *memory = NULL;
    if (bytes > 0 && device->backend->memory_new(device, bytes, &memory, error)) {
        free(made);
        return error->code;
    }
    made->memory = memory;
    *arena = made;
    return BS_OK;
}

void bs_arena_free(struct bs_arena *arena) {
    if (!arena)
        return;
    if (arena->memory)
        arena->device->backend->memory_free(arena->device, arena->memory);
    free(arena);
}

void bs_arena_reset(struct bs_arena *arena) {
    arena->at = 0;
}

int64_t bs_arena_used(const struct bs_arena *arena) {
    return arena->used;
}

/* Bytes of a dense block rounded up to the alignment; INT64_MAX if it has no size. */
static int64_t block_bytes(enum bs_type type, int64_t rows, int64_t columns) {
    int64_t bytes;
    if (rows < 0 || columns < 0 || __builtin_mul_overflow(rows, columns, &bytes) ||
        __builtin_mul_overflow(bytes, (int64_t)bs_type_size(type), &bytes) ||
        __builtin_add_overflow(bytes, ALIGNMENT - 1, &bytes))
        return INT64_MAX;
    return bytes / ALIGNMENT * ALIGNMENT;
}

struct bs_rows bs_arena_rows(struct bs_arena *arena, enum bs_type type, int64_t rows,
                             int64_t columns) {
    struct bs_rows view = {NULL, type, rows, columns, columns};
    int64_t end;
    if (__builtin_add_overflow(arena->at, block_bytes(type, rows, columns), &end))
        end = INT64_MAX;
    if (arena->memory && end <= arena->bytes)
        view.data = arena->memory + arena->at;
    else if (arena->memory)
        return view;
    arena->at = end;
    if (end > arena->used)
        arena->used = end;
    return view;
}

static struct bs_rows moved(struct bs_rows rows, int64_t elements) {
    if (rows.data)
        rows.data = (char *)rows.data + elements * (int64_t)bs_type_size(rows.type);
    return rows;
}

struct bs_rows bs_rows_columns(struct bs_rows rows, int64_t first, int64_t count) {
    rows = moved(rows, first);
    rows.columns = count;
    return rows;
}

struct bs_rows bs_rows_slice(struct bs_rows rows, int64_t first, int64_t count) {
    rows = moved(rows, first * rows.stride);
    rows.rows = count;
    return rows;
}
