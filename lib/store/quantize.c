/* Row by row: to float, and from there to what is kept. */
#include "store/quantize.h"

#include "common/f16.h"
#include "store/tensor_specs.h"
#include "store/tensor_types.h"

#include <stdio.h>
#include <stdlib.h>

enum { NAME_SIZE = BS_TENSOR_NAME_SIZE + 8 };

struct bs_quantized {
    struct bs_tensor *list;
    char (*names)[NAME_SIZE]; /* of scales, by place in the list */
    void **memory;            /* likewise, of what was converted */
    size_t count;
};

void bs_quantized_free(struct bs_quantized *quantized) {
    if (!quantized)
        return;
    for (size_t i = 0; quantized->memory && i < quantized->count; i++)
        free(quantized->memory[i]);
    free(quantized->memory);
    free(quantized->names);
    free(quantized->list);
    free(quantized);
}

const struct bs_tensor *bs_quantized_list(const struct bs_quantized *quantized,
                                          size_t *count) {
    *count = quantized->count;
    return quantized->list;
}

/* Puts a tensor at the end of the list, with memory of its own. */
static void *append(struct bs_quantized *q, struct bs_tensor tensor, size_t bytes,
                    struct bs_error *error) {
    void *memory = bs_alloc(1, bytes);
    if (!memory) {
        bs_fail_memory(error, bytes, tensor.name);
        return NULL;
    }
    tensor.bytes = bs_span(memory, bytes);
    tensor.scales = NULL;
    q->memory[q->count] = memory;
    q->list[q->count++] = tensor;
    return memory;
}

/* Numbers of one row and their scale; false if one is not finite. */
static bool quantize_row(const float *row, int64_t n, int8_t *to, float *scale) {
    float most = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(row[i]))
            return false;
        most = fabsf(row[i]) > most ? fabsf(row[i]) : most;
    }
    *scale = most < 1e-30F ? 1 : most / 127;
    float inverse = 1 / *scale;
    for (int64_t i = 0; i < n; i++)
        to[i] = (int8_t)nearbyintf(row[i] * inverse);
    return true;
}

static int quantize_matrix(struct bs_quantized *q, const struct bs_tensor *tensor,
                           float *row, struct bs_error *error) {
    int64_t rows = tensor->shape[0], columns = tensor->shape[1];
    struct bs_tensor numbers = *tensor,
                     scales = {.type = BS_TENSOR_F32, .n_dimensions = 1, .shape = {rows}};
    numbers.type = BS_TENSOR_I8;
    int8_t *to = append(q, numbers, (size_t)(rows * columns), error);
    snprintf(q->names[q->count], NAME_SIZE, "%s_scale", tensor->name);
    scales.name = q->names[q->count];
    float *scale = to ? append(q, scales, (size_t)rows * sizeof *scale, error) : NULL;
    if (!scale)
        return error->code;
    for (int64_t r = 0; r < rows; r++)
        if (!bs_tensor_to_float(tensor, r * columns, columns, row) ||
            !quantize_row(row, columns, to + r * columns, &scale[r]))
            return bs_fail(error, BS_DATA, "tensor \"%s\" has a value that is not finite",
                           tensor->name);
    return BS_OK;
}

/* To F16, if none is too large for it. */
static int shorten(struct bs_quantized *q, const struct bs_tensor *tensor, float *row,
                   struct bs_error *error) {
    int64_t rows = tensor->shape[0], columns = tensor->shape[1];
    struct bs_tensor halves = *tensor;
    halves.type = BS_TENSOR_F16;
    uint16_t *to = append(q, halves, (size_t)(rows * columns) * sizeof *to, error);
    if (!to)
        return error->code;
    for (int64_t r = 0; r < rows; r++, to += columns) {
        if (!bs_tensor_to_float(tensor, r * columns, columns, row))
            return bs_fail(error, BS_DATA, "tensor \"%s\" has %s", tensor->name,
                           bs_tensor_type_name(tensor->type));
        for (int64_t c = 0; c < columns; c++) {
            to[c] = bs_f16_from_float(row[c]);
            if (!isfinite(bs_f16_to_float(to[c]))) {
                q->list[q->count - 1] = *tensor;
                return BS_OK;
            }
        }
    }
    return BS_OK;
}

static int convert(struct bs_quantized *q, const struct bs_tensor *tensor,
                   struct bs_error *error) {
    if (tensor->n_dimensions != 2 || bs_tensor_elements(tensor) == 0) {
        q->list[q->count++] = *tensor;
        return BS_OK;
    }
    float *row = bs_alloc((size_t)tensor->shape[1], sizeof *row);
    if (!row)
        return bs_fail_memory(error, (size_t)tensor->shape[1] * sizeof *row,
                              tensor->name);
    bool embedding = strstr(tensor->name, "embeddings.") != NULL;
    int code = embedding ? shorten(q, tensor, row, error)
                         : quantize_matrix(q, tensor, row, error);
    free(row);
    return code;
}

int bs_quantized_new(struct bs_quantized **result, const struct bs_tensor *tensors,
                     size_t count, struct bs_error *error) {
    struct bs_quantized *q = bs_alloc(1, sizeof *q);
    if (!q)
        return bs_fail_memory(error, sizeof *q, "tensors");
    size_t most = 2 * count + 1;
    q->list = bs_alloc(most, sizeof *q->list);
    q->names = bs_alloc(most, sizeof *q->names);
    q->memory = bs_alloc(most, sizeof *q->memory);
    int code = q->list && q->names && q->memory
                   ? BS_OK
                   : bs_fail_memory(error, most * sizeof *q->names, "tensors");
    for (size_t i = 0; i < count && !code; i++)
        code = convert(q, &tensors[i], error);
    if (code)
        bs_quantized_free(q);
    else
        *result = q;
    return code;
}
