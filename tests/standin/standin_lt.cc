/* cuBLASLt's objects: handle, layouts, descriptors, preferences and their attributes. */
#include "standin_lt.h"

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <set>

struct cublasLtContext {
    int unused;
};

namespace standin {

static const Field layout_fields[] = {
    {CUBLASLT_MATRIX_LAYOUT_TYPE, offsetof(Layout, type), 4},
    {CUBLASLT_MATRIX_LAYOUT_ORDER, offsetof(Layout, order), 4},
    {CUBLASLT_MATRIX_LAYOUT_ROWS, offsetof(Layout, rows), 8},
    {CUBLASLT_MATRIX_LAYOUT_COLS, offsetof(Layout, columns), 8},
    {CUBLASLT_MATRIX_LAYOUT_LD, offsetof(Layout, ld), 8},
    {CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, offsetof(Layout, batches), 4},
    {CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, offsetof(Layout, stride), 8},
};

static const Field desc_fields[] = {
    {CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, offsetof(Desc, compute), 4},
    {CUBLASLT_MATMUL_DESC_SCALE_TYPE, offsetof(Desc, scale), 4},
    {CUBLASLT_MATMUL_DESC_POINTER_MODE, offsetof(Desc, pointer_mode), 4},
    {CUBLASLT_MATMUL_DESC_TRANSA, offsetof(Desc, a_op), 4},
    {CUBLASLT_MATMUL_DESC_TRANSB, offsetof(Desc, b_op), 4},
    {CUBLASLT_MATMUL_DESC_TRANSC, offsetof(Desc, c_op), 4},
    {CUBLASLT_MATMUL_DESC_FILL_MODE, offsetof(Desc, fill), 4},
    {CUBLASLT_MATMUL_DESC_EPILOGUE, offsetof(Desc, epilogue), 4},
    {CUBLASLT_MATMUL_DESC_BIAS_POINTER, offsetof(Desc, bias), 8},
    {CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, offsetof(Desc, bias_type), 4},
};

static const Field preference_fields[] = {
    {CUBLASLT_MATMUL_PREF_SEARCH_MODE, offsetof(Preference, search), 4},
    {CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, offsetof(Preference, workspace), 8},
    {CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, offsetof(Preference, reductions), 4},
    {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, offsetof(Preference, alignment[0]), 4},
    {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, offsetof(Preference, alignment[1]), 4},
    {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, offsetof(Preference, alignment[2]), 4},
    {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, offsetof(Preference, alignment[3]), 4},
};

static const Field *find(const Field *fields, size_t n, int attribute) {
    for (size_t i = 0; i < n; i++)
        if (fields[i].attribute == attribute)
            return &fields[i];
    return nullptr;
}

cublasStatus_t set_field(const Field *fields, size_t n, int attribute, void *object,
                         const void *value, size_t bytes) {
    const Field *field = find(fields, n, attribute);
    if (!field || !object || !value || bytes != field->bytes)
        return CUBLAS_STATUS_INVALID_VALUE;
    memcpy(static_cast<char *>(object) + field->offset, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t get_field(const Field *fields, size_t n, int attribute, const void *object,
                         void *value, size_t bytes, size_t *written) {
    const Field *field = find(fields, n, attribute);
    if (!field || !object || (value && bytes < field->bytes))
        return CUBLAS_STATUS_INVALID_VALUE;
    if (written)
        *written = field->bytes;
    if (value)
        memcpy(value, static_cast<const char *>(object) + field->offset, field->bytes);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t lt_status(const Call &call) {
    switch (call.status) {
    case cudaSuccess:
        return CUBLAS_STATUS_SUCCESS;
    case cudaErrorMemoryAllocation:
        return CUBLAS_STATUS_ALLOC_FAILED;
    case cudaErrorNotSupported:
        return CUBLAS_STATUS_NOT_SUPPORTED;
    case cudaErrorInvalidValue:
        return CUBLAS_STATUS_INVALID_VALUE;
    case cudaErrorNoDevice:
    case cudaErrorInsufficientDriver:
    case cudaErrorInitializationError:
        return CUBLAS_STATUS_NOT_INITIALIZED;
    default:
        return is_sticky(call.status) ? CUBLAS_STATUS_EXECUTION_FAILED
                                      : CUBLAS_STATUS_INTERNAL_ERROR;
    }
}

/* Makes an opaque object; destroying it works whatever else is wrong. */
template <class Outer, class Inner>
static cublasStatus_t create(Outer **object, const Inner &inner) {
    Call call;
    if (call.status != cudaSuccess)
        return lt_status(call);
    if (!object)
        return CUBLAS_STATUS_INVALID_VALUE;
    *object = new Outer();
    inside<Inner>(*object) = inner;
    count(BS_STANDIN_LIVE);
    return CUBLAS_STATUS_SUCCESS;
}

template <class Outer> static cublasStatus_t destroy(Outer *object) {
    Call call;
    if (!object)
        return lt_status(call);
    delete object;
    count(BS_STANDIN_LIVE, -1);
    return lt_status(call);
}

static std::set<cublasLtHandle_t> handles;

} // namespace standin

using namespace standin;

#define COUNT(fields) (sizeof(fields) / sizeof((fields)[0]))

extern "C" {

const char *cublasLtGetStatusName(cublasStatus_t status) {
    switch (status) {
    case CUBLAS_STATUS_SUCCESS:
        return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED:
        return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_ALLOC_FAILED:
        return "CUBLAS_STATUS_ALLOC_FAILED";
    case CUBLAS_STATUS_INVALID_VALUE:
        return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_ARCH_MISMATCH:
        return "CUBLAS_STATUS_ARCH_MISMATCH";
    case CUBLAS_STATUS_MAPPING_ERROR:
        return "CUBLAS_STATUS_MAPPING_ERROR";
    case CUBLAS_STATUS_EXECUTION_FAILED:
        return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_INTERNAL_ERROR:
        return "CUBLAS_STATUS_INTERNAL_ERROR";
    case CUBLAS_STATUS_NOT_SUPPORTED:
        return "CUBLAS_STATUS_NOT_SUPPORTED";
    }
    return "CUBLAS_STATUS_UNKNOWN";
}

const char *cublasLtGetStatusString(cublasStatus_t status) {
    return cublasLtGetStatusName(status);
}

const char *cublasGetStatusName(cublasStatus_t status) {
    return cublasLtGetStatusName(status);
}

const char *cublasGetStatusString(cublasStatus_t status) {
    return cublasLtGetStatusName(status);
}

size_t cublasLtGetVersion(void) {
    return CUBLAS_VERSION;
}

size_t cublasLtGetCudartVersion(void) {
    return CUDART_VERSION;
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle) {
    Call call;
    if (call.status != cudaSuccess)
        return lt_status(call);
    if (!handle)
        return CUBLAS_STATUS_INVALID_VALUE;
    *handle = new cublasLtContext();
    handles.insert(*handle);
    count(BS_STANDIN_LIVE);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
    Call call;
    if (handles.erase(handle) == 0)
        return CUBLAS_STATUS_NOT_INITIALIZED;
    delete handle;
    count(BS_STANDIN_LIVE, -1);
    return lt_status(call);
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *layout,
                                          cudaDataType type, uint64_t rows,
                                          uint64_t columns, int64_t ld) {
    return create(layout, Layout{type, CUBLASLT_ORDER_COL, rows, columns, ld, 0, 1});
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
    return destroy(layout);
}

cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                                cublasLtMatrixLayoutAttribute_t attribute,
                                                const void *value, size_t bytes) {
    return set_field(layout_fields, COUNT(layout_fields), attribute, layout, value,
                     bytes);
}

cublasStatus_t cublasLtMatrixLayoutGetAttribute(cublasLtMatrixLayout_t layout,
                                                cublasLtMatrixLayoutAttribute_t attribute,
                                                void *value, size_t bytes,
                                                size_t *written) {
    return get_field(layout_fields, COUNT(layout_fields), attribute, layout, value, bytes,
                     written);
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *desc,
                                        cublasComputeType_t compute,
                                        cudaDataType_t scale) {
    Desc made = {compute,
                 scale,
                 CUBLASLT_POINTER_MODE_HOST,
                 CUBLAS_OP_N,
                 CUBLAS_OP_N,
                 CUBLAS_OP_N,
                 0,
                 -1,
                 nullptr,
                 CUBLASLT_EPILOGUE_DEFAULT};
    return create(desc, made);
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc) {
    return destroy(desc);
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc,
                                              cublasLtMatmulDescAttributes_t attribute,
                                              const void *value, size_t bytes) {
    return set_field(desc_fields, COUNT(desc_fields), attribute, desc, value, bytes);
}

cublasStatus_t cublasLtMatmulDescGetAttribute(cublasLtMatmulDesc_t desc,
                                              cublasLtMatmulDescAttributes_t attribute,
                                              void *value, size_t bytes,
                                              size_t *written) {
    return get_field(desc_fields, COUNT(desc_fields), attribute, desc, value, bytes,
                     written);
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *preference) {
    return create(preference, Preference{0,
                                         CUBLASLT_SEARCH_BEST_FIT,
                                         CUBLASLT_REDUCTION_SCHEME_MASK,
                                         {256, 256, 256, 256}});
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
    return destroy(preference);
}

cublasStatus_t
cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                     cublasLtMatmulPreferenceAttributes_t attribute,
                                     const void *value, size_t bytes) {
    return set_field(preference_fields, COUNT(preference_fields), attribute, preference,
                     value, bytes);
}
}
