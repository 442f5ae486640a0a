/*
 * Examples in memory: token ids as 16-bit numbers where the vocabulary allows it,
 * lengths and labels; no text, no records. 2 bytes a token and 16 an example.
 *
 * Order: bs_examples_new, bs_examples_add..., then read.
 */
#ifndef BS_LEARN_EXAMPLES_H
#define BS_LEARN_EXAMPLES_H

#include "batch/packing.h"
#include "common/ids.h"
#include "learn/labels.h"
#include "store/model_config.h"

struct bs_examples {
    const struct bs_model_config *config; /* bounds of ids and lengths; borrowed */
    int64_t count, capacity;
    int64_t *first;   /* [count + 1], where an example's ids begin */
    int32_t *lengths; /* [count] */
    int32_t *labels;  /* [count] */
    int64_t n_ids, ids_capacity;
    uint16_t *short_ids; /* [n_ids]; one of the two is NULL */
    int32_t *long_ids;
    uint8_t *type_ids; /* [n_ids], NULL as long as all are zero */
};

void bs_examples_init(struct bs_examples *examples, const struct bs_model_config *config);
void bs_examples_free(struct bs_examples *examples); /* leaves it empty */

/* Takes a copy. BS_REJECTED if the model cannot take the sequence (see
 * bs_model_check_ids). */
int bs_examples_add(struct bs_examples *examples, const struct bs_sequence *sequence,
                    int32_t label, struct bs_error *error) BS_MUST_CHECK;

/* Gives every label the index that bs_labels_order moved it to. */
void bs_examples_relabel(struct bs_examples *examples, const int32_t *moved);

/* Example `index`, in ids and type_ids of `scratch` (cleared first), valid until its
 * next use. */
struct bs_example_scratch {
    struct bs_ids ids, type_ids;
};
int bs_examples_get(const struct bs_examples *examples, int64_t index,
                    struct bs_example_scratch *scratch, struct bs_sequence *sequence,
                    struct bs_error *error) BS_MUST_CHECK;
void bs_example_scratch_free(struct bs_example_scratch *scratch);

/* Moves about `fraction` of the examples to `held_back` (empty, same configuration).
 * Which ones depends on an example's own ids and the seed, so equal texts stay
 * together and order does not matter. */
int bs_examples_split(struct bs_examples *examples, double fraction, uint64_t seed,
                      struct bs_examples *held_back,
                      struct bs_error *error) BS_MUST_CHECK;

/* How many examples of each label: counts[n_labels]. */
void bs_examples_count(const struct bs_examples *examples, int64_t *counts,
                       int64_t n_labels);

/* SHA-256 over ids, types and labels in order, as hexadecimal digits. */
int bs_examples_digest(const struct bs_examples *examples, char hex[65],
                       struct bs_error *error) BS_MUST_CHECK;

/* Upper bounds for any `n` examples together. */
int64_t bs_examples_longest(const struct bs_examples *examples);
int bs_examples_most_tokens(const struct bs_examples *examples, int64_t n,
                            int64_t *tokens, struct bs_error *error) BS_MUST_CHECK;

/* Bytes that hold data. */
int64_t bs_examples_memory(const struct bs_examples *examples);

#endif
