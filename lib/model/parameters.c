/* Makes the table of parameters: each is the concatenation, in the order of the store,
 * of the tensors that the table below sends to the same place. */
#include "model/parameters.h"

#include "common/buffer.h"

#include <stdlib.h>

/* Where in struct bs_parameters or struct bs_layer the index of a tensor's parameter
 * stands; in the last layer, where it differs. */
struct target {
    const char *name;
    size_t offset, last;
};

#define MODEL(member) offsetof(struct bs_parameters, member), 0
#define LAYER(member) offsetof(struct bs_layer, member), offsetof(struct bs_layer, member)
#define KEY_VALUE(member)                                                                \
    offsetof(struct bs_layer, query.member), offsetof(struct bs_layer, key_value.member)

static const struct target model_targets[] = {
    {"embeddings.word_embeddings.weight", MODEL(embedding.word)},
    {"embeddings.position_embeddings.weight", MODEL(embedding.position)},
    {"embeddings.token_type_embeddings.weight", MODEL(embedding.type)},
    {"embeddings.LayerNorm.weight", MODEL(embedding_norm.gain)},
    {"embeddings.LayerNorm.bias", MODEL(embedding_norm.bias)},
    {"pooler.dense.weight", MODEL(pooler.weight)},
    {"pooler.dense.bias", MODEL(pooler.bias)},
    {"classifier.weight", MODEL(classifier.weight)},
    {"classifier.bias", MODEL(classifier.bias)},
    {NULL, 0, 0},
};

static const struct target layer_targets[] = {
    {"attention.self.query.weight", LAYER(query.weight)},
    {"attention.self.query.bias", LAYER(query.bias)},
    {"attention.self.key.weight", KEY_VALUE(weight)},
    {"attention.self.key.bias", KEY_VALUE(bias)},
    {"attention.self.value.weight", KEY_VALUE(weight)},
    {"attention.self.value.bias", KEY_VALUE(bias)},
    {"attention.output.dense.weight", LAYER(attention_out.weight)},
    {"attention.output.dense.bias", LAYER(attention_out.bias)},
    {"attention.output.LayerNorm.weight", LAYER(attention_norm.gain)},
    {"attention.output.LayerNorm.bias", LAYER(attention_norm.bias)},
    {"intermediate.dense.weight", LAYER(up.weight)},
    {"intermediate.dense.bias", LAYER(up.bias)},
    {"output.dense.weight", LAYER(down.weight)},
    {"output.dense.bias", LAYER(down.bias)},
    {"output.LayerNorm.weight", LAYER(output_norm.gain)},
    {"output.LayerNorm.bias", LAYER(output_norm.bias)},
    {NULL, 0, 0},
};

static const struct target *find_target(const struct target *targets, const char *name) {
    while (targets->name && strcmp(targets->name, name) != 0)
        targets++;
    return targets->name ? targets : NULL;
}

/* What stands behind "encoder.layer.N.". */
static const char *layer_suffix(const char *name) {
    static const char prefix[] = "encoder.layer.";
    if (strncmp(name, prefix, sizeof prefix - 1) != 0)
        return name;
    const char *dot = strchr(name + sizeof prefix - 1, '.');
    return dot ? dot + 1 : name;
}

/* The place that holds the parameter's index, or NULL for a tensor of no use. */
static int *find_index(struct bs_parameters *parameters,
                       const struct bs_tensor_spec *spec) {
    if (spec->part != BS_PART_LAYER) {
        const struct target *target = find_target(model_targets, spec->name);
        return target ? (int *)((char *)parameters + target->offset) : NULL;
    }
    const struct target *target = find_target(layer_targets, layer_suffix(spec->name));
    bool last = spec->layer == parameters->n_layers - 1;
    char *layer = (char *)&parameters->layers[spec->layer];
    return target ? (int *)(layer + (last ? target->last : target->offset)) : NULL;
}

static bool is_frozen(const struct bs_tensor_spec *spec, struct bs_freeze freeze) {
    return spec->part == BS_PART_EMBEDDINGS
               ? freeze.embeddings
               : spec->layer >= 0 && spec->layer < freeze.layers;
}

static enum bs_role role_of(const struct bs_tensor_spec *spec) {
    if (spec->n_dimensions == 1)
        return BS_ROLE_VECTOR;
    return spec->part == BS_PART_EMBEDDINGS ? BS_ROLE_EMBEDDING : BS_ROLE_MATRIX;
}

/* Puts a tensor behind those that its parameter already has. */
static void place_tensor(struct bs_parameters *parameters, struct bs_tensor_place *place,
                         int *index, struct bs_freeze freeze) {
    const struct bs_tensor_spec *spec = &place->spec;
    enum bs_role role = role_of(spec);
    if (*index < 0) {
        *index = parameters->count++;
        parameters->list[*index] = (struct bs_parameter){
            .name = spec->name,
            .role = role,
            .rows = role == BS_ROLE_VECTOR,
            .columns = role == BS_ROLE_VECTOR ? 0 : spec->columns,
            .decays = role != BS_ROLE_VECTOR,
            .trainable = !is_frozen(spec, freeze),
        };
    }
    struct bs_parameter *parameter = &parameters->list[*index];
    place->parameter = *index;
    place->first = parameter->rows * parameter->columns;
    if (role == BS_ROLE_VECTOR)
        parameter->columns += spec->columns;
    else
        parameter->rows += spec->rows;
}

static int check_config(const struct bs_model_config *c, struct bs_error *error) {
    const int64_t most = (int64_t)1 << 24;
    const int64_t sizes[] = {c->vocab_size,        c->hidden_size,
                             c->num_hidden_layers, c->num_attention_heads,
                             c->intermediate_size, c->max_position_embeddings,
                             c->type_vocab_size,   c->num_labels};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i] < 1 || sizes[i] > most)
            return bs_fail(error, BS_DATA, "%lld is not a size that a BERT can have",
                           (long long)sizes[i]);
    if (c->num_hidden_layers > 4096 || c->num_attention_heads > 4096 ||
        c->max_position_embeddings > 65536)
        return bs_fail(error, BS_DATA,
                       "more than 4096 layers or heads, or 65536 positions");
    if (c->hidden_size % c->num_attention_heads)
        return bs_fail(error, BS_DATA, "hidden_size %lld is no multiple of %lld heads",
                       (long long)c->hidden_size, (long long)c->num_attention_heads);
    return BS_OK;
}

/* All indices unset, all norms with their epsilon. */
static void clear_indices(struct bs_parameters *p, const struct bs_model_config *config) {
    const struct bs_linear none = {-1, -1};
    const struct bs_norm norm = {-1, -1, (float)config->layer_norm_eps};
    p->embedding = (struct bs_embedding){-1, -1, -1, (int32_t)config->pad_token_id};
    p->embedding_norm = norm;
    p->pooler = p->classifier = none;
    for (int64_t i = 0; i < p->n_layers; i++)
        p->layers[i] = (struct bs_layer){.query = none,
                                         .key_value = none,
                                         .attention_out = none,
                                         .attention_norm = norm,
                                         .up = none,
                                         .down = none,
                                         .output_norm = norm};
}

static int place_all(struct bs_parameters *parameters,
                     const struct bs_model_config *config, struct bs_freeze freeze,
                     struct bs_error *error) {
    for (int64_t i = 0; i < parameters->n_tensors; i++) {
        struct bs_tensor_place *place = &parameters->tensors[i];
        bs_tensor_spec_get(config, i, &place->spec);
        int *index = find_index(parameters, &place->spec);
        if (!index)
            return bs_fail(error, BS_DATA, "tensor %s has no place in the model",
                           place->spec.name);
        place_tensor(parameters, place, index, freeze);
    }
    return BS_OK;
}

int bs_parameters_init(struct bs_parameters *parameters,
                       const struct bs_model_config *config, struct bs_freeze freeze,
                       struct bs_error *error) {
    *parameters = (struct bs_parameters){0};
    if (check_config(config, error))
        return error->code;
    parameters->n_tensors = bs_tensor_spec_count(config);
    parameters->n_layers = config->num_hidden_layers;
    size_t n = (size_t)parameters->n_tensors, layers = (size_t)parameters->n_layers;
    parameters->tensors = bs_alloc(n, sizeof *parameters->tensors);
    parameters->list = bs_alloc(n, sizeof *parameters->list);
    parameters->layers = bs_alloc(layers, sizeof *parameters->layers);
    if (!parameters->tensors || !parameters->list || !parameters->layers) {
        bs_parameters_free(parameters);
        return bs_fail_memory(error, n * sizeof(struct bs_tensor_place), "parameters");
    }
    clear_indices(parameters, config);
    if (place_all(parameters, config, freeze, error)) {
        bs_parameters_free(parameters);
        return error->code;
    }
    return BS_OK;
}

void bs_parameters_free(struct bs_parameters *parameters) {
    free(parameters->list);
    free(parameters->tensors);
    free(parameters->layers);
    *parameters = (struct bs_parameters){0};
}
