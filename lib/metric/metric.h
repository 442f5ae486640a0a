/*
 * Metrics: gold labels and predictions in, scores out, as scikit-learn computes them.
 *
 * Order of calls: bs_metrics_new, bs_metrics_add for each record, bs_metrics_score
 * once, then the table is read; bs_metric_table_free, bs_metrics_free.
 *
 * Classes are the names that occur as gold label or as prediction, in the order of
 * their bytes. A prediction that is none (abstained, rejected) is wrong, and belongs to
 * no class: it lowers accuracy and recall, and no precision.
 *
 * With n records, g(c) of them of class c, p(c) predicted as c, t(c) both:
 *
 *     accuracy                 sum t / n
 *     precision:C recall:C     t / p, t / g; 0 where that is 0 / 0
 *     f1:C                     2 t / (g + p)
 *     macro_                   mean over classes
 *     weighted_                mean over classes, weighted by g
 *     micro_                   of the sums over classes
 *     matthews_correlation     Gorodkin 2004, (n sum t - sum g p) /
 *                              sqrt((n^2 - sum g^2) (n^2 - sum p^2)); "none" is a class
 *     log_loss                 mean of -log of the gold label's probability, which is
 *                              kept 2^-52 away from 0 and 1
 *     expected_calibration_error   15 bins ((b-1)/15, b/15] of the probability of what
 *                              was predicted (Guo et al. 2017): sum over bins of
 *                              |right - sum of probabilities| / n
 *     roc_auc                  two classes only, the second is positive; ties count 1/2
 *
 * The last three are over records with a prediction and its probability, and are left
 * out if there are none. Labels are known as classes, or by their probabilities alone,
 * predicted and gold in no record. Where two are known, the probability of the predicted
 * label says that of the other. Where more are known, there is no roc_auc, and log_loss
 * needs the probabilities of all labels; a class that is not among them has 0.
 *
 * Intervals hold 95 %: Wilson's score interval for proportions (accuracy, precision:C,
 * recall:C, micro_precision, micro_recall); for the rest the percentiles 2.5 and 97.5
 * of bootstrap resamples of the records, drawn from the seed. They are metrics of their
 * own, called :low and :high behind what they are of.
 *
 * Names are unique: in a label, tab, newline, carriage return and backslash are escaped
 * as in TSV (\t \n \r \\), and a colon is \: since a bare one stands between parts.
 */
#ifndef BS_METRIC_METRIC_H
#define BS_METRIC_METRIC_H

#include "common/buffer.h"

struct bs_metrics;

/* What is predicted where the model abstains. No label can be called so. */
#define BS_ABSTAIN_NAME "abstain"

enum bs_outcome { BS_PREDICTED, BS_ABSTAINED, BS_PREDICTION_REJECTED };

struct bs_prediction {
    enum bs_outcome outcome;
    struct bs_span label; /* if predicted */
    double probability;   /* of the predicted label; NAN: not known */
    /* Of all labels, by name; NULL: not known. */
    const char *const *names;
    const double *probabilities;
    size_t n_probabilities;
};

int bs_metrics_new(struct bs_metrics **metrics, struct bs_error *error) BS_MUST_CHECK;
void bs_metrics_free(struct bs_metrics *metrics);

/* Copies what it needs. `gold` may be empty (unknown) only for what is not
 * BS_PREDICTED. BS_DATA for a probability that is not from 0 to 1, for one that is not
 * (by more than 1e-6) that of the predicted label among all, and for a label twice. */
int bs_metrics_add(struct bs_metrics *metrics, struct bs_span gold,
                   const struct bs_prediction *prediction,
                   struct bs_error *error) BS_MUST_CHECK;

int64_t bs_metrics_count(const struct bs_metrics *metrics);

struct bs_metric {
    char *name;
    double value;
    bool counts; /* a whole number */
};

struct bs_metric_table {
    struct bs_metric *metrics;
    size_t count, capacity;
    bool no_probabilities; /* no record has one */
    int64_t n_without;     /* records that have none, otherwise */
    bool no_log_loss;      /* there are probabilities, but not of the gold labels */
    bool no_confusion;     /* it was asked for, of too many classes */
};

struct bs_metric_options {
    int resamples; /* of the bootstrap; 0: no intervals of that kind */
    uint64_t seed;
    bool confusion;    /* adds confusion:GOLD:PREDICTED for all pairs, see below */
    int (*stop)(void); /* asked now and then: not 0 ends it; NULL: never */
};

/* Scores at least one record (BS_DATA if there are none; BS_INTERRUPTED if stopped). For
 * more than 1,000 classes f1:C gets no interval, and there is no confusion matrix: pairs
 * would fill memory. */
int bs_metrics_score(struct bs_metrics *metrics, const struct bs_metric_options *options,
                     struct bs_metric_table *table, struct bs_error *error) BS_MUST_CHECK;
void bs_metric_table_free(struct bs_metric_table *table);

/* By name; NULL if there is none. */
const struct bs_metric *bs_metric_find(const struct bs_metric_table *table,
                                       struct bs_span name);

/* Whether a table may have it, of whatever labels. */
bool bs_metric_is_name(struct bs_span name);

#endif
