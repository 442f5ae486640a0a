/* Scores by counting; see metric/metric.h for what each is. */
#include "metric/measure.h"

#include <math.h>
#include <stdlib.h>

enum { BINS = 15 };

struct totals {
    double n, right;
    double no_gold, no_prediction;
};

static double weight_of(const uint32_t *weights, size_t i) {
    return weights ? weights[i] : 1;
}

static struct totals tally(struct bs_measure *measure, const uint32_t *weights) {
    struct totals totals = {0};
    memset(measure->tallies, 0, measure->n_classes * sizeof *measure->tallies);
    for (size_t i = 0; i < measure->n_records; i++) {
        const struct bs_scored *record = &measure->records[i];
        double weight = weight_of(weights, i);
        bs_tally_add(measure->tallies, record->gold, record->predicted, weight);
        totals.n += weight;
        totals.no_gold += record->gold < 0 ? weight : 0;
        totals.no_prediction += record->predicted < 0 ? weight : 0;
    }
    totals.right = bs_tally_sum(measure->tallies, measure->n_classes).right;
    return totals;
}

/* Of the classes, macro, weighted and micro; classes that a resample lost are still
 * classes, with 0. */
static void average(const struct bs_measure *measure, double *values) {
    size_t n = measure->n_classes;
    struct bs_class_tally sum = bs_tally_sum(measure->tallies, n);
    double *classes = values + BS_SCORE_CLASSES;
    for (size_t c = 0; c < n; c++) {
        double scores[BS_CLASS_SCORES];
        bs_tally_scores(&measure->tallies[c], scores);
        for (int k = 0; k < BS_CLASS_SCORES; k++) {
            classes[(size_t)k * n + c] = scores[k];
            values[BS_SCORE_MACRO + k] += scores[k];
            values[BS_SCORE_WEIGHTED + k] += scores[k] * measure->tallies[c].gold;
        }
    }
    for (int k = 0; k < BS_CLASS_SCORES; k++) {
        values[BS_SCORE_MACRO + k] = bs_ratio(values[BS_SCORE_MACRO + k], (double)n);
        values[BS_SCORE_WEIGHTED + k] = bs_ratio(values[BS_SCORE_WEIGHTED + k], sum.gold);
    }
    bs_tally_scores(&sum, values + BS_SCORE_MICRO);
}

static double matthews(const struct bs_measure *measure, const struct totals *totals) {
    double both = totals->no_gold * totals->no_prediction;
    double gold = totals->no_gold * totals->no_gold;
    double predicted = totals->no_prediction * totals->no_prediction;
    for (size_t c = 0; c < measure->n_classes; c++) {
        const struct bs_class_tally *tally = &measure->tallies[c];
        both += tally->gold * tally->predicted;
        gold += tally->gold * tally->gold;
        predicted += tally->predicted * tally->predicted;
    }
    double n2 = totals->n * totals->n;
    double scale = sqrt((n2 - gold) * (n2 - predicted));
    return scale > 0 ? (totals->right * totals->n - both) / scale : 0;
}

static double log_loss(const struct bs_measure *measure, const uint32_t *weights) {
    const double edge = 0x1p-52;
    double loss = 0, n = 0;
    for (size_t i = 0; i < measure->n_records; i++) {
        double probability = measure->records[i].gold_probability;
        if (isnan(probability))
            continue;
        loss -= weight_of(weights, i) * log(fmin(fmax(probability, edge), 1 - edge));
        n += weight_of(weights, i);
    }
    return n > 0 ? loss / n : NAN;
}

static double calibration_error(const struct bs_measure *measure,
                                const uint32_t *weights) {
    double gap[BINS] = {0}, n = 0, error = 0; /* right - sum of probabilities */
    for (size_t i = 0; i < measure->n_records; i++) {
        const struct bs_scored *record = &measure->records[i];
        if (isnan(record->confidence))
            continue;
        int bin = (int)ceil(record->confidence * BINS) - 1;
        bin = bin < 0 ? 0 : bin >= BINS ? BINS - 1 : bin;
        double right = record->gold == record->predicted;
        gap[bin] += weight_of(weights, i) * (right - record->confidence);
        n += weight_of(weights, i);
    }
    for (int bin = 0; bin < BINS; bin++)
        error += fabs(gap[bin]);
    return n > 0 ? error / n : NAN;
}

/* Pairs of a negative and a positive record, those in the right order. */
static double area_under_curve(const struct bs_measure *measure,
                               const uint32_t *weights) {
    double below = 0, positives = 0, ordered = 0;
    for (size_t i = 0; i < measure->n_positive;) {
        double positive = measure->records[measure->by_positive[i]].positive;
        double here[2] = {0, 0}; /* negative and positive records of this score */
        for (; i < measure->n_positive; i++) {
            const struct bs_scored *record = &measure->records[measure->by_positive[i]];
            if (record->positive != positive)
                break;
            here[record->gold] += weight_of(weights, measure->by_positive[i]);
        }
        ordered += here[1] * (below + here[0] / 2);
        below += here[0];
        positives += here[1];
    }
    return below > 0 && positives > 0 ? ordered / (below * positives) : NAN;
}

void bs_measure_run(struct bs_measure *measure, const uint32_t *weights, double *values) {
    struct totals totals = tally(measure, weights);
    for (int i = 0; i < BS_SCORE_CLASSES; i++)
        values[i] = 0;
    values[BS_SCORE_ACCURACY] = bs_ratio(totals.right, totals.n);
    average(measure, values);
    values[BS_SCORE_MATTHEWS] = matthews(measure, &totals);
    values[BS_SCORE_LOG_LOSS] = measure->log_loss ? log_loss(measure, weights) : NAN;
    values[BS_SCORE_CALIBRATION] = calibration_error(measure, weights);
    values[BS_SCORE_AUC] =
        measure->two_classes ? area_under_curve(measure, weights) : NAN;
}

struct placed {
    double positive;
    size_t record;
};

static int by_positive(const void *a, const void *b) {
    const struct placed *x = a, *y = b;
    return x->positive < y->positive ? -1 : x->positive > y->positive;
}

bool bs_measure_begin(struct bs_measure *measure) {
    struct placed *placed = bs_alloc(measure->n_records, sizeof *placed);
    measure->tallies = bs_alloc(measure->n_classes, sizeof *measure->tallies);
    measure->by_positive = bs_alloc(measure->n_records, sizeof *measure->by_positive);
    bool done = placed && measure->tallies && measure->by_positive;
    measure->n_positive = 0;
    for (size_t i = 0; done && i < measure->n_records; i++)
        if (!isnan(measure->records[i].positive) && measure->records[i].gold >= 0)
            placed[measure->n_positive++] =
                (struct placed){measure->records[i].positive, i};
    if (done)
        qsort(placed, measure->n_positive, sizeof *placed, by_positive);
    for (size_t i = 0; done && i < measure->n_positive; i++)
        measure->by_positive[i] = placed[i].record;
    free(placed);
    return done;
}

void bs_measure_end(struct bs_measure *measure) {
    free(measure->by_positive);
    free(measure->tallies);
}
