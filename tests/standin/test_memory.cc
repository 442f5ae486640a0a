/* Device memory: its size, guards, freshness, and copies that are wrong. */
#include "standin_test.h"

#include <algorithm>

UNCHECKED static void poke(char *at) {
    *at = 1;
}

BS_KERNEL(32, 1) void write_behind(char *to, long offset) {
    if (threadIdx.x == 0)
        poke(to + offset);
}

BS_KERNEL(32, 1) void read_all(unsigned char *to, const unsigned char *from) {
    to[threadIdx.x] = from[threadIdx.x];
}

static void test_size(void) {
    fresh();
    bs_standin_device(1, 90, 10000, CUDART_VERSION);
    size_t free_bytes, total;
    void *a, *b, *c;
    MUST(cudaMemGetInfo(&free_bytes, &total));
    check(free_bytes == 10000 && total == 10000, "the size of memory can be chosen");
    MUST(cudaMalloc(&a, 5000));
    check(cudaMalloc(&b, 5000) == cudaErrorMemoryAllocation && !b,
          "when it is used up, an allocation fails");
    check(cudaGetLastError() == cudaErrorMemoryAllocation &&
              cudaGetLastError() == cudaSuccess && cudaDeviceSynchronize() == cudaSuccess,
          "and that is no lasting fault");
    MUST(cudaMalloc(&b, 4000));
    MUST(cudaMemGetInfo(&free_bytes, &total));
    check(free_bytes < 1000, "%zu bytes free", free_bytes);
    check(bs_standin_count(BS_STANDIN_LIVE) == 2 &&
              bs_standin_count(BS_STANDIN_MEMORY_IN_USE) ==
                  10000 - static_cast<long>(free_bytes),
          "what is in use is counted");
    MUST(cudaFree(a));
    MUST(cudaMalloc(&c, 5000));
    MUST(cudaFree(b));
    MUST(cudaFree(c));
    MUST(cudaFree(nullptr));
    check(cudaFree(c) == cudaErrorInvalidValue, "nothing is freed twice");
    check(bs_standin_count(BS_STANDIN_LIVE) == 0, "nothing is left");
    void *huge;
    check(cudaMalloc(&huge, SIZE_MAX) == cudaErrorMemoryAllocation,
          "SIZE_MAX is too much");
}

static void test_fresh(void) {
    fresh();
    std::vector<unsigned char> got(64);
    unsigned char *bytes, *pinned;
    MUST(cudaMalloc(&bytes, 64));
    MUST(cudaMallocHost(&pinned, 64));
    MUST(cudaMemcpy(got.data(), bytes, 64, cudaMemcpyDeviceToHost));
    check(std::count(got.begin(), got.end(), 0xFF) == 64, "fresh device memory is NaN");
    check(std::count(pinned, pinned + 64, 0xFF) == 64, "fresh pinned memory is NaN");
    check(reinterpret_cast<uintptr_t>(bytes) % 256 == 0, "aligned as the real one is");
    MUST(cudaFreeHost(pinned));
    MUST(cudaFree(bytes));
}

static void test_guard(long offset, const char *says) {
    fresh();
    char *bytes;
    MUST(cudaMalloc(&bytes, 1001));
    MUST(BS_LAUNCH(write_behind, 1, 32, 0, 0, bytes, offset));
    check(cudaDeviceSynchronize() == cudaErrorIllegalAddress && fault_says(says) &&
              fault_says("write_behind"),
          "byte %ld of 1001: \"%s\"", offset, bs_standin_fault_text());
    MUST(cudaDeviceReset());
}

static void test_guards(void) {
    test_guard(1001, "guard after it was overwritten, 0 bytes from the end");
    test_guard(1500, "guard after it was overwritten, 499 bytes from the end");
    test_guard(-1, "guard before it was overwritten, 1 bytes from the beginning");
    fresh();
    char *pinned;
    MUST(cudaMallocHost(&pinned, 10));
    poke(pinned + 10);
    check(cudaFreeHost(pinned) == cudaErrorIllegalAddress &&
              fault_says("pinned memory") && fault_says("after it was overwritten"),
          "pinned memory is looked at when it is freed: \"%s\"", bs_standin_fault_text());
    if (!SANITIZED)
        return skip("the sanitizer's part: not built with it");
    fresh();
    check(dies([] {
              int *device;
              MUST(cudaMalloc(&device, 40));
              *device = 1;
          }),
          "host code that writes through a device pointer ends the program");
    check(dies([] {
              Array<unsigned char> bytes(32);
              RUN(read_all, 1, 32, 0, bytes.data, bytes.data);
              volatile unsigned char value = *bytes.data;
              (void)value;
          }),
          "so it does after a kernel ran");
    check(dies([] {
              unsigned char *a, *b;
              MUST(cudaMalloc(&a, 32));
              MUST(cudaMalloc(&b, 31));
              MUST(BS_LAUNCH(read_all, 1, 32, 0, 0, a, b));
              (void)cudaDeviceSynchronize();
          }),
          "so does a kernel that reads one byte too many");
}

static void test_copy_arguments(void) {
    fresh();
    Array<char> device(100), other(100);
    char host[200] = "text";
    auto copy = [](void *to, const void *from, size_t n, cudaMemcpyKind kind) {
        return cudaMemcpyAsync(to, from, n, kind, 0);
    };
    check(copy(device.data, host, 101, cudaMemcpyHostToDevice) == cudaErrorInvalidValue &&
              copy(device.data + 50, host, 51, cudaMemcpyHostToDevice) ==
                  cudaErrorInvalidValue &&
              copy(host, device.data, 101, cudaMemcpyDeviceToHost) ==
                  cudaErrorInvalidValue,
          "copies that go beyond device memory are refused");
    check(copy(host, host + 100, 10, cudaMemcpyHostToDevice) == cudaErrorInvalidValue &&
              copy(device.data, other.data, 10, cudaMemcpyHostToDevice) ==
                  cudaErrorInvalidValue &&
              copy(device.data, host, 10, cudaMemcpyDeviceToDevice) ==
                  cudaErrorInvalidValue,
          "so are those in another direction than they say");
    MUST(copy(device.data, host, 5, cudaMemcpyDefault));
    MUST(copy(other.data, device.data, 5, cudaMemcpyDefault));
    MUST(copy(host + 100, other.data, 5, cudaMemcpyDefault));
    MUST(cudaDeviceSynchronize());
    check(!strcmp(host + 100, "text"), "the direction can be left open");
    check(cudaMemsetAsync(device.data, 1, 101, 0) == cudaErrorInvalidValue &&
              cudaMemset(host, 1, 4) == cudaErrorInvalidValue,
          "memset checks the same");
}

static void test_rectangles(void) {
    fresh();
    std::vector<char> host(60);
    for (size_t i = 0; i < host.size(); i++)
        host[i] = static_cast<char>(i);
    Array<char> device(100);
    MUST(cudaMemset(device.data, 0, 100));
    MUST(cudaMemcpy2DAsync(device.data, 20, host.data(), 12, 10, 5,
                           cudaMemcpyHostToDevice, 0));
    check(cudaMemcpy2DAsync(device.data, 20, host.data(), 12, 10, 6,
                            cudaMemcpyHostToDevice, 0) == cudaErrorInvalidValue &&
              cudaMemcpy2DAsync(device.data, 20, host.data(), 9, 10, 2,
                                cudaMemcpyHostToDevice, 0) == cudaErrorInvalidValue,
          "rectangles that do not fit are refused");
    std::vector<char> got = device.get();
    int wrong = 0;
    for (int i = 0; i < 100; i++)
        wrong += got[i] != (i % 20 < 10 ? i / 20 * 12 + i % 20 : 0);
    check(wrong == 0, "rectangles are copied (%d wrong)", wrong);
}

static void test_freed(void) {
    fresh();
    cudaStream_t stream;
    char *device, *pinned;
    MUST(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    MUST(cudaMalloc(&device, 100));
    MUST(cudaMallocHost(&pinned, 100));
    char *pageable = static_cast<char *>(malloc(100));
    MUST(cudaMemcpyAsync(device, pageable, 100, cudaMemcpyHostToDevice, stream));
    free(pageable);
    cudaError_t status = cudaStreamSynchronize(stream);
    if (SANITIZED)
        check(status == cudaErrorIllegalAddress && fault_says("is freed"),
              "host memory freed before the copy ran: \"%s\"", bs_standin_fault_text());
    else
        skip("host memory freed before the copy ran: not built with the sanitizer");
    MUST(cudaDeviceReset());
}

int main(void) {
    test_size();
    test_fresh();
    test_guards();
    test_copy_arguments();
    test_rectangles();
    test_freed();
    return tap_end();
}
