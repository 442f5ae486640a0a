/*
 * Row-major products as cuBLASLt's column-major ones: a row-major matrix [r, c] is the
 * column-major matrix [c, r], so d = x w is asked for as d' = w' x': the library's A is
 * our w, its B our x, its m our n.
 */
#include "compute/cuda/cublaslt.h"

#include "common/buffer.h"
#include "compute/cuda/cuda.h"

#include <cublasLt.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* Rows for which a pinned product's algorithm is chosen; its plan serves any number. */
enum { PINNED_ROWS = 2048 };

/* Finer alignments make no difference; asking for them would make the choice depend on
 * where a batch happens to lie. */
enum { MOST_ALIGNMENT = 16 };

/* What an algorithm is chosen for: shape (of pinned products, for PINNED_ROWS rows), and
 * the alignment of all four matrices. */
struct key {
    struct bs_lt_shape shape;
    uint32_t alignment[4]; /* A, B, C, D */
};

struct plan {
    struct key key;
    cublasLtMatmulDesc_t desc;
    cublasLtMatrixLayout_t a, b, d;
    cublasLtMatmulAlgo_t algorithm;
    struct plan *next;
};

enum { N_BUCKETS = 256 };

struct bs_lt {
    cublasLtHandle_t handle;
    pthread_mutex_t mutex;
    struct plan *plans[N_BUCKETS];
};

/* What to do. The status does not tell why a device is lost; any call to it does. */
static const char *remedy(cublasStatus_t status) {
    cudaError_t cause = cudaFree(NULL);
    (void)cudaGetLastError();
    return status == CUBLAS_STATUS_ALLOC_FAILED ? cuda_remedy(cudaErrorMemoryAllocation)
           : status != CUBLAS_STATUS_EXECUTION_FAILED ? ""
           : cause != cudaSuccess                     ? cuda_remedy(cause)
                                  : cuda_remedy(cudaErrorLaunchFailure);
}

static int lt_failed(struct bs_error *error, const struct bs_lt_shape *s,
                     cublasStatus_t status) {
    static const char *const names[] = {"fp32", "bf16", "fp16"};
    return bs_fail(error, BS_DEVICE, "cuBLASLt, [%lld, %lld] by [%lld, %lld] in %s: %s%s",
                   (long long)s->m, (long long)s->k, (long long)s->k, (long long)s->n,
                   names[s->type], cublasLtGetStatusString(status), remedy(status));
}

int bs_lt_new(struct bs_lt **result, struct bs_error *error) {
    struct bs_lt *lt = bs_alloc(1, sizeof *lt);
    if (!lt)
        return bs_fail_memory(error, sizeof *lt, "matrix products");
    cublasStatus_t status = cublasLtCreate(&lt->handle);
    if (status != CUBLAS_STATUS_SUCCESS) {
        free(lt);
        return bs_fail(error, BS_DEVICE, "cuBLASLt: %s%s",
                       cublasLtGetStatusString(status), remedy(status));
    }
    pthread_mutex_init(&lt->mutex, NULL);
    *result = lt;
    return BS_OK;
}

static void plan_free(struct plan *plan) {
    if (!plan)
        return;
    if (plan->a)
        cublasLtMatrixLayoutDestroy(plan->a);
    if (plan->b)
        cublasLtMatrixLayoutDestroy(plan->b);
    if (plan->d)
        cublasLtMatrixLayoutDestroy(plan->d);
    if (plan->desc)
        cublasLtMatmulDescDestroy(plan->desc);
    free(plan);
}

void bs_lt_free(struct bs_lt *lt) {
    if (!lt)
        return;
    for (int i = 0; i < N_BUCKETS; i++)
        while (lt->plans[i]) {
            struct plan *next = lt->plans[i]->next;
            plan_free(lt->plans[i]);
            lt->plans[i] = next;
        }
    cublasLtDestroy(lt->handle);
    pthread_mutex_destroy(&lt->mutex);
    free(lt);
}

bool bs_lt_serves(enum bs_type type, enum bs_type d_type) {
    return d_type == BS_F32 || d_type == type;
}

/* ---- making a plan -------------------------------------------------------------- */

static cudaDataType_t data_type(enum bs_type type) {
    return type == BS_F32 ? CUDA_R_32F : type == BS_BF16 ? CUDA_R_16BF : CUDA_R_16F;
}

static cublasStatus_t make_desc(cublasLtMatmulDesc_t *desc, const struct bs_lt_shape *s) {
    cublasOperation_t a = s->w_turned ? CUBLAS_OP_T : CUBLAS_OP_N;
    cublasOperation_t b = s->x_turned ? CUBLAS_OP_T : CUBLAS_OP_N;
    cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;
    cublasStatus_t status = cublasLtMatmulDescCreate(
        desc, s->tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F);
    if (!status)
        status = cublasLtMatmulDescSetAttribute(*desc, CUBLASLT_MATMUL_DESC_TRANSA, &a,
                                                sizeof a);
    if (!status)
        status = cublasLtMatmulDescSetAttribute(*desc, CUBLASLT_MATMUL_DESC_TRANSB, &b,
                                                sizeof b);
    if (!status && s->bias)
        status = cublasLtMatmulDescSetAttribute(*desc, CUBLASLT_MATMUL_DESC_EPILOGUE,
                                                &epilogue, sizeof epilogue);
    return status;
}

/* A row-major matrix stored as `rows` rows of `columns`. */
static cublasStatus_t make_layout(cublasLtMatrixLayout_t *layout, enum bs_type type,
                                  int64_t rows, int64_t columns, int64_t row) {
    return cublasLtMatrixLayoutCreate(layout, data_type(type), (uint64_t)columns,
                                      (uint64_t)rows, row);
}

static cublasStatus_t make_layouts(struct plan *plan) {
    const struct bs_lt_shape *s = &plan->key.shape;
    cublasStatus_t status = make_layout(&plan->a, s->type, s->w_turned ? s->n : s->k,
                                        s->w_turned ? s->k : s->n, s->w_row);
    if (!status)
        status = make_layout(&plan->b, s->type, s->x_turned ? s->k : s->m,
                             s->x_turned ? s->m : s->k, s->x_row);
    if (!status)
        status = make_layout(&plan->d, s->d_type, s->m, s->n, s->d_row);
    return status;
}

static cublasStatus_t set_preference(cublasLtMatmulPreference_t preference,
                                     const struct key *key) {
    static const cublasLtMatmulPreferenceAttributes_t alignments[4] = {
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
    /* Sums of a split k in place would be in the order of arrival. */
    uint32_t reductions = key->shape.pinned ? CUBLASLT_REDUCTION_SCHEME_NONE
                                            : CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    size_t workspace = BS_LT_WORKSPACE;
    cublasStatus_t status = cublasLtMatmulPreferenceSetAttribute(
        preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace,
        sizeof workspace);
    if (!status)
        status = cublasLtMatmulPreferenceSetAttribute(
            preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &reductions,
            sizeof reductions);
    for (int i = 0; i < 4 && !status; i++)
        status = cublasLtMatmulPreferenceSetAttribute(
            preference, alignments[i], &key->alignment[i], sizeof key->alignment[i]);
    return status;
}

static cublasStatus_t choose(struct bs_lt *lt, struct plan *plan) {
    cublasLtMatmulPreference_t preference = NULL;
    cublasLtMatmulHeuristicResult_t found;
    int n_found = 0;
    cublasStatus_t status = cublasLtMatmulPreferenceCreate(&preference);
    if (!status)
        status = set_preference(preference, &plan->key);
    if (!status)
        status = cublasLtMatmulAlgoGetHeuristic(lt->handle, plan->desc, plan->a, plan->b,
                                                plan->d, plan->d, preference, 1, &found,
                                                &n_found);
    if (!status && n_found < 1)
        status = CUBLAS_STATUS_NOT_SUPPORTED;
    if (!status)
        plan->algorithm = found.algo;
    if (preference)
        cublasLtMatmulPreferenceDestroy(preference);
    return status;
}

static cublasStatus_t build(struct bs_lt *lt, struct plan *plan) {
    cublasStatus_t status = make_desc(&plan->desc, &plan->key.shape);
    if (!status)
        status = make_layouts(plan);
    return status ? status : choose(lt, plan);
}

/* ---- the cache ------------------------------------------------------------------ */

static uint32_t alignment_of(const void *data, int64_t row, enum bs_type type) {
    uintptr_t bits =
        (uintptr_t)data | (uintptr_t)row * bs_type_size(type) | MOST_ALIGNMENT;
    return (uint32_t)(bits & -bits);
}

static bool same_shape(const struct bs_lt_shape *a, const struct bs_lt_shape *b) {
    return a->m == b->m && a->n == b->n && a->k == b->k && a->type == b->type &&
           a->d_type == b->d_type && a->x_turned == b->x_turned &&
           a->w_turned == b->w_turned && a->x_row == b->x_row && a->w_row == b->w_row &&
           a->d_row == b->d_row && a->bias == b->bias && a->accumulate == b->accumulate &&
           a->pinned == b->pinned && a->tf32 == b->tf32;
}

static bool same_key(const struct key *a, const struct key *b) {
    return same_shape(&a->shape, &b->shape) &&
           !memcmp(a->alignment, b->alignment, sizeof a->alignment);
}

static size_t bucket_of(const struct bs_lt_shape *s) {
    uint64_t mixed = (uint64_t)s->m * 0x9E3779B97F4A7C15U ^
                     (uint64_t)s->n * 0xC2B2AE3D27D4EB4FU ^
                     (uint64_t)s->k * 0x165667B19E3779F9U;
    return mixed >> 56;
}

static int find_plan(struct plan **found, struct bs_lt *lt, const struct key *key,
                     struct bs_error *error) {
    struct plan **bucket = &lt->plans[bucket_of(&key->shape)];
    for (struct plan *plan = *bucket; plan; plan = plan->next)
        if (same_key(&plan->key, key)) {
            *found = plan;
            return BS_OK;
        }
    struct plan *made = bs_alloc(1, sizeof *made);
    if (!made)
        return bs_fail_memory(error, sizeof *made, "a matrix product");
    made->key = *key;
    cublasStatus_t status = build(lt, made);
    if (status != CUBLAS_STATUS_SUCCESS) {
        plan_free(made);
        return lt_failed(error, &key->shape, status);
    }
    made->next = *bucket;
    *found = *bucket = made;
    return BS_OK;
}

/* A pinned plan's x, which is not turned, and d get so many rows. */
static cublasStatus_t set_rows(struct plan *plan, int64_t m) {
    uint64_t columns = (uint64_t)m;
    cublasStatus_t status = cublasLtMatrixLayoutSetAttribute(
        plan->b, CUBLASLT_MATRIX_LAYOUT_COLS, &columns, sizeof columns);
    return status ? status
                  : cublasLtMatrixLayoutSetAttribute(plan->d, CUBLASLT_MATRIX_LAYOUT_COLS,
                                                     &columns, sizeof columns);
}

static cublasStatus_t run(struct bs_lt *lt, struct plan *plan, int64_t m,
                          cudaStream_t stream, void *workspace, struct bs_lt_operands o) {
    float one = 1, beta = plan->key.shape.accumulate ? 1 : 0;
    cublasStatus_t status = CUBLAS_STATUS_SUCCESS;
    if (plan->key.shape.pinned)
        status = set_rows(plan, m);
    if (!status && plan->key.shape.bias)
        status = cublasLtMatmulDescSetAttribute(
            plan->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &o.bias, sizeof o.bias);
    if (!status)
        status = cublasLtMatmul(lt->handle, plan->desc, &one, o.w, plan->a, o.x, plan->b,
                                &beta, o.d, plan->d, o.d, plan->d, &plan->algorithm,
                                workspace, BS_LT_WORKSPACE, stream);
    return status;
}

int bs_lt_product(struct bs_lt *lt, cudaStream_t stream, void *workspace,
                  const struct bs_lt_shape *shape, struct bs_lt_operands operands,
                  struct bs_error *error) {
    uint32_t d = alignment_of(operands.d, shape->d_row, shape->d_type);
    struct key key = {.shape = *shape,
                      .alignment = {alignment_of(operands.w, shape->w_row, shape->type),
                                    alignment_of(operands.x, shape->x_row, shape->type),
                                    d, d}};
    struct plan *plan = NULL;
    if (shape->pinned)
        key.shape.m = PINNED_ROWS;
    pthread_mutex_lock(&lt->mutex);
    int code = find_plan(&plan, lt, &key, error);
    if (!code) {
        cublasStatus_t status = run(lt, plan, shape->m, stream, workspace, operands);
        if (status != CUBLAS_STATUS_SUCCESS)
            code = lt_failed(error, shape, status);
    }
    pthread_mutex_unlock(&lt->mutex);
    return code;
}

const char *bs_lt_version(void) {
    static char text[40];
    size_t version = cublasLtGetVersion();
    snprintf(text, sizeof text, "cuBLASLt %zu.%zu.%zu", version / 10000,
             version / 100 % 100, version % 100);
    return text;
}
