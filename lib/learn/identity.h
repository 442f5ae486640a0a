/*
 * Identity of a run: all that changes its numbers, as lines `NAME TAB VALUE`. Two runs
 * with the same lines are the same run, and one continues the other; threads, paths and
 * times are not among them. The same lines are what bs.json says of a checkpoint.
 */
#ifndef BS_LEARN_IDENTITY_H
#define BS_LEARN_IDENTITY_H

#include "learn/examples.h"
#include "learn/settings.h"

/* What a run is made from; digests as hexadecimal digits. */
struct bs_run_sources {
    const struct bs_train_settings *settings;
    const char *base;      /* bs_model_files_digest */
    const char *tokenizer; /* bs_tokenizer_digest */
    const struct bs_labels *labels;
    const struct bs_examples *train, *eval; /* eval NULL: none */
};

/* Appends the lines. */
int bs_identity_describe(const struct bs_run_sources *sources, struct bs_buffer *lines,
                         struct bs_error *error) BS_MUST_CHECK;

/* The first line in which the two differ, for people: "--epochs is 4, was 3", "the
 * training data is not the same"; false if there is none. `text` is cut to `size`. */
bool bs_identity_difference(struct bs_span stored, struct bs_span wanted, char *text,
                            size_t size);

/* Appends bs.json of a checkpoint: tool, step, the lines of the identity and the
 * figures of `row` (one row of TSV, see table.h; empty: none). False without memory. */
bool bs_identity_json(struct bs_span identity, const char *tool, int64_t step,
                      struct bs_span row, struct bs_buffer *json) BS_MUST_CHECK;

#endif
