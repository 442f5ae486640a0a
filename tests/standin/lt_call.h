/* For the tests of cuBLASLt's stand-in: matrices in memory, and a call with all it needs.
 */
#ifndef BS_STANDIN_LT_CALL_H
#define BS_STANDIN_LT_CALL_H

#include "standin_test.h"

#include <algorithm>
#include <cublasLt.h>
#include <math.h>

#define OK(call) check_status((call), #call, __LINE__)

static inline void check_status(cublasStatus_t status, const char *what, int line) {
    if (status == CUBLAS_STATUS_SUCCESS)
        return;
    fprintf(stderr, "line %d: %s: %s\n", line, what, cublasLtGetStatusName(status));
    exit(1);
}

static inline size_t width(cudaDataType_t type) {
    return type == CUDA_R_32F ? 4 : 2;
}

/* A small whole number, which is exact in every type, as it lies in memory. */
static inline void put(void *to, cudaDataType_t type, size_t i, float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    uint16_t low = static_cast<uint16_t>(bits >> 16);
    if (type == CUDA_R_16F && value != 0)
        low = static_cast<uint16_t>((low & 0x8000) | ((bits >> 23 & 255) - 112) << 10 |
                                    (bits >> 13 & 1023));
    if (type == CUDA_R_32F)
        memcpy(static_cast<char *>(to) + 4 * i, &value, 4);
    else
        memcpy(static_cast<char *>(to) + 2 * i, &low, 2);
}

struct Stored {
    int rows, columns, ld, batches;
    cudaDataType_t type;
    std::vector<float> values; /* of whole columns and batches, gaps NaN */
    std::vector<char> bytes;

    Stored(int r, int c, int gap, int b, cudaDataType_t t, uint64_t seed)
        : rows(r), columns(c), ld(r + gap), batches(b), type(t) {
        values.resize(static_cast<size_t>(ld * c * b), NAN);
        bytes.resize(values.size() * width(t), '\xFF');
        for (size_t i = 0; i < values.size(); i++)
            if (static_cast<int>(i) % ld < r) {
                values[i] = static_cast<float>(static_cast<int>(draw(&seed) % 3) - 1);
                put(bytes.data(), t, i, values[i]);
            }
    }
    float at(int row, int column, int batch) const {
        return values[static_cast<size_t>((batch * columns + column) * ld + row)];
    }
};

/* Everything that a call needs, freed at the end. */
struct Call {
    cublasLtHandle_t handle;
    cublasLtMatmulDesc_t desc;
    cublasLtMatrixLayout_t layout[4];
    cublasLtMatmulPreference_t preference;
    std::vector<char *> device;
    char *workspace;
    size_t workspace_bytes = 1 << 20;
    float alpha = 1, beta = 0;

    explicit Call(cublasComputeType_t compute) {
        OK(cublasLtCreate(&handle));
        OK(cublasLtMatmulDescCreate(&desc, compute, CUDA_R_32F));
        OK(cublasLtMatmulPreferenceCreate(&preference));
        uint64_t bytes = workspace_bytes;
        OK(cublasLtMatmulPreferenceSetAttribute(
            preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &bytes, sizeof bytes));
        std::fill(layout, layout + 4, nullptr);
        MUST(cudaMalloc(&workspace, workspace_bytes));
    }
    ~Call() {
        for (cublasLtMatrixLayout_t one : layout)
            if (one)
                OK(cublasLtMatrixLayoutDestroy(one));
        OK(cublasLtMatmulPreferenceDestroy(preference));
        OK(cublasLtMatmulDescDestroy(desc));
        OK(cublasLtDestroy(handle));
        for (char *memory : device)
            MUST(cudaFree(memory));
        MUST(cudaFree(workspace));
    }
    Call(const Call &) = delete;
    Call &operator=(const Call &) = delete;

    void set(cublasLtMatmulDescAttributes_t attribute, int32_t value) {
        OK(cublasLtMatmulDescSetAttribute(desc, attribute, &value, sizeof value));
    }
    /* Operand `i`: 0 A, 1 B, 2 C, 3 D. */
    void operand(int i, const Stored &m) {
        char *memory;
        MUST(cudaMalloc(&memory, m.bytes.size()));
        MUST(cudaMemcpy(memory, m.bytes.data(), m.bytes.size(), cudaMemcpyHostToDevice));
        device.push_back(memory);
        OK(cublasLtMatrixLayoutCreate(&layout[i], m.type, static_cast<uint64_t>(m.rows),
                                      static_cast<uint64_t>(m.columns), m.ld));
        int64_t stride = static_cast<int64_t>(m.ld) * m.columns;
        int32_t batches = m.batches;
        OK(cublasLtMatrixLayoutSetAttribute(layout[i], CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT,
                                            &batches, sizeof batches));
        OK(cublasLtMatrixLayoutSetAttribute(layout[i],
                                            CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                                            &stride, sizeof stride));
    }
    cublasStatus_t choose(cublasLtMatmulHeuristicResult_t *result) {
        int found = 0;
        return cublasLtMatmulAlgoGetHeuristic(handle, desc, layout[0], layout[1],
                                              layout[2], layout[3], preference, 1, result,
                                              &found);
    }
    cublasStatus_t multiply(const cublasLtMatmulAlgo_t *algo) {
        return cublasLtMatmul(handle, desc, &alpha, device[0], layout[0], device[1],
                              layout[1], &beta, device[2], layout[2], device[3],
                              layout[3], algo, workspace, workspace_bytes, 0);
    }
};

#endif
