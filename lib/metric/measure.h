/*
 * All scores of a set of records in which record i counts weights[i] times: what a
 * bootstrap resample is. Definitions are in metric/metric.h.
 */
#ifndef BS_METRIC_MEASURE_H
#define BS_METRIC_MEASURE_H

#include "common/buffer.h"
#include "metric/tally.h"

struct bs_scored {
    int32_t gold;            /* class; -1: not known */
    int32_t predicted;       /* class; -1: none */
    double confidence;       /* probability of what was predicted; NAN: not known */
    double gold_probability; /* NAN: not known */
    double positive;         /* probability of the second of two classes; NAN */
};

/* Places of the scores that are one number; behind them stand f1, precision and recall
 * of the classes, [n_classes] each. */
enum bs_score {
    BS_SCORE_ACCURACY,
    BS_SCORE_MACRO, /* of each average: f1, precision, recall */
    BS_SCORE_WEIGHTED = BS_SCORE_MACRO + 3,
    BS_SCORE_MICRO = BS_SCORE_WEIGHTED + 3,
    BS_SCORE_MATTHEWS = BS_SCORE_MICRO + 3,
    BS_SCORE_LOG_LOSS,
    BS_SCORE_CALIBRATION,
    BS_SCORE_AUC,
    BS_SCORE_CLASSES
};

struct bs_measure {
    const struct bs_scored *records;
    size_t n_records, n_classes;
    bool log_loss, two_classes; /* whether the last scores are asked for */
    size_t *by_positive;        /* records that have `positive`, by it, ascending */
    size_t n_positive;
    struct bs_class_tally *tallies; /* [n_classes], of the last run */
};

/* `records` are borrowed; the rest is made here. false without memory. */
bool bs_measure_begin(struct bs_measure *measure) BS_MUST_CHECK;
void bs_measure_end(struct bs_measure *measure);

/* `weights` NULL: all 1. `values` [BS_SCORE_CLASSES + 3 n_classes]; NAN where a score is
 * not defined. */
void bs_measure_run(struct bs_measure *measure, const uint32_t *weights, double *values);

#endif
