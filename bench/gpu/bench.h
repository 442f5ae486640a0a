/*
 * The benchmark of a GPU: training and labelling through the model, batches and compute
 * as the tools use them, with random weights and ids, without files or tokenizing.
 *
 * One object, made by main.c from the command line; train.c, label.c and products.c time
 * one thing each, and report.c writes rows. A row that there is no memory for is left
 * out, and stderr says so; any other failure ends the program.
 */
#ifndef BS_BENCH_GPU_BENCH_H
#define BS_BENCH_GPU_BENCH_H

#include "batch/packing.h"
#include "model/model.h"
#include "shape.h"

struct bench {
    struct bs_device *device;
    double seconds;        /* that one row may take */
    double whole_seconds;  /* that the whole run may take */
    int64_t warm, steps;   /* of a row, if there is time for so many */
    int64_t total;         /* steps of the whole run */
    int64_t most_texts;    /* in a list that is labelled */
    int64_t memory_before; /* bytes in use when the device was open */
    int32_t *ids;          /* [N_IDS], random */
    float *normal;         /* [N_NORMAL], random, N(0, 1) */
};

enum { N_IDS = 1 << 18, N_NORMAL = 1 << 20 };

/* Sequences of one length. */
struct load {
    int64_t sequences, length;
};

/* ---- main.c ---- */

extern struct bs_error error;
void must(int code); /* ends the program, with `error`, unless it is BS_OK */

/* Sequence `i` of the `batch`-th batch; ids are below 1,000. Borrowed. */
struct bs_sequence bench_sequence(const struct bench *bench, int64_t batch, int64_t i,
                                  int64_t length);
/* A model with the weights of an initialised one. */
struct bs_model *bench_model(const struct bench *bench, const struct shape *shape,
                             enum bs_precision precision, bool training);

/* ---- report.c ---- */

struct row {
    const char *work; /* "train", "report", "label" */
    const struct shape *shape;
    enum bs_precision precision;
    struct load load; /* sequences 0: as the device likes */
    int64_t steps;    /* that were timed */
    double taken;     /* seconds for them */
    double flops;     /* of one step; 0: TFLOP/s are not told */
    double products;  /* TFLOP/s of the products alone; 0: not told */
};

void report_header(void);
/* Rate in steps or texts a second, memory since the device was opened; a single text in
 * milliseconds. Seconds are for `total` steps in training. */
void report_row(const struct bench *bench, const struct row *row);

/* ---- train.c, label.c, products.c ---- */

/* Steps a second of training; 0: no memory. The row is written. `whole`: all of
 * bench->total steps from the first, if `expected` steps a second say that there is
 * time. */
double train_row(const struct bench *bench, const struct shape *shape,
                 struct bs_model *model, struct load load);
void train_whole(const struct bench *bench, const struct shape *shape,
                 enum bs_precision precision, struct load load, double expected);

/* Rows for texts of these lengths (up to a 0), for batches of `load`, for one text. */
void label_rows(const struct bench *bench, const struct shape *shape,
                enum bs_precision precision, const int64_t *lengths, struct load load);

/* TFLOP/s of the linear layers' products over so many tokens, forward or with their
 * backward pass; 0: no memory. */
double products_rate(const struct bench *bench, const struct shape *shape,
                     enum bs_precision precision, struct load load, bool training);

#endif
