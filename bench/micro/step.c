/*
 * Times a training step and labelling, without files or tokenizing around them, for
 * profiling:
 *
 *     step MODEL [DEVICE [PRECISION [THREADS [SECONDS]]]]
 *
 * One line each, TAB between name and value:
 *     train    ms for forward, backward and update of 8 x 128 tokens
 *     loss     ms of that for forward and backward alone
 *     label    texts a second of 20 tokens, batches of 512, a worker a thread
 *     single   ms for one text of 20 tokens alone, one of 512
 */
#include "common/log.h"
#include "infer/infer.h"
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 8, LENGTH = 128, TEXTS = 512, TEXT_LENGTH = 20, LONGEST = 512 };

static struct bs_error error;

static void must(int code) {
    if (code) {
        fprintf(stderr, "step: %s\n", error.text);
        exit(code);
    }
}

struct bench {
    struct bs_device *device;
    struct bs_model *model;
    int threads;
    double seconds;
    int32_t ids[TEXTS * TEXT_LENGTH];
};

static void load(struct bench *bench, const char *path, const char *device,
                 const char *precision) {
    struct bs_model_files *files;
    struct bs_model_options options = {.training = true};
    struct bs_model_load how = {.head = BS_HEAD_NEW, .seed = 1};
    must(bs_precision_parse(precision, &options.precision, &error));
    must(bs_device_open(&bench->device, device, &error));
    must(bs_device_check(bench->device, options.precision, &error));
    must(bs_model_files_open(&files, path, &error));
    struct bs_model_config config = *bs_model_files_config(files);
    config.num_labels = 2;
    must(bs_model_new(&bench->model, bench->device, &config, &options, &error));
    must(bs_model_load(bench->model, bs_model_files_tensors(files), how, NULL, &error));
    bs_model_files_close(files);
    for (int i = 0; i < TEXTS * TEXT_LENGTH; i++)
        bench->ids[i] = (int32_t)(i * 7919L % config.vocab_size);
}

static void train_step(const struct bench *bench, struct bs_pass *pass,
                       const struct bs_batch *batch, uint32_t update, double *loss_ms) {
    struct bs_queue *queue = bs_pass_queue(pass);
    struct bs_step step = {.seed = 1,
                           .update = update,
                           .adam_step = update + 1,
                           .learning_rate = 1e-5,
                           .loss_scale = 1,
                           .loss.factor = 1.0F / BATCH};
    struct bs_adamw adamw = {0.9, 0.999, 1e-8, 0.01, 1};
    double began = bs_seconds();
    bs_set_step(queue, &step);
    bs_model_loss(bench->model, pass, batch);
    must(bs_queue_finish(queue, &error));
    *loss_ms += 1e3 * (bs_seconds() - began);
    bs_update(queue, bs_model_weights(bench->model), adamw);
    must(bs_queue_finish(queue, &error));
}

static void train(const struct bench *bench) {
    struct bs_pass_size size = {BATCH * LENGTH, BATCH, LENGTH, true};
    struct bs_pass *pass;
    struct bs_packer *packer;
    must(bs_pass_new(&pass, bench->model, bench->threads, size, &error));
    must(bs_packer_new(&packer, bs_device_info(bench->device)->row_tile, &error));
    for (int b = 0; b < BATCH; b++) {
        struct bs_sequence sequence = {bench->ids + b * LENGTH, NULL, LENGTH};
        must(bs_packer_add(packer, &sequence, b % 2, &error));
    }
    const struct bs_batch *batch = bs_packer_finish(packer);
    double loss_ms = 0, began = 0;
    uint32_t steps = 0, warm = 1;
    for (; steps < warm + 1 || bs_seconds() - began < bench->seconds; steps++) {
        if (steps == warm) {
            began = bs_seconds();
            loss_ms = 0;
        }
        train_step(bench, pass, batch, steps, &loss_ms);
    }
    printf("train\t%.2f\nloss\t%.2f\n", 1e3 * (bs_seconds() - began) / (steps - warm),
           loss_ms / (steps - warm));
    bs_packer_free(packer);
    bs_pass_free(pass);
}

/* Seconds that a call takes on `n` sequences of `length`. */
static double label(const struct bench *bench, struct bs_infer *infer, int64_t n,
                    int64_t length) {
    static float logits[2 * TEXTS];
    struct bs_sequence sequences[TEXTS];
    double began = 0;
    int64_t calls = -1;
    for (int64_t i = 0; i < n; i++)
        sequences[i] = (struct bs_sequence){bench->ids + i * TEXT_LENGTH, NULL, length};
    for (; calls < 1 || bs_seconds() - began < bench->seconds; calls++) {
        if (calls == 0)
            began = bs_seconds();
        must(bs_infer_run(infer, sequences, n, logits, &error));
    }
    return (bs_seconds() - began) / (double)calls;
}

static void infer_all(const struct bench *bench) {
    struct bs_infer_options options = {.threads = bench->threads};
    struct bs_infer *infer;
    must(bs_infer_new(&infer, bench->model, options, &error));
    printf("label\t%.1f\n", TEXTS / label(bench, infer, TEXTS, TEXT_LENGTH));
    printf("single\t%.2f\t%.2f\n", 1e3 * label(bench, infer, 1, TEXT_LENGTH),
           1e3 * label(bench, infer, 1, LONGEST));
    bs_infer_free(infer);
}

int main(int argc, char **argv) {
    static struct bench bench = {.threads = 1, .seconds = 3};
    if (argc < 2) {
        fprintf(stderr, "Usage: step MODEL [DEVICE [PRECISION [THREADS [SECONDS]]]]\n");
        return BS_USAGE;
    }
    if (argc > 4)
        bench.threads = atoi(argv[4]);
    if (argc > 5)
        bench.seconds = atof(argv[5]);
    load(&bench, argv[1], argc > 2 ? argv[2] : "auto", argc > 3 ? argv[3] : "fp32");
    train(&bench);
    infer_all(&bench);
    bs_model_free(bench.model);
    bs_device_close(bench.device);
    return BS_OK;
}
