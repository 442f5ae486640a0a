/* Inside cuBLASLt's stand-in: what its opaque objects hold, and the attributes' table. */
#ifndef BS_STANDIN_LT_H
#define BS_STANDIN_LT_H

#include "standin_state.h"

#include <cublasLt.h>

namespace standin {

struct Layout {
    int32_t type, order;
    uint64_t rows, columns;
    int64_t ld, stride;
    int32_t batches;
};

struct Desc {
    int32_t compute, scale, pointer_mode, a_op, b_op, c_op, fill, bias_type;
    const void *bias;
    uint32_t epilogue;
};

struct Algo {
    uint32_t made; /* algo_made, or it was never filled */
    int32_t id;
    uint32_t tile;
    int32_t splits;
    uint32_t reduction, swizzling, custom, stages;
    uint16_t inner_shape, cluster_shape;
    uint32_t alignment; /* that pointers, leading dimensions and bias must have */
};
constexpr uint32_t algo_made = 0xB5A160;

struct Preference {
    uint64_t workspace;
    uint32_t search, reductions;
    uint32_t alignment[4]; /* of A, B, C, D */
};

/* Where an attribute lies in such a struct. */
struct Field {
    int attribute;
    size_t offset, bytes;
};

template <class Inner, class Outer> Inner &inside(Outer *outer) {
    static_assert(sizeof(Inner) <= sizeof(Outer), "fits into the opaque object");
    return *reinterpret_cast<Inner *>(outer->data);
}
template <class Inner, class Outer> const Inner &inside(const Outer *outer) {
    return *reinterpret_cast<const Inner *>(outer->data);
}

cublasStatus_t set_field(const Field *fields, size_t n, int attribute, void *object,
                         const void *value, size_t bytes);
cublasStatus_t get_field(const Field *fields, size_t n, int attribute, const void *object,
                         void *value, size_t bytes, size_t *written);

/* The status of a call that must not go on, or success. */
cublasStatus_t lt_status(const Call &call);

/* A product as asked for, without pointers. */
struct Problem {
    Desc desc;
    Layout a, b, c, d;
    int64_t m, n, k;
};

/* Success, or why it cannot be. */
cublasStatus_t understand(Problem *problem, cublasLtMatmulDesc_t desc,
                          cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                          cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d);

/* What the algorithm needs, and how long its chunks of k are. */
size_t algo_workspace(const Algo &algo, const Problem &problem);
int algo_chunk(const Algo &algo);

/* The heuristic's first choice. */
Algo choose_algo(const Problem &problem, const Preference &preference);

} // namespace standin

#endif
