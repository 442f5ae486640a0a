/*
 * A row's product has the same bits however many rows it is computed with: back ends cut
 * rows into tiles of several sizes, and which one a row falls into depends on its
 * neighbours. Shapes of small and usual models, forward and backward.
 */
#include "compute/lab.h"

enum { ROWS = 64, SHAPES = 10 };

static const int shapes[SHAPES][2] = {{2, 384},    {49, 33},    {384, 384}, {1152, 384},
                                      {1536, 384}, {384, 1536}, {768, 768}, {3072, 768},
                                      {768, 3072}, {100, 1000}};

/* Runs `count` rows from `first` on; results go to rows of y and dx. */
static void run_part(struct lab *lab, struct bs_linear l, struct bs_rows x,
                     struct bs_rows dy, struct bs_rows y, struct bs_rows dx, int first,
                     int count) {
    bs_linear(lab->queue, lab->weights, l, BS_IDENTITY, bs_rows_slice(x, first, count),
              absent, bs_rows_slice(y, first, count));
    bs_linear_backward(lab->queue, lab->weights, l, bs_rows_slice(x, first, count),
                       bs_rows_slice(dy, first, count), bs_rows_slice(dx, first, count),
                       false);
}

static bool same_bits(struct lab *lab, struct bs_rows a, struct bs_rows b) {
    float *left = lab_download(lab, a), *right = lab_download(lab, b);
    bool same = !memcmp(left, right, (size_t)(a.rows * a.columns) * sizeof(float));
    free(left);
    free(right);
    return same;
}

static void check_shape(struct target target, enum bs_precision precision,
                        const int shape[2]) {
    static const int parts[] = {16, 32, 48, 1, 7, 17, 33, 63};
    static struct lab lab;
    lab_open(&lab, target, precision, 2, 11);
    struct bs_linear l = {lab_parameter(&lab, BS_ROLE_MATRIX, shape[0], shape[1]),
                          lab_parameter(&lab, BS_ROLE_VECTOR, 1, shape[0])};
    lab_weights(&lab);
    struct bs_rows x = lab_input(&lab, lab.type, ROWS, shape[1], 1);
    struct bs_rows dy = lab_input(&lab, lab.type, ROWS, shape[0], 1);
    struct bs_rows y[2], dx[2];
    for (int i = 0; i < 2; i++) {
        y[i] = lab_output(&lab, BS_F32, ROWS, shape[0]);
        dx[i] = lab_output(&lab, BS_F32, ROWS, shape[1]);
    }
    run_part(&lab, l, x, dy, y[0], dx[0], 0, ROWS);
    bool same = true;
    for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
        run_part(&lab, l, x, dy, y[1], dx[1], 0, parts[p]);
        run_part(&lab, l, x, dy, y[1], dx[1], parts[p], ROWS - parts[p]);
        same = same && same_bits(&lab, y[0], y[1]) && same_bits(&lab, dx[0], dx[1]);
    }
    check(lab_sound(&lab) && same, "%s %s: [%d, %d]: the same bits in parts",
          bs_device_info(lab.device)->hardware, bs_precision_name(precision), shape[0],
          shape[1]);
    lab_close(&lab);
}

int main(int argc, char **argv) {
    struct target targets[8];
    int n = lab_targets(argc, argv, targets);
    for (int i = 0; i < n; i++)
        for (int p = BS_PRECISION_FP32; p <= BS_PRECISION_BF16; p++)
            if (strcmp(targets[i].device, "ref") &&
                lab_available(targets[i], (enum bs_precision)p))
                for (int s = 0; s < SHAPES; s++)
                    check_shape(targets[i], (enum bs_precision)p, shapes[s]);
    return tap_end();
}
