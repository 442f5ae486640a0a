/* Settings of a run: defaults, names, and the lines that describe them. One table says
 * what a setting is called, and what kind of value it holds. */
#include "learn/settings.h"

#include "common/number.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct bs_train_settings bs_train_defaults(void) {
    return (struct bs_train_settings){
        .epochs = 3,
        .batch_size = 8,
        .accumulation = 1,
        .learning_rate = 2e-5,
        .weight_decay = 0.01,
        .warmup_steps = 500,
        .schedule = BS_SCHEDULE_LINEAR,
        .max_grad_norm = 1.0,
        .beta1 = 0.9,
        .beta2 = 0.999,
        .epsilon = 1e-8,
        .freeze = -1,
        .eval_steps = 500,
        .metric = BS_BEST_MACRO_F1,
        .seed = 42,
        .precision = BS_PRECISION_FP32,
    };
}

static const char *const schedule_names[] = {
    [BS_SCHEDULE_LINEAR] = "linear",
    [BS_SCHEDULE_CONSTANT] = "constant",
    [BS_SCHEDULE_COSINE] = "cosine",
};

static const char *const metric_names[] = {
    [BS_BEST_MACRO_F1] = "macro_f1",
    [BS_BEST_ACCURACY] = "accuracy",
    [BS_BEST_LOSS] = "loss",
};

enum { N_NAMES = 3 }; /* of either list */

static int find_name(const char *const *names, const char *name) {
    for (int i = 0; i < N_NAMES; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

int bs_schedule_parse(const char *name, enum bs_schedule *schedule,
                      struct bs_error *error) {
    int found = find_name(schedule_names, name);
    if (found < 0)
        return bs_fail(error, BS_USAGE,
                       "--schedule must be linear, constant or cosine, not \"%s\"", name);
    *schedule = (enum bs_schedule)found;
    return BS_OK;
}

int bs_best_metric_parse(const char *name, enum bs_best_metric *metric,
                         struct bs_error *error) {
    int found = find_name(metric_names, name);
    if (found < 0)
        return bs_fail(error, BS_USAGE,
                       "--metric must be macro_f1, accuracy or loss, not \"%s\"", name);
    *metric = (enum bs_best_metric)found;
    return BS_OK;
}

int bs_freeze_parse(const char *text, int64_t *freeze, struct bs_error *error) {
    *freeze = 0;
    if (strcmp(text, "embeddings") == 0)
        return BS_OK;
    struct bs_error number;
    if (bs_parse_integer(text, "--freeze", 1, 1000, freeze, &number))
        return bs_fail(
            error, BS_USAGE,
            "--freeze must be \"embeddings\" or a number of layers, not \"%s\"", text);
    return BS_OK;
}

enum kind { INTEGER, UNSIGNED, REAL, TEXT, SCHEDULE, METRIC, PRECISION };

#define SETTING(kind, name)                                                              \
    { #name, kind, offsetof(struct bs_train_settings, name) }

/* save_steps is absent: it changes no number. */
static const struct setting {
    const char *name;
    enum kind kind;
    size_t offset;
} table[] = {
    SETTING(INTEGER, epochs),       SETTING(INTEGER, max_steps),
    SETTING(INTEGER, batch_size),   SETTING(INTEGER, accumulation),
    SETTING(REAL, learning_rate),   SETTING(REAL, weight_decay),
    SETTING(INTEGER, warmup_steps), SETTING(SCHEDULE, schedule),
    SETTING(REAL, max_grad_norm),   SETTING(REAL, beta1),
    SETTING(REAL, beta2),           SETTING(REAL, epsilon),
    SETTING(REAL, label_smoothing), SETTING(TEXT, class_weights),
    SETTING(INTEGER, freeze),       SETTING(INTEGER, eval_steps),
    SETTING(REAL, eval_fraction),   SETTING(METRIC, metric),
    SETTING(INTEGER, patience),     SETTING(UNSIGNED, seed),
    SETTING(PRECISION, precision),
};

static void format_value(enum kind kind, const void *value, char text[32]) {
    switch (kind) {
    case INTEGER:
        snprintf(text, 32, "%" PRId64, *(const int64_t *)value);
        break;
    case UNSIGNED:
        snprintf(text, 32, "%" PRIu64, *(const uint64_t *)value);
        break;
    case REAL:
        bs_format_real(*(const double *)value, text);
        break;
    case SCHEDULE:
        snprintf(text, 32, "%s", schedule_names[*(const enum bs_schedule *)value]);
        break;
    case METRIC:
        snprintf(text, 32, "%s", metric_names[*(const enum bs_best_metric *)value]);
        break;
    case PRECISION:
        snprintf(text, 32, "%s", bs_precision_name(*(const enum bs_precision *)value));
        break;
    case TEXT:
        break;
    }
}

/* A text may hold what would break the line it stands on. */
static bool describe_text(struct bs_buffer *text, const char *value) {
    bool good = true;
    for (; *value && good; value++) {
        unsigned char c = (unsigned char)*value;
        good = c < ' ' || c == '\\' ? bs_buffer_printf(text, "\\x%02x", c)
                                    : bs_buffer_append_byte(text, *value);
    }
    return good;
}

bool bs_train_settings_describe(const struct bs_train_settings *settings,
                                struct bs_buffer *text) {
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const void *value = (const char *)settings + table[i].offset;
        const char *string = "none";
        char formatted[32] = "";
        if (table[i].kind == TEXT && *(const char *const *)value)
            string = *(const char *const *)value;
        else if (table[i].kind != TEXT)
            format_value(table[i].kind, value, formatted), string = formatted;
        if (!bs_buffer_printf(text, "%s\t", table[i].name) ||
            !describe_text(text, string) || !bs_buffer_append_byte(text, '\n'))
            return false;
    }
    return true;
}

static void balance(const int64_t *counts, int64_t n_labels, float *weights) {
    int64_t total = 0, classes = 0;
    for (int64_t i = 0; i < n_labels; i++)
        total += counts[i], classes += counts[i] > 0;
    for (int64_t i = 0; i < n_labels; i++)
        if (counts[i] > 0)
            weights[i] = (float)((double)total / ((double)classes * (double)counts[i]));
}

static int find_label(char *const *labels, int64_t n_labels, struct bs_span name) {
    for (int64_t i = 0; i < n_labels; i++)
        if (bs_span_is(name, labels[i]))
            return (int)i;
    return -1;
}

/* One "NAME=WEIGHT" of the list; cut in place. A weight of 0 has not been given. */
static int parse_weight(char *item, char *const *labels, int64_t n_labels, float *weights,
                        struct bs_error *error) {
    char *equals = strrchr(item, '=');
    if (!equals)
        return bs_fail(error, BS_USAGE,
                       "--class-weights: \"%s\" is not of the form NAME=WEIGHT", item);
    *equals = '\0';
    int label = find_label(labels, n_labels, bs_span_of(item));
    if (label < 0)
        return bs_fail(error, BS_USAGE, "--class-weights: no label is called \"%s\"",
                       item);
    if (weights[label] > 0)
        return bs_fail(error, BS_USAGE, "--class-weights: \"%s\" is named twice", item);
    double weight;
    if (bs_parse_real(equals + 1, "--class-weights", 1e-6, 1e6, &weight, error))
        return error->code;
    weights[label] = (float)weight;
    return BS_OK;
}

static int parse_weights(const char *text, char *const *labels, int64_t n_labels,
                         float *weights, struct bs_error *error) {
    char *list = strdup(text), *rest = list;
    if (!list)
        return bs_fail_memory(error, strlen(text), "class weights");
    memset(weights, 0, (size_t)n_labels * sizeof *weights);
    int code = BS_OK;
    for (char *item = strsep(&rest, ","); item && !code; item = strsep(&rest, ","))
        code = parse_weight(item, labels, n_labels, weights, error);
    for (int64_t i = 0; i < n_labels; i++)
        if (!(weights[i] > 0))
            weights[i] = 1;
    free(list);
    return code;
}

int bs_class_weights(const struct bs_train_settings *settings, char *const *labels,
                     const int64_t *counts, int64_t n_labels, float *weights,
                     bool *weighted, struct bs_error *error) {
    for (int64_t i = 0; i < n_labels; i++)
        weights[i] = 1;
    *weighted = settings->class_weights != NULL;
    if (!*weighted)
        return BS_OK;
    if (strcmp(settings->class_weights, "balanced") == 0) {
        balance(counts, n_labels, weights);
        return BS_OK;
    }
    return parse_weights(settings->class_weights, labels, n_labels, weights, error);
}
