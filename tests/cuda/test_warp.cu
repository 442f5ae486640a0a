/* Shuffles, votes, sums and maxima of warps and blocks, in the order that is promised. */
#include "compute/cuda/warp.h"
#include "gpu.h"

#include <math.h>

/* ---- exchanges ----------------------------------------------------------------- */

enum { XOR_5, UP_3, DOWN_3, FROM_7, FROM_NEXT, VOTES, EXCHANGES };

template <class T> BS_KERNEL(64, 1) void exchanges(T *out, unsigned *votes) {
    T mine = static_cast<T>(100 + threadIdx.x);
    int at = static_cast<int>(threadIdx.x) * EXCHANGES;
    out[at + XOR_5] = bs_shuffle_xor(mine, 5);
    out[at + UP_3] = bs_shuffle_up(mine, 3);
    out[at + DOWN_3] = bs_shuffle_down(mine, 3);
    out[at + FROM_7] = bs_shuffle(mine, 7);
    out[at + FROM_NEXT] = bs_shuffle(mine, (bs_lane() + 1) % 32);
    votes[threadIdx.x] = bs_ballot(bs_lane() % 3 == 0);
    out[at + VOTES] = static_cast<T>(4 * bs_any(bs_lane() == 9) + 2 * bs_any(false) +
                                     bs_all(bs_warp() == 1));
}

template <class T> static void test_exchanges(const char *name) {
    Array<T> to(64 * EXCHANGES);
    Array<unsigned> votes(64);
    RUN((exchanges<T>), 1, 64, 0, to.data, votes.data);
    std::vector<T> got = to.get();
    int wrong = 0;
    for (int i = 0; i < 64; i++) {
        int warp = i / 32, lane = i % 32;
        int want[EXCHANGES] = {lane ^ 5,
                               lane < 3 ? lane : lane - 3,
                               lane > 28 ? lane : lane + 3,
                               7,
                               (lane + 1) % 32,
                               0};
        for (int kind = 0; kind < VOTES; kind++)
            wrong +=
                got[i * EXCHANGES + kind] != static_cast<T>(100 + 32 * warp + want[kind]);
        wrong += got[i * EXCHANGES + VOTES] != static_cast<T>(4 + warp);
    }
    for (unsigned vote : votes.get())
        wrong += vote != 0x49249249U;
    check(wrong == 0, "%s: shuffles and votes (%d wrong)", name, wrong);
}

/* ---- groups -------------------------------------------------------------------- */

template <int W> BS_KERNEL(32, 1) void groups(float *sum, float *most, const float *x) {
    sum[threadIdx.x] = bs_group_sum<W>(x[threadIdx.x]);
    most[threadIdx.x] = bs_group_max<W>(x[threadIdx.x]);
}

/* The butterfly, by hand: at each step the sums of two neighbouring halves. */
static std::vector<float> butterfly(std::vector<float> x, int width) {
    for (int mask = width / 2; mask > 0; mask /= 2) {
        std::vector<float> before = x;
        for (size_t i = 0; i < x.size(); i++)
            x[i] = before[i] + before[i ^ static_cast<size_t>(mask)];
    }
    return x;
}

static std::vector<float> odd_numbers(int n) {
    std::vector<float> x(n);
    uint64_t state = 11;
    for (float &value : x)
        value = ldexpf(static_cast<float>(draw(&state)) / 4294967296.0F - 0.3F,
                       static_cast<int>(draw(&state) % 20));
    return x;
}

template <int W> static void test_groups(void) {
    std::vector<float> x = odd_numbers(32);
    Array<float> from(x), sum(32), most(32);
    RUN((groups<W>), 1, 32, 0, sum.data, most.data, from.data);
    check(sum.get() == butterfly(x, W), "sums over %d lanes, bit by bit, in all lanes",
          W);
    std::vector<float> got = most.get();
    int wrong = 0;
    for (int i = 0; i < 32; i++) {
        float want = x[i / W * W];
        for (int j = 0; j < W; j++)
            want = fmaxf(want, x[i / W * W + j]);
        wrong += got[i] != want;
    }
    check(wrong == 0, "maxima over %d lanes (%d wrong)", W, wrong);
}

/* ---- blocks -------------------------------------------------------------------- */

/* Uses the scratch memory itself, up to the call and from its return on. */
template <class T> BS_GPU T use(T *scratch) {
    if (threadIdx.x < 32)
        scratch[threadIdx.x] = static_cast<T>(7);
    __syncthreads();
    return scratch[(threadIdx.x + 1) % 32];
}

/* Three reductions that use the same scratch one behind the other, twice. */
template <class T> BS_KERNEL(1024, 1) void blocks(T *out, const T *x) {
    BS_SHARED(T, scratch);
    T mine = x[threadIdx.x];
    for (int turn = 0; turn < 2; turn++) {
        T *to = out + 5 * threadIdx.x;
        T pair[2] = {mine, static_cast<T>(2) * mine};
        to[4] = use(scratch);
        to[0] = bs_block_sum(mine, scratch);
        to[4] += use(scratch);
        bs_block_sums<2>(pair, scratch);
        to[1] = pair[0], to[2] = pair[1];
        to[4] += use(scratch);
        to[3] = bs_block_max(mine, scratch);
        mine += static_cast<T>(1);
    }
}

template <class T> static std::vector<T> block_sum_by_hand(const std::vector<T> &x) {
    std::vector<T> part(32, T(0));
    for (size_t i = 0; i < x.size(); i += 32) {
        std::vector<T> lanes(x.begin() + static_cast<long>(i),
                             x.begin() + static_cast<long>(i) + 32);
        for (int mask = 16; mask > 0; mask /= 2)
            for (int lane = 0; lane < mask; lane++)
                lanes[lane] += lanes[lane + mask];
        part[i / 32] = lanes[0];
    }
    for (int mask = 16; mask > 0; mask /= 2)
        for (int lane = 0; lane < mask; lane++)
            part[lane] += part[lane + mask];
    return part;
}

template <class T> static void test_blocks(const char *name, int threads) {
    std::vector<T> x(threads);
    std::vector<float> odd = odd_numbers(threads);
    for (int i = 0; i < threads; i++)
        x[i] = static_cast<T>(odd[i] * 16);
    Array<T> from(x), to(static_cast<size_t>(5 * threads));
    RUN((blocks<T>), 1, threads, 64 * sizeof(T), to.data, from.data);
    std::vector<T> got = to.get(), twice(threads);
    T most = x[0] + T(1);
    for (int i = 0; i < threads; i++) {
        x[i] += T(1);
        twice[i] = T(2) * x[i];
        most = x[i] > most ? x[i] : most;
    }
    T sum = block_sum_by_hand(x)[0], two = block_sum_by_hand(twice)[0];
    int wrong = 0;
    for (int i = 0; i < threads; i++)
        wrong += got[5 * i] != sum || got[5 * i + 1] != sum || got[5 * i + 2] != two ||
                 got[5 * i + 3] != most || got[5 * i + 4] != T(21);
    check(wrong == 0, "%s: sums and maximum of %d threads (%d wrong)", name, threads,
          wrong);
}

int main(void) {
    test_exchanges<float>("float");
    test_exchanges<double>("double");
    test_exchanges<int>("int");
    test_exchanges<unsigned>("unsigned");
    test_exchanges<long long>("long long");
    test_groups<2>();
    test_groups<4>();
    test_groups<8>();
    test_groups<16>();
    test_groups<32>();
    for (int threads : {32, 64, 96, 256, 1024}) {
        test_blocks<float>("float", threads);
        test_blocks<double>("double", threads);
        test_blocks<int>("int", threads);
    }
    return tap_end();
}
