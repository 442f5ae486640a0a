/* Orders sequences and cuts them into batches, from counts and lengths alone. */
#include "batch/plan.h"

#include "common/buffer.h"
#include "common/random.h"

#include <math.h>
#include <stdlib.h>

enum { STREAM_EPOCH = 0x65700001, STREAM_WINDOW = 0x65700002 };

void bs_plan_free(struct bs_plan *plan) {
    free(plan->order);
    free(plan->first);
    *plan = (struct bs_plan){0};
}

/* A plan of all sequences in order, with room for as many batches. */
static int plan_init(struct bs_plan *plan, int64_t n, int64_t n_batches,
                     struct bs_error *error) {
    *plan = (struct bs_plan){.n_sequences = n, .n_batches = n_batches};
    plan->order = bs_alloc((size_t)n + 1, sizeof *plan->order);
    plan->first = bs_alloc((size_t)n_batches + 1, sizeof *plan->first);
    if (!plan->order || !plan->first) {
        bs_plan_free(plan);
        return bs_fail_memory(error, (unsigned long long)n * 8, "the order of batches");
    }
    for (int64_t i = 0; i < n; i++)
        plan->order[i] = i;
    return BS_OK;
}

/* An index with what it is sorted by. */
struct entry {
    int32_t length;
    int64_t place, index;
};

static int longer_first(const void *left, const void *right) {
    const struct entry *a = left, *b = right;
    if (a->length != b->length)
        return a->length > b->length ? -1 : 1;
    return (a->place > b->place) - (a->place < b->place);
}

/* Sorts order[0..n) by length, longest first; equal ones stay as they were. */
static void sort_by_length(int64_t *order, int64_t n, const int32_t *lengths,
                           struct entry *entries) {
    for (int64_t i = 0; i < n; i++)
        entries[i] = (struct entry){lengths[order[i]], i, order[i]};
    qsort(entries, (size_t)n, sizeof *entries, longer_first);
    for (int64_t i = 0; i < n; i++)
        order[i] = entries[i].index;
}

static struct bs_random epoch_random(struct bs_epoch epoch, uint32_t stream) {
    /* The seed keys the generator; each epoch has 2^40 numbers of its own. */
    return (struct bs_random){
        .seed = epoch.seed, .stream = stream, .used = (uint64_t)epoch.epoch << 40};
}

/* Puts the batches of one window, batch_size each, into a random order. `spare` holds
 * the window's sequences and, behind them, the order of its batches. */
static void shuffle_batches(int64_t *order, int64_t n_batches, int64_t batch_size,
                            struct bs_random *random, int64_t *spare) {
    int64_t n = n_batches * batch_size, *batches = spare + n;
    memcpy(spare, order, (size_t)n * sizeof *order);
    for (int64_t i = 0; i < n_batches; i++)
        batches[i] = i;
    bs_random_shuffle(random, batches, (size_t)n_batches);
    for (int64_t i = 0; i < n_batches; i++)
        memcpy(order + i * batch_size, spare + batches[i] * batch_size,
               (size_t)batch_size * sizeof *order);
}

static int sort_windows(struct bs_plan *plan, struct bs_epoch epoch,
                        const int32_t *lengths, struct bs_error *error) {
    int64_t n = plan->n_sequences, size = epoch.batch_size;
    int64_t window = n;
    if (epoch.length_window < n / size)
        window = epoch.length_window * size;
    struct entry *entries = bs_alloc((size_t)window + 1, sizeof *entries);
    int64_t *spare = bs_alloc((size_t)window + 1, 2 * sizeof *spare);
    struct bs_random random = epoch_random(epoch, STREAM_WINDOW);
    for (int64_t i = 0; entries && spare && i < n; i += window) {
        int64_t count = n - i < window ? n - i : window;
        sort_by_length(plan->order + i, count, lengths, entries);
        shuffle_batches(plan->order + i, count / size, size, &random, spare);
    }
    bool done = entries && spare;
    free(entries);
    free(spare);
    return done ? BS_OK
                : bs_fail_memory(error, (unsigned long long)window * 40, "a plan");
}

int bs_plan_epoch(struct bs_plan *plan, struct bs_epoch epoch, const int32_t *lengths,
                  int64_t n, struct bs_error *error) {
    if (epoch.batch_size < 1)
        return bs_fail(error, BS_USAGE, "the batch size must be at least 1");
    int64_t n_batches = n / epoch.batch_size + (n % epoch.batch_size != 0);
    if (plan_init(plan, n, n_batches, error))
        return error->code;
    struct bs_random random = epoch_random(epoch, STREAM_EPOCH);
    bs_random_shuffle(&random, plan->order, (size_t)n);
    if (epoch.length_window > 0 && sort_windows(plan, epoch, lengths, error)) {
        bs_plan_free(plan);
        return error->code;
    }
    for (int64_t k = 0; k < n_batches; k++)
        plan->first[k] = k * epoch.batch_size;
    plan->first[n_batches] = n;
    return BS_OK;
}

/* How many batches make equal rounds for all workers. Half a sequence of each batch, as
 * long as that of most tokens, will find no room. */
static int64_t batches_in_rounds(const int32_t *lengths, int64_t n, int64_t max_tokens,
                                 int64_t workers) {
    double tokens = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) {
        tokens += lengths[i];
        squares += (double)lengths[i] * lengths[i];
    }
    double room = (double)max_tokens - squares / tokens / 2,
           least = (double)max_tokens / 2;
    return (int64_t)ceil(tokens / (room > least ? room : least) / (double)workers) *
           workers;
}

/* Ends batches where they come nearest to an equal share of what is left. */
static void cut_evenly(struct bs_plan *plan, const int32_t *lengths, int64_t max_tokens,
                       int64_t workers) {
    int64_t n = plan->n_sequences, left = 0, tokens = 0, share = 0, batches = 0;
    for (int64_t i = 0; i < n; i++)
        left += lengths[i];
    int64_t wanted = n ? batches_in_rounds(lengths, n, max_tokens, workers) : 0;
    for (int64_t i = 0; i < n; i++) {
        int32_t length = lengths[plan->order[i]];
        if (i == 0 || tokens + length > max_tokens ||
            (workers > 1 && tokens + length / 2 > share)) {
            int64_t others = wanted - batches > 1 ? wanted - batches : 1;
            left -= tokens;
            share = (left + others - 1) / others;
            plan->first[batches++] = i;
            tokens = 0;
        }
        tokens += length;
    }
    plan->n_batches = batches;
    plan->first[batches] = n;
}

int bs_plan_budget(struct bs_plan *plan, const int32_t *lengths, int64_t n,
                   int64_t max_tokens, int64_t workers, struct bs_error *error) {
    struct entry *entries = bs_alloc((size_t)n + 1, sizeof *entries);
    if (!entries)
        return bs_fail_memory(error, (unsigned long long)n * sizeof *entries, "a plan");
    if (plan_init(plan, n, n, error) == BS_OK) {
        sort_by_length(plan->order, n, lengths, entries);
        cut_evenly(plan, lengths, max_tokens, workers);
    }
    free(entries);
    return plan->order ? BS_OK : error->code;
}
