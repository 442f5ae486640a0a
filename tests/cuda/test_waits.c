/*
 * A step never waits: between one update and the next nothing is allocated, nobody waits
 * for the GPU, and no copy goes through memory that is not pinned; with recordings and
 * without. The same of labelling, but for the wait for each batch's results.
 */
#include "small_model.h"
#include "standin.h"

#include <stdlib.h>

static const float class_weights[SMALL_LABELS] = {1, 2, 0.5F};

struct costs {
    long waits, allocations, pageable, graphs;
};

static struct costs now(void) {
    return (struct costs){
        bs_standin_count(BS_STANDIN_WAITS), bs_standin_count(BS_STANDIN_ALLOCATIONS),
        bs_standin_count(BS_STANDIN_PAGEABLE), bs_standin_count(BS_STANDIN_GRAPHS)};
}

/* What came since `before` is so many waits and replayed recordings, and nothing else. */
static void check_costs(struct costs before, long waits, long graphs,
                        const char *precision, const char *what) {
    struct costs after = now();
    check(
        after.waits - before.waits == waits && after.allocations == before.allocations &&
            after.pageable == before.pageable && after.graphs - before.graphs == graphs,
        "%s: %s: %ld waits, %ld allocations, %ld pageable copies, %ld graphs", precision,
        what, after.waits - before.waits, after.allocations - before.allocations,
        after.pageable - before.pageable, after.graphs - before.graphs);
}

/* Updates 0 and 1 may allocate, and record; update 2 and the third batch may not. */
static void test_costs(enum bs_precision precision, const char *graphs,
                       const float *weights) {
    struct bs_error error;
    struct small t;
    char name[64];
    float logits[8 * SMALL_LABELS];
    setenv("BS_CUDA_GRAPHS", graphs, 1);
    snprintf(name, sizeof name, "%s%s%s", bs_precision_name(precision),
             *graphs == '1' ? ", recorded" : "", weights ? ", class weights" : "");
    bs_standin_reset();
    must(small_open(&t, precision, 2, &error), &error);
    for (uint32_t update = 0; update < 3; update++) {
        struct costs before = now();
        small_update(&t, 8, update, weights);
        if (update == 2)
            check_costs(before, 0, *graphs == '1', name, "a training step");
    }
    must(bs_queue_finish(small_queue(&t), &error), &error);
    for (int batch = 0; batch < 3; batch++) {
        struct costs before = now();
        must(small_label(&t, 0, 8, logits, &error), &error);
        if (batch == 2)
            check_costs(before, 1, *graphs == '1', name, "a batch labelled");
    }
    small_close(&t);
    check(bs_standin_count(BS_STANDIN_LIVE) == 0 && !*bs_standin_fault_text(),
          "%s: nothing is left behind", name);
}

int main(void) {
    for (int precision = 0; precision < BS_N_TRAINING_PRECISIONS; precision++) {
        test_costs((enum bs_precision)precision, "1", NULL);
        test_costs((enum bs_precision)precision, "0", NULL);
    }
    test_costs(BS_PRECISION_BF16, "1", class_weights);
    return tap_end();
}
