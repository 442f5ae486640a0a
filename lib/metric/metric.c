/* Collecting records, and the table of scores by name. */
#include "metric/metric.h"

#include "common/number.h"
#include "metric/interval.h"
#include "metric/name_table.h"

#include <math.h>
#include <stdlib.h>

enum { MOST_CLASSES = 1000 };

/* One probability, written twice, may be a float there and a double here, or cut to the
 * six digits of a report. */
static const double rounding = 1e-6;

static const char *const score_names[BS_SCORE_CLASSES + 1] = {
    "accuracy",
    "macro_f1",
    "macro_precision",
    "macro_recall",
    "weighted_f1",
    "weighted_precision",
    "weighted_recall",
    "micro_f1",
    "micro_precision",
    "micro_recall",
    "matthews_correlation",
    "log_loss",
    "expected_calibration_error",
    "roc_auc",
    NULL};

struct bs_metrics {
    struct bs_name_table names;
    struct bs_scored *records;
    size_t count, capacity;
    int64_t abstained, rejected;
    struct bs_name_table known; /* classes and names of probabilities: at least three, if
                                   there are more than two */
};

int bs_metrics_new(struct bs_metrics **metrics, struct bs_error *error) {
    *metrics = bs_alloc(1, sizeof **metrics);
    return *metrics ? BS_OK : bs_fail_memory(error, sizeof **metrics, "metrics");
}

void bs_metrics_free(struct bs_metrics *metrics) {
    if (!metrics)
        return;
    bs_name_table_free(&metrics->names);
    bs_name_table_free(&metrics->known);
    free(metrics->records);
    free(metrics);
}

int64_t bs_metrics_count(const struct bs_metrics *metrics) {
    return (int64_t)metrics->count;
}

/* ---- collecting -------------------------------------------------------------------- */

/* Before any name is taken down: what is refused must leave no class behind. */
static int check_names(struct bs_span gold, const struct bs_prediction *prediction,
                       struct bs_error *error) {
    struct bs_span label = prediction->label;
    bool predicted = prediction->outcome == BS_PREDICTED;
    if (predicted && (gold.size == 0 || label.size == 0))
        return bs_fail(error, BS_DATA, "a prediction needs a gold label");
    if ((gold.size && memchr(gold.data, '\0', gold.size)) ||
        (predicted && memchr(label.data, '\0', label.size)))
        return bs_fail(error, BS_DATA, "a label holds a zero byte");
    return BS_OK;
}

static int check_probability(double probability, struct bs_error *error) {
    char text[32];
    if (probability >= 0 && probability <= 1)
        return BS_OK;
    bs_format_real(probability, text);
    return bs_fail(error, BS_DATA, "a probability must be from 0 to 1, not %s", text);
}

static int check_twice(const struct bs_prediction *prediction, struct bs_error *error) {
    struct bs_name_table seen = {0};
    int code = BS_OK;
    for (size_t i = 0; !code && i < prediction->n_probabilities; i++) {
        const char *name = prediction->names[i];
        int32_t number = bs_name_number(&seen, bs_span_of(name));
        if (number < 0)
            code = bs_fail_memory(error, strlen(name), "labels");
        else if (number < (int32_t)i)
            code = bs_fail(error, BS_DATA, "\"probabilities\" has label \"%.60s\" twice",
                           name);
    }
    bs_name_table_free(&seen);
    return code;
}

/* From probabilities by name. A label that is not among several has probability 0. */
static int take_probabilities(struct bs_span gold, const struct bs_prediction *prediction,
                              struct bs_scored *record, struct bs_error *error) {
    size_t n = prediction->n_probabilities;
    const char *last = NULL;
    record->gold_probability = record->confidence = n > 1 ? 0 : NAN;
    for (size_t i = 0; i < n; i++) {
        const char *name = prediction->names[i];
        double probability = prediction->probabilities[i];
        if (check_probability(probability, error))
            return error->code;
        if (bs_span_is(gold, name))
            record->gold_probability = probability;
        if (bs_span_is(prediction->label, name))
            record->confidence = probability;
        if (!last || strcmp(name, last) > 0) {
            last = name;
            record->positive = probability;
        }
    }
    if (n != 2)
        record->positive = NAN;
    if (fabs(record->confidence - prediction->probability) > rounding)
        return bs_fail(error, BS_DATA,
                       "\"probability\" is %.9g, but \"probabilities\" has %.9g for the "
                       "predicted label",
                       prediction->probability, record->confidence);
    return check_twice(prediction, error);
}

static bool note_label(struct bs_metrics *metrics, struct bs_span label) {
    return metrics->known.count > 2 || bs_name_number(&metrics->known, label) >= 0;
}

static bool note_labels(struct bs_metrics *metrics, struct bs_span gold,
                        const struct bs_prediction *prediction) {
    bool predicted = prediction->outcome == BS_PREDICTED;
    bool done = (!gold.size || note_label(metrics, gold)) &&
                (!predicted || note_label(metrics, prediction->label));
    for (size_t i = 0; done && predicted && i < prediction->n_probabilities; i++)
        done = note_label(metrics, bs_span_of(prediction->names[i]));
    return done;
}

static bool make_room(struct bs_metrics *metrics) {
    if (metrics->count < metrics->capacity)
        return true;
    size_t capacity = metrics->capacity * 2 + 256;
    struct bs_scored *records = bs_realloc(metrics->records, capacity, sizeof *records);
    if (!records)
        return false;
    metrics->records = records;
    metrics->capacity = capacity;
    return true;
}

int bs_metrics_add(struct bs_metrics *metrics, struct bs_span gold,
                   const struct bs_prediction *prediction, struct bs_error *error) {
    struct bs_scored record = {-1, -1, NAN, NAN, NAN};
    bool predicted = prediction->outcome == BS_PREDICTED;
    if (check_names(gold, prediction, error))
        return error->code;
    if (!make_room(metrics))
        return bs_fail_memory(error, metrics->capacity * sizeof record, "metrics");
    bool known = predicted && !isnan(prediction->probability);
    if (known && check_probability(prediction->probability, error))
        return error->code;
    if (predicted && prediction->names) {
        if (take_probabilities(gold, prediction, &record, error))
            return error->code;
    }
    if (known)
        record.confidence = prediction->probability;
    if (gold.size)
        record.gold = bs_name_number(&metrics->names, gold);
    if (predicted)
        record.predicted = bs_name_number(&metrics->names, prediction->label);
    if ((gold.size && record.gold < 0) || (predicted && record.predicted < 0) ||
        !note_labels(metrics, gold, prediction))
        return bs_fail_memory(error, gold.size + prediction->label.size, "labels");
    metrics->abstained += prediction->outcome == BS_ABSTAINED;
    metrics->rejected += prediction->outcome == BS_PREDICTION_REJECTED;
    metrics->records[metrics->count++] = record;
    return BS_OK;
}

/* ---- before scoring ---------------------------------------------------------------- */

/* Classes in the order of their bytes. */
static int sort_classes(struct bs_metrics *metrics, struct bs_error *error) {
    int32_t *places = bs_alloc(metrics->names.count, sizeof *places);
    if (!places || !bs_name_table_sort(&metrics->names, places)) {
        free(places);
        return bs_fail_memory(error, metrics->names.count * sizeof *places, "labels");
    }
    for (size_t i = 0; i < metrics->count; i++) {
        struct bs_scored *record = &metrics->records[i];
        if (record->gold >= 0)
            record->gold = places[record->gold];
        if (record->predicted >= 0)
            record->predicted = places[record->predicted];
    }
    free(places);
    return BS_OK;
}

/* What the probability of the predicted label says of the others. */
static void complete(const struct bs_metrics *metrics, struct bs_scored *record) {
    bool two = metrics->known.count <= 2;
    double p = record->confidence;
    if (isnan(p)) {
        record->gold_probability = NAN;
        return;
    }
    if (isnan(record->gold_probability) && (two || record->gold == record->predicted))
        record->gold_probability = record->gold == record->predicted ? p : 1 - p;
    if (isnan(record->positive))
        record->positive = record->predicted == 1 ? p : 1 - p;
}

static void look_at_probabilities(struct bs_metrics *metrics,
                                  struct bs_metric_table *table,
                                  struct bs_measure *measure) {
    int64_t without = 0, without_gold = 0;
    for (size_t i = 0; i < metrics->count; i++) {
        struct bs_scored *record = &metrics->records[i];
        complete(metrics, record);
        without += isnan(record->confidence) && record->predicted >= 0;
        without_gold += !isnan(record->confidence) && isnan(record->gold_probability);
        table->no_probabilities |= !isnan(record->confidence);
    }
    table->no_probabilities = !table->no_probabilities;
    table->n_without = table->no_probabilities ? 0 : without;
    table->no_log_loss = without_gold > 0;
    measure->log_loss = !table->no_log_loss;
    measure->two_classes = metrics->names.count == 2 && metrics->known.count == 2;
}

/* ---- the table --------------------------------------------------------------------- */

static bool has_room(struct bs_metric_table *table) {
    if (table->count < table->capacity)
        return true;
    size_t capacity = table->capacity * 2 + 32;
    struct bs_metric *metrics = bs_realloc(table->metrics, capacity, sizeof *metrics);
    if (!metrics)
        return false;
    table->metrics = metrics;
    table->capacity = capacity;
    return true;
}

/* Escaped as in all TSV; a colon too, or labels that hold one would share names. */
static bool append_part(struct bs_buffer *name, const char *part) {
    static const char special[] = "\t\n\r\\:", letters[] = "tnr\\:";
    bool done = bs_buffer_append_byte(name, ':');
    for (; done && *part; part++) {
        const char *found = strchr(special, *part);
        done = (!found || bs_buffer_append_byte(name, '\\')) &&
               bs_buffer_append_byte(name, found ? letters[found - special] : *part);
    }
    return done;
}

/* Called NAME, NAME:LABEL, NAME:LAST or NAME:LABEL:LAST. */
static bool add_metric(struct bs_metric_table *table, const char *name, const char *label,
                       const char *last, double value, bool counts) {
    struct bs_buffer text = {0};
    bool done = has_room(table) && bs_buffer_printf(&text, "%s", name) &&
                (!label || append_part(&text, label)) &&
                (!last || append_part(&text, last)) && bs_buffer_append_byte(&text, '\0');
    if (!done) {
        bs_buffer_free(&text);
        return false;
    }
    table->metrics[table->count++] = (struct bs_metric){text.data, value, counts};
    return true;
}

static bool add_score(struct bs_metric_table *table, const char *name, const char *label,
                      double value, struct bs_interval interval) {
    if (isnan(value))
        return true;
    return add_metric(table, name, label, NULL, value, false) &&
           (isnan(interval.low) ||
            (add_metric(table, name, label, "low", interval.low, false) &&
             add_metric(table, name, label, "high", interval.high, false)));
}

static bool add_count(struct bs_metric_table *table, const char *name, const char *label,
                      double value) {
    return add_metric(table, name, label, NULL, value, true);
}

static struct bs_interval proportion(double right, double n) {
    return n > 0 ? bs_wilson(right, n) : (struct bs_interval){NAN, NAN};
}

static bool add_scores(struct bs_metric_table *table, const double *values,
                       const struct bs_interval *intervals) {
    for (int i = 0; i < BS_SCORE_CLASSES; i++)
        if (!add_score(table, score_names[i], NULL, values[i], intervals[i]))
            return false;
    return true;
}

static bool add_classes(struct bs_metric_table *table, const struct bs_metrics *metrics,
                        const struct bs_measure *measure, const double *values,
                        const struct bs_interval *f1) {
    size_t n = measure->n_classes;
    values += BS_SCORE_CLASSES;
    for (size_t c = 0; c < n; c++) {
        const struct bs_class_tally *tally = &measure->tallies[c];
        const char *name = metrics->names.names[c];
        struct bs_interval none = {NAN, NAN};
        if (!add_score(table, "f1", name, values[c], f1 ? f1[c] : none) ||
            !add_score(table, "precision", name, values[n + c],
                       proportion(tally->right, tally->predicted)) ||
            !add_score(table, "recall", name, values[2 * n + c],
                       proportion(tally->right, tally->gold)) ||
            !add_count(table, "support", name, tally->gold))
            return false;
    }
    return add_count(table, "support", NULL, (double)metrics->count) &&
           add_count(table, "abstained", NULL, (double)metrics->abstained) &&
           add_count(table, "rejected", NULL, (double)metrics->rejected);
}

/* Sums over classes for the micro averages, and accuracy. */
static void add_wilson(const struct bs_measure *measure, struct bs_interval *intervals) {
    struct bs_class_tally sum = bs_tally_sum(measure->tallies, measure->n_classes);
    intervals[BS_SCORE_ACCURACY] = proportion(sum.right, (double)measure->n_records);
    intervals[BS_SCORE_MICRO + 1] = proportion(sum.right, sum.predicted);
    intervals[BS_SCORE_MICRO + 2] = proportion(sum.right, sum.gold);
}

/* ---- the confusion matrix ---------------------------------------------------------- */

static int by_pair(const void *a, const void *b) {
    const struct bs_scored *x = a, *y = b;
    if (x->gold != y->gold)
        return x->gold < y->gold ? -1 : 1;
    return x->predicted < y->predicted ? -1 : x->predicted > y->predicted;
}

/* confusion:GOLD:PREDICTED; changes the order of the records. */
static bool add_confusion(struct bs_metrics *metrics, struct bs_metric_table *table) {
    int32_t n = (int32_t)metrics->names.count;
    char *const *names = metrics->names.names;
    bool done = true;
    size_t i = 0;
    qsort(metrics->records, metrics->count, sizeof *metrics->records, by_pair);
    while (i < metrics->count && metrics->records[i].gold < 0)
        i++;
    for (int32_t gold = 0; done && gold < n; gold++)
        for (int32_t predicted = -1; done && predicted < n; predicted++) {
            struct bs_scored pair = {.gold = gold, .predicted = predicted};
            double count = 0;
            for (; i < metrics->count && !by_pair(&metrics->records[i], &pair); i++)
                count++;
            if (predicted < 0)
                continue; /* what is missing from the row, abstained or rejected */
            done = add_metric(table, "confusion", names[gold], names[predicted], count,
                              true);
        }
    return done;
}

/* ---- scoring ----------------------------------------------------------------------- */

static int fill_table(struct bs_metrics *metrics, const struct bs_metric_options *options,
                      struct bs_measure *measure, struct bs_metric_table *table,
                      struct bs_error *error) {
    size_t n_classes = measure->n_classes;
    bool of_classes = n_classes <= MOST_CLASSES;
    size_t n_values = BS_SCORE_CLASSES + (of_classes ? n_classes : 0);
    double *values = bs_alloc(BS_SCORE_CLASSES + 3 * n_classes, sizeof *values);
    struct bs_interval *intervals = bs_alloc(n_values, sizeof *intervals);
    int code = BS_OK;
    bool done = values && intervals;
    for (size_t i = 0; done && i < n_values; i++)
        intervals[i] = (struct bs_interval){NAN, NAN};
    table->no_confusion = options->confusion && !of_classes;
    if (done && options->resamples > 0)
        code = bs_bootstrap(measure, n_values, options, intervals, error);
    if (done && !code) {
        bs_measure_run(measure, NULL, values);
        add_wilson(measure, intervals);
        done = add_scores(table, values, intervals) &&
               add_classes(table, metrics, measure, values,
                           of_classes ? intervals + BS_SCORE_CLASSES : NULL) &&
               (!options->confusion || !of_classes || add_confusion(metrics, table));
    }
    free(values);
    free(intervals);
    if (!done)
        return bs_fail_memory(error, n_classes * sizeof *values, "metrics");
    return code;
}

int bs_metrics_score(struct bs_metrics *metrics, const struct bs_metric_options *options,
                     struct bs_metric_table *table, struct bs_error *error) {
    struct bs_measure measure = {.records = metrics->records,
                                 .n_records = metrics->count,
                                 .n_classes = metrics->names.count};
    *table = (struct bs_metric_table){0};
    if (metrics->count == 0)
        return bs_fail(error, BS_DATA, "there are no records to score");
    if (sort_classes(metrics, error))
        return error->code;
    look_at_probabilities(metrics, table, &measure);
    int code = bs_measure_begin(&measure)
                   ? fill_table(metrics, options, &measure, table, error)
                   : bs_fail_memory(error, metrics->count * sizeof(size_t), "metrics");
    bs_measure_end(&measure);
    if (code)
        bs_metric_table_free(table);
    return code;
}

void bs_metric_table_free(struct bs_metric_table *table) {
    for (size_t i = 0; i < table->count; i++)
        free(table->metrics[i].name);
    free(table->metrics);
    *table = (struct bs_metric_table){0};
}

const struct bs_metric *bs_metric_find(const struct bs_metric_table *table,
                                       struct bs_span name) {
    for (size_t i = 0; i < table->count; i++)
        if (bs_span_is(name, table->metrics[i].name))
            return &table->metrics[i];
    return NULL;
}

static bool is_among(struct bs_span name, const char *const *names) {
    while (*names && !bs_span_is(name, *names))
        names++;
    return *names;
}

bool bs_metric_is_name(struct bs_span name) {
    static const char *const counts[] = {"support", "abstained", "rejected", NULL};
    static const char *const of_labels[] = {"f1",      "precision", "recall",
                                            "support", "confusion", NULL};
    const char *colon = memchr(name.data, ':', name.size);
    if (!colon)
        return is_among(name, score_names) || is_among(name, counts);
    struct bs_span stem = bs_span(name.data, (size_t)(colon - name.data));
    return is_among(stem, of_labels) || is_among(stem, score_names); /* :low, :high */
}
