/*
 * Attention of one head of one sequence, a block of queries at a time: scores in fp32,
 * softmax in two passes over a block. Rows of bf16 are multiplied as they are where the
 * processor can, and so are probabilities. The backward pass computes the probabilities
 * again from the scores and their log-sum-exp (Dao et al., "FlashAttention", 2022,
 * section 3.1), on fp32.
 */
#include "compute/cpu/block.h"
#include "compute/cpu/kernels_parts.h"
#include "compute/cpu/small_product.h"

enum { QUERIES = 32, CHUNK = 512 /* keys that dropout takes at once */ };

static int64_t whole(int64_t n) {
    return (n + BS_LANES - 1) / BS_LANES * BS_LANES;
}

/* Scratch, carved. Widths padded to whole vectors: D of a head, L of the keys. */
struct workspace {
    int64_t width, keys;        /* padded */
    float *k_turned, *v_turned; /* [D, L] */
    float *k, *v, *dk, *dv;     /* [length, D] */
    float *q, *out, *dout, *dq; /* [QUERIES, D] */
    float *scores, *kept;       /* [QUERIES, L] */
    float *mask;                /* [L] */
};

static int64_t carve(struct workspace *w, int64_t length, int64_t width, bool backward,
                     float *at) {
    w->width = whole(width);
    w->keys = whole(length);
    int64_t turned = width * w->keys, plain = length * w->width;
    int64_t block = QUERIES * w->width, square = QUERIES * w->keys, used = 0;
    struct part {
        float **to;
        int64_t size;
        bool wanted;
    } parts[] = {
        {&w->k_turned, turned, true},  {&w->v_turned, turned, backward},
        {&w->k, plain, true},          {&w->v, plain, true},
        {&w->dk, plain, backward},     {&w->dv, plain, backward},
        {&w->q, block, true},          {&w->out, block, true},
        {&w->dout, block, backward},   {&w->dq, block, backward},
        {&w->scores, square, true},    {&w->kept, square, backward},
        {&w->mask, w->keys, backward},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        *parts[i].to = at && parts[i].wanted ? at + used : NULL;
        used += parts[i].wanted ? whole(parts[i].size) : 0;
    }
    return used;
}

/* Keys and values as products want them, and what a block of queries needs, in scratch
 * memory. Words are as in kernels.h; L: keys, W: the width of a head, in whole vectors.
 */
struct operands {
    enum bs_cpu_operand operand;
    int64_t steps, key_steps; /* along the width; along the keys */
    int64_t keys, width;      /* L, W */
    uint32_t *k;              /* [steps, L] */
    uint32_t *v;              /* [key_steps, W] */
    uint32_t *rows; /* [L + BS_BLOCK_ROWS, W]: keys or queries, staged; output */
    float *scores;  /* [BS_BLOCK_ROWS, L] */
    uint32_t *kept; /* [BS_BLOCK_ROWS, L]: probabilities that multiply */
};

static int64_t place_operands(struct operands *o, int64_t length, int64_t width,
                              float *at) {
    uint32_t *words = (uint32_t *)at;
    int64_t used = 0;
    o->keys = whole(length);
    o->width = whole(width);
    struct part {
        uint32_t **to;
        int64_t size;
    } parts[] = {
        {&o->k, width * o->keys},
        {&o->v, length * o->width},
        {&o->rows, (o->keys + BS_BLOCK_ROWS) * o->width},
        {(uint32_t **)&o->scores, BS_BLOCK_ROWS * o->keys},
        {&o->kept, BS_BLOCK_ROWS * o->keys},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (words)
            *parts[i].to = words + used;
        used += whole(parts[i].size);
    }
    return used;
}

int64_t head_scratch(int64_t length, int64_t width, bool backward) {
    struct workspace unused;
    struct operands none;
    return backward ? carve(&unused, length, width, true, NULL)
                    : place_operands(&none, length, width, NULL);
}

/* Rows first .. first + count to fp32 with rows of `stride` floats, the rest of each 0.
 */
static void load_rows(struct bs_rows from, int64_t first, int64_t count, float *to,
                      int64_t stride) {
    for (int64_t r = 0; r < count; r++)
        for (int64_t c = 0; c < stride; c += BS_LANES)
            vstore(to + r * stride + c,
                   vload_row(row_of(from, first + r), from.type, c, from.columns - c));
}

static void store_rows(const float *from, int64_t stride, struct bs_rows to,
                       int64_t first, int64_t count) {
    for (int64_t r = 0; r < count; r++)
        for (int64_t c = 0; c < to.columns; c += BS_LANES)
            vstore_row(row_of(to, first + r), to.type, c, to.columns - c,
                       vload(from + r * stride + c));
}

/* Rows of `width` floats, `count` of them, become columns: `columns` rows of `stride`
 * floats, the rest of each 0. */
static void turn(const float *from, int64_t width, int64_t count, int64_t columns,
                 float *to, int64_t stride) {
    for (int64_t c = 0; c < columns; c++) {
        for (int64_t r = 0; r < count; r++)
            to[c * stride + r] = from[r * width + c];
        memset(to + c * stride + count, 0, (size_t)(stride - count) * sizeof *to);
    }
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

static void multiply(int64_t m, int64_t n, int64_t k, const float *a, int64_t a_row,
                     int64_t a_column, const float *b, int64_t b_row, float *c,
                     int64_t c_row, bool accumulate) {
    struct small_product product = {m, n,     k, a,     a_row,     a_column,
                                    b, b_row, c, c_row, accumulate};
    small_product(&product);
}

/* Scores of one query become exponentials; returns their sum. `top`: what was taken from
 * all of them. */
static float exponentials(float *score, int64_t keys, int64_t padded, float scale,
                          float *top) {
    vf best = vsplat(-INFINITY), total = {0};
    for (int64_t j = 0; j < padded; j += BS_LANES) {
        vf s = vload(score + j);
        best = vmax(best, vselect(vfirst(keys - j), s, best));
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

/* ---- forward ---- */

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
static void turn_words(const char *from, int64_t bytes, int64_t rows, int64_t words,
                       uint32_t *to, int64_t stride) {
    vu row[BS_LANES];
    for (int r = 0; r < BS_LANES; r++)
        row[r] = r < rows ? (vu)vload_row(from + r * bytes, BS_F32, 0, words) : (vu){0};
    vturn(row);
    for (int64_t w = 0; w < words && w < BS_LANES; w++)
        memcpy(to + w * stride, &row[w], sizeof row[w]);
}

static void turn_keys(struct operands *o, struct bs_rows k) {
    int64_t bytes;
    const char *from = words_of(o, k, 0, k.rows, &bytes);
    for (int64_t r = 0; r < k.rows; r += BS_LANES)
        for (int64_t w = 0; w < o->steps; w += BS_LANES)
            turn_words(from + r * bytes + w * (int64_t)sizeof(uint32_t), bytes,
                       k.rows - r, o->steps - w, o->k + w * o->keys + r, o->keys);
}

static void pack_values(struct operands *o, struct bs_rows v) {
    uint32_t *to = o->v;
    for (int64_t k = 0; k < v.rows; k += o->operand == BS_CPU_F32 ? 1 : 2, to += o->width)
        for (int64_t c = 0; c < o->width; c += BS_LANES) {
            vu words = o->operand == BS_CPU_F32 ? (vu)vload_padded(v, k, c)
                                                : vload_pairs(v, k, c);
            memcpy(to + c, &words, sizeof words);
        }
}

BS_INLINE void multiply_columns(const struct bs_block *at, enum bs_cpu_operand operand,
                                int rows, int64_t vectors, bs_tile sums) {
    if (vectors == 1)
        any_rows(at, operand, rows, 1, sums);
    else if (vectors == 2)
        any_rows(at, operand, rows, 2, sums);
    else
        any_rows(at, operand, rows, BS_VECTORS, sums);
}

/* Some rows by all columns of B, of which there are `columns`, in whole vectors. */
BS_INLINE void multiply_rows(enum bs_cpu_operand operand, struct bs_block at, int rows,
                             int64_t columns, float *to, int64_t stride) {
    for (int64_t c = 0; c < columns; c += BS_PANEL, at.b += sizeof(vf) * BS_VECTORS) {
        bs_tile sums;
        int64_t left = (columns - c) / BS_LANES;
        int64_t vectors = left < BS_VECTORS ? left : BS_VECTORS;
        multiply_columns(&at, operand, rows, vectors, sums);
        for (int r = 0; r < rows; r++)
            for (int64_t v = 0; v < vectors; v++)
                vstore(to + r * stride + c + v * BS_LANES, sums[r][v]);
    }
}

static void multiply_any(enum bs_cpu_operand operand, struct bs_block at, int rows,
                         int64_t columns, float *to, int64_t stride) {
    if (operand == BS_CPU_BF16)
        multiply_rows(BS_CPU_BF16, at, rows, columns, to, stride);
    else
        multiply_rows(BS_CPU_F32, at, rows, columns, to, stride);
}

/* A block of queries. Scores become probabilities times their sum, then output. */
static void forward_block(const struct bs_cpu_attention *a, const struct operands *o,
                          int64_t first, int rows) {
    int64_t keys = a->k.rows;
    float inverse[BS_BLOCK_ROWS];
    struct bs_block at = {.a_step = BS_CPU_STEP,
                          .b = (const char *)o->k,
                          .b_step = o->keys * BS_CPU_STEP,
                          .steps = o->steps};
    at.a = words_of(o, a->q, first, rows, &at.a_row);
    multiply_any(o->operand, at, rows, o->keys, o->scores, o->keys);
    for (int i = 0; i < rows; i++) {
        float *score = o->scores + i * o->keys, top;
        float sum = exponentials(score, keys, o->keys, a->scale, &top);
        inverse[i] = 1.0F / sum;
        if (a->lse)
            a->lse[(first + i) * a->lse_stride] = top + logf(sum);
        if (a->dropout.threshold)
            drop(a, first + i, keys, score, score);
        for (int64_t j = 0; o->operand == BS_CPU_BF16 && j < o->keys; j += BS_LANES)
            vstore_row(o->kept + i * o->keys, BS_BF16, j, BS_LANES, vload(score + j));
    }
    at = (struct bs_block){.a = o->operand == BS_CPU_F32 ? (const char *)o->scores
                                                         : (const char *)o->kept,
                           .a_row = o->keys * BS_CPU_STEP,
                           .a_step = BS_CPU_STEP,
                           .b = (const char *)o->v,
                           .b_step = o->width * BS_CPU_STEP,
                           .steps = o->key_steps};
    float *out = (float *)o->rows;
    multiply_any(o->operand, at, rows, o->width, out, o->width);
    for (int i = 0; i < rows; i++)
        for (int64_t c = 0; c < a->out.columns; c += BS_LANES)
            vstore_row(row_of(a->out, first + i), a->out.type, c, a->out.columns - c,
                       vload(out + i * o->width + c) * inverse[i]);
}

void attention_head(const struct bs_cpu_attention *a, float *scratch) {
    struct operands o = {.operand = BS_CPU_F32};
    int rows;
    place_operands(&o, a->k.rows, a->k.columns, scratch);
#if defined(BS_DOT2)
    if (a->k.type == BS_BF16)
        o.operand = BS_CPU_BF16;
#endif
    o.steps = bs_cpu_steps(o.operand, a->k.columns);
    o.key_steps = bs_cpu_steps(o.operand, a->k.rows);
    turn_keys(&o, a->k);
    pack_values(&o, a->v);
    for (int64_t first = 0; first < a->q.rows; first += rows) {
        rows = rows_of_block(a->q.rows - first);
        forward_block(a, &o, first, rows);
    }
}

/* ---- backward ---- */

/* Keys and values into a workspace in scratch memory. */
static void begin(const struct bs_cpu_attention *a, struct workspace *w, bool backward,
                  float *scratch) {
    int64_t keys = a->k.rows;
    carve(w, keys, a->k.columns, backward, scratch);
    load_rows(a->k, 0, keys, w->k, w->width);
    load_rows(a->v, 0, keys, w->v, w->width);
    turn(w->k, w->width, keys, a->k.columns, w->k_turned, w->keys);
}

static float dot(const float *a, const float *b, int64_t n) {
    vf total = {0};
    for (int64_t i = 0; i < n; i += BS_LANES)
        total = vfma(vload(a + i), vload(b + i), total);
    return vsum(total);
}

/* With p the probabilities, m the mask (0 or its scale), dp the gradient of p m:
 * `kept` = p m; `scores` = the gradient of the scores, p (m dp - sum(out dout)) scale.
 * On entry `scores` holds scores, `kept` dp. */
static void score_gradients(const struct bs_cpu_attention *a, struct workspace *w,
                            int64_t place, int64_t i) {
    int64_t keys = a->k.rows;
    float *score = w->scores + i * w->keys, *kept = w->kept + i * w->keys;
    float *mask = w->mask, log_sum = a->lse[place * a->lse_stride];
    float delta = dot(w->out + i * w->width, w->dout + i * w->width, w->width);
    if (a->dropout.threshold) {
        for (int64_t j = 0; j < w->keys; j += BS_LANES)
            vstore(mask + j, vsplat(1));
        drop(a, place, keys, mask, mask);
    }
    for (int64_t j = 0; j < w->keys; j += BS_LANES) {
        vf p = vexp(vload(score + j) * a->scale - log_sum);
        p = (vf)((vi)p & vfirst(keys - j));
        vf m = a->dropout.threshold ? vload(mask + j) : vsplat(1);
        vf dp = vload(kept + j);
        vstore(kept + j, p * m);
        vstore(score + j, p * (m * dp - delta) * a->scale);
    }
}

static void backward_block(const struct bs_cpu_attention *a, struct workspace *w,
                           int64_t first, int64_t count) {
    int64_t keys = a->k.rows, width = a->k.columns, d = w->width;
    load_rows(a->q, first, count, w->q, d);
    load_rows(a->out, first, count, w->out, d);
    load_rows(a->dout, first, count, w->dout, d);
    multiply(count, w->keys, width, w->q, d, 1, w->k_turned, w->keys, w->scores, w->keys,
             false);
    multiply(count, w->keys, width, w->dout, d, 1, w->v_turned, w->keys, w->kept, w->keys,
             false);
    for (int64_t i = 0; i < count; i++)
        score_gradients(a, w, first + i, i);
    multiply(keys, d, count, w->kept, 1, w->keys, w->dout, d, w->dv, d, true);
    multiply(keys, d, count, w->scores, 1, w->keys, w->q, d, w->dk, d, true);
    multiply(count, d, keys, w->scores, w->keys, 1, w->k, d, w->dq, d, false);
    store_rows(w->dq, d, a->dq, first, count);
}

void attention_head_back(const struct bs_cpu_attention *a, float *scratch) {
    struct workspace w;
    int64_t keys = a->k.rows;
    begin(a, &w, true, scratch);
    turn(w.v, w.width, keys, a->v.columns, w.v_turned, w.keys);
    memset(w.dk, 0, (size_t)(keys * w.width) * sizeof(float));
    memset(w.dv, 0, (size_t)(keys * w.width) * sizeof(float));
    for (int64_t first = 0; first < a->q.rows; first += QUERIES) {
        int64_t left = a->q.rows - first;
        backward_block(a, &w, first, left < QUERIES ? left : QUERIES);
    }
    store_rows(w.dk, w.width, a->dk, 0, keys);
    store_rows(w.dv, w.width, a->dv, 0, keys);
}
