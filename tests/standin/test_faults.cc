/* Ordered failures, lost devices, absent devices, and the environment's orders. */
#include "standin_test.h"

#include <cublasLt.h>

BS_KERNEL(32, 1) void touch(int *x) {
    x[threadIdx.x] = 1;
}

/* A small program; the first error stops it, and then it frees what it has. Returns the
 * name of the call that failed. */
static const char *program(cudaError_t *status) {
    cudaStream_t stream = nullptr;
    int *x = nullptr, *pinned = nullptr;
    const char *failed = nullptr;
    auto step = [&](const char *name, cudaError_t result) {
        if (!failed && result != cudaSuccess) {
            failed = name;
            *status = result;
        }
        return !failed;
    };
    if (step("stream", cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking)) &&
        step("malloc", cudaMalloc(&x, 128)) &&
        step("host", cudaMallocHost(&pinned, 128)) &&
        step("launch", BS_LAUNCH(touch, 1, 32, 0, stream, x)) &&
        step("copy", cudaMemcpyAsync(pinned, x, 128, cudaMemcpyDeviceToHost, stream)) &&
        step("wait", cudaStreamSynchronize(stream)) && pinned[31] != 1)
        failed = "result";
    if (stream)
        step("end", cudaStreamDestroy(stream));
    step("free", cudaFree(x));
    step("free host", cudaFreeHost(pinned));
    return failed;
}

static void test_each_call(void) {
    const char *want[] = {"stream", "malloc", "host", "launch",   "copy",
                          "wait",   "end",    "free", "free host"};
    fresh();
    cudaError_t status = cudaSuccess;
    long before = bs_standin_count(BS_STANDIN_CALLS);
    check(!program(&status) && bs_standin_count(BS_STANDIN_CALLS) - before == 9,
          "a run without failures makes 9 calls");
    for (int call = 1; call <= 9; call++) {
        fresh();
        bs_standin_fail(call, cudaErrorMemoryAllocation);
        const char *failed = program(&status);
        check(failed && !strcmp(failed, want[call - 1]) &&
                  status == cudaErrorMemoryAllocation &&
                  bs_standin_count(BS_STANDIN_LIVE) == 0 && !program(&status),
              "call %d fails (%s), nothing is left, the next run is whole", call, failed);
    }
    fresh();
    bs_standin_fail(10, cudaErrorMemoryAllocation);
    check(!program(&status), "call 10 does not exist");
}

static void test_lost(cudaError_t error) {
    fresh();
    cudaError_t status;
    bs_standin_fail(4, error);
    const char *failed = program(&status);
    check(failed && !strcmp(failed, "launch") && status == error &&
              bs_standin_count(BS_STANDIN_LIVE) == 0,
          "%s at a call: everything can be freed all the same", cudaGetErrorName(error));
    failed = program(&status);
    check(failed && !strcmp(failed, "stream") && status == error,
          "... and nothing works any more");

    fresh();
    bs_standin_fault(1, error);
    failed = program(&status);
    check(failed && status == error && bs_standin_count(BS_STANDIN_LIVE) == 0,
          "%s of the first kernel is found at a later call (%s)", cudaGetErrorName(error),
          failed);
}

/* The wait is what finds a fault if nothing runs before it. */
static void test_late(void) {
    fresh(4);
    cudaError_t status;
    bs_standin_fault(2, cudaErrorECCUncorrectable);
    const char *failed = program(&status);
    check(failed && !strcmp(failed, "wait") && status == cudaErrorECCUncorrectable,
          "a fault of the second piece of work is found by the wait");
}

static void test_absent(void) {
    int count = -1, version = -1;
    fresh();
    bs_standin_device(0, 90, 1 << 20, CUDART_VERSION);
    check(cudaGetDeviceCount(&count) == cudaErrorNoDevice && count == 0, "no device");
    bs_standin_device(1, 90, 1 << 20, 12000);
    check(cudaGetDeviceCount(&count) == cudaErrorInsufficientDriver &&
              cudaDriverGetVersion(&version) == cudaSuccess && version == 12000,
          "a driver that is too old");
    bs_standin_device(1, 90, 1 << 20, 0);
    check(cudaSetDevice(0) == cudaErrorInsufficientDriver &&
              cudaDriverGetVersion(&version) == cudaSuccess && version == 0,
          "no driver");
    fresh();
    int *x = nullptr;
    bs_standin_device(1, 61, 1 << 20, CUDART_VERSION);
    check(BS_LAUNCH(touch, 1, 32, 0, 0, x) == cudaErrorNoKernelImageForDevice,
          "sm_61 has no code");
    bs_standin_device(2, 86, 1 << 20, CUDART_VERSION);
    cudaDeviceProp properties;
    MUST(cudaGetDeviceProperties(&properties, 1));
    check(cudaSetDevice(2) == cudaErrorInvalidDevice && properties.major == 8 &&
              properties.minor == 6 && properties.sharedMemPerBlockOptin == 99 * 1024,
          "two devices of sm_86");
    int value;
    MUST(cudaDeviceGetAttribute(&value, cudaDevAttrComputeCapabilityMinor, 1));
    check(value == 6 && cudaDeviceGetAttribute(&value, cudaDevAttrWarpSize, 2) ==
                            cudaErrorInvalidDevice,
          "attributes say the same");
}

static void test_environment(void) {
    setenv("BS_STANDIN_FAIL", "2:cudaErrorECCUncorrectable", 1);
    setenv("BS_STANDIN_MEMORY", "4096", 1);
    setenv("BS_STANDIN_SM", "80", 1);
    bs_standin_reset();
    size_t free_bytes, total;
    MUST(cudaMemGetInfo(&free_bytes, &total));
    cudaDeviceProp properties;
    check(total == 4096 &&
              cudaGetDeviceProperties(&properties, 0) == cudaErrorECCUncorrectable &&
              cudaDeviceSynchronize() == cudaErrorECCUncorrectable,
          "the environment's orders are followed");
    unsetenv("BS_STANDIN_FAIL");
    setenv("BS_STANDIN_FAULT", "1:702", 1);
    bs_standin_reset();
    bs_standin_quiet(1);
    cudaError_t status;
    check(device_sm() == 80 && program(&status) && status == cudaErrorLaunchTimeout,
          "errors can be given by number");
    unsetenv("BS_STANDIN_FAULT");
    unsetenv("BS_STANDIN_MEMORY");
    unsetenv("BS_STANDIN_SM");
    check(dies([] {
              setenv("BS_STANDIN_SEED", "one", 1);
              bs_standin_reset();
          }),
          "a seed that is no number ends the program");
}

static void test_report(void) {
    char path[] = "/tmp/standin-report-XXXXXX";
    int fd = mkstemp(path);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        setenv("BS_STANDIN_REPORT", path, 1);
        fresh();
        cudaError_t status;
        exit(program(&status) != nullptr);
    }
    int status = -1;
    waitpid(child, &status, 0);
    char text[1024];
    ssize_t n = read(fd, text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    check(status == 0 && strstr(text, "calls\t9\n") && strstr(text, "launches\t1\n") &&
              strstr(text, "live\t0\n"),
          "the report at exit has the counters");
    close(fd);
    unlink(path);
}

/* cuBLASLt's functions count, too, and fail in their own words. */
static void test_lt(void) {
    fresh();
    cublasLtHandle_t handle;
    cublasLtMatmulDesc_t desc;
    bs_standin_fail(1, cudaErrorMemoryAllocation);
    check(cublasLtCreate(&handle) == CUBLAS_STATUS_ALLOC_FAILED,
          "cuBLASLt without memory");
    check(cublasLtCreate(&handle) == CUBLAS_STATUS_SUCCESS, "... works later");
    bs_standin_fail(1, cudaErrorLaunchFailure);
    check(cublasLtMatmulDescCreate(&desc, CUBLAS_COMPUTE_32F, CUDA_R_32F) ==
              CUBLAS_STATUS_EXECUTION_FAILED,
          "cuBLASLt on a lost device");
    check(cublasLtDestroy(handle) == CUBLAS_STATUS_EXECUTION_FAILED &&
              bs_standin_count(BS_STANDIN_LIVE) == 0,
          "... is destroyed all the same");
}

int main(void) {
    test_each_call();
    test_lost(cudaErrorLaunchFailure);
    test_lost(cudaErrorECCUncorrectable);
    test_lost(cudaErrorUnknown);
    test_late();
    test_absent();
    test_environment();
    test_report();
    test_lt();
    return tap_end();
}
