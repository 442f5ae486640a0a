/* Launches: what may be launched, and the blocks of a grid in some order. */
#include "standin_block.h"
#include "standin_memory.h"
#include "standin_state.h"
#include "standin_streams.h"
#include "standin_watch.h"

#include <map>
#include <numeric>

namespace standin {

constexpr size_t shared_without_asking = 48 * 1024;
static std::map<const void *, int> shared_asked;

static bool fits(const dim3 &shape, unsigned x, unsigned y, unsigned z) {
    return shape.x >= 1 && shape.y >= 1 && shape.z >= 1 && shape.x <= x && shape.y <= y &&
           shape.z <= z;
}

static cudaError_t check(const Launch &launch, const void *kernel) {
    const dim3 &block = launch.block;
    if (state.settings.sm < 75)
        return cudaErrorNoKernelImageForDevice;
    if (!fits(launch.grid, 0x7FFFFFFFU, 65535, 65535) || !fits(block, 1024, 1024, 64) ||
        block.x * block.y * block.z > 1024)
        return cudaErrorInvalidConfiguration;
    auto asked = shared_asked.find(kernel);
    size_t most = asked == shared_asked.end() ? shared_without_asking
                                              : static_cast<size_t>(asked->second);
    return launch.shared_bytes <= most ? cudaSuccess : cudaErrorInvalidValue;
}

/* The block's place in the grid, the number running over x first. */
static uint3 place(const dim3 &grid, uint64_t number) {
    return {static_cast<unsigned>(number % grid.x),
            static_cast<unsigned>(number / grid.x % grid.y),
            static_cast<unsigned>(number / grid.x / grid.y)};
}

/* A pointer behind the last byte of an allocation is good: nothing may be behind it. */
static bool points_to_device(const void *pointer) {
    const char *at = static_cast<const char *>(pointer);
    return !at || is_device(at, 1) || is_device(at - 1, 1) || is_pinned(at, 1);
}

static bool check_pointers(const Launch &launch) {
    int number = 0;
    for (const void *pointer : launch.pointers) {
        number++;
        if (!points_to_device(pointer)) {
            fault(cudaErrorIllegalAddress,
                  "kernel %s: argument %d does not point into device memory (any more)",
                  launch.name, number);
            return false;
        }
    }
    return true;
}

/* Blocks come in a shuffled order: steps that have no divisor in common with the number
 * of blocks reach each once. */
static void run_grid(const Launch &launch) {
    if (!check_pointers(launch))
        return;
    count(BS_STANDIN_LAUNCHES);
    uint64_t blocks = uint64_t(launch.grid.x) * launch.grid.y * launch.grid.z;
    uint64_t step = 1 + random_below(blocks), at = random_below(blocks);
    while (std::gcd(step, blocks) != 1)
        step++;
    shared_open(launch.shared_bytes);
    watch_launch();
    for (uint64_t i = 0; i < blocks && state.sticky == cudaSuccess; i++) {
        run_block(launch, place(launch.grid, at));
        at = (at + step) % blocks;
    }
    shared_close();
}

} // namespace standin

using namespace standin;

static cudaError_t put_on_stream(Launch launch, cudaStream_t stream, const void *kernel) {
    if (launch.shared_bytes > shared_without_asking) {
        cudaError_t status =
            cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 static_cast<int>(launch.shared_bytes));
        if (status != cudaSuccess)
            return status;
    }
    Call call;
    if (call.status != cudaSuccess)
        return call.status;
    cudaError_t status = check(launch, kernel);
    if (status != cudaSuccess)
        return status;
    const char *name = launch.name;
    auto run = [launch = std::move(launch)] { run_grid(launch); };
    return enqueue(stream, {name, Work::Kernel, std::move(run)});
}

/* Leaves no error behind, as BS_LAUNCH says. */
cudaError_t bs_standin_launch(const char *name, dim3 grid, dim3 block,
                              size_t shared_bytes, cudaStream_t stream,
                              const void *kernel, bs_standin_body body,
                              std::initializer_list<const void *> pointers) {
    std::shared_ptr<const void> closure(body.closure, body.discard);
    cudaError_t status = put_on_stream(
        {name, grid, block, shared_bytes, body.run, closure, pointers}, stream, kernel);
    if (status != cudaSuccess)
        (void)cudaGetLastError();
    return status;
}

extern "C" cudaError_t cudaFuncSetAttribute(const void *kernel, cudaFuncAttribute which,
                                            int value) {
    Call call;
    if (call.status != cudaSuccess)
        return call.status;
    if (which != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 ||
        static_cast<size_t>(value) > most_shared_bytes())
        return call.returns(cudaErrorInvalidValue);
    shared_asked[kernel] = value;
    return cudaSuccess;
}
