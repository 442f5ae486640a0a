/* Predictions for the metrics: out of prediction records, or made here with a model. */
#ifndef BS_EVAL_COLLECT_H
#define BS_EVAL_COLLECT_H

#include "front/options.h"
#include "metric/metric.h"

/* All records of the input into `metrics`. Those that cannot be used go to --rejects;
 * if there were any, BS_REJECTED comes back after everything is read. */
int collect_predictions(const struct bs_options *options, struct bs_metrics *metrics,
                        struct bs_error *error) BS_MUST_CHECK;

/* The same of labelled texts or token records, labelled with -m MODEL. A record that
 * the model cannot be given counts as a rejected prediction. Records are added in the
 * order of input, those among them: what comes out is that of bs-predict and
 * collect_predictions, however many are labelled at once. */
int collect_labelled(const struct bs_options *options, struct bs_metrics *metrics,
                     struct bs_error *error) BS_MUST_CHECK;

/* The gold label, which the input calls `called`. BS_REJECTED if there is none, or it is
 * no text; of a record that was `rejected` before it is empty then, or if it holds a zero
 * byte. */
int gold_label(const struct bs_record *record, bool rejected, const char *called,
               struct bs_span *gold, struct bs_error *error) BS_MUST_CHECK;

#endif
