/* Matrix products: operands widened and packed, then blocks of 16 rows by 4 columns. */
#include "standin_product.h"
#include "standin_memory.h"
#include "standin_numbers.h"

#include <vector>

namespace standin {

constexpr int64_t block_rows = 16, block_columns = 4;
typedef float Rows __attribute__((vector_size(64), aligned(64)));
static_assert(sizeof(Rows) == block_rows * sizeof(float), "one vector of rows");

size_t type_bytes(cudaDataType_t type) {
    return type == CUDA_R_32F ? 4 : 2;
}

float element(cudaDataType_t type, const void *data, int64_t index) {
    if (type == CUDA_R_32F)
        return static_cast<const float *>(data)[index];
    uint16_t low = static_cast<const uint16_t *>(data)[index];
    return type == CUDA_R_16BF ? float_from_bf16(low) : float_from_fp16(low);
}

void set_element(cudaDataType_t type, void *data, int64_t index, float value) {
    if (type == CUDA_R_32F)
        static_cast<float *>(data)[index] = value;
    else
        static_cast<uint16_t *>(data)[index] =
            type == CUDA_R_16BF ? bf16_from_float(value) : fp16_from_float(value);
}

static int64_t round_up(int64_t n, int64_t to) {
    return (n + to - 1) / to * to;
}

/* A column of a matrix, widened. */
static void widen(const Matrix &matrix, int64_t column, bool tf32, float *to) {
    int64_t from = column * matrix.ld;
    if (matrix.type == CUDA_R_32F)
        copy_bytes(to, static_cast<const float *>(matrix.data) + from,
                   static_cast<size_t>(matrix.rows) * sizeof(float));
    else
        for (int64_t i = 0; i < matrix.rows; i++)
            to[i] = element(matrix.type, matrix.data, from + i);
    for (int64_t i = 0; tf32 && i < matrix.rows; i++)
        to[i] = float_from_tf32(tf32_from_float(to[i]));
}

/* packed[k][width]: the matrix with k running over its rows or its columns. Eight columns
 * are turned at once, so that lines of memory are used whole. */
static std::vector<float> pack(const Matrix &matrix, bool k_is_row, bool tf32,
                               int64_t width) {
    int64_t rows = matrix.rows, columns = matrix.columns;
    std::vector<float> packed(static_cast<size_t>((k_is_row ? rows : columns) * width));
    std::vector<float> turned(static_cast<size_t>(8 * rows));
    for (int64_t column = 0; column < columns; column++) {
        if (!k_is_row) {
            widen(matrix, column, tf32, packed.data() + column * width);
            continue;
        }
        widen(matrix, column, tf32, turned.data() + column % 8 * rows);
        int64_t first = column / 8 * 8;
        if (column % 8 == 7 || column == columns - 1)
            for (int64_t row = 0; row < rows; row++)
                for (int64_t i = first; i <= column; i++)
                    packed[static_cast<size_t>(row * width + i)] =
                        turned[static_cast<size_t>((i - first) * rows + row)];
    }
    return packed;
}

/* sums[4][16] of k from `begin` to `end`. */
__attribute__((target_clones("avx512f", "avx2", "default"))) static void
block(const float *a, int64_t a_width, const float *b, int64_t b_width, int64_t begin,
      int64_t end, int64_t chunk, float *sums) {
    Rows total[block_columns] = {};
    for (int64_t from = begin; from < end; from += chunk) {
        Rows sum[block_columns] = {};
        int64_t to = from + chunk < end ? from + chunk : end;
        for (int64_t k = from; k < to; k++) {
            Rows rows;
            memcpy(&rows, a + k * a_width, sizeof rows);
#pragma GCC unroll 4
            for (int j = 0; j < block_columns; j++)
                sum[j] += rows * b[k * b_width + j];
        }
#pragma GCC unroll 4
        for (int j = 0; j < block_columns; j++)
            total[j] += sum[j];
    }
    memcpy(sums, total, sizeof total);
}

/* sums[n][m] of one part of k. */
static void multiply_part(const Product &p, const std::vector<float> &a, int64_t a_width,
                          const std::vector<float> &b, int64_t b_width, int64_t begin,
                          int64_t end, float *sums) {
    float tile[block_columns * block_rows];
    for (int64_t column = 0; column < p.n; column += block_columns)
        for (int64_t row = 0; row < p.m; row += block_rows) {
            block(a.data() + row, a_width, b.data() + column, b_width, begin, end,
                  p.chunk, tile);
            for (int64_t j = 0; j < block_columns && column + j < p.n; j++)
                for (int64_t i = 0; i < block_rows && row + i < p.m; i++)
                    sums[(column + j) * p.m + row + i] = tile[j * block_rows + i];
        }
}

void multiply(const Product &p, float *sums) {
    int64_t a_width = round_up(p.m, block_rows), b_width = round_up(p.n, block_columns);
    std::vector<float> a = pack(p.a, p.a_transposed, p.tf32, a_width);
    std::vector<float> b = pack(p.b, !p.b_transposed, p.tf32, b_width);
    if (p.splits <= 1)
        return multiply_part(p, a, a_width, b, b_width, 0, p.k, sums);
    for (int i = 0; i < p.splits; i++)
        multiply_part(p, a, a_width, b, b_width, p.k * i / p.splits,
                      p.k * (i + 1) / p.splits, p.parts + i * p.m * p.n);
    for (int64_t at = 0; at < p.m * p.n; at++) {
        sums[at] = 0;
        for (int i = 0; i < p.splits; i++)
            sums[at] += p.parts[i * p.m * p.n + at];
    }
}

} // namespace standin
