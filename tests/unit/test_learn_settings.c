/* Settings, learning rates, class weights. Expected rates are Hugging Face's
 * schedules', printed by PyTorch. */
#include "learn/schedule.h"
#include "tap.h"

#include <math.h>

static void check_rates(const char *name, int64_t warmup, int64_t total,
                        const double *expected, int n) {
    struct bs_train_settings s = bs_train_defaults();
    struct bs_error error;
    bool same = bs_schedule_parse(name, &s.schedule, &error) == BS_OK;
    s.warmup_steps = warmup;
    for (int i = 0; i < n; i++)
        same = same && fabs(bs_learning_rate(&s, i, total) - expected[i]) <= 1e-20;
    check(same, "%s schedule, %d warm-up steps of %d", name, (int)warmup, (int)total);
}

static void test_schedules(void) {
    const double linear[] = {0.0,
                             5e-06,
                             1e-05,
                             1.5000000000000002e-05,
                             2e-05,
                             1.6666666666666667e-05,
                             1.3333333333333333e-05,
                             1e-05,
                             6.666666666666667e-06,
                             3.3333333333333333e-06,
                             0.0};
    const double cosine[] = {0.0,
                             5e-06,
                             1e-05,
                             1.5000000000000002e-05,
                             2e-05,
                             1.866025403784439e-05,
                             1.5000000000000002e-05,
                             1e-05,
                             5.000000000000003e-06,
                             1.339745962155613e-06,
                             0.0};
    const double constant[] = {0.0, 5e-06, 1e-05, 1.5000000000000002e-05, 2e-05, 2e-05};
    const double no_warmup[] = {2e-05, 1.3333333333333333e-05, 6.666666666666667e-06, 0};
    check_rates("linear", 4, 10, linear, 11);
    check_rates("cosine", 4, 10, cosine, 11);
    check_rates("constant", 4, 10, constant, 6);
    check_rates("linear", 0, 3, no_warmup, 4);
}

static void test_counts(void) {
    struct bs_train_settings s = bs_train_defaults();
    check(bs_updates_per_epoch(&s, 17) == 3, "a partial batch is an update");
    s.accumulation = 2;
    check(bs_updates_per_epoch(&s, 17) == 2, "a partial group is an update");
    check(bs_updates_per_epoch(&s, 16) == 1, "a whole group is one update");
    check(bs_updates_total(&s, 17) == 6, "epochs give the total");
    s.max_steps = 5;
    check(bs_updates_total(&s, 17) == 5, "max_steps overrides them");
}

static void test_names(void) {
    struct bs_error error;
    enum bs_best_metric metric;
    enum bs_schedule schedule;
    int64_t freeze = 7;
    check(!bs_best_metric_parse("loss", &metric, &error) && metric == BS_BEST_LOSS,
          "metric by name");
    check(bs_best_metric_parse("f2", &metric, &error) == BS_USAGE, "unknown metric");
    check(bs_schedule_parse("step", &schedule, &error) == BS_USAGE, "unknown schedule");
    check(!bs_freeze_parse("embeddings", &freeze, &error) && freeze == 0, "embeddings");
    check(!bs_freeze_parse("3", &freeze, &error) && freeze == 3, "three layers");
    check(bs_freeze_parse("0", &freeze, &error) == BS_USAGE, "no layers");
}

static bool weights_are(const char *text, const float expected[3]) {
    struct bs_train_settings s = bs_train_defaults();
    char a[] = "a", b[] = "b", c[] = "c", *labels[] = {a, b, c};
    const int64_t counts[] = {6, 3, 0};
    float weights[3];
    bool weighted;
    struct bs_error error;
    s.class_weights = text;
    if (bs_class_weights(&s, labels, counts, 3, weights, &weighted, &error) || !weighted)
        return false;
    return memcmp(weights, expected, sizeof weights) == 0;
}

static void test_class_weights(void) {
    /* compute_class_weight("balanced"): 9 / (2 * 6), 9 / (2 * 3) */
    check(weights_are("balanced", (float[]){0.75F, 1.5F, 1}), "balanced");
    check(weights_are("b=2.5,a=0.5", (float[]){0.5F, 2.5F, 1}), "by name");
    check(!weights_are("d=1", (float[]){1, 1, 1}), "unknown name");
    check(!weights_are("a", (float[]){1, 1, 1}), "no weight");
    check(!weights_are("a=1,a=2", (float[]){2, 1, 1}), "a name twice");
    check(!weights_are("a=0", (float[]){0, 1, 1}), "weight of zero");
}

static bool describes(const struct bs_train_settings *s, const char *line) {
    struct bs_buffer text = {0};
    bool found = bs_train_settings_describe(s, &text) &&
                 bs_buffer_append_byte(&text, '\0') && strstr(text.data, line);
    bs_buffer_free(&text);
    return found;
}

static void test_description(void) {
    struct bs_train_settings s = bs_train_defaults();
    check(describes(&s, "learning_rate\t2e-05\n"), "reals, shortest");
    check(describes(&s, "schedule\tlinear\n"), "names");
    check(describes(&s, "class_weights\tnone\n"), "absent text");
    s.class_weights = "a\tb\n=2";
    check(describes(&s, "class_weights\ta\\x09b\\x0a=2\n"), "values stay on their line");
    s.class_weights = "a\\x09b=2";
    check(describes(&s, "class_weights\ta\\x5cx09b=2\n"), "and are told apart");
}

int main(void) {
    test_schedules();
    test_counts();
    test_names();
    test_class_weights();
    test_description();
    return tap_end();
}
