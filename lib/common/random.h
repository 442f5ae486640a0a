/*
 * Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel Random
 * Numbers: As Easy as 1, 2, 3", SC 2011). A number depends on its counter and key
 * alone, so any thread, device or back end that asks for the same one gets it.
 */
#ifndef BS_COMMON_RANDOM_H
#define BS_COMMON_RANDOM_H

#include "common/host_device.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Four words from a counter of four words and a key (the seed). */
BS_HOST_DEVICE static inline void bs_philox(const uint32_t counter[4], uint64_t key,
                                            uint32_t out[4]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53U * c0;
        uint64_t p1 = (uint64_t)0xCD9E8D57U * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9U;
        k1 += 0xBB67AE85U;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

/* A stream of numbers for host code: initial weights, shuffles, the bootstrap. */
struct bs_random {
    uint64_t seed;
    uint32_t stream; /* what it is for, so that uses do not share numbers */
    uint64_t used;   /* words drawn so far */
};
uint32_t bs_random_u32(struct bs_random *random);
double bs_random_unit(struct bs_random *random);   /* [0, 1), 53 bits */
double bs_random_normal(struct bs_random *random); /* mean 0, variance 1 */
/* Without bias, below `bound` (at least 1). */
uint64_t bs_random_below(struct bs_random *random, uint64_t bound);
/* Fisher-Yates over `count` indices. */
void bs_random_shuffle(struct bs_random *random, int64_t *values, size_t count);

#ifdef __cplusplus
}
#endif

#endif
