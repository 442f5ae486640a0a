/* Devices: how many, which, and their figures. */
#include "standin_memory.h"
#include "standin_state.h"
#include "standin_streams.h"

#include <cstdio>
#include <cstring>

namespace standin {

static thread_local int device_number; /* as with CUDA: of each host thread */

int current_device() {
    return device_number;
}

/* Of the hardware with this compute capability (CUDA programming guide, "Technical
 * specifications per compute capability"). */
struct Model {
    int sm, multiprocessors, shared_kib, shared_block_kib, threads;
};
static const Model models[] = {{75, 40, 64, 64, 1024},    {80, 108, 164, 163, 2048},
                               {86, 84, 100, 99, 1536},   {89, 128, 100, 99, 1536},
                               {90, 132, 228, 227, 2048}, {100, 148, 228, 227, 2048},
                               {120, 170, 100, 99, 1536}};

static const Model &model() {
    const Model *best = &models[0];
    for (const Model &entry : models)
        if (entry.sm <= state.settings.sm)
            best = &entry;
    return *best;
}

size_t most_shared_bytes() {
    return static_cast<size_t>(model().shared_block_kib) * 1024;
}

static void describe(cudaDeviceProp *p, int device) {
    const Model &m = model();
    memset(p, 0, sizeof *p);
    snprintf(p->name, sizeof p->name, "Stand-in sm_%d", state.settings.sm);
    p->totalGlobalMem = state.settings.memory;
    p->sharedMemPerBlock = 48 * 1024;
    p->sharedMemPerBlockOptin = most_shared_bytes();
    p->sharedMemPerMultiprocessor = static_cast<size_t>(m.shared_kib) * 1024;
    p->reservedSharedMemPerBlock = m.sm >= 80 ? 1024 : 0;
    p->regsPerBlock = p->regsPerMultiprocessor = 65536;
    p->warpSize = 32;
    p->maxThreadsPerBlock = p->maxThreadsDim[0] = p->maxThreadsDim[1] = 1024;
    p->maxThreadsDim[2] = 64;
    p->maxGridSize[0] = 0x7FFFFFFF;
    p->maxGridSize[1] = p->maxGridSize[2] = 65535;
    p->major = state.settings.sm / 10;
    p->minor = state.settings.sm % 10;
    p->multiProcessorCount = m.multiprocessors;
    p->pciBusID = device + 1;
    p->asyncEngineCount = 2;
    p->unifiedAddressing = 1;
    p->memoryBusWidth = 256;
    p->l2CacheSize = 4 << 20;
    p->maxThreadsPerMultiProcessor = m.threads;
    p->maxBlocksPerMultiProcessor = 16;
}

static cudaError_t attribute(const cudaDeviceProp &p, cudaDeviceAttr which, int *value) {
    const struct {
        cudaDeviceAttr attribute;
        size_t value;
    } table[] = {
        {cudaDevAttrMaxThreadsPerBlock, 1024},
        {cudaDevAttrMaxSharedMemoryPerBlock, p.sharedMemPerBlock},
        {cudaDevAttrWarpSize, 32},
        {cudaDevAttrMaxRegistersPerBlock, 65536},
        {cudaDevAttrClockRate, 1500000},
        {cudaDevAttrMultiProcessorCount, static_cast<size_t>(p.multiProcessorCount)},
        {cudaDevAttrIntegrated, 0},
        {cudaDevAttrEccEnabled, 0},
        {cudaDevAttrMemoryClockRate, 5000000},
        {cudaDevAttrGlobalMemoryBusWidth, static_cast<size_t>(p.memoryBusWidth)},
        {cudaDevAttrL2CacheSize, static_cast<size_t>(p.l2CacheSize)},
        {cudaDevAttrMaxThreadsPerMultiProcessor,
         static_cast<size_t>(p.maxThreadsPerMultiProcessor)},
        {cudaDevAttrComputeCapabilityMajor, static_cast<size_t>(p.major)},
        {cudaDevAttrComputeCapabilityMinor, static_cast<size_t>(p.minor)},
        {cudaDevAttrMaxSharedMemoryPerMultiprocessor, p.sharedMemPerMultiprocessor},
        {cudaDevAttrMaxRegistersPerMultiprocessor, 65536},
        {cudaDevAttrMaxSharedMemoryPerBlockOptin, p.sharedMemPerBlockOptin},
        {cudaDevAttrReservedSharedMemoryPerBlock, p.reservedSharedMemPerBlock},
    };
    for (auto &entry : table)
        if (entry.attribute == which) {
            *value = static_cast<int>(entry.value);
            return cudaSuccess;
        }
    return cudaErrorInvalidValue;
}

static bool exists(int device) {
    return device >= 0 && device < state.settings.devices && device < 16;
}

} // namespace standin

using namespace standin;

extern "C" {

cudaError_t cudaDriverGetVersion(int *version) {
    Call call(false);
    if (call.status != cudaSuccess)
        return call.status;
    *version = state.settings.driver;
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version) {
    Call call(false);
    if (call.status != cudaSuccess)
        return call.status;
    *version = CUDART_VERSION;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int *devices) {
    Call call;
    *devices = 0;
    if (call.status != cudaSuccess)
        return call.status;
    *devices = state.settings.devices;
    return cudaSuccess;
}

cudaError_t cudaGetDevice(int *device) {
    Call call;
    if (call.status != cudaSuccess)
        return call.status;
    *device = current_device();
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
    Call call;
    if (call.status != cudaSuccess)
        return call.status;
    if (!exists(device))
        return call.returns(cudaErrorInvalidDevice);
    device_number = device;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int device) {
    Call call;
    if (call.status != cudaSuccess)
        return call.status;
    if (!exists(device))
        return call.returns(cudaErrorInvalidDevice);
    describe(properties, device);
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr which, int device) {
    Call call;
    if (call.status != cudaSuccess)
        return call.status;
    if (!exists(device))
        return call.returns(cudaErrorInvalidDevice);
    cudaDeviceProp properties;
    describe(&properties, device);
    return call.returns(attribute(properties, which, value));
}

/* Everything made on the device is gone, and the device as new. */
cudaError_t cudaDeviceReset(void) {
    Call call;
    streams_forget();
    memory_forget();
    state.counter[BS_STANDIN_LIVE] = 0;
    state.sticky = state.last = cudaSuccess;
    return device_status();
}
}
