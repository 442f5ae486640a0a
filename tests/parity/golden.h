/*
 * Golden files: named arrays, written by generate_model.py.
 *
 * All integers little-endian. The file is "bsgolden", then arrays to the end:
 *     u32 length of the name, the name, u32 type (0 float32, 1 int32),
 *     u32 number of dimensions, u64 each dimension, the data
 *
 * `golden_open` reads a whole file; `golden_find` returns a borrowed array whose data
 * is aligned. Tests end with a message on a golden file that is not as they expect.
 */
#ifndef BS_TESTS_PARITY_GOLDEN_H
#define BS_TESTS_PARITY_GOLDEN_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct golden_array {
    char name[96];
    uint32_t type;
    uint32_t n_dims;
    uint64_t dims[4];
    uint64_t count;
    void *data;
};

struct golden {
    struct golden_array arrays[128];
    size_t count;
};

static void golden_bytes(FILE *file, const char *path, void *to, size_t size) {
    if (size > 0 && fread(to, 1, size, file) != size) {
        printf("Bail out! %s is cut short; run make parity-model\n", path);
        exit(1);
    }
}

static void golden_read(FILE *file, const char *path, uint32_t name_length,
                        struct golden_array *array) {
    if (name_length >= sizeof array->name) {
        printf("Bail out! %s: a name of %u bytes\n", path, name_length);
        exit(1);
    }
    golden_bytes(file, path, array->name, name_length);
    golden_bytes(file, path, &array->type, 4);
    golden_bytes(file, path, &array->n_dims, 4);
    array->count = 1;
    for (uint32_t i = 0; i < array->n_dims && i < 4; i++) {
        golden_bytes(file, path, &array->dims[i], 8);
        array->count *= array->dims[i];
    }
    array->data = malloc(4 * array->count + 1);
    golden_bytes(file, path, array->data, 4 * array->count);
}

static struct golden *golden_open(const char *path) {
    struct golden *golden = calloc(1, sizeof *golden);
    FILE *file = fopen(path, "rb");
    char magic[8];
    uint32_t name_length;
    if (!file || !golden) {
        printf("Bail out! cannot open %s\n", path);
        exit(1);
    }
    golden_bytes(file, path, magic, 8);
    while (golden->count < 128 && fread(&name_length, 4, 1, file) == 1)
        golden_read(file, path, name_length, &golden->arrays[golden->count++]);
    fclose(file);
    return golden;
}

static const struct golden_array *golden_find(const struct golden *golden,
                                              const char *name) {
    for (size_t i = 0; i < golden->count; i++)
        if (strcmp(golden->arrays[i].name, name) == 0)
            return &golden->arrays[i];
    printf("Bail out! no array %s in the golden file; run make parity-model\n", name);
    exit(1);
}

static void golden_close(struct golden *golden) {
    for (size_t i = 0; i < golden->count; i++)
        free(golden->arrays[i].data);
    free(golden);
}

#endif
