/* Metrics by hand-made numbers; scikit-learn's are compared in tests/cli/eval.bats. */
#include "metric/interval.h"
#include "metric/metric.h"
#include "metric/name_table.h"
#include "metric/probabilities.h"
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

static int bootstrap(struct bs_measure *measure, int resamples, uint64_t seed,
                     struct bs_interval *intervals) {
    struct bs_metric_options options = {.resamples = resamples, .seed = seed};
    struct bs_error error;
    return bs_bootstrap(measure, BS_SCORE_CLASSES, &options, intervals, &error);
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
    bool begun = bs_measure_begin(&measure);
    check(begun && !bootstrap(&measure, 2000, 1, first) &&
              !bootstrap(&measure, 2000, 1, again) &&
              !bootstrap(&measure, 2000, 2, other),
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

static int times_asked;

static int stop_at_third(void) {
    return ++times_asked >= 3;
}

static void test_stop(void) {
    struct bs_scored record = {0, 0, NAN, NAN, NAN};
    struct bs_measure measure = {.records = &record, .n_records = 1, .n_classes = 1};
    struct bs_metric_options options = {.resamples = 1000000, .stop = stop_at_third};
    struct bs_interval intervals[BS_SCORE_CLASSES];
    struct bs_error error;
    check(bs_measure_begin(&measure) &&
              bs_bootstrap(&measure, BS_SCORE_CLASSES, &options, intervals, &error) ==
                  BS_INTERRUPTED &&
              times_asked < 10,
          "a bootstrap that is told to stop does");
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

/* With two resamples the interval lies 2.5 % within them, and one of the two is what a
 * single resample gives. */
static void test_percentiles(void) {
    struct bs_scored records[9];
    for (int i = 0; i < 9; i++)
        records[i] = (struct bs_scored){0, 0, 0.5, 0.1 + i * 0.1, NAN};
    struct bs_measure measure = {
        .records = records, .n_records = 9, .n_classes = 1, .log_loss = true};
    struct bs_interval one[BS_SCORE_CLASSES], two[BS_SCORE_CLASSES];
    if (!bs_measure_begin(&measure) || bootstrap(&measure, 1, 5, one) ||
        bootstrap(&measure, 2, 5, two))
        abort();
    double value = one[BS_SCORE_LOG_LOSS].low;
    struct bs_interval both = two[BS_SCORE_LOG_LOSS];
    double outside = (both.high - both.low) / 0.95 * 0.025;
    check(value == one[BS_SCORE_LOG_LOSS].high && both.high > both.low,
          "one resample, then two");
    check(near(value, both.low - outside, 1e-12) ||
              near(value, both.high + outside, 1e-12),
          "the percentiles lie between the resamples");
    bs_measure_end(&measure);
}

/* Resamples without a positive record have no area; they do not count. */
static void test_undefined(void) {
    struct bs_scored records[] = {{0, 0, NAN, NAN, 0.1},
                                  {0, 0, NAN, NAN, 0.2},
                                  {0, 0, NAN, NAN, 0.3},
                                  {1, 1, NAN, NAN, 0.9}};
    struct bs_measure measure = {
        .records = records, .n_records = 4, .n_classes = 2, .two_classes = true};
    struct bs_interval intervals[BS_SCORE_CLASSES];
    bool good = bs_measure_begin(&measure);
    for (uint64_t seed = 0; seed < 20 && good; seed++)
        good = !bootstrap(&measure, 100, seed, intervals) &&
               intervals[BS_SCORE_AUC].low == 1 && intervals[BS_SCORE_AUC].high == 1;
    check(good, "what some resamples leave undefined is of the others");
    bs_measure_end(&measure);
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

static void add_named(struct bs_metrics *metrics, const char *gold, const char *predicted,
                      size_t n, const char *const *names, const double *probabilities) {
    struct bs_error error;
    struct bs_prediction prediction = {.label = bs_span_of(predicted),
                                       .probability = NAN,
                                       .names = names,
                                       .probabilities = probabilities,
                                       .n_probabilities = n};
    if (bs_metrics_add(metrics, bs_span_of(gold), &prediction, &error))
        abort();
}

static struct bs_metrics *begin(void) {
    struct bs_metrics *metrics = NULL;
    struct bs_error error;
    if (bs_metrics_new(&metrics, &error))
        abort();
    return metrics;
}

/* Scores without a bootstrap, and frees `metrics`. */
static struct bs_metric_table score(struct bs_metrics *metrics) {
    struct bs_metric_options options = {0};
    struct bs_metric_table table;
    struct bs_error error;
    if (bs_metrics_score(metrics, &options, &table, &error))
        abort();
    bs_metrics_free(metrics);
    return table;
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

/* A record without a prediction: 3 of 4 have one, 2 of 4 are right. */
static void test_missing(void) {
    struct bs_metrics *metrics = begin();
    add(metrics, "yes", "yes", 1);
    add(metrics, "no", "yes", NAN);
    add(metrics, "no", "no", 0);
    add(metrics, "", "", NAN);
    struct bs_metric_table table = score(metrics);
    /* classes no, yes and none: g 2, 1, 1; p 1, 2, 1 */
    check(near(value(&table, "matthews_correlation"), (4 * 2 - 5) / 10.0, 1e-12),
          "Matthews: none is a class");
    struct bs_interval recall = bs_wilson(2, 3), precision = bs_wilson(2, 3);
    check(near(value(&table, "micro_recall:low"), recall.low, 1e-12) &&
              near(value(&table, "micro_precision:low"), precision.low, 1e-12),
          "micro averages over what is known");
    check(!table.no_probabilities && table.n_without == 1, "one without a probability");
    bs_metric_table_free(&table);
    metrics = begin();
    add(metrics, "a", "a", NAN);
    add(metrics, "b", "a", NAN);
    add(metrics, "b", "", NAN);
    table = score(metrics);
    check(near(value(&table, "micro_recall:high"), bs_wilson(1, 3).high, 1e-12) &&
              near(value(&table, "micro_precision:high"), bs_wilson(1, 2).high, 1e-12),
          "recall is over the gold labels, precision over the predictions");
    check(value(&table, "precision:b") == 0 && isnan(value(&table, "precision:b:low")) &&
              !isnan(value(&table, "recall:b:low")),
          "a class that was never predicted has no interval of precision");
    check(table.no_probabilities && table.n_without == 0, "no probabilities at all");
    bs_metric_table_free(&table);
    metrics = begin();
    add(metrics, "a", "a", 1);
    table = score(metrics);
    check(value(&table, "matthews_correlation") == 0, "Matthews of one class is 0");
    bs_metric_table_free(&table);
}

static void test_named_probabilities(void) {
    static const char *const three[] = {"a", "b", "c"}, *const no[] = {"no"},
                             *const yes[] = {"yes"};
    static const double spread[] = {0.5, 0.3, 0.2}, sure[] = {0.8};
    struct bs_metrics *metrics = begin();
    add_named(metrics, "a", "a", 3, three, spread);
    add_named(metrics, "b", "a", 3, three, spread);
    struct bs_metric_table table = score(metrics);
    check(near(value(&table, "log_loss"), -(log(0.5) + log(0.3)) / 2, 1e-12) &&
              isnan(value(&table, "roc_auc")),
          "of three labels two are seen: no area under a curve");
    bs_metric_table_free(&table);
    metrics = begin();
    add_named(metrics, "no", "no", 1, no, sure);
    add_named(metrics, "yes", "yes", 1, yes, sure);
    table = score(metrics);
    check(value(&table, "roc_auc") == 1, "one name each: what is left is the other's");
    bs_metric_table_free(&table);
    metrics = begin();
    add_named(metrics, "no", "no", 1, no, sure);
    add_named(metrics, "yes", "no", 1, no, sure);
    table = score(metrics);
    check(near(value(&table, "log_loss"), -(log(0.8) + log(0.2)) / 2, 1e-12),
          "for log loss too");
    bs_metric_table_free(&table);
    metrics = begin();
    add_named(metrics, "yes", "no", 1, yes, sure);
    add_named(metrics, "no", "no", 0, no, sure);
    table = score(metrics);
    check(table.no_probabilities && isnan(value(&table, "log_loss")),
          "but what was predicted needs a probability");
    bs_metric_table_free(&table);
}

/* A gold label that the model does not know is a third label. */
static void test_foreign_gold(void) {
    static const char *const model[] = {"negative", "positive"};
    static const double sure[] = {0.1, 0.9}, unsure[] = {0.4, 0.6};
    struct bs_metrics *metrics = begin();
    add_named(metrics, "zzz", "positive", 2, model, sure);
    add_named(metrics, "positive", "positive", 2, model, unsure);
    struct bs_metric_table table = score(metrics);
    check(isnan(value(&table, "roc_auc")), "two classes, three labels: no area");
    check(near(value(&table, "log_loss"), -(log(0x1p-52) + log(0.6)) / 2, 1e-12),
          "what is not among the probabilities has none");
    bs_metric_table_free(&table);
    metrics = begin();
    add(metrics, "zzz", "positive", 0.9);
    add(metrics, "positive", "positive", 0.6);
    table = score(metrics);
    check(value(&table, "roc_auc") == 0, "two labels, as far as is known: 0.1 and 0.4");
    check(near(value(&table, "log_loss"), -(log(0.1) + log(0.6)) / 2, 1e-12),
          "each has what the other one lacks");
    bs_metric_table_free(&table);
    metrics = begin();
    add(metrics, "zzz", "positive", 0.9);
    add_named(metrics, "positive", "positive", 2, model, unsure);
    table = score(metrics);
    check(isnan(value(&table, "roc_auc")) && table.no_log_loss,
          "one record that knows of a third is enough");
    bs_metric_table_free(&table);
}

/* No two metrics have one name, whatever labels there are. */
static void test_metric_names(void) {
    static const char *const labels[] = {"a",   "a:low", "a:b",  "b:c", "c",
                                         "a\\", "a\\:b", "\\:b", "low", "t\tt"};
    enum { N = sizeof labels / sizeof *labels };
    struct bs_metrics *metrics = begin();
    struct bs_metric_options options = {.resamples = 2, .confusion = true};
    struct bs_metric_table table;
    struct bs_error error;
    for (int i = 0; i < N; i++)
        add(metrics, labels[i], labels[(i + i / 3) % N], NAN);
    if (bs_metrics_score(metrics, &options, &table, &error))
        abort();
    int twice = 0;
    for (size_t i = 0; i < table.count; i++)
        twice += bs_metric_find(&table, bs_span_of(table.metrics[i].name)) !=
                 &table.metrics[i];
    check(!twice, "each of %zu metrics is found by its name, but for %d", table.count,
          twice);
    check(value(&table, "support:a\\:low") == 1 &&
              isnan(value(&table, "support:a:low")) &&
              value(&table, "confusion:a:a") == 1 &&
              value(&table, "confusion:t\\tt:a\\:b") == 1,
          "a colon in a label is escaped, as is a tab");
    bs_metric_table_free(&table);
    bs_metrics_free(metrics);
}

static void test_probabilities(void) {
    const float far[] = {-1000, 1000, 999}, equal[] = {2, 2, 2};
    double p[3];
    char text[32];
    check(bs_label_probabilities(far, 3, p) == 1 && p[0] == 0 &&
              near(p[1], 0.7310585786, 1e-9) && near(p[2], 0.2689414214, 1e-9),
          "large logits");
    snprintf(text, sizeof text, "%.17g", p[1]);
    check(p[1] == 0.731058579, "nine digits: %s", text);
    check(bs_label_probabilities(equal, 3, p) == 0, "the first of equals");
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
    static const char *const names[] = {"a", "b"}, *const twice[] = {"a", "a"};
    static const double spread[] = {0.1, 0.9};
    prediction.names = names;
    prediction.probabilities = spread;
    prediction.n_probabilities = 2;
    prediction.probability = 0.9;
    check(bs_metrics_add(metrics, bs_span_of("a"), &prediction, &error) == BS_DATA,
          "two probabilities of the predicted label are refused: %s", error.text);
    prediction.probability = 0.100002;
    check(bs_metrics_add(metrics, bs_span_of("a"), &prediction, &error) == BS_DATA,
          "also near to each other");
    prediction.probability = NAN;
    prediction.names = twice;
    check(bs_metrics_add(metrics, bs_span_of("a"), &prediction, &error) == BS_DATA,
          "a label with two probabilities is refused: %s", error.text);
    check(bs_metrics_count(metrics) == 0, "what was refused does not count");
    prediction.names = names;
    prediction.probability = 0.1F;
    check(!bs_metrics_add(metrics, bs_span_of("a"), &prediction, &error),
          "a float is as good as a double");
    prediction.probability = 0.1000005;
    check(!bs_metrics_add(metrics, bs_span_of("a"), &prediction, &error),
          "and six digits are enough");
    prediction.n_probabilities = 0;
    prediction.names = NULL;
    prediction.probability = 1;
    check(!bs_metrics_add(metrics, bs_span_of("a"), &prediction, &error), "1 is none");
    prediction.probability = 0;
    check(!bs_metrics_add(metrics, bs_span_of("a"), &prediction, &error), "nor is 0");
    bs_metrics_free(metrics);
}

/* The i-th name that comes is the place-th in order. */
static int place(int i) {
    return i * 389 % 1000;
}

static void test_names(void) {
    struct bs_name_table table = {0};
    int32_t places[1000], wrong = 0;
    char name[16];
    for (int again = 0; again < 2; again++)
        for (int i = 0; i < 1000; i++) {
            snprintf(name, sizeof name, "n%03d", place(i));
            wrong += bs_name_number(&table, bs_span_of(name)) != i;
        }
    check(!wrong, "1,000 names are numbered in order, and keep their numbers");
    wrong = !bs_name_table_sort(&table, places);
    for (int i = 0; i < 1000; i++)
        wrong += places[i] != place(i);
    check(!wrong, "and sorted");
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "n%03d", i);
        wrong += bs_name_number(&table, bs_span_of(name)) != i;
    }
    check(!wrong && table.count == 1000, "and found again");
    bs_name_table_free(&table);
    for (int round = 0; round < 300; round++) {
        for (int i = 0; i < 16; i++) {
            snprintf(name, sizeof name, "%d.%d", round, i);
            wrong += bs_name_number(&table, bs_span_of(name)) != i;
        }
        bs_name_table_free(&table);
    }
    check(!wrong, "wherever in a small table they fall");
}

int main(void) {
    test_wilson();
    test_bootstrap();
    test_stop();
    test_weights();
    test_percentiles();
    test_undefined();
    test_table();
    test_missing();
    test_named_probabilities();
    test_foreign_gold();
    test_metric_names();
    test_probabilities();
    test_refusals();
    test_names();
    return tap_end();
}
