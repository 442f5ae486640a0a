/* Plans: every sequence once, reproducible, cut where promised. */
#include "batch/plan.h"
#include "tap.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { N = 1003 };

static struct bs_error error;
static int32_t lengths[N];

static bool is_permutation(const struct bs_plan *plan) {
    static int seen[N];
    memset(seen, 0, sizeof seen);
    for (int64_t i = 0; i < plan->n_sequences; i++)
        seen[plan->order[i]]++;
    for (int64_t i = 0; i < plan->n_sequences; i++)
        if (seen[i] != 1)
            return false;
    return plan->first[0] == 0 && plan->first[plan->n_batches] == plan->n_sequences;
}

static struct bs_plan epoch_plan(uint64_t seed, int64_t epoch, int64_t window) {
    struct bs_plan plan;
    struct bs_epoch how = {seed, epoch, 8, window};
    if (bs_plan_epoch(&plan, how, lengths, N, &error))
        check(0, "%s", error.text);
    return plan;
}

static bool same_order(struct bs_plan *a, struct bs_plan *b) {
    bool same = memcmp(a->order, b->order, N * sizeof *a->order) == 0;
    bs_plan_free(a);
    bs_plan_free(b);
    return same;
}

static void test_epoch(void) {
    struct bs_plan plan = epoch_plan(1, 0, 0), other;
    check(is_permutation(&plan), "an epoch takes every sequence once");
    check(plan.n_batches == 126 && plan.first[1] == 8 && plan.first[125] == 1000,
          "batches of eight, the last of three");
    other = epoch_plan(1, 0, 0);
    check(same_order(&plan, &other), "the same seed and epoch, the same order");
    plan = epoch_plan(1, 0, 0), other = epoch_plan(1, 1, 0);
    check(!same_order(&plan, &other), "another epoch, another order");
    plan = epoch_plan(1, 0, 0), other = epoch_plan(2, 0, 0);
    check(!same_order(&plan, &other), "another seed, another order");
}

/* Sum over batches of longest length times size: what padding would cost. */
static int64_t padded_tokens(const struct bs_plan *plan) {
    int64_t sum = 0;
    for (int64_t k = 0; k < plan->n_batches; k++) {
        int64_t longest = 0;
        for (int64_t i = plan->first[k]; i < plan->first[k + 1]; i++)
            if (lengths[plan->order[i]] > longest)
                longest = lengths[plan->order[i]];
        sum += longest * (plan->first[k + 1] - plan->first[k]);
    }
    return sum;
}

static bool longest_first(const struct bs_plan *plan) {
    for (int64_t k = 0; k < plan->n_batches; k++)
        for (int64_t i = plan->first[k] + 1; i < plan->first[k + 1]; i++)
            if (lengths[plan->order[i - 1]] < lengths[plan->order[i]])
                return false;
    return true;
}

static void test_window(void) {
    struct bs_plan plain = epoch_plan(1, 0, 0), plan = epoch_plan(1, 0, 10), other;
    int64_t order[80], sorted[80], mixed = 0;
    check(is_permutation(&plan), "length windows take every sequence once");
    check(longest_first(&plan), "every batch is sorted, those of the last window too");
    check(padded_tokens(&plan) * 4 < padded_tokens(&plain) * 3,
          "batches hold like lengths (%d against %d tokens)", (int)padded_tokens(&plan),
          (int)padded_tokens(&plain));
    memcpy(order, plain.order, sizeof order);
    memcpy(sorted, plan.order, sizeof sorted);
    for (int i = 0; i < 80; i++)
        for (int j = 0; j < 80; j++)
            mixed += order[i] == sorted[j];
    check(mixed == 80, "a window of ten batches holds what it held before");
    int falling = 0;
    for (int k = 0; k < 9; k++)
        falling += lengths[sorted[8 * k]] >= lengths[sorted[8 * k + 8]];
    check(falling > 0 && falling < 9, "its batches are in no order of length");
    bs_plan_free(&plain);
    other = epoch_plan(1, 0, 10);
    check(same_order(&plan, &other), "and is reproducible");
    plan = epoch_plan(1, 0, INT64_MAX / 16);
    check(is_permutation(&plan), "a window larger than the data");
    bs_plan_free(&plan);
}

static int64_t batch_tokens(const struct bs_plan *plan, int64_t k) {
    int64_t tokens = 0;
    for (int64_t i = plan->first[k]; i < plan->first[k + 1]; i++)
        tokens += lengths[plan->order[i]];
    return tokens;
}

static void test_budget(void) {
    static const int32_t few[] = {5, 9, 5, 30, 1};
    static const int64_t order[] = {3, 1, 0, 2, 4}, first[] = {0, 1, 3, 5};
    struct bs_plan plan;
    check(bs_plan_budget(&plan, few, 5, 14, 1, &error) == BS_OK, "a budget of 14");
    check(memcmp(plan.order, order, sizeof order) == 0, "longest first, equals by index");
    check(plan.n_batches == 3 && memcmp(plan.first, first, sizeof first) == 0,
          "cut at the budget; one that is longer stands alone");
    bs_plan_free(&plan);
    check(bs_plan_budget(&plan, lengths, N, 512, 1, &error) == BS_OK &&
              is_permutation(&plan),
          "a budget takes every sequence once");
    bs_plan_free(&plan);
    for (int workers = 2; workers < 9; workers++) {
        check(bs_plan_budget(&plan, lengths, N, 512, workers, &error) == BS_OK &&
                  is_permutation(&plan),
              "a budget for %d workers takes every sequence once", workers);
        int64_t least = INT64_MAX, most = 0;
        for (int64_t k = 0; k < plan.n_batches; k++) {
            int64_t tokens = batch_tokens(&plan, k);
            least = tokens < least ? tokens : least;
            most = tokens > most ? tokens : most;
        }
        check(plan.n_batches % workers == 0 && most <= 512 && least > most - 2 * 128,
              "equal rounds for %d: %d batches of %d to %d", workers, (int)plan.n_batches,
              (int)least, (int)most);
        bs_plan_free(&plan);
    }
    check(bs_plan_budget(&plan, lengths, 0, 512, 1, &error) == BS_OK &&
              plan.n_batches == 0,
          "no sequences, no batches");
    bs_plan_free(&plan);
    bs_plan_free(&plan);
}

int main(void) {
    for (int i = 0; i < N; i++)
        lengths[i] = 1 + (i * 7919) % 128;
    test_epoch();
    test_window();
    test_budget();
    struct bs_plan plan;
    check(bs_plan_epoch(&plan, (struct bs_epoch){0}, NULL, 1, &error) == BS_USAGE,
          "refuses a batch size of zero");
    return tap_end();
}
