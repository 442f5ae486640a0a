/*
 * What tests say to the stand-in and learn from it. C and C++.
 *
 * The environment says the same, for programs that are not written for it:
 *
 *   BS_STANDIN_SEED=N      order of threads, blocks, graph nodes and queued work. Work on
 *       streams runs when someone waits for it; with N % 4 of 1, 2, 3 also now and then
 *       before, ever more often. Default 1
 *
 *   BS_STANDIN_SM=90       compute capability: 75, 80, 86, 89, 90, 100 or 120
 *
 *   BS_STANDIN_DEVICES=1   0: there is none
 *
 *   BS_STANDIN_DRIVER=13000
 *       a version below the run time's: the driver is too old; 0: none
 *
 *   BS_STANDIN_MEMORY=BYTES
 *       of each device, default 8 GiB
 *
 *   BS_STANDIN_FAIL=N[:E]  the N-th call fails with the error E (a number or a name such
 *       as cudaErrorMemoryAllocation, the default). The errors of a lost device (ECC,
 *       launch failure, ...) stay
 *
 *   BS_STANDIN_FAULT=N[:E] the N-th piece of queued work (kernel, copy, product) fails
 *       when it runs, default cudaErrorLaunchFailure
 *
 *   BS_STANDIN_REPORT=FILE at exit, `name TAB number` lines: the counters below, and
 *       `fault TAB text` if there was one
 */
#ifndef BS_STANDIN_STANDIN_H
#define BS_STANDIN_STANDIN_H

#include <cuda_runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

/* As after start: settings from the environment, counters zero, the device as new. All
 * that was made before (memory, streams, graphs) is gone. */
void bs_standin_reset(void);

void bs_standin_seed(uint64_t seed);
void bs_standin_device(int count, int sm, size_t memory, int driver);

/* The call-th call from now on (1: the next) fails with `error`; 0: none. Counted are
 * the run time's and cuBLASLt's functions that return a status, and launches. */
void bs_standin_fail(long call, cudaError_t error);

/* The work-th piece of work that runs from now on fails; 0: none. */
void bs_standin_fault(long work, cudaError_t error);

/* The first fault that a kernel or a copy was caught at since the start, "" if none. */
const char *bs_standin_fault_text(void);

/* Faults are described on stderr; `quiet`: only kept. */
void bs_standin_quiet(int quiet);

enum bs_standin_counter {
    BS_STANDIN_CALLS,         /* calls that bs_standin_fail counts */
    BS_STANDIN_WORK,          /* pieces of queued work that ran */
    BS_STANDIN_LAUNCHES,      /* kernels that ran */
    BS_STANDIN_PRODUCTS,      /* cuBLASLt products that ran */
    BS_STANDIN_GRAPHS,        /* graphs launched */
    BS_STANDIN_WAITS,         /* calls that made the host wait for the device */
    BS_STANDIN_ALLOCATIONS,   /* of device or pinned memory */
    BS_STANDIN_PAGEABLE,      /* asynchronous copies from or to memory not pinned */
    BS_STANDIN_SWITCHES,      /* between threads of blocks */
    BS_STANDIN_MEMORY_IN_USE, /* bytes of device memory, and the most so far */
    BS_STANDIN_MEMORY_PEAK,
    BS_STANDIN_LIVE, /* objects not freed: memory, streams, events, graphs, handles ... */
    BS_STANDIN_COUNTERS
};
long bs_standin_count(enum bs_standin_counter counter);
const char *bs_standin_counter_name(enum bs_standin_counter counter);

#ifdef __cplusplus
}
#endif

#endif
