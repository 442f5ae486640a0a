/* Reading examples: from any input through the token source into memory. */
#ifndef BS_TRAIN_INPUT_H
#define BS_TRAIN_INPUT_H

#include "format/rejects.h"
#include "front/options.h"
#include "learn/examples.h"
#include "store/model_files.h"

struct train_input {
    const struct bs_options *options;
    const struct bs_model_config *config;
    const struct bs_tokenizer *tokenizer;
    struct bs_rejects *rejects;
    struct bs_labels *labels; /* grows until it is fixed */
};

/* Adds what the files hold to `examples`. Records without a usable label are told to
 * `rejects`. The labels of a stream's header are taken if there are none yet. Ends
 * early, with BS_OK, after a signal. */
int train_input_read(const struct train_input *input, char *const *paths, size_t n_paths,
                     struct bs_examples *examples, struct bs_error *error) BS_MUST_CHECK;

#endif
