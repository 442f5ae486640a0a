/*
 * A lab: one device with a queue, weights, a batch, and rows that are watched. Tests of
 * compute put an operation into a lab, record what it made, and compare the records of
 * several labs.
 *
 * Every block of rows has guard rows around it and, if the lab is strided, guard columns
 * between its rows. Guards are NaN: an operation that reads one spoils its result, one
 * that writes there is found by lab_close_checks. Outputs begin as NaN too, so that an
 * element that was not written shows. Random values depend on the seed and on the order
 * of calls alone, so two labs that run the same experiment see the same input.
 */
#ifndef BS_TESTS_COMPUTE_LAB_H
#define BS_TESTS_COMPUTE_LAB_H

#include "common/random.h"
#include "compute/compute.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* More guard rows than a block of a product has. */
enum {
    GUARD_ROWS = 8,
    GUARD_COLUMNS = 24,
    MAX_THINGS = 48,
    MAX_TOKENS = 1024,
    LONGEST = 600
};

struct block {
    struct bs_arena *arena;
    struct bs_rows whole, view;
};

struct record {
    const char *name;
    double bound; /* on the normalised mean square error */
    int64_t n;
    float *values;
};

struct lab {
    struct bs_device *device;
    struct bs_queue *queue;
    struct bs_weights *weights;
    enum bs_precision precision;
    enum bs_type type; /* of activations */
    bool strided;
    struct bs_random random;

    struct bs_parameter parameters[MAX_THINGS];
    int n_parameters;
    struct block blocks[MAX_THINGS];
    int n_blocks;
    struct record records[MAX_THINGS];
    int n_records;

    int32_t ids[MAX_TOKENS], type_ids[MAX_TOKENS], position[MAX_TOKENS];
    int32_t offset[MAX_TOKENS + 1], labels[MAX_TOKENS];
    uint32_t example[MAX_TOKENS];
    struct bs_batch batch;
    struct bs_error error;
};

/* ---- devices ------------------------------------------------------------------ */

struct target {
    const char *device, *isa; /* isa NULL: as the device chooses */
};

/* What to test: "NAME", "cpu:ISA" or "cuda:N" from the command line or BS_TEST_DEVICE, or
 * all that this build has. Returns how many. */
__attribute__((unused)) static int lab_targets(int argc, char **argv,
                                               struct target targets[8]) {
    static char name[64];
    const char *asked = argc > 1 ? argv[1] : getenv("BS_TEST_DEVICE");
    if (asked && *asked) {
        snprintf(name, sizeof name, "%s", asked);
        char *colon = strncmp(name, "cpu", 3) == 0 ? strchr(name, ':') : NULL;
        if (colon)
            *colon = 0;
        targets[0] = (struct target){name, colon ? colon + 1 : NULL};
        return 1;
    }
    int n = 0;
    targets[n++] = (struct target){"ref", NULL};
#ifdef BS_WITH_CUDA
    targets[n++] = (struct target){"cuda", NULL};
#endif
    if (strstr(bs_compute_backends(), "cpu")) {
        targets[n++] = (struct target){"cpu", "avx512bf16"};
        targets[n++] = (struct target){"cpu", "avx512vnni"};
        targets[n++] = (struct target){"cpu", "avx512"};
        targets[n++] = (struct target){"cpu", "avx2"};
        targets[n++] = (struct target){"cpu", "plain"};
    }
    return n;
}

static struct bs_device *lab_device(struct target target, struct bs_error *error) {
    struct bs_device *device = NULL;
    if (target.isa)
        setenv("BS_CPU", target.isa, 1);
    else
        unsetenv("BS_CPU");
    if (bs_device_open(&device, target.device, error))
        return NULL;
    return device;
}

/* Whether it can be had with that precision here; if not, says so as a skipped check, or,
 * of a device that BS_TEST_DEVICE asks for and that is not there, as a failed one. */
__attribute__((unused)) static bool lab_available(struct target target,
                                                  enum bs_precision precision) {
    struct bs_error error = {0};
    struct bs_device *device = lab_device(target, &error);
    bool there = device && !bs_device_check(device, precision, &error);
    bs_device_close(device);
    if (!device && getenv("BS_TEST_DEVICE"))
        check(0, "%s: %s", target.device, error.text);
    else if (!there)
        skip("%s %s %s: %s", target.device, target.isa ? target.isa : "",
             bs_precision_name(precision), error.text);
    return there;
}

/* Whether a device has attention for heads of that size: the GPU's are multiples of 8. */
__attribute__((unused)) static bool lab_serves_heads(struct target target,
                                                     int head_size) {
    return strncmp(target.device, "cuda", 4) != 0 || head_size % 8 == 0;
}

/* ---- life --------------------------------------------------------------------- */

static void lab_must(struct lab *lab, int code, const char *what) {
    if (!code)
        return;
    printf("Bail out! %s: %s\n", what, lab->error.text);
    exit(1);
}

/* The loss of what follows; the update stays the same. */
static void lab_loss(struct lab *lab, struct bs_loss loss) {
    struct bs_step step = {
        .seed = 77, .update = 5, .adam_step = 6, .loss_scale = 1, .loss = loss};
    bs_set_step(lab->queue, &step);
}

static void lab_open(struct lab *lab, struct target target, enum bs_precision precision,
                     int threads, uint64_t seed) {
    memset(lab, 0, sizeof *lab);
    lab->precision = precision;
    lab->type = bs_precision_type(precision);
    lab->random = (struct bs_random){.seed = seed};
    lab->device = lab_device(target, &lab->error);
    lab_must(lab, !lab->device, target.device);
    lab_must(
        lab,
        bs_queue_new(&lab->queue, lab->device, threads, MAX_TOKENS, LONGEST, &lab->error),
        "queue");
    lab_loss(lab, (struct bs_loss){.factor = 1});
}

/* True if the queue never failed and no guard was touched. */
static bool lab_guards_whole(struct lab *lab, const struct block *block) {
    int64_t rows = block->whole.rows, columns = block->whole.columns;
    float *all = malloc((size_t)(rows * columns) * sizeof *all);
    lab_must(lab, bs_rows_download(lab->queue, block->whole, all, &lab->error),
             "download of guards");
    bool whole = true;
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t c = 0; c < columns; c++) {
            bool inside = r >= GUARD_ROWS && r < GUARD_ROWS + block->view.rows &&
                          c < block->view.columns;
            whole = whole && (inside || isnan(all[r * columns + c]));
        }
    }
    free(all);
    return whole;
}

static bool lab_sound(struct lab *lab) {
    if (bs_queue_finish(lab->queue, &lab->error)) {
        printf("# %s\n", lab->error.text);
        return false;
    }
    bool sound = true;
    for (int i = 0; i < lab->n_blocks; i++) {
        bool whole = lab_guards_whole(lab, &lab->blocks[i]);
        if (!whole)
            printf("# block %d: written outside of its rows\n", i);
        sound = sound && whole;
    }
    return sound;
}

static void lab_close(struct lab *lab) {
    for (int i = 0; i < lab->n_records; i++)
        free(lab->records[i].values);
    for (int i = 0; i < lab->n_blocks; i++)
        bs_arena_free(lab->blocks[i].arena);
    bs_queue_free(lab->queue);
    bs_weights_free(lab->weights);
    bs_device_close(lab->device);
}

/* ---- input -------------------------------------------------------------------- */

static float *lab_normal(struct lab *lab, int64_t n, double scale) {
    float *values = malloc((size_t)(n > 0 ? n : 1) * sizeof *values);
    for (int64_t i = 0; i < n; i++)
        values[i] = (float)(scale * bs_random_normal(&lab->random));
    return values;
}

/* Rows with guards around, all NaN. */
static struct bs_rows lab_output(struct lab *lab, enum bs_type type, int64_t rows,
                                 int64_t columns) {
    struct block *block = &lab->blocks[lab->n_blocks++];
    int64_t stride = columns + (lab->strided ? GUARD_COLUMNS : 0);
    int64_t all = rows + 2 * GUARD_ROWS;
    lab_must(lab,
             bs_arena_new(&block->arena, lab->device,
                          all * stride * (int64_t)bs_type_size(type) + 64, &lab->error),
             "arena");
    block->whole = bs_arena_rows(block->arena, type, all, stride);
    block->view =
        bs_rows_columns(bs_rows_slice(block->whole, GUARD_ROWS, rows), 0, columns);
    float *nothing = malloc((size_t)(all * stride) * sizeof *nothing);
    for (int64_t i = 0; i < all * stride; i++)
        nothing[i] = NAN;
    bs_rows_upload(lab->queue, block->whole, nothing);
    lab_must(lab, bs_queue_finish(lab->queue, &lab->error), "upload of guards");
    free(nothing);
    return block->view;
}

__attribute__((unused)) static struct bs_rows lab_given(struct lab *lab,
                                                        enum bs_type type, int64_t rows,
                                                        int64_t columns,
                                                        const float *values) {
    struct bs_rows view = lab_output(lab, type, rows, columns);
    bs_rows_upload(lab->queue, view, values);
    lab_must(lab, bs_queue_finish(lab->queue, &lab->error), "upload");
    return view;
}

__attribute__((unused)) static struct bs_rows lab_input(struct lab *lab,
                                                        enum bs_type type, int64_t rows,
                                                        int64_t columns, double scale) {
    float *values = lab_normal(lab, rows * columns, scale);
    struct bs_rows view = lab_given(lab, type, rows, columns, values);
    free(values);
    return view;
}

/* The same with rows from `used` on zero, as gradients of padding are. */
__attribute__((unused)) static struct bs_rows lab_gradient(struct lab *lab,
                                                           enum bs_type type,
                                                           int64_t rows, int64_t columns,
                                                           int64_t used) {
    float *values = lab_normal(lab, rows * columns, 1);
    for (int64_t i = used * columns; i < rows * columns; i++)
        values[i] = 0;
    struct bs_rows view = lab_given(lab, type, rows, columns, values);
    free(values);
    return view;
}

static const struct bs_rows absent = {0};

/* ---- weights ------------------------------------------------------------------ */

__attribute__((unused)) static int lab_parameter(struct lab *lab, enum bs_role role,
                                                 int64_t rows, int64_t columns) {
    static const char *const names[] = {"matrix", "vector", "embedding"};
    lab->parameters[lab->n_parameters] = (struct bs_parameter){.name = names[role],
                                                               .role = role,
                                                               .rows = rows,
                                                               .columns = columns,
                                                               .decays = true,
                                                               .trainable = true};
    return lab->n_parameters++;
}

static void lab_fill_slot(struct lab *lab, int index, enum bs_slot slot, double scale) {
    const struct bs_parameter *p = &lab->parameters[index];
    float *values = lab_normal(lab, p->rows * p->columns, scale);
    lab_must(
        lab,
        bs_weights_upload(lab->weights, index, slot, 0, p->rows, values, &lab->error),
        "upload of weights");
    free(values);
}

/* Makes the weights that the parameters so far describe. Values are random; gradients
 * too, since operations add to them. */
__attribute__((unused)) static void lab_weights(struct lab *lab) {
    lab_must(lab,
             bs_weights_new(&lab->weights, lab->device, lab->parameters,
                            lab->n_parameters, lab->precision,
                            lab->precision != BS_PRECISION_INT8, &lab->error),
             "weights");
    for (int i = 0; i < lab->n_parameters; i++) {
        const struct bs_parameter *p = &lab->parameters[i];
        double scale = p->role == BS_ROLE_MATRIX ? 1 / sqrt((double)p->columns) : 1;
        lab_fill_slot(lab, i, BS_SLOT_VALUE, scale);
        if (p->trainable && lab->precision != BS_PRECISION_INT8)
            lab_fill_slot(lab, i, BS_SLOT_GRADIENT, 1);
    }
    lab_must(lab, bs_weights_ready(lab->weights, &lab->error), "ready");
}

/* ---- batch -------------------------------------------------------------------- */

/* Sequences of these lengths (up to a 0), padded to a multiple of `tile`; ids below
 * `words`, types below 2, labels below `labels`, examples numbered from 10. */
__attribute__((unused)) static void lab_batch(struct lab *lab, const int *lengths,
                                              int64_t tile, int words, int labels) {
    int64_t tokens = 0, n = 0, longest = 1;
    for (; lengths[n]; n++) {
        lab->offset[n] = (int32_t)tokens;
        lab->labels[n] = (int32_t)bs_random_below(&lab->random, (uint64_t)labels);
        lab->example[n] = (uint32_t)(10 + n);
        for (int i = 0; i < lengths[n]; i++, tokens++) {
            lab->ids[tokens] = (int32_t)bs_random_below(&lab->random, (uint64_t)words);
            lab->type_ids[tokens] = (int32_t)bs_random_below(&lab->random, 2);
            lab->position[tokens] = i;
        }
        longest = lengths[n] > longest ? lengths[n] : longest;
    }
    lab->offset[n] = (int32_t)tokens;
    lab->batch = (struct bs_batch){.n_tokens = (tokens + tile - 1) / tile * tile,
                                   .n_sequences = n,
                                   .max_length = longest,
                                   .ids = lab->ids,
                                   .type_ids = lab->type_ids,
                                   .position = lab->position,
                                   .offset = lab->offset,
                                   .labels = lab->labels,
                                   .example = lab->example};
    bs_set_batch(lab->queue, &lab->batch);
}

__attribute__((unused)) static int64_t lab_used(const struct lab *lab) {
    return lab->batch.offset[lab->batch.n_sequences];
}

/* ---- records ------------------------------------------------------------------ */

/* What two back ends may differ by. fp32: sums in another order, polynomials for exp and
 * erf: relative errors of a few 1e-6 at most. bf16: the last bit of what is stored, and
 * probabilities that pass through bf16 inside: 2^-8 and less. tf32: a product may round
 * its factors to 2^-11, cut them off, or take them whole. */
static double lab_bound(const struct lab *lab, enum bs_type type) {
    if (type != BS_F32)
        return type == BS_BF16 ? 3e-5 : 1e-6;
    return lab->precision == BS_PRECISION_TF32 ? 5e-6 : 1e-10;
}

static float *lab_download(struct lab *lab, struct bs_rows rows) {
    int64_t n = rows.rows * rows.columns;
    float *values = malloc((size_t)(n > 0 ? n : 1) * sizeof *values);
    lab_must(lab, bs_rows_download(lab->queue, rows, values, &lab->error), "download");
    return values;
}

static void lab_keep(struct lab *lab, const char *name, double bound, int64_t n,
                     float *values) {
    lab->records[lab->n_records++] = (struct record){name, bound, n, values};
}

__attribute__((unused)) static void lab_record(struct lab *lab, const char *name,
                                               struct bs_rows rows) {
    if (rows.data)
        lab_keep(lab, name, lab_bound(lab, rows.type), rows.rows * rows.columns,
                 lab_download(lab, rows));
}

/* Records rows below `used`; those behind must be finite. */
__attribute__((unused)) static void lab_record_used(struct lab *lab, const char *name,
                                                    struct bs_rows rows, int64_t used) {
    if (!rows.data)
        return;
    float *values = lab_download(lab, rows);
    for (int64_t i = used * rows.columns; i < rows.rows * rows.columns; i++)
        if (!isfinite(values[i]))
            values[0] = NAN;
    lab_keep(lab, name, lab_bound(lab, rows.type), used * rows.columns, values);
}

/* Records rows whose own size says nothing, since they are what is left of terms that
 * cancel: their differences from `expected` (NULL: from zero) in units of `magnitude`,
 * the size of those terms, beside 1. */
__attribute__((unused)) static void lab_record_beside(struct lab *lab, const char *name,
                                                      struct bs_rows rows, double bound,
                                                      const double *expected,
                                                      double magnitude) {
    int64_t n = rows.rows * rows.columns;
    float *values = lab_download(lab, rows);
    for (int64_t i = 0; i < n; i++) {
        double difference = values[i] - (expected ? expected[i] : 0);
        values[i] = (float)(1 + difference / magnitude);
    }
    lab_keep(lab, name, bound, n, values);
}

__attribute__((unused)) static float *lab_slot(struct lab *lab, int index,
                                               enum bs_slot slot) {
    const struct bs_parameter *p = &lab->parameters[index];
    float *values = malloc((size_t)(p->rows * p->columns) * sizeof *values);
    lab_must(
        lab,
        bs_weights_download(lab->weights, index, slot, 0, p->rows, values, &lab->error),
        "download of weights");
    return values;
}

__attribute__((unused)) static void lab_record_slot(struct lab *lab, const char *name,
                                                    int index, enum bs_slot slot) {
    const struct bs_parameter *p = &lab->parameters[index];
    lab_keep(lab, name, lab_bound(lab, BS_F32), p->rows * p->columns,
             lab_slot(lab, index, slot));
}

__attribute__((unused)) static void lab_record_loss(struct lab *lab) {
    struct bs_step_result result = {0};
    lab_must(lab, bs_read_step(lab->queue, &result, &lab->error), "step");
    float *values = malloc(sizeof *values);
    values[0] = (float)result.loss;
    lab_keep(lab, "loss", lab_bound(lab, BS_F32), 1, values);
}

/* ---- comparison --------------------------------------------------------------- */

/* sum (a - b)^2 / sum b^2; infinite if anything is not finite, or if b is zero and a
 * is not. */
static double normalised_error(const float *a, const float *b, int64_t n) {
    double difference = 0, power = 0;
    for (int64_t i = 0; i < n; i++) {
        difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        power += (double)b[i] * b[i];
    }
    if (!isfinite(difference) || !isfinite(power))
        return INFINITY;
    return power > 0 ? difference / power : difference > 0 ? INFINITY : 0;
}

/* The largest difference in units of b's root mean square: one wrong element among many
 * does not show in the mean. */
static double worst_error(const float *a, const float *b, int64_t n) {
    double worst = 0, power = 0;
    for (int64_t i = 0; i < n; i++) {
        worst = fmax(worst, fabs((double)a[i] - b[i]));
        power += (double)b[i] * b[i];
    }
    return power > 0 ? worst / sqrt(power / (double)n) : worst;
}

__attribute__((unused)) static bool records_agree(const struct lab *a,
                                                  const struct lab *b) {
    bool agree = a->n_records == b->n_records;
    for (int i = 0; agree && i < a->n_records; i++) {
        const struct record *x = &a->records[i], *y = &b->records[i];
        if (x->n != y->n)
            return false;
        double error = normalised_error(x->values, y->values, x->n);
        double worst = worst_error(x->values, y->values, x->n);
        if (error <= y->bound && worst <= 40 * sqrt(y->bound))
            continue;
        printf("# %s: normalised error %.3g, worst %.3g; wanted %.3g, %.3g\n", x->name,
               error, worst, y->bound, 40 * sqrt(y->bound));
        return false;
    }
    return agree;
}

__attribute__((unused)) static bool records_equal(const struct lab *a,
                                                  const struct lab *b) {
    for (int i = 0; i < a->n_records; i++) {
        const struct record *x = &a->records[i], *y = &b->records[i];
        if (!memcmp(x->values, y->values, (size_t)x->n * sizeof *x->values))
            continue;
        printf("# %s differs\n", x->name);
        return false;
    }
    return a->n_records == b->n_records;
}

#endif
