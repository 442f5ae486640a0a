/* cublasLtMatmul: checked when it is called, computed when the stream gets to it. */
#include "standin_lt.h"
#include "standin_memory.h"
#include "standin_product.h"
#include "standin_streams.h"

#include <vector>

namespace standin {

struct Matmul {
    Problem problem;
    Algo algo;
    const char *a, *b, *c;
    char *d;
    float alpha, beta;
    const float *alpha_device, *beta_device; /* null: the values above */
    void *workspace;
};

static size_t extent(const Layout &layout) {
    int64_t elements = (static_cast<int64_t>(layout.columns) - 1) * layout.ld +
                       static_cast<int64_t>(layout.rows) +
                       layout.stride * (layout.batches - 1);
    return static_cast<size_t>(elements) *
           type_bytes(static_cast<cudaDataType_t>(layout.type));
}

static bool overlap(const char *x, size_t x_bytes, const char *y, size_t y_bytes) {
    return x < y + y_bytes && y < x + x_bytes;
}

/* Whether every operand lies in device memory, and D on none of the others. */
static bool memory_good(const Matmul &mm) {
    const Problem &p = mm.problem;
    bool reads_c = mm.beta_device || mm.beta != 0;
    size_t bias_bytes =
        static_cast<size_t>(p.m) * type_bytes(static_cast<cudaDataType_t>(p.d.type));
    bool same = mm.c == mm.d && p.c.ld == p.d.ld && p.c.stride == p.d.stride;
    size_t d = extent(p.d);
    return is_device(mm.a, extent(p.a)) && is_device(mm.b, extent(p.b)) &&
           is_device(mm.d, d) && (!reads_c || is_device(mm.c, extent(p.c))) &&
           (p.desc.epilogue != CUBLASLT_EPILOGUE_BIAS ||
            is_device(p.desc.bias, bias_bytes)) &&
           !overlap(mm.a, extent(p.a), mm.d, d) && !overlap(mm.b, extent(p.b), mm.d, d) &&
           (!reads_c || same || !overlap(mm.c, extent(p.c), mm.d, d));
}

static bool aligned(const Matmul &mm) {
    uintptr_t all = reinterpret_cast<uintptr_t>(mm.a) |
                    reinterpret_cast<uintptr_t>(mm.b) | reinterpret_cast<uintptr_t>(mm.d);
    if (mm.problem.desc.epilogue == CUBLASLT_EPILOGUE_BIAS)
        all |= reinterpret_cast<uintptr_t>(mm.problem.desc.bias);
    return all % mm.algo.alignment == 0;
}

static Matrix matrix(const Layout &layout, const char *data, int batch) {
    cudaDataType_t type = static_cast<cudaDataType_t>(layout.type);
    return {type, static_cast<int64_t>(layout.rows), static_cast<int64_t>(layout.columns),
            layout.ld,
            data + static_cast<size_t>(batch * layout.stride) * type_bytes(type)};
}

static void finish(const Matmul &mm, int batch, const float *sums) {
    const Problem &p = mm.problem;
    float alpha = mm.alpha_device ? *mm.alpha_device : mm.alpha;
    float beta = mm.beta_device ? *mm.beta_device : mm.beta;
    Matrix c = matrix(p.c, mm.c, batch), d = matrix(p.d, mm.d, batch);
    bool bias = p.desc.epilogue == CUBLASLT_EPILOGUE_BIAS;
    for (int64_t column = 0; column < p.n; column++)
        for (int64_t row = 0; row < p.m; row++) {
            float value = alpha * sums[column * p.m + row];
            if (beta != 0)
                value += beta * element(c.type, c.data, row + column * c.ld);
            if (bias)
                value += element(d.type, p.desc.bias, row);
            set_element(d.type, const_cast<void *>(d.data), row + column * d.ld, value);
        }
}

static void run(const Matmul &mm) {
    const Problem &p = mm.problem;
    if (!memory_good(mm))
        return fault(cudaErrorIllegalAddress,
                     "cublasLtMatmul: device memory was freed before the product ran");
    count(BS_STANDIN_PRODUCTS);
    std::vector<float> sums(static_cast<size_t>(p.m * p.n));
    for (int batch = 0; batch < p.a.batches; batch++) {
        Product product = {matrix(p.a, mm.a, batch),
                           matrix(p.b, mm.b, batch),
                           p.desc.a_op != CUBLAS_OP_N,
                           p.desc.b_op != CUBLAS_OP_N,
                           p.desc.compute == CUBLAS_COMPUTE_32F_FAST_TF32 &&
                               state.settings.sm >= 80,
                           p.m,
                           p.n,
                           p.k,
                           mm.algo.splits,
                           algo_chunk(mm.algo),
                           static_cast<float *>(mm.workspace)};
        multiply(product, sums.data());
        finish(mm, batch, sums.data());
    }
}

static cublasStatus_t prepare(Matmul *mm, const void *alpha, const void *beta,
                              const cublasLtMatmulAlgo_t *algo, size_t workspace_bytes) {
    const Problem &p = mm->problem;
    if (!alpha || !beta)
        return CUBLAS_STATUS_INVALID_VALUE;
    if (p.desc.pointer_mode == CUBLASLT_POINTER_MODE_HOST) {
        mm->alpha = *static_cast<const float *>(alpha);
        mm->beta = *static_cast<const float *>(beta);
    } else {
        mm->alpha_device = static_cast<const float *>(alpha);
        mm->beta_device = static_cast<const float *>(beta);
        if (!is_device(alpha, 4) || !is_device(beta, 4))
            return CUBLAS_STATUS_INVALID_VALUE;
    }
    Preference preference = {workspace_bytes, 0, CUBLASLT_REDUCTION_SCHEME_MASK, {1}};
    mm->algo = algo ? inside<Algo>(algo) : choose_algo(p, preference);
    size_t need = algo_workspace(mm->algo, p);
    if (mm->algo.made != algo_made || workspace_bytes < need ||
        (need > 0 && !is_device(mm->workspace, need)) || !memory_good(*mm))
        return CUBLAS_STATUS_INVALID_VALUE;
    return aligned(*mm) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

} // namespace standin

using namespace standin;

extern "C" cublasStatus_t
cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void *alpha,
               const void *a, cublasLtMatrixLayout_t a_layout, const void *b,
               cublasLtMatrixLayout_t b_layout, const void *beta, const void *c,
               cublasLtMatrixLayout_t c_layout, void *d, cublasLtMatrixLayout_t d_layout,
               const cublasLtMatmulAlgo_t *algo, void *workspace, size_t workspace_bytes,
               cudaStream_t stream) {
    Call call;
    if (call.status != cudaSuccess)
        return lt_status(call);
    if (!handle)
        return CUBLAS_STATUS_NOT_INITIALIZED;
    Matmul mm = {};
    cublasStatus_t status =
        understand(&mm.problem, desc, a_layout, b_layout, c_layout, d_layout);
    if (status != CUBLAS_STATUS_SUCCESS)
        return status;
    mm.a = static_cast<const char *>(a);
    mm.b = static_cast<const char *>(b);
    mm.c = static_cast<const char *>(c);
    mm.d = static_cast<char *>(d);
    mm.workspace = workspace;
    status = prepare(&mm, alpha, beta, algo, workspace_bytes);
    if (status != CUBLAS_STATUS_SUCCESS)
        return status;
    call.status = enqueue(stream, {"cublasLtMatmul", Work::Plain, [mm] { run(mm); }});
    return lt_status(call);
}
