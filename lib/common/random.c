/* Streams of numbers drawn from Philox. */
#include "common/random.h"

#include <math.h>

uint32_t bs_random_u32(struct bs_random *random) {
    uint32_t counter[4] = {(uint32_t)(random->used >> 2), (uint32_t)(random->used >> 34),
                           random->stream, 0x62732e31U};
    uint32_t out[4];
    bs_philox(counter, random->seed, out);
    return out[random->used++ & 3];
}

double bs_random_unit(struct bs_random *random) {
    uint64_t high = bs_random_u32(random);
    uint64_t low = bs_random_u32(random);
    return (double)((high << 32 | low) >> 11) * 0x1p-53;
}

double bs_random_normal(struct bs_random *random) {
    double u = 1 - bs_random_unit(random); /* never zero */
    double v = bs_random_unit(random);
    return sqrt(-2 * log(u)) * cos(2 * 3.14159265358979323846 * v);
}

uint64_t bs_random_below(struct bs_random *random, uint64_t bound) {
    uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
    uint64_t value;
    do {
        value = (uint64_t)bs_random_u32(random) << 32;
        value |= bs_random_u32(random);
    } while (value >= limit);
    return value % bound;
}

void bs_random_shuffle(struct bs_random *random, int64_t *values, size_t count) {
    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t)bs_random_below(random, i);
        int64_t value = values[i - 1];
        values[i - 1] = values[j];
        values[j] = value;
    }
}
