/*
 * Packing: token sequences, one behind the other without padding between them, as the
 * `struct bs_batch` that a device works on.
 *
 * A packer owns the arrays of its batch and is made to be reused: bs_packer_begin,
 * bs_packer_add for each sequence, bs_packer_finish; the batch is valid until the next
 * begin. Sequences are copied. Memory grows to the largest batch seen and stays.
 */
#ifndef BS_BATCH_PACKING_H
#define BS_BATCH_PACKING_H

#include "common/error.h"
#include "compute/compute.h"

/* One text as ids, borrowed. */
struct bs_sequence {
    const int32_t *ids;
    const int32_t *type_ids; /* same length, or NULL: all zero */
    int64_t length;          /* at least 1 */
};

struct bs_packer;

/* `row_tile`: what the number of rows is rounded up to, from bs_device_info. */
int bs_packer_new(struct bs_packer **packer, int64_t row_tile,
                  struct bs_error *error) BS_MUST_CHECK;
void bs_packer_free(struct bs_packer *packer);

/* Empties the batch. `first_example` is the place of its first sequence within the
 * effective batch: 0, or with accumulation what earlier micro-batches held. */
void bs_packer_begin(struct bs_packer *packer, uint32_t first_example);

/* `label` is an index, or -1 for none; either all sequences of a batch have one or
 * none has. BS_RESOURCE without memory or beyond 2^31 tokens. */
int bs_packer_add(struct bs_packer *packer, const struct bs_sequence *sequence,
                  int32_t label, struct bs_error *error) BS_MUST_CHECK;

/* Sequences and tokens added so far, row tile not counted. */
int64_t bs_packer_sequences(const struct bs_packer *packer);
int64_t bs_packer_tokens(const struct bs_packer *packer);

/* Pads to the row tile and returns the batch, which the packer keeps owning. */
const struct bs_batch *bs_packer_finish(struct bs_packer *packer);

/* `tokens` rounded up to a multiple of `row_tile`. */
int64_t bs_round_rows(int64_t tokens, int64_t row_tile);

#endif
