/* Allocations with guards. */
#include "standin_memory.h"
#include "standin_block.h"
#include "standin_state.h"
#include "standin_streams.h"
#include "standin_watch.h"

#include <cstdlib>
#include <map>
#include <sys/mman.h>

extern "C" {
__attribute__((weak)) void __asan_poison_memory_region(void const volatile *, size_t);
__attribute__((weak)) void __asan_unpoison_memory_region(void const volatile *, size_t);
__attribute__((weak)) void *__asan_region_is_poisoned(void *, size_t);
}

namespace standin {

constexpr size_t alignment = 512, guard_bytes = 4096, huge = 4 << 20;
constexpr unsigned char guard_byte = 0xA7, fresh_byte = 0xFF;

struct Allocation {
    unsigned char *raw;
    size_t bytes, raw_bytes;
    bool device;
    int device_number;
    long serial;
    Cell *cells; /* null: not watched yet */
};

static std::map<uintptr_t, Allocation> table; /* by the first byte */
static long serial;
static long in_use[16];
static bool exposed;

/* ---- bytes -------------------------------------------------------------------- */

void copy_bytes(void *to, const void *from, size_t bytes) {
#ifdef __x86_64__
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes)::"memory");
#else
    volatile unsigned char *out = static_cast<unsigned char *>(to);
    for (size_t i = 0; i < bytes; i++)
        out[i] = static_cast<const unsigned char *>(from)[i];
#endif
}

void fill_bytes(void *to, int value, size_t bytes) {
#ifdef __x86_64__
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(value) : "memory");
#else
    volatile unsigned char *out = static_cast<unsigned char *>(to);
    for (size_t i = 0; i < bytes; i++)
        out[i] = static_cast<unsigned char>(value);
#endif
}

void poison(const void *pointer, size_t bytes) {
    if (__asan_poison_memory_region)
        __asan_poison_memory_region(pointer, bytes);
}

void unpoison(const void *pointer, size_t bytes) {
    if (__asan_unpoison_memory_region)
        __asan_unpoison_memory_region(pointer, bytes);
}

bool host_memory_good(const void *pointer, size_t bytes, const char *use) {
    if (!__asan_region_is_poisoned)
        return true;
    void *bad = __asan_region_is_poisoned(const_cast<void *>(pointer), bytes);
    if (!bad)
        return true;
    fault(cudaErrorIllegalAddress,
          "%s: byte %td of %zu of the host memory is freed, or outside its object", use,
          static_cast<char *>(bad) - static_cast<const char *>(pointer), bytes);
    return false;
}

/* ---- the table ---------------------------------------------------------------- */

static Allocation *find(const void *pointer, size_t bytes) {
    uintptr_t at = reinterpret_cast<uintptr_t>(pointer);
    auto after = table.upper_bound(at);
    if (after == table.begin())
        return nullptr;
    auto &[begin, allocation] = *--after;
    return at - begin + bytes <= allocation.bytes && at - begin < allocation.bytes
               ? &allocation
               : nullptr;
}

bool is_device(const void *pointer, size_t bytes) {
    const Allocation *found = find(pointer, bytes);
    return found && found->device;
}

bool is_pinned(const void *pointer, size_t bytes) {
    const Allocation *found = find(pointer, bytes);
    return found && !found->device;
}

Area device_area(const void *pointer, size_t bytes) {
    Allocation *found = find(pointer, bytes);
    if (!found || !found->device)
        return {};
    if (!found->cells)
        found->cells = cells_new(found->bytes);
    return {reinterpret_cast<char *>(found->raw) + guard_bytes, found->cells, false};
}

static size_t rounded(size_t bytes) {
    return (bytes + alignment - 1) / alignment * alignment;
}

static cudaError_t allocate(void **pointer, size_t bytes, bool device) {
    if (!pointer)
        return cudaErrorInvalidValue;
    *pointer = nullptr;
    if (bytes == 0)
        return cudaSuccess;
    long &used = in_use[current_device()];
    if (bytes > SIZE_MAX / 2 ||
        (device && rounded(bytes) + static_cast<size_t>(used) > state.settings.memory))
        return cudaErrorMemoryAllocation;
    Allocation made = {nullptr, bytes, 0, device, current_device(), ++serial, nullptr};
    made.raw_bytes = guard_bytes + rounded(bytes) + guard_bytes;
    made.raw = static_cast<unsigned char *>(aligned_alloc(alignment, made.raw_bytes));
    if (!made.raw)
        return cudaErrorMemoryAllocation;
    unsigned char *payload = made.raw + guard_bytes;
    if (made.raw_bytes > huge) /* else most of the time goes into page faults */
        madvise(made.raw + (-reinterpret_cast<uintptr_t>(made.raw) & 4095),
                (made.raw_bytes - 4096) & ~size_t(4095), MADV_HUGEPAGE);
    fill_bytes(made.raw, guard_byte, guard_bytes);
    fill_bytes(payload, fresh_byte, bytes);
    fill_bytes(payload + bytes, guard_byte, made.raw_bytes - guard_bytes - bytes);
    poison(made.raw, made.raw_bytes);
    if (!device || exposed)
        unpoison(payload, bytes);
    table[reinterpret_cast<uintptr_t>(payload)] = made;
    count(BS_STANDIN_LIVE);
    if (device) {
        used += static_cast<long>(rounded(bytes));
        count(BS_STANDIN_MEMORY_IN_USE, static_cast<long>(rounded(bytes)));
        long now = state.counter[BS_STANDIN_MEMORY_IN_USE];
        if (now > state.counter[BS_STANDIN_MEMORY_PEAK])
            state.counter[BS_STANDIN_MEMORY_PEAK] = now;
    }
    *pointer = payload;
    return cudaSuccess;
}

static bool is_whole(const unsigned char *guard, size_t bytes) {
    const uint64_t whole = guard_byte * UINT64_C(0x0101010101010101);
    uint64_t word, changed = 0;
    size_t i = 0;
    for (; i + sizeof word <= bytes; i += sizeof word) {
        __builtin_memcpy(&word, guard + i, sizeof word);
        changed |= word ^ whole;
    }
    for (; i < bytes; i++)
        changed |= guard[i] ^ guard_byte;
    return changed == 0;
}

static void check_guard(const Allocation &allocation, const unsigned char *guard,
                        size_t bytes, const char *where) {
    if (is_whole(guard, bytes))
        return;
    for (size_t i = 0; i < bytes; i++)
        if (guard[i] != guard_byte) {
            fault(cudaErrorIllegalAddress,
                  "%s memory no. %ld of %zu bytes: the guard %s it was overwritten, %zu "
                  "bytes from the %s, not later than %s",
                  allocation.device ? "device" : "pinned", allocation.serial,
                  allocation.bytes, where, *where == 'a' ? i : bytes - i,
                  *where == 'a' ? "end" : "beginning", last_work());
            return;
        }
}

static void check(const Allocation &allocation) {
    const unsigned char *after = allocation.raw + guard_bytes + allocation.bytes;
    check_guard(allocation, allocation.raw, guard_bytes, "before");
    check_guard(allocation, after,
                static_cast<size_t>(allocation.raw + allocation.raw_bytes - after),
                "after");
}

static cudaError_t release(void *pointer, bool device) {
    if (!pointer)
        return cudaSuccess;
    auto found = table.find(reinterpret_cast<uintptr_t>(pointer));
    if (found == table.end() || found->second.device != device)
        return cudaErrorInvalidValue;
    Allocation gone = found->second;
    check(gone);
    table.erase(found);
    count(BS_STANDIN_LIVE, -1);
    if (device) {
        in_use[gone.device_number] -= static_cast<long>(rounded(gone.bytes));
        count(BS_STANDIN_MEMORY_IN_USE, -static_cast<long>(rounded(gone.bytes)));
    }
    cells_free(gone.cells, gone.bytes);
    unpoison(gone.raw, gone.raw_bytes);
    free(gone.raw);
    return cudaSuccess;
}

void memory_check() {
    for (auto &[begin, allocation] : table)
        check(allocation);
}

void memory_expose() {
    if (exposed)
        return;
    exposed = true;
    for (auto &[begin, allocation] : table)
        if (allocation.device)
            unpoison(allocation.raw + guard_bytes, allocation.bytes);
}

void memory_hide() {
    memory_check();
    if (!exposed)
        return;
    exposed = false;
    for (auto &[begin, allocation] : table)
        if (allocation.device)
            poison(allocation.raw + guard_bytes, allocation.bytes);
}

void memory_forget() {
    while (!table.empty()) {
        auto &[begin, allocation] = *table.begin();
        release(reinterpret_cast<void *>(begin), allocation.device);
    }
}

} // namespace standin

using namespace standin;

extern "C" {

cudaError_t cudaMemGetInfo(size_t *free, size_t *total) {
    Call call;
    if (call.status != cudaSuccess)
        return call.status;
    *total = state.settings.memory;
    *free = *total - static_cast<size_t>(in_use[current_device()]);
    return cudaSuccess;
}

static cudaError_t allocation(void **pointer, size_t bytes, bool device) {
    Call call;
    if (call.status == cudaSuccess)
        call.status = forbidden_in_capture();
    if (call.status != cudaSuccess)
        return call.status;
    count(BS_STANDIN_ALLOCATIONS);
    return call.returns(allocate(pointer, bytes, device));
}

/* Frees whatever it returns: an earlier error is no reason to keep memory. */
static cudaError_t freeing(void *pointer, bool device) {
    Call call;
    if (pointer && call.status == cudaSuccess)
        call.status = forbidden_in_capture();
    if (pointer && call.status == cudaSuccess) {
        count(BS_STANDIN_WAITS);
        drain_all();
    }
    cudaError_t status = release(pointer, device);
    return call.returns(call.status != cudaSuccess ? call.status : status);
}

cudaError_t cudaMalloc(void **pointer, size_t bytes) {
    return allocation(pointer, bytes, true);
}

cudaError_t cudaMallocHost(void **pointer, size_t bytes) {
    return allocation(pointer, bytes, false);
}

cudaError_t cudaHostAlloc(void **pointer, size_t bytes, unsigned) {
    return allocation(pointer, bytes, false);
}

cudaError_t cudaFree(void *pointer) {
    return freeing(pointer, true);
}

cudaError_t cudaFreeHost(void *pointer) {
    return freeing(pointer, false);
}
}
