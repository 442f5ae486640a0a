/* BERT's tensors in files: their spellings in the wild, and their presence. */
#include "store/tensor_names.h"

#include "common/log.h"
#include "store/tensor_types.h"

#include <stdio.h>
#include <stdlib.h>

/* "...LayerNorm.weight" as TensorFlow's checkpoints spell it; false for other names. */
static bool old_spelling(const char *name, char old[BS_TENSOR_NAME_SIZE]) {
    const char *norm = strstr(name, "LayerNorm.");
    if (!norm || strlen(name) >= BS_TENSOR_NAME_SIZE)
        return false;
    int head = (int)(norm - name) + (int)strlen("LayerNorm.");
    bool weight = strcmp(name + head, "weight") == 0;
    snprintf(old, BS_TENSOR_NAME_SIZE, "%.*s%s", head, name, weight ? "gamma" : "beta");
    return true;
}

static const struct bs_tensor *find_prefixed(const struct bs_tensors *tensors,
                                             const char *name) {
    char prefixed[BS_TENSOR_NAME_SIZE + 8];
    const struct bs_tensor *tensor = bs_tensors_find(tensors, name);
    if (tensor)
        return tensor;
    snprintf(prefixed, sizeof prefixed, "bert.%s", name);
    return bs_tensors_find(tensors, prefixed);
}

const struct bs_tensor *bs_tensor_find_canonical(const struct bs_tensors *tensors,
                                                 const char *name) {
    char old[BS_TENSOR_NAME_SIZE];
    const struct bs_tensor *tensor = find_prefixed(tensors, name);
    if (!tensor && old_spelling(name, old))
        tensor = find_prefixed(tensors, old);
    return tensor;
}

void bs_tensor_written_name(const char *name, char written[BS_TENSOR_NAME_SIZE + 8]) {
    bool head = strncmp(name, "classifier.", strlen("classifier.")) == 0;
    snprintf(written, BS_TENSOR_NAME_SIZE + 8, "%s%s", head ? "" : "bert.", name);
}

static bool shape_fits(const struct bs_tensor *tensor,
                       const struct bs_tensor_spec *spec) {
    if (tensor->n_dimensions != spec->n_dimensions)
        return false;
    if (spec->n_dimensions == 1)
        return tensor->shape[0] == spec->columns;
    return tensor->shape[0] == spec->rows && tensor->shape[1] == spec->columns;
}

static int refuse_shape(const struct bs_tensor *tensor, const struct bs_tensor_spec *spec,
                        const char *path, struct bs_error *error) {
    char has[128] = "";
    size_t used = 0;
    for (int i = 0; i < tensor->n_dimensions; i++)
        used += (size_t)snprintf(has + used, sizeof has - used, "%s%lld", i ? " x " : "",
                                 (long long)tensor->shape[i]);
    char wanted[64] = "";
    if (spec->n_dimensions == 2)
        snprintf(wanted, sizeof wanted, "%lld x ", (long long)spec->rows);
    return bs_fail(error, BS_DATA,
                   "%s: tensor \"%s\" has the shape [%s], config.json says [%s%lld]",
                   path, tensor->name, has, wanted, (long long)spec->columns);
}

static int check_one(const struct bs_tensor *tensor, const struct bs_tensor_spec *spec,
                     const char *path, struct bs_error *error) {
    if (!tensor)
        return bs_fail(error, BS_DATA, "%s: tensor \"%s\" is missing", path, spec->name);
    if (!bs_tensor_is_float(tensor))
        return bs_fail(error, BS_DATA,
                       "%s: tensor \"%s\" has %s; convert the model to F32, F16 or BF16",
                       path, tensor->name, bs_tensor_type_name(tensor->type));
    if (!shape_fits(tensor, spec))
        return refuse_shape(tensor, spec, path, error);
    return BS_OK;
}

/* A model without pooler is whole if nothing of a pooler is there and no classifier
 * wants one. */
static bool may_be_missing(const struct bs_tensors *tensors,
                           const struct bs_model_config *config,
                           const struct bs_tensor_spec *spec) {
    return spec->part == BS_PART_POOLER && config->num_labels == 0 &&
           !bs_tensor_find_canonical(tensors, "pooler.dense.weight") &&
           !bs_tensor_find_canonical(tensors, "pooler.dense.bias");
}

/* Names what nobody asked for, in one line each kind. */
static void note_unused(const struct bs_tensors *tensors, const bool *used,
                        const char *path) {
    struct bs_buffer names = {0};
    int count = 0, shown = 0;
    for (size_t i = 0; i < bs_tensors_count(tensors); i++) {
        const char *name = bs_tensors_get(tensors, i)->name;
        const char *dot = strrchr(name, '.');
        if (used[i])
            continue;
        if (dot && strcmp(dot, ".position_ids") == 0) {
            bs_detail("%s: tensor \"%.100s\" is not needed", path, name);
            continue;
        }
        if (count++ < 8 && bs_buffer_printf(&names, "%s%.100s", shown ? ", " : "", name))
            shown++;
    }
    if (count > 0)
        bs_note("%s: ignored tensors: %.*s%s", path, (int)names.size,
                names.data ? names.data : "", count > shown ? ", ..." : "");
    bs_buffer_free(&names);
}

static int check_all(const struct bs_tensors *tensors,
                     const struct bs_model_config *config, const char *path, bool *used,
                     struct bs_error *error) {
    int64_t count = bs_tensor_spec_count(config);
    const struct bs_tensor *first = bs_tensors_get(tensors, 0);
    for (int64_t i = 0; i < count; i++) {
        struct bs_tensor_spec spec;
        bs_tensor_spec_get(config, i, &spec);
        const struct bs_tensor *tensor = bs_tensor_find_canonical(tensors, spec.name);
        if (!tensor && may_be_missing(tensors, config, &spec))
            continue;
        if (check_one(tensor, &spec, path, error))
            return error->code;
        used[tensor - first] = true;
        if (tensor && tensor->scales) /* it is there, checked above */
            used[tensor->scales - first] = true;
    }
    return BS_OK;
}

int bs_tensor_names_check(const struct bs_tensors *tensors,
                          const struct bs_model_config *config, const char *path,
                          struct bs_error *error) {
    bool *used = bs_alloc(bs_tensors_count(tensors) + 1, sizeof *used);
    if (!used)
        return bs_fail_memory(error, bs_tensors_count(tensors), path);
    int code = check_all(tensors, config, path, used, error);
    if (!code)
        note_unused(tensors, used, path);
    free(used);
    return code;
}
