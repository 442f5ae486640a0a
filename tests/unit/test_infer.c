/*
 * Inference and the model's promises, on every device and precision that can be had:
 * logits do not depend on threads, order or neighbours; ids are checked; weights go out
 * as they came in; dropout is reproducible; memory is what was estimated.
 */
#include "infer/infer.h"
#include "store/tensor_names.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 60, K = 3, LONGEST = 512 };
static const char tiny[] = "tests/parity/golden/tiny";

static struct bs_error error;
static int32_t ids[N][LONGEST], types[N][LONGEST];
static struct bs_sequence sequences[N];
static struct bs_model_files *files;

static void must(int code) {
    if (code) {
        printf("Bail out! %s\n", error.text);
        exit(1);
    }
}

static void make_sequences(int longest) {
    for (int i = 0; i < N; i++) {
        int length = i == 7 ? longest : i == 8 ? 1 : 2 + (i * 37) % 60;
        for (int t = 0; t < length; t++) {
            ids[i][t] = (int32_t)((i * 131 + t * 7919) % 1000);
            types[i][t] = t > length / 2;
        }
        sequences[i] = (struct bs_sequence){ids[i], i % 3 ? NULL : types[i], length};
    }
}

/* Logits of `n` sequences by a fresh set of `threads` workers. */
static void run(const struct bs_model *model, int threads, int64_t batch_tokens,
                const struct bs_sequence *list, int64_t n, float *logits) {
    struct bs_infer *infer;
    struct bs_infer_options options = {threads, batch_tokens};
    must(bs_infer_new(&infer, model, options, &error));
    must(bs_infer_run(infer, list, n, logits, &error));
    bs_infer_free(infer);
}

static void test_independence(const struct bs_model *model, const char *name) {
    static float all[N * K], other[N * K];
    struct bs_sequence reversed[N];
    run(model, 1, 0, sequences, N, all);
    run(model, 2, 0, sequences, N, other);
    check(memcmp(all, other, sizeof all) == 0, "%s: two threads, the same logits", name);
    run(model, 3, 64, sequences, N, other);
    check(memcmp(all, other, sizeof all) == 0, "%s: other batches, the same logits",
          name);
    for (int i = 0; i < N; i++)
        reversed[i] = sequences[N - 1 - i];
    run(model, 2, 100, reversed, N, other);
    int wrong = 0;
    for (int i = 0; i < N; i++)
        wrong += memcmp(all + i * K, other + (N - 1 - i) * K, K * sizeof *all) != 0;
    check(wrong == 0, "%s: another order, the same logits", name);
    struct bs_infer *infer;
    must(bs_infer_new(&infer, model, (struct bs_infer_options){.threads = 2}, &error));
    for (int i = 0; i < N; i++)
        must(bs_infer_run(infer, &sequences[i], 1, other + i * K, &error));
    check(memcmp(all, other, sizeof all) == 0, "%s: one by one, the same logits", name);
    float first = all[0];
    int distinct = 0;
    for (int i = 1; i < N; i++)
        distinct += fabsf(all[i * K] - first) > 1e-3F;
    check(distinct > N / 2, "%s: and they differ from text to text", name);
    bs_infer_free(infer);
}

static void test_refusals(const struct bs_model *model) {
    int32_t bad[] = {2, 1000}, negative[] = {2, -1}, kinds[] = {0, 2}, fine[] = {2, 3};
    static int32_t many[LONGEST + 1];
    const struct bs_model_config *config = bs_model_config(model);
    struct bs_infer *infer;
    float logits[2 * K];
    const struct {
        struct bs_sequence sequence;
        const char *text;
    } cases[] = {
        {{bad, NULL, 2}, "id 1000 is outside the vocabulary of 1000 entries"},
        {{negative, NULL, 2}, "id -1 is outside the vocabulary of 1000 entries"},
        {{fine, kinds, 2}, "type id 2 is not below 2"},
        {{many, NULL, LONGEST + 1}, "513 ids are more than the model's 512 positions"},
        {{fine, NULL, 0}, "there are no ids"},
    };
    must(bs_infer_new(&infer, model, (struct bs_infer_options){.threads = 1}, &error));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check(bs_model_check_ids(config, &cases[i].sequence, &error) == BS_REJECTED &&
                  strcmp(error.text, cases[i].text) == 0,
              "%s", cases[i].text);
        struct bs_sequence two[] = {{fine, NULL, 2}, cases[i].sequence};
        check(bs_infer_run(infer, two, 2, logits, &error) == BS_REJECTED,
              "and inference refuses it");
    }
    check(bs_infer_run(infer, NULL, 0, NULL, &error) == BS_OK, "nothing to label");
    bs_infer_free(infer);
}

/* A batch that a pass has no room for is the queue's failure, not a crash. */
static void test_too_large(const struct bs_model *model) {
    struct bs_pass_size size = {64, 4, 64, false};
    struct bs_pass *pass;
    struct bs_packer *packer;
    float logits[K];
    must(bs_pass_new(&pass, model, 1, size, &error));
    must(
        bs_packer_new(&packer, bs_device_info(bs_model_device(model))->row_tile, &error));
    must(bs_packer_add(packer, &sequences[7], -1, &error));
    struct bs_rows rows = bs_model_forward(model, pass, bs_packer_finish(packer));
    check(bs_rows_download(bs_pass_queue(pass), rows, logits, &error) == BS_DEVICE,
          "a batch too large for its pass: %s", error.text);
    check(bs_queue_finish(bs_pass_queue(pass), &error) == BS_DEVICE,
          "the queue remembers until it is asked");
    bs_packer_begin(packer, 0);
    must(bs_packer_add(packer, &sequences[8], -1, &error));
    rows = bs_model_forward(model, pass, bs_packer_finish(packer));
    check(bs_rows_download(bs_pass_queue(pass), rows, logits, &error) == BS_OK,
          "the next one is fine");
    bs_packer_free(packer);
    bs_pass_free(pass);
}

/* A worker that fails: the run says so, and so does the next one. */
static void test_worker_failure(struct bs_model *model) {
    float row[64], logits[N * K];
    const struct bs_linear head = bs_model_parameters(model)->classifier;
    struct bs_weights *weights = bs_model_weights(model);
    struct bs_infer *infer;
    must(bs_infer_new(&infer, model, (struct bs_infer_options){.threads = 2}, &error));
    must(bs_weights_download(weights, head.bias, BS_SLOT_VALUE, 0, 1, row, &error));
    must(bs_weights_upload(weights, head.bias, BS_SLOT_VALUE, 0, 1, row, &error));
    for (int i = 0; i < 2; i++) {
        error = (struct bs_error){0};
        check(bs_infer_run(infer, sequences, N, logits, &error) == BS_DEVICE &&
                  strstr(error.text, "bs_weights_ready"),
              "weights that are not ready: %s", error.text);
    }
    must(bs_weights_ready(weights, &error));
    bs_infer_free(infer);
}

static void test_small_things(const struct bs_model *model) {
    const float numbers[] = {0, -3e38F, NAN, INFINITY, -INFINITY};
    check(bs_infer_check_logits(numbers, 2, &error) == BS_OK, "numbers are logits");
    for (int i = 2; i < 5; i++)
        check(bs_infer_check_logits(numbers + i, 1, &error) == BS_DATA, "%g is none",
              (double)numbers[i]);
    const struct bs_device_info *info = bs_device_info(bs_model_device(model));
    struct bs_infer *one, *three;
    must(bs_infer_new(&one, model, (struct bs_infer_options){.threads = 1}, &error));
    must(bs_infer_new(&three, model, (struct bs_infer_options){.threads = 3}, &error));
    check(bs_infer_appetite(one) >= info->batch_tokens &&
              bs_infer_appetite(three) ==
                  (info->workers ? 1 : 3) * bs_infer_appetite(one),
          "three workers are as hungry as three; a device's own are what they are");
    bs_infer_free(one);
    bs_infer_free(three);
}

static void test_round_trip(const struct bs_model *model, const char *name) {
    struct bs_model_tensors *tensors;
    size_t count, wrong = 0;
    must(bs_model_tensors_new(&tensors, model, &error));
    const struct bs_tensor *list = bs_model_tensors_list(tensors, &count);
    for (size_t i = 0; i < count; i++) {
        const struct bs_tensor *was =
            bs_tensor_find_canonical(bs_model_files_tensors(files), list[i].name);
        wrong += was == NULL || list[i].type != was->type ||
                 memcmp(list[i].shape, was->shape, sizeof was->shape) != 0 ||
                 list[i].n_dimensions != was->n_dimensions ||
                 !bs_span_equal(list[i].bytes, was->bytes);
    }
    check(count == 57 && wrong == 0, "%s: 57 tensors go out as they came in", name);
    bs_model_tensors_free(tensors);
}

static struct bs_model *open_training(struct bs_device *device,
                                      enum bs_precision precision, enum bs_head head,
                                      uint64_t seed, struct bs_model_loaded *loaded) {
    struct bs_model_options options = {.precision = precision, .training = true};
    struct bs_model_load load = {head, seed};
    struct bs_model *model;
    must(bs_model_new(&model, device, bs_model_files_config(files), &options, &error));
    must(bs_model_load(model, bs_model_files_tensors(files), load, loaded, &error));
    return model;
}

/* Loss of two micro-batches or one of all, with the configuration's dropout. */
static double training_loss(struct bs_model *model, uint64_t seed, int micro_batches) {
    struct bs_pass_size size = {1024, 8, LONGEST, true};
    struct bs_step step = {.seed = seed,
                           .update = 5,
                           .adam_step = 6,
                           .learning_rate = 1e-3,
                           .loss_scale = 1,
                           .loss.factor = 1.0F / 8};
    struct bs_pass *pass;
    struct bs_packer *packer;
    struct bs_step_result result;
    must(bs_pass_new(&pass, model, 2, size, &error));
    must(
        bs_packer_new(&packer, bs_device_info(bs_model_device(model))->row_tile, &error));
    struct bs_queue *queue = bs_pass_queue(pass);
    bs_zero_gradients(queue, bs_model_weights(model));
    bs_set_step(queue, &step);
    int each = 8 / micro_batches;
    for (int first = 0; first < 8; first += each) {
        bs_packer_begin(packer, (uint32_t)first);
        for (int i = first; i < first + each; i++)
            must(bs_packer_add(packer, &sequences[i], i % K, &error));
        bs_model_loss(model, pass, bs_packer_finish(packer));
        must(bs_queue_finish(queue, &error));
    }
    must(bs_read_step(queue, &result, &error));
    bs_packer_free(packer);
    bs_pass_free(pass);
    return result.loss;
}

static void test_training(struct bs_device *device, enum bs_precision precision,
                          const char *name) {
    struct bs_model_loaded loaded;
    struct bs_model *model = open_training(device, precision, BS_HEAD_KEEP, 1, &loaded);
    check(!loaded.new_pooler && !loaded.new_classifier, "%s: the head is kept", name);
    test_round_trip(model, name);
    double loss = training_loss(model, 1, 1);
    check(isfinite(loss) && training_loss(model, 1, 1) == loss,
          "%s: the same seed, the same loss under dropout", name);
    check(training_loss(model, 2, 1) != loss, "%s: another seed, another loss", name);
    double parts = training_loss(model, 1, 2);
    check(fabs(parts - loss) < 1e-6 * loss, "%s: masks are the same under accumulation",
          name);
    bs_model_free(model);
}

static void test_new_head(struct bs_device *device) {
    struct bs_model_loaded loaded;
    struct bs_model *a =
        open_training(device, BS_PRECISION_FP32, BS_HEAD_NEW, 1, &loaded);
    struct bs_model *b = open_training(device, BS_PRECISION_FP32, BS_HEAD_NEW, 1, NULL);
    struct bs_model *c = open_training(device, BS_PRECISION_FP32, BS_HEAD_NEW, 2, NULL);
    float weights[3][64], bias[K];
    const struct bs_model *models[] = {a, b, c};
    for (int i = 0; i < 3; i++)
        must(bs_weights_download(bs_model_weights(models[i]),
                                 bs_model_parameters(a)->classifier.weight, BS_SLOT_VALUE,
                                 0, 1, weights[i], &error));
    must(bs_weights_download(bs_model_weights(a), bs_model_parameters(a)->classifier.bias,
                             BS_SLOT_VALUE, 0, 1, bias, &error));
    double sum = 0;
    for (int i = 0; i < 64; i++)
        sum += (double)weights[0][i] * (double)weights[0][i];
    check(loaded.new_classifier && !loaded.new_pooler,
          "a new classifier, the old pooler");
    check(memcmp(weights[0], weights[1], sizeof *weights) == 0, "drawn by the seed");
    check(memcmp(weights[0], weights[2], sizeof *weights) != 0, "another seed differs");
    check(sqrt(sum / 64) > 0.01 && sqrt(sum / 64) < 0.03 && bias[0] == 0,
          "of deviation initializer_range (%.3f), bias 0", sqrt(sum / 64));
    bs_model_free(a);
    bs_model_free(b);
    bs_model_free(c);
}

static void test_estimate(struct bs_device *device, enum bs_precision precision) {
    struct bs_model_options options = {precision, true, {true, 1}};
    struct bs_pass_size size = {1024, 8, 128, true}, infer = {1024, 8, 128, false};
    const struct bs_model_config *config = bs_model_files_config(files);
    int64_t training, labelling;
    must(bs_pass_memory(&training, device, config, &options, size, &error));
    must(bs_pass_memory(&labelling, device, config, &options, infer, &error));
    check(labelling > 0 && labelling < training / 2, "inference needs less (%lld, %lld)",
          (long long)labelling, (long long)training);
}

static void test_device(const char *name, enum bs_precision precision) {
    struct bs_device *device = NULL;
    struct bs_model *model = NULL;
    char what[32];
    snprintf(what, sizeof what, "%s %s", name, bs_precision_name(precision));
    if (bs_device_open(&device, name, &error) ||
        bs_device_check(device, precision, &error)) {
        skip("%s: %s", what, error.text);
        bs_device_close(device);
        return;
    }
    must(bs_model_open(&model, device, files, precision, &error));
    test_independence(model, what);
    if (precision < BS_N_TRAINING_PRECISIONS) {
        test_training(device, precision, what);
        test_estimate(device, precision);
    }
    if (precision == BS_PRECISION_FP32) {
        test_refusals(model);
        test_too_large(model);
        test_worker_failure(model);
        test_small_things(model);
        test_new_head(device);
    }
    bs_model_free(model);
    bs_device_close(device);
}

/* BS_TEST_DEVICE: that device alone, in all its precisions. */
int main(void) {
    const char *asked = getenv("BS_TEST_DEVICE");
    make_sequences(asked ? LONGEST / 4 : LONGEST); /* others are slow here */
    must(bs_model_files_open(&files, tiny, &error));
    for (int p = 0; asked && p < BS_N_PRECISIONS; p++)
        test_device(asked, (enum bs_precision)p);
    for (int p = BS_PRECISION_FP32; !asked && p <= BS_PRECISION_BF16; p++)
        test_device("ref", (enum bs_precision)p);
    for (int p = BS_PRECISION_FP32; !asked && p <= BS_PRECISION_BF16; p++)
        test_device("cpu", (enum bs_precision)p);
    if (!asked)
        test_device("cpu", BS_PRECISION_INT8);
    bs_model_files_close(files);
    return tap_end();
}
