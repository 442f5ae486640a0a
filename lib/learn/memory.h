/* Memory of a run, part by part. Within the room. */
#ifndef BS_LEARN_MEMORY_H
#define BS_LEARN_MEMORY_H

#include "learn/run.h"

/* Bytes. */
struct run_memory {
    struct bs_weights_memory weights;
    int64_t activations; /* of a step, and of the workers of an evaluation */
    int64_t data;
    int64_t saving; /* the copy of the weights that a save makes, if it needs one */
};

int run_memory(const struct run *run, struct run_memory *memory,
               struct bs_error *error) BS_MUST_CHECK;
int64_t run_memory_sum(const struct run_memory *memory);

/* The most this process has held, in bytes. */
double run_peak_memory(void);

#endif
