/*
 * What device code may use, and the launch that bs's BS_LAUNCH makes. A thread of a block
 * is a fiber; the functions that wait for other threads switch to another one.
 *
 *   __syncthreads and its votes  every thread of the block must come, and to the same of
 *                                them; one that has ended before is a fault
 *   __..._sync(mask)             every living lane in the mask must come, with the same
 *                                mask to the same function; what is read from a lane
 *                                that is not there is NaN
 *   matrix products, ldmatrix    all 32 lanes of the warp
 *
 * A fault (a deadlock, a guard overwritten, a wrong address) is described on stderr with
 * the kernel's name, block and thread, and becomes a sticky error of the device.
 *
 * Integer atomics alone: there is no atomicAdd for floats, on purpose.
 */
#ifndef BS_STANDIN_DEVICE_H
#define BS_STANDIN_DEVICE_H

#include <cmath>
#include <cstring>
#include <initializer_list>
#include <type_traits>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))

/* ---- vector types --------------------------------------------------------------- */

struct uint3 {
    unsigned x, y, z;
};
struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {
    }
};

#define BS_STANDIN_VECTORS(scalar, name, align2, align4)                                 \
    struct __attribute__((aligned(align2))) name##2 {                                    \
        scalar x, y;                                                                     \
    };                                                                                   \
    struct __attribute__((aligned(align4))) name##4 {                                    \
        scalar x, y, z, w;                                                               \
    };                                                                                   \
    static inline name##2 make_##name##2(scalar x, scalar y) {                           \
        return {x, y};                                                                   \
    }                                                                                    \
    static inline name##4 make_##name##4(scalar x, scalar y, scalar z, scalar w) {       \
        return {x, y, z, w};                                                             \
    }
BS_STANDIN_VECTORS(float, float, 8, 16)
BS_STANDIN_VECTORS(int, int, 8, 16)
BS_STANDIN_VECTORS(unsigned, uint, 8, 16)
#undef BS_STANDIN_VECTORS

/* ---- where a thread is ---------------------------------------------------------- */

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

/* The block's shared memory, of the size that the launch asked for. */
void *bs_standin_shared(void);

/* Code that is not watched for races (standin_watch.h). */
#define BS_STANDIN_UNWATCHED __attribute__((no_sanitize_thread))

/* A kernel with its arguments: run(closure) runs it as one thread. */
struct bs_standin_body {
    void *closure;
    void (*run)(const void *closure);
    void (*discard)(void *closure);
};

template <class Body> BS_STANDIN_UNWATCHED void bs_standin_run(const void *closure) {
    (*static_cast<const Body *>(closure))();
}

template <class Body> void bs_standin_discard(void *closure) {
    delete static_cast<Body *>(closure);
}

template <class Body> static inline bs_standin_body bs_standin_body_of(Body body) {
    return {new Body(body), bs_standin_run<Body>, bs_standin_discard<Body>};
}

/* Queues a kernel; the body becomes its own. `pointers`: those among its arguments, which
 * must point into device memory when it runs. */
cudaError_t bs_standin_launch(const char *name, dim3 grid, dim3 block,
                              size_t shared_bytes, cudaStream_t stream,
                              const void *kernel, bs_standin_body body,
                              std::initializer_list<const void *> pointers);

template <class T> static inline const void *bs_standin_pointer(const T &) {
    return nullptr;
}
template <class T> static inline const void *bs_standin_pointer(T *const &pointer) {
    return pointer;
}

/* CUDA's templates of the C functions. */
template <class T> static inline cudaError_t cudaMalloc(T **pointer, size_t bytes) {
    return cudaMalloc(reinterpret_cast<void **>(pointer), bytes);
}
template <class T> static inline cudaError_t cudaMallocHost(T **pointer, size_t bytes) {
    return cudaMallocHost(reinterpret_cast<void **>(pointer), bytes);
}

/* ---- barriers, votes, shuffles ---------------------------------------------------- */

void __syncthreads(void);
int __syncthreads_count(int yes);
int __syncthreads_and(int yes);
int __syncthreads_or(int yes);
void __syncwarp(unsigned mask = 0xFFFFFFFFU);
unsigned __ballot_sync(unsigned mask, int yes);
int __any_sync(unsigned mask, int yes);
int __all_sync(unsigned mask, int yes);

/* The bits of lane `from`; `from` may be the lane itself. */
uint64_t bs_standin_shuffle(unsigned mask, uint64_t bits, int from);
int bs_standin_lane(void);

template <class T>
static inline T bs_standin_shuffle_as(unsigned mask, T value, int from) {
    static_assert(std::is_arithmetic<T>::value, "shuffles move numbers");
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    bits = bs_standin_shuffle(mask, bits, from);
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

template <class T>
static inline T __shfl_sync(unsigned mask, T value, int lane, int width = 32) {
    int base = bs_standin_lane() & ~(width - 1);
    return bs_standin_shuffle_as(mask, value, base + (lane & (width - 1)));
}

template <class T>
static inline T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32) {
    int lane = bs_standin_lane(), from = lane ^ bits;
    return bs_standin_shuffle_as(mask, value,
                                 from >= (lane & ~(width - 1)) + width ? lane : from);
}

template <class T>
static inline T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {
    int lane = bs_standin_lane(), from = lane - static_cast<int>(delta);
    return bs_standin_shuffle_as(mask, value, from < (lane & ~(width - 1)) ? lane : from);
}

template <class T>
static inline T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {
    int lane = bs_standin_lane(), from = lane + static_cast<int>(delta);
    return bs_standin_shuffle_as(mask, value,
                                 from >= (lane & ~(width - 1)) + width ? lane : from);
}

/* ---- matrix unit ------------------------------------------------------------------ */

/* Behind lib/compute/cuda/matrix_unit.h, which says what they do. */
enum bs_standin_operand { BS_STANDIN_FP16, BS_STANDIN_BF16, BS_STANDIN_TF32 };
void bs_standin_mma(bs_standin_operand type, float *d, const uint32_t *a,
                    const uint32_t *b);
uint32_t bs_standin_tf32(float value);
void bs_standin_ldmatrix(uint32_t *r, const void *row, int matrices, bool transposed);
uint32_t bs_standin_movmatrix(uint32_t held);
void bs_standin_copy_async(void *to, const void *from, int bytes);
void bs_standin_copy_commit(void);
void bs_standin_copy_wait(int newest);

/* ---- atomics ---------------------------------------------------------------------- */

/* Other threads may run before and after. */
void bs_standin_pause(void);

#define BS_STANDIN_ATOMIC(name, type, change)                                            \
    BS_STANDIN_UNWATCHED static inline type name(type *address, type value) {            \
        bs_standin_pause();                                                              \
        type old = *address;                                                             \
        *address = change;                                                               \
        bs_standin_pause();                                                              \
        return old;                                                                      \
    }
#define BS_STANDIN_ATOMICS(type)                                                         \
    BS_STANDIN_ATOMIC(atomicAdd, type, old + value)                                      \
    BS_STANDIN_ATOMIC(atomicMax, type, old < value ? value : old)                        \
    BS_STANDIN_ATOMIC(atomicMin, type, value < old ? value : old)                        \
    BS_STANDIN_ATOMIC(atomicExch, type, value)                                           \
    BS_STANDIN_ATOMIC(atomicOr, type, old | value)                                       \
    BS_STANDIN_ATOMIC(atomicAnd, type, old &value)                                       \
    BS_STANDIN_UNWATCHED static inline type atomicCAS(type *address, type compare,       \
                                                      type value) {                      \
        bs_standin_pause();                                                              \
        type old = *address;                                                             \
        if (old == compare)                                                              \
            *address = value;                                                            \
        bs_standin_pause();                                                              \
        return old;                                                                      \
    }
BS_STANDIN_ATOMICS(int)
BS_STANDIN_ATOMICS(unsigned)
BS_STANDIN_ATOMICS(unsigned long long)
#undef BS_STANDIN_ATOMICS
#undef BS_STANDIN_ATOMIC
float atomicAdd(float *, float) = delete;
double atomicAdd(double *, double) = delete;

void __threadfence(void);
static inline void __threadfence_block(void) {
}

/* Ends the kernel with a fault. */
[[noreturn]] void bs_standin_trap(void);
#define __trap() bs_standin_trap()

/* ---- numbers ---------------------------------------------------------------------- */

static inline uint32_t __float_as_uint(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}
static inline float __uint_as_float(uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}
static inline int __float_as_int(float value) {
    return static_cast<int>(__float_as_uint(value));
}
static inline float __int_as_float(int bits) {
    return __uint_as_float(static_cast<uint32_t>(bits));
}

static inline int min(int a, int b) {
    return b < a ? b : a;
}
static inline int max(int a, int b) {
    return a < b ? b : a;
}
static inline unsigned min(unsigned a, unsigned b) {
    return b < a ? b : a;
}
static inline unsigned max(unsigned a, unsigned b) {
    return a < b ? b : a;
}
static inline long long min(long long a, long long b) {
    return b < a ? b : a;
}
static inline long long max(long long a, long long b) {
    return a < b ? b : a;
}

static inline unsigned __umulhi(unsigned a, unsigned b) {
    return static_cast<unsigned>((static_cast<uint64_t>(a) * b) >> 32);
}
static inline int __popc(unsigned bits) {
    return __builtin_popcount(bits);
}
static inline int __clz(int bits) {
    return bits ? __builtin_clz(static_cast<unsigned>(bits)) : 32;
}
static inline int __ffs(int bits) {
    return __builtin_ffs(bits);
}

static inline float rsqrtf(float x) {
    return 1.0F / sqrtf(x);
}
/* Macros: the C library has functions of these names, for its own use. */
#define __expf(x) expf(x)
#define __logf(x) logf(x)
static inline float __fdividef(float a, float b) {
    return a / b;
}
static inline float __frcp_rn(float x) {
    return 1.0F / x;
}
static inline float __fsqrt_rn(float x) {
    return sqrtf(x);
}
static inline float __fadd_rn(float a, float b) {
    return a + b;
}
static inline float __fmul_rn(float a, float b) {
    return a * b;
}
static inline float __fdiv_rn(float a, float b) {
    return a / b;
}
static inline float __fmaf_rn(float a, float b, float c) {
    return fmaf(a, b, c);
}
static inline float __saturatef(float x) {
    return x > 0.0F ? (x < 1.0F ? x : 1.0F) : 0.0F;
}
static inline float normcdff(float x) {
    return 0.5F * erfcf(-x * 0.70710678118654752F);
}
static inline int __float2int_rn(float x) {
    return static_cast<int>(nearbyintf(x));
}
template <class T> static inline T __ldg(const T *from) {
    return *from;
}

#endif
