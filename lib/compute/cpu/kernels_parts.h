/* What the files of kernels of one instruction set share: their names for the table. */
#ifndef BS_COMPUTE_CPU_KERNELS_PARTS_H
#define BS_COMPUTE_CPU_KERNELS_PARTS_H

#include "compute/cpu/kernels.h"
#include "compute/cpu/vector.h"

#define copy_rows            BS_KERNEL(copy)
#define add_rows             BS_KERNEL(add)
#define round_floats         BS_KERNEL(round)
#define gelu_rows            BS_KERNEL(gelu)
#define gelu_backward_rows   BS_KERNEL(gelu_backward)
#define tanh_rows            BS_KERNEL(tanh)
#define tanh_backward_rows   BS_KERNEL(tanh_backward)
#define sum_columns          BS_KERNEL(column_sums)
#define dropout_rows         BS_KERNEL(dropout)
#define dropout_bits         BS_KERNEL(dropout_bits)
#define layer_norm_rows      BS_KERNEL(layer_norm)
#define layer_norm_back_rows BS_KERNEL(layer_norm_backward)
#define head_scratch         BS_KERNEL(attention_scratch)
#define attention_head       BS_KERNEL(attention)
#define attention_head_back  BS_KERNEL(attention_backward)
#define sum_of_squares       BS_KERNEL(squares)
#define adamw_chunk          BS_KERNEL(adamw)
#define panel_product        BS_KERNEL(product)
#define pack_panel           BS_KERNEL(pack)
#define pack_transposed_rows BS_KERNEL(pack_transposed)
#define quantize_rows        BS_KERNEL(quantize)

void copy_rows(struct bs_rows x, struct bs_rows y);
void add_rows(struct bs_rows x, struct bs_rows y);
void round_floats(const float *x, float *y, int64_t n);
void gelu_rows(struct bs_rows x, struct bs_rows y);
void gelu_backward_rows(struct bs_rows pre, struct bs_rows dy, struct bs_rows dpre);
void tanh_rows(struct bs_rows x, struct bs_rows y);
void tanh_backward_rows(struct bs_rows y, struct bs_rows dy, struct bs_rows dpre);
void sum_columns(struct bs_rows x, float *sums);
void dropout_rows(const struct bs_cpu_dropout *dropout, struct bs_rows x,
                  struct bs_rows residual, struct bs_rows y, struct bs_rows y_low);
void layer_norm_rows(const float *gain, const float *bias, float epsilon,
                     struct bs_rows x, struct bs_rows residual, struct bs_rows sum,
                     struct bs_rows stats, struct bs_rows y, struct bs_rows y_low);
void layer_norm_back_rows(const float *gain, struct bs_rows x, struct bs_rows stats,
                          struct bs_rows dy, struct bs_rows dx, float *sums);
int64_t head_scratch(int64_t length, int64_t width, bool backward);
void attention_head(const struct bs_cpu_attention *a, float *scratch);
void attention_head_back(const struct bs_cpu_attention *a, float *scratch);
double sum_of_squares(const float *x, int64_t n);
void adamw_chunk(const struct bs_adamw_factors *f, float *value, float *gradient,
                 float *moment1, float *moment2, int64_t n);
void panel_product(const struct bs_cpu_product *p);
void pack_panel(enum bs_cpu_operand operand, struct bs_rows from, int64_t panel,
                uint32_t *to);
void pack_transposed_rows(enum bs_cpu_operand operand, struct bs_rows from, int64_t first,
                          struct bs_cpu_panels to);
void quantize_rows(struct bs_rows x, uint8_t *to, int64_t to_row, float *scales);

/* Half-words of dropout for `groups` groups of 8 channels from `first` on, channel by
 * channel; `bits` has room for the next multiple of BS_LANES / 2 groups. */
void dropout_bits(const struct bs_cpu_dropout *dropout, uint32_t example, uint32_t place,
                  uint32_t first, int64_t groups, uint16_t *bits);

#endif
