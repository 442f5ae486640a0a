/*
 * Linear layers in int8: sums are whole numbers, so every back end gives what ref gives
 * but for the rounding of scales. Shapes of small and usual models, views with gaps, rows
 * of zeros and of what is not a number.
 */
#include "compute/lab.h"

enum { ROWS = 37, SHAPES = 8 };

static const int shapes[SHAPES][2] = {{2, 384},    {49, 33},    {384, 1536}, {1536, 384},
                                      {3072, 768}, {100, 1001}, {1, 1},      {47, 2}};

/* Row 1 is zero, row 2 tiny, row 3 has one number that stands out. */
static struct bs_rows odd_rows(struct lab *lab, int columns) {
    float *values = lab_normal(lab, (int64_t)ROWS * columns, 1);
    for (int c = 0; c < columns; c++) {
        values[columns + c] = 0;
        values[2 * columns + c] *= 1e-35F;
    }
    values[3 * columns + columns / 2] = 1000;
    struct bs_rows rows = lab_given(lab, BS_BF16, ROWS, columns, values);
    free(values);
    return rows;
}

static void run(struct lab *lab, struct target target, const int shape[2], int threads,
                enum bs_activation activation, bool strided) {
    lab_open(lab, target, BS_PRECISION_INT8, threads, 5);
    lab->strided = strided;
    struct bs_linear l = {lab_parameter(lab, BS_ROLE_MATRIX, shape[0], shape[1]),
                          lab_parameter(lab, BS_ROLE_VECTOR, 1, shape[0])};
    lab_weights(lab);
    struct bs_rows x = odd_rows(lab, shape[1]);
    struct bs_rows y = lab_output(lab, BS_F32, ROWS, shape[0]);
    bs_linear(lab->queue, lab->weights, l, activation, x, absent, y);
    lab_record(lab, "y", y);
}

static void check_shape(struct target target, const int shape[2]) {
    static const struct target oracle = {"ref", NULL};
    static struct lab ref, labs[2];
    for (int i = 0; i < 3; i++) {
        enum bs_activation activation = (enum bs_activation)i;
        run(&ref, oracle, shape, 1, activation, false);
        for (int j = 0; j < 2; j++)
            run(&labs[j], target, shape, j + 1, activation, j == 1);
        check(lab_sound(&labs[0]) && lab_sound(&labs[1]) &&
                  records_agree(&labs[0], &ref) && records_equal(&labs[0], &labs[1]),
              "%s: [%d, %d], activation %d", bs_device_info(labs[0].device)->hardware,
              shape[0], shape[1], i);
        lab_close(&ref);
        lab_close(&labs[0]);
        lab_close(&labs[1]);
    }
}

/* What is not a number spoils its own row, all of it, and no other. */
static void check_spoilt(struct target target, float value) {
    enum { COLUMNS = 70, OUTPUTS = 50 };
    static struct lab lab;
    lab_open(&lab, target, BS_PRECISION_INT8, 1, 6);
    struct bs_linear l = {lab_parameter(&lab, BS_ROLE_MATRIX, OUTPUTS, COLUMNS),
                          lab_parameter(&lab, BS_ROLE_VECTOR, 1, OUTPUTS)};
    lab_weights(&lab);
    float values[3 * COLUMNS];
    for (int i = 0; i < 3 * COLUMNS; i++)
        values[i] = i == COLUMNS + 7 ? value : 1;
    struct bs_rows x = lab_given(&lab, BS_BF16, 3, COLUMNS, values);
    struct bs_rows y = lab_output(&lab, BS_F32, 3, OUTPUTS);
    bs_linear(lab.queue, lab.weights, l, BS_IDENTITY, x, absent, y);
    float *result = lab_download(&lab, y);
    bool good = true;
    for (int i = 0; i < 3 * OUTPUTS; i++)
        good = good && (isfinite(result[i]) != 0) == (i / OUTPUTS != 1);
    check(good, "%s: a row with %g", bs_device_info(lab.device)->hardware, (double)value);
    free(result);
    lab_close(&lab);
}

static void check_training_refused(void) {
    struct bs_parameter matrix = {
        .name = "m", .role = BS_ROLE_MATRIX, .rows = 2, .columns = 2};
    struct bs_error error = {0};
    struct bs_device *device;
    struct bs_weights *weights;
    if (bs_device_open(&device, "ref", &error)) {
        check(0, "ref: %s", error.text);
        return;
    }
    check(bs_weights_new(&weights, device, &matrix, 1, BS_PRECISION_INT8, true, &error) ==
                  BS_USAGE &&
              strstr(error.text, "int8 is for labelling"),
          "training is refused: %s", error.text);
    bs_device_close(device);
}

/* Sums of 32 bits have room for 2^31 / (255 * 127) products. */
static void check_too_many(struct target target) {
    struct bs_parameter matrix = {
        .name = "m", .role = BS_ROLE_MATRIX, .rows = 2, .columns = 66312};
    struct bs_error error = {0};
    struct bs_weights *weights = NULL;
    struct bs_device *device = lab_device(target, &error);
    int code =
        bs_weights_new(&weights, device, &matrix, 1, BS_PRECISION_INT8, false, &error);
    check(code == BS_DATA && strstr(error.text, "m: 66312 inputs are too many"), "%s",
          error.text);
    matrix.columns--;
    check(!bs_weights_new(&weights, device, &matrix, 1, BS_PRECISION_INT8, false, &error),
          "as many as there may be");
    bs_weights_free(weights);
    bs_device_close(device);
}

int main(int argc, char **argv) {
    struct target targets[8];
    int n = lab_targets(argc, argv, targets);
    check_training_refused();
    for (int i = 0; i < n; i++) {
        if (!lab_available(targets[i], BS_PRECISION_INT8))
            continue;
        check_spoilt(targets[i], NAN);
        check_spoilt(targets[i], INFINITY);
        if (strcmp(targets[i].device, "cpu") == 0)
            check_too_many(targets[i]);
        for (int s = 0; s < SHAPES && strcmp(targets[i].device, "ref") != 0; s++)
            check_shape(targets[i], shapes[s]);
    }
    return tap_end();
}
