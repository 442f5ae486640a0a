/* What bs-eval says: the table as TSV, and whether requirements are met. */
#ifndef BS_EVAL_REPORT_H
#define BS_EVAL_REPORT_H

#include "metric/metric.h"

/* --require NAME>=VALUE, or with >, <=, <. */
struct requirement {
    struct bs_span name; /* points into the command line */
    char comparison[3];
    double value;
    const char *text;
};

/* BS_USAGE if it is no requirement, or names what no report has. */
int requirement_parse(const char *text, struct requirement *requirement,
                      struct bs_error *error) BS_MUST_CHECK;

/* Says all that are not met. BS_NEGATIVE if there are any; BS_USAGE if the table does
 * not have the metric. */
int requirements_check(const struct requirement *requirements, size_t count,
                       const struct bs_metric_table *table,
                       struct bs_error *error) BS_MUST_CHECK;

/* "metric TAB value" and a line each. */
bool report_table(const struct bs_metric_table *table,
                  struct bs_buffer *text) BS_MUST_CHECK;

#endif
