/*
 * Plans: in what order sequences are taken, and where one batch ends and the next
 * begins. Nothing here looks at more than counts and lengths, and nothing depends on
 * threads or time, so a plan made again is the same plan: a place in the data is an
 * epoch and the number of a batch.
 */
#ifndef BS_BATCH_PLAN_H
#define BS_BATCH_PLAN_H

#include "common/error.h"

#include <stdint.h>

/* Batch k holds the sequences order[first[k]] .. order[first[k + 1] - 1]. */
struct bs_plan {
    int64_t n_sequences, n_batches;
    int64_t *order; /* [n_sequences], a permutation of indices */
    int64_t *first; /* [n_batches + 1] */
};
void bs_plan_free(struct bs_plan *plan); /* leaves it empty; may be called again */

/* How an epoch of training is ordered. */
struct bs_epoch {
    uint64_t seed;
    int64_t epoch;      /* from 0; each has its own shuffle */
    int64_t batch_size; /* sequences a batch; the last one may hold fewer */
    /* 0: batches are cut from the shuffle as it is, as the reference Trainer does.
     * N: within every N batches sequences are sorted by length before batches are cut,
     * and the batches are shuffled again; less work for padded back ends, and batches
     * that are less mixed. */
    int64_t length_window;
};

/* A plan of `n` sequences for training; `lengths` [n] may be NULL without a window. */
int bs_plan_epoch(struct bs_plan *plan, struct bs_epoch epoch, const int32_t *lengths,
                  int64_t n, struct bs_error *error) BS_MUST_CHECK;

/* A plan for inference: longest first (equal lengths by index), cut where the sum of
 * lengths would pass `max_tokens`. A longer sequence is a batch of its own. Where several
 * workers take the batches in turn, they are cut smaller, so that all end at about the
 * same time. */
int bs_plan_budget(struct bs_plan *plan, const int32_t *lengths, int64_t n,
                   int64_t max_tokens, int64_t workers,
                   struct bs_error *error) BS_MUST_CHECK;

#endif
