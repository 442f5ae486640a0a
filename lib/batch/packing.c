/* Packs sequences into one batch of device rows. */
#include "batch/packing.h"

#include "common/buffer.h"

#include <stdlib.h>

struct bs_packer {
    int64_t row_tile;
    int64_t tokens, sequences, max_length;
    int64_t token_room, sequence_room;
    uint32_t first_example;
    bool has_types, has_labels;
    int32_t *ids, *type_ids, *position;
    int32_t *offset, *labels;
    uint32_t *example;
    struct bs_batch batch;
};

int64_t bs_round_rows(int64_t tokens, int64_t row_tile) {
    return (tokens + row_tile - 1) / row_tile * row_tile;
}

int bs_packer_new(struct bs_packer **result, int64_t row_tile, struct bs_error *error) {
    struct bs_packer *packer = bs_alloc(1, sizeof *packer);
    if (!packer)
        return bs_fail_memory(error, sizeof *packer, "a batch");
    packer->row_tile = row_tile > 0 ? row_tile : 1;
    bs_packer_begin(packer, 0);
    *result = packer;
    return BS_OK;
}

void bs_packer_free(struct bs_packer *packer) {
    if (!packer)
        return;
    free(packer->ids);
    free(packer->type_ids);
    free(packer->position);
    free(packer->offset);
    free(packer->labels);
    free(packer->example);
    free(packer);
}

void bs_packer_begin(struct bs_packer *packer, uint32_t first_example) {
    packer->tokens = packer->sequences = packer->max_length = 0;
    packer->first_example = first_example;
    packer->has_types = packer->has_labels = false;
}

int64_t bs_packer_sequences(const struct bs_packer *packer) {
    return packer->sequences;
}

int64_t bs_packer_tokens(const struct bs_packer *packer) {
    return packer->tokens;
}

static bool grow(void *array, int64_t count) {
    void **slot = array;
    void *memory = bs_realloc(*slot, (size_t)count, sizeof(int32_t));
    if (memory)
        *slot = memory;
    return memory != NULL;
}

/* Room for the tokens and one more sequence, the row tile included. */
static int make_room(struct bs_packer *packer, int64_t tokens, struct bs_error *error) {
    int64_t rows = bs_round_rows(tokens, packer->row_tile);
    if (rows > packer->token_room) {
        int64_t room = rows + rows / 2;
        if (!grow(&packer->ids, room) || !grow(&packer->type_ids, room) ||
            !grow(&packer->position, room))
            return bs_fail_memory(error, (unsigned long long)room * 4, "a batch");
        packer->token_room = room;
    }
    if (packer->sequences + 2 > packer->sequence_room) {
        int64_t room = 2 * packer->sequence_room + 16;
        if (!grow(&packer->offset, room) || !grow(&packer->labels, room) ||
            !grow(&packer->example, room))
            return bs_fail_memory(error, (unsigned long long)room * 4, "a batch");
        packer->sequence_room = room;
    }
    return BS_OK;
}

static void put_types(struct bs_packer *packer, const struct bs_sequence *sequence) {
    int32_t *to = packer->type_ids + packer->tokens;
    if (sequence->type_ids)
        memcpy(to, sequence->type_ids, (size_t)sequence->length * sizeof *to);
    else
        memset(to, 0, (size_t)sequence->length * sizeof *to);
    packer->has_types |= sequence->type_ids != NULL;
}

int bs_packer_add(struct bs_packer *packer, const struct bs_sequence *sequence,
                  int32_t label, struct bs_error *error) {
    if (sequence->length < 1 ||
        sequence->length > INT32_MAX - packer->row_tile - packer->tokens)
        return bs_fail(error, BS_RESOURCE, "a batch cannot hold %lld more tokens",
                       (long long)sequence->length);
    if (make_room(packer, packer->tokens + sequence->length, error))
        return error->code;
    memcpy(packer->ids + packer->tokens, sequence->ids,
           (size_t)sequence->length * sizeof *packer->ids);
    put_types(packer, sequence);
    for (int64_t i = 0; i < sequence->length; i++)
        packer->position[packer->tokens + i] = (int32_t)i;
    int64_t b = packer->sequences++;
    packer->offset[b] = (int32_t)packer->tokens;
    packer->labels[b] = label;
    packer->has_labels |= label >= 0;
    packer->example[b] = packer->first_example + (uint32_t)b;
    packer->tokens += sequence->length;
    if (sequence->length > packer->max_length)
        packer->max_length = sequence->length;
    return BS_OK;
}

const struct bs_batch *bs_packer_finish(struct bs_packer *packer) {
    int64_t rows = bs_round_rows(packer->tokens, packer->row_tile);
    for (int64_t i = packer->tokens; i < rows; i++)
        packer->ids[i] = packer->type_ids[i] = packer->position[i] = 0;
    if (packer->offset)
        packer->offset[packer->sequences] = (int32_t)packer->tokens;
    packer->batch = (struct bs_batch){
        .n_tokens = rows,
        .n_sequences = packer->sequences,
        .max_length = packer->max_length,
        .ids = packer->ids,
        .type_ids = packer->has_types ? packer->type_ids : NULL,
        .position = packer->position,
        .offset = packer->offset,
        .labels = packer->has_labels ? packer->labels : NULL,
        .example = packer->example,
    };
    return &packer->batch;
}
