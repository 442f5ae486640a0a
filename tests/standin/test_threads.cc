/*
 * That the stand-in shows what is wrong with a kernel: races, missing participants,
 * divergence, writes out of bounds, bad launches.
 */
#include "compute/cuda/warp.h"
#include "standin_test.h"

#include <algorithm>

/* ---- races ---------------------------------------------------------------------- */

/* Reverses 64 numbers through shared memory; three ways to forget a barrier. */
enum Flaw { None, NoBarrierBeforeRead, NoBarrierBeforeReuse, NoWarpSync };

BS_KERNEL(64, 1) void reverse(int *to, const int *from, Flaw flaw) {
    BS_SHARED(int, tile);
    int me = static_cast<int>(threadIdx.x);
    for (int turn = 0; turn < 2; turn++) {
        tile[me] = from[me] + turn;
        if (flaw != NoBarrierBeforeRead)
            __syncthreads();
        to[64 * turn + me] = tile[63 - me];
        if (flaw != NoBarrierBeforeReuse)
            __syncthreads();
    }
}

/* The same within a warp. */
BS_KERNEL(32, 1) void reverse_warp(int *to, const int *from, Flaw flaw) {
    BS_SHARED(int, tile);
    int me = bs_lane();
    tile[me] = from[me];
    if (flaw != NoWarpSync)
        __syncwarp();
    to[me] = tile[31 - me];
}

static bool reverses(Flaw flaw) {
    std::vector<int> values(64), want;
    for (int i = 0; i < 64; i++)
        values[i] = 10 * i;
    for (int turn = 0; turn < 2; turn++)
        for (int i = 0; i < 64; i++)
            want.push_back(values[63 - i] + turn);
    Array<int> from(values), to(128);
    if (flaw == NoWarpSync) {
        RUN(reverse_warp, 1, 32, 128, to.data, from.data, flaw);
        std::vector<int> got = to.get();
        return std::equal(got.begin(), got.begin() + 32, want.begin() + 32);
    }
    RUN(reverse, 1, 64, 256, to.data, from.data, flaw);
    return to.get() == want;
}

/* Every block adds one to a number, without an atomic, in two ways. */
BS_KERNEL(32, 1) void count_up(int *total, int *last, int with_atomic) {
    if (threadIdx.x == 0) {
        if (with_atomic)
            atomicAdd(total, 1);
        *last = static_cast<int>(blockIdx.x);
    }
}

/* All threads of a block on one counter. */
BS_KERNEL(64, 1) void take_tickets(unsigned *counter, unsigned *ticket) {
    ticket[threadIdx.x] = atomicAdd(counter, 1U);
}

static void test_races(void) {
    int sound = seeds_that_show(16, [] { return reverses(None); });
    check(sound == 0, "a sound kernel is right for every seed");
    int read = seeds_that_show(16, [] { return reverses(NoBarrierBeforeRead); });
    check(read > 8, "a missing barrier before a read shows (%d of 16 seeds)", read);
    int reuse = seeds_that_show(16, [] { return reverses(NoBarrierBeforeReuse); });
    check(reuse > 4, "a missing barrier before reuse shows (%d of 16 seeds)", reuse);
    int warp = seeds_that_show(16, [] { return reverses(NoWarpSync); });
    check(warp > 8, "a missing __syncwarp shows (%d of 16 seeds)", warp);
}

static void test_orders(void) {
    std::vector<int> lasts;
    std::vector<std::vector<unsigned>> orders_seen;
    bool whole = true, distinct = true;
    for (int seed = 1; seed <= 16; seed++) {
        fresh(static_cast<uint64_t>(seed));
        Array<int> total(std::vector<int>{0}), last(1);
        RUN(count_up, 50, 32, 0, total.data, last.data, 1);
        whole = whole && total.get()[0] == 50;
        lasts.push_back(last.get()[0]);
        Array<unsigned> counter(std::vector<unsigned>{0}), ticket(64);
        RUN(take_tickets, 1, 64, 0, counter.data, ticket.data);
        std::vector<unsigned> tickets = ticket.get();
        orders_seen.push_back(tickets);
        std::sort(tickets.begin(), tickets.end());
        for (unsigned i = 0; i < 64; i++)
            distinct = distinct && tickets[i] == i;
    }
    check(whole, "every block runs once");
    check(distinct, "integer atomics are atomic");
    std::sort(lasts.begin(), lasts.end());
    long orders = std::unique(lasts.begin(), lasts.end()) - lasts.begin();
    std::sort(orders_seen.begin(), orders_seen.end());
    long threads =
        std::unique(orders_seen.begin(), orders_seen.end()) - orders_seen.begin();
    check(threads > 8, "threads come in other orders for other seeds (%ld of 16)",
          threads);
    check(orders > 4, "the last block is another for other seeds (%ld blocks)", orders);
    fresh(3);
    bool same = reverses(NoBarrierBeforeRead);
    fresh(3);
    check(same == reverses(NoBarrierBeforeRead), "the same seed gives the same");
}

/* ---- who does not come ---------------------------------------------------------- */

enum Absence {
    EndedBefore,
    WaitsInWarp,
    OtherVote,
    LaneStaysAway,
    OtherMask,
    NotInMask,
    PartOfWarp
};

BS_KERNEL(64, 1) void stay_away(int *to, Absence absence) {
    int me = static_cast<int>(threadIdx.x);
    bool away = me == 40;
    switch (absence) {
    case EndedBefore:
        if (!away)
            __syncthreads();
        break;
    case WaitsInWarp:
        if (away)
            __syncwarp();
        __syncthreads();
        break;
    case OtherVote:
        if (away)
            to[me] = __syncthreads_or(1);
        else
            __syncthreads();
        break;
    case LaneStaysAway:
        if (!away)
            to[me] = bs_shuffle(me, 0);
        __syncthreads();
        break;
    case OtherMask:
        to[me] = __shfl_sync(away ? 0x1FFU : BS_LANES, me, 0);
        break;
    case NotInMask:
        to[me] = __shfl_sync(0xFFFFFF00U, me, 8);
        break;
    case PartOfWarp:
        if (me % 32 < 16)
            to[me] = __shfl_sync(0xFFFFU, me, 3);
        else
            to[me] = __shfl_sync(0xFFFF0000U, me, 20);
        break;
    }
    to[me] += 1;
}

static void test_absence(Absence absence, const char *says, const char *what) {
    fresh();
    int *to;
    MUST(cudaMalloc(&to, 64 * sizeof(int)));
    cudaError_t launched = BS_LAUNCH(stay_away, 3, 64, 0, 0, to, absence);
    cudaError_t status = cudaDeviceSynchronize();
    check(launched == cudaSuccess && status != cudaSuccess && fault_says(says) &&
              fault_says("kernel stay_away, block ("),
          "%s: \"%s\"", what, bs_standin_fault_text());
    check(cudaPeekAtLastError() == status && cudaFree(to) == status &&
              cudaDeviceSynchronize() == status,
          "... and the device is lost: %s", cudaGetErrorName(status));
    MUST(cudaDeviceReset());
    check(reverses(None), "... until it is reset");
}

static void test_absences(void) {
    test_absence(EndedBefore, "1 threads ended without coming to the barrier at which 63",
                 "a thread that ends before a barrier");
    test_absence(WaitsInWarp, "deadlock: 63 threads wait at a barrier of the block, 1 in",
                 "a thread that waits for its warp instead");
    test_absence(OtherVote, "meet at one barrier", "a vote and a barrier");
    test_absence(LaneStaysAway, "deadlock", "a lane that does not shuffle");
    test_absence(OtherMask, "deadlock", "lanes that differ in their masks");
    test_absence(NotInMask, "leaves out lane", "a lane that is not in its own mask");
    fresh();
    Array<int> to(64);
    RUN(stay_away, 1, 64, 0, to.data, PartOfWarp);
    std::vector<int> got = to.get();
    check(got[2] == 4 && got[30] == 21 && got[40] == 36 && got[63] == 53,
          "halves of a warp shuffle among themselves");
}

/* A lane that has ended: shuffles go on without it, its value is no number. */
BS_KERNEL(32, 1) void read_ended(float *to) {
    if (threadIdx.x == 5)
        return;
    to[threadIdx.x] = bs_shuffle(1.0F, threadIdx.x == 9 ? 5 : 4);
}

BS_KERNEL(96, 1) void vote_in_block(int *to) {
    int me = static_cast<int>(threadIdx.x);
    to[me] = __syncthreads_count(me % 3 == 0) + 1000 * __syncthreads_or(me == 70) +
             2000 * __syncthreads_and(me != 70) + 4000 * __syncthreads_and(me < 96);
}

static void test_votes(void) {
    fresh();
    Array<float> floats(32);
    RUN(read_ended, 1, 32, 0, floats.data);
    std::vector<float> got = floats.get();
    check(got[8] == 1 && got[9] != got[9], "the value of a lane that ended is NaN");
    Array<int> to(96);
    RUN(vote_in_block, 1, 96, 0, to.data);
    std::vector<int> votes = to.get();
    check(std::count(votes.begin(), votes.end(), 5032) == 96, "votes of a block");
}

/* ---- memory ----------------------------------------------------------------------- */

UNCHECKED static void poke(char *at) {
    *at = 1;
}

BS_KERNEL(32, 1) void write_shared(long offset) {
    BS_SHARED(char, bytes);
    if (threadIdx.x == 0)
        poke(bytes + offset);
}

BS_KERNEL(32, 1) void read_shared(int *to) {
    BS_SHARED(int, words);
    to[threadIdx.x] = words[threadIdx.x];
}

BS_KERNEL(32, 1) void write_checked(char *to, long offset) {
    if (threadIdx.x == 0)
        to[offset] = 1;
}

static void test_shared_guard(long offset, const char *says) {
    fresh();
    MUST(BS_LAUNCH(write_shared, 1, 32, 100, 0, offset));
    check(cudaDeviceSynchronize() == cudaErrorIllegalAddress && fault_says(says),
          "shared memory, byte %ld of 100: \"%s\"", offset, bs_standin_fault_text());
}

static void test_memory(void) {
    test_shared_guard(100, "behind the end");
    test_shared_guard(-1, "before the beginning");
    fresh();
    Array<int> to(32);
    RUN(read_shared, 2, 32, 128, to.data);
    std::vector<int> got = to.get();
    check(std::count(got.begin(), got.end(), -1) == 32, "fresh shared memory is NaN");
    if (!SANITIZED)
        return skip("the sanitizer's part: not built with it");
    check(dies([] {
              MUST(
                  BS_LAUNCH(write_checked, 1, 32, 0, 0, static_cast<char *>(nullptr), 8));
              (void)cudaDeviceSynchronize();
          }),
          "a write through a null pointer ends the program");
    check(dies([] {
              Array<char> bytes(13);
              RUN(write_checked, 1, 32, 0, bytes.data, 13);
          }),
          "so does a write one byte behind the end");
    check(!dies([] {
        Array<char> bytes(13);
        RUN(write_checked, 1, 32, 0, bytes.data, 12);
    }),
          "a write to the last byte does not");
}

/* ---- launches -----------------------------------------------------------------------
 */

BS_KERNEL(1024, 1) void nothing(void) {
}

BS_KERNEL(32, 1) void point_to(const int *a, int, const int *b) {
    (void)a, (void)b;
}

static void test_launches(void) {
    fresh();
    check(BS_LAUNCH(nothing, 0, 32, 0, 0) == cudaErrorInvalidConfiguration &&
              BS_LAUNCH(nothing, 1, 1025, 0, 0) == cudaErrorInvalidConfiguration &&
              BS_LAUNCH(nothing, dim3(1, 65536), 32, 0, 0) ==
                  cudaErrorInvalidConfiguration &&
              BS_LAUNCH(nothing, 1, dim3(64, 32), 0, 0) == cudaErrorInvalidConfiguration,
          "grids and blocks that cannot be are refused");
    check(BS_LAUNCH(nothing, dim3(3, 2, 2), dim3(8, 4, 2), 0, 0) == cudaSuccess,
          "grids and blocks of three dimensions are not");
    check(BS_LAUNCH(nothing, 1, 32, 227 * 1024, 0) == cudaSuccess &&
              BS_LAUNCH(nothing, 1, 32, 227 * 1024 + 1, 0) == cudaErrorInvalidValue,
          "shared memory up to the limit of sm_90");
    bs_standin_device(1, 75, size_t(1) << 30, CUDART_VERSION);
    check(BS_LAUNCH(nothing, 1, 32, 64 * 1024, 0) == cudaSuccess &&
              BS_LAUNCH(nothing, 1, 32, 64 * 1024 + 1, 0) == cudaErrorInvalidValue,
          "... and of sm_75");
    check(cudaGetLastError() == cudaSuccess, "a refused launch leaves no error behind");
    MUST(cudaDeviceSynchronize());
}

static void test_pointers(void) {
    int on_host = 0, *good;
    fresh();
    MUST(cudaMalloc(&good, 16));
    RUN(point_to, 1, 32, 0, good, 0, nullptr);
    RUN(point_to, 1, 32, 0, good + 4, 0, good + 3);
    check(bs_standin_fault_text()[0] == 0, "pointers into device memory are good");
    MUST(BS_LAUNCH(point_to, 1, 32, 0, 0, good, 0, &on_host));
    check(cudaDeviceSynchronize() == cudaErrorIllegalAddress &&
              fault_says("argument 3 does not point into device memory"),
          "host memory is not: \"%s\"", bs_standin_fault_text());
    MUST(cudaDeviceReset());
}

int main(void) {
    test_races();
    test_orders();
    test_absences();
    test_votes();
    test_memory();
    test_launches();
    test_pointers();
    return tap_end();
}
