/*
 * What can be wrong around the matrix unit: asynchronous copies that nobody waits for,
 * rows of ldmatrix that are not what they must be, products without the whole warp.
 */
#include "compute/cuda/matrix_unit.h"
#include "compute/cuda/warp.h"
#include "standin_test.h"

enum Flaw {
    None,
    NoWait,
    NoCommit,
    WaitForFewer,
    NoBarrier,
    EarlyReuse,
    NeverWaits,
    CopyMisaligned,
    CopyToGlobal,
    CopyFromOutside
};

/* Two tiles of 16 bytes a thread through two buffers, turned around. */
BS_KERNEL(64, 1) void turn_around(uint4 *to, const uint4 *from, Flaw flaw) {
    BS_SHARED(uint4, buffer);
    int me = static_cast<int>(threadIdx.x);
    for (int tile = 0; tile < 2; tile++) {
        bs_copy_async(buffer + 64 * tile + me, from + 64 * tile + me);
        if (flaw != NoCommit || tile == 0)
            bs_copy_commit();
    }
    if (flaw == WaitForFewer)
        bs_copy_wait<1>();
    else if (flaw != NoWait)
        bs_copy_wait<0>();
    if (flaw != NoBarrier)
        __syncthreads();
    for (int tile = 0; tile < 2; tile++)
        to[64 * tile + me] = buffer[64 * tile + 63 - me];
    bs_copy_commit();
    bs_copy_wait<0>();
}

static bool turns_around(Flaw flaw) {
    std::vector<uint4> values(128);
    for (unsigned i = 0; i < 128; i++)
        values[i] = make_uint4(i, i + 1, i + 2, i + 3);
    Array<uint4> from(values), to(128);
    RUN(turn_around, 1, 64, 2048, to.data, from.data, flaw);
    std::vector<uint4> got = to.get();
    bool good = true;
    for (unsigned i = 0; i < 128; i++)
        good = good && got[i].x == i / 64 * 64 + 63 - i % 64;
    return good;
}

/* A copy into a buffer that others still read. */
BS_KERNEL(64, 1) void reuse(uint4 *to, const uint4 *from, Flaw flaw) {
    BS_SHARED(uint4, buffer);
    int me = static_cast<int>(threadIdx.x);
    buffer[me] = from[me];
    __syncthreads();
    to[me] = buffer[63 - me];
    if (flaw != EarlyReuse)
        __syncthreads();
    bs_copy_async(buffer + me, from + 64 + me);
    bs_copy_commit();
    bs_copy_wait<0>();
    __syncthreads();
    to[64 + me] = buffer[63 - me];
}

static bool reuses(Flaw flaw) {
    std::vector<uint4> values(128);
    for (unsigned i = 0; i < 128; i++)
        values[i] = make_uint4(i, 0, 0, 0);
    Array<uint4> from(values), to(128);
    RUN(reuse, 1, 64, 1024, to.data, from.data, flaw);
    std::vector<uint4> got = to.get();
    bool good = true;
    for (unsigned i = 0; i < 128; i++)
        good = good && got[i].x == i / 64 * 64 + 63 - i % 64;
    return good;
}

static void test_visibility(void) {
    int shown = seeds_that_show(16, [] { return turns_around(None) && reuses(None); });
    check(shown == 0, "sound copies are right for every seed");
    struct {
        Flaw flaw;
        const char *what;
    } flaws[] = {{NoWait, "a missing wait"},
                 {NoCommit, "a missing commit"},
                 {WaitForFewer, "a wait for one group too few"},
                 {NoBarrier, "a missing barrier behind the wait"}};
    for (auto &entry : flaws) {
        shown = seeds_that_show(16, [&] { return turns_around(entry.flaw); });
        check(shown > 8, "%s shows (%d of 16 seeds)", entry.what, shown);
    }
    shown = seeds_that_show(16, [] { return reuses(EarlyReuse); });
    check(shown > 8, "a copy into a buffer in use shows (%d of 16 seeds)", shown);
}

BS_KERNEL(32, 1) void copy_wrongly(uint4 *to, const uint4 *from, Flaw flaw) {
    BS_SHARED(uint4, buffer);
    char *bytes = reinterpret_cast<char *>(buffer);
    if (flaw == CopyMisaligned)
        bs_copy_async(bytes + 8 * threadIdx.x, from);
    else if (flaw == CopyToGlobal)
        bs_copy_async(to, from);
    else if (flaw == CopyFromOutside)
        bs_copy_async(buffer + threadIdx.x, from + threadIdx.x);
    else
        bs_copy_async(buffer + threadIdx.x, from);
    bs_copy_commit();
    if (flaw != NeverWaits)
        bs_copy_wait<0>();
}

static void test_wrong_copy(Flaw flaw, cudaError_t want, const char *says) {
    fresh();
    uint4 *x;
    MUST(cudaMalloc(&x, 16 * 8));
    MUST(BS_LAUNCH(copy_wrongly, 1, 32, 1024, 0, x, x, flaw));
    check(cudaDeviceSynchronize() == want && fault_says(says), "\"%s\"",
          bs_standin_fault_text());
    MUST(cudaDeviceReset());
}

/* ---- matrices -----------------------------------------------------------------------
 */

enum Misuse { Good, RowMisaligned, RowInGlobal, RowOutside, NotWhole };

BS_KERNEL(32, 1) void load_wrongly(uint32_t *global, Misuse misuse) {
    BS_SHARED(uint16_t, tile);
    uint32_t r[4];
    for (int i = bs_lane(); i < 256; i += 32)
        tile[i] = 0;
    __syncwarp();
    const uint16_t *row = tile + 8 * bs_lane();
    if (bs_lane() == 31 && misuse == RowMisaligned)
        row -= 4;
    if (bs_lane() == 31 && misuse == RowInGlobal)
        row = reinterpret_cast<const uint16_t *>(global);
    if (bs_lane() == 31 && misuse == RowOutside)
        row += 8;
    if (bs_lane() == 31 && misuse == NotWhole)
        return;
    bs_ldmatrix_x4(r, row);
    global[bs_lane()] = r[0];
}

static void test_misuse(Misuse misuse, cudaError_t want, const char *says) {
    fresh();
    uint32_t *x;
    MUST(cudaMalloc(&x, 128));
    MUST(BS_LAUNCH(load_wrongly, 1, 32, 512, 0, x, misuse));
    check(cudaDeviceSynchronize() == want && fault_says(says), "\"%s\"",
          bs_standin_fault_text());
    MUST(cudaDeviceReset());
}

template <class T> BS_KERNEL(32, 1) void multiply(float *to) {
    float d[4] = {0, 0, 0, 0};
    uint32_t a[4] = {0, 0, 0, 0}, b[2] = {0, 0};
    bs_mma_m16n8k16<T>(d, a, b);
    to[threadIdx.x] = d[0];
}

BS_KERNEL(32, 1) void multiply_tf32(float *to) {
    float d[4] = {0, 0, 0, 0};
    uint32_t a[4] = {0, 0, 0, 0}, b[2] = {0, 0};
    bs_mma_m16n8k8_tf32(d, a, b);
    to[threadIdx.x] = d[0];
}

/* Whether a kernel stops on sm_75. */
static bool stops(void (*kernel)(float *)) {
    fresh();
    bs_standin_device(1, 75, 1 << 20, CUDART_VERSION);
    float *x;
    MUST(cudaMalloc(&x, 128));
    MUST(BS_LAUNCH(kernel, 1, 32, 0, 0, x));
    bool stopped = cudaDeviceSynchronize() == cudaErrorIllegalInstruction;
    MUST(cudaDeviceReset());
    return stopped;
}

int main(void) {
    test_visibility();
    test_wrong_copy(NeverWaits, cudaErrorLaunchFailure, "did not wait for");
    test_wrong_copy(CopyMisaligned, cudaErrorMisalignedAddress, "not aligned");
    test_wrong_copy(CopyToGlobal, cudaErrorIllegalAddress, "does not write to shared");
    test_wrong_copy(CopyFromOutside, cudaErrorIllegalAddress, "outside of device memory");
    test_misuse(Good, cudaSuccess, "");
    test_misuse(RowMisaligned, cudaErrorMisalignedAddress,
                "lane 31's row is not aligned");
    test_misuse(RowInGlobal, cudaErrorIllegalAddress, "is not in shared memory");
    test_misuse(RowOutside, cudaErrorIllegalAddress, "is not in shared memory");
    test_misuse(NotWhole, cudaErrorLaunchFailure, "without all 32 lanes (0x7fffffff)");
    check(!stops(multiply<bs_fp16>) && stops(multiply<bs_bf16>) && stops(multiply_tf32),
          "sm_75 has fp16 products alone");
    return tap_end();
}
