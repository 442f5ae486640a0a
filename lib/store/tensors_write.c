/* Writing safetensors: the header is built whole, then header and data are streamed. */
#include "common/file.h"
#include "store/json.h"
#include "store/tensor_types.h"
#include "store/tensors.h"

#include <stdlib.h>

static int by_type_and_name(const void *a, const void *b) {
    const struct bs_tensor *x = a, *y = b;
    int p = bs_tensor_type_get(x->type)->order;
    int q = bs_tensor_type_get(y->type)->order;
    return p != q ? p - q : strcmp(x->name, y->name);
}

static int check_tensor(const struct bs_tensor *tensor, struct bs_error *error) {
    const struct bs_tensor_type_info *info = bs_tensor_type_get(tensor->type);
    if (!info)
        return bs_fail(error, BS_DATA, "tensor \"%.200s\" has %s", tensor->name,
                       bs_tensor_type_name(tensor->type));
    int64_t size = info->bits / 8;
    for (int i = 0; i < tensor->n_dimensions; i++)
        if (tensor->shape[i] < 0 || __builtin_mul_overflow(size, tensor->shape[i], &size))
            size = -1;
    if (size < 0 || (uint64_t)size != tensor->bytes.size)
        return bs_fail(error, BS_DATA,
                       "tensor \"%.200s\" has %zu bytes, its shape wants %lld",
                       tensor->name, tensor->bytes.size, (long long)size);
    return BS_OK;
}

/* NULL without memory. */
static json_t *describe(const struct bs_tensor *tensor, json_int_t begin) {
    json_int_t size = (json_int_t)tensor->bytes.size;
    json_t *shape = json_array();
    for (int i = 0; i < tensor->n_dimensions; i++)
        if (json_array_append_new(shape, json_integer(tensor->shape[i]))) {
            json_decref(shape);
            return NULL;
        }
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", bs_tensor_type_name(tensor->type),
                     "shape", shape, "data_offsets", begin, begin + size);
}

static json_t *describe_all(const struct bs_tensor *order, size_t count,
                            struct bs_error *error) {
    json_t *header = json_pack("{s:{s:s}}", "__metadata__", "format", "pt");
    json_int_t offset = 0;
    if (!header) {
        bs_fail_memory(error, 64, "a tensor header");
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (json_object_get(header, order[i].name)) {
            bs_fail(error, BS_DATA, "tensor \"%.200s\" occurs twice", order[i].name);
            goto failed;
        }
        if (json_object_set_new(header, order[i].name, describe(&order[i], offset))) {
            bs_fail_memory(error, strlen(order[i].name), "a tensor header");
            goto failed;
        }
        offset += (json_int_t)order[i].bytes.size;
    }
    return header;
failed:
    json_decref(header);
    return NULL;
}

/* Size, JSON, and blanks so that the data begins at a multiple of 8. */
static int print_header(struct bs_buffer *out, const json_t *header,
                        struct bs_error *error) {
    size_t length = json_dumpb(header, NULL, 0, JSON_COMPACT);
    uint64_t padded = (length + 7) / 8 * 8;
    if (length == 0 || !bs_buffer_append(out, &padded, sizeof padded) ||
        !bs_buffer_reserve(out, padded))
        return bs_fail_memory(error, length, "a tensor header");
    memset(out->data + out->size, ' ', padded);
    if (json_dumpb(header, out->data + out->size, length, JSON_COMPACT) != length)
        return bs_fail_memory(error, length, "a tensor header");
    out->size += padded;
    return BS_OK;
}

static int make_image(struct bs_tensors_image *image, const struct bs_tensor *order,
                      size_t count, struct bs_error *error) {
    json_t *header = describe_all(order, count, error);
    if (!header)
        return error->code;
    int code = print_header(&image->header, header, error);
    json_decref(header);
    image->spans = bs_alloc(count + 1, sizeof *image->spans);
    if (code || !image->spans)
        return code ? code
                    : bs_fail_memory(error, count * sizeof *image->spans, "tensors");
    image->spans[image->n_spans++] = bs_buffer_span(&image->header);
    for (size_t i = 0; i < count; i++)
        image->spans[image->n_spans++] = order[i].bytes;
    return BS_OK;
}

int bs_tensors_image_make(struct bs_tensors_image *image, const struct bs_tensor *tensors,
                          size_t count, struct bs_error *error) {
    *image = (struct bs_tensors_image){0};
    for (size_t i = 0; i < count; i++)
        if (check_tensor(&tensors[i], error))
            return error->code;
    struct bs_tensor *order = bs_alloc(count + 1, sizeof *order);
    if (!order)
        return bs_fail_memory(error, count * sizeof *order, "tensors");
    if (count > 0)
        memcpy(order, tensors, count * sizeof *order);
    qsort(order, count, sizeof *order, by_type_and_name);
    int code = make_image(image, order, count, error);
    free(order);
    if (code)
        bs_tensors_image_free(image);
    return code;
}

void bs_tensors_image_free(struct bs_tensors_image *image) {
    bs_buffer_free(&image->header);
    free(image->spans);
    *image = (struct bs_tensors_image){0};
}

static int write_spans(const char *path, const struct bs_tensors_image *image,
                       struct bs_error *error) {
    struct bs_output *output;
    if (bs_output_open(&output, path, error))
        return error->code;
    for (size_t i = 0; i < image->n_spans; i++) {
        if (bs_output_write(output, image->spans[i], error)) {
            bs_output_abandon(output);
            return error->code;
        }
    }
    return bs_output_commit(output, error);
}

int bs_tensors_write(const char *path, const struct bs_tensor *tensors, size_t count,
                     struct bs_error *error) {
    struct bs_tensors_image image;
    if (bs_tensors_image_make(&image, tensors, count, error))
        return bs_error_prefix(error, "%s: ", path);
    int code = write_spans(path, &image, error);
    bs_tensors_image_free(&image);
    return code;
}
