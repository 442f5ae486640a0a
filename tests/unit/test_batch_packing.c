/* Packing: what a batch holds, padding, reuse, bounds. */
#include "batch/packing.h"
#include "tap.h"

#include <string.h>

static struct bs_error error;

static void add(struct bs_packer *packer, const int32_t *ids, const int32_t *types,
                int64_t length, int32_t label) {
    struct bs_sequence sequence = {ids, types, length};
    check(bs_packer_add(packer, &sequence, label, &error) == BS_OK, "adds %d ids",
          (int)length);
}

static void test_contents(struct bs_packer *packer) {
    static const int32_t a[] = {7, 8, 9}, b[] = {5}, types[] = {1};
    static const int32_t ids[8] = {7, 8, 9, 5}, kinds[8] = {0, 0, 0, 1};
    static const int32_t position[8] = {0, 1, 2, 0}, offset[] = {0, 3, 4};
    static const int32_t labels[] = {2, 0};
    static const uint32_t example[] = {40, 41};
    bs_packer_begin(packer, 40);
    add(packer, a, NULL, 3, 2);
    add(packer, b, types, 1, 0);
    check(bs_packer_sequences(packer) == 2 && bs_packer_tokens(packer) == 4, "counts");
    const struct bs_batch *batch = bs_packer_finish(packer);
    check(batch->n_tokens == 8 && batch->n_sequences == 2 && batch->max_length == 3,
          "four tokens are padded to a tile of eight rows");
    check(memcmp(batch->ids, ids, sizeof ids) == 0, "ids, padding 0");
    check(memcmp(batch->type_ids, kinds, sizeof kinds) == 0, "types, padding 0");
    check(memcmp(batch->position, position, sizeof position) == 0, "positions");
    check(memcmp(batch->offset, offset, sizeof offset) == 0, "offsets end at the tokens");
    check(memcmp(batch->labels, labels, sizeof labels) == 0, "labels");
    check(memcmp(batch->example, example, sizeof example) == 0,
          "examples count from the first");
}

static void test_reuse(struct bs_packer *packer) {
    static const int32_t many[1000] = {3};
    bs_packer_begin(packer, 0);
    for (int i = 0; i < 100; i++) {
        struct bs_sequence sequence = {many, NULL, 10 * i + 1};
        if (bs_packer_add(packer, &sequence, -1, &error))
            check(0, "%s", error.text);
    }
    const struct bs_batch *batch = bs_packer_finish(packer);
    check(batch->n_sequences == 100 && batch->n_tokens == 49600 &&
              batch->offset[100] == 49600 && batch->max_length == 991,
          "a larger batch in the same packer");
    check(batch->labels == NULL && batch->type_ids == NULL,
          "no labels and no types, though the batch before had them");
    check(batch->ids[batch->offset[99]] == 3 && batch->position[49599] == 990,
          "its last sequence");
    bs_packer_begin(packer, 0);
    add(packer, many, NULL, 3, 0);
    batch = bs_packer_finish(packer);
    bool zero = batch->n_tokens == 8;
    for (int i = 3; i < 8; i++)
        zero = zero && !batch->ids[i] && !batch->position[i];
    check(zero, "padding of a short batch after a long one is 0");
    check(batch->labels && batch->labels[0] == 0, "label 0 is a label");
    bs_packer_begin(packer, 0);
    batch = bs_packer_finish(packer);
    check(batch->n_sequences == 0 && batch->n_tokens == 0, "an empty batch");
}

/* Arrays grow: every number of sequences has room for the offset behind the last. */
static void test_any_number(void) {
    static const int32_t id = 1;
    const struct bs_sequence one = {&id, NULL, 1};
    int wrong = 0;
    for (int32_t n = 1; n < 150; n++) {
        struct bs_packer *packer = NULL;
        wrong += bs_packer_new(&packer, 8, &error) != BS_OK;
        for (int i = 0; i < n; i++)
            wrong += bs_packer_add(packer, &one, i, &error) != BS_OK;
        const struct bs_batch *batch = bs_packer_finish(packer);
        wrong += batch->offset[n] != n || batch->labels[n - 1] != n - 1;
        bs_packer_free(packer);
    }
    check(wrong == 0, "1 to 149 sequences");
}

static void test_bounds(struct bs_packer *packer) {
    static const int32_t id = 1;
    struct bs_sequence none = {&id, NULL, 0}, huge = {&id, NULL, INT32_MAX};
    bs_packer_begin(packer, 0);
    check(bs_packer_add(packer, &none, -1, &error) == BS_RESOURCE, "refuses no ids");
    check(bs_packer_add(packer, &huge, -1, &error) == BS_RESOURCE,
          "refuses 2^31 tokens before looking at them");
}

int main(void) {
    struct bs_packer *packer = NULL;
    check(bs_packer_new(&packer, 8, &error) == BS_OK, "a packer");
    test_contents(packer);
    test_reuse(packer);
    test_any_number();
    test_bounds(packer);
    bs_packer_free(packer);
    check(bs_round_rows(0, 64) == 0 && bs_round_rows(64, 64) == 64 &&
              bs_round_rows(65, 64) == 128,
          "rounds rows");
    return tap_end();
}
