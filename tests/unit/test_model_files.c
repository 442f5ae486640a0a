/* Model directories and training folders: opened, refused, written. */
#include "model_help.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

static const char minilm[] = "models/all-minilm-l6-v2";

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

struct swapping {
    char *live, *other;
    atomic_bool done;
};

static void *swap(void *data) {
    struct swapping *swapping = data;
    while (!swapping->done) {
        if (renameat2(AT_FDCWD, swapping->live, AT_FDCWD, swapping->other,
                      RENAME_EXCHANGE))
            abort();
        usleep(50);
    }
    return NULL;
}

static bool is_one_model(const struct bs_model_files *files) {
    bool first = strcmp(bs_model_files_config(files)->labels[0], "down") == 0;
    return first ==
           bs_span_is(bs_model_files_tokenizer_file(files, BS_TOKENIZER_VOCABULARY),
                      vocabulary);
}

static void test_swapped(void) {
    enum { TIMES = 400 };
    struct bs_error error = {0};
    struct model model;
    struct swapping swapping = {0};
    pthread_t thread;
    int opened = 0, mixed = 0, refused = 0;
    make_model(&model, true);
    swapping.live = save(&model, "live");
    make_model(&model, true);
    swapping.other = save(&model, "other");
    char *json = strdup(config_json);
    memcpy(strstr(json, "down"), "left", 4);
    put(swapping.other, "config.json", json);
    put(swapping.other, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\nx\ny\nz\n");
    if (pthread_create(&thread, NULL, swap, &swapping))
        abort();
    for (int i = 0; i < TIMES; i++) {
        struct bs_model_files *files = open_it(swapping.live, &error);
        opened += files != NULL;
        mixed += files && !is_one_model(files);
        refused += !files && strstr(error.text, "is replaced again and again");
        bs_model_files_close(files);
    }
    swapping.done = true;
    pthread_join(thread, NULL);
    check(mixed == 0 && opened > 0 && opened + refused == TIMES,
          "swapped all the time: opened %d times, mixed %d, refused %d", opened, mixed,
          refused);
    free(json);
    free(swapping.live);
    free(swapping.other);
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

/* A padding token that is trained makes another model than one that is not. */
static void test_padding(void) {
    struct bs_error error = {0};
    struct model model;
    make_model(&model, true);
    char *path = save(&model, "padded");
    struct bs_model_files *padded = open_it(path, &error);
    free(path);
    char json[1024];
    snprintf(json, sizeof json, "{\"pad_token_id\":null,%s", config_json + 1);
    model.json = json;
    path = save(&model, "unpadded");
    struct bs_model_files *unpadded = open_it(path, &error);
    free(path);
    check(padded && unpadded && !same_digest(padded, unpadded),
          "\"pad_token_id\" of null and of 0 have different digests %s", error.text);
    bs_model_files_close(padded);
    bs_model_files_close(unpadded);
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
    help_begin();
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
    test_swapped();
    test_write();
    test_failed_write();
    test_padding();
    test_real_model();
    return help_end();
}
