/* cuBLASLt's algorithms: what can be computed, which way is chosen, and its attributes.
 */
#include "standin_lt.h"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace standin {

/* One algorithm, in three tile sizes, with and without splits of k. */
constexpr int32_t only_id = 21;
constexpr uint32_t tile_32x64 = 12, tile_64x64 = 15, tile_128x128 = 20;

static const Field algo_fields[] = {
    {CUBLASLT_ALGO_CONFIG_ID, offsetof(Algo, id), 4},
    {CUBLASLT_ALGO_CONFIG_TILE_ID, offsetof(Algo, tile), 4},
    {CUBLASLT_ALGO_CONFIG_SPLITK_NUM, offsetof(Algo, splits), 4},
    {CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, offsetof(Algo, reduction), 4},
    {CUBLASLT_ALGO_CONFIG_CTA_SWIZZLING, offsetof(Algo, swizzling), 4},
    {CUBLASLT_ALGO_CONFIG_CUSTOM_OPTION, offsetof(Algo, custom), 4},
    {CUBLASLT_ALGO_CONFIG_STAGES_ID, offsetof(Algo, stages), 4},
    {CUBLASLT_ALGO_CONFIG_INNER_SHAPE_ID, offsetof(Algo, inner_shape), 2},
    {CUBLASLT_ALGO_CONFIG_CLUSTER_SHAPE_ID, offsetof(Algo, cluster_shape), 2},
};
constexpr size_t n_algo_fields = sizeof algo_fields / sizeof algo_fields[0];

/* ---- what can be computed -------------------------------------------------------- */

static bool types_known(int32_t a, int32_t b, int32_t c, int32_t d) {
    if (a != b || c != d)
        return false;
    if (a == CUDA_R_32F)
        return c == CUDA_R_32F;
    return (a == CUDA_R_16BF || a == CUDA_R_16F) && (c == a || c == CUDA_R_32F);
}

static cublasStatus_t check_types(const Problem &p) {
    const Desc &desc = p.desc;
    bool tf32 = desc.compute == CUBLAS_COMPUTE_32F_FAST_TF32;
    bool compute = desc.compute == CUBLAS_COMPUTE_32F || tf32;
    if (!compute || desc.scale != CUDA_R_32F ||
        !types_known(p.a.type, p.b.type, p.c.type, p.d.type) ||
        (tf32 && p.a.type != CUDA_R_32F) ||
        (p.a.type == CUDA_R_16BF && state.settings.sm < 80))
        return CUBLAS_STATUS_NOT_SUPPORTED;
    if (desc.epilogue != CUBLASLT_EPILOGUE_DEFAULT &&
        desc.epilogue != CUBLASLT_EPILOGUE_BIAS)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    if (desc.bias_type != -1 && desc.bias_type != p.d.type)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    return CUBLAS_STATUS_SUCCESS;
}

static bool good(const Layout &layout, const Layout &like) {
    return layout.order == CUBLASLT_ORDER_COL && layout.rows > 0 && layout.columns > 0 &&
           layout.ld >= static_cast<int64_t>(layout.rows) &&
           layout.batches == like.batches && layout.batches >= 1;
}

cublasStatus_t understand(Problem *problem, cublasLtMatmulDesc_t desc,
                          cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                          cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d) {
    if (!desc || !a || !b || !c || !d)
        return CUBLAS_STATUS_INVALID_VALUE;
    Problem &p = *problem;
    p.desc = inside<Desc>(desc);
    p.a = inside<Layout>(a), p.b = inside<Layout>(b);
    p.c = inside<Layout>(c), p.d = inside<Layout>(d);
    bool a_turned = p.desc.a_op != CUBLAS_OP_N, b_turned = p.desc.b_op != CUBLAS_OP_N;
    uint64_t m = a_turned ? p.a.columns : p.a.rows, k = a_turned ? p.a.rows : p.a.columns;
    uint64_t n = b_turned ? p.b.rows : p.b.columns;
    if (!good(p.a, p.a) || !good(p.b, p.a) || !good(p.c, p.a) || !good(p.d, p.a) ||
        k != (b_turned ? p.b.columns : p.b.rows) || p.d.rows != m || p.d.columns != n ||
        p.c.rows != m || p.c.columns != n || p.desc.c_op != CUBLAS_OP_N)
        return CUBLAS_STATUS_INVALID_VALUE;
    p.m = static_cast<int64_t>(m);
    p.n = static_cast<int64_t>(n);
    p.k = static_cast<int64_t>(k);
    return check_types(p);
}

/* ---- which way ------------------------------------------------------------------- */

size_t algo_workspace(const Algo &algo, const Problem &p) {
    return algo.splits <= 1 ? 0 : static_cast<size_t>(algo.splits * p.m * p.n) * 4;
}

int algo_chunk(const Algo &algo) {
    return algo.tile == tile_32x64 ? 16 : algo.tile == tile_64x64 ? 32 : 64;
}

/* The greatest power of two, up to 16, that divides all strides and what is promised. */
static uint32_t alignment(const Problem &p, const Preference &preference) {
    auto bytes = [](const Layout &layout) {
        return static_cast<uint64_t>(layout.ld) * (layout.type == CUDA_R_32F ? 4 : 2);
    };
    uint64_t all = 16 | bytes(p.a) | bytes(p.b) | bytes(p.c) | bytes(p.d);
    for (uint32_t promised : preference.alignment)
        all |= promised;
    if (p.desc.epilogue == CUBLASLT_EPILOGUE_BIAS)
        all |= reinterpret_cast<uintptr_t>(p.desc.bias);
    return static_cast<uint32_t>(all & ~(all - 1));
}

Algo choose_algo(const Problem &p, const Preference &preference) {
    Algo algo = {algo_made,
                 only_id,
                 tile_128x128,
                 1,
                 CUBLASLT_REDUCTION_SCHEME_NONE,
                 0,
                 0,
                 0,
                 0,
                 0,
                 alignment(p, preference)};
    algo.tile = p.n <= 32 ? tile_32x64 : p.n <= 96 ? tile_64x64 : tile_128x128;
    Algo split = algo;
    split.splits = 2;
    split.reduction = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    bool may = preference.reductions & CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    if (may && p.k >= 2 * p.n && p.k >= 32 &&
        algo_workspace(split, p) <= preference.workspace)
        return split;
    return algo;
}

static cublasStatus_t inspect(const Algo &algo, const Problem &p,
                              cublasLtMatmulHeuristicResult_t *result) {
    bool tile =
        algo.tile == tile_32x64 || algo.tile == tile_64x64 || algo.tile == tile_128x128;
    if (algo.made != algo_made || algo.id != only_id)
        return CUBLAS_STATUS_INVALID_VALUE;
    if (!tile || algo.splits < 1 || algo.splits > 16 || algo.splits > p.k ||
        (algo.splits > 1) != (algo.reduction != CUBLASLT_REDUCTION_SCHEME_NONE))
        return CUBLAS_STATUS_NOT_SUPPORTED;
    *result = {};
    inside<Algo>(&result->algo) = algo;
    result->workspaceSize = algo_workspace(algo, p);
    result->wavesCount = 1;
    return CUBLAS_STATUS_SUCCESS;
}

/* The first choice, then the other tiles without splits. */
static std::vector<Algo> choices(const Problem &p, const Preference &preference) {
    std::vector<Algo> all = {choose_algo(p, preference)};
    for (uint32_t tile : {tile_64x64, tile_128x128, tile_32x64}) {
        Algo other = all[0];
        other.tile = tile;
        other.splits = 1;
        other.reduction = CUBLASLT_REDUCTION_SCHEME_NONE;
        if (tile != all[0].tile || all[0].splits > 1)
            all.push_back(other);
    }
    return all;
}

} // namespace standin

using namespace standin;

extern "C" {

cublasStatus_t
cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc,
                               cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                               cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                               cublasLtMatmulPreference_t preference, int requested,
                               cublasLtMatmulHeuristicResult_t results[], int *found) {
    Call call;
    if (call.status != cudaSuccess)
        return lt_status(call);
    if (!handle || !preference || requested < 1 || !results || !found)
        return CUBLAS_STATUS_INVALID_VALUE;
    *found = 0;
    Problem problem;
    cublasStatus_t status = understand(&problem, desc, a, b, c, d);
    if (status != CUBLAS_STATUS_SUCCESS)
        return status;
    for (const Algo &algo : choices(problem, inside<Preference>(preference)))
        if (*found < requested &&
            inspect(algo, problem, &results[*found]) == CUBLAS_STATUS_SUCCESS)
            ++*found;
    return *found ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

cublasStatus_t cublasLtMatmulAlgoGetIds(cublasLtHandle_t, cublasComputeType_t,
                                        cudaDataType_t, cudaDataType_t, cudaDataType_t,
                                        cudaDataType_t, cudaDataType_t, int requested,
                                        int ids[], int *found) {
    Call call;
    if (call.status != cudaSuccess)
        return lt_status(call);
    if (requested < 1 || !ids || !found)
        return CUBLAS_STATUS_INVALID_VALUE;
    ids[0] = only_id;
    *found = 1;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoInit(cublasLtHandle_t, cublasComputeType_t,
                                      cudaDataType_t, cudaDataType_t a, cudaDataType_t b,
                                      cudaDataType_t c, cudaDataType_t d, int id,
                                      cublasLtMatmulAlgo_t *algo) {
    Call call;
    if (call.status != cudaSuccess)
        return lt_status(call);
    if (!algo || id != only_id)
        return CUBLAS_STATUS_INVALID_VALUE;
    if (!types_known(a, b, c, d))
        return CUBLAS_STATUS_NOT_SUPPORTED;
    inside<Algo>(algo) = {
        algo_made, only_id, tile_64x64, 1, CUBLASLT_REDUCTION_SCHEME_NONE, 0, 0,
        0,         0,       0,          1};
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc,
                                       cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                       cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                       const cublasLtMatmulAlgo_t *algo,
                                       cublasLtMatmulHeuristicResult_t *result) {
    Call call;
    if (call.status != cudaSuccess)
        return lt_status(call);
    if (!handle || !algo || !result)
        return CUBLAS_STATUS_INVALID_VALUE;
    Problem problem;
    cublasStatus_t status = understand(&problem, desc, a, b, c, d);
    if (status != CUBLAS_STATUS_SUCCESS)
        return status;
    return inspect(inside<Algo>(algo), problem, result);
}

cublasStatus_t
cublasLtMatmulAlgoConfigSetAttribute(cublasLtMatmulAlgo_t *algo,
                                     cublasLtMatmulAlgoConfigAttributes_t attribute,
                                     const void *value, size_t bytes) {
    return set_field(algo_fields, n_algo_fields, attribute, algo, value, bytes);
}

cublasStatus_t
cublasLtMatmulAlgoConfigGetAttribute(const cublasLtMatmulAlgo_t *algo,
                                     cublasLtMatmulAlgoConfigAttributes_t attribute,
                                     void *value, size_t bytes, size_t *written) {
    return get_field(algo_fields, n_algo_fields, attribute, algo, value, bytes, written);
}
}
