/* Does a copy of a model compute what the model computes? */
#ifndef BS_TOOLS_EXPORT_COMPARE_H
#define BS_TOOLS_EXPORT_COMPARE_H

#include "front/options.h"
#include "store/model_files.h"

/*
 * Tokenizes the texts of the options' FILEs (none: a dozen sentences of its own) and
 * compares the logits of both models, which must be equal bit by bit, as their
 * tokenizers must be. Without a classifier there are no logits: all weights are
 * compared instead, and `texts` is 0. BS_DATA says what differs.
 */
int compare_models(const struct bs_options *options, struct bs_model_files *model,
                   struct bs_model_files *copy, int64_t *texts,
                   struct bs_error *error) BS_MUST_CHECK;

#endif
