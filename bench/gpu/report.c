/* Rows of the table, written as they come. */
#include "bench.h"

#include <stdio.h>
#include <string.h>

void report_header(void) {
    printf("device\twork\tshape\tengine\tprecision\tbatch\tlength\tsteps\trun\tseconds\t"
           "rate\tunit\ttflops\tof_peak\tof_library\tmemory_mb\n");
    fflush(stdout);
}

/* A figure with so many decimals, or "-" for 0. */
static void figure(double value, int decimals) {
    if (value > 0)
        printf("\t%.*f", decimals, value);
    else
        printf("\t-");
}

static void print_load(struct load load) {
    if (load.sequences)
        printf("\t%lld", (long long)load.sequences);
    else
        printf("\t-");
    printf("\t%lld", (long long)load.length);
}

void report_row(const struct bench *bench, const struct row *row) {
    const char *hardware = bs_device_info(bench->device)->hardware;
    bool label = strcmp(row->work, "label") == 0;
    bool whole = strcmp(row->work, "report") == 0;
    bool single = label && row->load.sequences == 1;
    double each = row->taken / (double)row->steps, tflops = 1e-12 * row->flops / each;
    double texts = label && row->load.sequences ? (double)row->load.sequences : 1;
    double memory = (double)(bs_device_memory_used(bench->device) - bench->memory_before);
    printf("%s\t%s\t%s\tbs\t%s", hardware, row->work, row->shape->name,
           bs_precision_name(row->precision));
    print_load(row->load);
    printf("\t%lld\t%s", (long long)row->steps,
           label   ? "measured"
           : whole ? "whole"
                   : "extrapolated");
    figure(label ? row->taken : each * (double)bench->total, 3);
    figure(single ? 1e3 * each : texts / each, 3);
    printf("\t%s", single ? "ms" : label ? "texts/s" : "steps/s");
    figure(tflops, 4);
    double peak = chip_peak(hardware, row->precision);
    figure(peak > 0 ? tflops / peak : 0, 4);
    figure(row->products > 0 ? tflops / row->products : 0, 4);
    figure(1e-6 * memory, 1);
    printf("\n");
    fflush(stdout);
}
