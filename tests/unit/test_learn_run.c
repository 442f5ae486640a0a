/* Whole runs of the tiny model on the reference back end: stopped anywhere and gone on
 * with, they end in the same bytes; other settings, damage and values that are not
 * finite are told. */
#include "common/log.h"
#include "learn/trainer.h"
#include "tap.h"

#include <stdlib.h>
#include <unistd.h>

static struct bs_device *device;
static struct bs_model_files *base;
static struct bs_labels labels;
static struct bs_examples train, eval;
static char scratch[] = "/tmp/test_learn_run.XXXXXX";
static int asked, stop_at; /* times that `stop` was called, and when it says yes */

static int stop(void) {
    return stop_at > 0 && ++asked >= stop_at;
}

/* Two classes that ids tell apart. */
static void make_examples(struct bs_examples *examples, int n, int from) {
    struct bs_error error;
    bs_examples_init(examples, bs_model_files_config(base));
    for (int i = from; i < from + n; i++) {
        int32_t ids[12];
        int length = 4 + i % 7;
        for (int j = 0; j < length; j++)
            ids[j] = 10 + (i * 37 + j * 11) % 400 + (i & 1) * 400;
        struct bs_sequence sequence = {ids, NULL, length};
        if (bs_examples_add(examples, &sequence, i & 1, &error))
            check(0, "%s", error.text);
    }
}

static struct bs_train_settings settings_of_test(void) {
    struct bs_train_settings s = bs_train_defaults();
    s.epochs = 3;
    s.batch_size = 4;
    s.accumulation = 2;
    s.learning_rate = 1e-3;
    s.warmup_steps = 2;
    s.eval_steps = 4;
    s.save_steps = 3;
    return s;
}

static int run(const char *name, const struct bs_train_settings *settings, bool restart,
               int threads, struct bs_error *error) {
    struct bs_run_folder folder;
    struct bs_output *table;
    char *path = bs_path_join(scratch, name), *out = bs_path_join(scratch, "table");
    struct bs_training training = {.settings = settings,
                                   .device = device,
                                   .base = base,
                                   .tokenizer = "none",
                                   .labels = &labels,
                                   .train = &train,
                                   .eval = &eval,
                                   .folder = &folder,
                                   .restart = restart,
                                   .threads = threads,
                                   .stop = stop};
    asked = 0;
    int code = bs_output_open(&table, out, error);
    if (!code)
        code = bs_run_folder_open(&folder, path, error);
    if (!code) {
        code = bs_train(&training, table, error);
        bs_run_folder_close(&folder);
    }
    if (code)
        bs_output_abandon(table);
    else
        code = bs_output_commit(table, error);
    free(path);
    free(out);
    return code;
}

static bool same_file(const char *a, const char *b, const char *file) {
    struct bs_buffer left = {0}, right = {0}, path = {0};
    struct bs_error error;
    bool same = bs_buffer_printf(&path, "%s/%s/%s%c", scratch, a, file, 0) &&
                !bs_file_read(path.data, 1 << 30, &left, &error);
    path.size = 0;
    same = same && bs_buffer_printf(&path, "%s/%s/%s%c", scratch, b, file, 0) &&
           !bs_file_read(path.data, 1 << 30, &right, &error) &&
           bs_span_equal(bs_buffer_span(&left), bs_buffer_span(&right));
    bs_buffer_free(&left);
    bs_buffer_free(&right);
    bs_buffer_free(&path);
    return same;
}

static bool same_run(const char *a, const char *b) {
    static const char *const files[] = {
        "log.tsv",           "last/model.safetensors", "last/bs.json",
        "last/config.json",  "best/model.safetensors", "best/bs.json",
        "last/optimizer.bin"};
    bool same = true;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (!same_file(a, b, files[i]))
            same = check(0, "%s of %s and %s", files[i], a, b);
    return same;
}

static void test_resume(void) {
    struct bs_train_settings s = settings_of_test();
    struct bs_error error = {0};
    check(!run("whole", &s, false, 1, &error), "an undisturbed run %s", error.text);
    check(!run("threads", &s, false, 2, &error) && same_run("whole", "threads"),
          "two threads, the same bytes");
    for (int at = 2; at < 40; at += 5) {
        stop_at = at;
        int code = run("stopped", &s, true, 1, &error);
        stop_at = 0;
        check(!code && !run("stopped", &s, false, 2, &error) &&
                  same_run("whole", "stopped"),
              "stopped at the %dth question and gone on with", at);
    }
    int stops = 0;
    stop_at = 3;
    check(!run("often", &s, false, 1, &error), "begun");
    while (stops++ < 100 && !same_file("whole", "often", "last/bs.json"))
        if (run("often", &s, false, 1, &error))
            break;
    stop_at = 0;
    check(!run("often", &s, false, 1, &error) && same_run("whole", "often"),
          "stopped after every other step (%d times)", stops);
    check(!run("whole", &s, false, 1, &error), "a finished run is left alone");
}

static void test_difference(void) {
    struct bs_train_settings s = settings_of_test();
    struct bs_error error = {0};
    s.learning_rate = 2e-3;
    check(run("whole", &s, false, 1, &error) == BS_USAGE &&
              strstr(error.text, "--learning-rate is 0.002, was 0.001"),
          "another run: %s", error.text);
    s = settings_of_test();
    s.save_steps = 5;
    check(!run("whole", &s, false, 1, &error), "saving changes no number");
    train.labels[3] ^= 1;
    check(run("whole", &s, false, 1, &error) == BS_USAGE &&
              strstr(error.text, "the training data is not the same"),
          "other data: %s", error.text);
    train.labels[3] ^= 1;
}

static void test_damage(void) {
    struct bs_train_settings s = settings_of_test();
    struct bs_error error = {0};
    struct bs_buffer path = {0};
    stop_at = 9;
    check(!run("damaged", &s, false, 1, &error), "stopped");
    stop_at = 0;
    if (!bs_buffer_printf(&path, "%s/damaged/last/optimizer.bin%c", scratch, 0))
        return;
    FILE *file = fopen(path.data, "r+b");
    check(file && !fseek(file, 1000, SEEK_SET) && fputc('X', file) == 'X' &&
              !fclose(file),
          "a byte is changed");
    check(run("damaged", &s, false, 1, &error) == BS_DATA &&
              strstr(error.text, "--restart"),
          "and found: %s", error.text);
    check(!run("damaged", &s, true, 1, &error) && same_run("whole", "damaged"),
          "begun anew");
    bs_buffer_free(&path);
}

static void test_not_finite(void) {
    struct bs_train_settings s = settings_of_test();
    struct bs_error error = {0};
    s.learning_rate = 1e38;
    s.max_grad_norm = 0;
    s.warmup_steps = 0;
    check(run("burst", &s, false, 1, &error) == BS_DEVICE &&
              strstr(error.text, "not finite") && strstr(error.text, "step "),
          "not finite: %s", error.text);
}

static void test_patience(void) {
    struct bs_train_settings s = settings_of_test();
    struct bs_error error = {0};
    s.learning_rate = 0;
    s.eval_steps = 1;
    s.patience = 2;
    check(!run("patient", &s, false, 1, &error), "stopped early");
    struct bs_buffer path = {0};
    if (bs_buffer_printf(&path, "%s/patient/checkpoint-3%c", scratch, 0))
        check(bs_is_directory(path.data), "after two evaluations that were not better");
    bs_buffer_free(&path);
}

int main(void) {
    struct bs_error error = {0};
    char neg[] = "neg", pos[] = "pos", *names[] = {neg, pos};
    if (!mkdtemp(scratch) || bs_device_open(&device, "ref", &error) ||
        bs_model_files_open(&base, "tests/parity/golden/tiny", &error) ||
        bs_labels_fix(&labels, names, 2, &error)) {
        check(0, "set-up: %s", error.text);
        return tap_end();
    }
    bs_log_setup("test_learn_run", true, false);
    make_examples(&train, 37, 0);
    make_examples(&eval, 12, 100);
    test_resume();
    test_difference();
    test_damage();
    test_not_finite();
    test_patience();
    bs_examples_free(&train);
    bs_examples_free(&eval);
    bs_labels_free(&labels);
    bs_model_files_close(base);
    bs_device_close(device);
    check(!bs_remove_tree(scratch, &error), "cleaned up");
    return tap_end();
}
