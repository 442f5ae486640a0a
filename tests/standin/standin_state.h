/*
 * Inside the stand-in: what its files share. Every public function takes the one lock
 * (Call), so that the rest may think itself alone.
 *
 *   standin_control.cc  settings, counters, ordered faults, errors
 *   standin_devices.cc  properties and versions
 *   standin_memory.cc   allocations with guards
 *   standin_copies.cc   copies and memset
 *   standin_streams.cc  queues and events
 *   standin_graphs.cc   capture and graphs
 *   standin_fiber.cc    switching between stacks
 *   standin_block.cc    threads of a block, barriers
 *   standin_shared.cc   shared memory
 *   standin_warp.cc     votes and shuffles
 *   standin_launch.cc   grids
 *   standin_matrix.cc   the matrix unit, asynchronous copies
 *   standin_watch.cc    races in kernels
 *   standin_lt*.cc      cuBLASLt's objects, algorithms and calls
 *   standin_product.cc  matrix products
 *
 * These files are compiled without the address sanitizer (they are fast and may touch
 * what is poisoned) and use its interface where the program is linked with it.
 */
#ifndef BS_STANDIN_STATE_H
#define BS_STANDIN_STATE_H

#include "standin.h"

#include <mutex>

namespace standin {

struct Settings {
    uint64_t seed = 1;
    int devices = 1, sm = 90, driver = CUDART_VERSION;
    size_t memory = size_t(8) << 30;
    long fail_at = 0, fault_at = 0; /* counted down */
    cudaError_t fail_with = cudaErrorMemoryAllocation;
    cudaError_t fault_with = cudaErrorLaunchFailure;
    bool quiet = false;
};

struct State {
    Settings settings;
    long counter[BS_STANDIN_COUNTERS] = {};
    uint64_t random = 1;
    cudaError_t sticky = cudaSuccess; /* the device is lost */
    cudaError_t last = cudaSuccess;   /* cudaGetLastError */
    char fault[1024] = "";
    bool running = false; /* work of the device runs in this moment */
};

extern State state;
extern std::recursive_mutex mutex;

inline void count(bs_standin_counter counter, long change = 1) {
    state.counter[counter] += change;
}

/* The next random number, below `limit` (at most 2^32). */
inline uint64_t random_below(uint64_t limit) {
    uint64_t x = state.random;
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    state.random = x;
    return (x >> 32) * limit >> 32;
}

/* One public call: holds the lock; counts; `status` is what it must return instead of
 * working if that is not success: an ordered failure, a lost device, no driver, or a
 * call from inside a kernel or a callback. `returns` remembers what is returned. */
class Call {
  public:
    Call();
    explicit Call(bool needs_device);
    cudaError_t status = cudaSuccess;
    cudaError_t returns(cudaError_t result);

  private:
    std::lock_guard<std::recursive_mutex> hold;
};

/* Whether that error means that nothing works any more. */
bool is_sticky(cudaError_t error);

/* A kernel or a copy did what it must not: says so, and the device is lost. */
__attribute__((format(printf, 2, 3))) void fault(cudaError_t error, const char *format,
                                                 ...);

/* cudaErrorNoDevice, cudaErrorInsufficientDriver, or success. */
cudaError_t device_status();

/* That a block may ask for. */
size_t most_shared_bytes();

} // namespace standin

#endif
