/* Weights from named tensors and back. */
#include "common/buffer.h"
#include "common/random.h"
#include "model/activations.h"
#include "store/tensor_names.h"

#include <stdlib.h>

enum { STREAM_POOLER = 0x6d6f0001, STREAM_CLASSIFIER = 0x6d6f0002 };

/* Elements converted at a time; whole rows. */
enum { PIECE_ELEMENTS = 1 << 18 };

struct loading {
    struct bs_model *model;
    const struct bs_tensors *tensors;
    struct bs_model_load how;
    float *piece; /* room for a piece, a row or a vector, whichever is largest */
    struct bs_model_loaded loaded;
    struct bs_error *error;
};

static int64_t largest_piece(const struct bs_parameters *parameters) {
    int64_t most = PIECE_ELEMENTS;
    for (int i = 0; i < parameters->count; i++)
        if (parameters->list[i].columns > most)
            most = parameters->list[i].columns;
    return most;
}

/* Uploads `rows` rows of a matrix, read from a tensor or drawn. */
typedef bool fill_piece(void *source, int64_t first, int64_t count, float *out);

static bool fill_from_tensor(void *source, int64_t first, int64_t count, float *out) {
    return bs_tensor_to_float(source, first, count, out);
}

struct normal_source {
    struct bs_random random;
    double range;
};

static bool fill_normal(void *source, int64_t first, int64_t count, float *out) {
    struct normal_source *normal = source;
    (void)first; /* drawn in order */
    for (int64_t i = 0; i < count; i++)
        out[i] = (float)(normal->range * bs_random_normal(&normal->random));
    return true;
}

static bool fill_zero(void *source, int64_t first, int64_t count, float *out) {
    (void)source, (void)first;
    memset(out, 0, (size_t)count * sizeof *out);
    return true;
}

/* Neither infinite nor no number at all: the exponents of those are all ones. */
static bool all_finite(const float *values, int64_t count) {
    enum { RUN = 256, EXPONENT = 0x7F800000 };
    uint32_t bits[RUN], odd = 0;
    for (int64_t i = 0; i < count && !odd; i += RUN) {
        int64_t left = count - i;
        memset(bits, 0, sizeof bits);
        memcpy(bits, values + i, sizeof *bits * (size_t)(left < RUN ? left : RUN));
        for (int j = 0; j < RUN; j++)
            odd |= (bits[j] & EXPONENT) == EXPONENT;
    }
    return !odd;
}

static int check_finite(const struct loading *l, const char *name, const float *values,
                        int64_t count) {
    return all_finite(values, count)
               ? BS_OK
               : bs_fail(l->error, BS_DATA,
                         "tensor %s has a value that is not finite: it is damaged", name);
}

/* A matrix goes up in pieces of whole rows. */
static int upload_rows(struct loading *l, const struct bs_tensor_place *place,
                       fill_piece *fill, void *source) {
    const struct bs_tensor_spec *spec = &place->spec;
    int64_t at_once = PIECE_ELEMENTS / spec->columns;
    if (at_once < 1)
        at_once = 1;
    for (int64_t row = 0; row < spec->rows; row += at_once) {
        int64_t rows = spec->rows - row < at_once ? spec->rows - row : at_once;
        if (!fill(source, row * spec->columns, rows * spec->columns, l->piece))
            return bs_fail(l->error, BS_DATA, "tensor %s is not of a type bs reads",
                           spec->name);
        if (check_finite(l, spec->name, l->piece, rows * spec->columns) ||
            bs_weights_upload(l->model->weights, place->parameter, BS_SLOT_VALUE,
                              place->first / spec->columns + row, rows, l->piece,
                              l->error))
            return l->error->code;
    }
    return BS_OK;
}

/* A vector may be a part of its parameter: what is there comes down, and all goes up. */
static int upload_part(struct loading *l, const struct bs_tensor_place *place,
                       fill_piece *fill, void *source) {
    struct bs_weights *weights = l->model->weights;
    if (bs_weights_download(weights, place->parameter, BS_SLOT_VALUE, 0, 1, l->piece,
                            l->error))
        return l->error->code;
    if (!fill(source, 0, place->spec.columns, l->piece + place->first))
        return bs_fail(l->error, BS_DATA, "tensor %s is not of a type bs reads",
                       place->spec.name);
    if (check_finite(l, place->spec.name, l->piece + place->first, place->spec.columns))
        return l->error->code;
    return bs_weights_upload(weights, place->parameter, BS_SLOT_VALUE, 0, 1, l->piece,
                             l->error);
}

static int upload(struct loading *l, const struct bs_tensor_place *place,
                  fill_piece *fill, void *source) {
    return place->spec.n_dimensions == 1 ? upload_part(l, place, fill, source)
                                         : upload_rows(l, place, fill, source);
}

/* As Hugging Face initialises a layer: N(0, initializer_range), biases 0. */
static int initialise(struct loading *l, const struct bs_tensor_place *place) {
    bool pooler = place->spec.part == BS_PART_POOLER;
    *(pooler ? &l->loaded.new_pooler : &l->loaded.new_classifier) = true;
    struct normal_source normal = {
        .random = {.seed = l->how.seed,
                   .stream = pooler ? STREAM_POOLER : STREAM_CLASSIFIER},
        .range = l->model->config.initializer_range,
    };
    return upload(l, place, place->spec.n_dimensions == 1 ? fill_zero : fill_normal,
                  &normal);
}

static bool has_shape(const struct bs_tensor *tensor, const struct bs_tensor_spec *spec) {
    if (tensor->n_dimensions != spec->n_dimensions)
        return false;
    if (spec->n_dimensions == 1)
        return tensor->shape[0] == spec->columns;
    return tensor->shape[0] == spec->rows && tensor->shape[1] == spec->columns;
}

/* A matrix whose numbers lie there as they are wanted. */
static int upload_floats(struct loading *l, const struct bs_tensor_place *place,
                         const float *values) {
    const struct bs_tensor_spec *spec = &place->spec;
    if (check_finite(l, spec->name, values, spec->rows * spec->columns))
        return l->error->code;
    return bs_weights_upload(l->model->weights, place->parameter, BS_SLOT_VALUE,
                             place->first / spec->columns, spec->rows, values, l->error);
}

static int upload_tensor(struct loading *l, const struct bs_tensor_place *place,
                         const struct bs_tensor *tensor) {
    const struct bs_tensor_spec *spec = &place->spec;
    struct bs_weights *weights = l->model->weights;
    const float *values = bs_tensor_floats(tensor);
    int code;
    if (values && bs_weights_lend(weights, place->parameter, values))
        return BS_OK;
    if (values && spec->n_dimensions == 2)
        code = upload_floats(l, place, values);
    else
        code = upload(l, place, fill_from_tensor, (void *)tensor);
    bs_tensors_forget(l->tensors, tensor);
    return code;
}

static int load_tensor(struct loading *l, const struct bs_tensor_place *place) {
    const struct bs_tensor_spec *spec = &place->spec;
    const struct bs_tensor *tensor = bs_tensor_find_canonical(l->tensors, spec->name);
    bool head = spec->part == BS_PART_POOLER || spec->part == BS_PART_CLASSIFIER;
    if (spec->part == BS_PART_CLASSIFIER && l->how.head == BS_HEAD_NEW)
        tensor = NULL;
    if (!tensor && head && l->how.head != BS_HEAD_REQUIRED)
        return initialise(l, place);
    if (!tensor)
        return bs_fail(l->error, BS_DATA, "tensor %s is missing%s", spec->name,
                       head ? "; train the model with bs-train first" : "");
    if (!has_shape(tensor, spec))
        return bs_fail(l->error, BS_DATA,
                       "tensor %s does not have the shape [%lld, %lld]", tensor->name,
                       (long long)spec->rows, (long long)spec->columns);
    return upload_tensor(l, place, tensor);
}

int bs_model_load(struct bs_model *model, const struct bs_tensors *tensors,
                  struct bs_model_load load, struct bs_model_loaded *loaded,
                  struct bs_error *error) {
    struct loading l = {.model = model, .tensors = tensors, .how = load, .error = error};
    int64_t piece = largest_piece(&model->parameters);
    int code = BS_OK;
    l.piece = bs_alloc((size_t)piece, sizeof *l.piece);
    if (!l.piece)
        return bs_fail_memory(error, (unsigned long long)piece * 4, "weights");
    for (int64_t i = 0; i < model->parameters.n_tensors && !code; i++)
        code = load_tensor(&l, &model->parameters.tensors[i]);
    free(l.piece);
    if (!code)
        code = bs_weights_ready(model->weights, error);
    if (!code && loaded)
        *loaded = l.loaded;
    return code;
}

int bs_model_open(struct bs_model **result, struct bs_device *device,
                  const struct bs_model_files *files, enum bs_precision precision,
                  struct bs_error *error) {
    const struct bs_model_config *config = bs_model_files_config(files);
    struct bs_model_options options = {.precision = precision};
    struct bs_model_load load = {.head = BS_HEAD_REQUIRED};
    struct bs_model *model = NULL;
    if (config->num_labels < 1)
        return bs_fail(error, BS_DATA,
                       "%s: the model has no classifier; train it with bs-train first",
                       bs_model_files_path(files));
    if (bs_device_check(device, precision, error))
        return error->code;
    if (bs_model_new(&model, device, config, &options, error) ||
        bs_model_load(model, bs_model_files_tensors(files), load, NULL, error)) {
        bs_model_free(model);
        return bs_error_prefix(error, "%s: ", bs_model_files_path(files));
    }
    *result = model;
    return BS_OK;
}

struct bs_model_tensors {
    struct bs_tensor *list;
    float **values; /* [count], of those that were downloaded */
    size_t count;
};

/* Whole rows come down; of a vector the part that is the tensor's. */
static int download(const struct bs_model *model, const struct bs_tensor_place *place,
                    float *values, struct bs_error *error) {
    const struct bs_tensor_spec *spec = &place->spec;
    if (spec->n_dimensions == 2)
        return bs_weights_download(model->weights, place->parameter, BS_SLOT_VALUE,
                                   place->first / spec->columns, spec->rows, values,
                                   error);
    int64_t columns = model->parameters.list[place->parameter].columns;
    float *whole = bs_alloc((size_t)columns, sizeof *whole);
    if (!whole)
        return bs_fail_memory(error, (unsigned long long)columns * 4, "weights");
    int code = bs_weights_download(model->weights, place->parameter, BS_SLOT_VALUE, 0, 1,
                                   whole, error);
    memcpy(values, whole + place->first, (size_t)spec->columns * sizeof *values);
    free(whole);
    return code;
}

/* In place, where that can be. */
static int list_tensor(struct bs_model_tensors *tensors, size_t i,
                       const struct bs_model *model, struct bs_error *error) {
    const struct bs_tensor_place *place = &model->parameters.tensors[i];
    const struct bs_tensor_spec *spec = &place->spec;
    size_t count = (size_t)(spec->rows * spec->columns);
    const float *there = bs_weights_values(model->weights, place->parameter);
    float *values = NULL;
    if (!there && !(values = tensors->values[i] = bs_alloc(count, sizeof *values)))
        return bs_fail_memory(error, count * sizeof *values, "a copy of the weights");
    struct bs_tensor *tensor = &tensors->list[i];
    *tensor = (struct bs_tensor){
        .name = spec->name,
        .type = BS_TENSOR_F32,
        .n_dimensions = spec->n_dimensions,
        .bytes = bs_span((const char *)(there ? there + place->first : values),
                         count * sizeof *values),
    };
    tensor->shape[0] = spec->n_dimensions == 1 ? spec->columns : spec->rows;
    if (spec->n_dimensions == 2)
        tensor->shape[1] = spec->columns;
    return there ? BS_OK : download(model, place, values, error);
}

int bs_model_tensors_new(struct bs_model_tensors **result, const struct bs_model *model,
                         struct bs_error *error) {
    struct bs_model_tensors *tensors = bs_alloc(1, sizeof *tensors);
    size_t count = (size_t)model->parameters.n_tensors;
    if (!tensors)
        return bs_fail_memory(error, sizeof *tensors, "a copy of the weights");
    tensors->count = count;
    tensors->list = bs_alloc(count, sizeof *tensors->list);
    tensors->values = bs_alloc(count, sizeof *tensors->values);
    if (!tensors->list || !tensors->values) {
        bs_model_tensors_free(tensors);
        return bs_fail_memory(error, count * sizeof(struct bs_tensor), "tensors");
    }
    int code = BS_OK;
    for (size_t i = 0; i < count && !code; i++)
        code = list_tensor(tensors, i, model, error);
    if (code)
        bs_model_tensors_free(tensors);
    else
        *result = tensors;
    return code;
}

const struct bs_tensor *bs_model_tensors_list(const struct bs_model_tensors *tensors,
                                              size_t *count) {
    *count = tensors->count;
    return tensors->list;
}

const char *bs_model_tensors_not_finite(const struct bs_model_tensors *tensors) {
    for (size_t i = 0; i < tensors->count; i++) {
        struct bs_span bytes = tensors->list[i].bytes;
        const float *values = (const float *)(const void *)bytes.data;
        if (!all_finite(values, (int64_t)(bytes.size / sizeof *values)))
            return tensors->list[i].name;
    }
    return NULL;
}

void bs_model_tensors_free(struct bs_model_tensors *tensors) {
    if (!tensors)
        return;
    for (size_t i = 0; tensors->values && i < tensors->count; i++)
        free(tensors->values[i]);
    free(tensors->values);
    free(tensors->list);
    free(tensors);
}
