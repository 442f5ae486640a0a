/*
 * Watching every access of kernels to memory, as far as they are compiled with
 * -fsanitize=thread: its calls come here instead of to its own library. Found are
 *
 *   races    two threads at the same bytes, at least one writing, and nothing between
 *            them that orders: a barrier of the block, a __syncwarp of their warp, or,
 *            between blocks, a __threadfence and an atomic in each
 *   strays   accesses that are neither to shared memory nor to device memory
 *
 * for the first of them by any order of threads, so that one seed is enough. Shuffles
 * order registers, not memory. Two threads that write the same value race, too.
 */
#ifndef BS_STANDIN_WATCH_H
#define BS_STANDIN_WATCH_H

#include <cstddef>
#include <cstdint>

namespace standin {

struct Access {
    uint32_t block; /* number of the block, over all launches; 0: none */
    uint32_t block_epoch, warp_epoch; /* barriers before it */
    uint32_t place;                   /* in the program, from its beginning */
    uint16_t thread;
    uint8_t bytes;   /* bit i: byte i of the cell */
    uint8_t readers; /* 0 one; 1 several of a warp; 2 of a block; 3 of several blocks */
};

/* Of two bytes. */
struct Cell {
    Access write, read;
};
constexpr size_t cell_bytes = 2;

/* Whether any code was compiled to be watched. */
extern bool watching;

/* Cells of memory that is all new; nothing of it is touched. Null: too much. */
Cell *cells_new(size_t bytes);
void cells_free(Cell *cells, size_t bytes);

/* What orders. */
void watch_launch();
void watch_block();
void watch_barrier();
void watch_warp(int warp);
void watch_fence();
void watch_atomic();

/* An access on the running thread's behalf; `place`: where in the program. */
void watch_access(const void *pointer, size_t bytes, bool write, void *place);

} // namespace standin

#endif
