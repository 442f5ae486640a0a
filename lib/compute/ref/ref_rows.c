/* Rows that move: to and from the host, from type to type, from and to the [CLS]. */
#include "compute/ref/ref.h"

void ref_rows_upload(struct bs_queue *q, struct bs_rows to, const float *from) {
    (void)q;
    for (int64_t r = 0; r < to.rows; r++)
        for (int64_t c = 0; c < to.columns; c++)
            ref_set(to, r, c, from[r * to.columns + c]);
}

void ref_rows_download(struct bs_queue *q, struct bs_rows from, float *to) {
    (void)q;
    for (int64_t r = 0; r < from.rows; r++)
        for (int64_t c = 0; c < from.columns; c++)
            to[r * from.columns + c] = ref_get(from, r, c);
}

void ref_gather_first(struct bs_queue *q, struct bs_rows x, struct bs_rows y) {
    for (int64_t b = 0; b < y.rows; b++)
        for (int64_t c = 0; c < y.columns; c++)
            ref_set(y, b, c, ref_get(x, q->batch.offset[b], c));
}

void ref_scatter_first(struct bs_queue *q, struct bs_rows dy, struct bs_rows dx) {
    for (int64_t b = 0; b < dy.rows; b++) {
        int64_t first = q->batch.offset[b];
        for (int64_t c = 0; c < dy.columns; c++)
            ref_set(dx, first, c, ref_get(dx, first, c) + ref_get(dy, b, c));
    }
}

void ref_zero(struct bs_queue *q, struct bs_rows rows) {
    (void)q;
    for (int64_t r = 0; r < rows.rows; r++)
        for (int64_t c = 0; c < rows.columns; c++)
            ref_set(rows, r, c, 0);
}

void ref_copy(struct bs_queue *q, struct bs_rows x, struct bs_rows y) {
    (void)q;
    for (int64_t r = 0; r < x.rows; r++)
        for (int64_t c = 0; c < x.columns; c++)
            ref_set(y, r, c, ref_get(x, r, c));
}
