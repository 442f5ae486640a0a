/* The table of one instruction set's kernels. */
#include "compute/cpu/kernels_parts.h"

#if defined(BS_ISA_avx512bf16)
#define NAME "AVX-512 with bf16"
#elif defined(BS_ISA_avx512vnni)
#define NAME "AVX-512 with VNNI"
#elif defined(BS_ISA_avx512)
#define NAME "AVX-512"
#elif defined(BS_ISA_avx2)
#define NAME "AVX2"
#else
#define NAME "plain C"
#endif

const struct bs_cpu_kernels BS_KERNEL(kernels) = {
    .name = NAME,
    .copy = copy_rows,
    .add = add_rows,
    .round = round_floats,
    .gelu = gelu_rows,
    .gelu_backward = gelu_backward_rows,
    .tanh = tanh_rows,
    .tanh_backward = tanh_backward_rows,
    .column_sums = sum_columns,
    .dropout = dropout_rows,
    .layer_norm = layer_norm_rows,
    .layer_norm_backward = layer_norm_back_rows,
    .attention_scratch = head_scratch,
    .attention = attention_head,
    .attention_backward = attention_head_back,
    .squares = sum_of_squares,
    .adamw = adamw_chunk,
#if defined(BS_ISA_avx512bf16)
    .multiplies = {true, true, true},
#elif BS_LANES > 4
    .multiplies = {true, false, true},
#else
    .multiplies = {false, false, true},
#endif
    .panel = BS_PANEL,
    .product = panel_product,
    .pack = pack_panel,
    .pack_transposed = pack_transposed_rows,
    .quantize = quantize_rows,
};
