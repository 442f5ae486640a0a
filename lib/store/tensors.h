/*
 * Named tensors in a safetensors file: https://github.com/huggingface/safetensors
 *
 * Reading maps the file and checks the whole header against it: sizes, overlap,
 * overflow, types, duplicate names, JSON. Nothing is believed that the file's own
 * length does not bear out.
 */
#ifndef BS_STORE_TENSORS_H
#define BS_STORE_TENSORS_H

#include "common/buffer.h"

enum bs_tensor_type {
    BS_TENSOR_F32,
    BS_TENSOR_F16,
    BS_TENSOR_BF16,
    BS_TENSOR_I64,
    BS_TENSOR_I32,
    BS_TENSOR_U8,
    BS_TENSOR_I8,
    BS_TENSOR_OTHER, /* named in the file, not read by bs */
};

enum { BS_TENSOR_MAX_DIMENSIONS = 4 };

struct bs_tensor {
    const char *name;
    enum bs_tensor_type type;
    int n_dimensions; /* 0 also for more than BS_TENSOR_MAX_DIMENSIONS (then OTHER) */
    int64_t shape[BS_TENSOR_MAX_DIMENSIONS];
    struct bs_span bytes; /* little-endian, row by row; not aligned */
    /* Of an I8 matrix: the F32 vector NAME_scale, by which its rows are multiplied; NULL
     * if there is none. */
    const struct bs_tensor *scales;
};

struct bs_tensors;

int bs_tensors_open(struct bs_tensors **tensors, const char *path,
                    struct bs_error *error) BS_MUST_CHECK;
/* The same from memory that outlives the object; `name` for messages. */
int bs_tensors_parse(struct bs_tensors **tensors, struct bs_span bytes, const char *name,
                     struct bs_error *error) BS_MUST_CHECK;
/* The same from a part of a mapping by bs_file_map. */
int bs_tensors_parse_mapped(struct bs_tensors **tensors, struct bs_span bytes,
                            const char *name, struct bs_error *error) BS_MUST_CHECK;
void bs_tensors_close(struct bs_tensors *tensors);

/* One of them has been read: if it is mapped, its memory is given back, so that a model
 * is not held twice. It can be read again. */
void bs_tensors_forget(const struct bs_tensors *tensors, const struct bs_tensor *tensor);

size_t bs_tensors_count(const struct bs_tensors *tensors);
const struct bs_tensor *bs_tensors_get(const struct bs_tensors *tensors, size_t index);
const struct bs_tensor *bs_tensors_find(const struct bs_tensors *tensors,
                                        const char *name); /* or NULL */

int64_t bs_tensor_elements(const struct bs_tensor *tensor);

/* All its elements where they lie, if they are F32 and aligned, else NULL. */
const float *bs_tensor_floats(const struct bs_tensor *tensor);

/* Converts `count` elements from `first` to float. F32, F16, BF16 and scaled I8 only,
 * else false. */
bool bs_tensor_to_float(const struct bs_tensor *tensor, int64_t first, int64_t count,
                        float *out) BS_MUST_CHECK;

/* Writes a file of tensors (whole or not at all, see bs_output): wide types first, then
 * by name, as the reference library does, data aligned to 8 bytes, with "__metadata__":
 * {"format": "pt"} so that other readers accept it. BS_DATA if a name occurs twice, a
 * type is BS_TENSOR_OTHER or the bytes do not fit the shape. */
int bs_tensors_write(const char *path, const struct bs_tensor *tensors, size_t count,
                     struct bs_error *error) BS_MUST_CHECK;

/* The same file as a list of spans, for those who put it elsewhere: the header, then
 * the bytes of the tensors (borrowed). */
struct bs_tensors_image {
    struct bs_buffer header;
    struct bs_span *spans;
    size_t n_spans;
};
int bs_tensors_image_make(struct bs_tensors_image *image, const struct bs_tensor *tensors,
                          size_t count, struct bs_error *error) BS_MUST_CHECK;
void bs_tensors_image_free(struct bs_tensors_image *image);

#endif
