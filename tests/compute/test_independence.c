/*
 * What a sequence gives does not depend on its neighbours: a chain of operations as in a
 * transformer's layer, forward and backward, is run on the same sequences packed in
 * several ways, and every sequence must give the same bytes. Dropout is on, so its masks
 * are covered too. Sums over the batch (gradients of weights) agree within rounding; on a
 * GPU so do gradients of the input, for which the matrix library may choose another
 * algorithm with the number of rows.
 */
#include "compute/lab.h"

enum { N = 7, C = 48, K = 3, HEADS = 2 };
static const int lengths[N] = {9, 1, 30, 4, 64, 17, 2};

/* What the chain leaves for each sequence. */
struct result {
    float hidden[64 * C], dx[64 * C], probabilities[K];
};

struct chain {
    struct bs_linear up, down, head;
    struct bs_norm norm;
};

static struct chain make_chain(struct lab *lab) {
    struct chain c = {.up = {lab_parameter(lab, BS_ROLE_MATRIX, 3 * C, C),
                             lab_parameter(lab, BS_ROLE_VECTOR, 1, 3 * C)},
                      .down = {lab_parameter(lab, BS_ROLE_MATRIX, C, C),
                               lab_parameter(lab, BS_ROLE_VECTOR, 1, C)},
                      .head = {lab_parameter(lab, BS_ROLE_MATRIX, K, C),
                               lab_parameter(lab, BS_ROLE_VECTOR, 1, K)},
                      .norm = {lab_parameter(lab, BS_ROLE_VECTOR, 1, C),
                               lab_parameter(lab, BS_ROLE_VECTOR, 1, C), 1e-12F}};
    lab_weights(lab);
    bs_zero_gradients(lab->queue, lab->weights);
    return c;
}

/* Packs the sequences `which[0 .. n)`; example numbers stay with the sequence. */
static void pack(struct lab *lab, const int *which, int n, int64_t tile) {
    int32_t tokens = 0;
    for (int b = 0; b < n; b++) {
        lab->offset[b] = tokens;
        lab->example[b] = (uint32_t)(100 + which[b]);
        lab->labels[b] = which[b] % K;
        for (int i = 0; i < lengths[which[b]]; i++)
            lab->position[tokens++] = i;
    }
    lab->offset[n] = tokens;
    lab->batch = (struct bs_batch){.n_tokens = (tokens + tile - 1) / tile * tile,
                                   .n_sequences = n,
                                   .max_length = 64,
                                   .ids = lab->ids,
                                   .position = lab->position,
                                   .offset = lab->offset,
                                   .labels = lab->labels,
                                   .example = lab->example};
    bs_set_batch(lab->queue, &lab->batch);
}

/* Rows whose values belong to the sequence, wherever it lies. */
static struct bs_rows rows_by_sequence(struct lab *lab, enum bs_type type,
                                       const int *which, int n, uint32_t salt) {
    float *values = calloc((size_t)(lab->batch.n_tokens * C), sizeof *values);
    for (int b = 0; b < n; b++) {
        struct bs_random random = {.seed = 1000 * salt + (uint64_t)which[b]};
        for (int i = 0; i < lengths[which[b]] * C; i++)
            values[lab->offset[b] * C + i] = (float)bs_random_normal(&random);
    }
    struct bs_rows rows = lab_given(lab, type, lab->batch.n_tokens, C, values);
    free(values);
    return rows;
}

static void keep(struct lab *lab, const int *which, int n, struct bs_rows hidden,
                 struct bs_rows dx, struct bs_rows probabilities,
                 struct result results[N]) {
    float *h = lab_download(lab, hidden), *d = lab_download(lab, dx);
    float *p = lab_download(lab, probabilities);
    for (int b = 0; b < n; b++) {
        size_t size = (size_t)lengths[which[b]] * C * sizeof(float);
        struct result *result = &results[which[b]];
        memcpy(result->hidden, h + lab->offset[b] * C, size);
        memcpy(result->dx, d + lab->offset[b] * C, size);
        memcpy(result->probabilities, p + b * K, K * sizeof(float));
    }
    free(h);
    free(d);
    free(p);
}

/* q, k, v = linear(x); a = attention; h = norm(x + dropout(gelu(linear(a)))); p =
 * softmax(linear(h of [CLS])). Then back to x from a given gradient of h. */
static void run_chain(struct lab *lab, const struct chain *c, const int *which, int n,
                      struct result results[N]) {
    struct bs_queue *q = lab->queue;
    struct bs_weights *w = lab->weights;
    enum bs_type type = lab->type;
    int64_t tokens = lab->batch.n_tokens;
    const struct bs_dropout drop = {0.2F, 1};
    const struct bs_attention attention = {HEADS, false, {0.1F, 2}};
    struct bs_rows x = rows_by_sequence(lab, type, which, n, 1);
    struct bs_rows x_full = lab_output(lab, BS_F32, tokens, C);
    struct bs_rows qkv = lab_output(lab, type, tokens, 3 * C);
    struct bs_rows out = lab_output(lab, type, tokens, C);
    struct bs_rows lse = lab_output(lab, BS_F32, tokens, HEADS);
    struct bs_rows pre = lab_output(lab, type, tokens, C);
    struct bs_rows y = lab_output(lab, type, tokens, C);
    struct bs_rows sum = lab_output(lab, BS_F32, tokens, C);
    struct bs_rows stats = lab_output(lab, BS_F32, tokens, 2);
    struct bs_rows hidden = lab_output(lab, BS_F32, tokens, C);
    struct bs_rows hidden_low =
        lab_output(lab, type == BS_F32 ? BS_BF16 : type, tokens, C);
    struct bs_rows first = lab_output(lab, type, n, C);
    struct bs_rows logits = lab_output(lab, BS_F32, n, K);
    struct bs_rows dh = rows_by_sequence(lab, BS_F32, which, n, 2);
    struct bs_rows dy = lab_output(lab, type, tokens, C);
    struct bs_rows dout = lab_output(lab, type, tokens, C);
    struct bs_rows dqkv = lab_output(lab, type, tokens, 3 * C);
    struct bs_rows view[3], dview[3];
    for (int i = 0; i < 3; i++) {
        view[i] = bs_rows_columns(qkv, i * C, C);
        dview[i] = bs_rows_columns(dqkv, i * C, C);
    }
    bs_copy(q, x, x_full);
    bs_linear(q, w, c->up, BS_IDENTITY, x, absent, qkv);
    bs_attention(q, attention, view[0], view[1], view[2], lse, out);
    bs_linear(q, w, c->down, BS_GELU, out, pre, y);
    bs_dropout_add_norm(q, w, c->norm, drop, false, y, x_full, sum, stats, hidden,
                        hidden_low);
    bs_gather_first(q, type == BS_F32 ? hidden : hidden_low, first);
    bs_linear(q, w, c->head, BS_IDENTITY, first, absent, logits);
    bs_softmax(q, logits, logits);
    bs_dropout_add_norm_backward(q, w, c->norm, drop, false, sum, stats, dh, dh, dy);
    bs_gelu_backward(q, pre, dy, dy);
    bs_linear_backward(q, w, c->down, out, dy, dout, false);
    bs_attention_backward(q, attention, view[0], view[1], view[2], lse, out, dout,
                          dview[0], dview[1], dview[2]);
    bs_linear_backward(q, w, c->up, x, dqkv, dh, true);
    keep(lab, which, n, hidden, dh, logits, results);
}

static bool is_gpu(struct target target) {
    return strncmp(target.device, "cuda", 4) == 0;
}

/* Runs one packing, in parts of `part` sequences, gradients adding up. */
static void run_packing(struct lab *lab, struct target target,
                        enum bs_precision precision, const int *order, int part,
                        struct result results[N]) {
    lab_open(lab, target, precision, 2, 5);
    struct chain c = make_chain(lab);
    int64_t tile = bs_device_info(lab->device)->row_tile;
    tile = tile == 1 ? 16 : tile; /* so that there is padding */
    for (int first = 0; first < N; first += part) {
        int n = first + part < N ? part : N - first;
        pack(lab, order + first, n, tile);
        run_chain(lab, &c, order + first, n, results);
        if (!lab_sound(lab))
            check(0, "a part of the packing is sound");
        for (int i = 0; i < lab->n_blocks; i++)
            bs_arena_free(lab->blocks[i].arena);
        lab->n_blocks = 0;
    }
    for (int i = 0; i < lab->n_parameters; i++)
        if (i != c.head.weight && i != c.head.bias)
            lab_record_slot(lab, "gradient", i, BS_SLOT_GRADIENT);
    for (int i = 0; i < lab->n_records; i++)
        lab->records[i].bound = is_gpu(target) ? lab_bound(lab, lab->type)
                                : precision    ? 1e-9
                                               : 1e-11;
}

/* Whether two rows of gradients differ by rounding alone. */
static bool near(const float *a, const float *b, int64_t n, double bound) {
    double error = 0, power = 0;
    for (int64_t i = 0; i < n; i++) {
        error += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        power += (double)b[i] * (double)b[i];
    }
    return error <= bound * power;
}

static bool same(const struct result *a, const struct result *b, int sequence,
                 struct target target, double bound) {
    size_t n = (size_t)lengths[sequence] * C, size = n * sizeof(float);
    bool gradient = is_gpu(target) ? near(a->dx, b->dx, (int64_t)n, bound)
                                   : !memcmp(a->dx, b->dx, size);
    return gradient && !memcmp(a->hidden, b->hidden, size) &&
           !memcmp(a->probabilities, b->probabilities, sizeof a->probabilities);
}

static void check_target(struct target target, enum bs_precision precision) {
    static const int forward[N] = {0, 1, 2, 3, 4, 5, 6}, other[N] = {5, 3, 6, 0, 4, 2, 1};
    static struct lab together, alone, shuffled;
    static struct result results[3][N];
    run_packing(&together, target, precision, forward, N, results[0]);
    run_packing(&alone, target, precision, forward, 1, results[1]);
    run_packing(&shuffled, target, precision, other, 3, results[2]);
    const char *name = bs_device_info(together.device)->hardware;
    double bound = lab_bound(&together, together.type);
    for (int i = 0; i < N; i++) {
        bool finite = true;
        for (int j = 0; j < lengths[i] * C; j++)
            finite = finite && isfinite(results[0][i].hidden[j] + results[0][i].dx[j]);
        check(finite && same(&results[0][i], &results[1][i], i, target, bound),
              "%s %s: %d tokens: the same alone", name, bs_precision_name(precision),
              lengths[i]);
        check(same(&results[0][i], &results[2][i], i, target, bound),
              "%s %s: %d tokens: the same in another batch", name,
              bs_precision_name(precision), lengths[i]);
    }
    check(records_agree(&alone, &together) && records_agree(&shuffled, &together),
          "%s %s: gradients of weights add up over parts", name,
          bs_precision_name(precision));
    lab_close(&together);
    lab_close(&alone);
    lab_close(&shuffled);
}

int main(int argc, char **argv) {
    struct target targets[8];
    int n = lab_targets(argc, argv, targets);
    for (int i = 0; i < n; i++)
        for (int p = BS_PRECISION_FP32; p < BS_N_TRAINING_PRECISIONS; p++)
            if (lab_available(targets[i], (enum bs_precision)p))
                check_target(targets[i], (enum bs_precision)p);
    return tap_end();
}
