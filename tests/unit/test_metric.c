/* Metrics by hand-made numbers; scikit-learn's are compared in tests/cli/eval.bats. */
#include "metric/interval.h"
#include "metric/metric.h"
#include "metric/name_table.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>

static bool near(double a, double b, double tolerance) {
    return fabs(a - b) <= tolerance;
}

static void test_wilson(void) {
    struct bs_interval most = bs_wilson(8, 10), none = bs_wilson(0, 20),
                       all = bs_wilson(20, 20);
    check(near(most.low, 0.4901625, 1e-7) && near(most.high, 0.9433178, 1e-7),
          "Wilson: 8 of 10 is %.7f to %.7f", most.low, most.high);
    check(none.low == 0 && near(none.high, 0.1611252, 1e-7), "Wilson: 0 of 20");
    check(near(all.low, 0.8388748, 1e-7) && all.high == 1, "Wilson: 20 of 20");
}

/* The mean of n losses has a standard error of s / sqrt(n). */
static void test_bootstrap(void) {
    enum { N = 400 };
    static struct bs_scored records[N];
    double sum = 0, squares = 0;
    for (int i = 0; i < N; i++) {
        double p = 0.05 + 0.9 * (i + 0.5) / N;
        records[i] = (struct bs_scored){i % 2, i % 2, p, p, NAN};
        sum -= log(p);
        squares += log(p) * log(p);
    }
    struct bs_measure measure = {
        .records = records, .n_records = N, .n_classes = 2, .log_loss = true};
    struct bs_interval first[BS_SCORE_CLASSES], again[BS_SCORE_CLASSES],
        other[BS_SCORE_CLASSES];
    struct bs_error error;
    bool begun = bs_measure_begin(&measure);
    check(begun && !bs_bootstrap(&measure, BS_SCORE_CLASSES, 2000, 1, first, &error) &&
              !bs_bootstrap(&measure, BS_SCORE_CLASSES, 2000, 1, again, &error) &&
              !bs_bootstrap(&measure, BS_SCORE_CLASSES, 2000, 2, other, &error),
          "three bootstraps");
    double mean = sum / N, half = 1.96 * sqrt((squares / N - mean * mean) / N);
    struct bs_interval loss = first[BS_SCORE_LOG_LOSS];
    check(near(loss.low, mean - half, half / 8) && near(loss.high, mean + half, half / 8),
          "log loss %.4f is within %.4f of its mean: %.4f to %.4f", mean, half, loss.low,
          loss.high);
    check(first[BS_SCORE_LOG_LOSS].low == again[BS_SCORE_LOG_LOSS].low &&
              first[BS_SCORE_LOG_LOSS].high == again[BS_SCORE_LOG_LOSS].high,
          "the same seed gives the same interval");
    check(first[BS_SCORE_LOG_LOSS].low != other[BS_SCORE_LOG_LOSS].low,
          "another seed gives another");
    check(first[BS_SCORE_ACCURACY].low == 1 && first[BS_SCORE_ACCURACY].high == 1,
          "what does not vary has a narrow interval");
    check(isnan(first[BS_SCORE_AUC].low), "what is not asked for has none");
    bs_measure_end(&measure);
}

/* Every score of a set that has its records several times. */
static void test_weights(void) {
    enum { N = 7, N_VALUES = BS_SCORE_CLASSES + 3 * 2 };
    static const uint32_t weights[N] = {2, 0, 3, 2, 1, 4, 1};
    struct bs_scored some[N], all[13];
    double weighted[N_VALUES], written_out[N_VALUES];
    size_t n = 0;
    for (int i = 0; i < N; i++) {
        double p = 0.1 + 0.12 * i;
        int gold = i == 3 ? -1 : i % 2, predicted = i == 2 || i == 3 ? -1 : i / 2 % 2;
        some[i] = (struct bs_scored){gold, predicted, p, p, p};
        for (uint32_t k = 0; k < weights[i]; k++)
            all[n++] = some[i];
    }
    struct bs_measure few = {.records = some, .n_records = N, .n_classes = 2},
                      many = {.records = all, .n_records = n, .n_classes = 2};
    few.log_loss = few.two_classes = many.log_loss = many.two_classes = true;
    check(bs_measure_begin(&few) && bs_measure_begin(&many), "%zu records", n);
    bs_measure_run(&few, weights, weighted);
    bs_measure_run(&many, NULL, written_out);
    for (int i = 0; i < N_VALUES; i++)
        check(near(weighted[i], written_out[i], 1e-12) && !isnan(weighted[i]),
              "score %d of weighted records: %.6f", i, weighted[i]);
    bs_measure_end(&few);
    bs_measure_end(&many);
}

static void add(struct bs_metrics *metrics, const char *gold, const char *predicted,
                double probability) {
    struct bs_error error;
    struct bs_prediction prediction = {.label = bs_span_of(predicted),
                                       .probability = probability};
    if (!*predicted)
        prediction.outcome = BS_PREDICTION_REJECTED;
    if (bs_metrics_add(metrics, bs_span_of(gold), &prediction, &error))
        abort();
}

static double value(const struct bs_metric_table *table, const char *name) {
    const struct bs_metric *metric = bs_metric_find(table, bs_span_of(name));
    return metric ? metric->value : NAN;
}

static void test_table(void) {
    struct bs_metrics *metrics = NULL;
    struct bs_metric_options options = {.resamples = 50, .seed = 1, .confusion = true};
    struct bs_metric_table table;
    struct bs_error error;
    if (bs_metrics_new(&metrics, &error))
        abort();
    check(bs_metrics_score(metrics, &options, &table, &error) == BS_DATA,
          "nothing cannot be scored");
    add(metrics, "yes", "yes", 0.9);
    add(metrics, "yes", "no", 0.6);
    add(metrics, "no", "no", 0.8);
    add(metrics, "no", "", NAN);
    check(bs_metrics_count(metrics) == 4, "four records");
    if (bs_metrics_score(metrics, &options, &table, &error))
        abort();
    check(value(&table, "accuracy") == 0.5, "a rejected record is wrong");
    check(near(value(&table, "f1:no"), 0.5, 0) &&
              near(value(&table, "recall:no"), 0.5, 0),
          "and misses in its class");
    check(value(&table, "rejected") == 1 && value(&table, "abstained") == 0,
          "rejected records are counted");
    check(near(value(&table, "log_loss"), -(log(0.9) + log(0.4) + log(0.8)) / 3, 1e-12),
          "log loss from the probability of the predicted label");
    check(value(&table, "roc_auc") == 1, "0.4 and 0.9 are above 0.2");
    /* bins 14, 9 and 12: one record each */
    check(near(value(&table, "expected_calibration_error"), (0.1 + 0.6 + 0.2) / 3, 1e-12),
          "calibration error");
    check(value(&table, "confusion:yes:no") == 1 &&
              value(&table, "confusion:no:yes") == 0,
          "confusion");
    check(isnan(value(&table, "f1:maybe")), "an unknown metric is not found");
    bs_metric_table_free(&table);
    bs_metrics_free(metrics);
}

static void test_refusals(void) {
    struct bs_metrics *metrics = NULL;
    struct bs_error error;
    struct bs_prediction prediction = {.label = bs_span_of("a"), .probability = 1.5};
    if (bs_metrics_new(&metrics, &error))
        abort();
    check(bs_metrics_add(metrics, bs_span_of("a"), &prediction, &error) == BS_DATA,
          "a probability of 1.5 is refused");
    prediction.probability = NAN;
    check(bs_metrics_add(metrics, bs_span("a\0b", 3), &prediction, &error) == BS_DATA,
          "a zero byte in a label is refused");
    check(bs_metrics_add(metrics, bs_span_of(""), &prediction, &error) == BS_DATA,
          "a prediction without a gold label is refused");
    check(bs_metrics_count(metrics) == 0, "what was refused does not count");
    bs_metrics_free(metrics);
}

static void test_names(void) {
    struct bs_name_table table = {0};
    int32_t places[1000], wrong = 0;
    char name[16];
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "n%03d", 999 - i);
        wrong += bs_name_number(&table, bs_span_of(name)) != i;
    }
    check(!wrong, "1,000 names are numbered in order");
    check(bs_name_table_sort(&table, places) && places[0] == 999 && places[999] == 0,
          "and sorted");
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "n%03d", i);
        wrong += bs_name_number(&table, bs_span_of(name)) != i;
    }
    check(!wrong && table.count == 1000, "and found again");
    bs_name_table_free(&table);
}

int main(void) {
    test_wilson();
    test_bootstrap();
    test_weights();
    test_table();
    test_refusals();
    test_names();
    return tap_end();
}
