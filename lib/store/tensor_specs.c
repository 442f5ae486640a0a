/* The list of BERT's tensors: names, shapes, order. */
#include "store/tensor_specs.h"

#include <stdio.h>

/* Sizes in a table of names: letters of the legend in model_config.h. */
enum size { ONE, C, F, V, P, TYPES, K };

struct template {
    const char *name;
    enum size rows, columns; /* ONE row: a vector */
};

static const struct template embeddings[] = {
    {"embeddings.word_embeddings.weight", V, C},
    {"embeddings.position_embeddings.weight", P, C},
    {"embeddings.token_type_embeddings.weight", TYPES, C},
    {"embeddings.LayerNorm.weight", ONE, C},
    {"embeddings.LayerNorm.bias", ONE, C},
};

/* Behind "encoder.layer.N.". */
static const struct template layer[] = {
    {"attention.self.query.weight", C, C},
    {"attention.self.query.bias", ONE, C},
    {"attention.self.key.weight", C, C},
    {"attention.self.key.bias", ONE, C},
    {"attention.self.value.weight", C, C},
    {"attention.self.value.bias", ONE, C},
    {"attention.output.dense.weight", C, C},
    {"attention.output.dense.bias", ONE, C},
    {"attention.output.LayerNorm.weight", ONE, C},
    {"attention.output.LayerNorm.bias", ONE, C},
    {"intermediate.dense.weight", F, C},
    {"intermediate.dense.bias", ONE, F},
    {"output.dense.weight", C, F},
    {"output.dense.bias", ONE, C},
    {"output.LayerNorm.weight", ONE, C},
    {"output.LayerNorm.bias", ONE, C},
};

static const struct template pooler[] = {
    {"pooler.dense.weight", C, C},
    {"pooler.dense.bias", ONE, C},
};

static const struct template classifier[] = {
    {"classifier.weight", K, C},
    {"classifier.bias", ONE, K},
};

#define COUNT(list) ((int64_t)(sizeof(list) / sizeof(list)[0]))

int64_t bs_tensor_spec_count(const struct bs_model_config *config) {
    return COUNT(embeddings) + config->num_hidden_layers * COUNT(layer) + COUNT(pooler) +
           (config->num_labels > 0 ? COUNT(classifier) : 0);
}

static int64_t size_of(const struct bs_model_config *config, enum size size) {
    switch (size) {
    case C:
        return config->hidden_size;
    case F:
        return config->intermediate_size;
    case V:
        return config->vocab_size;
    case P:
        return config->max_position_embeddings;
    case TYPES:
        return config->type_vocab_size;
    case K:
        return config->num_labels;
    case ONE:
        break;
    }
    return 1;
}

static const struct template *place(const struct bs_model_config *config, int64_t index,
                                    struct bs_tensor_spec *spec) {
    spec->layer = -1;
    spec->part = BS_PART_EMBEDDINGS;
    if (index < COUNT(embeddings))
        return &embeddings[index];
    index -= COUNT(embeddings);
    if (index < config->num_hidden_layers * COUNT(layer)) {
        spec->part = BS_PART_LAYER;
        spec->layer = index / COUNT(layer);
        return &layer[index % COUNT(layer)];
    }
    index -= config->num_hidden_layers * COUNT(layer);
    spec->part = index < COUNT(pooler) ? BS_PART_POOLER : BS_PART_CLASSIFIER;
    return index < COUNT(pooler) ? &pooler[index] : &classifier[index - COUNT(pooler)];
}

void bs_tensor_spec_get(const struct bs_model_config *config, int64_t index,
                        struct bs_tensor_spec *spec) {
    const struct template *found = place(config, index, spec);
    if (spec->layer >= 0)
        snprintf(spec->name, sizeof spec->name, "encoder.layer.%lld.%s",
                 (long long)spec->layer, found->name);
    else
        snprintf(spec->name, sizeof spec->name, "%s", found->name);
    spec->n_dimensions = found->rows == ONE ? 1 : 2;
    spec->rows = size_of(config, found->rows);
    spec->columns = size_of(config, found->columns);
}
