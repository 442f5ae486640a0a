/*
 * cuBLASLt's stand-in against plain loops in double: all transpositions and types, longer
 * leading dimensions, alpha and beta, bias, batches, both pointer modes. Small whole
 * numbers are exact, so the bytes must be the same.
 */
#include "lt_call.h"

struct Case {
    int m, n, k;
    bool a_turned, b_turned;
    cudaDataType_t type, out;
    bool bias, in_place;
    int gap, batches;
    float alpha, beta;
};

static Stored operand_a(const Case &c) {
    return Stored(c.a_turned ? c.k : c.m, c.a_turned ? c.m : c.k, c.gap, c.batches,
                  c.type, 1);
}

static Stored operand_b(const Case &c) {
    return Stored(c.b_turned ? c.n : c.k, c.b_turned ? c.k : c.n, c.gap, c.batches,
                  c.type, 2);
}

/* The result as memory, gaps untouched. */
static std::vector<char> by_hand(const Case &c, const Stored &a, const Stored &b,
                                 const Stored &before, const Stored &d,
                                 const Stored &bias) {
    std::vector<char> bytes = d.bytes;
    for (int batch = 0; batch < c.batches; batch++)
        for (int column = 0; column < c.n; column++)
            for (int row = 0; row < c.m; row++) {
                double sum = 0;
                for (int k = 0; k < c.k; k++)
                    sum += static_cast<double>(c.a_turned ? a.at(k, row, batch)
                                                          : a.at(row, k, batch)) *
                           static_cast<double>(c.b_turned ? b.at(column, k, batch)
                                                          : b.at(k, column, batch));
                sum *= static_cast<double>(c.alpha);
                if (c.beta != 0)
                    sum += static_cast<double>(c.beta * before.at(row, column, batch));
                if (c.bias)
                    sum += static_cast<double>(bias.at(row, 0, 0));
                put(bytes.data(), c.out,
                    static_cast<size_t>((batch * c.n + column) * d.ld + row),
                    static_cast<float>(sum));
            }
    return bytes;
}

static bool right(const Case &c) {
    fresh();
    Call call(CUBLAS_COMPUTE_32F);
    Stored a = operand_a(c), b = operand_b(c), bias(c.m, 1, 0, 1, c.out, 5);
    Stored before(c.m, c.n, c.gap, c.batches, c.out, 3);
    Stored d = c.in_place ? before : Stored(c.m, c.n, c.gap + 2, c.batches, c.out, 4);
    for (auto [i, stored] :
         {std::pair<int, Stored *>{0, &a}, {1, &b}, {2, &before}, {3, &d}})
        call.operand(i, *stored);
    if (c.in_place)
        std::swap(call.device[2], call.device[3]);
    char *kept = call.device[2];
    if (c.in_place)
        call.device[2] = call.device[3];
    call.set(CUBLASLT_MATMUL_DESC_TRANSA, c.a_turned ? CUBLAS_OP_T : CUBLAS_OP_N);
    call.set(CUBLASLT_MATMUL_DESC_TRANSB, c.b_turned ? CUBLAS_OP_T : CUBLAS_OP_N);
    call.alpha = c.alpha;
    call.beta = c.beta;
    Array<char> bias_memory(bias.bytes);
    if (c.bias) {
        const void *pointer = bias_memory.data;
        call.set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
        OK(cublasLtMatmulDescSetAttribute(call.desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER,
                                          &pointer, sizeof pointer));
    }
    cublasLtMatmulHeuristicResult_t result;
    OK(call.choose(&result));
    OK(call.multiply(&result.algo));
    std::vector<char> got(d.bytes.size());
    MUST(cudaMemcpy(got.data(), call.device[3], got.size(), cudaMemcpyDeviceToHost));
    call.device[2] = kept;
    return got == by_hand(c, a, b, before, d, bias);
}

static const char *name(cudaDataType_t type) {
    return type == CUDA_R_32F ? "fp32" : type == CUDA_R_16F ? "fp16" : "bf16";
}

static void test_types(cudaDataType_t type, cudaDataType_t out) {
    int wrong = 0, cases = 0;
    for (int shape = 0; shape < 4; shape++)
        for (int turned = 0; turned < 4; turned++)
            for (int extra = 0; extra < 6; extra++) {
                static const int sizes[4][3] = {
                    {1, 1, 1}, {17, 5, 9}, {33, 40, 70}, {16, 4, 64}};
                Case c = {sizes[shape][0],
                          sizes[shape][1],
                          sizes[shape][2],
                          turned % 2 != 0,
                          turned / 2 != 0,
                          type,
                          out,
                          extra == 1 || extra == 4,
                          extra == 2 || extra == 5,
                          extra == 0 ? 0 : 3,
                          extra == 3 ? 3 : 1,
                          1,
                          extra >= 2 ? 1.0F : 0};
                if (extra == 4)
                    c.alpha = 2, c.beta = -1;
                cases++;
                wrong += !right(c);
            }
    check(wrong == 0, "%s to %s: %d products, of them wrong %d", name(type), name(out),
          cases, wrong);
}

/* ---- rounding ------------------------------------------------------------------- */

/* A product of one by one, for the exact result. */
static float single(cublasComputeType_t compute, float a, float b, cudaDataType_t out) {
    fresh();
    Call call(compute);
    for (int i = 0; i < 4; i++)
        call.operand(i, Stored(1, 1, 0, 1, i < 2 ? CUDA_R_32F : out, 1));
    MUST(cudaMemcpy(call.device[0], &a, 4, cudaMemcpyHostToDevice));
    MUST(cudaMemcpy(call.device[1], &b, 4, cudaMemcpyHostToDevice));
    cublasLtMatmulHeuristicResult_t result;
    OK(call.choose(&result));
    OK(call.multiply(&result.algo));
    float d = 0;
    MUST(cudaMemcpy(&d, call.device[3], width(out), cudaMemcpyDeviceToHost));
    return d;
}

static void test_tf32(void) {
    float step = ldexpf(1, -10), a = 1 + step / 2;
    check(single(CUBLAS_COMPUTE_32F, a, 1, CUDA_R_32F) == a, "fp32 keeps 23 bits");
    check(single(CUBLAS_COMPUTE_32F_FAST_TF32, a, 1, CUDA_R_32F) == 1 + step,
          "tf32 keeps 10 of the operands");
}

/* beta 0: what is in C is not looked at. alpha and beta on the device. */
static void test_scalars(void) {
    fresh();
    Call call(CUBLAS_COMPUTE_32F);
    Stored ones(4, 4, 0, 1, CUDA_R_32F, 1);
    for (size_t i = 0; i < 16; i++)
        put(ones.bytes.data(), CUDA_R_32F, i, 1);
    for (int i = 0; i < 4; i++)
        call.operand(i, ones);
    MUST(cudaMemset(call.device[2], 0xFF, 64));
    OK(call.multiply(nullptr));
    float got[16];
    MUST(cudaMemcpy(got, call.device[3], 64, cudaMemcpyDeviceToHost));
    check(got[0] == 4 && got[15] == 4, "beta 0 does not read C");
    Array<float> scalars(std::vector<float>{3, 10});
    call.set(CUBLASLT_MATMUL_DESC_POINTER_MODE, CUBLASLT_POINTER_MODE_DEVICE);
    OK(cublasLtMatmul(call.handle, call.desc, scalars.data, call.device[0],
                      call.layout[0], call.device[1], call.layout[1], scalars.data + 1,
                      call.device[3], call.layout[2], call.device[3], call.layout[3],
                      nullptr, nullptr, 0, 0));
    MUST(cudaMemcpy(got, call.device[3], 64, cudaMemcpyDeviceToHost));
    check(got[0] == 52 && got[15] == 52, "alpha and beta on the device");
}

int main(void) {
    test_types(CUDA_R_32F, CUDA_R_32F);
    test_types(CUDA_R_16BF, CUDA_R_16BF);
    test_types(CUDA_R_16BF, CUDA_R_32F);
    test_types(CUDA_R_16F, CUDA_R_16F);
    test_types(CUDA_R_16F, CUDA_R_32F);
    test_tf32();
    test_scalars();
    return tap_end();
}
