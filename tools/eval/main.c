/*
 * bs-eval: predictions against gold labels, as a table of metrics. collect.c reads
 * predictions, label.c makes them, report.c prints.
 */
#include "collect.h"
#include "common/file.h"
#include "common/log.h"
#include "common/number.h"
#include "front/tool.h"
#include "report.h"

#include <stdlib.h>

enum { OPTION_CONFUSION = BS_OPTION_OWN, OPTION_REQUIRE, OPTION_RESAMPLES };
enum { MOST_REQUIREMENTS = 64 };

struct settings {
    bool confusion;
    int64_t resamples;
    struct requirement requirements[MOST_REQUIREMENTS];
    size_t n_requirements;
};

static const struct argp_option own_options[] = {
    {"require", OPTION_REQUIRE, "METRIC>=N", 0,
     "Exit with 1 unless it holds; also >, <=, <; may be repeated", 4},
    {"confusion", OPTION_CONFUSION, NULL, 0,
     "Add lines confusion:GOLD:PREDICTED for all pairs of at most 1,000 labels", 4},
    {"resamples", OPTION_RESAMPLES, "N", 0,
     "Resamples of the bootstrap (default 1000; 0: only Wilson's intervals)", 4},
    {0}};

static int parse_own(void *own, int key, const char *value, struct bs_error *error) {
    struct settings *settings = own;
    switch (key) {
    case OPTION_RESAMPLES:
        return bs_parse_integer(value, "--resamples", 0, 1000000, &settings->resamples,
                                error);
    case OPTION_REQUIRE:
        if (settings->n_requirements == MOST_REQUIREMENTS)
            return bs_fail(error, BS_USAGE, "--require may be given %d times",
                           MOST_REQUIREMENTS);
        return requirement_parse(
            value, &settings->requirements[settings->n_requirements++], error);
    default:
        settings->confusion = true;
        return BS_OK;
    }
}

static const struct bs_command command = {
    .tool = "bs-eval",
    .arguments = "[FILE...]",
    .about =
        "  bs-predict -m models/reviews -t msgpack test.tsv |\n"
        "      bs-eval -f msgpack --require 'macro_f1>=0.9'\n\n"
        "Scores predictions against gold labels: prediction records of bs-predict in any "
        "format, or with -m labelled texts or token records. Several FILEs count as one; "
        "standard input is read if there is none, or -.\v"
        "The output is TSV, a line for each metric: accuracy; f1, precision and recall "
        "as macro_, weighted_ and micro_ averages and of each label (f1:LABEL, "
        "a colon in LABEL as \\:); matthews_correlation, log_loss, "
        "expected_calibration_error (15 bins), roc_auc "
        "(two labels); support, abstained, rejected. METRIC:low and METRIC:high are 95 % "
        "intervals. A prediction that is empty or \"abstain\" is wrong.\n\n"
        "Exit status: 0 done; 1 a requirement is not met; 2 wrong command line; 3 done, "
        "but records were rejected; 4 bad input or model; 5 no space or memory; 6 device "
        "failure; 128+N ended by signal N.",
    .shared = BS_OPT_INPUT | BS_OPT_TOKENS | BS_OPT_OUTPUT | BS_OPT_MODEL |
              BS_OPT_THREADS | BS_OPT_PRECISION | BS_OPT_BATCH_TOKENS | BS_OPT_DEVICE |
              BS_OPT_SEED,
    .own = own_options,
    .parse_own = parse_own,
    .shows_backends = true,
};

static void say_what_is_missing(const struct bs_metric_table *table) {
    if (table->no_probabilities)
        bs_note("without probabilities there is no log_loss, expected_calibration_error "
                "or roc_auc");
    else if (table->no_log_loss)
        bs_note("without the probabilities of all labels (bs-predict --probabilities) "
                "there is no log_loss");
    if (table->no_confusion)
        bs_warn("no confusion matrix: there are more than 1,000 labels");
    if (table->n_without)
        bs_note("log_loss, expected_calibration_error and roc_auc are without %lld "
                "record%s no probability",
                (long long)table->n_without,
                table->n_without == 1 ? " that has" : "s that have");
}

static int write_report(const struct bs_metric_table *table, struct bs_output *output,
                        struct bs_error *error) {
    struct bs_buffer text = {0};
    int code = report_table(table, &text)
                   ? bs_output_write(output, bs_buffer_span(&text), error)
                   : bs_fail_memory(error, text.size, "the report");
    bs_buffer_free(&text);
    return code;
}

static const char *input_name(const struct bs_options *options) {
    if (options->n_paths > 1)
        return "the input";
    bool standard = options->n_paths == 0 || strcmp(options->paths[0], "-") == 0;
    return standard ? "standard input" : options->paths[0];
}

/* Scores what was collected. A metric that is required and unknown stops it before
 * anything is written. */
static int score(struct bs_metrics *metrics, const struct bs_options *options,
                 const struct settings *settings, struct bs_output *output,
                 struct bs_error *error) {
    struct bs_metric_options scoring = {.resamples = (int)settings->resamples,
                                        .seed = options->seed,
                                        .confusion = settings->confusion,
                                        .stop = bs_tool_signal};
    struct bs_metric_table table;
    struct bs_error verdict = {0};
    if (bs_metrics_count(metrics) == 0)
        return bs_fail(error, BS_DATA, "%s: holds no record that can be scored",
                       input_name(options));
    if (bs_metrics_score(metrics, &scoring, &table, error))
        return error->code;
    say_what_is_missing(&table);
    int code = requirements_check(settings->requirements, settings->n_requirements,
                                  &table, &verdict);
    int written = code == BS_USAGE ? BS_OK : write_report(&table, output, error);
    bs_metric_table_free(&table);
    if (!written && code)
        *error = verdict;
    return written ? written : code;
}

/* --threads does no harm: it changes no report. */
static int check_options(const struct bs_options *options, struct bs_error *error) {
    const struct {
        const char *name;
        bool given;
    } labelling[] = {
        {"--max-length", options->max_length >= 0},
        {"--truncation", options->truncation != BS_TRUNCATE_HEAD},
        {"--literal-special-tokens", options->literal_special_tokens},
        {"--precision", options->precision_given || options->precision_auto},
        {"--batch-tokens", options->batch_tokens > 0},
        {"--device", strcmp(options->device, "auto") != 0},
    };
    for (size_t i = 0; !options->model && i < sizeof labelling / sizeof *labelling; i++)
        if (labelling[i].given)
            return bs_fail(error, BS_USAGE,
                           "%s needs -m MODEL: without it nothing is labelled, "
                           "predictions are read",
                           labelling[i].name);
    if (!options->model && options->label &&
        strcmp(options->label, BS_FIELD_PREDICTED) == 0)
        return bs_fail(
            error, BS_USAGE,
            "--label predicted: predictions are compared with the labels; name "
            "another column, or -m MODEL which makes them anew");
    return BS_OK;
}

static int evaluate(const struct bs_options *options, const struct settings *settings,
                    struct bs_output *output, struct bs_error *error) {
    struct bs_metrics *metrics = NULL;
    if (bs_metrics_new(&metrics, error))
        return error->code;
    int code = options->model ? collect_labelled(options, metrics, error)
                              : collect_predictions(options, metrics, error);
    if ((code == BS_OK || code == BS_REJECTED) && !bs_tool_signal()) {
        int scored = score(metrics, options, settings, output, error);
        code = scored ? scored : code;
    }
    bs_metrics_free(metrics);
    return code;
}

/* An output that cannot be written is told before the work, not after it. */
static int run(const struct bs_options *options, const struct settings *settings,
               struct bs_error *error) {
    struct bs_output *output;
    if (check_options(options, error) || bs_output_open(&output, options->output, error))
        return error->code;
    int code = evaluate(options, settings, output, error);
    if (!bs_tool_keeps_output(code)) {
        bs_output_abandon(output);
        return code;
    }
    int written = bs_output_commit(output, error);
    return written ? written : code;
}

int main(int argc, char **argv) {
    struct bs_options options;
    static struct settings settings = {.resamples = 1000};
    struct bs_error error = {0};
    bs_tool_start();
    bs_options_parse(&command, argc, argv, &options, &settings);
    bs_tool_catch_signals();
    int code = run(&options, &settings, &error);
    bs_options_free(&options);
    return bs_tool_end(code, &error);
}
