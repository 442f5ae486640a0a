/* Settings, counters, ordered faults, error names. */
#include "standin_memory.h"
#include "standin_state.h"
#include "standin_streams.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace standin {

std::recursive_mutex mutex;

struct Name {
    cudaError_t error;
    const char *name, *text;
    bool sticky;
};

static const Name names[] = {
    {cudaSuccess, "cudaSuccess", "no error", false},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument", false},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory", false},
    {cudaErrorInitializationError, "cudaErrorInitializationError", "initialization error",
     false},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration",
     "invalid configuration argument", false},
    {cudaErrorInvalidHostPointer, "cudaErrorInvalidHostPointer", "invalid host pointer",
     false},
    {cudaErrorInvalidDevicePointer, "cudaErrorInvalidDevicePointer",
     "invalid device pointer", false},
    {cudaErrorInvalidMemcpyDirection, "cudaErrorInvalidMemcpyDirection",
     "invalid copy direction for memcpy", false},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver",
     "CUDA driver version is insufficient for CUDA runtime version", false},
    {cudaErrorDevicesUnavailable, "cudaErrorDevicesUnavailable",
     "CUDA-capable device(s) is/are busy or unavailable", false},
    {cudaErrorInvalidDeviceFunction, "cudaErrorInvalidDeviceFunction",
     "invalid device function", false},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected", false},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal", false},
    {cudaErrorNoKernelImageForDevice, "cudaErrorNoKernelImageForDevice",
     "no kernel image is available for execution on the device", false},
    {cudaErrorECCUncorrectable, "cudaErrorECCUncorrectable",
     "uncorrectable ECC error encountered", true},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle",
     "invalid resource handle", false},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready", false},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress",
     "an illegal memory access was encountered", true},
    {cudaErrorLaunchOutOfResources, "cudaErrorLaunchOutOfResources",
     "too many resources requested for launch", false},
    {cudaErrorLaunchTimeout, "cudaErrorLaunchTimeout",
     "the launch timed out and was terminated", true},
    {cudaErrorIllegalInstruction, "cudaErrorIllegalInstruction",
     "an illegal instruction was encountered", true},
    {cudaErrorMisalignedAddress, "cudaErrorMisalignedAddress", "misaligned address",
     true},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure",
     true},
    {cudaErrorNotPermitted, "cudaErrorNotPermitted", "operation not permitted", false},
    {cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported", false},
    {cudaErrorSystemDriverMismatch, "cudaErrorSystemDriverMismatch",
     "system has unsupported display driver / cuda driver combination", false},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
     "operation not permitted when stream is capturing", false},
    {cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated",
     "operation failed due to a previous error during capture", false},
    {cudaErrorStreamCaptureUnmatched, "cudaErrorStreamCaptureUnmatched",
     "capture was not ended in the same stream as it began", false},
    {cudaErrorStreamCaptureUnjoined, "cudaErrorStreamCaptureUnjoined",
     "capturing stream has unjoined work", false},
    {cudaErrorStreamCaptureIsolation, "cudaErrorStreamCaptureIsolation",
     "dependency created on uncaptured work in another stream", false},
    {cudaErrorStreamCaptureImplicit, "cudaErrorStreamCaptureImplicit",
     "operation would make the legacy stream depend on a capturing blocking stream",
     false},
    {cudaErrorCapturedEvent, "cudaErrorCapturedEvent",
     "operation not permitted on an event last recorded in a capturing stream", false},
    {cudaErrorUnknown, "cudaErrorUnknown", "unknown error", true},
};

static const Name *find(cudaError_t error) {
    for (const Name &entry : names)
        if (entry.error == error)
            return &entry;
    return nullptr;
}

bool is_sticky(cudaError_t error) {
    const Name *entry = find(error);
    return entry && entry->sticky;
}

void fault(cudaError_t error, const char *format, ...) {
    char text[sizeof state.fault];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (!state.settings.quiet)
        fprintf(stderr, "stand-in: %s\n", text);
    if (!*state.fault)
        memcpy(state.fault, text, sizeof text);
    if (state.sticky == cudaSuccess)
        state.sticky = error;
}

cudaError_t device_status() {
    if (state.settings.driver == 0 || state.settings.driver < CUDART_VERSION)
        return cudaErrorInsufficientDriver;
    return state.settings.devices > 0 ? cudaSuccess : cudaErrorNoDevice;
}

/* ---- calls -------------------------------------------------------------------- */

Call::Call() : Call(true) {
}

Call::Call(bool needs_device) : hold(mutex) {
    Settings &settings = state.settings;
    if (state.running) {
        status = state.last = cudaErrorNotPermitted;
        return;
    }
    count(BS_STANDIN_CALLS);
    if (needs_device)
        status = device_status();
    if (status == cudaSuccess)
        status = state.sticky;
    if (settings.fail_at > 0 && --settings.fail_at == 0) {
        status = settings.fail_with;
        if (is_sticky(status))
            state.sticky = status;
    }
    if (status != cudaSuccess)
        state.last = status;
}

cudaError_t Call::returns(cudaError_t result) {
    if (result == cudaSuccess)
        result = state.sticky;
    if (result != cudaSuccess && result != cudaErrorNotReady)
        state.last = result;
    return result;
}

/* ---- settings ----------------------------------------------------------------- */

static void environment_number(const char *name, long long *value) {
    const char *text = getenv(name);
    if (!text)
        return;
    char *end;
    *value = strtoll(text, &end, 10);
    if (end == text || *end) {
        fprintf(stderr, "stand-in: %s=%s: not a number\n", name, text);
        exit(2);
    }
}

static void environment_failure(const char *name, long *at, cudaError_t *with) {
    const char *text = getenv(name);
    if (!text)
        return;
    char *end;
    *at = strtol(text, &end, 10);
    if (end == text || (*end && *end != ':')) {
        fprintf(stderr, "stand-in: %s=%s: want N or N:ERROR\n", name, text);
        exit(2);
    }
    if (!*end)
        return;
    for (const Name &entry : names)
        if (!strcmp(entry.name, end + 1) || entry.error == atoi(end + 1)) {
            *with = entry.error;
            if (entry.error != cudaSuccess)
                return;
        }
    fprintf(stderr, "stand-in: %s=%s: no such error\n", name, text);
    exit(2);
}

static Settings from_environment() {
    Settings settings;
    long long seed = 1, devices = 1, sm = 90, driver = CUDART_VERSION;
    long long memory = static_cast<long long>(settings.memory);
    environment_number("BS_STANDIN_SEED", &seed);
    environment_number("BS_STANDIN_DEVICES", &devices);
    environment_number("BS_STANDIN_SM", &sm);
    environment_number("BS_STANDIN_DRIVER", &driver);
    environment_number("BS_STANDIN_MEMORY", &memory);
    environment_failure("BS_STANDIN_FAIL", &settings.fail_at, &settings.fail_with);
    environment_failure("BS_STANDIN_FAULT", &settings.fault_at, &settings.fault_with);
    settings.seed = static_cast<uint64_t>(seed);
    settings.devices = static_cast<int>(devices);
    settings.sm = static_cast<int>(sm);
    settings.driver = static_cast<int>(driver);
    settings.memory = static_cast<size_t>(memory);
    return settings;
}

static uint64_t spread(uint64_t seed) {
    uint64_t x = (seed + 0x9E3779B97F4A7C15U) * 0xBF58476D1CE4E5B9U;
    return (x ^ x >> 31) | 1;
}

static void report() {
    const char *path = getenv("BS_STANDIN_REPORT");
    FILE *file = path ? fopen(path, "w") : nullptr;
    if (!file)
        return;
    for (int i = 0; i < BS_STANDIN_COUNTERS; i++) {
        bs_standin_counter counter = static_cast<bs_standin_counter>(i);
        fprintf(file, "%s\t%ld\n", bs_standin_counter_name(counter),
                bs_standin_count(counter));
    }
    if (*state.fault)
        fprintf(file, "fault\t%s\n", state.fault);
    fclose(file);
}

static State fresh() {
    State made;
    made.settings = from_environment();
    made.random = spread(made.settings.seed);
    return made;
}

State state = fresh();
static const int reported = atexit(report);

} // namespace standin

using namespace standin;

extern "C" {

void bs_standin_reset(void) {
    std::lock_guard<std::recursive_mutex> hold(mutex);
    streams_forget();
    memory_forget();
    state = fresh();
    (void)reported;
}

void bs_standin_seed(uint64_t seed) {
    std::lock_guard<std::recursive_mutex> hold(mutex);
    state.settings.seed = seed;
    state.random = spread(seed);
}

void bs_standin_device(int devices, int sm, size_t memory, int driver) {
    std::lock_guard<std::recursive_mutex> hold(mutex);
    state.settings.devices = devices;
    state.settings.sm = sm;
    state.settings.memory = memory;
    state.settings.driver = driver;
}

void bs_standin_fail(long call, cudaError_t error) {
    std::lock_guard<std::recursive_mutex> hold(mutex);
    state.settings.fail_at = call;
    state.settings.fail_with = error;
}

void bs_standin_fault(long work, cudaError_t error) {
    std::lock_guard<std::recursive_mutex> hold(mutex);
    state.settings.fault_at = work;
    state.settings.fault_with = error;
}

const char *bs_standin_fault_text(void) {
    return state.fault;
}

void bs_standin_quiet(int quiet) {
    state.settings.quiet = quiet != 0;
}

long bs_standin_count(bs_standin_counter counter) {
    std::lock_guard<std::recursive_mutex> hold(mutex);
    return state.counter[counter];
}

const char *bs_standin_counter_name(bs_standin_counter counter) {
    static const char *const text[] = {
        "calls",       "work",     "launches", "products",      "graphs",      "waits",
        "allocations", "pageable", "switches", "memory_in_use", "memory_peak", "live"};
    return text[counter];
}

const char *cudaGetErrorName(cudaError_t error) {
    const Name *entry = find(error);
    return entry ? entry->name : "unrecognized error code";
}

const char *cudaGetErrorString(cudaError_t error) {
    const Name *entry = find(error);
    return entry ? entry->text : "unrecognized error code";
}

cudaError_t cudaPeekAtLastError(void) {
    std::lock_guard<std::recursive_mutex> hold(mutex);
    return state.last;
}

cudaError_t cudaGetLastError(void) {
    std::lock_guard<std::recursive_mutex> hold(mutex);
    cudaError_t last = state.last;
    state.last = state.sticky;
    return last;
}
}
