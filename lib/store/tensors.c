/*
 * Reading safetensors: 8 bytes of header size, a JSON header, the data. Every number of
 * the header is checked against the length of the file before it is used.
 */
#include "store/tensors.h"

#include "common/file.h"
#include "store/json.h"
#include "store/tensor_types.h"

#include <stdio.h>
#include <stdlib.h>

/* The reference library's own limit. */
enum { MAX_HEADER = 100000000 };
enum { MAX_SCALED_NAME = 512 };

struct bs_tensors {
    struct bs_span mapping; /* data NULL: the bytes are the caller's */
    bool mapped;            /* by whomever */
    const char *name;       /* for messages while parsing */
    json_t *header;         /* owns the names */
    struct bs_span data;    /* the bytes behind the header */
    struct bs_tensor *list; /* by name */
    size_t count;
};

static int refuse(const struct bs_tensors *tensors, struct bs_error *error,
                  const char *tensor, const char *reason) {
    return bs_fail(error, BS_DATA, "%s: tensor \"%.200s\": %s", tensors->name, tensor,
                   reason);
}

static int read_type(const struct bs_tensors *tensors, struct bs_tensor *tensor,
                     const json_t *value, int *bits, struct bs_error *error) {
    const struct bs_tensor_type_info *info = NULL;
    if (json_is_string(value))
        info = bs_tensor_type_named(json_string_value(value));
    if (!info)
        return bs_fail(error, BS_DATA, "%s: tensor \"%.200s\": unknown dtype \"%.40s\"",
                       tensors->name, tensor->name,
                       json_is_string(value) ? json_string_value(value) : "");
    tensor->type = info->type;
    *bits = info->bits;
    return BS_OK;
}

/* Sets the shape and counts the elements; a product beyond int64 is an error. */
static int read_shape(const struct bs_tensors *tensors, struct bs_tensor *tensor,
                      const json_t *value, int64_t *elements, struct bs_error *error) {
    if (!json_is_array(value))
        return refuse(tensors, error, tensor->name, "no \"shape\"");
    size_t n = json_array_size(value);
    *elements = 1;
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(value, i);
        int64_t size = json_is_integer(item) ? json_integer_value(item) : -1;
        if (size < 0)
            return refuse(tensors, error, tensor->name,
                          "\"shape\" must be a list of whole numbers from 0");
        if (__builtin_mul_overflow(*elements, size, elements))
            return refuse(tensors, error, tensor->name, "\"shape\" overflows");
        if (n <= BS_TENSOR_MAX_DIMENSIONS)
            tensor->shape[i] = size;
    }
    tensor->n_dimensions = n <= BS_TENSOR_MAX_DIMENSIONS ? (int)n : 0;
    if (n > BS_TENSOR_MAX_DIMENSIONS)
        tensor->type = BS_TENSOR_OTHER;
    return BS_OK;
}

/* Sets the bytes: in range, and as many as shape and type say. */
static int read_offsets(const struct bs_tensors *tensors, struct bs_tensor *tensor,
                        const json_t *value, int64_t elements, int bits,
                        struct bs_error *error) {
    const json_t *first = json_array_get(value, 0);
    const json_t *last = json_array_get(value, 1);
    if (json_array_size(value) != 2 || !json_is_integer(first) || !json_is_integer(last))
        return refuse(tensors, error, tensor->name,
                      "\"data_offsets\" must be two whole numbers");
    int64_t begin = json_integer_value(first);
    int64_t end = json_integer_value(last);
    if (begin < 0 || end < begin)
        return refuse(tensors, error, tensor->name, "\"data_offsets\" run backwards");
    if ((uint64_t)end > tensors->data.size)
        return refuse(tensors, error, tensor->name,
                      "its data lies beyond the end of the file (truncated?)");
    int64_t size;
    if (__builtin_mul_overflow(elements, bits, &size) || size % 8 != 0 ||
        size / 8 != end - begin)
        return refuse(tensors, error, tensor->name,
                      "its bytes are not as many as its shape and dtype say");
    tensor->bytes = bs_span(tensors->data.data + begin, (size_t)(end - begin));
    return BS_OK;
}

static int read_tensor(const struct bs_tensors *tensors, struct bs_tensor *tensor,
                       const char *name, const json_t *entry, struct bs_error *error) {
    tensor->name = name;
    if (!json_is_object(entry))
        return refuse(tensors, error, name, "not an object");
    int64_t elements = 0;
    int bits = 0;
    if (read_type(tensors, tensor, json_object_get(entry, "dtype"), &bits, error) ||
        read_shape(tensors, tensor, json_object_get(entry, "shape"), &elements, error))
        return error->code;
    return read_offsets(tensors, tensor, json_object_get(entry, "data_offsets"), elements,
                        bits, error);
}

static int read_list(struct bs_tensors *tensors, struct bs_error *error) {
    size_t entries = json_object_size(tensors->header);
    tensors->list = bs_alloc(entries + 1, sizeof *tensors->list);
    if (!tensors->list)
        return bs_fail_memory(error, entries * sizeof *tensors->list, tensors->name);
    const char *name;
    json_t *entry;
    json_object_foreach(tensors->header, name, entry) {
        if (strcmp(name, "__metadata__") == 0)
            continue;
        struct bs_tensor *tensor = &tensors->list[tensors->count];
        if (read_tensor(tensors, tensor, name, entry, error))
            return error->code;
        tensors->count++;
    }
    return BS_OK;
}

static int by_place(const void *a, const void *b) {
    const struct bs_tensor *x = a, *y = b;
    if (x->bytes.data != y->bytes.data)
        return x->bytes.data < y->bytes.data ? -1 : 1;
    return (x->bytes.size > y->bytes.size) - (x->bytes.size < y->bytes.size);
}

static int by_name(const void *a, const void *b) {
    const struct bs_tensor *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* Each tensor begins where the one before ends, the first at 0, the last at the end. */
static int check_cover(struct bs_tensors *tensors, struct bs_error *error) {
    qsort(tensors->list, tensors->count, sizeof *tensors->list, by_place);
    const char *next = tensors->data.data;
    for (size_t i = 0; i < tensors->count; i++) {
        const struct bs_tensor *tensor = &tensors->list[i];
        if (tensor->bytes.data < next)
            return refuse(tensors, error, tensor->name, "overlaps another tensor");
        if (tensor->bytes.data > next)
            return refuse(tensors, error, tensor->name, "there is a hole before it");
        next += tensor->bytes.size;
    }
    size_t left = (size_t)(tensors->data.data + tensors->data.size - next);
    if (left > 0)
        return bs_fail(error, BS_DATA, "%s: %zu byte%s to no tensor", tensors->name, left,
                       left == 1 ? " belongs" : "s belong");
    qsort(tensors->list, tensors->count, sizeof *tensors->list, by_name);
    return BS_OK;
}

/* Once all are there and in order. */
static void match_scales(struct bs_tensors *tensors) {
    for (size_t i = 0; i < tensors->count; i++) {
        char name[MAX_SCALED_NAME];
        struct bs_tensor *tensor = &tensors->list[i];
        int size = snprintf(name, sizeof name, "%s_scale", tensor->name);
        if (tensor->type != BS_TENSOR_I8 || tensor->n_dimensions != 2 ||
            size >= MAX_SCALED_NAME)
            continue;
        const struct bs_tensor *scales = bs_tensors_find(tensors, name);
        if (scales && scales->type == BS_TENSOR_F32 && scales->n_dimensions == 1 &&
            scales->shape[0] == tensor->shape[0])
            tensor->scales = scales;
    }
}

static int parse(struct bs_tensors *tensors, struct bs_span bytes,
                 struct bs_error *error) {
    const char *name = tensors->name;
    uint64_t size;
    if (bytes.size < sizeof size)
        return bs_fail(error, BS_DATA, "%s: too short to be a safetensors file", name);
    memcpy(&size, bytes.data, sizeof size);
    if (size > MAX_HEADER)
        return bs_fail(error, BS_DATA,
                       "%s: not a safetensors file (header of %llu bytes)", name,
                       (unsigned long long)size);
    if (size > bytes.size - sizeof size)
        return bs_fail(error, BS_DATA, "%s: truncated inside its header", name);
    struct bs_span header = bs_span(bytes.data + sizeof size, (size_t)size);
    if (header.size == 0 || header.data[0] != '{')
        return bs_fail(error, BS_DATA, "%s: its header does not begin with \"{\"", name);
    tensors->data =
        bs_span(header.data + header.size, bytes.size - sizeof size - header.size);
    if (bs_json_object(&tensors->header, header, name, error) ||
        read_list(tensors, error) || check_cover(tensors, error))
        return error->code;
    match_scales(tensors);
    return BS_OK;
}

int bs_tensors_parse(struct bs_tensors **result, struct bs_span bytes, const char *name,
                     struct bs_error *error) {
    struct bs_tensors *tensors = bs_alloc(1, sizeof *tensors);
    if (!tensors)
        return bs_fail_memory(error, sizeof *tensors, name);
    tensors->name = name;
    if (parse(tensors, bytes, error)) {
        bs_tensors_close(tensors);
        return error->code;
    }
    tensors->name = NULL; /* the caller's string need not live on */
    *result = tensors;
    return BS_OK;
}

int bs_tensors_parse_mapped(struct bs_tensors **tensors, struct bs_span bytes,
                            const char *name, struct bs_error *error) {
    if (bs_tensors_parse(tensors, bytes, name, error))
        return error->code;
    (*tensors)->mapped = true;
    return BS_OK;
}

int bs_tensors_open(struct bs_tensors **tensors, const char *path,
                    struct bs_error *error) {
    struct bs_span bytes;
    if (bs_file_map(path, &bytes, error))
        return error->code;
    if (bs_tensors_parse_mapped(tensors, bytes, path, error)) {
        bs_file_unmap(bytes);
        return error->code;
    }
    (*tensors)->mapping = bytes;
    return BS_OK;
}

void bs_tensors_close(struct bs_tensors *tensors) {
    if (!tensors)
        return;
    bs_file_unmap(tensors->mapping);
    json_decref(tensors->header);
    free(tensors->list);
    free(tensors);
}

void bs_tensors_forget(const struct bs_tensors *tensors, const struct bs_tensor *tensor) {
    if (tensors->mapped)
        bs_file_forget(tensor->bytes);
}

size_t bs_tensors_count(const struct bs_tensors *tensors) {
    return tensors->count;
}

const struct bs_tensor *bs_tensors_get(const struct bs_tensors *tensors, size_t index) {
    return &tensors->list[index];
}

const struct bs_tensor *bs_tensors_find(const struct bs_tensors *tensors,
                                        const char *name) {
    struct bs_tensor key = {.name = name};
    return bsearch(&key, tensors->list, tensors->count, sizeof key, by_name);
}

int64_t bs_tensor_elements(const struct bs_tensor *tensor) {
    const struct bs_tensor_type_info *info = bs_tensor_type_get(tensor->type);
    return info ? (int64_t)tensor->bytes.size * 8 / info->bits : 0;
}
