/*
 * Matrix products in fp32 of column-major matrices, in a fixed order: k is cut into
 * `splits` parts and each part into chunks; a chunk is summed from zero in order of k,
 * chunks are added in order, then parts. Different algorithms thus differ in their last
 * bits, as the real ones do.
 */
#ifndef BS_STANDIN_PRODUCT_H
#define BS_STANDIN_PRODUCT_H

#include <cublasLt.h>

namespace standin {

struct Matrix {
    cudaDataType_t type;
    int64_t rows, columns, ld;
    const void *data;
};

struct Product {
    Matrix a, b; /* as stored */
    bool a_transposed, b_transposed, tf32;
    int64_t m, n, k;
    int splits, chunk;
    float *parts; /* splits > 1: device memory, splits x n x m */
};

size_t type_bytes(cudaDataType_t type);
float element(cudaDataType_t type, const void *data, int64_t index);
void set_element(cudaDataType_t type, void *data, int64_t index, float value);

/* sums[n][m] = op(A) op(B). */
void multiply(const Product &product, float *sums);

} // namespace standin

#endif
