/*
 * Forward operations against their formulas in double precision, written here a second
 * time and in another way than in ref, and at the edges: large values, constant rows,
 * padding, dropout masks as compute.h defines them, rounding to bf16.
 */
#include "compute/bf16.h"
#include "compute/lab.h"

#define BOUND 1e-11

static const int lengths[] = {4, 1, 9, 3, 0};
enum { PADDED = 192, COLUMNS = 32, HEADS = 2, WIDTH = COLUMNS / HEADS };

static void agree(const struct lab *lab, const float *values, const double *wanted,
                  int64_t n, const char *name) {
    double difference = 0, power = 0;
    for (int64_t i = 0; i < n; i++) {
        difference += (values[i] - wanted[i]) * (values[i] - wanted[i]);
        power += wanted[i] * wanted[i];
    }
    double error = difference / power;
    check(error < BOUND, "%s: %s: normalised error %.2g",
          bs_device_info(lab->device)->hardware, name, error);
}

/* Compares rows with `wanted` and frees both. */
static void rows_agree(struct lab *lab, struct bs_rows rows, double *wanted,
                       const char *name) {
    float *values = lab_download(lab, rows);
    agree(lab, values, wanted, rows.rows * rows.columns, name);
    free(values);
    free(wanted);
}

static double *doubles(int64_t n) {
    return calloc((size_t)n, sizeof(double));
}

static void finish(struct lab *lab, const char *name) {
    check(lab_sound(lab), "%s: nothing else was written", name);
    lab_close(lab);
}

static float *parameter_values(struct lab *lab, int index) {
    const struct bs_parameter *p = &lab->parameters[index];
    float *values = malloc((size_t)(p->rows * p->columns) * sizeof *values);
    lab_must(lab,
             bs_weights_download(lab->weights, index, BS_SLOT_VALUE, 0, p->rows, values,
                                 &lab->error),
             "download of weights");
    return values;
}

/* ---- embedding, layer norm, linear -------------------------------------------- */

static void embedding(struct target target) {
    static struct lab lab;
    lab_open(&lab, target, BS_PRECISION_FP32, 1, 1);
    struct bs_embedding e = {lab_parameter(&lab, BS_ROLE_EMBEDDING, 30, COLUMNS),
                             lab_parameter(&lab, BS_ROLE_EMBEDDING, 16, COLUMNS),
                             lab_parameter(&lab, BS_ROLE_EMBEDDING, 2, COLUMNS), 3};
    lab_weights(&lab);
    lab_batch(&lab, lengths, PADDED, 30, 2);
    struct bs_rows sum = lab_output(&lab, BS_F32, PADDED, COLUMNS);
    bs_embedding(lab.queue, lab.weights, e, sum);
    float *word = parameter_values(&lab, e.word), *type = parameter_values(&lab, e.type);
    float *position = parameter_values(&lab, e.position);
    double *wanted = doubles(PADDED * COLUMNS);
    for (int i = 0; i < PADDED * COLUMNS; i++) {
        int t = i / COLUMNS, c = i % COLUMNS;
        wanted[i] += word[lab.ids[t] * COLUMNS + c];
        wanted[i] += type[lab.type_ids[t] * COLUMNS + c];
        wanted[i] += position[lab.position[t] * COLUMNS + c];
    }
    rows_agree(&lab, sum, wanted, "embedding");
    free(word);
    free(type);
    free(position);
    finish(&lab, "embedding");
}

/* Words that several tokens are, and one of which no token counts. */
static void word_gradient(struct target target) {
    enum { WORDS = 5, WORD = 2 };
    static struct lab lab;
    lab_open(&lab, target, BS_PRECISION_FP32, 1, 1);
    struct bs_embedding e = {lab_parameter(&lab, BS_ROLE_EMBEDDING, WORDS, COLUMNS),
                             lab_parameter(&lab, BS_ROLE_EMBEDDING, 16, COLUMNS),
                             lab_parameter(&lab, BS_ROLE_EMBEDDING, 2, COLUMNS), WORD};
    lab_weights(&lab);
    lab_batch(&lab, lengths, PADDED, WORDS, 2);
    float *before = lab_slot(&lab, e.word, BS_SLOT_GRADIENT);
    struct bs_rows dsum = lab_gradient(&lab, BS_F32, PADDED, COLUMNS, lab_used(&lab));
    float *added = lab_download(&lab, dsum);
    bs_embedding_backward(lab.queue, lab.weights, e, dsum);
    lab_must(&lab, bs_queue_finish(lab.queue, &lab.error), "queue");
    float *after = lab_slot(&lab, e.word, BS_SLOT_GRADIENT);
    double *wanted = doubles(WORDS * COLUMNS);
    int skipped = 0;
    for (int i = 0; i < WORDS * COLUMNS; i++)
        wanted[i] = before[i];
    for (int64_t t = 0; t < lab_used(&lab); t++) {
        skipped += lab.ids[t] == WORD;
        for (int c = 0; c < COLUMNS && lab.ids[t] != WORD; c++)
            wanted[lab.ids[t] * COLUMNS + c] += added[t * COLUMNS + c];
    }
    agree(&lab, after, wanted, WORDS * COLUMNS, "gradient of words");
    check(skipped > 1 && memcmp(before + WORD * COLUMNS, after + WORD * COLUMNS,
                                COLUMNS * sizeof *after) == 0,
          "that of padding does not change");
    free(before);
    free(added);
    free(after);
    free(wanted);
    finish(&lab, "embedding backward");
}

static double *normalised(const float *x, const float *gain, const float *bias,
                          int64_t rows, double epsilon) {
    double *y = doubles(rows * COLUMNS);
    for (int64_t r = 0; r < rows; r++) {
        const float *row = x + r * COLUMNS;
        double sum = 0, squares = 0;
        for (int c = 0; c < COLUMNS; c++) {
            sum += row[c];
            squares += (double)row[c] * row[c];
        }
        double mean = sum / COLUMNS, variance = squares / COLUMNS - mean * mean;
        for (int c = 0; c < COLUMNS; c++)
            y[r * COLUMNS + c] =
                gain[c] * (row[c] - mean) / sqrt(fmax(variance, 0) + epsilon) + bias[c];
    }
    return y;
}

static void layer_norm(struct target target) {
    enum { ROWS = 21 };
    static struct lab lab;
    lab_open(&lab, target, BS_PRECISION_FP32, 1, 2);
    struct bs_norm norm = {lab_parameter(&lab, BS_ROLE_VECTOR, 1, COLUMNS),
                           lab_parameter(&lab, BS_ROLE_VECTOR, 1, COLUMNS), 1e-3F};
    lab_weights(&lab);
    float *x = lab_normal(&lab, ROWS * COLUMNS, 2);
    for (int c = 0; c < COLUMNS; c++)
        x[3 * COLUMNS + c] = 7; /* a constant row: only the bias is left */
    struct bs_rows rows = lab_given(&lab, BS_F32, ROWS, COLUMNS, x);
    struct bs_rows y = lab_output(&lab, BS_F32, ROWS, COLUMNS);
    struct bs_rows y_low = lab_output(&lab, BS_BF16, ROWS, COLUMNS);
    bs_layer_norm(lab.queue, lab.weights, norm, rows, absent, y, y_low);
    float *gain = parameter_values(&lab, norm.gain);
    float *bias = parameter_values(&lab, norm.bias);
    rows_agree(&lab, y, normalised(x, gain, bias, ROWS, norm.epsilon), "layer norm");
    float *full = lab_download(&lab, y), *low = lab_download(&lab, y_low);
    bool rounded = true;
    for (int i = 0; i < ROWS * COLUMNS; i++)
        rounded = rounded && low[i] == bs_bf16_round(full[i]);
    check(rounded, "the bf16 copy is the fp32 result rounded to nearest even");
    free(full);
    free(low);
    free(gain);
    free(bias);
    free(x);
    finish(&lab, "layer norm");
}

/* In bf16 the oracle rounds the weights first; x comes rounded. */
static void linear(struct target target, enum bs_precision precision) {
    enum { ROWS = 13, OUTPUTS = 50 };
    static struct lab lab;
    lab_open(&lab, target, precision, 1, 3);
    struct bs_linear l = {lab_parameter(&lab, BS_ROLE_MATRIX, OUTPUTS, COLUMNS),
                          lab_parameter(&lab, BS_ROLE_VECTOR, 1, OUTPUTS)};
    lab_weights(&lab);
    struct bs_rows x = lab_input(&lab, lab.type, ROWS, COLUMNS, 1);
    struct bs_rows y = lab_output(&lab, BS_F32, ROWS, OUTPUTS);
    bs_linear(lab.queue, lab.weights, l, BS_IDENTITY, x, absent, y);
    float *in = lab_download(&lab, x), *weight = parameter_values(&lab, l.weight);
    float *bias = parameter_values(&lab, l.bias);
    double *wanted = doubles(ROWS * OUTPUTS);
    for (int m = COLUMNS - 1; m >= 0; m--)
        for (int i = 0; i < ROWS * OUTPUTS; i++) {
            float w = weight[i % OUTPUTS * COLUMNS + m];
            w = precision == BS_PRECISION_BF16 ? bs_bf16_round(w) : w;
            wanted[i] += (double)w * in[i / OUTPUTS * COLUMNS + m];
        }
    for (int i = 0; i < ROWS * OUTPUTS; i++)
        wanted[i] += bias[i % OUTPUTS];
    rows_agree(&lab, y, wanted, precision ? "linear in bf16" : "linear in fp32");
    free(in);
    free(weight);
    free(bias);
    finish(&lab, "linear");
}

/* What was there is added to: dx where it is asked for, gradients of weights always. */
static void accumulation(struct target target) {
    static struct lab lab;
    lab_open(&lab, target, BS_PRECISION_FP32, 1, 11);
    struct bs_linear l = {lab_parameter(&lab, BS_ROLE_MATRIX, 9, COLUMNS),
                          lab_parameter(&lab, BS_ROLE_VECTOR, 1, 9)};
    lab_weights(&lab);
    bs_zero_gradients(lab.queue, lab.weights);
    struct bs_rows x = lab_input(&lab, BS_F32, 7, COLUMNS, 1);
    struct bs_rows dy = lab_input(&lab, BS_F32, 7, 9, 1);
    struct bs_rows dx = lab_output(&lab, BS_F32, 7, COLUMNS);
    struct bs_rows added = lab_input(&lab, BS_F32, 7, COLUMNS, 1);
    float *before = lab_download(&lab, added);
    bs_linear_backward(lab.queue, lab.weights, l, x, dy, dx, false);
    lab_record_slot(&lab, "dweight", l.weight, BS_SLOT_GRADIENT);
    lab_record_slot(&lab, "dbias", l.bias, BS_SLOT_GRADIENT);
    bs_linear_backward(lab.queue, lab.weights, l, x, dy, added, true);
    lab_record_slot(&lab, "dweight", l.weight, BS_SLOT_GRADIENT);
    lab_record_slot(&lab, "dbias", l.bias, BS_SLOT_GRADIENT);
    float *alone = lab_download(&lab, dx), *after = lab_download(&lab, added);
    double worst = 0;
    for (int i = 0; i < 7 * COLUMNS; i++)
        worst = fmax(worst, fabs((double)before[i] + alone[i] - after[i]));
    check(worst < 1e-5, "dx is added to what was there: %.2g", worst);
    worst = 0;
    for (int p = 0; p < 2; p++)
        for (int64_t i = 0; i < lab.records[p].n; i++)
            worst = fmax(worst, fabs(2.0 * lab.records[p].values[i] -
                                     lab.records[p + 2].values[i]));
    check(worst < 1e-5, "the second gradient is added to the first: %.2g", worst);
    free(before);
    free(alone);
    free(after);
    finish(&lab, "accumulation");
}

static void scatter(struct target target) {
    static struct lab lab;
    lab_open(&lab, target, BS_PRECISION_FP32, 1, 12);
    lab_batch(&lab, lengths, PADDED, 30, 2);
    struct bs_rows dx = lab_input(&lab, BS_F32, PADDED, COLUMNS, 1);
    struct bs_rows dy = lab_input(&lab, BS_F32, lab.batch.n_sequences, COLUMNS, 1);
    float *before = lab_download(&lab, dx), *from = lab_download(&lab, dy);
    bs_scatter_first(lab.queue, dy, dx);
    double *wanted = doubles(PADDED * COLUMNS);
    for (int i = 0; i < PADDED * COLUMNS; i++)
        wanted[i] = before[i];
    for (int b = 0; b < lab.batch.n_sequences; b++)
        for (int c = 0; c < COLUMNS; c++)
            wanted[lab.offset[b] * COLUMNS + c] += from[b * COLUMNS + c];
    rows_agree(&lab, dx, wanted, "scatter adds");
    free(before);
    free(from);
    finish(&lab, "scatter");
}

/* Through a layer whose weight is 1 and whose bias is 0. */
static void activation(struct target target, enum bs_activation kind, const char *name,
                       const double (*points)[2], int n) {
    static struct lab lab;
    lab_open(&lab, target, BS_PRECISION_FP32, 1, 4);
    struct bs_linear l = {lab_parameter(&lab, BS_ROLE_MATRIX, 1, 1),
                          lab_parameter(&lab, BS_ROLE_VECTOR, 1, 1)};
    lab_weights(&lab);
    const float one = 1, zero = 0;
    lab_must(
        &lab,
        bs_weights_upload(lab.weights, l.weight, BS_SLOT_VALUE, 0, 1, &one, &lab.error) ||
            bs_weights_upload(lab.weights, l.bias, BS_SLOT_VALUE, 0, 1, &zero,
                              &lab.error) ||
            bs_weights_ready(lab.weights, &lab.error),
        "upload of weights");
    float x[64];
    for (int i = 0; i < n; i++)
        x[i] = (float)points[i][0];
    struct bs_rows in = lab_given(&lab, BS_F32, n, 1, x);
    struct bs_rows out = lab_output(&lab, BS_F32, n, 1);
    bs_linear(lab.queue, lab.weights, l, kind, in, absent, out);
    float *y = lab_download(&lab, out);
    double worst = 0;
    for (int i = 0; i < n; i++)
        worst = fmax(worst, fabs(y[i] - points[i][1]) / fmax(1, fabs(points[i][1])));
    check(worst < 1e-6, "%s: %s at known points: worst error %.2g",
          bs_device_info(lab.device)->hardware, name, worst);
    free(y);
    finish(&lab, name);
}

static void activations(struct target target) {
    /* From x * Phi(x) in 30 digits. */
    static const double gelu[][2] = {{0, 0},
                                     {1, 0.841344746068542949},
                                     {-1, -0.158655253931457051},
                                     {2.5, 2.48447582914558478},
                                     {-2.5, -0.0155241708544152240},
                                     {-5, -1.43325785978095698e-6},
                                     {0.125, 0.0687173307102850829},
                                     {100, 100},
                                     {-100, 0},
                                     {3e38, 3e38},
                                     {-3e38, 0}};
    static const double tanh_points[][2] = {{0, 0},
                                            {0.5, 0.462117157260009758},
                                            {-1, -0.761594155955764888},
                                            {1e-4, 9.99999996666666680e-5},
                                            {9, 0.999999969540040974},
                                            {100, 1},
                                            {-3e38, -1}};
    activation(target, BS_GELU, "GELU", gelu, sizeof gelu / sizeof gelu[0]);
    activation(target, BS_TANH, "tanh", tanh_points,
               sizeof tanh_points / sizeof tanh_points[0]);
}

/* ---- dropout ------------------------------------------------------------------ */

/* The factor of an element, from the sentence in compute.h. */
static double dropout_factor(const struct lab *lab, struct bs_dropout dropout,
                             int sequence, int token, int channel) {
    uint32_t counter[4] = {(uint32_t)channel / 8, (dropout.site << 16) | (uint32_t)token,
                           lab->example[sequence], 5};
    uint32_t word[4];
    bs_philox(counter, 77, word);
    uint16_t half[8];
    for (int k = 0; k < 4; k++) {
        half[2 * k] = (uint16_t)(word[k] & 0xFFFF);
        half[2 * k + 1] = (uint16_t)(word[k] >> 16);
    }
    double threshold = round(dropout.probability * 65536.0);
    return half[channel % 8] >= threshold ? 65536.0 / (65536.0 - threshold) : 0;
}

static void dropout(struct target target, bool first_only) {
    static const struct bs_dropout drop = {0.3F, 65535};
    static struct lab lab;
    lab_open(&lab, target, BS_PRECISION_FP32, 1, 5);
    lab_batch(&lab, lengths, PADDED, 30, 2);
    int64_t rows = first_only ? lab.batch.n_sequences : lab.batch.n_tokens;
    struct bs_rows x = lab_input(&lab, BS_F32, rows, COLUMNS, 1);
    struct bs_rows y = lab_output(&lab, BS_F32, rows, COLUMNS);
    float *in = lab_download(&lab, x);
    bs_dropout(lab.queue, drop, first_only, x, y, absent);
    float *out = lab_download(&lab, y);
    bool exact = true;
    int dropped = 0, n = 0;
    for (int b = 0; b < lab.batch.n_sequences; b++) {
        int length = first_only ? 1 : lab.offset[b + 1] - lab.offset[b];
        int first = first_only ? b : lab.offset[b];
        for (int i = 0; i < length * COLUMNS; i++, n++) {
            int64_t at = first * COLUMNS + i;
            float factor = (float)dropout_factor(&lab, drop, b, i / COLUMNS, i % COLUMNS);
            exact = exact && out[at] == in[at] * factor;
            dropped += factor <= 0;
        }
    }
    check(exact, "dropout%s: the mask that compute.h defines",
          first_only ? " of [CLS]" : "");
    check(fabs((double)dropped / n - 0.3) < 0.15, "dropout: %d of %d dropped", dropped,
          n);
    for (int64_t i = lab_used(&lab) * COLUMNS; i < rows * COLUMNS && !first_only; i++)
        exact = exact && isfinite(out[i]);
    check(exact, "dropout: padding is finite");
    free(in);
    free(out);
    finish(&lab, "dropout");
}

/* ---- attention ---------------------------------------------------------------- */

/* Everything at once: a matrix of scores for one head, softmax by columns of memory. */
static void head_by_formula(const struct lab *lab, struct bs_attention a, int b, int head,
                            const float *q, const float *k, const float *v, double *out) {
    double weight[16][16];
    int first = lab->offset[b], length = lab->offset[b + 1] - first;
    int queries = a.first_only ? 1 : length, first_query = a.first_only ? b : first;
    for (int i = 0; i < queries; i++) {
        double total = 0;
        for (int j = 0; j < length; j++) {
            double score = 0;
            for (int d = 0; d < WIDTH; d++)
                score += (double)q[(first_query + i) * COLUMNS + head * WIDTH + d] *
                         k[(first + j) * COLUMNS + head * WIDTH + d];
            weight[i][j] = exp(score / sqrt(WIDTH));
            total += weight[i][j];
        }
        for (int j = 0; j < length; j++)
            weight[i][j] *=
                dropout_factor(lab, a.dropout, b, i, head * 65536 + j) / total;
        for (int j = 0; j < length; j++)
            for (int d = 0; d < WIDTH; d++)
                out[(first_query + i) * COLUMNS + head * WIDTH + d] +=
                    weight[i][j] * v[(first + j) * COLUMNS + head * WIDTH + d];
    }
}

static void attention(struct target target, bool first_only, float probability) {
    struct bs_attention a = {HEADS, first_only, {probability, 17}};
    static struct lab lab;
    lab_open(&lab, target, BS_PRECISION_FP32, 1, 6);
    lab_batch(&lab, lengths, PADDED, 30, 2);
    int64_t rows = first_only ? lab.batch.n_sequences : PADDED;
    struct bs_rows q = lab_input(&lab, BS_F32, rows, COLUMNS, 1.5);
    struct bs_rows k = lab_input(&lab, BS_F32, PADDED, COLUMNS, 1.5);
    struct bs_rows v = lab_input(&lab, BS_F32, PADDED, COLUMNS, 1);
    struct bs_rows out = lab_output(&lab, BS_F32, rows, COLUMNS);
    bs_attention(lab.queue, a, q, k, v, absent, out);
    float *qs = lab_download(&lab, q), *ks = lab_download(&lab, k);
    float *vs = lab_download(&lab, v);
    double *wanted = doubles(rows * COLUMNS); /* zero where padding is */
    for (int b = 0; b < lab.batch.n_sequences; b++)
        for (int head = 0; head < HEADS; head++)
            head_by_formula(&lab, a, b, head, qs, ks, vs, wanted);
    rows_agree(&lab, out, wanted, first_only ? "attention of [CLS]" : "attention");
    free(qs);
    free(ks);
    free(vs);
    finish(&lab, "attention");
}

static bool padding_is_zero(struct lab *lab, struct bs_rows rows) {
    float *values = lab_download(lab, rows);
    bool zero = true;
    for (int64_t i = lab_used(lab) * rows.columns; i < rows.rows * rows.columns; i++)
        zero = zero && values[i] == 0;
    free(values);
    return zero;
}

static void attention_padding(struct target target) {
    static struct lab lab;
    struct bs_attention a = {HEADS, false, {0, 0}};
    lab_open(&lab, target, BS_PRECISION_FP32, 1, 13);
    lab_batch(&lab, lengths, PADDED, 30, 2);
    struct bs_rows in = lab_input(&lab, BS_F32, PADDED, COLUMNS, 1), made[4];
    for (int i = 0; i < 4; i++)
        made[i] = lab_output(&lab, BS_F32, PADDED, COLUMNS);
    struct bs_rows lse = lab_output(&lab, BS_F32, PADDED, HEADS);
    bs_attention(lab.queue, a, in, in, in, lse, made[0]);
    bs_attention_backward(lab.queue, a, in, in, in, lse, made[0], in, made[1], made[2],
                          made[3]);
    static const char *const names[] = {"out", "dq", "dk", "dv"};
    for (int i = 0; i < 4; i++)
        check(padding_is_zero(&lab, made[i]), "attention: padding of %s is zero",
              names[i]);
    finish(&lab, "attention");
}

/* Scores of several thousand: one key takes all, nothing overflows. */
static void attention_extremes(struct target target) {
    enum { HEAD = 8 };
    static const int two[] = {2, 0};
    static const float q[] = {1e4F, 1e4F}, k[] = {1, -1}, v[] = {3, 5};
    static struct lab lab;
    lab_open(&lab, target, BS_PRECISION_FP32, 1, 7);
    lab_batch(&lab, two, PADDED, 30, 2);
    float padded[PADDED * HEAD] = {0};
    struct bs_rows rows[3];
    const float *values[] = {q, k, v};
    for (int i = 0; i < 3; i++) {
        padded[0] = values[i][0];
        padded[HEAD] = values[i][1];
        rows[i] = lab_given(&lab, BS_F32, PADDED, HEAD, padded);
    }
    struct bs_rows lse = lab_output(&lab, BS_F32, PADDED, 1);
    struct bs_rows out = lab_output(&lab, BS_F32, PADDED, HEAD);
    bs_attention(lab.queue, (struct bs_attention){1, false, {0, 0}}, rows[0], rows[1],
                 rows[2], lse, out);
    float *made = lab_download(&lab, out), *sums = lab_download(&lab, lse);
    check(made[0] == 3 && made[HEAD] == 3, "attention: a high score takes all: %g, %g",
          made[0], made[HEAD]);
    check(fabs(sums[0] - 1e4 / sqrt(HEAD)) < 1e-2, "attention: log of the sum %g",
          sums[0]);
    free(made);
    free(sums);
    finish(&lab, "attention");
}

/* ---- losses ------------------------------------------------------------------- */

static void softmax(struct target target) {
    static struct lab lab;
    lab_open(&lab, target, BS_PRECISION_FP32, 1, 8);
    const float logits[] = {1000, 0, -1000, 1, 2, 3, -1e30F, -1e30F, -1e30F};
    const double wanted[] = {1,
                             0,
                             0,
                             0.0900305731703804,
                             0.244728471054798,
                             0.665240955774822,
                             1.0 / 3,
                             1.0 / 3,
                             1.0 / 3};
    struct bs_rows x = lab_given(&lab, BS_F32, 3, 3, logits);
    struct bs_rows y = lab_output(&lab, BS_F32, 3, 3);
    bs_softmax(lab.queue, x, y);
    float *made = lab_download(&lab, y);
    agree(&lab, made, wanted, 9, "softmax, also of large logits");
    free(made);
    finish(&lab, "softmax");
}

/* torch.nn.functional.cross_entropy(logits, [2, 0], weight=[1, 2, 0.5],
 * label_smoothing=e, reduction="sum"), times 0.25. */
static void cross_entropy(struct target target) {
    static const int two[] = {1, 1, 0};
    static const float logits[] = {1, 2, 3, -0.5F, 0.25F, 0.5F};
    static const float class_weights[] = {1, 2, 0.5F};
    static struct lab lab;
    lab_open(&lab, target, BS_PRECISION_FP32, 1, 9);
    lab_batch(&lab, two, PADDED, 30, 3);
    lab.labels[0] = 2;
    lab.labels[1] = 0;
    bs_set_batch(lab.queue, &lab.batch);
    struct bs_rows x = lab_given(&lab, BS_F32, 2, 3, logits);
    double p[2][3], wanted = 0, smooth = 0;
    for (int b = 0; b < 2; b++) {
        double total = 0;
        for (int c = 0; c < 3; c++)
            total += exp(logits[3 * b + c]);
        for (int c = 0; c < 3; c++)
            p[b][c] = exp(logits[3 * b + c]) / total;
    }
    wanted = -0.25 * (0.5 * log(p[0][2]) + 1 * log(p[1][0]));
    for (int b = 0; b < 2; b++)
        for (int c = 0; c < 3; c++)
            smooth -= 0.25 * 0.2 / 3 * class_weights[c] * log(p[b][c]);
    struct bs_step_result result = {0};
    lab_loss(&lab, (struct bs_loss){class_weights, 3, 0, 0.25F});
    bs_cross_entropy(lab.queue, x, absent);
    lab_must(&lab, bs_read_step(lab.queue, &result, &lab.error), "step");
    check(fabs(result.loss - wanted) < 1e-6, "cross-entropy: %.9g, wanted %.9g",
          result.loss, wanted);
    lab_loss(&lab, (struct bs_loss){class_weights, 3, 0.2F, 0.25F});
    bs_cross_entropy(lab.queue, x, absent);
    lab_must(&lab, bs_read_step(lab.queue, &result, &lab.error), "step");
    wanted += 0.8 * wanted + smooth;
    check(fabs(result.loss - wanted) < 1e-6, "smoothed and added: %.9g, wanted %.9g",
          result.loss, wanted);
    finish(&lab, "cross-entropy");
}

/* ---- bf16 --------------------------------------------------------------------- */

static void rounding(struct target target) {
    static const float given[] = {1.00390625F, 1.01171875F, 1.0078125F, -1.00390625F,
                                  3.4e38F,     1e-40F,      0,          1.0039064F};
    static const float wanted[] = {1,        1.015625F, 1.0078125F,        -1,
                                   INFINITY, 0,         /* see below */ 0, 1.0078125F};
    static struct lab lab;
    lab_open(&lab, target, BS_PRECISION_FP32, 1, 10);
    struct bs_rows x = lab_given(&lab, BS_F32, 1, 8, given);
    struct bs_rows y = lab_output(&lab, BS_BF16, 1, 8);
    bs_copy(lab.queue, x, y);
    float *made = lab_download(&lab, y);
    bool right = true;
    for (int i = 0; i < 8; i++)
        right = right && (made[i] == wanted[i] || fabsf(given[i]) < 1e-37F);
    check(right, "bf16: ties to even, overflow to infinity");
    check(fabsf(made[5] - 1e-40F) <= 1e-40F, "bf16: a tiny value stays tiny");
    check(isnan(bs_bf16_round(NAN)), "bf16: NaN stays NaN");
    free(made);
    finish(&lab, "bf16");
}

static void check_target(struct target target) {
    printf("# %s %s\n", target.device, target.isa ? target.isa : "");
    embedding(target);
    word_gradient(target);
    layer_norm(target);
    linear(target, BS_PRECISION_FP32);
    accumulation(target);
    scatter(target);
    activations(target);
    dropout(target, false);
    dropout(target, true);
    attention(target, false, 0);
    attention(target, true, 0);
    attention(target, false, 0.4F);
    attention(target, true, 0.4F);
    attention_padding(target);
    attention_extremes(target);
    softmax(target);
    cross_entropy(target);
    rounding(target);
}

int main(int argc, char **argv) {
    struct target targets[8];
    int n = lab_targets(argc, argv, targets);
    for (int i = 0; i < n; i++) {
        if (lab_available(targets[i], BS_PRECISION_FP32))
            check_target(targets[i]);
        if (lab_available(targets[i], BS_PRECISION_BF16))
            linear(targets[i], BS_PRECISION_BF16);
    }
    return tap_end();
}
