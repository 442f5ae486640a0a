/*
 * Every backward pass against central differences of its forward pass, in fp32, one
 * element of the input after the other.
 *
 * The loss is a random projection of the output, summed in double precision. With steps
 * of h = 2^-7 the difference quotient is wrong by about h^2 / 6 f''' = 1e-5 f''' from the
 * next term of the series, and by the rounding of a few hundred outputs to fp32, 6e-8 *
 * sqrt(n) / 2 h = 1e-4 at most. The normalised mean square error is therefore bounded
 * by 1e-7 (0.03 %).
 */
#include "compute/lab.h"

#define H     0x1p-7F
#define BOUND 1e-7

/* Elements of a variable that are looked at: all of them, or where every probe takes
 * long, the first, the last and some evenly between them. */
#ifdef BS_STANDIN
enum { MOST_PROBES = 16 };
#else
enum { MOST_PROBES = 1 << 20 };
#endif

typedef void forward(struct lab *lab, const void *context);

/* The function under test: forward() fills `y`; loss = projection . y. */
struct probe {
    struct lab *lab;
    forward *run;
    const void *context;
    struct bs_rows y;
    float *projection;
    const char *name;
};

static double loss(const struct probe *p) {
    p->run(p->lab, p->context);
    float *y = lab_download(p->lab, p->y);
    double sum = 0;
    for (int64_t i = 0; i < p->y.rows * p->y.columns; i++)
        sum += (double)p->projection[i] * y[i];
    free(y);
    return sum;
}

/* What is varied: rows, or a parameter if rows are absent. */
struct variable {
    const char *name;
    struct bs_rows rows;
    int parameter;
};

static int64_t size_of(const struct lab *lab, const struct variable *v) {
    const struct bs_parameter *p = &lab->parameters[v->parameter];
    return v->rows.data ? v->rows.rows * v->rows.columns : p->rows * p->columns;
}

static float *values_of(struct lab *lab, const struct variable *v) {
    if (v->rows.data)
        return lab_download(lab, v->rows);
    float *values = malloc((size_t)size_of(lab, v) * sizeof *values);
    lab_must(lab,
             bs_weights_download(lab->weights, v->parameter, BS_SLOT_VALUE, 0,
                                 lab->parameters[v->parameter].rows, values, &lab->error),
             "download of weights");
    return values;
}

static void set_values(struct lab *lab, const struct variable *v, const float *values) {
    if (v->rows.data) {
        bs_rows_upload(lab->queue, v->rows, values);
        return;
    }
    lab_must(lab,
             bs_weights_upload(lab->weights, v->parameter, BS_SLOT_VALUE, 0,
                               lab->parameters[v->parameter].rows, values, &lab->error),
             "upload of weights");
    lab_must(lab, bs_weights_ready(lab->weights, &lab->error), "ready");
}

/* Checks `gradient` of one variable; frees it. */
static void check_gradient(const struct probe *p, struct variable v, float *gradient) {
    int64_t size = size_of(p->lab, &v), n = size < MOST_PROBES ? size : MOST_PROBES;
    float *values = values_of(p->lab, &v), *slope = malloc((size_t)n * sizeof *slope);
    for (int64_t k = 0; k < n; k++) {
        int64_t i = k * (size - 1) / (n > 1 ? n - 1 : 1);
        float at = values[i], up = at + H, down = at - H;
        values[i] = up;
        set_values(p->lab, &v, values);
        double above = loss(p);
        values[i] = down;
        set_values(p->lab, &v, values);
        slope[k] = (float)((above - loss(p)) / ((double)up - down));
        gradient[k] = gradient[i];
        values[i] = at;
    }
    set_values(p->lab, &v, values);
    double error = normalised_error(gradient, slope, n);
    check(error < BOUND, "%s: d%s: normalised error %.2g", p->name, v.name, error);
    free(values);
    free(slope);
    free(gradient);
}

static void check_rows(const struct probe *p, const char *name, struct bs_rows rows,
                       struct bs_rows gradient) {
    check_gradient(p, (struct variable){name, rows, 0}, lab_download(p->lab, gradient));
}

static void check_parameter(const struct probe *p, const char *name, int index) {
    struct variable v = {name, absent, index};
    float *gradient = malloc((size_t)size_of(p->lab, &v) * sizeof *gradient);
    lab_must(p->lab,
             bs_weights_download(p->lab->weights, index, BS_SLOT_GRADIENT, 0,
                                 p->lab->parameters[index].rows, gradient,
                                 &p->lab->error),
             "download of gradients");
    check_gradient(p, v, gradient);
}

/* The projection as rows, and zero gradients: ready for a backward pass. */
static struct bs_rows begin(struct probe *p) {
    p->projection = lab_normal(p->lab, p->y.rows * p->y.columns, 1);
    if (p->lab->weights)
        bs_zero_gradients(p->lab->queue, p->lab->weights);
    p->run(p->lab, p->context);
    return lab_given(p->lab, BS_F32, p->y.rows, p->y.columns, p->projection);
}

static void end(struct probe *p) {
    check(lab_sound(p->lab), "%s: nothing else was written", p->name);
    free(p->projection);
    lab_close(p->lab);
}

/* All sequences whole: no padding, which has no gradient. */
enum { TOKENS = 16 }; /* 5 + 1 + 8 + 2 */

static void open_lab(struct lab *lab, struct target target) {
    lab_open(lab, target, BS_PRECISION_FP32, 1, 99);
    lab->strided = true;
}

/* A batch of those, with a sequence more if the device wants longer tiles. */
static void set_batch(struct lab *lab) {
    int padded[6] = {5, 1, 8, 2, 0};
    int tile = (int)bs_device_info(lab->device)->row_tile;
    if (TOKENS % tile)
        padded[4] = tile - TOKENS % tile;
    lab_batch(lab, padded, tile, 12, 3);
}

/* ---- embedding ---------------------------------------------------------------- */

struct embedding_context {
    struct bs_embedding e;
    struct bs_rows sum;
};

static void embedding_forward(struct lab *lab, const void *context) {
    const struct embedding_context *c = context;
    bs_embedding(lab->queue, lab->weights, c->e, c->sum);
}

static void embedding(struct target target) {
    static struct lab lab;
    open_lab(&lab, target);
    struct embedding_context c = {.e = {lab_parameter(&lab, BS_ROLE_EMBEDDING, 12, 6),
                                        lab_parameter(&lab, BS_ROLE_EMBEDDING, 512, 6),
                                        lab_parameter(&lab, BS_ROLE_EMBEDDING, 2, 6),
                                        -1}};
    lab_weights(&lab);
    set_batch(&lab);
    c.sum = lab_output(&lab, BS_F32, lab.batch.n_tokens, 6);
    struct probe p = {&lab, embedding_forward, &c, c.sum, NULL, "embedding"};
    bs_embedding_backward(lab.queue, lab.weights, c.e, begin(&p));
    check_parameter(&p, "word", c.e.word);
    check_parameter(&p, "type", c.e.type);
    check_parameter(&p, "position", c.e.position);
    end(&p);
}

/* ---- layer norm --------------------------------------------------------------- */

struct norm_context {
    struct bs_norm norm;
    struct bs_dropout dropout;
    bool first_only;
    struct bs_rows x, residual, sum, stats, y;
};

static void norm_forward(struct lab *lab, const void *context) {
    const struct norm_context *c = context;
    bs_layer_norm(lab->queue, lab->weights, c->norm, c->x, c->stats, c->y, absent);
}

static struct norm_context norm_setting(struct lab *lab, int64_t rows, int64_t columns) {
    struct norm_context c = {.norm = {lab_parameter(lab, BS_ROLE_VECTOR, 1, columns),
                                      lab_parameter(lab, BS_ROLE_VECTOR, 1, columns),
                                      1e-12F}};
    lab_weights(lab);
    c.x = lab_input(lab, BS_F32, rows, columns, 1);
    c.residual = lab_input(lab, BS_F32, rows, columns, 1);
    c.sum = lab_output(lab, BS_F32, rows, columns);
    c.stats = lab_output(lab, BS_F32, rows, 2);
    c.y = lab_output(lab, BS_F32, rows, columns);
    return c;
}

static void layer_norm(struct target target) {
    static struct lab lab;
    open_lab(&lab, target);
    struct norm_context c = norm_setting(&lab, 7, 19);
    struct bs_rows dx = lab_output(&lab, BS_F32, 7, 19);
    struct probe p = {&lab, norm_forward, &c, c.y, NULL, "layer norm"};
    struct bs_rows dy = begin(&p);
    bs_layer_norm_backward(lab.queue, lab.weights, c.norm, c.x, c.stats, dy, dx);
    check_rows(&p, "x", c.x, dx);
    check_parameter(&p, "gain", c.norm.gain);
    check_parameter(&p, "bias", c.norm.bias);
    end(&p);
}

static void fused_forward(struct lab *lab, const void *context) {
    const struct norm_context *c = context;
    bs_dropout_add_norm(lab->queue, lab->weights, c->norm, c->dropout, c->first_only,
                        c->x, c->residual, c->sum, c->stats, c->y, absent);
}

static void dropout_add_norm(struct target target, bool first_only) {
    static struct lab lab;
    open_lab(&lab, target);
    set_batch(&lab);
    int64_t rows = first_only ? lab.batch.n_sequences : lab.batch.n_tokens;
    struct norm_context c = norm_setting(&lab, rows, 11);
    c.dropout = (struct bs_dropout){0.25F, 2};
    c.first_only = first_only;
    struct bs_rows dx = lab_output(&lab, BS_F32, rows, 11);
    struct bs_rows dresidual = lab_output(&lab, BS_F32, rows, 11);
    struct probe p = {
        &lab, fused_forward,
        &c,   c.y,
        NULL, first_only ? "dropout, add, norm of [CLS]" : "dropout, add, norm"};
    struct bs_rows dy = begin(&p);
    bs_dropout_add_norm_backward(lab.queue, lab.weights, c.norm, c.dropout, first_only,
                                 c.sum, c.stats, dy, dresidual, dx);
    check_rows(&p, "x", c.x, dx);
    check_rows(&p, "residual", c.residual, dresidual);
    check_parameter(&p, "gain", c.norm.gain);
    check_parameter(&p, "bias", c.norm.bias);
    end(&p);
}

/* ---- linear and activations --------------------------------------------------- */

struct linear_context {
    struct bs_linear linear;
    enum bs_activation activation;
    struct bs_rows x, pre, y;
};

static void linear_forward(struct lab *lab, const void *context) {
    const struct linear_context *c = context;
    bs_linear(lab->queue, lab->weights, c->linear, c->activation, c->x, c->pre, c->y);
}

static void linear(struct target target, enum bs_activation activation,
                   const char *name) {
    static struct lab lab;
    enum { ROWS = 9, INPUTS = 14, OUTPUTS = 10 };
    open_lab(&lab, target);
    struct linear_context c = {
        .linear = {lab_parameter(&lab, BS_ROLE_MATRIX, OUTPUTS, INPUTS),
                   lab_parameter(&lab, BS_ROLE_VECTOR, 1, OUTPUTS)},
        .activation = activation};
    lab_weights(&lab);
    c.x = lab_input(&lab, BS_F32, ROWS, INPUTS, 1);
    c.pre = lab_output(&lab, BS_F32, ROWS, OUTPUTS);
    c.y = lab_output(&lab, BS_F32, ROWS, OUTPUTS);
    struct bs_rows dx = lab_output(&lab, BS_F32, ROWS, INPUTS);
    struct probe p = {&lab, linear_forward, &c, c.y, NULL, name};
    struct bs_rows dy = begin(&p);
    if (activation == BS_GELU)
        bs_gelu_backward(lab.queue, c.pre, dy, dy);
    if (activation == BS_TANH)
        bs_tanh_backward(lab.queue, c.y, dy, dy);
    bs_linear_backward(lab.queue, lab.weights, c.linear, c.x, dy, dx, false);
    check_rows(&p, "x", c.x, dx);
    check_parameter(&p, "weight", c.linear.weight);
    check_parameter(&p, "bias", c.linear.bias);
    end(&p);
}

/* ---- attention ---------------------------------------------------------------- */

struct attention_context {
    struct bs_attention attention;
    struct bs_rows q, k, v, lse, out;
};

static void attention_forward(struct lab *lab, const void *context) {
    const struct attention_context *c = context;
    bs_attention(lab->queue, c->attention, c->q, c->k, c->v, c->lse, c->out);
}

static void attention(struct target target, bool first_only, float dropout,
                      const char *name) {
    static struct lab lab;
    enum { COLUMNS = 16, HEADS = 2 };
    open_lab(&lab, target);
    set_batch(&lab);
    int64_t tokens = lab.batch.n_tokens;
    int64_t rows = first_only ? lab.batch.n_sequences : tokens;
    struct bs_rows dk = lab_output(&lab, BS_F32, tokens, COLUMNS);
    struct bs_rows dv = lab_output(&lab, BS_F32, tokens, COLUMNS);
    struct bs_rows dq = lab_output(&lab, BS_F32, rows, COLUMNS);
    struct attention_context c = {.attention = {HEADS, first_only, {dropout, 8}},
                                  .q = lab_input(&lab, BS_F32, rows, COLUMNS, 1),
                                  .k = lab_input(&lab, BS_F32, tokens, COLUMNS, 1),
                                  .v = lab_input(&lab, BS_F32, tokens, COLUMNS, 1),
                                  .lse = lab_output(&lab, BS_F32, rows, HEADS),
                                  .out = lab_output(&lab, BS_F32, rows, COLUMNS)};
    struct probe p = {&lab, attention_forward, &c, c.out, NULL, name};
    struct bs_rows dout = begin(&p);
    bs_attention_backward(lab.queue, c.attention, c.q, c.k, c.v, c.lse, c.out, dout, dq,
                          dk, dv);
    check_rows(&p, "q", c.q, dq);
    check_rows(&p, "k", c.k, dk);
    check_rows(&p, "v", c.v, dv);
    end(&p);
}

/* ---- first tokens and the loss ------------------------------------------------ */

struct gather_context {
    struct bs_rows x, y;
};

static void gather_forward(struct lab *lab, const void *context) {
    const struct gather_context *c = context;
    bs_gather_first(lab->queue, c->x, c->y);
}

static void gather(struct target target) {
    static struct lab lab;
    open_lab(&lab, target);
    set_batch(&lab);
    int64_t tokens = lab.batch.n_tokens;
    struct gather_context c = {lab_input(&lab, BS_F32, tokens, 3, 1),
                               lab_output(&lab, BS_F32, lab.batch.n_sequences, 3)};
    struct bs_rows dx = lab_output(&lab, BS_F32, tokens, 3);
    struct probe p = {&lab, gather_forward, &c, c.y, NULL, "gather and scatter"};
    struct bs_rows dy = begin(&p);
    bs_zero(lab.queue, dx);
    bs_scatter_first(lab.queue, dy, dx);
    check_rows(&p, "x", c.x, dx);
    end(&p);
}

struct loss_context {
    struct bs_rows logits, value;
    struct bs_loss loss;
};

/* The loss of a step as a row, so that it can be differentiated like others. */
static void loss_forward(struct lab *lab, const void *context) {
    static uint32_t update = 100;
    const struct loss_context *c = context;
    struct bs_step step = {
        .update = update++, .adam_step = 1, .loss_scale = 1, .loss = c->loss};
    bs_set_step(lab->queue, &step);
    bs_cross_entropy(lab->queue, c->logits, absent);
    struct bs_step_result result = {0};
    lab_must(lab, bs_read_step(lab->queue, &result, &lab->error), "step");
    float value = (float)result.loss;
    bs_rows_upload(lab->queue, c->value, &value);
}

static void cross_entropy(struct target target, const float *class_weights,
                          float smoothing, const char *name) {
    static struct lab lab;
    open_lab(&lab, target);
    set_batch(&lab);
    int64_t n = lab.batch.n_sequences;
    struct loss_context c = {lab_input(&lab, BS_F32, n, 3, 2),
                             lab_output(&lab, BS_F32, 1, 1),
                             {class_weights, 3, smoothing, 0.5F}};
    struct bs_rows dlogits = lab_output(&lab, BS_F32, n, 3);
    struct probe p = {&lab, loss_forward, &c, c.value, NULL, name};
    begin(&p);
    p.projection[0] = 1;
    lab_loss(&lab, c.loss);
    bs_cross_entropy(lab.queue, c.logits, dlogits);
    check_rows(&p, "logits", c.logits, dlogits);
    end(&p);
}

static void check_target(struct target target) {
    static const float class_weights[] = {0.5F, 2, 1.25F};
    printf("# %s %s\n", target.device, target.isa ? target.isa : "");
    embedding(target);
    layer_norm(target);
    dropout_add_norm(target, false);
    dropout_add_norm(target, true);
    linear(target, BS_IDENTITY, "linear");
    linear(target, BS_GELU, "linear with GELU");
    linear(target, BS_TANH, "linear with tanh");
    attention(target, false, 0, "attention");
    attention(target, true, 0, "attention of [CLS]");
    attention(target, false, 0.3F, "attention with dropout");
    attention(target, true, 0.3F, "attention of [CLS] with dropout");
    gather(target);
    cross_entropy(target, NULL, 0, "cross-entropy");
    cross_entropy(target, class_weights, 0, "cross-entropy with class weights");
    cross_entropy(target, class_weights, 0.2F, "cross-entropy with label smoothing");
}

int main(int argc, char **argv) {
    struct target targets[8];
    int n = lab_targets(argc, argv, targets);
    for (int i = 0; i < n; i++)
        if (lab_available(targets[i], BS_PRECISION_FP32))
            check_target(targets[i]);
    return tap_end();
}
