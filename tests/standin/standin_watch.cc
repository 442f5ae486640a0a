/* Races and strays in kernels: shadow cells, and the sanitizer's entry points. */
#include "standin_watch.h"
#include "standin_block.h"
#include "standin_fiber.h"
#include "standin_memory.h"
#include "standin_state.h"

#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <sys/mman.h>
#include <vector>

extern "C" {
__attribute__((weak)) void __sanitizer_symbolize_pc(void *, const char *, char *, size_t);
extern char __executable_start, _end;
}

namespace standin {

bool watching;

/* Blocks are numbered over all launches, so that old cells need no cleaning. */
static uint32_t block_number, first_of_launch, block_epoch, warp_epochs[32];
/* Of the blocks of a launch: fenced and then met others at an atomic. */
static std::vector<bool> published;
static bool fenced;

void watch_launch() {
    first_of_launch = block_number + 1;
    published.clear();
}

void watch_block() {
    block_number++;
    published.push_back(false);
    fenced = false;
}

void watch_barrier() {
    block_epoch++;
}

void watch_warp(int warp) {
    warp_epochs[warp]++;
}

void watch_fence() {
    fenced = true;
}

void watch_atomic() {
    if (fenced)
        published.back() = true;
}

Cell *cells_new(size_t bytes) {
    size_t size = (bytes / cell_bytes + 1) * sizeof(Cell);
    void *memory = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? nullptr : static_cast<Cell *>(memory);
}

void cells_free(Cell *cells, size_t bytes) {
    if (cells)
        munmap(cells, (bytes / cell_bytes + 1) * sizeof(Cell));
}

/* ---- order -------------------------------------------------------------------- */

/* Whether `before` is ordered before what the running thread does now. Shared memory is
 * another for each block. */
static bool ordered(const Access &before, bool shared) {
    const Thread &me = here();
    if (before.block < first_of_launch || (shared && before.block != block_number))
        return true;
    if (before.block != block_number)
        return before.readers < 3 && published[before.block - first_of_launch] &&
               published.back();
    if (before.block_epoch != block_epoch)
        return true;
    bool same_warp = before.thread / 32 == me.warp && before.readers < 2;
    if (same_warp && before.warp_epoch != warp_epochs[me.warp])
        return true;
    return before.readers == 0 && before.thread == me.warp * 32 + me.lane;
}

static void symbol(uint32_t place, char *text, size_t bytes) {
    void *at = &__executable_start + place;
    snprintf(text, bytes, "%p", at);
    if (__sanitizer_symbolize_pc)
        __sanitizer_symbolize_pc(at, "%S", text, bytes);
    const char *base = strrchr(text, '/');
    if (base)
        memmove(text, base + 1, strlen(base));
}

[[noreturn]] static void race(const Access &before, bool was_write, const Access &now,
                              bool write, const Area &area, size_t offset) {
    char then[256], here_place[256];
    symbol(before.place, then, sizeof then);
    symbol(now.place, here_place, sizeof here_place);
    kernel_fault(
        cudaErrorLaunchFailure, "race: %s byte %zu of %s (%s), which %s %d of %s %s (%s)",
        write ? "writes" : "reads", offset,
        area.shared ? "shared memory" : "device memory", here_place,
        before.readers ? "several threads, one of them thread" : "thread", before.thread,
        before.block == block_number ? "its block" : "another block",
        was_write ? "wrote" : "read", then);
}

/* One reader more: who the cell stands for, and how far apart they are. */
static void add_reader(Access &read, const Access &now, bool shared) {
    bool fresh = !(read.bytes & now.bytes) || ordered(read, shared);
    uint8_t readers = fresh ? uint8_t(0) : read.readers;
    if (!fresh && read.block != now.block)
        readers = 3;
    else if (!fresh && readers < 2 && read.thread != now.thread)
        readers = read.thread / 32 == now.thread / 32 ? 1 : 2;
    read = now;
    read.readers = readers;
}

static void touch(Cell &cell, const Access &now, bool write, const Area &area,
                  size_t offset) {
    if ((cell.write.bytes & now.bytes) && !ordered(cell.write, area.shared))
        race(cell.write, true, now, write, area, offset);
    if (write && (cell.read.bytes & now.bytes) && !ordered(cell.read, area.shared))
        race(cell.read, false, now, write, area, offset);
    if (write)
        cell.write = now;
    else
        add_reader(cell.read, now, area.shared);
}

/* ---- accesses ----------------------------------------------------------------- */

static Access access_now(void *place) {
    const Thread &me = here();
    return {block_number,
            block_epoch,
            warp_epochs[me.warp],
            static_cast<uint32_t>(static_cast<char *>(place) - &__executable_start),
            static_cast<uint16_t>(me.warp * 32 + me.lane),
            0,
            0};
}

static bool is_own_stack(const char *at) {
    const Fiber *fiber = here().fiber;
    return at >= fiber->stack && at < fiber->stack + fiber->stack_bytes;
}

/* A constant, or one of the variables that threadIdx is made of. The last bytes of shared
 * memory are in the program, too: who begins there and goes on behind it strays. */
static bool is_in_program(const char *at) {
    Dl_info info;
    return !is_shared(at, 1) &&
           ((at >= &__executable_start && at < &_end) || dladdr(at, &info));
}

void watch_access(const void *pointer, size_t bytes, bool write, void *place) {
    if (!watching || !in_kernel())
        return;
    const char *at = static_cast<const char *>(pointer);
    if (is_own_stack(at))
        return;
    Area area = area_of(at, bytes);
    if (!area.begin && !write && is_in_program(at))
        return;
    if (!area.begin)
        kernel_fault(cudaErrorIllegalAddress,
                     "%s %zu bytes that are neither shared nor device memory",
                     write ? "writes" : "reads", bytes);
    Access now = access_now(place);
    size_t offset = static_cast<size_t>(at - area.begin);
    for (size_t i = offset; area.cells && i < offset + bytes; i += cell_bytes - i % 2) {
        now.bytes = i % 2 ? 2 : offset + bytes - i == 1 ? 1 : 3;
        touch(area.cells[i / cell_bytes], now, write, area, i);
    }
}

} // namespace standin

/* ---- what -fsanitize=thread calls ------------------------------------------------ */

using standin::watch_access;

#define PLACE __builtin_return_address(0)
#define ENTRY(bytes)                                                                     \
    void __tsan_read##bytes(void *at) {                                                  \
        watch_access(at, bytes, false, PLACE);                                           \
    }                                                                                    \
    void __tsan_write##bytes(void *at) {                                                 \
        watch_access(at, bytes, true, PLACE);                                            \
    }                                                                                    \
    void __tsan_unaligned_read##bytes(void *at) {                                        \
        watch_access(at, bytes, false, PLACE);                                           \
    }                                                                                    \
    void __tsan_unaligned_write##bytes(void *at) {                                       \
        watch_access(at, bytes, true, PLACE);                                            \
    }

#pragma GCC diagnostic ignored "-Wmissing-declarations"
extern "C" {
ENTRY(1)
ENTRY(2)
ENTRY(4)
ENTRY(8)
ENTRY(16)

void __tsan_read_range(void *at, size_t bytes) {
    watch_access(at, bytes, false, PLACE);
}

void __tsan_write_range(void *at, size_t bytes) {
    watch_access(at, bytes, true, PLACE);
}

void __tsan_vptr_update(void **, void *) {
}

void __tsan_func_entry(void *) {
}

void __tsan_func_exit(void) {
}

void __tsan_init(void) {
    standin::watching = true;
}
}
