/*
 * The matrix unit: products of a warp, 8 x 8 loads, transposition, asynchronous copies.
 * Fragments: lib/compute/cuda/matrix_unit.h. Sums go over k in order, in fp32.
 */
#include "standin_block.h"
#include "standin_memory.h"
#include "standin_numbers.h"
#include "standin_state.h"
#include "standin_watch.h"

namespace standin {

constexpr unsigned whole_warp = 0xFFFFFFFFU;

static void need_whole(const Thread *lanes, unsigned alive, const char *what) {
    (void)lanes;
    if (alive != whole_warp)
        kernel_fault(cudaErrorLaunchFailure, "%s without all 32 lanes (%#x)", what,
                     alive);
}

static void need_sm80(const char *what) {
    if (state.settings.sm < 80)
        kernel_fault(cudaErrorIllegalInstruction, "%s: not on sm_%d", what,
                     state.settings.sm);
}

/* ---- products ----------------------------------------------------------------- */

struct Tiles {
    float a[16][16], b[16][8];
};

/* D += A B. */
static void multiply(Thread *lanes, const Tiles &tiles, int depth) {
    float d[16][8];
    for (int lane = 0; lane < 32; lane++)
        for (int i = 0; i < 4; i++)
            d[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2] = lanes[lane].d[i];
    for (int row = 0; row < 16; row++)
        for (int k = 0; k < depth; k++)
            for (int column = 0; column < 8; column++)
                d[row][column] += tiles.a[row][k] * tiles.b[k][column];
    for (int lane = 0; lane < 32; lane++)
        for (int i = 0; i < 4; i++)
            lanes[lane].d[i] = d[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
}

static void gather_16(Thread *lanes, Tiles &tiles, float (*wide)(uint16_t)) {
    for (int lane = 0; lane < 32; lane++) {
        int g = lane / 4, t = lane % 4;
        for (int i = 0; i < 4; i++)
            for (int half = 0; half < 2; half++)
                tiles.a[g + i % 2 * 8][2 * t + i / 2 * 8 + half] =
                    wide(static_cast<uint16_t>(lanes[lane].a[i] >> 16 * half));
        for (int i = 0; i < 2; i++)
            for (int half = 0; half < 2; half++)
                tiles.b[2 * t + 8 * i + half][g] =
                    wide(static_cast<uint16_t>(lanes[lane].b[i] >> 16 * half));
    }
}

static void mma_fp16(Thread *lanes, unsigned alive) {
    need_whole(lanes, alive, "mma");
    Tiles tiles;
    gather_16(lanes, tiles, float_from_fp16);
    multiply(lanes, tiles, 16);
}

static void mma_bf16(Thread *lanes, unsigned alive) {
    need_whole(lanes, alive, "mma");
    Tiles tiles;
    gather_16(lanes, tiles, float_from_bf16);
    multiply(lanes, tiles, 16);
}

static void mma_tf32(Thread *lanes, unsigned alive) {
    need_whole(lanes, alive, "mma");
    Tiles tiles;
    for (int lane = 0; lane < 32; lane++) {
        int g = lane / 4, t = lane % 4;
        for (int i = 0; i < 4; i++)
            tiles.a[g + i % 2 * 8][t + i / 2 * 4] = float_from_tf32(lanes[lane].a[i]);
        for (int i = 0; i < 2; i++)
            tiles.b[t + 4 * i][g] = float_from_tf32(lanes[lane].b[i]);
    }
    multiply(lanes, tiles, 8);
}

/* ---- 8 x 8 matrices ------------------------------------------------------------ */

/* Gives every lane its two elements of one matrix, whose rows are given. */
static void deal(const uint16_t *const rows[8], bool transposed, Thread *lanes, int i) {
    for (int lane = 0; lane < 32; lane++) {
        int g = lane / 4, t = lane % 4;
        uint32_t first = transposed ? rows[2 * t][g] : rows[g][2 * t];
        uint32_t second = transposed ? rows[2 * t + 1][g] : rows[g][2 * t + 1];
        lanes[lane].r[i] = first | second << 16;
    }
}

static void load(Thread *lanes, unsigned alive, int matrices, bool transposed) {
    need_whole(lanes, alive, "ldmatrix");
    for (int lane = 0; lane < 32; lane++) {
        if (!is_shared(lanes[lane].row, 16))
            kernel_fault(cudaErrorIllegalAddress,
                         "ldmatrix: lane %d's row is not in shared memory", lane);
        if (reinterpret_cast<uintptr_t>(lanes[lane].row) % 16)
            kernel_fault(cudaErrorMisalignedAddress,
                         "ldmatrix: lane %d's row is not aligned to 16 bytes", lane);
    }
    for (int i = 0; i < matrices; i++) {
        const uint16_t *rows[8];
        for (int row = 0; row < 8; row++)
            rows[row] = static_cast<const uint16_t *>(lanes[8 * i + row].row);
        deal(rows, transposed, lanes, i);
    }
}

static void load_4(Thread *lanes, unsigned alive) {
    load(lanes, alive, 4, false);
}

static void load_4_transposed(Thread *lanes, unsigned alive) {
    load(lanes, alive, 4, true);
}

static void load_2(Thread *lanes, unsigned alive) {
    load(lanes, alive, 2, false);
}

static void load_2_transposed(Thread *lanes, unsigned alive) {
    load(lanes, alive, 2, true);
}

static void transpose(Thread *lanes, unsigned alive) {
    need_whole(lanes, alive, "movmatrix");
    uint16_t matrix[8][8];
    const uint16_t *rows[8];
    for (int lane = 0; lane < 32; lane++)
        for (int half = 0; half < 2; half++)
            matrix[lane / 4][lane % 4 * 2 + half] =
                static_cast<uint16_t>(*lanes[lane].a >> 16 * half);
    for (int row = 0; row < 8; row++)
        rows[row] = matrix[row];
    deal(rows, true, lanes, 0);
}

/* ---- asynchronous copies -------------------------------------------------------- */

static void carry_out(const PendingCopy &copy) {
    if (copy.bytes > 0 && !is_device(copy.from, static_cast<size_t>(copy.bytes)))
        kernel_fault(cudaErrorIllegalAddress,
                     "an asynchronous copy reads outside of device memory");
    char *to = static_cast<char *>(copy.to);
    copy_bytes(to, copy.from, static_cast<size_t>(copy.bytes));
    fill_bytes(to + copy.bytes, 0, static_cast<size_t>(16 - copy.bytes));
}

void check_pending_copies(Thread &thread) {
    if (!thread.copies.empty())
        kernel_fault(cudaErrorLaunchFailure,
                     "ends with %zu asynchronous copies that it did not wait for",
                     thread.copies.size());
}

} // namespace standin

using namespace standin;

void bs_standin_mma(bs_standin_operand type, float *d, const uint32_t *a,
                    const uint32_t *b) {
    if (type != BS_STANDIN_FP16)
        need_sm80(type == BS_STANDIN_BF16 ? "a bf16 product" : "a tf32 product");
    Thread &me = here();
    me.d = d;
    me.a = a;
    me.b = b;
    warp_wait(whole_warp, type == BS_STANDIN_FP16   ? mma_fp16
                          : type == BS_STANDIN_BF16 ? mma_bf16
                                                    : mma_tf32);
}

uint32_t bs_standin_tf32(float value) {
    need_sm80("tf32");
    return tf32_from_float(value);
}

void bs_standin_ldmatrix(uint32_t *r, const void *row, int matrices, bool transposed) {
    if (here().lane < 8 * matrices && is_shared(row, 16))
        watch_access(row, 16, false, __builtin_return_address(0));
    here().r = r;
    here().row = row;
    warp_wait(whole_warp, matrices == 4 ? (transposed ? load_4_transposed : load_4)
                                        : (transposed ? load_2_transposed : load_2));
}

uint32_t bs_standin_movmatrix(uint32_t held) {
    uint32_t turned;
    here().a = &held;
    here().r = &turned;
    warp_wait(whole_warp, transpose);
    return turned;
}

/* At once or when it is waited for, by chance: both too early and too late must show. */
void bs_standin_copy_async(void *to, const void *from, int bytes) {
    if (bytes < 0 || bytes > 16)
        kernel_fault(cudaErrorIllegalInstruction, "asynchronous copy of %d bytes", bytes);
    if (!is_shared(to, 16))
        kernel_fault(cudaErrorIllegalAddress,
                     "an asynchronous copy does not write to shared memory");
    if (reinterpret_cast<uintptr_t>(to) % 16 || reinterpret_cast<uintptr_t>(from) % 16)
        kernel_fault(cudaErrorMisalignedAddress,
                     "an asynchronous copy is not aligned to 16 bytes");
    watch_access(to, 16, true, __builtin_return_address(0));
    watch_access(from, static_cast<size_t>(bytes), false, __builtin_return_address(0));
    PendingCopy copy = {to, from, bytes, here().groups};
    if (state.settings.sm < 80)
        return carry_out(copy);
    if (random_below(4) == 0)
        carry_out(copy);
    here().copies.push_back(copy);
}

void bs_standin_copy_commit(void) {
    here().groups++;
}

void bs_standin_copy_wait(int newest) {
    std::vector<PendingCopy> &copies = here().copies, later;
    for (const PendingCopy &copy : copies)
        if (copy.group + newest < here().groups) {
            watch_access(copy.to, 16, true, __builtin_return_address(0));
            carry_out(copy);
        } else {
            later.push_back(copy);
        }
    copies = later;
}
