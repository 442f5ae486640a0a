/*
 * A model's tensors, smaller: matrices as int8 with a scale for each row, embeddings as
 * F16, vectors as they are.
 *
 * A row's scale is its largest absolute value / 127, a number is q = round(x / scale).
 * What computes in int8 finds the same q again in q * scale. Matrices are I8, their
 * scales F32 vectors called NAME_scale.
 */
#ifndef BS_STORE_QUANTIZE_H
#define BS_STORE_QUANTIZE_H

#include "store/tensors.h"

struct bs_quantized;

/* `tensors` under canonical names, of the types that bs reads; names and what does not
 * change are borrowed. BS_DATA if a value of a matrix is not finite. */
int bs_quantized_new(struct bs_quantized **quantized, const struct bs_tensor *tensors,
                     size_t count, struct bs_error *error) BS_MUST_CHECK;
void bs_quantized_free(struct bs_quantized *quantized);

/* The tensors, scales among them. */
const struct bs_tensor *bs_quantized_list(const struct bs_quantized *quantized,
                                          size_t *count);

#endif
