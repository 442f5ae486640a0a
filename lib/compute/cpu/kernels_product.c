/* Matrix products on panels: a block of rows by one panel stays in registers while k goes
 * by, and all that follows is done to it while it is in the first cache. */
#include "compute/cpu/block.h"
#include "compute/cpu/gelu.h"
#include "compute/cpu/kernels_parts.h"

/* What becomes of the sums of vector v of a tile: n columns of y, c on, of a few rows.
 * All but rows and places are constants where this is expanded. */
BS_INLINE void finish(const struct bs_cpu_product *p, bool is_int8, bool gelu,
                      enum bs_type type, int64_t row, int rows, int64_t c, int64_t n,
                      int v, bs_tile sums) {
    vf scale = {0}, bias = {0};
    if (is_int8)
        scale = vload_row(p->b_scales, BS_F32, c, n);
    if (p->bias)
        bias = vload_row(p->bias, BS_F32, c, n);
    for (int r = 0; r < rows; r++) {
        void *y = row_of(p->y, row + r);
        vf x = sums[r][v];
        if (is_int8)
            x = __builtin_convertvector((vi)x, vf) * (scale * p->a_scales[row + r]);
        if (p->bias)
            x += bias;
        if (p->accumulate)
            x += vload_row(y, type, c, n);
        if (p->pre.data)
            vstore_row(row_of(p->pre, row + r), type, c, n, x);
        if (gelu)
            x = type == BS_F32 ? vgelu(x) : vgelu_low(x);
        vstore_row(y, type, c, n, x);
    }
}

BS_INLINE void finish_tile(const struct bs_cpu_product *p, bool is_int8, bool gelu,
                           enum bs_type type, int64_t row, int64_t column, int rows,
                           bs_tile sums) {
    for (int v = 0; v < BS_VECTORS; v++) {
        int64_t c = column + (int64_t)v * BS_LANES, left = p->y.columns - c;
        if (left >= BS_LANES)
            finish(p, is_int8, gelu, type, row, rows, c, BS_LANES, v, sums);
        else if (left > 0)
            finish(p, is_int8, gelu, type, row, rows, c, left, v, sums);
    }
}

static void finish_any(const struct bs_cpu_product *p, int64_t row, int64_t column,
                       int rows, bs_tile sums) {
    bool is_int8 = p->operand == BS_CPU_INT8, is_low = p->y.type != BS_F32;
    if (is_int8 && is_low && p->gelu)
        finish_tile(p, true, true, BS_BF16, row, column, rows, sums);
    else if (is_int8 && is_low)
        finish_tile(p, true, false, BS_BF16, row, column, rows, sums);
    else if (is_int8)
        finish_tile(p, true, p->gelu, BS_F32, row, column, rows, sums);
    else if (is_low && p->gelu)
        finish_tile(p, false, true, BS_BF16, row, column, rows, sums);
    else if (is_low)
        finish_tile(p, false, false, BS_BF16, row, column, rows, sums);
    else
        finish_tile(p, false, p->gelu, BS_F32, row, column, rows, sums);
}

#if defined(BS_TILES)
#include "compute/cpu/tiles.h"

/* Whole chunks by tiles; what is left of the steps, and where sums begin, as ever. */
static void tile_block(const struct bs_cpu_product *p, const struct bs_block *at,
                       int64_t row, int64_t column) {
    int32_t sums[BS_TILE_ROWS][BS_PANEL];
    int64_t chunks = at->steps / BS_TILE_STEPS;
    struct bs_block rest = *at;
    tile_sums(at, chunks, sums);
    rest.a += chunks * BS_TILE_WIDTH;
    rest.b += chunks * BS_TILE_STEPS * at->b_step;
    rest.steps -= chunks * BS_TILE_STEPS;
    for (int r = 0; r < BS_TILE_ROWS; r += BS_BLOCK_ROWS) {
        bs_tile tile;
        any_rows(&rest, BS_CPU_INT8, BS_BLOCK_ROWS, BS_VECTORS, tile);
        for (int i = 0; i < BS_BLOCK_ROWS; i++)
            for (int v = 0; v < BS_VECTORS; v++) {
                vi sum;
                memcpy(&sum, sums[r + i] + (size_t)v * BS_LANES, sizeof sum);
                tile[i][v] = (vf)((vi)tile[i][v] + sum);
            }
        finish_any(p, row + r, column, BS_BLOCK_ROWS, tile);
        rest.a += BS_BLOCK_ROWS * at->a_row;
    }
}

/* A panel's rows as far as they fill tiles; returns how many. */
static int64_t tile_blocks(const struct bs_cpu_product *p, const struct bs_block *panel,
                           int64_t column) {
    struct bs_block at = *panel;
    int64_t row = 0;
    if (p->a_step != BS_CPU_STEP)
        return 0;
    for (; row + BS_TILE_ROWS <= p->y.rows; row += BS_TILE_ROWS) {
        at.a = (const char *)p->a + row * p->a_row;
        tile_block(p, &at, row, column);
    }
    return row;
}
#else
#define begin_tiles()  ((void)0)
#define BS_END_TILES() ((void)0)

static int64_t tile_blocks(const struct bs_cpu_product *p, const struct bs_block *panel,
                           int64_t column) {
    (void)p, (void)panel, (void)column;
    return 0;
}
#endif

BS_INLINE void all_blocks(const struct bs_cpu_product *p, enum bs_cpu_operand operand) {
    struct bs_block at = {.a_row = p->a_row,
                          .a_step = p->a_step,
                          .start = p->b_starts,
                          .b = p->panels,
                          .b_step = BS_PANEL * BS_CPU_STEP,
                          .steps = p->steps};
    for (int64_t column = 0; column < p->y.columns; column += BS_PANEL) {
        int rows;
        int64_t row = operand == BS_CPU_INT8 ? tile_blocks(p, &at, column) : 0;
        for (; row < p->y.rows; row += rows) {
            bs_tile sums;
            rows = rows_of_block(p->y.rows - row);
            at.a = (const char *)p->a + row * p->a_row;
            any_rows(&at, operand, rows, BS_VECTORS, sums);
            finish_any(p, row, column, rows, sums);
        }
        at.b += at.steps * at.b_step;
        at.start += operand == BS_CPU_INT8 ? BS_PANEL : 0;
    }
}

void panel_product(const struct bs_cpu_product *p) {
    switch (p->operand) {
    case BS_CPU_INT8:
        begin_tiles();
        all_blocks(p, BS_CPU_INT8);
        BS_END_TILES();
        return;
    case BS_CPU_BF16:
        return all_blocks(p, BS_CPU_BF16);
    default:
        return all_blocks(p, BS_CPU_F32);
    }
}

/* ---- packing ---- */

enum { CHUNK = 64 /* steps */ };

/* `n` elements of a row become words of a chunk; what is missing in the last one is 0. */
static void convert(enum bs_cpu_operand operand, const float *from, int64_t n,
                    float inverse, uint32_t *words) {
    switch (operand) {
    case BS_CPU_BF16:
        for (int64_t i = 0; i < n; i += BS_LANES)
            vstore_row(words, BS_BF16, i, n - i, vload_row(from, BS_F32, i, n - i));
        break;
    case BS_CPU_INT8:
        for (int64_t i = 0; i < n; i += BS_LANES)
            vstore_bytes((uint8_t *)words + i, n - i,
                         vround(vload_row(from, BS_F32, i, n - i) * inverse));
        break;
    default:
        memcpy(words, from, (size_t)n * sizeof *words);
    }
}

/* The largest absolute value of a row. What is not a number is larger than any. */
BS_INLINE float largest(const void *row, enum bs_type type, int64_t n) {
    vi most = {0};
    vh most_low = {0};
    int64_t i = 0;
    for (; i + BS_LANES <= n; i += BS_LANES)
        if (type == BS_F32)
            most = vmax_bits((vi)vabs(vload_row(row, type, i, BS_LANES)), most);
        else
            most_low = vmax_low(vload_low(row, i) & 0x7FFF, most_low);
    most = vmax_bits((vi)vwiden(most_low), most);
    if (i < n)
        most = vmax_bits((vi)vabs(vload_row(row, type, i, n - i)), most);
    int32_t best = vmax_bits_lanes(most);
    float value;
    memcpy(&value, &best, sizeof value);
    return value;
}

#define LARGEST_INT8 127.0F
#define LEAST_SCALED 1e-30F /* below it all is taken for 0 */

/* Scale of int8, and its inverse. */
static float scale_of(float most, float *inverse) {
    float scale = most < LEAST_SCALED ? 1 : most / LARGEST_INT8;
    *inverse = 1 / scale;
    return scale;
}

static int32_t sum_of_bytes(const uint32_t *words, int64_t n) {
    const int8_t *bytes = (const int8_t *)words;
    int32_t sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += bytes[i];
    return sum;
}

/* As many as a panel has columns from `first` on. */
static void pack_columns(enum bs_cpu_operand operand, struct bs_rows from, int64_t first,
                         struct bs_cpu_panels to) {
    static const int64_t of_step[] = {1, 2, 4};
    uint32_t words[BS_PANEL][CHUNK] = {{0}};
    float inverse[BS_PANEL] = {0};
    int64_t steps = bs_cpu_steps(operand, from.columns), chunk = CHUNK * of_step[operand];
    uint32_t *out = (uint32_t *)to.words + first / BS_PANEL * steps * BS_PANEL;
    out += first % BS_PANEL;
    for (int64_t j = 0; operand == BS_CPU_INT8 && j < from.rows; j++) {
        to.scales[first + j] =
            scale_of(largest(row_of(from, j), BS_F32, from.columns), &inverse[j]);
        to.starts[first + j] = 0;
    }
    for (int64_t k = 0; k < from.columns; k += chunk) {
        int64_t n = from.columns - k < chunk ? from.columns - k : chunk;
        if (n < chunk)
            memset(words, 0, sizeof words);
        for (int64_t j = 0; j < from.rows; j++) {
            const float *row = row_of(from, j);
            convert(operand, row + k, n, inverse[j], words[j]);
            if (operand == BS_CPU_INT8)
                to.starts[first + j] -= BS_INT8_OFFSET * sum_of_bytes(words[j], n);
        }
        for (int64_t s = 0; s < bs_cpu_steps(operand, n); s++, out += BS_PANEL)
            for (int64_t j = 0; j < from.rows; j++)
                out[j] = words[j][s];
    }
}

void pack_transposed_rows(enum bs_cpu_operand operand, struct bs_rows from, int64_t first,
                          struct bs_cpu_panels to) {
    for (int64_t row = 0, count; row < from.rows; row += count) {
        int64_t room = BS_PANEL - (first + row) % BS_PANEL, left = from.rows - row;
        count = left < room ? left : room;
        pack_columns(operand, bs_rows_slice(from, row, count), first + row, to);
    }
}

void pack_panel(enum bs_cpu_operand operand, struct bs_rows from, int64_t panel,
                uint32_t *to) {
    int64_t first = panel * BS_PANEL;
    to += panel * bs_cpu_steps(operand, from.rows) * BS_PANEL;
    if (operand == BS_CPU_F32)
        for (int64_t k = 0; k < from.rows; k++, to += BS_PANEL)
            for (int v = 0; v < BS_PANEL; v += BS_LANES)
                vstore((float *)to + v, vload_padded(from, k, first + v));
    else
        for (int64_t k = 0; k < from.rows; k += 2, to += BS_PANEL)
            for (int v = 0; v < BS_PANEL; v += BS_LANES) {
                vu pairs = vload_pairs(from, k, first + v);
                memcpy(to + v, &pairs, sizeof pairs);
            }
}

/* n elements become bytes of int8, shifted to be unsigned; returns their scale. */
BS_INLINE float quantize_row(const void *row, enum bs_type type, int64_t n, uint8_t *to) {
    float inverse, scale = scale_of(largest(row, type, n), &inverse);
    int64_t c = 0;
    for (; c + BS_LANES <= n; c += BS_LANES)
        vstore_bytes(to + c, BS_LANES,
                     vround(vload_row(row, type, c, BS_LANES) * inverse) +
                         BS_INT8_OFFSET);
    if (c < n)
        vstore_bytes(to + c, n - c,
                     vround(vload_row(row, type, c, n - c) * inverse) + BS_INT8_OFFSET);
    return scale;
}

void quantize_rows(struct bs_rows x, uint8_t *to, int64_t to_row, float *scales) {
    for (int64_t r = 0; r < x.rows; r++, to += to_row)
        if (x.type == BS_F32)
            scales[r] = quantize_row(row_of(x, r), BS_F32, x.columns, to);
        else
            scales[r] = quantize_row(row_of(x, r), BS_BF16, x.columns, to);
}
