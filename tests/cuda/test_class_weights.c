/*
 * Class weights on a GPU: they go up when a step begins, and a recording that is replayed
 * reads those of its own step, as it reads the loss's other numbers.
 */
#include "small_model.h"

#include <math.h>

enum { UPDATES = 5, TEXTS = 4 };

static struct bs_error error;

/* What updates with these weights leave; the host's copies are gone by the time that
 * they are used. */
static uint64_t digest_after(const float weights[UPDATES][SMALL_LABELS],
                             const char *graphs) {
    struct small t;
    uint64_t sum = 0;
    setenv("BS_CUDA_GRAPHS", graphs, 1);
    must(small_open(&t, BS_PRECISION_FP32, 1, &error), &error);
    for (uint32_t update = 0; update < UPDATES; update++) {
        float host[SMALL_LABELS];
        memcpy(host, weights[update], sizeof host);
        small_step(&t, TEXTS, update, host);
        for (int label = 0; label < SMALL_LABELS; label++)
            host[label] = NAN;
        small_learn(&t, TEXTS);
    }
    struct bs_step_result result;
    must(bs_read_step(small_queue(&t), &result, &error), &error);
    check(result.finite, "graphs %s: the weights are on the GPU", graphs);
    must(small_digest(&t, BS_SLOT_VALUE, &sum, &error), &error);
    small_close(&t);
    return sum;
}

int main(void) {
    const float same[UPDATES][SMALL_LABELS] = {
        {1, 2, 3}, {1, 2, 3}, {1, 2, 3}, {1, 2, 3}, {1, 2, 3}};
    const float changing[UPDATES][SMALL_LABELS] = {
        {1, 2, 3}, {1, 2, 3}, {1, 2, 3}, {1, 5, 1}, {0.5F, 1, 2}};
    uint64_t constant = digest_after(same, "0"), varied = digest_after(changing, "0");
    check(constant != varied, "other class weights make another model");
    check(digest_after(same, "1") == constant, "recorded: the same");
    check(digest_after(changing, "1") == varied, "recorded, weights changing: the same");
    return tap_end();
}
