/* Does a copy of a model compute what the model computes? */
#ifndef BS_TOOLS_EXPORT_COMPARE_H
#define BS_TOOLS_EXPORT_COMPARE_H

#include "front/options.h"
#include "store/model_files.h"

/* How the labels of a smaller model compare with the model's own. */
struct agreement {
    int64_t texts, equal; /* equal: those with the same label */
    double difference;    /* of the label's probability, in the mean */
};

/*
 * Tokenizes the texts of the options' FILEs (none: a dozen sentences of its own) and
 * compares the logits of both models, which must be equal bit by bit, as their
 * tokenizers must be. Without a classifier there are no logits: all weights are
 * compared instead, and `texts` is 0. BS_DATA says what differs.
 */
int compare_models(const struct bs_options *options, struct bs_model_files *model,
                   struct bs_model_files *copy, int64_t *texts,
                   struct bs_error *error) BS_MUST_CHECK;

/* Labels the same texts with the model in fp32 and with the copy in int8, on the CPU
 * unless the options name another device; a GPU refuses int8.
 * BS_DATA if there is no classifier. */
int compare_labels(const struct bs_options *options, struct bs_model_files *model,
                   struct bs_model_files *copy, struct agreement *agreement,
                   struct bs_error *error) BS_MUST_CHECK;

#endif
