/* A token's vector: the sum of those of its word, its position and its type. */
#include "compute/ref/ref.h"

static const float *row_of(const struct bs_weights *w, int index, int64_t row) {
    return w->slots[index].value + row * w->parameters[index].columns;
}

void ref_embedding(struct bs_queue *q, const struct bs_weights *w, struct bs_embedding e,
                   struct bs_rows sum) {
    const struct bs_batch *batch = &q->batch;
    for (int64_t t = 0; t < batch->n_tokens; t++) {
        const float *word = row_of(w, e.word, batch->ids[t]);
        const float *position = row_of(w, e.position, batch->position[t]);
        const float *type = row_of(w, e.type, batch->type_ids ? batch->type_ids[t] : 0);
        for (int64_t c = 0; c < sum.columns; c++)
            ref_set(sum, t, c, (double)word[c] + position[c] + type[c]);
    }
}

static void add_to_row(struct bs_weights *w, int index, int64_t row, struct bs_rows dsum,
                       int64_t token) {
    if (!bs_weights_trains(w, index))
        return;
    float *gradient = w->slots[index].gradient + row * dsum.columns;
    for (int64_t c = 0; c < dsum.columns; c++)
        gradient[c] += ref_get(dsum, token, c);
}

/* Rows that several tokens share are summed in the order of the tokens. */
void ref_embedding_backward(struct bs_queue *q, struct bs_weights *w,
                            struct bs_embedding e, struct bs_rows dsum) {
    const struct bs_batch *batch = &q->batch;
    for (int64_t t = 0; t < bs_batch_used(batch); t++) {
        if (batch->ids[t] != e.padding)
            add_to_row(w, e.word, batch->ids[t], dsum, t);
        add_to_row(w, e.position, batch->position[t], dsum, t);
        add_to_row(w, e.type, batch->type_ids ? batch->type_ids[t] : 0, dsum, t);
    }
}
