/*
 * int8 products by tiles, with what stands in for AMX's instructions: the same bits as
 * those of other instructions, for all ways in which rows, steps and columns fill tiles.
 * Where there is AMX itself, the device compares both when it is opened.
 */
#include "compute/cpu/kernels.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
bs_cpu_product_function bs_cpu_product_avx512tiles;

enum { MOST_ROWS = 100, MOST_STEPS = 50, MOST_COLUMNS = 100, PANEL = 48 };
enum { WHOLE_COLUMNS = (MOST_COLUMNS + PANEL - 1) / PANEL * PANEL };

static uint8_t a[MOST_ROWS * MOST_STEPS * BS_CPU_STEP];
static uint8_t panels[WHOLE_COLUMNS * MOST_STEPS * BS_CPU_STEP];
static int32_t starts[WHOLE_COLUMNS];
static float a_scales[MOST_ROWS], b_scales[WHOLE_COLUMNS], bias[WHOLE_COLUMNS];
static float results[2][MOST_ROWS * MOST_COLUMNS];

static void fill(void) {
    srand(11);
    for (size_t i = 0; i < sizeof a; i++)
        a[i] = (uint8_t)rand();
    for (size_t i = 0; i < sizeof panels; i++)
        panels[i] = (uint8_t)rand();
    for (int i = 0; i < MOST_ROWS; i++)
        a_scales[i] = 1e-4F * (float)(1 + rand() % 100);
    for (int i = 0; i < WHOLE_COLUMNS; i++) {
        starts[i] = rand() % 10000 - 5000;
        b_scales[i] = 1e-3F * (float)(1 + rand() % 100);
        bias[i] = (float)(rand() % 100 - 50);
    }
}

static void check_size(int rows, int steps, int columns, enum bs_type type, bool gelu) {
    struct bs_cpu_product p = {.operand = BS_CPU_INT8,
                               .steps = steps,
                               .a = a,
                               .a_row = (int64_t)steps * BS_CPU_STEP,
                               .a_step = BS_CPU_STEP,
                               .panels = panels,
                               .a_scales = a_scales,
                               .b_scales = b_scales,
                               .b_starts = starts,
                               .bias = gelu ? bias : NULL,
                               .gelu = gelu};
    bs_cpu_product_function *functions[] = {bs_cpu_kernels_avx512vnni.product,
                                            bs_cpu_product_avx512tiles};
    memset(results, 0x55, sizeof results);
    for (int i = 0; i < 2; i++) {
        p.y = (struct bs_rows){results[i], type, rows, columns, columns};
        functions[i](&p);
    }
    check(!memcmp(results[0], results[1], sizeof results[0]),
          "%d rows, %d steps, %d columns, %s%s", rows, steps, columns,
          type == BS_F32 ? "fp32" : "bf16", gelu ? ", bias and GELU" : "");
}

int main(void) {
    static const int rows[] = {1, 31, 32, 33, 64, 100}, steps[] = {1, 15, 16, 17, 48, 50},
                     columns[] = {2, 48, 100};
    enum { ROWS = sizeof rows / sizeof *rows, STEPS = sizeof steps / sizeof *steps };
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx512vnni")) {
        skip("no AVX-512 with VNNI to compare with");
        return tap_end();
    }
    fill();
    for (int i = 0; i < ROWS * STEPS * 3; i++) {
        bool gelu = i % 2;
        check_size(rows[i % ROWS], steps[i / ROWS % STEPS], columns[i / ROWS / STEPS],
                   i % 3 ? BS_BF16 : BS_F32, gelu);
    }
    return tap_end();
}
#else
int main(void) {
    skip("no x86");
    return tap_end();
}
#endif
