/* cuBLASLt's stand-in: which algorithm is taken, its configuration, and refusals. */
#include "lt_call.h"

/* The first column of a product of random numbers, and the algorithm taken. */
static std::vector<float> first_column(int n, bool split_allowed,
                                       const cublasLtMatmulAlgo_t *pinned,
                                       cublasLtMatmulAlgo_t *taken) {
    Call call(CUBLAS_COMPUTE_32F);
    Stored a(512, 64, 0, 1, CUDA_R_32F, 1), b(512, n, 0, 1, CUDA_R_32F, 1);
    Stored d(64, n, 0, 1, CUDA_R_32F, 1);
    for (Stored *stored : {&a, &b})
        for (size_t i = 0; i < stored->values.size(); i++)
            put(stored->bytes.data(), CUDA_R_32F, i,
                sinf(static_cast<float>(i % 100000) * 0.7F));
    call.operand(0, a);
    call.operand(1, b);
    call.operand(2, d);
    call.operand(3, d);
    call.set(CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T);
    uint32_t mask =
        split_allowed ? CUBLASLT_REDUCTION_SCHEME_MASK : CUBLASLT_REDUCTION_SCHEME_NONE;
    OK(cublasLtMatmulPreferenceSetAttribute(
        call.preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &mask, sizeof mask));
    cublasLtMatmulHeuristicResult_t result;
    OK(call.choose(&result));
    *taken = result.algo;
    OK(call.multiply(pinned ? pinned : &result.algo));
    std::vector<float> got(64);
    MUST(cudaMemcpy(got.data(), call.device[3], 256, cudaMemcpyDeviceToHost));
    return got;
}

static int32_t splits_of(const cublasLtMatmulAlgo_t &algo) {
    int32_t splits = 0;
    OK(cublasLtMatmulAlgoConfigGetAttribute(&algo, CUBLASLT_ALGO_CONFIG_SPLITK_NUM,
                                            &splits, sizeof splits, nullptr));
    return splits;
}

static void test_algorithms(void) {
    fresh();
    cublasLtMatmulAlgo_t one, many, without, other;
    std::vector<float> alone = first_column(1, true, nullptr, &one);
    std::vector<float> among = first_column(300, true, nullptr, &many);
    check(splits_of(one) == 2 && splits_of(many) == 1 && alone != among,
          "left alone, the heuristic changes the last bits with the number of columns");
    std::vector<float> whole = first_column(1, false, nullptr, &without);
    check(splits_of(without) == 1 && whole != among,
          "without splits it still does: by its tiles");
    check(first_column(1, false, &without, &other) ==
              first_column(300, false, &without, &other),
          "one algorithm pinned gives the same bits for 1 column and 300");
    double worst = 0;
    for (int i = 0; i < 64; i++)
        worst = std::max(worst, fabs(static_cast<double>(alone[i] - among[i])));
    check(worst > 0 && worst < 1e-3, "and it is the last bits alone (%g)", worst);
}

static cublasStatus_t configured(cublasLtMatmulAlgoConfigAttributes_t attribute,
                                 int32_t value, size_t workspace) {
    Call call(CUBLAS_COMPUTE_32F);
    for (int i = 0; i < 4; i++)
        call.operand(i, Stored(8, 8, 0, 1, CUDA_R_32F, 1));
    cublasLtMatmulAlgo_t algo;
    int id, found;
    OK(cublasLtMatmulAlgoGetIds(call.handle, CUBLAS_COMPUTE_32F, CUDA_R_32F, CUDA_R_32F,
                                CUDA_R_32F, CUDA_R_32F, CUDA_R_32F, 1, &id, &found));
    OK(cublasLtMatmulAlgoInit(call.handle, CUBLAS_COMPUTE_32F, CUDA_R_32F, CUDA_R_32F,
                              CUDA_R_32F, CUDA_R_32F, CUDA_R_32F, id, &algo));
    OK(cublasLtMatmulAlgoConfigSetAttribute(&algo, attribute, &value, sizeof value));
    if (attribute == CUBLASLT_ALGO_CONFIG_SPLITK_NUM) {
        uint32_t scheme = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
        OK(cublasLtMatmulAlgoConfigSetAttribute(
            &algo, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, &scheme, sizeof scheme));
    }
    cublasLtMatmulHeuristicResult_t result;
    cublasStatus_t status =
        cublasLtMatmulAlgoCheck(call.handle, call.desc, call.layout[0], call.layout[1],
                                call.layout[2], call.layout[3], &algo, &result);
    if (status != CUBLAS_STATUS_SUCCESS)
        return status;
    call.workspace_bytes = workspace;
    return call.multiply(&algo);
}

static void test_configuration(void) {
    fresh();
    check(configured(CUBLASLT_ALGO_CONFIG_SPLITK_NUM, 2, 512) == CUBLAS_STATUS_SUCCESS &&
              configured(CUBLASLT_ALGO_CONFIG_SPLITK_NUM, 2, 511) ==
                  CUBLAS_STATUS_INVALID_VALUE,
          "splits need their workspace");
    check(configured(CUBLASLT_ALGO_CONFIG_TILE_ID, 20, 0) == CUBLAS_STATUS_SUCCESS &&
              configured(CUBLASLT_ALGO_CONFIG_TILE_ID, 1, 0) ==
                  CUBLAS_STATUS_NOT_SUPPORTED &&
              configured(CUBLASLT_ALGO_CONFIG_ID, 7, 0) == CUBLAS_STATUS_INVALID_VALUE,
          "tiles and algorithms that there are");
    cublasLtMatmulAlgo_t never = {};
    Call call(CUBLAS_COMPUTE_32F);
    for (int i = 0; i < 4; i++)
        call.operand(i, Stored(8, 8, 0, 1, CUDA_R_32F, 1));
    check(call.multiply(&never) == CUBLAS_STATUS_INVALID_VALUE,
          "an algorithm that was never filled");
    check(call.multiply(nullptr) == CUBLAS_STATUS_SUCCESS, "none: the heuristic's");
}

/* A pointer less aligned than the preference promised, 256 bytes unless said. */
static cublasStatus_t misaligned(size_t shift, uint32_t promised) {
    Call call(CUBLAS_COMPUTE_32F);
    for (int i = 0; i < 4; i++)
        call.operand(i, Stored(8, 9, 0, 1, CUDA_R_32F, 1));
    uint64_t columns = 8;
    for (cublasLtMatrixLayout_t layout : call.layout)
        OK(cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_COLS, &columns,
                                            sizeof columns));
    if (promised)
        OK(cublasLtMatmulPreferenceSetAttribute(
            call.preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &promised,
            sizeof promised));
    cublasLtMatmulHeuristicResult_t result;
    OK(call.choose(&result));
    call.device[0] += shift;
    cublasStatus_t status = call.multiply(&result.algo);
    call.device[0] -= shift;
    return status;
}

static void test_alignment(void) {
    fresh();
    check(misaligned(16, 0) == CUBLAS_STATUS_SUCCESS &&
              misaligned(8, 0) == CUBLAS_STATUS_NOT_SUPPORTED &&
              misaligned(8, 8) == CUBLAS_STATUS_SUCCESS,
          "operands are aligned to 16 bytes, or to what was promised");
}

/* ---- refusals --------------------------------------------------------------------- */

static cublasStatus_t attempt(cudaDataType_t a, cudaDataType_t b, cudaDataType_t c,
                              const std::function<void(Call &)> &change) {
    Call call(CUBLAS_COMPUTE_32F);
    call.operand(0, Stored(8, 8, 0, 1, a, 1));
    call.operand(1, Stored(8, 8, 0, 1, b, 1));
    call.operand(2, Stored(8, 8, 0, 1, c, 1));
    call.operand(3, Stored(8, 8, 0, 1, c, 1));
    std::vector<char *> device = call.device;
    change(call);
    cublasStatus_t status = call.multiply(nullptr);
    call.device = device;
    return status;
}

static void test_refusals(void) {
    fresh();
    constexpr cudaDataType_t f32 = CUDA_R_32F, f16 = CUDA_R_16F, bf16 = CUDA_R_16BF;
    auto nothing = [](Call &) {};
    check(attempt(f32, f32, f32, nothing) == CUBLAS_STATUS_SUCCESS &&
              attempt(bf16, bf16, f32, nothing) == CUBLAS_STATUS_SUCCESS,
          "what is supported");
    check(attempt(f16, bf16, f32, nothing) == CUBLAS_STATUS_NOT_SUPPORTED &&
              attempt(f32, f32, f16, nothing) == CUBLAS_STATUS_NOT_SUPPORTED &&
              attempt(bf16, bf16, f16, nothing) == CUBLAS_STATUS_NOT_SUPPORTED,
          "types that do not go together");
    for (int epilogue :
         {CUBLASLT_EPILOGUE_GELU, CUBLASLT_EPILOGUE_GELU_BIAS, CUBLASLT_EPILOGUE_RELU,
          CUBLASLT_EPILOGUE_BGRADA, CUBLASLT_EPILOGUE_BGRADB})
        check(attempt(f32, f32, f32,
                      [epilogue](Call &call) {
                          call.set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
                      }) == CUBLAS_STATUS_NOT_SUPPORTED,
              "epilogue %d", epilogue);
    check(attempt(bf16, bf16, bf16,
                  [](Call &call) {
                      call.set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, CUDA_R_32F);
                  }) == CUBLAS_STATUS_NOT_SUPPORTED,
          "a bias of another type than D");
    check(attempt(f32, f32, f32,
                  [](Call &call) {
                      call.set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
                  }) == CUBLAS_STATUS_INVALID_VALUE,
          "a bias that is not set");
    check(attempt(f32, f32, f32, [](Call &call) { call.device[3] = call.device[0]; }) ==
              CUBLAS_STATUS_INVALID_VALUE,
          "D on A");
    check(attempt(f32, f32, f32, [](Call &call) { call.device[1] += 4; }) ==
              CUBLAS_STATUS_INVALID_VALUE,
          "an operand that ends outside of its memory");
    check(attempt(f32, f32, f32,
                  [](Call &call) {
                      uint64_t rows = 7;
                      OK(cublasLtMatrixLayoutSetAttribute(call.layout[1],
                                                          CUBLASLT_MATRIX_LAYOUT_ROWS,
                                                          &rows, sizeof rows));
                  }) == CUBLAS_STATUS_INVALID_VALUE,
          "shapes that do not go together");
    bs_standin_device(1, 75, 1 << 24, CUDART_VERSION);
    check(attempt(bf16, bf16, f32, nothing) == CUBLAS_STATUS_NOT_SUPPORTED &&
              attempt(f16, f16, f32, nothing) == CUBLAS_STATUS_SUCCESS,
          "bf16 on sm_75");
}

int main(void) {
    test_algorithms();
    test_configuration();
    test_alignment();
    test_refusals();
    return tap_end();
}
