/* For the tests of model directories and bundles: a small model, in memory and written.
 */
#ifndef BS_TESTS_MODEL_HELP_H
#define BS_TESTS_MODEL_HELP_H

#include "common/file.h"
#include "common/log.h"
#include "store/config_json.h"
#include "store/model_write.h"
#include "store/tensor_names.h"
#include "tap.h"

#include <stdlib.h>

static const char config_json[] =
    "{\"model_type\":\"bert\",\"vocab_size\":7,\"hidden_size\":4,\"num_hidden_layers\":2,"
    "\"num_attention_heads\":2,\"intermediate_size\":6,\"max_position_embeddings\":8,"
    "\"hidden_act\":\"gelu\",\"kept\":0.1,\"id2label\":{\"0\":\"down\",\"1\":\"up\"}}";

static const char vocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\nc\n";

enum { MAX_TENSORS = 64, MAX_FLOATS = 1024 };

/* A model in memory, to be bent before it is written. */
struct model {
    struct bs_model_config config;
    struct bs_tensor tensors[MAX_TENSORS];
    char names[MAX_TENSORS][BS_TENSOR_NAME_SIZE + 16];
    size_t count;
    float values[MAX_FLOATS];
    const char *json;
};

static char *folder; /* of all files of the test */

__attribute__((unused)) static void make_model(struct model *model, bool head) {
    struct bs_error error;
    float *next = model->values;
    *model = (struct model){.json = config_json};
    if (bs_config_parse(&model->config, bs_span_of(config_json), head, "x", &error))
        abort();
    for (int i = 0; i < MAX_FLOATS; i++)
        model->values[i] = 1.0f / (float)(3 * i - 500);
    model->count = (size_t)bs_tensor_spec_count(&model->config);
    for (size_t i = 0; i < model->count; i++) {
        struct bs_tensor_spec spec;
        bs_tensor_spec_get(&model->config, (int64_t)i, &spec);
        size_t size = (size_t)(spec.rows * spec.columns) * sizeof *next;
        snprintf(model->names[i], sizeof model->names[i], "%s", spec.name);
        model->tensors[i] = (struct bs_tensor){.name = model->names[i],
                                               .n_dimensions = spec.n_dimensions,
                                               .shape = {spec.rows, spec.columns},
                                               .bytes = bs_span((char *)next, size)};
        if (spec.n_dimensions == 1)
            model->tensors[i].shape[0] = spec.columns;
        next += spec.rows * spec.columns;
    }
}

__attribute__((unused)) static size_t place_of(const struct model *model,
                                               const char *name) {
    for (size_t i = 0; i < model->count; i++)
        if (strcmp(model->names[i], name) == 0)
            return i;
    abort();
}

__attribute__((unused)) static char *in_folder(const char *name) {
    char *path = bs_path_join(folder, name);
    return path ? path : (abort(), NULL);
}

__attribute__((unused)) static void put(const char *directory, const char *name,
                                        const char *text) {
    struct bs_error error;
    char *path = bs_path_join(directory, name);
    if (bs_make_directories(directory, &error) ||
        bs_file_write(path, bs_span_of(text), &error))
        abort();
    free(path);
}

/* Writes the model as `name` in the folder; the path is to be freed. */
__attribute__((unused)) static char *save(struct model *model, const char *name) {
    struct bs_error error;
    char *directory = in_folder(name);
    char *path = bs_path_join(directory, "model.safetensors");
    if (bs_remove_tree(directory, &error))
        abort();
    put(directory, "config.json", model->json);
    put(directory, "vocab.txt", vocabulary);
    if (bs_tensors_write(path, model->tensors, model->count, &error))
        abort();
    free(path);
    bs_model_config_free(&model->config);
    return directory;
}

__attribute__((unused)) static struct bs_model_files *open_it(const char *path,
                                                              struct bs_error *error) {
    struct bs_model_files *files = NULL;
    if (bs_model_files_open(&files, path, error))
        return NULL;
    return files;
}

/* Tensors under canonical names, as a caller of bs_model_write has them. */
__attribute__((unused)) static struct bs_model_parts
parts_of(const struct bs_model_files *files, const struct model *model) {
    return (struct bs_model_parts){.config = bs_model_files_config(files),
                                   .base = files,
                                   .tensors = model->tensors,
                                   .n_tensors = model->count,
                                   .bs_json = bs_span_of("{\"seed\": 1}\n")};
}

__attribute__((unused)) static bool same_digest(struct bs_model_files *a,
                                                struct bs_model_files *b) {
    struct bs_error error;
    const char *x = "", *y = "!";
    return a && b && !bs_model_files_digest(a, &x, &error) &&
           !bs_model_files_digest(b, &y, &error) && strcmp(x, y) == 0 && strlen(x) == 64;
}

__attribute__((unused)) static void help_begin(void) {
    static char slow[] = "/tmp/bs-test.XXXXXX", fast[] = "/dev/shm/bs-test.XXXXXX";
    folder = mkdtemp(bs_is_directory("/dev/shm") ? fast : slow); /* many syncs */
    if (!folder)
        abort();
    bs_log_setup("test", true, false);
}

__attribute__((unused)) static int help_end(void) {
    struct bs_error error;
    if (bs_remove_tree(folder, &error))
        abort();
    return tap_end();
}

#endif
