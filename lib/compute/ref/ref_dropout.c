/*
 * Dropout (Srivastava et al., 2014), scaled where it trains. What is dropped depends on
 * seed, update, example, site, token and channel alone; see compute.h.
 */
#include "compute/ref/ref.h"

#include "common/random.h"

float ref_dropout_factor(const struct bs_queue *q, struct bs_dropout dropout,
                         int64_t sequence, int64_t token, uint32_t channel) {
    uint32_t threshold = bs_dropout_threshold(dropout.probability);
    if (!threshold)
        return 1;
    const uint32_t counter[4] = {channel / 8, dropout.site << 16 | (uint32_t)token,
                                 q->batch.example[sequence], q->step.update};
    uint32_t words[4];
    bs_philox(counter, q->step.seed, words);
    uint32_t half = words[channel % 8 / 2] >> (channel % 2 ? 16 : 0) & 0xFFFFU;
    return half >= threshold ? 65536.0F / (float)(65536 - threshold) : 0;
}

/* y = dropout(x) + residual of one row; residual and y_low may be absent. */
static void dropout_row(const struct bs_queue *q, struct bs_dropout dropout,
                        int64_t sequence, int64_t token, int64_t row, struct bs_rows x,
                        struct bs_rows residual, struct bs_rows y, struct bs_rows y_low) {
    for (int64_t c = 0; c < x.columns; c++) {
        float factor = ref_dropout_factor(q, dropout, sequence, token, (uint32_t)c);
        float value = factor > 0 ? ref_get(x, row, c) * factor : 0;
        if (residual.data)
            value += ref_get(residual, row, c);
        ref_set(y, row, c, value);
        if (y_low.data)
            ref_set(y_low, row, c, value);
    }
}

/* Padding rows pass unchanged. */
static void dropout_rows(const struct bs_queue *q, struct bs_dropout dropout,
                         bool first_only, struct bs_rows x, struct bs_rows residual,
                         struct bs_rows y, struct bs_rows y_low) {
    const struct bs_batch *batch = &q->batch;
    for (int64_t b = 0; b < batch->n_sequences; b++) {
        int64_t first = first_only ? b : batch->offset[b];
        int64_t length = first_only ? 1 : batch->offset[b + 1] - batch->offset[b];
        for (int64_t i = 0; i < length; i++)
            dropout_row(q, dropout, b, i, first + i, x, residual, y, y_low);
    }
    struct bs_dropout none = {0};
    if (!first_only)
        for (int64_t r = bs_batch_used(batch); r < batch->n_tokens; r++)
            dropout_row(q, none, 0, 0, r, x, residual, y, y_low);
}

void ref_dropout(struct bs_queue *q, struct bs_dropout dropout, bool first_only,
                 struct bs_rows x, struct bs_rows y, struct bs_rows y_low) {
    dropout_rows(q, dropout, first_only, x, (struct bs_rows){0}, y, y_low);
}

void ref_dropout_add(struct bs_queue *q, struct bs_dropout dropout, bool first_only,
                     struct bs_rows x, struct bs_rows residual, struct bs_rows sum) {
    dropout_rows(q, dropout, first_only, x, residual, sum, (struct bs_rows){0});
}
