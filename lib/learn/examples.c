/* Compact training data. */
#include "learn/examples.h"

#include "common/hash.h"
#include "model/model.h"

#include <stdlib.h>

void bs_examples_init(struct bs_examples *examples,
                      const struct bs_model_config *config) {
    *examples = (struct bs_examples){.config = config};
}

void bs_examples_free(struct bs_examples *examples) {
    free(examples->first);
    free(examples->lengths);
    free(examples->labels);
    free(examples->short_ids);
    free(examples->long_ids);
    free(examples->type_ids);
    *examples = (struct bs_examples){.config = examples->config};
}

/* realloc that keeps the old array on failure. */
#define GROW(array, count)                                                               \
    (grow((void **)&(array), (size_t)(count), sizeof *(array), error) == BS_OK)

static int grow(void **array, size_t count, size_t size, struct bs_error *error) {
    void *larger = bs_realloc(*array, count, size);
    if (!larger)
        return bs_fail_memory(error, count * size, "examples");
    *array = larger;
    return BS_OK;
}

static bool is_short(const struct bs_examples *examples) {
    return examples->config->vocab_size <= 65536;
}

static int reserve(struct bs_examples *examples, int64_t more_ids,
                   struct bs_error *error) {
    if (examples->count == examples->capacity) {
        int64_t capacity = examples->capacity ? examples->capacity * 2 : 256;
        if (!GROW(examples->first, capacity + 1) || !GROW(examples->lengths, capacity) ||
            !GROW(examples->labels, capacity))
            return error->code;
        examples->capacity = capacity;
        examples->first[0] = 0;
    }
    int64_t capacity = examples->ids_capacity ? examples->ids_capacity : 4096;
    while (capacity < examples->n_ids + more_ids)
        capacity *= 2;
    if (capacity == examples->ids_capacity)
        return BS_OK;
    if (is_short(examples) ? !GROW(examples->short_ids, capacity)
                           : !GROW(examples->long_ids, capacity))
        return error->code;
    if (examples->type_ids && !GROW(examples->type_ids, capacity))
        return error->code;
    examples->ids_capacity = capacity;
    return BS_OK;
}

static bool has_types(const struct bs_sequence *sequence) {
    for (int64_t i = 0; sequence->type_ids && i < sequence->length; i++)
        if (sequence->type_ids[i])
            return true;
    return false;
}

static int add_types(struct bs_examples *examples, const struct bs_sequence *sequence,
                     struct bs_error *error) {
    if (!examples->type_ids) {
        if (!has_types(sequence))
            return BS_OK;
        examples->type_ids = bs_alloc((size_t)examples->ids_capacity, 1);
        if (!examples->type_ids)
            return bs_fail_memory(error, (size_t)examples->ids_capacity, "type ids");
    }
    uint8_t *to = examples->type_ids + examples->n_ids;
    for (int64_t i = 0; i < sequence->length; i++)
        to[i] = sequence->type_ids ? (uint8_t)sequence->type_ids[i] : 0;
    return BS_OK;
}

int bs_examples_add(struct bs_examples *examples, const struct bs_sequence *sequence,
                    int32_t label, struct bs_error *error) {
    if (bs_model_check_ids(examples->config, sequence, error))
        return error->code;
    for (int64_t i = 0; sequence->type_ids && i < sequence->length; i++)
        if (sequence->type_ids[i] > UINT8_MAX)
            return bs_fail(error, BS_REJECTED, "type id %d is beyond 255",
                           (int)sequence->type_ids[i]);
    if (reserve(examples, sequence->length, error) ||
        add_types(examples, sequence, error))
        return error->code;
    for (int64_t i = 0; i < sequence->length; i++) {
        if (examples->short_ids)
            examples->short_ids[examples->n_ids + i] = (uint16_t)sequence->ids[i];
        else
            examples->long_ids[examples->n_ids + i] = sequence->ids[i];
    }
    examples->n_ids += sequence->length;
    examples->lengths[examples->count] = (int32_t)sequence->length;
    examples->labels[examples->count] = label;
    examples->first[++examples->count] = examples->n_ids;
    return BS_OK;
}

void bs_examples_relabel(struct bs_examples *examples, const int32_t *moved) {
    for (int64_t i = 0; i < examples->count; i++)
        examples->labels[i] = moved[examples->labels[i]];
}

int bs_examples_get(const struct bs_examples *examples, int64_t index,
                    struct bs_example_scratch *scratch, struct bs_sequence *sequence,
                    struct bs_error *error) {
    size_t length = (size_t)examples->lengths[index];
    int64_t first = examples->first[index];
    scratch->ids.count = scratch->type_ids.count = 0;
    if (!bs_ids_reserve(&scratch->ids, length) ||
        !bs_ids_reserve(&scratch->type_ids, length))
        return bs_fail_memory(error, length * sizeof(int32_t), "an example");
    for (size_t i = 0; i < length; i++) {
        scratch->ids.values[i] = examples->short_ids
                                     ? examples->short_ids[first + (int64_t)i]
                                     : examples->long_ids[first + (int64_t)i];
        if (examples->type_ids)
            scratch->type_ids.values[i] = examples->type_ids[first + (int64_t)i];
    }
    *sequence = (struct bs_sequence){
        .ids = scratch->ids.values,
        .type_ids = examples->type_ids ? scratch->type_ids.values : NULL,
        .length = (int64_t)length};
    return BS_OK;
}

void bs_example_scratch_free(struct bs_example_scratch *scratch) {
    bs_ids_free(&scratch->ids);
    bs_ids_free(&scratch->type_ids);
}

/* SHA-256 is fed little-endian numbers, so that digests do not depend on the machine. */
static void hash_number(struct bs_sha256 *sha, uint64_t number) {
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(number >> (8 * i));
    bs_sha256_add(sha, bytes, sizeof bytes);
}

static void hash_ids(struct bs_sha256 *sha, const int32_t *ids, int64_t length) {
    uint8_t bytes[4 * 256];
    for (int64_t i = 0; i < length; i += 256) {
        int64_t n = length - i < 256 ? length - i : 256;
        for (int64_t j = 0; j < n; j++)
            for (int byte = 0; byte < 4; byte++)
                bytes[4 * j + byte] = (uint8_t)((uint32_t)ids[i + j] >> (8 * byte));
        bs_sha256_add(sha, bytes, 4 * (size_t)n);
    }
}

/* Types are left out where all are zero: a stored array of zeros says nothing. */
static void hash_sequence(struct bs_sha256 *sha, const struct bs_sequence *sequence) {
    bool types = has_types(sequence);
    hash_number(sha, (uint64_t)sequence->length * 2 + types);
    hash_ids(sha, sequence->ids, sequence->length);
    if (types)
        hash_ids(sha, sequence->type_ids, sequence->length);
}

/* In [0, 1), from the example itself and the seed. */
static double place_in_split(const struct bs_sequence *sequence, uint64_t seed) {
    struct bs_sha256 sha;
    uint8_t digest[32];
    uint64_t number = 0;
    bs_sha256_begin(&sha);
    hash_number(&sha, seed);
    hash_sequence(&sha, sequence);
    bs_sha256_end(&sha, digest);
    for (int i = 0; i < 8; i++)
        number = number << 8 | digest[i];
    return (double)(number >> 11) * 0x1p-53;
}

/* In place: what is kept moves forward, never past what has not been looked at yet. */
int bs_examples_split(struct bs_examples *examples, double fraction, uint64_t seed,
                      struct bs_examples *held_back, struct bs_error *error) {
    struct bs_example_scratch scratch = {0};
    int64_t count = examples->count;
    int code = BS_OK;
    examples->count = examples->n_ids = 0;
    for (int64_t i = 0; i < count && !code; i++) {
        struct bs_sequence sequence = {0};
        code = bs_examples_get(examples, i, &scratch, &sequence, error);
        if (code)
            break;
        bool back = place_in_split(&sequence, seed) < fraction;
        code = bs_examples_add(back ? held_back : examples, &sequence,
                               examples->labels[i], error);
    }
    bs_example_scratch_free(&scratch);
    return code;
}

void bs_examples_count(const struct bs_examples *examples, int64_t *counts,
                       int64_t n_labels) {
    memset(counts, 0, (size_t)n_labels * sizeof *counts);
    for (int64_t i = 0; i < examples->count; i++)
        counts[examples->labels[i]]++;
}

int bs_examples_digest(const struct bs_examples *examples, char hex[65],
                       struct bs_error *error) {
    struct bs_example_scratch scratch = {0};
    struct bs_sha256 sha;
    int code = BS_OK;
    bs_sha256_begin(&sha);
    hash_number(&sha, (uint64_t)examples->count);
    for (int64_t i = 0; i < examples->count && !code; i++) {
        struct bs_sequence sequence = {0};
        code = bs_examples_get(examples, i, &scratch, &sequence, error);
        if (!code) {
            hash_sequence(&sha, &sequence);
            hash_number(&sha, (uint64_t)examples->labels[i]);
        }
    }
    bs_example_scratch_free(&scratch);
    bs_sha256_end_hex(&sha, hex);
    return code;
}

int64_t bs_examples_longest(const struct bs_examples *examples) {
    int64_t longest = 1;
    for (int64_t i = 0; i < examples->count; i++)
        if (examples->lengths[i] > longest)
            longest = examples->lengths[i];
    return longest;
}

int bs_examples_most_tokens(const struct bs_examples *examples, int64_t n,
                            int64_t *tokens, struct bs_error *error) {
    /* Counting sort, from the longest down. */
    int64_t longest = bs_examples_longest(examples);
    int64_t *counts = bs_alloc((size_t)longest + 1, sizeof *counts);
    if (!counts)
        return bs_fail_memory(error, (size_t)longest * sizeof *counts, "lengths");
    for (int64_t i = 0; i < examples->count; i++)
        counts[examples->lengths[i]]++;
    *tokens = 0;
    for (int64_t length = longest; length > 0 && n > 0; length--) {
        int64_t taken = counts[length] < n ? counts[length] : n;
        *tokens += taken * length;
        n -= taken;
    }
    free(counts);
    return BS_OK;
}

int64_t bs_examples_memory(const struct bs_examples *examples) {
    int64_t per_id = (is_short(examples) ? 2 : 4) + (examples->type_ids ? 1 : 0);
    return examples->n_ids * per_id + examples->count * 16;
}
