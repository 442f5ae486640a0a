/*
 * The threads of one block. They are fibers on the host thread that waits; a thread runs
 * until it must wait for others, then one of those that can run is chosen by chance.
 */
#ifndef BS_STANDIN_BLOCK_H
#define BS_STANDIN_BLOCK_H

#include <cuda_runtime.h>

#include <memory>
#include <vector>

namespace standin {

struct Launch {
    const char *name;
    dim3 grid, block;
    size_t shared_bytes;
    void (*run)(const void *closure);
    std::shared_ptr<const void> closure;
    std::vector<const void *> pointers;
};

/* A copy from global to shared memory that is under way. */
struct PendingCopy {
    void *to;
    const void *from;
    int bytes;
    long group;
};

struct Thread;

/* Does what a warp's lanes wait for, once they are all there; lanes that are not `alive`
 * have ended or do not take part. */
using Complete = void (*)(Thread *lanes, unsigned alive);

struct Thread {
    uint3 index;
    int warp, lane;
    struct Fiber *fiber; /* null: not begun, or ended */
    /* what it waits for in its warp, and with what */
    unsigned mask;
    Complete complete;
    uint64_t in, out;
    int from;
    float *d;
    const uint32_t *a, *b;
    uint32_t *r;
    const void *row;
    /* asynchronous copies */
    std::vector<PendingCopy> copies;
    long groups;
};

/* Runs all threads of a block to their ends, or to a fault. */
void run_block(const Launch &launch, uint3 index);

/* The thread that runs; null between blocks. */
extern Thread *running;

inline Thread &here() {
    return *running;
}

inline bool in_kernel() {
    return running != nullptr;
}

/* Waits until the living lanes of `mask` have called it with the same arguments. */
void warp_wait(unsigned mask, Complete complete);

/* A fault of the running thread, which ends the kernel. */
[[noreturn]] __attribute__((format(printf, 2, 3))) void
kernel_fault(cudaError_t error, const char *format, ...);

/* Whether these bytes lie in the block's shared memory. */
bool is_shared(const void *pointer, size_t bytes);

/* Where an address lies: shared memory, an allocation of device memory, or nowhere. */
struct Area {
    const char *begin;  /* null: nowhere */
    struct Cell *cells; /* null: not watched */
    bool shared;
};
Area area_of(const void *pointer, size_t bytes);

/* Before the first and after the last block of a launch. */
void shared_open(size_t bytes);
void shared_close();

/* Fills it with NaN. */
void shared_renew();

/* What happened to its guards, or null. */
const char *shared_overwritten();

/* Copies of a thread that ends without waiting are a fault. */
void check_pending_copies(Thread &thread);

} // namespace standin

#endif
