/*
 * Attention of one head of one sequence, a block of queries at a time: scores in fp32,
 * softmax in two passes over a block. Rows of bf16 are multiplied as they are where the
 * processor can, and so are probabilities. The backward pass computes the probabilities
 * again from the scores and their log-sum-exp (Dao et al., "FlashAttention", 2022,
 * section 3.1).
 */
#include "compute/cpu/block.h"
#include "compute/cpu/kernels_parts.h"

enum {
    QUERIES = 32, /* that the backward pass takes at once */
    CHUNK = 512,  /* keys that dropout takes at once */
};

static int64_t whole_vectors(int64_t n) {
    return (n + BS_LANES - 1) / BS_LANES * BS_LANES;
}

/* Keys and values as products want them, and what a block of queries needs, in scratch
 * memory. Words are as in kernels.h; L: keys, W: the width of a head, in whole vectors;
 * Q: QUERIES. `pairs` are words along the queries. */
struct operands {
    enum bs_cpu_operand operand;
    int64_t steps, key_steps; /* along the width; along the keys */
    int64_t keys, width;      /* L, W */
    uint32_t *k;              /* [steps, L] */
    uint32_t *v;              /* [key_steps, W] */
    uint32_t *rows;           /* [L + Q, W]: keys or queries, staged; output */
    float *scores;            /* [Q, L] */
    uint32_t *kept;           /* [Q, L]: what multiplies values, row by row */
    /* Of the backward pass: */
    uint32_t *v_transposed, *k_plain;   /* as k and v are of keys and values */
    float *masked;                      /* [Q, L]: probabilities after dropout */
    uint32_t *score_pairs, *mask_pairs; /* [Q, L] */
    uint32_t *q_pairs, *dout_pairs;     /* [Q, W] */
    float *dk, *dv;                     /* [L, W] */
    float *mask;                        /* [L] */
};

static int64_t place_operands(struct operands *o, int64_t length, int64_t width,
                              bool backward, float *at) {
    uint32_t *words = (uint32_t *)at;
    int64_t used = 0;
    o->keys = whole_vectors(length);
    o->width = whole_vectors(width);
    int64_t transposed = width * o->keys, plain = o->keys * o->width;
    int64_t square = QUERIES * o->keys, block = QUERIES * o->width;
    struct part {
        void *to; /* a pointer, of either type */
        int64_t size;
    } parts[] = {
        {&o->k, transposed},      {&o->v, plain},       {&o->rows, plain + block},
        {&o->scores, square},     {&o->kept, square},   {&o->v_transposed, transposed},
        {&o->k_plain, plain},     {&o->masked, square}, {&o->score_pairs, square},
        {&o->mask_pairs, square}, {&o->q_pairs, block}, {&o->dout_pairs, block},
        {&o->dk, plain},          {&o->dv, plain},      {&o->mask, o->keys},
    };
    size_t count = backward ? sizeof parts / sizeof *parts : 5;
    for (size_t i = 0; i < count; i++) {
        uint32_t *place = words ? words + used : NULL;
        memcpy(parts[i].to, &place, sizeof place);
        used += whole_vectors(parts[i].size);
    }
    return used;
}

int64_t head_scratch(int64_t length, int64_t width, bool backward) {
    struct operands unused;
    return place_operands(&unused, length, width, backward, NULL);
}

/* probability[j] becomes 0 or is scaled, as the mask of query `place` says. */
static void drop(const struct bs_cpu_attention *a, int64_t place, int64_t keys,
                 const float *probability, float *kept) {
    uint16_t bits[CHUNK + 8 * BS_LANES];
    uint32_t threshold = a->dropout.threshold;
    float scale = 65536.0F / (65536.0F - (float)threshold);
    for (int64_t start = 0; start < keys; start += CHUNK) {
        int64_t count = keys - start < CHUNK ? keys - start : CHUNK;
        uint32_t first = a->head * 8192U + (uint32_t)(start / 8);
        dropout_bits(&a->dropout, *a->dropout.example, (uint32_t)place, first,
                     (count + 7) / 8, bits);
        for (int64_t j = 0; j < count; j += BS_LANES) {
            vh half;
            memcpy(&half, bits + j, sizeof half);
            vi keep = (vi)vwords(half) >= (vi){0} + (int32_t)threshold;
            vf p = vload(probability + start + j) * scale;
            vstore(kept + start + j, (vf)((vi)p & keep));
        }
    }
}

/* Scores of one query become exponentials; returns their sum. `top`: what was taken from
 * all of them. */
static float exponentials(float *score, int64_t keys, int64_t padded, float scale,
                          float *top) {
    vf best = vsplat(-INFINITY), total = {0};
    int64_t whole_keys = keys / BS_LANES * BS_LANES;
    for (int64_t j = 0; j < whole_keys; j += BS_LANES)
        best = vmax(best, vload(score + j));
    if (whole_keys < keys) {
        vi mask = vfirst(keys - whole_keys);
        best = vmax(best, vselect(mask, vload(score + whole_keys), best));
    }
    *top = vmax_lanes(best) * scale;
    for (int64_t j = 0; j < padded; j += BS_LANES) {
        vf e = vexp(vload(score + j) * scale - *top);
        e = (vf)((vi)e & vfirst(keys - j));
        vstore(score + j, e);
        total += e;
    }
    return vsum(total);
}

/* ---- operands ---- */

/* Rows whose words products can read where they are. */
static bool has_words(const struct operands *o, struct bs_rows rows) {
    return o->operand == BS_CPU_F32 ? rows.type == BS_F32 : rows.columns % 2 == 0;
}

static int64_t row_bytes(struct bs_rows rows) {
    return rows.stride * (rows.type == BS_F32 ? 4 : 2);
}

/* Rows first .. first + count as words, `*bytes` apart: in place or staged. */
static const char *words_of(const struct operands *o, struct bs_rows rows, int64_t first,
                            int64_t count, int64_t *bytes) {
    if (has_words(o, rows)) {
        *bytes = row_bytes(rows);
        return row_of(rows, first);
    }
    enum bs_type type = o->operand == BS_CPU_F32 ? BS_F32 : BS_BF16;
    int64_t stride = o->width * (int64_t)sizeof(uint32_t);
    for (int64_t r = 0; r < count; r++)
        for (int64_t c = 0; c < o->width; c += BS_LANES) {
            int64_t left = rows.columns - c;
            vstore_row((char *)o->rows + r * stride, type, c, BS_LANES,
                       left > 0 ? vload_row(row_of(rows, first + r), rows.type, c, left)
                                : (vf){0});
        }
    *bytes = stride;
    return (const char *)o->rows;
}

/* Words of up to BS_LANES rows, BS_LANES of each row at most, become columns. */
static void transpose_words(const char *from, int64_t bytes, int64_t rows, int64_t words,
                            uint32_t *to, int64_t stride) {
    vu row[BS_LANES];
    for (int r = 0; r < BS_LANES; r++)
        row[r] = r < rows ? (vu)vload_row(from + r * bytes, BS_F32, 0, words) : (vu){0};
    vtranspose(row);
    for (int64_t w = 0; w < words && w < BS_LANES; w++)
        memcpy(to + w * stride, &row[w], sizeof row[w]);
}

/* Keys become columns, steps along the width rows. */
static void transpose_keys(const struct operands *o, struct bs_rows k, uint32_t *to) {
    int64_t bytes;
    const char *from = words_of(o, k, 0, k.rows, &bytes);
    for (int64_t r = 0; r < k.rows; r += BS_LANES)
        for (int64_t w = 0; w < o->steps; w += BS_LANES)
            transpose_words(from + r * bytes + w * (int64_t)sizeof(uint32_t), bytes,
                            k.rows - r, o->steps - w, to + w * o->keys + r, o->keys);
}

/* Rows as words along them: one after the other, or in pairs. */
static void pack_rows(const struct operands *o, struct bs_rows rows, int64_t width,
                      uint32_t *to) {
    int64_t step = o->operand == BS_CPU_F32 ? 1 : 2;
    for (int64_t r = 0; r < rows.rows; r += step, to += width)
        for (int64_t c = 0; c < width; c += BS_LANES) {
            vu words = o->operand == BS_CPU_F32 ? (vu)vload_padded(rows, r, c)
                                                : vload_pairs(rows, r, c);
            memcpy(to + c, &words, sizeof words);
        }
}

/* Places for all, and what of keys and values both passes need. */
static void begin(const struct bs_cpu_attention *a, struct operands *o, bool backward,
                  float *scratch) {
    place_operands(o, a->k.rows, a->k.columns, backward, scratch);
    o->operand = BS_CPU_F32;
#if defined(BS_DOT2)
    if (a->k.type == BS_BF16)
        o->operand = BS_CPU_BF16;
#endif
    o->steps = bs_cpu_steps(o->operand, a->k.columns);
    o->key_steps = bs_cpu_steps(o->operand, a->k.rows);
    transpose_keys(o, a->k, o->k);
}

/* ---- products ---- */

BS_INLINE void multiply_columns(const struct bs_block *at, enum bs_cpu_operand operand,
                                int rows, int64_t vectors, bs_tile sums) {
    if (vectors == 1)
        any_rows(at, operand, rows, 1, sums);
    else if (vectors == 2)
        any_rows(at, operand, rows, 2, sums);
    else
        any_rows(at, operand, rows, BS_VECTORS, sums);
}

/* Some rows by all columns of B, in whole vectors; added to what is there, or not. */
BS_INLINE void multiply_rows(enum bs_cpu_operand operand, struct bs_block at, int rows,
                             int64_t columns, bool add, float *to, int64_t stride) {
    for (int64_t c = 0; c < columns; c += BS_PANEL, at.b += sizeof(vf) * BS_VECTORS) {
        bs_tile sums;
        int64_t left = (columns - c) / BS_LANES;
        int64_t vectors = left < BS_VECTORS ? left : BS_VECTORS;
        multiply_columns(&at, operand, rows, vectors, sums);
        for (int r = 0; r < rows; r++)
            for (int64_t v = 0; v < vectors; v++) {
                float *place = to + r * stride + c + v * BS_LANES;
                vstore(place, add ? vload(place) + sums[r][v] : sums[r][v]);
            }
    }
}

/* All rows of A, block by block. */
static void multiply(enum bs_cpu_operand operand, struct bs_block at, int64_t rows,
                     int64_t columns, bool add, float *to, int64_t stride) {
    for (int count; rows; rows -= count) {
        count = rows_of_block(rows);
        if (operand == BS_CPU_BF16)
            multiply_rows(BS_CPU_BF16, at, count, columns, add, to, stride);
        else
            multiply_rows(BS_CPU_F32, at, count, columns, add, to, stride);
        at.a += count * at.a_row;
        to += count * stride;
    }
}

/* to[rows, L] = rows of queries, by the transposed keys or values. */
static void multiply_transposed(const struct operands *o, struct bs_rows queries,
                                int64_t first, int64_t rows, const uint32_t *transposed,
                                float *to) {
    struct bs_block at = {.a_step = BS_CPU_STEP,
                          .b = (const char *)transposed,
                          .b_step = o->keys * BS_CPU_STEP,
                          .steps = o->steps};
    at.a = words_of(o, queries, first, rows, &at.a_row);
    multiply(o->operand, at, rows, o->keys, false, to, o->keys);
}

/* `rows` of L fp32 numbers as words along the keys. */
static const char *words_of_scores(const struct operands *o, const float *scores,
                                   int64_t rows) {
    if (o->operand == BS_CPU_F32)
        return (const char *)scores;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < o->keys; j += BS_LANES)
            vstore_row(o->kept + i * o->keys, BS_BF16, j, BS_LANES,
                       vload(scores + i * o->keys + j));
    return (const char *)o->kept;
}

/* Output rows: `scores` by values, or keys, each times its factor if there are any. */
static void multiply_values(const struct operands *o, const float *scores,
                            const uint32_t *values, const float *factors,
                            struct bs_rows out, int64_t first, int64_t rows) {
    struct bs_block at = {.a = words_of_scores(o, scores, rows),
                          .a_row = o->keys * BS_CPU_STEP,
                          .a_step = BS_CPU_STEP,
                          .b = (const char *)values,
                          .b_step = o->width * BS_CPU_STEP,
                          .steps = o->key_steps};
    float *sums = (float *)o->rows;
    multiply(o->operand, at, rows, o->width, false, sums, o->width);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t c = 0; c < out.columns; c += BS_LANES)
            vstore_row(row_of(out, first + i), out.type, c, out.columns - c,
                       vload(sums + i * o->width + c) * (factors ? factors[i] : 1.0F));
}

/* ---- forward ---- */

/* A block of queries. Scores become probabilities times their sum, then output. */
static void forward_block(const struct bs_cpu_attention *a, const struct operands *o,
                          int64_t first, int rows) {
    int64_t keys = a->k.rows;
    float inverse[BS_BLOCK_ROWS];
    multiply_transposed(o, a->q, first, rows, o->k, o->scores);
    for (int i = 0; i < rows; i++) {
        float *score = o->scores + i * o->keys, top;
        float sum = exponentials(score, keys, o->keys, a->scale, &top);
        inverse[i] = 1.0F / sum;
        if (a->lse)
            a->lse[(first + i) * a->lse_stride] = top + logf(sum);
        if (a->dropout.threshold)
            drop(a, first + i, keys, score, score);
    }
    multiply_values(o, o->scores, o->v, inverse, a->out, first, rows);
}

void attention_head(const struct bs_cpu_attention *a, float *scratch) {
    struct operands o;
    int rows;
    begin(a, &o, false, scratch);
    pack_rows(&o, a->v, o.width, o.v);
    for (int64_t first = 0; first < a->q.rows; first += rows) {
        rows = rows_of_block(a->q.rows - first);
        forward_block(a, &o, first, rows);
    }
}

/* ---- backward ---- */

static float dot_rows(struct bs_rows a, struct bs_rows b, int64_t row) {
    vf total = {0};
    for (int64_t c = 0; c < a.columns; c += BS_LANES)
        total = vfma(vload_padded(a, row, c), vload_padded(b, row, c), total);
    return vsum(total);
}

/* With p the probabilities, m the mask (0 or its scale), dp the gradient of p m:
 * `masked` = p m; `scores` = the gradient of the scores, p (m dp - sum(out dout)) scale.
 * On entry `scores` holds scores, `masked` dp. */
static void score_gradients(const struct bs_cpu_attention *a, const struct operands *o,
                            int64_t place, int64_t i) {
    int64_t keys = a->k.rows;
    float *score = o->scores + i * o->keys, *masked = o->masked + i * o->keys;
    float *mask = o->mask, log_sum = a->lse[place * a->lse_stride];
    float delta = dot_rows(a->out, a->dout, place);
    if (a->dropout.threshold) {
        for (int64_t j = 0; j < o->keys; j += BS_LANES)
            vstore(mask + j, vsplat(1));
        drop(a, place, keys, mask, mask);
    }
    for (int64_t j = 0; j < o->keys; j += BS_LANES) {
        vf p = vexp(vload(score + j) * a->scale - log_sum);
        p = (vf)((vi)p & vfirst(keys - j));
        vf m = a->dropout.threshold ? vload(mask + j) : vsplat(1);
        vf dp = vload(masked + j);
        vstore(masked + j, p * m);
        vstore(score + j, p * (m * dp - delta) * a->scale);
    }
}

/* d[L, W] += scores^T rows: sums along a block of queries. */
static void multiply_queries(const struct operands *o, int64_t keys, const float *scores,
                             uint32_t *score_pairs, struct bs_rows rows,
                             uint32_t *row_pairs, float *d) {
    struct bs_rows square = {(void *)scores, BS_F32, rows.rows, o->keys, o->keys};
    pack_rows(o, square, o->keys, score_pairs);
    pack_rows(o, rows, o->width, row_pairs);
    struct bs_block at = {.a = (const char *)score_pairs,
                          .a_row = BS_CPU_STEP,
                          .a_step = o->keys * BS_CPU_STEP,
                          .b = (const char *)row_pairs,
                          .b_step = o->width * BS_CPU_STEP,
                          .steps = bs_cpu_steps(o->operand, rows.rows)};
    multiply(o->operand, at, keys, o->width, true, d, o->width);
}

static void backward_block(const struct bs_cpu_attention *a, const struct operands *o,
                           int64_t first, int64_t rows) {
    int64_t keys = a->k.rows;
    multiply_transposed(o, a->q, first, rows, o->k, o->scores);
    multiply_transposed(o, a->dout, first, rows, o->v_transposed, o->masked);
    for (int64_t i = 0; i < rows; i++)
        score_gradients(a, o, first + i, i);
    multiply_queries(o, keys, o->masked, o->mask_pairs,
                     bs_rows_slice(a->dout, first, rows), o->dout_pairs, o->dv);
    multiply_queries(o, keys, o->scores, o->score_pairs, bs_rows_slice(a->q, first, rows),
                     o->q_pairs, o->dk);
    multiply_values(o, o->scores, o->k_plain, NULL, a->dq, first, rows);
}

static void store_rows(const float *from, int64_t stride, struct bs_rows to) {
    for (int64_t r = 0; r < to.rows; r++)
        for (int64_t c = 0; c < to.columns; c += BS_LANES)
            vstore_row(row_of(to, r), to.type, c, to.columns - c,
                       vload(from + r * stride + c));
}

void attention_head_back(const struct bs_cpu_attention *a, float *scratch) {
    struct operands o;
    begin(a, &o, true, scratch);
    transpose_keys(&o, a->v, o.v_transposed);
    pack_rows(&o, a->k, o.width, o.k_plain);
    memset(o.dk, 0, (size_t)(o.keys * o.width) * sizeof(float));
    memset(o.dv, 0, (size_t)(o.keys * o.width) * sizeof(float));
    for (int64_t first = 0; first < a->q.rows; first += QUERIES) {
        int64_t left = a->q.rows - first;
        backward_block(a, &o, first, left < QUERIES ? left : QUERIES);
    }
    store_rows(o.dk, o.width, a->dk);
    store_rows(o.dv, o.width, a->dv);
}
