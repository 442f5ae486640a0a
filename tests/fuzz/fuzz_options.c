/* Values of options: numbers, names, lists. */
#include "fuzz/fuzz.h"

#include "common/number.h"
#include "front/options.h"
#include "front/split.h"
#include "learn/settings.h"

#include <math.h>
#include <stdlib.h>

static void parse_numbers(const char *text) {
    struct bs_error error;
    int64_t integer;
    double real;
    if (!bs_parse_integer(text, "x", -5, INT64_C(1) << 40, &integer, &error))
        fuzz_require(integer >= -5 && integer <= INT64_C(1) << 40, "out of range");
    if (!bs_parse_size(text, "x", 1, INT64_C(1) << 40, &integer, &error))
        fuzz_require(integer >= 1 && integer <= INT64_C(1) << 40, "out of range");
    if (!bs_parse_real(text, "x", -1e6, INFINITY, &real, &error))
        fuzz_require(real >= -1e6 && isfinite(real), "out of range");
}

/* A number's shortest text is that number. */
static void format_number(const char *text) {
    char shortest[32];
    double value = strtod(text, NULL);
    bs_format_real(value, shortest);
    fuzz_require(isnan(value) || strtod(shortest, NULL) == value, "another number");
}

static void parse_names(const char *text) {
    struct bs_error error;
    int64_t freeze;
    enum bs_format format;
    enum bs_precision precision;
    enum bs_schedule schedule;
    enum bs_best_metric metric;
    (void)!bs_format_parse(text, &format, &error);
    (void)!bs_precision_parse(text, &precision, &error);
    (void)!bs_schedule_parse(text, &schedule, &error);
    (void)!bs_best_metric_parse(text, &metric, &error);
    (void)!bs_freeze_parse(text, &freeze, &error);
}

/* `part` is one of a split's, perhaps. */
static void parse_lists(const char *text, const char *part) {
    struct bs_error error;
    struct bs_split *split;
    char **names = NULL;
    size_t n_names = 0;
    (void)!bs_names_parse(text, "--labels", &names, &n_names, &error);
    bs_names_free(names, n_names);
    if (bs_split_new(&split, text, part, 42, &error))
        return;
    for (const char *at = text; *at; at++)
        (void)bs_split_part(split, bs_span_of(at), NULL);
    bs_split_free(split);
}

static void parse_weights(const char *text) {
    static char a[] = "a", b[] = "b=c", c[] = "d e";
    static char *const labels[] = {a, b, c};
    static const int64_t counts[] = {1, 0, 5};
    struct bs_train_settings settings = {.class_weights = text};
    struct bs_error error;
    float weights[3];
    bool weighted;
    if (bs_class_weights(&settings, labels, counts, 3, weights, &weighted, &error))
        return;
    for (int i = 0; i < 3; i++)
        fuzz_require(weights[i] > 0 && isfinite(weights[i]), "a weight of no use");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bs_span input = fuzz_begin(data, size);
    if (input.size > 1000)
        input.size = 1000;
    char *text = fuzz_string(&input), *part = fuzz_string(&input);
    parse_numbers(text);
    format_number(text);
    parse_names(text);
    parse_lists(text, part);
    parse_weights(text);
    free(text);
    free(part);
    return 0;
}
