/* Labelling: long lists of texts as bs-predict hands them on, batches of one size, and
 * one text alone. */
#include "bench.h"

#include "common/log.h"
#include "infer/infer.h"

#include <stdio.h>
#include <stdlib.h>

/* A list with work for all workers, several batches each. */
static void label_list(const struct bench *bench, const struct shape *shape,
                       struct bs_model *model, int64_t length) {
    struct bs_infer_options options = {.threads = 1};
    struct bs_infer *infer;
    must(bs_infer_new(&infer, model, options, &error));
    int64_t n = 4 * bs_infer_appetite(infer) / length + 1, runs = 0;
    n = n < bench->most_texts ? n : bench->most_texts;
    struct bs_sequence *texts = malloc((size_t)n * sizeof *texts);
    float *logits = malloc((size_t)n * 2 * sizeof *logits);
    for (int64_t i = 0; i < n; i++)
        texts[i] = bench_sequence(bench, 0, i, length);
    must(bs_infer_run(infer, texts, n, logits, &error));
    double began = bs_seconds();
    do {
        must(bs_infer_run(infer, texts, n, logits, &error));
        runs++;
    } while (bs_seconds() - began < bench->seconds / 6);
    struct row row = {.work = "label",
                      .shape = shape,
                      .precision = bs_model_precision(model),
                      .load = {0, length},
                      .steps = runs * n,
                      .taken = bs_seconds() - began,
                      .flops = shape_forward(shape, 1, length)};
    report_row(bench, &row);
    free(logits);
    free(texts);
    bs_infer_free(infer);
}

/* One batch after the other, each waited for. */
static void label_batch(const struct bench *bench, const struct shape *shape,
                        struct bs_model *model, struct load load) {
    struct bs_pass_size size = {load.sequences * load.length, load.sequences, load.length,
                                false};
    struct row row = {.work = "label",
                      .shape = shape,
                      .precision = bs_model_precision(model),
                      .load = load,
                      .flops = shape_forward(shape, load.sequences, load.length)};
    struct bs_packer *packer;
    struct bs_pass *pass;
    float *logits = malloc((size_t)load.sequences * 2 * sizeof *logits);
    row.products = products_rate(bench, shape, row.precision, load, false);
    must(bs_pass_new(&pass, model, 1, size, &error));
    must(bs_packer_new(&packer, bs_device_info(bench->device)->row_tile, &error));
    double began = 0;
    for (int64_t run = -3; run < 2 || bs_seconds() - began < bench->seconds / 6; run++) {
        if (run == 0)
            began = bs_seconds();
        bs_packer_begin(packer, 0);
        for (int64_t i = 0; i < load.sequences; i++) {
            struct bs_sequence text = bench_sequence(bench, run + 3, i, load.length);
            must(bs_packer_add(packer, &text, -1, &error));
        }
        struct bs_rows rows = bs_model_forward(model, pass, bs_packer_finish(packer));
        must(bs_rows_download(bs_pass_queue(pass), rows, logits, &error));
        row.steps = run + 1;
    }
    row.taken = bs_seconds() - began;
    report_row(bench, &row);
    free(logits);
    bs_packer_free(packer);
    bs_pass_free(pass);
}

void label_rows(const struct bench *bench, const struct shape *shape,
                enum bs_precision precision, const int64_t *lengths, struct load load) {
    struct bs_model *model = bench_model(bench, shape, precision, false);
    for (; *lengths; lengths++)
        label_list(bench, shape, model, *lengths);
    label_batch(bench, shape, model, load);
    label_batch(bench, shape, model, (struct load){1, load.length});
    bs_model_free(model);
}
