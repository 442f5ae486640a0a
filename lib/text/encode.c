/* Frame and truncation: what a model is given of one text or of a pair. */
#include "text/wordpiece.h"

void bs_encoding_free(struct bs_encoding *encoding) {
    bs_ids_free(&encoding->ids);
    bs_ids_free(&encoding->type_ids);
}

/* Keeps `budget` of the ids from `start` on. */
static void cut(struct bs_ids *ids, size_t start, size_t budget,
                enum bs_truncation truncation) {
    size_t count = ids->count - start;
    if (count <= budget)
        return;
    size_t head = truncation == BS_TRUNCATE_HEAD   ? budget
                  : truncation == BS_TRUNCATE_TAIL ? 0
                                                   : budget / 4;
    size_t tail = budget - head;
    int32_t *kept = ids->values + start + head;
    memmove(kept, ids->values + ids->count - tail, tail * sizeof *kept);
    ids->count = start + budget;
}

/* How the reference's "longest first" shares `budget` pieces between two texts. */
static void share_budget(size_t budget, size_t *a, size_t *b) {
    if (*a + *b <= budget)
        return;
    bool swapped = *a > *b;
    size_t shorter = swapped ? *b : *a, longer;
    if (shorter > budget)
        longer = shorter;
    else
        longer = shorter > budget - shorter ? shorter : budget - shorter;
    if (shorter + longer > budget) {
        shorter = budget / 2;
        longer = shorter + budget % 2;
    }
    *a = swapped ? longer : shorter;
    *b = swapped ? shorter : longer;
}

static int encode_first(struct bs_tokenizer_worker *worker, struct bs_span text,
                        struct bs_encoding *encoding, struct bs_error *error) {
    encoding->ids.count = encoding->type_ids.count = 0;
    if (!bs_ids_append(&encoding->ids, worker->tokenizer->cls_id))
        return bs_fail_memory(error, sizeof(int32_t), "ids");
    return bs_tokenize(worker, text, &encoding->ids, error);
}

static bool fill_type_ids(struct bs_ids *type_ids, size_t first, size_t second) {
    if (!bs_ids_reserve(type_ids, first + second))
        return false;
    for (size_t i = 0; i < first + second; i++)
        type_ids->values[i] = i >= first;
    type_ids->count = first + second;
    return true;
}

static bool frame_pair(struct bs_tokenizer_worker *worker, struct bs_encoding *encoding) {
    struct bs_ids *ids = &encoding->ids, *second = &worker->second;
    int32_t sep_id = worker->tokenizer->sep_id;
    if (!bs_ids_append(ids, sep_id) || !bs_ids_reserve(ids, second->count + 1))
        return false;
    size_t first = ids->count;
    if (second->count)
        memcpy(ids->values + first, second->values, second->count * sizeof *ids->values);
    ids->count += second->count;
    return bs_ids_append(ids, sep_id) &&
           fill_type_ids(&encoding->type_ids, first, second->count + 1);
}

static int encode_pair(struct bs_tokenizer_worker *worker, struct bs_span text,
                       struct bs_span pair, int64_t max_length,
                       enum bs_truncation truncation, struct bs_encoding *encoding,
                       struct bs_error *error) {
    worker->second.count = 0;
    int code = encode_first(worker, text, encoding, error);
    if (code == BS_OK)
        code = bs_tokenize(worker, pair, &worker->second, error);
    if (code != BS_OK)
        return code;
    size_t a = encoding->ids.count - 1, b = worker->second.count;
    encoding->n_tokens = (int64_t)(a + b + 3);
    encoding->truncated = max_length > 0 && encoding->n_tokens > max_length;
    if (encoding->truncated) {
        share_budget(max_length > 3 ? (size_t)max_length - 3 : 0, &a, &b);
        cut(&encoding->ids, 1, a, truncation);
        cut(&worker->second, 0, b, truncation);
    }
    if (!frame_pair(worker, encoding))
        return bs_fail_memory(error, (a + b) * sizeof(int32_t), "ids");
    return BS_OK;
}

int bs_encode(struct bs_tokenizer_worker *worker, struct bs_span text,
              const struct bs_span *pair, int64_t max_length,
              enum bs_truncation truncation, struct bs_encoding *encoding,
              struct bs_error *error) {
    if (pair)
        return encode_pair(worker, text, *pair, max_length, truncation, encoding, error);
    int code = encode_first(worker, text, encoding, error);
    if (code != BS_OK)
        return code;
    encoding->n_tokens = (int64_t)encoding->ids.count + 1;
    encoding->truncated = max_length > 0 && encoding->n_tokens > max_length;
    if (encoding->truncated)
        cut(&encoding->ids, 1, max_length > 2 ? (size_t)max_length - 2 : 0, truncation);
    if (!bs_ids_append(&encoding->ids, worker->tokenizer->sep_id))
        return bs_fail_memory(error, sizeof(int32_t), "ids");
    return BS_OK;
}
