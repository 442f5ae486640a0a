/*
 * Every operation on every back end against ref: the same random input, normalised
 * error, guards around every buffer, outputs that begin as NaN. Each is also run with
 * 1, 2 and 3 threads, which must give the same bytes.
 */
#include "common/f16.h"
#include "compute/bf16.h"
#include "compute/lab.h"

/* One experiment's shape. */
struct setting {
    const char *name;
    int lengths[64]; /* of the sequences, up to a 0 */
    int columns, heads, labels;
    float dropout;
    bool first_only, strided;
    bool absent; /* leave out whatever is optional */
};

typedef void experiment(struct lab *lab, const struct setting *setting, int64_t tile);

static int64_t rows_of(const struct lab *lab, const struct setting *s) {
    return s->first_only ? lab->batch.n_sequences : lab->batch.n_tokens;
}

static int64_t used_of(const struct lab *lab, const struct setting *s) {
    return s->first_only ? lab->batch.n_sequences : lab_used(lab);
}

static struct bs_rows optional(struct lab *lab, const struct setting *s,
                               enum bs_type type, int64_t rows, int64_t columns) {
    return s->absent ? absent : lab_output(lab, type, rows, columns);
}

/* ---- embedding, norms, dropout ------------------------------------------------ */

static struct bs_embedding embedding_parameters(struct lab *lab, int columns) {
    return (struct bs_embedding){
        .word = lab_parameter(lab, BS_ROLE_EMBEDDING, 50, columns),
        .position = lab_parameter(lab, BS_ROLE_EMBEDDING, LONGEST, columns),
        .type = lab_parameter(lab, BS_ROLE_EMBEDDING, 2, columns),
        .padding = -1};
}

static void embedding(struct lab *lab, const struct setting *s, int64_t tile) {
    struct bs_embedding e = embedding_parameters(lab, s->columns);
    lab_weights(lab);
    lab_batch(lab, s->lengths, tile, 50, s->labels);
    if (s->absent) {
        lab->batch.type_ids = NULL;
        bs_set_batch(lab->queue, &lab->batch);
    } else {
        e.padding = lab->ids[0];
    }
    struct bs_rows sum = lab_output(lab, BS_F32, lab->batch.n_tokens, s->columns);
    struct bs_rows dsum =
        lab_gradient(lab, BS_F32, lab->batch.n_tokens, s->columns, lab_used(lab));
    bs_embedding(lab->queue, lab->weights, e, sum);
    bs_embedding_backward(lab->queue, lab->weights, e, dsum);
    lab_record(lab, "sum", sum);
    lab_record_slot(lab, "dword", e.word, BS_SLOT_GRADIENT);
    lab_record_slot(lab, "dposition", e.position, BS_SLOT_GRADIENT);
    lab_record_slot(lab, "dtype", e.type, BS_SLOT_GRADIENT);
}

static struct bs_norm norm_parameters(struct lab *lab, int columns) {
    return (struct bs_norm){.gain = lab_parameter(lab, BS_ROLE_VECTOR, 1, columns),
                            .bias = lab_parameter(lab, BS_ROLE_VECTOR, 1, columns),
                            .epsilon = 1e-12F};
}

static void layer_norm(struct lab *lab, const struct setting *s, int64_t tile) {
    struct bs_norm norm = norm_parameters(lab, s->columns);
    lab_weights(lab);
    lab_batch(lab, s->lengths, tile, 50, s->labels);
    int64_t rows = rows_of(lab, s);
    struct bs_rows x = lab_input(lab, BS_F32, rows, s->columns, 3);
    struct bs_rows stats = lab_output(lab, BS_F32, rows, 2);
    struct bs_rows y = s->absent ? x : lab_output(lab, BS_F32, rows, s->columns);
    struct bs_rows y_low = optional(lab, s, BS_BF16, rows, s->columns);
    bs_layer_norm(lab->queue, lab->weights, norm, x, s->absent ? absent : stats, y,
                  y_low);
    lab_record(lab, "y", y);
    lab_record(lab, "y_low", y_low);
    if (s->absent)
        return;
    lab_record(lab, "stats", stats);
    struct bs_rows dy = lab_input(lab, BS_F32, rows, s->columns, 1);
    struct bs_rows dx = lab_output(lab, BS_F32, rows, s->columns);
    bs_layer_norm_backward(lab->queue, lab->weights, norm, x, stats, dy, dx);
    lab_record(lab, "dx", dx);
    bs_layer_norm_backward(lab->queue, lab->weights, norm, x, stats, dy, dy);
    lab_record(lab, "dx in place", dy);
    lab_record_slot(lab, "dgain", norm.gain, BS_SLOT_GRADIENT);
    lab_record_slot(lab, "dbias", norm.bias, BS_SLOT_GRADIENT);
}

static void dropout(struct lab *lab, const struct setting *s, int64_t tile) {
    struct bs_dropout drop = {s->dropout, 4242};
    lab_batch(lab, s->lengths, tile, 50, s->labels);
    int64_t rows = rows_of(lab, s), used = used_of(lab, s);
    for (int i = 0; i < 4; i++) {
        struct bs_rows x = lab_input(lab, (enum bs_type)(i / 2), rows, s->columns, 1);
        struct bs_rows y = lab_output(lab, (enum bs_type)(i % 2), rows, s->columns);
        struct bs_rows y_low = optional(lab, s, BS_BF16, rows, s->columns);
        bs_dropout(lab->queue, drop, s->first_only, x, y, y_low);
        bs_dropout(lab->queue, drop, s->first_only, x, x, absent);
        lab_record_used(lab, "y", y, used);
        lab_record_used(lab, "y_low", y_low, used);
        lab_record_used(lab, "x in place", x, used);
    }
}

static void dropout_add_norm(struct lab *lab, const struct setting *s, int64_t tile) {
    struct bs_dropout drop = {s->dropout, 3};
    struct bs_norm norm = norm_parameters(lab, s->columns);
    lab_weights(lab);
    lab_batch(lab, s->lengths, tile, 50, s->labels);
    int64_t rows = rows_of(lab, s), used = used_of(lab, s), columns = s->columns;
    struct bs_rows x = lab_input(lab, lab->type, rows, columns, 1);
    struct bs_rows residual = lab_input(lab, BS_F32, rows, columns, 2);
    struct bs_rows sum = optional(lab, s, BS_F32, rows, columns);
    struct bs_rows stats = optional(lab, s, BS_F32, rows, 2);
    struct bs_rows y = s->absent ? residual : lab_output(lab, BS_F32, rows, columns);
    struct bs_rows y_low = lab_output(lab, BS_BF16, rows, columns);
    bs_dropout_add_norm(lab->queue, lab->weights, norm, drop, s->first_only, x, residual,
                        sum, stats, y, y_low);
    lab_record_used(lab, "sum", sum, used);
    lab_record_used(lab, "stats", stats, used);
    lab_record_used(lab, "y", y, used);
    lab_record_used(lab, "y_low", y_low, used);
    if (s->absent)
        return;
    struct bs_rows dy = lab_gradient(lab, BS_F32, rows, columns, used);
    struct bs_rows dresidual = lab_output(lab, BS_F32, rows, columns);
    struct bs_rows dx = lab_output(lab, lab->type, rows, columns);
    bs_dropout_add_norm_backward(lab->queue, lab->weights, norm, drop, s->first_only, sum,
                                 stats, dy, dresidual, dx);
    lab_record(lab, "dresidual", dresidual);
    lab_record(lab, "dx", dx);
    bs_dropout_add_norm_backward(lab->queue, lab->weights, norm, drop, s->first_only, sum,
                                 stats, dy, dy, dx);
    lab_record(lab, "dresidual in place", dy);
    lab_record_slot(lab, "dgain", norm.gain, BS_SLOT_GRADIENT);
    lab_record_slot(lab, "dbias", norm.bias, BS_SLOT_GRADIENT);
}

/* ---- linear ------------------------------------------------------------------- */

static struct bs_linear linear_parameters(struct lab *lab, int outputs, int inputs) {
    return (struct bs_linear){.weight =
                                  lab_parameter(lab, BS_ROLE_MATRIX, outputs, inputs),
                              .bias = lab_parameter(lab, BS_ROLE_VECTOR, 1, outputs)};
}

/* Of low-precision rows beside those of the lab. */
static enum bs_type low_type(const struct lab *lab) {
    return lab->type == BS_F16 ? BS_F16 : BS_BF16;
}

static void linear_sized(struct lab *lab, const struct setting *s, int64_t tile,
                         int outputs) {
    const enum bs_type low = low_type(lab);
    const struct {
        enum bs_activation activation;
        enum bs_type y;
        bool pre;
    } uses[] = {{BS_IDENTITY, BS_F32, false}, {BS_IDENTITY, low, true},
                {BS_GELU, BS_F32, true},      {BS_GELU, low, true},
                {BS_GELU, low, false},        {BS_TANH, BS_F32, false},
                {BS_TANH, low, true}};
    int inputs = s->columns;
    struct bs_linear l = linear_parameters(lab, outputs, inputs);
    lab_weights(lab);
    lab_batch(lab, s->lengths, tile, 50, s->labels);
    int64_t rows = rows_of(lab, s);
    struct bs_rows x = lab_input(lab, lab->type, rows, inputs, 1);
    for (size_t i = 0; i < sizeof uses / sizeof uses[0]; i++) {
        bool pre_wanted = uses[i].pre && !s->absent;
        struct bs_rows y = lab_output(lab, uses[i].y, rows, outputs);
        struct bs_rows pre =
            pre_wanted ? lab_output(lab, uses[i].y, rows, outputs) : absent;
        bs_linear(lab->queue, lab->weights, l, uses[i].activation, x, pre, y);
        lab_record(lab, "y", y);
        lab_record(lab, "pre", pre);
    }
}

/* An odd number of outputs, which matrix libraries may refuse, and one that suits them.
 */
static void linear(struct lab *lab, const struct setting *s, int64_t tile) {
    linear_sized(lab, s, tile, s->columns + s->columns / 2 + 1);
}

static void linear_even(struct lab *lab, const struct setting *s, int64_t tile) {
    linear_sized(lab, s, tile, 2 * s->columns);
}

static void linear_backward_sized(struct lab *lab, const struct setting *s, int64_t tile,
                                  int outputs) {
    int inputs = s->columns;
    struct bs_linear l = linear_parameters(lab, outputs, inputs);
    lab_weights(lab);
    lab_batch(lab, s->lengths, tile, 50, s->labels);
    int64_t rows = rows_of(lab, s);
    struct bs_rows x = lab_input(lab, lab->type, rows, inputs, 1);
    struct bs_rows dy = lab_input(lab, lab->type, rows, outputs, 1);
    struct bs_rows dx = lab_output(lab, BS_F32, rows, inputs);
    struct bs_rows dx_low = lab_output(lab, low_type(lab), rows, inputs);
    struct bs_rows dx_sum = lab_input(lab, BS_F32, rows, inputs, 1);
    bs_linear_backward(lab->queue, lab->weights, l, x, dy, dx, false);
    lab_record(lab, "dx", dx);
    lab_record_slot(lab, "dweight", l.weight, BS_SLOT_GRADIENT);
    lab_record_slot(lab, "dbias", l.bias, BS_SLOT_GRADIENT);
    bs_linear_backward(lab->queue, lab->weights, l, x, dy, dx_low, false);
    bs_linear_backward(lab->queue, lab->weights, l, x, dy, dx_sum, true);
    bs_linear_backward(lab->queue, lab->weights, l, x, dy, absent, false);
    lab_record(lab, "dx_low", dx_low);
    lab_record(lab, "dx added", dx_sum);
    lab_record_slot(lab, "dweight of four", l.weight, BS_SLOT_GRADIENT);
    lab_record_slot(lab, "dbias of four", l.bias, BS_SLOT_GRADIENT);
}

static void linear_backward(struct lab *lab, const struct setting *s, int64_t tile) {
    linear_backward_sized(lab, s, tile, s->columns / 2 + 3);
}

static void linear_backward_even(struct lab *lab, const struct setting *s, int64_t tile) {
    linear_backward_sized(lab, s, tile, 2 * s->columns);
}

/* The classifier: few outputs. */
static void linear_narrow(struct lab *lab, const struct setting *s, int64_t tile) {
    struct bs_linear l = linear_parameters(lab, s->labels, s->columns);
    lab_weights(lab);
    lab_batch(lab, s->lengths, tile, 50, s->labels);
    int64_t rows = lab->batch.n_sequences;
    struct bs_rows x = lab_input(lab, lab->type, rows, s->columns, 1);
    struct bs_rows dy = lab_input(lab, lab->type, rows, s->labels, 1);
    struct bs_rows y = lab_output(lab, BS_F32, rows, s->labels);
    struct bs_rows dx = lab_output(lab, BS_F32, rows, s->columns);
    bs_linear(lab->queue, lab->weights, l, BS_IDENTITY, x, absent, y);
    bs_linear_backward(lab->queue, lab->weights, l, x, dy, dx, false);
    lab_record(lab, "y", y);
    lab_record(lab, "dx", dx);
    lab_record_slot(lab, "dweight", l.weight, BS_SLOT_GRADIENT);
    lab_record_slot(lab, "dbias", l.bias, BS_SLOT_GRADIENT);
}

static void activations_backward(struct lab *lab, const struct setting *s, int64_t tile) {
    lab_batch(lab, s->lengths, tile, 50, s->labels);
    int64_t rows = rows_of(lab, s);
    for (int i = 0; i < 4; i++) {
        enum bs_type type = (enum bs_type)(i / 2), dtype = (enum bs_type)(i % 2);
        struct bs_rows pre = lab_input(lab, type, rows, s->columns, 2);
        struct bs_rows y = lab_input(lab, type, rows, s->columns, 0.3);
        struct bs_rows dy = lab_input(lab, dtype, rows, s->columns, 1);
        struct bs_rows dpre = lab_output(lab, dtype, rows, s->columns);
        struct bs_rows dpre2 = lab_output(lab, dtype, rows, s->columns);
        bs_gelu_backward(lab->queue, pre, dy, dpre);
        bs_tanh_backward(lab->queue, y, dy, dpre2);
        lab_record(lab, "gelu", dpre);
        lab_record(lab, "tanh", dpre2);
        bs_gelu_backward(lab->queue, pre, dy, dy);
        lab_record(lab, "gelu in place", dy);
    }
}

/* ---- attention ---------------------------------------------------------------- */

/* The length of the first row. */
static double norm_of(struct lab *lab, struct bs_rows rows) {
    double sum = 0;
    float *values = lab_download(lab, rows);
    for (int64_t c = 0; c < rows.columns; c++)
        sum += (double)values[c] * values[c];
    free(values);
    return sqrt(sum);
}

/* Over one key the probability is 1 whatever the score: dq and dk are zero but for
 * rounding of dout . v - dout . out, each of which is as large as `score` at most. The
 * bounds allow a few units in the last place of fp32, or of bf16 (2^-9) and fp16. */
static void record_vanishing(struct lab *lab, struct bs_rows q, struct bs_rows k,
                             struct bs_rows v, struct bs_rows dout, struct bs_rows dq,
                             struct bs_rows dk, const struct setting *s) {
    double kept = 1 / (1 - (double)s->dropout);
    double score = norm_of(lab, dout) * norm_of(lab, v) * kept /
                   sqrt((double)(s->columns / s->heads));
    double bound = lab->type == BS_BF16 ? 1e-6 : lab->type == BS_F16 ? 2e-8 : 1e-12;
    lab_record_beside(lab, "dq", dq, bound, NULL, score * norm_of(lab, k));
    lab_record_beside(lab, "dk", dk, bound, NULL, score * norm_of(lab, q));
}

static void attention(struct lab *lab, const struct setting *s, int64_t tile) {
    struct bs_attention a = {s->heads, s->first_only, {s->dropout, 9}};
    lab_batch(lab, s->lengths, tile, 50, s->labels);
    int64_t rows = rows_of(lab, s), used = used_of(lab, s), tokens = lab->batch.n_tokens;
    int64_t columns = s->columns;
    struct bs_rows qkv = lab_input(lab, lab->type, tokens, 3 * columns, 1.2);
    struct bs_rows q = s->first_only ? lab_input(lab, lab->type, rows, columns, 1.2)
                                     : bs_rows_columns(qkv, 0, columns);
    struct bs_rows k = bs_rows_columns(qkv, columns, columns);
    struct bs_rows v = bs_rows_columns(qkv, 2 * columns, columns);
    struct bs_rows out = lab_output(lab, lab->type, rows, columns);
    struct bs_rows lse = lab_output(lab, BS_F32, rows, s->heads);
    bs_attention(lab->queue, a, q, k, v, s->absent ? absent : lse, out);
    lab_record(lab, "out", out);
    if (s->absent)
        return;
    float *log_sums = lab_download(lab, lse);
    lab_keep(lab, "lse", lab_bound(lab, BS_F32), used * s->heads, log_sums);
    struct bs_rows dout = lab_gradient(lab, lab->type, rows, columns, used);
    struct bs_rows dqkv = lab_output(lab, lab->type, tokens, 3 * columns);
    struct bs_rows dq = s->first_only ? lab_output(lab, lab->type, rows, columns)
                                      : bs_rows_columns(dqkv, 0, columns);
    struct bs_rows dk = bs_rows_columns(dqkv, columns, columns);
    struct bs_rows dv = bs_rows_columns(dqkv, 2 * columns, columns);
    bs_attention_backward(lab->queue, a, q, k, v, lse, out, dout, dq, dk, dv);
    lab_record(lab, "dv", dv);
    if (s->lengths[0] == 1 && !s->lengths[1]) {
        record_vanishing(lab, q, k, v, dout, dq, dk, s);
        return;
    }
    lab_record(lab, "dq", dq);
    lab_record(lab, "dk", dk);
}

/* ---- heads -------------------------------------------------------------------- */

static void first_tokens(struct lab *lab, const struct setting *s, int64_t tile) {
    lab_batch(lab, s->lengths, tile, 50, s->labels);
    int64_t tokens = lab->batch.n_tokens, n = lab->batch.n_sequences;
    struct bs_rows x = lab_input(lab, BS_F32, tokens, s->columns, 1);
    struct bs_rows x_low = lab_input(lab, BS_BF16, tokens, s->columns, 1);
    struct bs_rows y = lab_output(lab, BS_F32, n, s->columns);
    struct bs_rows y_low = lab_output(lab, BS_BF16, n, s->columns);
    struct bs_rows dy = lab_input(lab, BS_F32, n, s->columns, 1);
    bs_gather_first(lab->queue, x, y);
    bs_gather_first(lab->queue, x_low, y_low);
    bs_scatter_first(lab->queue, dy, x);
    bs_zero(lab->queue, dy);
    lab_record(lab, "gathered", y);
    lab_record(lab, "gathered bf16", y_low);
    lab_record(lab, "scattered", x);
    lab_record(lab, "zeroed", dy);
    struct bs_rows to = lab_output(lab, BS_BF16, tokens, s->columns);
    struct bs_rows from = lab_output(lab, BS_F32, tokens, s->columns);
    bs_copy(lab->queue, x, to);
    bs_copy(lab->queue, x_low, from);
    lab_record(lab, "to bf16", to);
    lab_record(lab, "from bf16", from);
}

static void losses(struct lab *lab, const struct setting *s, int64_t tile) {
    lab_batch(lab, s->lengths, tile, 50, s->labels);
    int64_t n = lab->batch.n_sequences;
    struct bs_rows logits = lab_input(lab, BS_F32, n, s->labels, 3);
    struct bs_rows dlogits = lab_output(lab, BS_F32, n, s->labels);
    struct bs_rows dlow = lab_output(lab, BS_BF16, n, s->labels);
    struct bs_rows p = lab_output(lab, BS_F32, n, s->labels);
    float class_weights[64];
    for (int i = 0; i < s->labels; i++)
        class_weights[i] = 0.25F + (float)bs_random_unit(&lab->random);
    lab_loss(lab, (struct bs_loss){.factor = 0.25F});
    bs_cross_entropy(lab->queue, logits, dlogits);
    lab_loss(lab, (struct bs_loss){class_weights, s->labels, 0.1F, 0.5F});
    bs_cross_entropy(lab->queue, logits, dlow);
    lab_loss(lab, (struct bs_loss){class_weights, s->labels, 0, 0.5F});
    bs_cross_entropy(lab->queue, logits, absent);
    bs_softmax(lab->queue, logits, p);
    bs_softmax(lab->queue, logits, logits);
    lab_record(lab, "dlogits", dlogits);
    lab_record(lab, "dlogits bf16", dlow);
    lab_record(lab, "probabilities", p);
    lab_record(lab, "in place", logits);
    lab_record_loss(lab);
}

/* A factor as a product sees it. */
static double rounded(enum bs_precision precision, float value) {
    switch (precision) {
    case BS_PRECISION_BF16:
        return bs_bf16_round(value);
    case BS_PRECISION_FP16:
        return bs_f16_round(value);
    case BS_PRECISION_TF32:
        return bs_tf32_round(value);
    default:
        return value;
    }
}

/* y against x W^T + b of this device's own values, rounded as products see them: two
 * devices may differ in the last bit of a value, which may tip its bf16. */
static void record_product(struct lab *lab, struct bs_linear l, struct bs_rows x,
                           struct bs_rows y) {
    int64_t rows = y.rows, n = y.columns, m = x.columns;
    enum bs_precision p = lab->precision;
    float *weight = lab_slot(lab, l.weight, BS_SLOT_VALUE);
    float *bias = lab_slot(lab, l.bias, BS_SLOT_VALUE), *input = lab_download(lab, x);
    double *expected = malloc((size_t)(rows * n) * sizeof *expected), power = 0;
    for (int64_t i = 0; i < rows * n; i++) {
        expected[i] = bias[i % n];
        for (int64_t j = 0; j < m; j++)
            expected[i] +=
                rounded(p, input[i / n * m + j]) * rounded(p, weight[i % n * m + j]);
        power += expected[i] * expected[i];
    }
    lab_record_beside(lab, "y after the update", y, lab_bound(lab, BS_F32), expected,
                      sqrt(power / (double)(rows * n)));
    free(expected);
    free(input);
    free(bias);
    free(weight);
}

/* Two updates; the second sees what the first left of moments and gradients. */
static void update(struct lab *lab, const struct setting *s, int64_t tile) {
    struct bs_linear l = linear_parameters(lab, s->columns + 1, s->columns);
    struct bs_embedding e = embedding_parameters(lab, s->columns);
    lab->parameters[l.bias].decays = false;
    lab->parameters[e.position].trainable = false;
    lab_weights(lab);
    lab_batch(lab, s->lengths, tile, 50, s->labels);
    /* Epsilon is above what rounding leaves of a gradient that cancels out: Adam would
     * make a whole step of it. */
    struct bs_adamw adamw = {0.9, 0.999, 1e-5, 0.01, s->absent ? 0 : 1.0};
    struct bs_rows x = lab_input(lab, lab->type, lab->batch.n_tokens, s->columns, 1);
    struct bs_rows dy = lab_input(lab, lab->type, lab->batch.n_tokens, s->columns + 1, 1);
    struct bs_rows y = lab_output(lab, BS_F32, lab->batch.n_tokens, s->columns + 1);
    for (uint32_t i = 0; i < 2; i++) {
        struct bs_step step = {.seed = 77,
                               .update = i,
                               .adam_step = i + 1,
                               .learning_rate = 0.01,
                               .loss_scale = 1};
        bs_set_step(lab->queue, &step);
        bs_linear_backward(lab->queue, lab->weights, l, x, dy, absent, false);
        bs_update(lab->queue, lab->weights, adamw);
    }
    bs_linear(lab->queue, lab->weights, l, BS_IDENTITY, x, absent, y);
    record_product(lab, l, x, y);
    for (int i = 0; i < lab->n_parameters; i++) {
        lab_record_slot(lab, "value", i, BS_SLOT_VALUE);
        if (!lab->parameters[i].trainable)
            continue;
        lab_record_slot(lab, "gradient", i, BS_SLOT_GRADIENT);
        lab_record_slot(lab, "moment 1", i, BS_SLOT_MOMENT1);
        lab_record_slot(lab, "moment 2", i, BS_SLOT_MOMENT2);
    }
    struct bs_step_result result = {0};
    lab_must(lab, bs_read_step(lab->queue, &result, &lab->error), "step");
    float *norm = malloc(sizeof *norm);
    *norm = (float)result.grad_norm;
    lab_keep(lab, "grad_norm", 1e-10, 1, norm);
}

/* ---- all of them -------------------------------------------------------------- */

#define MANY 3, 1, 12, 7, 5, 9, 2, 4, 11, 6, 8, 10, 1, 3, 5, 7, 2, 12, 9, 4, 6, 8, 11, 10
static const struct setting settings[] = {
    {"one token", {1}, 32, 1, 2, 0, false, false, false},
    {"one token, strided, dropout", {1}, 24, 1, 3, 0.1F, true, true, false},
    {"one sequence", {37}, 64, 2, 2, 0.1F, false, false, false},
    {"one sequence, first only", {37}, 64, 1, 5, 0.1F, true, false, false},
    {"a few, head size 24", {3, 1, 17, 2, 9, 31}, 72, 3, 7, 0.1F, false, true, false},
    {"a few, head size 32", {16, 64, 33, 5}, 96, 3, 3, 0, false, false, false},
    {"a few, wide", {3, 18}, 416, 13, 3, 0.1F, true, false, false},
    {"a few, head size 7", {20, 13, 1}, 35, 5, 40, 0.25F, false, true, false},
    {"a few, nothing optional", {8, 24, 15}, 64, 2, 4, 0, false, false, true},
    {"a few, first only, absent", {8, 24, 15}, 48, 2, 4, 0.5F, true, true, true},
    {"many", {MANY}, 128, 2, 2, 0.1F, false, false, false},
    {"many, first only", {MANY}, 128, 4, 6, 0.1F, true, true, false},
    {"512 tokens", {512}, 64, 1, 2, 0.1F, false, false, false},
    {"512 tokens and others", {100, 512, 3}, 32, 1, 2, 0, false, true, false},
    {"600 tokens", {LONGEST}, 24, 1, 2, 0.1F, false, false, false},
};

static const struct {
    const char *name;
    experiment *run;
} experiments[] = {
    {"embedding", embedding},
    {"layer norm", layer_norm},
    {"dropout", dropout},
    {"dropout, add, norm", dropout_add_norm},
    {"linear", linear},
    {"linear, even", linear_even},
    {"linear backward", linear_backward},
    {"linear backward, even", linear_backward_even},
    {"linear, few outputs", linear_narrow},
    {"activations backward", activations_backward},
    {"attention", attention},
    {"first tokens", first_tokens},
    {"losses", losses},
    {"update", update},
};

/* Runs one experiment in a new lab; false if it left the lab damaged. */
static bool run(struct lab *lab, struct target target, enum bs_precision precision,
                int threads, int64_t tile, experiment *run_it, const struct setting *s) {
    lab_open(lab, target, precision, threads, 1234 + (uint64_t)(s - settings));
    lab->strided = s->strided;
    run_it(lab, s, tile);
    return lab_sound(lab);
}

static void check_experiment(struct target target, enum bs_precision precision,
                             int64_t tile, const char *name, experiment *run_it,
                             const struct setting *s) {
    static const struct target oracle = {"ref", NULL};
    static struct lab ref, labs[3];
    const char *isa = target.isa ? target.isa : "";
    /* Others take no notice of threads. */
    int n = !strncmp(target.device, "cpu", 3) ? 3 : 1;
    bool ok = run(&ref, oracle, precision, 1, tile, run_it, s), same = true;
    for (int i = 0; i < n; i++)
        ok = run(&labs[i], target, precision, i + 1, tile, run_it, s) && ok;
    check(ok && records_agree(&labs[0], &ref), "%s %s %s: %s, %s", target.device, isa,
          bs_precision_name(precision), name, s->name);
    for (int i = 1; i < n; i++)
        same = same && records_equal(&labs[0], &labs[i]);
    if (n > 1)
        check(same, "%s %s %s: %s, %s: the same with 2 and 3 threads", target.device, isa,
              bs_precision_name(precision), name, s->name);
    lab_close(&ref);
    for (int i = 0; i < n; i++)
        lab_close(&labs[i]);
}

/* The wide setting is for products, which cut long sums. On the stand-in, which has no
 * part in those and where large settings take long, other precisions than fp32 run them
 * for attention alone, and tf32, which differs in products alone, runs these. */
static bool is_wanted(enum bs_precision precision, experiment *run_it,
                      const struct setting *s) {
    bool product = run_it == linear || run_it == linear_backward ||
                   run_it == linear_even || run_it == linear_backward_even;
    bool wide = s->columns > 128;
#ifdef BS_STANDIN
    int tokens = 0;
    for (int i = 0; s->lengths[i]; i++)
        tokens += s->lengths[i];
    if (wide)
        return false;
    return precision == BS_PRECISION_FP32 ||
           (tokens < 150 ? precision != BS_PRECISION_TF32 || product
                         : precision != BS_PRECISION_TF32 && run_it == attention);
#else
    (void)precision;
    return product || !wide;
#endif
}

static void check_target(struct target target, enum bs_precision precision) {
    struct bs_error error = {0};
    struct bs_device *device = lab_device(target, &error);
    int64_t tile = bs_device_info(device)->row_tile;
    tile = tile == 1 ? 16 : tile; /* so that there is padding */
    bs_device_close(device);
    for (size_t i = 0; i < sizeof experiments / sizeof experiments[0]; i++)
        for (size_t j = 0; j < sizeof settings / sizeof settings[0]; j++)
            if (experiments[i].run == attention &&
                !lab_serves_heads(target, settings[j].columns / settings[j].heads))
                skip("%s: attention, %s", target.device, settings[j].name);
            else if (is_wanted(precision, experiments[i].run, &settings[j]))
                check_experiment(target, precision, tile, experiments[i].name,
                                 experiments[i].run, &settings[j]);
}

int main(int argc, char **argv) {
    struct target targets[8];
    int n = lab_targets(argc, argv, targets);
    /* ref, the first, is what the others are compared with. */
    for (int i = n > 1; i < n; i++) {
        for (int p = BS_PRECISION_FP32; p < BS_N_TRAINING_PRECISIONS; p++)
            if (lab_available(targets[i], (enum bs_precision)p))
                check_target(targets[i], (enum bs_precision)p);
    }
    return tap_end();
}
