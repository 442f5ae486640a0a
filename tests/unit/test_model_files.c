/* Model directories, training folders and bundles: opened, refused, written. */
#include "common/file.h"
#include "common/hash.h"
#include "common/log.h"
#include "store/bundle.h"
#include "store/config_json.h"
#include "store/model_write.h"
#include "store/tensor_names.h"
#include "tap.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char minilm[] = "models/all-minilm-l6-v2";

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

static void make_model(struct model *model, bool head) {
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

static size_t place_of(const struct model *model, const char *name) {
    for (size_t i = 0; i < model->count; i++)
        if (strcmp(model->names[i], name) == 0)
            return i;
    abort();
}

static char *in_folder(const char *name) {
    char *path = bs_path_join(folder, name);
    return path ? path : (abort(), NULL);
}

static void put(const char *directory, const char *name, const char *text) {
    struct bs_error error;
    char *path = bs_path_join(directory, name);
    if (bs_make_directories(directory, &error) ||
        bs_file_write(path, bs_span_of(text), &error))
        abort();
    free(path);
}

/* Writes the model as `name` in the folder; the path is to be freed. */
static char *save(struct model *model, const char *name) {
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

static struct bs_model_files *open_it(const char *path, struct bs_error *error) {
    struct bs_model_files *files = NULL;
    if (bs_model_files_open(&files, path, error))
        return NULL;
    return files;
}

static void test_names(void) {
    struct bs_tensor_spec spec;
    char written[BS_TENSOR_NAME_SIZE + 8];
    struct bs_model_config config = {.num_hidden_layers = 12,
                                     .hidden_size = 768,
                                     .intermediate_size = 3072,
                                     .num_labels = 3};
    check(bs_tensor_spec_count(&config) == 5 + 12 * 16 + 4, "BERT-base has 201 tensors");
    bs_tensor_spec_get(&config, 5 + 11 * 16 + 10, &spec);
    check(strcmp(spec.name, "encoder.layer.11.intermediate.dense.weight") == 0 &&
              spec.rows == 3072 && spec.columns == 768 && spec.n_dimensions == 2 &&
              spec.layer == 11 && spec.part == BS_PART_LAYER,
          "a matrix of the last layer: %s", spec.name);
    bs_tensor_written_name(spec.name, written);
    check(strcmp(written, "bert.encoder.layer.11.intermediate.dense.weight") == 0,
          "is written as %s", written);
    bs_tensor_spec_get(&config, 200, &spec);
    check(strcmp(spec.name, "classifier.bias") == 0 && spec.rows == 1 &&
              spec.columns == 3 && spec.n_dimensions == 1 &&
              spec.part == BS_PART_CLASSIFIER,
          "the last is %s", spec.name);
    bs_tensor_written_name(spec.name, written);
    check(strcmp(written, "classifier.bias") == 0, "and is written as %s", written);
}

static bool find_all(const struct bs_model_files *files, const struct model *model) {
    bool found = true;
    for (size_t i = 0; i < model->count; i++) {
        struct bs_tensor_spec spec;
        bs_tensor_spec_get(bs_model_files_config(files), (int64_t)i, &spec);
        const struct bs_tensor *tensor =
            bs_tensor_find_canonical(bs_model_files_tensors(files), spec.name);
        found = found && tensor && bs_span_equal(tensor->bytes, model->tensors[i].bytes);
    }
    return found;
}

/* How many tensors are spelled with "bert." or as TensorFlow did. */
static void test_spelling(bool prefix, bool old) {
    struct bs_error error = {0};
    struct model model;
    make_model(&model, true);
    for (size_t i = 0; i < model.count; i++) {
        char name[BS_TENSOR_NAME_SIZE];
        snprintf(name, sizeof name, "%s", model.names[i]);
        char *norm = old ? strstr(name, "LayerNorm.") : NULL;
        if (norm)
            strcpy(norm + 10, strcmp(norm + 10, "weight") == 0 ? "gamma" : "beta");
        bool head = strncmp(name, "classifier", 10) == 0;
        snprintf(model.names[i], sizeof model.names[i], "%s%s",
                 prefix && !head ? "bert." : "", name);
    }
    char *path = save(&model, "spelled");
    struct bs_model_files *files = open_it(path, &error);
    check(files && find_all(files, &model), "names %s \"bert.\", layer norms %s %s",
          prefix ? "with" : "without", old ? "gamma, beta" : "weight, bias", error.text);
    bs_model_files_close(files);
    free(path);
}

enum bend { NO_BEND, DROP, RESHAPE, WHOLE_NUMBERS };

static const struct {
    const char *tensor;
    enum bend bend;
    bool head;
    const char *expected; /* NULL: accepted */
} bends[] = {
    {"pooler.dense.bias", NO_BEND, true, NULL},
    {"embeddings.word_embeddings.weight", DROP, true,
     "tensor \"embeddings.word_embeddings.weight\" is missing"},
    {"encoder.layer.1.output.LayerNorm.bias", DROP, true, "is missing"},
    {"encoder.layer.0.attention.self.key.bias", DROP, false, "is missing"},
    {"pooler.dense.bias", DROP, false, "tensor \"pooler.dense.bias\" is missing"},
    {"classifier.weight", DROP, true, "tensor \"classifier.weight\" is missing"},
    {"classifier.bias", DROP, true, "tensor \"classifier.bias\" is missing"},
    {"encoder.layer.1.intermediate.dense.weight", RESHAPE, true,
     "has the shape [4 x 6], config.json says [6 x 4]"},
    {"embeddings.word_embeddings.weight", RESHAPE, true, "config.json says [7 x 4]"},
    {"encoder.layer.0.output.dense.weight", WHOLE_NUMBERS, true,
     "has I32; convert the model to F32, F16 or BF16"},
};

static void bend_model(struct model *model, size_t at, enum bend bend) {
    struct bs_tensor *tensor = &model->tensors[at];
    int64_t rows = tensor->shape[0];
    switch (bend) {
    case NO_BEND:
        break;
    case DROP:
        *tensor = model->tensors[--model->count];
        break;
    case RESHAPE:
        tensor->shape[0] = tensor->shape[1];
        tensor->shape[1] = rows;
        break;
    case WHOLE_NUMBERS:
        tensor->type = BS_TENSOR_I32;
        break;
    }
}

static void test_bent(void) {
    for (size_t i = 0; i < sizeof bends / sizeof bends[0]; i++) {
        struct bs_error error = {0};
        struct model model;
        make_model(&model, bends[i].head);
        bend_model(&model, place_of(&model, bends[i].tensor), bends[i].bend);
        char *path = save(&model, "bent");
        struct bs_model_files *files = open_it(path, &error);
        if (bends[i].expected)
            check(!files && error.code == BS_DATA &&
                      strstr(error.text, bends[i].expected),
                  "refused: %s", error.text);
        else
            check(files != NULL, "accepted: %s", error.text);
        bs_model_files_close(files);
        free(path);
    }
}

static void test_headless(void) {
    struct bs_error error = {0};
    struct model model;
    make_model(&model, false);
    char *path = save(&model, "headless");
    struct bs_model_files *files = open_it(path, &error);
    check(files && bs_model_files_config(files)->num_labels == 0,
          "without a classifier there are no labels, whatever config.json says");
    bs_model_files_close(files);
    free(path);
    make_model(&model, false);
    model.count -= 2;
    path = save(&model, "headless");
    files = open_it(path, &error);
    check(files && !bs_tensor_find_canonical(bs_model_files_tensors(files),
                                             "pooler.dense.weight"),
          "the pooler may be missing too");
    bs_model_files_close(files);
    free(path);
    make_model(&model, false);
    model.count -= 3;
    path = save(&model, "headless");
    check(!open_it(path, &error) && strstr(error.text, "LayerNorm.bias\" is missing"),
          "but nothing else: %s", error.text);
    free(path);
}

static void test_refused_folders(void) {
    struct bs_error error = {0};
    char *path = in_folder("foreign");
    check(!open_it(path, &error) && error.code == BS_DATA &&
              strstr(error.text, "no such model"),
          "refused: %s", error.text);
    put(folder, "file", "some text that is no bundle");
    char *file = in_folder("file");
    check(!open_it(file, &error) && strstr(error.text, "neither a model directory"),
          "refused: %s", error.text);
    put(path, "vocab.txt", vocabulary);
    check(!open_it(path, &error) && strstr(error.text, "config.json is missing"),
          "refused: %s", error.text);
    put(path, "config.json", config_json);
    check(!open_it(path, &error) && strstr(error.text, "model.safetensors is missing"),
          "refused: %s", error.text);
    put(path, "model.safetensors.index.json", "{}");
    check(!open_it(path, &error) && strstr(error.text, "split over several files"),
          "refused: %s", error.text);
    put(path, "pytorch_model.bin", "x");
    check(!open_it(path, &error) && error.code == BS_DATA &&
              strstr(error.text, "has only pytorch_model.bin") &&
              strstr(error.text, "save_pretrained"),
          "refused: %s", error.text);
    put(path, "model.safetensors", "");
    check(!open_it(path, &error) && strstr(error.text, "too short"), "refused: %s",
          error.text);
    put(path, "config.json", "");
    check(!open_it(path, &error) && error.code == BS_DATA, "refused: %s", error.text);
    free(path);
    free(file);
}

/* Cut after every byte, a model is refused and nothing is read beyond its end. */
static void test_cut_weights(void) {
    struct bs_error error = {0};
    struct model model;
    make_model(&model, true);
    char *path = save(&model, "cut");
    char *weights = bs_path_join(path, "model.safetensors");
    struct bs_buffer bytes = {0};
    if (bs_file_read(weights, 1 << 20, &bytes, &error))
        abort();
    size_t refused = 0, tried = 0;
    for (size_t size = bytes.size; size-- > 0; tried++) {
        struct bs_model_files *files;
        if (truncate(weights, (off_t)size))
            abort();
        files = open_it(path, &error);
        refused += !files && error.code == BS_DATA;
        bs_model_files_close(files);
        if (size > 300 && size % 7)
            size -= 6;
    }
    check(refused == tried && tried > 300, "%zu cuts of model.safetensors are refused",
          refused);
    bs_buffer_free(&bytes);
    free(weights);
    free(path);
}

static void test_training_folder(void) {
    struct bs_error error = {0};
    struct model model;
    char *run = in_folder("run"), *best = in_folder("run/best");
    char *last = in_folder("run/last");
    make_model(&model, true);
    free(save(&model, "run/checkpoint-1"));
    make_model(&model, true);
    free(save(&model, "run/checkpoint-2"));
    if (symlink("checkpoint-2", last))
        abort();
    struct bs_model_files *files = open_it(run, &error);
    check(files && strstr(bs_model_files_path(files), "run/checkpoint-2"),
          "a training folder means its last %s", error.text);
    bs_model_files_close(files);
    if (symlink("checkpoint-1", best))
        abort();
    files = open_it(run, &error);
    check(files && strstr(bs_model_files_path(files), "run/checkpoint-1"),
          "but its best if there is one");
    bs_model_files_close(files);
    files = open_it(best, &error);
    check(files != NULL, "the link itself is a model directory");
    bs_model_files_close(files);
    free(run);
    free(best);
    free(last);
}

/* Tensors under canonical names, as a caller of bs_model_write has them. */
static struct bs_model_parts parts_of(const struct bs_model_files *files,
                                      const struct model *model) {
    return (struct bs_model_parts){.config = bs_model_files_config(files),
                                   .base = files,
                                   .tensors = model->tensors,
                                   .n_tensors = model->count,
                                   .bs_json = bs_span_of("{\"seed\": 1}\n")};
}

static bool same_digest(struct bs_model_files *a, struct bs_model_files *b) {
    struct bs_error error;
    const char *x = "", *y = "!";
    return a && b && !bs_model_files_digest(a, &x, &error) &&
           !bs_model_files_digest(b, &y, &error) && strcmp(x, y) == 0 && strlen(x) == 64;
}

static void test_write(void) {
    struct bs_error error = {0};
    struct model model;
    struct bs_model_writing *writing = NULL;
    make_model(&model, true);
    char *path = save(&model, "base"), *out = in_folder("written/");
    char *name = in_folder("written");
    struct bs_model_files *base = open_it(path, &error);
    struct bs_model_parts parts = parts_of(base, &model);
    int code = bs_model_write_begin(&writing, out, &parts, &error);
    check(!code && !bs_file_exists(name), "until commit there is no such folder %s",
          error.text);
    check(!bs_model_write_file(writing, "more.json", bs_span_of("{}"), &error) &&
              !bs_model_write_commit(writing, &error),
          "files can be added");
    struct bs_model_files *files = open_it(name, &error);
    char *more = bs_path_join(name, "more.json");
    check(files && find_all(files, &model) && bs_file_exists(more),
          "all bytes survive %s", error.text);
    check(files &&
              bs_tensors_find(bs_model_files_tensors(files), "bert.pooler.dense.bias") &&
              bs_span_is(bs_model_files_bs_json(files), "{\"seed\": 1}\n") &&
              bs_span_is(bs_model_files_tokenizer_file(files, BS_TOKENIZER_VOCABULARY),
                         vocabulary),
          "with \"bert.\", bs.json and the tokenizer");
    check(same_digest(base, files), "the digest does not depend on the spelling");
    bs_model_files_close(files);
    code = bs_model_write(name, &parts, &error);
    check(!code && !bs_file_exists(more), "a directory of that name is replaced %s",
          error.text);
    bs_model_files_close(base);
    free(more);
    free(path);
    free(out);
    free(name);
}

static int leftovers(void) {
    char command[512];
    snprintf(command, sizeof command, "ls %s | grep -c partial", folder);
    FILE *pipe = popen(command, "r");
    int count = -1;
    if (!pipe || fscanf(pipe, "%d", &count) != 1)
        abort();
    pclose(pipe);
    return count;
}

static void test_failed_write(void) {
    struct bs_error error = {0};
    struct model model;
    struct bs_model_writing *writing = NULL;
    make_model(&model, true);
    char *path = save(&model, "base"), *out = in_folder("failed");
    struct bs_model_files *base = open_it(path, &error);
    struct bs_model_parts parts = parts_of(base, &model);
    model.tensors[3].shape[0] = 99;
    check(bs_model_write(out, &parts, &error) == BS_DATA && !bs_file_exists(out) &&
              leftovers() == 0,
          "a write that fails leaves nothing: %s", error.text);
    model.tensors[3].shape[0] = 4;
    check(bs_model_write("/nowhere/at/all", &parts, &error) == BS_RESOURCE, "nor: %s",
          error.text);
    put(folder, "failed", "a file");
    check(bs_model_write(out, &parts, &error) == BS_RESOURCE && leftovers() == 0,
          "a file is not replaced by a folder: %s", error.text);
    unlink(out);
    int code = bs_model_write_begin(&writing, out, &parts, &error);
    check(!code && leftovers() == 1,
          "between begin and commit there is a partial folder");
    bs_model_write_abandon(writing);
    code = bs_model_write_begin(&writing, out, &parts, &error);
    check(!code && !bs_model_write_sweep(folder, &error) && leftovers() == 0 &&
              bs_file_exists(path),
          "what a killed process left is swept up, nothing else");
    bs_model_write_abandon(writing);
    bs_model_files_close(base);
    free(path);
    free(out);
}

/* A model with F16 and BF16 tensors beside F32. */
static void make_mixed(struct model *model) {
    make_model(model, true);
    for (size_t i = 0; i < model->count; i++) {
        struct bs_tensor *tensor = &model->tensors[i];
        if (i % 3 == 0)
            continue;
        tensor->type = i % 3 == 1 ? BS_TENSOR_F16 : BS_TENSOR_BF16;
        tensor->bytes.size /= 2;
    }
}

/* Bits of halves of F32, of which no half is infinite or no number. */
static void make_finite(struct model *model) {
    uint16_t halves[2 * MAX_FLOATS];
    memcpy(halves, model->values, sizeof halves);
    for (int i = 0; i < 2 * MAX_FLOATS; i++)
        halves[i] &= 0xBBFF;
    memcpy(model->values, halves, sizeof halves);
}

static char *make_bundle(struct bs_model_files *base, const struct model *model) {
    struct bs_error error = {0};
    struct bs_model_writing *writing = NULL;
    struct bs_model_parts parts = parts_of(base, model);
    char *path = in_folder("x.bundle");
    if (bs_model_write_begin_bundle(&writing, path, &parts, &error) ||
        bs_model_write_commit(writing, &error))
        check(0, "a bundle is written: %s", error.text);
    return path;
}

static void test_bundle(void) {
    struct bs_error error = {0};
    struct model model;
    make_mixed(&model);
    make_finite(&model);
    char *path = save(&model, "mixed");
    struct bs_model_files *base = open_it(path, &error);
    char *bundle = make_bundle(base, &model);
    struct bs_model_files *files = open_it(bundle, &error);
    check(files && same_digest(base, files),
          "a bundle has the digest of its directory %s", error.text);
    check(files && !bs_model_files_verify(files, &error), "its checksums fit");
    const struct bs_tensor *tensor =
        files ? bs_tensors_find(bs_model_files_tensors(files), "classifier.weight")
              : NULL;
    check(tensor && tensor->type == BS_TENSOR_F32, "its tensors are F32");
    check(files && strcmp(bs_model_files_config(files)->labels[1], "up") == 0 &&
              bs_span_is(bs_model_files_tokenizer_file(files, BS_TOKENIZER_VOCABULARY),
                         vocabulary) &&
              !bs_model_files_tokenizer_file(files, BS_TOKENIZER_JSON).data &&
              bs_span_is(bs_model_files_bs_json(files), "{\"seed\": 1}\n"),
          "labels, tokenizer and bs.json are there");
    bs_model_files_close(files);
    bs_model_files_close(base);
    free(bundle);
    free(path);
}

/* Checksums tell nothing of weights that were damaged before. */
static void test_not_finite(void) {
    static const char *const names[] = {"embeddings.word_embeddings.weight",
                                        "encoder.layer.1.output.dense.weight",
                                        "classifier.bias"};
    for (size_t i = 0; i < 3; i++) {
        struct bs_error error = {0};
        struct model model;
        make_model(&model, true);
        struct bs_tensor *tensor = &model.tensors[place_of(&model, names[i])];
        uint32_t bits = i == 0 ? 0x7F800000 : 0xFFFFFFFF;
        memcpy((char *)tensor->bytes.data + tensor->bytes.size - sizeof bits, &bits,
               sizeof bits);
        char *path = save(&model, "damaged");
        struct bs_model_files *base = open_it(path, &error);
        check(base && bs_model_files_verify(base, &error) == BS_DATA &&
                  strstr(error.text, "damaged/model.safetensors: tensor ") &&
                  strstr(error.text, names[i]),
              "not finite: %s", error.text);
        char *bundle = make_bundle(base, &model);
        struct bs_model_files *files = open_it(bundle, &error);
        check(files && bs_model_files_verify(files, &error) == BS_DATA &&
                  strstr(error.text, "x.bundle: tensor ") && strstr(error.text, names[i]),
              "nor in a bundle: %s", error.text);
        bs_model_files_close(files);
        bs_model_files_close(base);
        free(bundle);
        free(path);
    }
}

/* Without the syncs of bs_file_write, which would take most of the test's time. */
static void overwrite(const char *path, struct bs_span bytes) {
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes.data, 1, bytes.size, file) != bytes.size || fclose(file))
        abort();
}

/* Every cut and every changed byte of a bundle is noticed, weights by verifying. */
static void test_damaged_bundle(void) {
    struct bs_error error = {0};
    struct model model;
    make_model(&model, true);
    char *path = save(&model, "base");
    struct bs_model_files *base = open_it(path, &error);
    char *bundle = make_bundle(base, &model);
    struct bs_buffer bytes = {0};
    if (bs_file_read(bundle, 1 << 20, &bytes, &error))
        abort();
    size_t noticed = 0, tried = 0;
    for (size_t i = 0; i < bytes.size; i += 1 + i % 5, tried++) {
        struct bs_model_files *files;
        bytes.data[i] ^= 0x10;
        overwrite(bundle, bs_buffer_span(&bytes));
        files = open_it(bundle, &error);
        noticed += !files || bs_model_files_verify(files, &error);
        bs_model_files_close(files);
        bytes.data[i] ^= 0x10;
    }
    /* Zeros between sections mean nothing. */
    check(noticed > tried - 120 && noticed <= tried, "%zu of %zu changed bytes noticed",
          noticed, tried);
    noticed = tried = 0;
    for (size_t size = bytes.size; size-- > 0; size -= size % 11, tried++) {
        struct bs_model_files *files;
        overwrite(bundle, bs_span(bytes.data, size));
        files = open_it(bundle, &error);
        noticed += !files && error.code == BS_DATA;
        bs_model_files_close(files);
    }
    check(noticed == tried && tried > 100, "%zu cuts of a bundle are refused", tried);
    bs_buffer_free(&bytes);
    bs_model_files_close(base);
    free(bundle);
    free(path);
}

/* Places in a bundle, as bundle.h gives them. */
enum { TABLE = 32, ENTRY = 128, OFFSET = 96, SIZE = 104, FILE_SIZE = 16, TABLE_CRC = 24 };

static const struct {
    const char *what;
    size_t at;
    uint64_t value;
    const char *expected;
} forgeries[] = {
    {"nothing", FILE_SIZE, 0, NULL},
    {"an offset beyond the end", TABLE + OFFSET, 1 << 30, "beyond the end"},
    {"an offset that overflows", TABLE + OFFSET, UINT64_MAX - 63, "beyond the end"},
    {"a size that overflows", TABLE + SIZE, UINT64_MAX - 63, "beyond the end"},
    {"a section in the table", TABLE + OFFSET, 64, "overlaps"},
    {"a section in another", TABLE + ENTRY + OFFSET, 576, "overlaps"},
    {"an odd offset", TABLE + ENTRY + OFFSET, 577 + 512, "overlaps or lies"},
    {"a name twice", TABLE + ENTRY, 0, "occurs twice"},
    {"no name", TABLE + ENTRY, 1, "has no name"},
    {"another file size", FILE_SIZE, 4, "truncated"},
    {"another version", 8, 2, "of version 2"},
    {"too many sections", 12, UINT32_MAX, "too long"},
};

static void forge(struct bs_buffer *bytes, size_t i) {
    uint32_t crc;
    size_t at = forgeries[i].at, n = 4; /* sections of the bundle */
    size_t width = at == 8 || at == 12 ? 4 : 8;
    if (strcmp(forgeries[i].what, "a name twice") == 0)
        memcpy(bytes->data + at, bytes->data + TABLE, 96);
    else if (strcmp(forgeries[i].what, "no name") == 0)
        bytes->data[at] = '\0';
    else if (forgeries[i].expected)
        memcpy(bytes->data + at, &forgeries[i].value, width);
    crc = bs_crc32(0, bytes->data + TABLE, n * ENTRY);
    memcpy(bytes->data + TABLE_CRC, &crc, sizeof crc);
    crc = bs_crc32(0, bytes->data, TABLE_CRC + 4);
    memcpy(bytes->data + TABLE_CRC + 4, &crc, sizeof crc);
}

static void test_forged_bundle(void) {
    struct bs_error error = {0};
    struct model model;
    make_model(&model, true);
    char *path = save(&model, "base");
    struct bs_model_files *base = open_it(path, &error);
    for (size_t i = 0; i < sizeof forgeries / sizeof forgeries[0]; i++) {
        struct bs_buffer bytes = {0};
        char *bundle = make_bundle(base, &model);
        if (bs_file_read(bundle, 1 << 20, &bytes, &error))
            abort();
        forge(&bytes, i);
        overwrite(bundle, bs_buffer_span(&bytes));
        struct bs_model_files *files = open_it(bundle, &error);
        if (!forgeries[i].expected)
            check(files != NULL, "checksums made anew are accepted %s", error.text);
        else
            check(!files && strstr(error.text, forgeries[i].expected), "%s: %s",
                  forgeries[i].what, error.text);
        bs_model_files_close(files);
        bs_buffer_free(&bytes);
        free(bundle);
    }
    bs_model_files_close(base);
    free(path);
}

/* What is small is checked at once, without asking. */
static void test_damaged_section(void) {
    struct bs_error error = {0};
    struct model model;
    make_model(&model, true);
    char *path = save(&model, "base");
    struct bs_model_files *base = open_it(path, &error);
    char *bundle = make_bundle(base, &model);
    struct bs_buffer bytes = {0};
    if (bs_file_read(bundle, 1 << 20, &bytes, &error))
        abort();
    char *place = memmem(bytes.data, bytes.size, "[CLS]", 5);
    place[1] = 'X';
    overwrite(bundle, bs_buffer_span(&bytes));
    check(!open_it(bundle, &error) && strstr(error.text, "section vocab.txt is damaged"),
          "damage seen when opening: %s", error.text);
    place[1] = 'C';
    if (!bs_buffer_append_byte(&bytes, 'x'))
        abort();
    overwrite(bundle, bs_buffer_span(&bytes));
    check(!open_it(bundle, &error) && strstr(error.text, "instead of"),
          "bytes behind the end: %s", error.text);
    bs_buffer_free(&bytes);
    bs_model_files_close(base);
    free(bundle);
    free(path);
}

static void test_real_model(void) {
    struct bs_error error = {0};
    if (!bs_is_directory(minilm)) {
        skip("%s is not there (make model)", minilm);
        return;
    }
    struct bs_model_files *files = open_it(minilm, &error);
    const struct bs_model_config *config = files ? bs_model_files_config(files) : NULL;
    check(config && config->hidden_size == 384 && config->num_hidden_layers == 6 &&
              config->layer_norm_eps == 1e-12 && config->num_labels == 0,
          "opens %s %s", minilm, error.text);
    const char *digest = "";
    check(files && !bs_model_files_digest(files, &digest, &error) && strlen(digest) == 64,
          "its digest is %s", digest);
    bs_model_files_close(files);
}

int main(void) {
    char slow[] = "/tmp/test_model_files.XXXXXX", fast[] = "/dev/shm/bs_test.XXXXXX";
    struct bs_error error;
    folder = mkdtemp(bs_is_directory("/dev/shm") ? fast : slow); /* many syncs */
    if (!folder)
        return 1;
    bs_log_setup("test", true, false);
    test_names();
    test_spelling(false, false);
    test_spelling(true, false);
    test_spelling(false, true);
    test_spelling(true, true);
    test_bent();
    test_headless();
    test_refused_folders();
    test_cut_weights();
    test_training_folder();
    test_write();
    test_failed_write();
    test_bundle();
    test_not_finite();
    test_damaged_bundle();
    test_forged_bundle();
    test_damaged_section();
    test_real_model();
    if (bs_remove_tree(folder, &error))
        return 1;
    return tap_end();
}
