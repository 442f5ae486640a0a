/*
 * Models read from directories: real texts through all-MiniLM-L6-v2 against the
 * reference's logits, and the tiny model's directory against golden/tiny_weights.bin,
 * from which test_model.c has it. fp32 logits within 1e-4; else 0.1, see test_model.c.
 */
#include "tap.h"
#include "tiny.h"

#include <math.h>

static const char minilm[] = "models/all-minilm-l6-v2";

static struct bs_error error;

static void must(int code) {
    if (code) {
        printf("Bail out! %s\n", error.text);
        exit(1);
    }
}

/* A model, and the files that it may borrow from. */
struct loaded {
    struct bs_model_files *files;
    struct bs_model *model;
};

static struct loaded load(struct bs_device *device, enum bs_precision precision,
                          const char *path, int64_t num_labels) {
    struct bs_model_options options = {.precision = precision};
    struct bs_model_load how = {.head = BS_HEAD_KEEP, .seed = 1};
    struct loaded loaded;
    must(bs_model_files_open(&loaded.files, path, &error));
    struct bs_model_config config = *bs_model_files_config(loaded.files);
    config.num_labels = num_labels;
    must(bs_model_new(&loaded.model, device, &config, &options, &error));
    must(bs_model_load(loaded.model, bs_model_files_tensors(loaded.files), how, NULL,
                       &error));
    return loaded;
}

static void unload(struct loaded loaded) {
    bs_model_free(loaded.model);
    bs_model_files_close(loaded.files);
}

/* ---- the tiny model ------------------------------------------------------------- */

static void test_tiny(void) {
    struct golden *weights = golden_open(TINY_WEIGHTS);
    struct bs_device *device;
    struct bs_model_tensors *tensors;
    size_t count, same = 0;
    must(bs_device_open(&device, "ref", &error));
    struct loaded tiny = load(device, BS_PRECISION_FP32, "tests/parity/golden/tiny", 3);
    must(bs_model_tensors_new(&tensors, tiny.model, &error));
    const struct bs_tensor *list = bs_model_tensors_list(tensors, &count);
    for (size_t i = 0; i < count; i++) {
        const struct golden_array *wanted = golden_find(weights, list[i].name);
        same += wanted->count * sizeof(float) == list[i].bytes.size &&
                memcmp(wanted->data, list[i].bytes.data, list[i].bytes.size) == 0;
    }
    check(same == count && count == weights->count - 2,
          "tiny: %zu of %zu tensors are those of %s", same, count, TINY_WEIGHTS);
    bs_model_tensors_free(tensors);
    unload(tiny);
    bs_device_close(device);
    golden_close(weights);
}

/* ---- MiniLM --------------------------------------------------------------------- */

/* The classifier is not in the model: it is stored with the golden logits. */
static void upload_classifier(const struct bs_model *model, const struct golden *golden) {
    const struct bs_linear classifier = bs_model_parameters(model)->classifier;
    struct bs_weights *weights = bs_model_weights(model);
    must(bs_weights_upload(weights, classifier.weight, BS_SLOT_VALUE, 0, 2,
                           golden_find(golden, "classifier.weight")->data, &error));
    must(bs_weights_upload(weights, classifier.bias, BS_SLOT_VALUE, 0, 1,
                           golden_find(golden, "classifier.bias")->data, &error));
    must(bs_weights_ready(weights, &error));
}

/* Logits of the first `count` texts, each a batch of its own. */
static void label(const struct bs_model *model, const struct golden *golden,
                  uint64_t count, float *logits) {
    const int32_t *lengths = golden_find(golden, "lengths")->data;
    const int32_t *ids = golden_find(golden, "ids")->data;
    struct bs_pass_size size = {512, 1, 512, false};
    struct bs_pass *pass;
    struct bs_packer *packer;
    must(bs_pass_new(&pass, model, 2, size, &error));
    must(
        bs_packer_new(&packer, bs_device_info(bs_model_device(model))->row_tile, &error));
    for (uint64_t i = 0; i < count; ids += lengths[i++]) {
        struct bs_sequence sequence = {ids, NULL, lengths[i]};
        bs_packer_begin(packer, 0);
        must(bs_packer_add(packer, &sequence, -1, &error));
        struct bs_rows rows = bs_model_forward(model, pass, bs_packer_finish(packer));
        must(bs_rows_download(bs_pass_queue(pass), rows, logits + 2 * i, &error));
    }
    bs_packer_free(packer);
    bs_pass_free(pass);
}

static void check_texts(struct bs_device *device, const char *name,
                        enum bs_precision precision) {
    struct golden *golden = golden_open("tests/parity/golden/minilm.bin");
    const float *wanted = golden_find(golden, "logits")->data;
    uint64_t count = strcmp(name, "cpu") == 0 ? 50 : 8; /* others are slow here */
    struct loaded loaded = load(device, precision, minilm, 2);
    float found[100];
    double off = 0, most = precision == BS_PRECISION_FP32 ? 1e-4 : 0.1;
    upload_classifier(loaded.model, golden);
    label(loaded.model, golden, count, found);
    for (uint64_t i = 0; i < 2 * count; i++)
        off = fmax(off, fabs((double)found[i] - (double)wanted[i]));
    check(off <= most, "%s %s: logits of %d texts by MiniLM (worst %.2g)", name,
          bs_precision_name(precision), (int)count, off);
    unload(loaded);
    golden_close(golden);
}

static void test_minilm(const char *name, enum bs_precision precision) {
    struct bs_device *device = NULL;
    FILE *config = fopen("models/all-minilm-l6-v2/config.json", "r");
    if (!config)
        skip("%s: %s is not there (make model)", name, minilm);
    else if (bs_device_open(&device, name, &error) ||
             bs_device_check(device, precision, &error))
        skip("%s %s: %s", name, bs_precision_name(precision), error.text);
    else
        check_texts(device, name, precision);
    bs_device_close(device);
    if (config)
        fclose(config);
}

/* BS_TEST_DEVICE: that device alone, in all its precisions. */
int main(void) {
    const char *asked = getenv("BS_TEST_DEVICE");
    test_tiny();
    for (int p = BS_PRECISION_FP32; asked && p < BS_N_TRAINING_PRECISIONS; p++)
        test_minilm(asked, (enum bs_precision)p);
    for (int p = BS_PRECISION_FP32; !asked && p <= BS_PRECISION_BF16; p++) {
        test_minilm("ref", (enum bs_precision)p);
        test_minilm("cpu", (enum bs_precision)p);
    }
    return tap_end();
}
