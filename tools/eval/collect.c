/* Predictions that stand in the records already. */
#include "collect.h"

#include "format/rejects.h"
#include "front/tool.h"

#include <math.h>

int gold_label(const struct bs_record *record, bool rejected, const char *called,
               struct bs_span *gold, struct bs_error *error) {
    *gold = bs_span(NULL, 0);
    int code = bs_record_text(record, BS_FIELD_LABEL, gold, error);
    if (rejected) {
        if (gold->size && memchr(gold->data, '\0', gold->size))
            *gold = bs_span(NULL, 0);
        return BS_OK;
    }
    if ((code == BS_OK || code == BS_END) && gold->size == 0)
        return bs_fail(error, BS_REJECTED, "field \"%s\" is missing", called);
    if (code == BS_REJECTED)
        return bs_fail(error, BS_REJECTED, "field \"%s\" is not a text", called);
    return code;
}

/* bs-predict answers a record that it rejected with an empty prediction. */
static int get_prediction(const struct bs_record *record,
                          struct bs_prediction *prediction, struct bs_error *error) {
    *prediction = (struct bs_prediction){.probability = NAN};
    int code = bs_record_text(record, BS_FIELD_PREDICTED, &prediction->label, error);
    if (code && code != BS_END)
        return code;
    if (code == BS_END || prediction->label.size == 0) {
        prediction->outcome = BS_PREDICTION_REJECTED;
        return BS_OK;
    }
    if (bs_span_is(prediction->label, BS_ABSTAIN_NAME))
        prediction->outcome = BS_ABSTAINED;
    code = bs_record_real(record, BS_FIELD_PROBABILITY, &prediction->probability, error);
    if (code && code != BS_END)
        return code;
    code = bs_record_map(record, BS_FIELD_PROBABILITIES, &prediction->names,
                         &prediction->probabilities, &prediction->n_probabilities, error);
    return code == BS_END ? BS_OK : code;
}

static int add_record(struct bs_metrics *metrics, const struct bs_record *record,
                      const char *called, struct bs_error *error) {
    struct bs_prediction prediction;
    struct bs_span gold;
    if (get_prediction(record, &prediction, error) ||
        gold_label(record, prediction.outcome == BS_PREDICTION_REJECTED, called, &gold,
                   error))
        return error->code;
    if (bs_metrics_add(metrics, gold, &prediction, error))
        return error->code == BS_DATA ? BS_REJECTED : error->code;
    return BS_OK;
}

/* What was opened must be predictions; seen once the first record of `file` has been
 * read. */
static int check_input(const struct bs_reader *reader, const char *file,
                       struct bs_error *error) {
    const struct bs_stream_header *header = bs_reader_header(reader);
    enum bs_format format = bs_reader_format(reader);
    if (header && header->kind != BS_STREAM_PREDICTIONS)
        return bs_fail(error, BS_DATA,
                       "%s: token records, not predictions; label them with bs-predict, "
                       "or here with -m MODEL",
                       file);
    if (format == BS_FORMAT_LINES || format == BS_FORMAT_TREE)
        return bs_fail(error, BS_DATA,
                       "%s: %s hold no predictions; choose another format with -f, or "
                       "label texts with -m MODEL",
                       file, format == BS_FORMAT_LINES ? "lines" : "folders of texts");
    return BS_OK;
}

/* A signal ends the wait; this bounds it for one that slips in just before. */
static const double signal_wait = 0.5;

static int read_all(struct bs_reader *reader, const char *gold_called,
                    struct bs_rejects *rejects, struct bs_metrics *metrics,
                    struct bs_record *record, struct bs_error *error) {
    while (!bs_tool_signal()) {
        if (!bs_reader_wait(reader, signal_wait))
            continue;
        int code = bs_reader_next(reader, record, error);
        if (code == BS_END)
            return BS_OK;
        if (code && code != BS_REJECTED)
            return code;
        struct bs_error wrong_input;
        if (check_input(reader, record->file, &wrong_input)) {
            *error = wrong_input;
            return error->code;
        }
        if (!code)
            code = add_record(metrics, record, gold_called, error);
        if (code == BS_REJECTED)
            code = bs_rejects_add(rejects, record, error);
        if (code)
            return code;
    }
    return BS_OK;
}

int collect_predictions(const struct bs_options *options, struct bs_metrics *metrics,
                        struct bs_error *error) {
    struct bs_reader_options reading = bs_options_reader(options, BS_FIELD_PREDICTED);
    struct bs_rejects *rejects = NULL;
    struct bs_reader *reader = NULL;
    struct bs_record record = {0};
    if (bs_rejects_open(&rejects, options->rejects, options->strict, error))
        return error->code;
    int code = bs_reader_open(&reader, options->paths, options->n_paths, &reading, error);
    if (!code)
        code = read_all(reader, bs_field_called(&reading, BS_FIELD_LABEL), rejects,
                        metrics, &record, error);
    if (reader)
        bs_reader_close(reader);
    bs_record_free(&record);
    if (!bs_tool_keeps_output(code)) {
        bs_rejects_abandon(rejects);
        return code;
    }
    return bs_rejects_close(rejects, error);
}
