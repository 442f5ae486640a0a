/*
 * The matrix unit against plain loops. Operands are small whole numbers, so that every
 * order of summation gives the same: the results must be equal, to the last bit.
 */
#include "compute/cuda/matrix_unit.h"
#include "compute/cuda/warp.h"
#include "gpu.h"

#include <math.h>

template <class T> struct Name;
template <> struct Name<bs_bf16> { static constexpr const char *text = "bf16"; };
template <> struct Name<bs_fp16> { static constexpr const char *text = "fp16"; };

/* A float that is exact in T, as its bits. */
template <class T> static T narrow(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (sizeof(Name<T>) && Name<T>::text[0] == 'b')
        return T{static_cast<uint16_t>(bits >> 16)};
    if (value == 0)
        return T{0};
    int exponent = static_cast<int>(bits >> 23 & 255) - 127 + 15;
    return T{static_cast<uint16_t>((bits >> 16 & 0x8000) | exponent << 10 |
                                   (bits >> 13 & 1023))};
}

static std::vector<float> whole_numbers(int n, uint64_t seed) {
    std::vector<float> x(n);
    for (float &value : x)
        value = static_cast<float>(static_cast<int>(draw(&seed) % 17) - 8);
    return x;
}

template <class T> static std::vector<T> narrow_all(const std::vector<float> &x) {
    std::vector<T> low;
    for (float value : x)
        low.push_back(narrow<T>(value));
    return low;
}

/* D[16][8] = start + A[16][depth] B[depth][8]. */
static std::vector<float> by_hand(const std::vector<float> &a,
                                  const std::vector<float> &b,
                                  const std::vector<float> &start, int depth) {
    std::vector<float> d = start;
    for (int row = 0; row < 16; row++)
        for (int column = 0; column < 8; column++)
            for (int k = 0; k < depth; k++)
                d[row * 8 + column] += a[row * depth + k] * b[k * 8 + column];
    return d;
}

/* ---- fragments, element by element ---------------------------------------------- */

BS_GPU void load_d(float d[4], const float *from) {
    int g = bs_lane() / 4, t = bs_lane() % 4;
    for (int i = 0; i < 4; i++)
        d[i] = from[(g + i / 2 * 8) * 8 + 2 * t + i % 2];
}

BS_GPU void store_d(float *to, const float d[4]) {
    int g = bs_lane() / 4, t = bs_lane() % 4;
    for (int i = 0; i < 4; i++)
        to[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = d[i];
}

/* a, b as the comment of matrix_unit.h says. */
template <class T>
BS_KERNEL(32, 1)
void product_16(float *to, const T *a, const T *b, const float *start) {
    int g = bs_lane() / 4, t = bs_lane() % 4;
    uint32_t fa[4], fb[2];
    for (int i = 0; i < 4; i++) {
        const T *pair = a + (g + i % 2 * 8) * 16 + 2 * t + i / 2 * 8;
        fa[i] = pair[0].bits | static_cast<uint32_t>(pair[1].bits) << 16;
    }
    for (int i = 0; i < 2; i++) {
        const T *pair = b + (2 * t + 8 * i) * 8 + g;
        fb[i] = pair[0].bits | static_cast<uint32_t>(pair[8].bits) << 16;
    }
    float d[4];
    load_d(d, start);
    bs_mma_m16n8k16<T>(d, fa, fb);
    store_d(to, d);
}

template <class T> static void test_product_16(void) {
    std::vector<float> a = whole_numbers(256, 1), b = whole_numbers(128, 2);
    std::vector<float> start = whole_numbers(128, 3);
    Array<T> da(narrow_all<T>(a)), db(narrow_all<T>(b));
    Array<float> from(start), to(128);
    RUN((product_16<T>), 1, 32, 0, to.data, da.data, db.data, from.data);
    check(to.get() == by_hand(a, b, start, 16), "%s: m16n8k16", Name<T>::text);
}

BS_KERNEL(32, 1)
void product_tf32(float *to, const float *a, const float *b, const float *start) {
    int g = bs_lane() / 4, t = bs_lane() % 4;
    uint32_t fa[4], fb[2];
    for (int i = 0; i < 4; i++)
        fa[i] = bs_tf32_from_float(a[(g + i % 2 * 8) * 8 + t + i / 2 * 4]);
    for (int i = 0; i < 2; i++)
        fb[i] = bs_tf32_from_float(b[(t + 4 * i) * 8 + g]);
    float d[4];
    load_d(d, start);
    bs_mma_m16n8k8_tf32(d, fa, fb);
    store_d(to, d);
}

BS_KERNEL(32, 1) void round_tf32(uint32_t *to, const float *from) {
    to[threadIdx.x] = bs_tf32_from_float(from[threadIdx.x]);
}

static void test_tf32(void) {
    std::vector<float> a = whole_numbers(128, 4), b = whole_numbers(64, 5);
    std::vector<float> start = whole_numbers(128, 6);
    Array<float> da(a), db(b), from(start), to(128);
    RUN(product_tf32, 1, 32, 0, to.data, da.data, db.data, from.data);
    check(to.get() == by_hand(a, b, start, 8), "tf32: m16n8k8");

    float step = ldexpf(1, -10); /* of tf32 between 1 and 2 */
    std::vector<float> x(32, 1.0F);
    float values[] = {1 + step / 2, 1 + step / 2 - step / 16, -1 - step / 2, 1 + step,
                      1 + step * 3 / 2};
    float want[] = {1 + step, 1, -1 - step, 1 + step, 1 + step * 2};
    std::copy(values, values + 5, x.begin());
    Array<float> floats(x);
    Array<uint32_t> bits(32);
    RUN(round_tf32, 1, 32, 0, bits.data, floats.data);
    std::vector<uint32_t> got = bits.get();
    check(memcmp(got.data(), want, sizeof want) == 0,
          "tf32: nearest, ties away from zero");
}

/* ---- ldmatrix ------------------------------------------------------------------- */

/* Both operands come through shared memory: A with plain loads, B stored [k][n] with
 * transposed ones or stored [n][k] with plain ones, four at a time or two. The rows of
 * shared memory are longer than what is loaded. */
constexpr int pitch = 24;

template <class T, bool turned, bool four>
BS_KERNEL(32, 1)
void product_loaded(float *to, const T *a, const T *b, const float *start) {
    BS_SHARED(T, tiles);
    T *ta = tiles, *tb = tiles + 16 * pitch;
    for (int i = bs_lane(); i < 256; i += 32)
        ta[i / 16 * pitch + i % 16] = a[i];
    for (int i = bs_lane(); i < 128; i += 32)
        if (turned)
            tb[i / 8 * pitch + i % 8] = b[i];
        else
            tb[i % 8 * pitch + i / 8] = b[i];
    __syncwarp();
    int lane = bs_lane();
    uint32_t fa[4], fb[4];
    bs_ldmatrix_x4(fa, ta + lane % 16 * pitch + lane / 16 * 8);
    const T *row =
        turned ? tb + lane % 16 * pitch : tb + lane % 8 * pitch + lane / 8 % 2 * 8;
    if (turned && four)
        bs_ldmatrix_x4_transposed(fb, row);
    else if (turned)
        bs_ldmatrix_x2_transposed(fb, row);
    else if (four)
        bs_ldmatrix_x4(fb, row);
    else
        bs_ldmatrix_x2(fb, row);
    float d[4];
    load_d(d, start);
    bs_mma_m16n8k16<T>(d, fa, fb);
    store_d(to, d);
}

template <class T, bool turned, bool four> static void test_loaded(void) {
    std::vector<float> a = whole_numbers(256, 7), b = whole_numbers(128, 8);
    std::vector<float> start = whole_numbers(128, 9);
    Array<T> da(narrow_all<T>(a)), db(narrow_all<T>(b));
    Array<float> from(start), to(128);
    RUN((product_loaded<T, turned, four>), 1, 32, 32 * pitch * sizeof(T), to.data,
        da.data, db.data, from.data);
    check(to.get() == by_hand(a, b, start, 16), "%s: B loaded %s by %d matrices",
          Name<T>::text, turned ? "transposed" : "as it is", four ? 4 : 2);
}

/* All four registers of the x4 loads, and the transposition between lanes. */
BS_KERNEL(32, 1)
void load_all(uint32_t *plain, uint32_t *turned, uint32_t *moved, const uint16_t *from) {
    BS_SHARED(uint16_t, tile);
    for (int i = bs_lane(); i < 256; i += 32)
        tile[i] = from[i];
    __syncwarp();
    uint32_t r[4], s[4];
    bs_ldmatrix_x4(r, tile + 8 * bs_lane());
    bs_ldmatrix_x4_transposed(s, tile + 8 * bs_lane());
    for (int i = 0; i < 4; i++) {
        plain[4 * bs_lane() + i] = r[i];
        turned[4 * bs_lane() + i] = s[i];
        moved[4 * bs_lane() + i] = bs_transpose_8x8(r[i]);
    }
}

static void test_load_all(void) {
    std::vector<uint16_t> values(256);
    for (int i = 0; i < 256; i++)
        values[i] = static_cast<uint16_t>(1000 + i);
    Array<uint16_t> from(values);
    Array<uint32_t> plain(128), turned(128), moved(128);
    RUN(load_all, 1, 32, 512, plain.data, turned.data, moved.data, from.data);
    std::vector<uint32_t> want(128), want_turned(128);
    for (int lane = 0; lane < 32; lane++)
        for (int i = 0; i < 4; i++) {
            const uint16_t *matrix = values.data() + 64 * i;
            int g = lane / 4, t = lane % 4;
            want[4 * lane + i] = matrix[g * 8 + 2 * t] |
                                 static_cast<uint32_t>(matrix[g * 8 + 2 * t + 1]) << 16;
            want_turned[4 * lane + i] =
                matrix[2 * t * 8 + g] | static_cast<uint32_t>(matrix[(2 * t + 1) * 8 + g])
                                            << 16;
        }
    check(plain.get() == want, "ldmatrix x4");
    check(turned.get() == want_turned, "ldmatrix x4, transposed");
    check(moved.get() == want_turned, "movmatrix");
}

/* ---- asynchronous copies ---------------------------------------------------------- */

/* A double buffer over n tiles of one row of 16 bytes a thread, as a kernel would have
 * it; the last tile is short: `rest` bytes a thread. */
BS_KERNEL(64, 1)
void through_buffer(uint4 *to, const uint4 *from, int tiles, int rest) {
    BS_SHARED(uint4, buffer);
    int me = static_cast<int>(threadIdx.x), other = 63 - me;
    bs_copy_async(buffer + me, from + me, tiles == 1 ? rest : 16);
    bs_copy_commit();
    for (int tile = 0; tile < tiles; tile++) {
        int next = tile + 1;
        if (next < tiles)
            bs_copy_async(buffer + 64 * (next % 2) + me, from + 64 * next + me,
                          next == tiles - 1 ? rest : 16);
        bs_copy_commit();
        bs_copy_wait<1>();
        __syncthreads();
        to[64 * tile + me] = buffer[64 * (tile % 2) + other];
        __syncthreads();
    }
    bs_copy_wait<0>();
}

static void test_copies(int tiles, int rest) {
    std::vector<uint4> values(64 * static_cast<size_t>(tiles));
    uint64_t state = 5;
    for (uint4 &value : values)
        value = make_uint4(draw(&state), draw(&state), draw(&state), draw(&state));
    Array<uint4> from(values), to(values.size());
    RUN(through_buffer, 1, 64, 2048, to.data, from.data, tiles, rest);
    std::vector<uint4> got = to.get();
    int wrong = 0;
    for (int i = 0; i < 64 * tiles; i++) {
        uint4 want = values[i / 64 * 64 + 63 - i % 64];
        if (i / 64 == tiles - 1)
            memset(reinterpret_cast<char *>(&want) + rest, 0, 16 - rest);
        wrong += memcmp(&got[i], &want, 16) != 0;
    }
    check(wrong == 0, "copies of %d tiles, %d bytes in the last (%d wrong)", tiles, rest,
          wrong);
}

template <class T> static void test_type(void) {
    test_product_16<T>();
    test_loaded<T, false, false>();
    test_loaded<T, false, true>();
    test_loaded<T, true, false>();
    test_loaded<T, true, true>();
}

int main(void) {
    test_type<bs_fp16>();
    if (device_sm() >= 80) {
        test_type<bs_bf16>();
        test_tf32();
    } else {
        skip("bf16 and tf32 products: sm_%d has none", device_sm());
    }
    test_load_all();
    for (int tiles : {1, 2, 5})
        for (int rest : {16, 10, 2, 0})
            test_copies(tiles, rest);
    return tap_end();
}
