/*
 * What this machine can do at most, in arithmetic on registers alone and in memory:
 *
 *     peaks [THREADS]
 *
 * One line each, TAB between name, value and unit; the first word of the name is the
 * precision. What the processor does not have has no line.
 *     fp32 fma                    GFLOP/s
 *     bf16 dot, bf16 amx          GFLOP/s, sums in fp32
 *     int8 dot, int8 amx          GOP/s, sums in int32
 *     memory adamw                GB/s of a pass that reads four arrays and writes three
 *
 * A multiplication with its addition is two operations. Each is the best of ROUNDS.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

enum { ROUNDS = 50, MAX_THREADS = 1024 };

/* One thread's part; returns its operations, or bytes. */
typedef double work(long repeats, int thread, int threads);

struct unit {
    const char *name, *measure;
    long repeats;
    work *run;
};

#if defined(__x86_64__)

/* Independent sums hide the latency; the compiler must not know the factors, and
 * must take the sums for used. */
#define DOT(name, isa, vector, chains, zero, factor, product, operations)                \
    __attribute__((target(isa))) static double name(long repeats, int thread,            \
                                                    int threads) {                       \
        vector sum[chains], a = factor, b = factor;                                      \
        (void)thread, (void)threads;                                                     \
        __asm__ volatile("" : "+v"(a), "+v"(b));                                         \
        for (int i = 0; i < (chains); i++)                                               \
            sum[i] = zero;                                                               \
        for (long r = 0; r < repeats; r++) {                                             \
            _Pragma("GCC unroll 32") for (int i = 0; i < (chains); i++) sum[i] =         \
                product;                                                                 \
        }                                                                                \
        for (int i = 0; i < (chains); i++)                                               \
            __asm__ volatile("" : : "v"(sum[i]));                                        \
        return (double)repeats * (chains) * (operations);                                \
    }

/* The intrinsic makes GCC 12 copy sums from register to register. */
__attribute__((target("avx512f,avx512vnni"))) static inline __m512i
multiply_bytes(__m512i sum, __m512i a, __m512i b) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
}

DOT(fma_avx2, "avx2,fma", __m256, 12, _mm256_setzero_ps(), _mm256_set1_ps(0.5F),
    _mm256_fmadd_ps(a, b, sum[i]), 2 * 8)
DOT(fma_avx512, "avx512f", __m512, 24, _mm512_setzero_ps(), _mm512_set1_ps(0.5F),
    _mm512_fmadd_ps(a, b, sum[i]), 2 * 16)
DOT(bf16_avx512, "avx512f,avx512bf16", __m512, 24, _mm512_setzero_ps(),
    (__m512)_mm512_set1_epi16(0x3F00), _mm512_dpbf16_ps(sum[i], (__m512bh)a, (__m512bh)b),
    2 * 32)
DOT(int8_avx512, "avx512f,avx512vnni", __m512i, 18, _mm512_setzero_si512(),
    _mm512_set1_epi8(3), multiply_bytes(sum[i], a, b), 2 * 64)
DOT(int8_avx, "avx2,avxvnni", __m256i, 12, _mm256_setzero_si256(), _mm256_set1_epi8(3),
    _mm256_dpbusd_avx_epi32(sum[i], a, b), 2 * 32)

/* Eight tiles of 16 rows of 64 bytes: four sums, two factors from each side. */
struct tiles {
    uint8_t palette, start, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

#define AMX(name, isa, product, factor, operations)                                      \
    __attribute__((target("amx-tile," isa))) static double name(                         \
        long repeats, int thread, int threads) {                                         \
        static const struct tiles tiles = {                                              \
            .palette = 1,                                                                \
            .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},                               \
            .rows = {16, 16, 16, 16, 16, 16, 16, 16}};                                   \
        uint16_t factors[16 * 32];                                                       \
        (void)thread, (void)threads;                                                     \
        for (int i = 0; i < 16 * 32; i++)                                                \
            factors[i] = factor;                                                         \
        __asm__ volatile("" : : "r"(factors) : "memory");                                \
        _tile_loadconfig(&tiles);                                                        \
        _tile_zero(0);                                                                   \
        _tile_zero(1);                                                                   \
        _tile_zero(2);                                                                   \
        _tile_zero(3);                                                                   \
        _tile_loadd(4, factors, 64);                                                     \
        _tile_loadd(5, factors, 64);                                                     \
        _tile_loadd(6, factors, 64);                                                     \
        _tile_loadd(7, factors, 64);                                                     \
        for (long r = 0; r < repeats; r++) {                                             \
            product(0, 4, 6);                                                            \
            product(1, 4, 7);                                                            \
            product(2, 5, 6);                                                            \
            product(3, 5, 7);                                                            \
        }                                                                                \
        _tile_release();                                                                 \
        return (double)repeats * 4 * (operations);                                       \
    }

AMX(amx_bf16, "amx-bf16", _tile_dpbf16ps, 0x3F00, 2 * 16 * 16 * 32)
AMX(amx_int8, "amx-int8", _tile_dpbusd, 0x0303, 2 * 16 * 16 * 64)

/* Linux lends the tiles' state to those who ask for it. */
static bool amx_permitted(void) {
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

/* Bits that not every compiler's __builtin_cpu_supports knows. */
static bool cpuid7(unsigned leaf, bool edx, unsigned bit) {
    unsigned a, b, c, d;
    return __get_cpuid_count(7, leaf, &a, &b, &c, &d) && (edx ? d : a) >> bit & 1;
}

static int arithmetic(struct unit *units) {
    const long repeats = 2000000;
    bool avx512 = __builtin_cpu_supports("avx512f");
    bool amx = cpuid7(0, true, 24) && amx_permitted();
    int n = 0;
    if (avx512)
        units[n++] = (struct unit){"fp32 fma", "GFLOP/s", repeats, fma_avx512};
    else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        units[n++] = (struct unit){"fp32 fma", "GFLOP/s", repeats, fma_avx2};
    if (avx512 && __builtin_cpu_supports("avx512bf16"))
        units[n++] = (struct unit){"bf16 dot", "GFLOP/s", repeats, bf16_avx512};
    if (amx && cpuid7(0, true, 22))
        units[n++] = (struct unit){"bf16 amx", "GFLOP/s", repeats / 4, amx_bf16};
    if (avx512 && __builtin_cpu_supports("avx512vnni"))
        units[n++] = (struct unit){"int8 dot", "GOP/s", repeats, int8_avx512};
    else if (__builtin_cpu_supports("avx2") && cpuid7(1, false, 4))
        units[n++] = (struct unit){"int8 dot", "GOP/s", repeats, int8_avx};
    if (amx && cpuid7(0, true, 25))
        units[n++] = (struct unit){"int8 amx", "GOP/s", repeats / 4, amx_int8};
    return n;
}

#else

static int arithmetic(struct unit *units) {
    (void)units;
    return 0;
}

#endif

/* Parameters, gradients and two moments, much more than a cache holds. */
enum { ARRAYS = 4, FLOATS = 1 << 24 };
typedef float floats __attribute__((vector_size(16), may_alias));
static floats *arrays[ARRAYS];

static double adamw(long repeats, int thread, int threads) {
    const float beta = 0.9F, rate = 1e-5F;
    size_t vectors = FLOATS / 4 / (size_t)threads, first = vectors * (size_t)thread;
    floats *p = arrays[0], *g = arrays[1], *m = arrays[2], *v = arrays[3];
    for (long r = 0; r < repeats; r++)
        for (size_t i = first; i < first + vectors; i++) {
            m[i] = beta * m[i] + g[i];
            v[i] = beta * v[i] + g[i] * g[i];
            p[i] -= rate * m[i] * v[i];
        }
    return (double)repeats * (double)vectors * sizeof(floats) * (ARRAYS + 3);
}

static bool make_arrays(void) {
    for (int i = 0; i < ARRAYS; i++) {
        arrays[i] = aligned_alloc(64, FLOATS * sizeof(float));
        if (!arrays[i])
            return false;
        memset(arrays[i], 0, FLOATS * sizeof(float));
    }
    return true;
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

struct part {
    const struct unit *unit;
    pthread_barrier_t *barrier;
    int thread, threads;
    double best; /* operations a second, of all threads */
};

static void *run_part(void *argument) {
    struct part *part = argument;
    for (int round = 0; round <= ROUNDS; round++) {
        pthread_barrier_wait(part->barrier);
        double began = seconds();
        double done = part->unit->run(part->unit->repeats, part->thread, part->threads);
        pthread_barrier_wait(part->barrier);
        double rate = done * part->threads / (seconds() - began);
        if (round > 0 && rate > part->best)
            part->best = rate;
    }
    return NULL;
}

static bool measure(const struct unit *unit, int threads) {
    static struct part parts[MAX_THREADS];
    static pthread_t handles[MAX_THREADS];
    pthread_barrier_t barrier;
    if (pthread_barrier_init(&barrier, NULL, (unsigned)threads))
        return false;
    for (int i = 0; i < threads; i++) {
        parts[i] = (struct part){unit, &barrier, i, threads, 0};
        if (i > 0 && pthread_create(&handles[i], NULL, run_part, &parts[i]))
            return false;
    }
    run_part(&parts[0]);
    for (int i = 1; i < threads; i++)
        pthread_join(handles[i], NULL);
    pthread_barrier_destroy(&barrier);
    printf("%s\t%.1f\t%s\n", unit->name, 1e-9 * parts[0].best, unit->measure);
    return true;
}

int main(int argc, char **argv) {
    struct unit units[6];
    int threads = argc > 1 ? atoi(argv[1]) : 1;
    if (threads < 1 || threads > MAX_THREADS) {
        fprintf(stderr, "Usage: peaks [THREADS]\n");
        return 2;
    }
    int n = arithmetic(units);
    units[n++] = (struct unit){"memory adamw", "GB/s", 1, adamw};
    if (!make_arrays()) {
        fprintf(stderr, "peaks: no memory\n");
        return 5;
    }
    for (int i = 0; i < n; i++)
        if (!measure(&units[i], threads)) {
            fprintf(stderr, "peaks: no threads\n");
            return 5;
        }
    return 0;
}
