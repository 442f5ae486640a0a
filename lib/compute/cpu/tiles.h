/*
 * int8 products by the tiles of AMX: BS_TILE_ROWS rows by a panel, chunks of
 * BS_TILE_STEPS steps at a time. A panel as it is packed for other instruction sets is
 * what tiles want: step after step, four bytes of each column. Sums are whole numbers, so
 * that they are those of any other instructions.
 *
 * BS_TILES_IN_C stands in for the instructions in tests: few processors have them.
 * Included by kernels_product.c alone.
 *
 * Intel, "Intel Architecture Instruction Set Extensions Programming Reference",
 * chapter 3.
 */
#ifndef BS_COMPUTE_CPU_TILES_H
#define BS_COMPUTE_CPU_TILES_H

#include "compute/cpu/block.h"

/* Of a tile: rows, bytes of a row. */
enum { BS_TILE_HEIGHT = 16, BS_TILE_WIDTH = 64 };
enum { BS_TILE_ROWS = 2 * BS_TILE_HEIGHT, BS_TILE_STEPS = BS_TILE_WIDTH / BS_CPU_STEP };

#if defined(BS_TILES_IN_C)
static _Thread_local uint8_t bs_tile_bytes[8][BS_TILE_HEIGHT][BS_TILE_WIDTH];

static void load_tile(int tile, const char *from, int64_t stride) {
    for (int r = 0; r < BS_TILE_HEIGHT; r++)
        memcpy(bs_tile_bytes[tile][r], from + r * stride, BS_TILE_WIDTH);
}

static void store_tile(int tile, void *to, int64_t stride) {
    for (int r = 0; r < BS_TILE_HEIGHT; r++)
        memcpy((char *)to + r * stride, bs_tile_bytes[tile][r], BS_TILE_WIDTH);
}

/* Words of `sums`, by row of a and column of b, grow by the products of four bytes. */
static void multiply_tiles(int sums, int a, int b) {
    for (int m = 0; m < BS_TILE_HEIGHT; m++)
        for (int n = 0; n < BS_TILE_WIDTH / 4; n++) {
            int32_t sum;
            memcpy(&sum, &bs_tile_bytes[sums][m][4 * n], sizeof sum);
            for (int k = 0; k < BS_TILE_WIDTH; k++)
                sum += bs_tile_bytes[a][m][k] *
                       (int8_t)bs_tile_bytes[b][k / 4][4 * n + k % 4];
            memcpy(&bs_tile_bytes[sums][m][4 * n], &sum, sizeof sum);
        }
}

#define BS_LOAD_TILE(tile, from, stride) load_tile(tile, from, stride)
#define BS_STORE_TILE(tile, to, stride)  store_tile(tile, to, stride)
#define BS_MULTIPLY_TILES(sums, a, b)    multiply_tiles(sums, a, b)
#define BS_CLEAR_TILE(tile)              memset(bs_tile_bytes[tile], 0, sizeof bs_tile_bytes[tile])
#define BS_BEGIN_TILES(shapes)           ((void)(shapes))
#define BS_END_TILES()                   ((void)0)
#else
#define BS_LOAD_TILE(tile, from, stride) _tile_loadd(tile, from, stride)
#define BS_STORE_TILE(tile, to, stride)  _tile_stored(tile, to, stride)
#define BS_MULTIPLY_TILES(sums, a, b)    _tile_dpbusd(sums, a, b)
#define BS_CLEAR_TILE(tile)              _tile_zero(tile)
#define BS_BEGIN_TILES(shapes)           _tile_loadconfig(shapes)
#define BS_END_TILES()                   _tile_release()
#endif

/* What the processor reads: palette 1, eight tiles of full size. */
struct bs_tile_shapes {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

BS_INLINE void begin_tiles(void) {
    struct bs_tile_shapes shapes = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        shapes.row_bytes[i] = BS_TILE_WIDTH;
        shapes.rows[i] = BS_TILE_HEIGHT;
    }
    /* All of it, and what lies in memory, before the instructions, which do not say what
     * they read. */
    __asm__ volatile("" : : "r"(&shapes) : "memory");
    BS_BEGIN_TILES(&shapes);
}

/* The sums of `chunks` chunks, without where they begin. Tiles 0 to 5: sums, two rows of
 * three; 6: a; 7: b. */
BS_INLINE void tile_sums(const struct bs_block *at, int64_t chunks,
                         int32_t sums[BS_TILE_ROWS][BS_PANEL]) {
    const char *a = at->a, *lower = a + BS_TILE_HEIGHT * at->a_row, *b = at->b;
    BS_CLEAR_TILE(0);
    BS_CLEAR_TILE(1);
    BS_CLEAR_TILE(2);
    BS_CLEAR_TILE(3);
    BS_CLEAR_TILE(4);
    BS_CLEAR_TILE(5);
    for (int64_t i = 0; i < chunks; i++) {
        BS_LOAD_TILE(6, a, at->a_row);
        BS_LOAD_TILE(7, b, at->b_step);
        BS_MULTIPLY_TILES(0, 6, 7);
        BS_LOAD_TILE(7, b + BS_TILE_WIDTH, at->b_step);
        BS_MULTIPLY_TILES(1, 6, 7);
        BS_LOAD_TILE(7, b + 2 * BS_TILE_WIDTH, at->b_step);
        BS_MULTIPLY_TILES(2, 6, 7);
        BS_LOAD_TILE(6, lower, at->a_row);
        BS_MULTIPLY_TILES(5, 6, 7);
        BS_LOAD_TILE(7, b + BS_TILE_WIDTH, at->b_step);
        BS_MULTIPLY_TILES(4, 6, 7);
        BS_LOAD_TILE(7, b, at->b_step);
        BS_MULTIPLY_TILES(3, 6, 7);
        a += BS_TILE_WIDTH;
        lower += BS_TILE_WIDTH;
        b += BS_TILE_STEPS * at->b_step;
    }
    int32_t *half = sums[BS_TILE_HEIGHT];
    int64_t stride = sizeof sums[0];
    BS_STORE_TILE(0, sums[0], stride);
    BS_STORE_TILE(1, sums[0] + BS_LANES, stride);
    BS_STORE_TILE(2, sums[0] + 2 * BS_LANES, stride);
    BS_STORE_TILE(3, half, stride);
    BS_STORE_TILE(4, half + BS_LANES, stride);
    BS_STORE_TILE(5, half + 2 * BS_LANES, stride);
}

#endif
