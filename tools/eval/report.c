/* The report, and requirements on it. */
#include "report.h"

#include "common/log.h"
#include "common/number.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { NUMBER = 64 };

/* The last comparison counts: a label may contain one. */
int requirement_parse(const char *text, struct requirement *requirement,
                      struct bs_error *error) {
    const char *place = NULL;
    for (const char *p = text; *p; p++)
        if (*p == '<' || *p == '>')
            place = p;
    if (!place || place == text)
        return bs_fail(error, BS_USAGE,
                       "--require must be like macro_f1>=0.9, with >=, >, <= or <, not "
                       "\"%s\"",
                       text);
    size_t size = place[1] == '=' ? 2 : 1;
    *requirement =
        (struct requirement){.name = bs_span(text, (size_t)(place - text)), .text = text};
    memcpy(requirement->comparison, place, size);
    if (!bs_metric_is_name(requirement->name))
        return bs_fail(error, BS_USAGE,
                       "--require %s: there is no such metric; accuracy and macro_f1 are "
                       "two, f1:LABEL is one of a label",
                       text);
    return bs_parse_real(place + size, "the number behind --require", -DBL_MAX, DBL_MAX,
                         &requirement->value, error);
}

/* Averages may be off in their last digits: 0.45 is not less than 0.45. */
static bool is_met(const struct requirement *requirement, double value) {
    bool equal = fabs(value - requirement->value) <= 1e-12;
    if (equal)
        return requirement->comparison[1];
    return requirement->comparison[0] == '>' ? value > requirement->value
                                             : value < requirement->value;
}

static void show(const struct bs_metric *metric, char number[NUMBER]) {
    snprintf(number, NUMBER, metric->counts ? "%.0f" : "%.6f", metric->value);
    if (strcmp(number, "-0.000000") == 0)
        memmove(number, number + 1, strlen(number));
}

/* As in the report, unless that would meet the requirement. */
static void show_miss(const struct requirement *requirement,
                      const struct bs_metric *metric, char number[NUMBER]) {
    show(metric, number);
    if (is_met(requirement, strtod(number, NULL)))
        bs_format_real(metric->value, number);
}

int requirements_check(const struct requirement *requirements, size_t count,
                       const struct bs_metric_table *table, struct bs_error *error) {
    int code = BS_OK;
    char number[NUMBER];
    for (size_t i = 0; i < count; i++)
        if (!bs_metric_find(table, requirements[i].name))
            return bs_fail(error, BS_USAGE, "--require %s: there is no such metric here",
                           requirements[i].text);
    for (size_t i = 0; i < count; i++) {
        const struct bs_metric *metric = bs_metric_find(table, requirements[i].name);
        if (is_met(&requirements[i], metric->value))
            continue;
        show_miss(&requirements[i], metric, number);
        code = bs_fail(error, BS_NEGATIVE, "required %s, but it is %s",
                       requirements[i].text, number);
        bs_log_error(error);
    }
    return code;
}

static bool append_metric(struct bs_buffer *text, const struct bs_metric *metric) {
    char number[NUMBER];
    show(metric, number);
    return bs_buffer_printf(text, "%s\t%s\n", metric->name, number);
}

bool report_table(const struct bs_metric_table *table, struct bs_buffer *text) {
    bool done = bs_buffer_printf(text, "metric\tvalue\n");
    for (size_t i = 0; done && i < table->count; i++)
        done = append_metric(text, &table->metrics[i]);
    return done;
}
