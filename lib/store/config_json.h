/* config.json: read into a struct bs_model_config, and written for a fine-tuned model. */
#ifndef BS_STORE_CONFIG_JSON_H
#define BS_STORE_CONFIG_JSON_H

#include "common/buffer.h"
#include "store/model_config.h"

#include <stdbool.h>

/* Reads and checks config.json. What bs cannot run is refused by name (BS_DATA): other
 * architectures, activations and position types, decoders; with a classifier also heads
 * for tokens or choices, multi-label classification and regression. Keys that are missing
 * have the reference's defaults; a "pad_token_id" of null is none, -1. Without a
 * classifier labels are ignored and num_labels is 0. `path` is for messages. On success
 * the caller frees with bs_model_config_free. */
int bs_config_parse(struct bs_model_config *config, struct bs_span json,
                    bool has_classifier, const char *path,
                    struct bs_error *error) BS_MUST_CHECK;

/* A copy of `base` with these labels instead of its own (copied too); `n_labels` 0:
 * no classifier. The caller frees with bs_model_config_free. */
int bs_model_config_copy(struct bs_model_config *copy, const struct bs_model_config *base,
                         const char *const *labels, int64_t n_labels,
                         struct bs_error *error) BS_MUST_CHECK;

/* Frees the labels; the struct itself is the caller's. */
void bs_model_config_free(struct bs_model_config *config);

/* config.json of a classifier with config's labels: the base's JSON with architectures
 * ["BertForSequenceClassification"], id2label, label2id and problem_type, and
 * `float_type` ("float32") where the base names one; every other key is kept in its
 * place. Without labels (num_labels 0) only the float type changes, and architectures,
 * which become ["BertModel"]: other heads are not written. Overwrites `out`. */
int bs_config_write(const struct bs_model_config *config, struct bs_span base_json,
                    const char *float_type, struct bs_buffer *out,
                    struct bs_error *error) BS_MUST_CHECK;

#endif
