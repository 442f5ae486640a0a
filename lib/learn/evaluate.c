/* One evaluation: the data in portions, so that memory is bounded and a signal is not
 * kept waiting. Results do not depend on where portions end. */
#include "learn/run.h"

#include <stdlib.h>

struct portion {
    struct bs_ids ids, type_ids;
    struct bs_sequence *sequences;
    float *logits;
    int64_t count, capacity;
};

static int reserve(struct portion *portion, int64_t n_labels, struct bs_error *error) {
    if (portion->count < portion->capacity)
        return BS_OK;
    size_t capacity = portion->capacity ? (size_t)portion->capacity * 2 : 64;
    struct bs_sequence *sequences =
        bs_realloc(portion->sequences, capacity, sizeof *sequences);
    if (!sequences)
        return bs_fail_memory(error, capacity * sizeof *sequences, "an evaluation");
    portion->sequences = sequences;
    size_t size = (size_t)n_labels * sizeof *portion->logits;
    float *logits = bs_realloc(portion->logits, capacity, size);
    if (!logits)
        return bs_fail_memory(error, capacity * size, "an evaluation");
    portion->logits = logits;
    portion->capacity = (int64_t)capacity;
    return BS_OK;
}

static bool append(struct bs_ids *ids, const int32_t *values, int64_t count) {
    if (!bs_ids_reserve(ids, (size_t)count))
        return false;
    memcpy(ids->values + ids->count, values, (size_t)count * sizeof *values);
    ids->count += (size_t)count;
    return true;
}

static int add(struct portion *portion, struct run *run, int64_t index,
               struct bs_error *error) {
    struct bs_sequence sequence = {0};
    if (reserve(portion, run->config.num_labels, error) ||
        bs_examples_get(run->training->eval, index, &run->scratch, &sequence, error))
        return error->code;
    if (!append(&portion->ids, sequence.ids, sequence.length) ||
        (sequence.type_ids &&
         !append(&portion->type_ids, sequence.type_ids, sequence.length)))
        return bs_fail_memory(error, (size_t)sequence.length, "an evaluation");
    portion->sequences[portion->count++] = sequence;
    return BS_OK;
}

/* Arrays may have moved while they grew. */
static void set_pointers(struct portion *portion) {
    int64_t at = 0;
    for (int64_t i = 0; i < portion->count; i++) {
        struct bs_sequence *sequence = &portion->sequences[i];
        sequence->ids = portion->ids.values + at;
        if (sequence->type_ids)
            sequence->type_ids = portion->type_ids.values + at;
        at += sequence->length;
    }
}

/* Fills a portion from example `first` on. */
static int fill(struct portion *portion, struct run *run, int64_t first, int64_t end,
                struct bs_error *error) {
    int64_t wanted = 4 * bs_infer_appetite(run->infer);
    portion->count = 0;
    portion->ids.count = portion->type_ids.count = 0;
    for (int64_t i = first; i < end && (int64_t)portion->ids.count < wanted; i++)
        if (add(portion, run, i, error))
            return error->code;
    set_pointers(portion);
    return BS_OK;
}

/* Scores of what is no number would be made up. */
static int check_logits(const struct portion *portion, int64_t n_labels,
                        struct bs_error *error) {
    struct bs_error ignored;
    return bs_infer_check_logits(portion->logits, portion->count * n_labels, &ignored)
               ? run_fail_not_finite("logits of the evaluation are", error)
               : BS_OK;
}

static int evaluate(struct run *run, struct portion *portion, int64_t end,
                    struct bs_score_counts *counts, struct bs_error *error) {
    const struct bs_examples *eval = run->training->eval;
    for (int64_t i = 0; i < end; i += portion->count) {
        if (run_stopped(run))
            return BS_END;
        if (fill(portion, run, i, end, error) ||
            bs_infer_run(run->infer, portion->sequences, portion->count, portion->logits,
                         error) ||
            check_logits(portion, run->config.num_labels, error))
            return error->code;
        bs_scores_add(counts, portion->logits, eval->labels + i, portion->count);
    }
    return BS_OK;
}

int run_evaluate(struct run *run, int64_t limit, struct bs_scores *scores,
                 struct bs_error *error) {
    struct portion portion = {0};
    struct bs_score_counts counts;
    int64_t end = run->training->eval->count;
    if (limit >= 0 && limit < end)
        end = limit;
    if (bs_scores_begin(&counts, run->config.num_labels, error))
        return error->code;
    int code = evaluate(run, &portion, end, &counts, error);
    bs_scores_end(&counts, code ? NULL : scores);
    bs_ids_free(&portion.ids);
    bs_ids_free(&portion.type_ids);
    free(portion.sequences);
    free(portion.logits);
    return code;
}
