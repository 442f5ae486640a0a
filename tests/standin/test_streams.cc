/* Streams queue, events order, and what is done too early or too late shows. */
#include "standin_test.h"

#include <algorithm>

struct Streams {
    cudaStream_t a, b;
    Streams() {
        MUST(cudaStreamCreateWithFlags(&a, cudaStreamNonBlocking));
        MUST(cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking));
    }
    ~Streams() {
        MUST(cudaStreamDestroy(a));
        MUST(cudaStreamDestroy(b));
    }
};

BS_KERNEL(1, 1) void append(int *list, int value) {
    list[++list[0]] = value;
}

/* Seed 4: nothing runs before someone waits. */
constexpr uint64_t lazy = 4;

static void test_queue(void) {
    fresh(lazy);
    Streams streams;
    int *pinned;
    MUST(cudaMallocHost(&pinned, 2 * sizeof(int)));
    Array<int> list(std::vector<int>(8, 0));
    pinned[0] = 1;
    MUST(cudaDeviceSynchronize());
    long ran = bs_standin_count(BS_STANDIN_WORK);
    MUST(cudaMemcpyAsync(list.data + 7, pinned, 4, cudaMemcpyHostToDevice, streams.a));
    for (int value = 1; value <= 3; value++)
        MUST(BS_LAUNCH(append, 1, 1, 0, streams.a, list.data, value));
    MUST(
        cudaMemcpyAsync(pinned + 1, list.data + 3, 4, cudaMemcpyDeviceToHost, streams.a));
    check(bs_standin_count(BS_STANDIN_WORK) == ran && pinned[1] == -1,
          "nothing runs before someone waits");
    pinned[0] = 2;
    MUST(cudaStreamSynchronize(streams.b));
    check(pinned[1] == -1, "not for another stream either");
    MUST(cudaStreamSynchronize(streams.a));
    check(pinned[1] == 3, "then everything has run");
    std::vector<int> got = list.get();
    check(got == std::vector<int>({3, 1, 2, 3, 0, 0, 0, 2}), "in order");
    check(got[7] == 2, "a copy reads host memory when it runs: early reuse shows");
    MUST(cudaFreeHost(pinned));
}

/* Host code that does not wait for its copy. */
static bool reads_too_early(void) {
    Streams streams;
    int *pinned;
    MUST(cudaMallocHost(&pinned, sizeof(int)));
    *pinned = 0;
    Array<int> device(std::vector<int>{5});
    MUST(cudaDeviceSynchronize());
    MUST(cudaMemcpyAsync(pinned, device.data, 4, cudaMemcpyDeviceToHost, streams.a));
    bool good = *pinned == 5;
    MUST(cudaFreeHost(pinned));
    return good;
}

/* Work on two streams that only an event puts in order. */
static bool two_streams(bool with_event) {
    Streams streams;
    Array<int> list(std::vector<int>(4, 0));
    cudaEvent_t event;
    MUST(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    MUST(cudaDeviceSynchronize());
    MUST(BS_LAUNCH(append, 1, 1, 0, streams.a, list.data, 1));
    MUST(cudaEventRecord(event, streams.a));
    if (with_event)
        MUST(cudaStreamWaitEvent(streams.b, event, 0));
    MUST(BS_LAUNCH(append, 1, 1, 0, streams.b, list.data, 2));
    MUST(cudaStreamSynchronize(streams.b));
    MUST(cudaStreamSynchronize(streams.a));
    MUST(cudaEventDestroy(event));
    return list.get() == std::vector<int>({2, 1, 2, 0});
}

/* cudaMemcpy does not wait for a stream that does not block. */
static bool copies_too_early(void) {
    Streams streams;
    Array<int> list(std::vector<int>(4, 0));
    MUST(cudaDeviceSynchronize());
    MUST(BS_LAUNCH(append, 1, 1, 0, streams.a, list.data, 1));
    bool good = list.get()[0] == 1;
    MUST(cudaStreamSynchronize(streams.a));
    return good;
}

/* Nor does such a stream wait for a cudaMemcpy from pageable memory to arrive. */
static bool uses_too_early(void) {
    Streams streams;
    Array<int> list(4);
    std::vector<int> zero(4, 0);
    MUST(cudaDeviceSynchronize());
    MUST(cudaMemcpy(list.data, zero.data(), 16, cudaMemcpyHostToDevice));
    MUST(BS_LAUNCH(append, 1, 1, 0, streams.a, list.data + 1, 1));
    cudaError_t status = cudaStreamSynchronize(streams.a);
    std::vector<int> got = list.get();
    return status == cudaSuccess && got == std::vector<int>({0, 1, 1, 0});
}

/* How much of 64 kernels has run when nobody has waited. */
static long run_early(uint64_t seed) {
    fresh(seed);
    Streams streams;
    Array<int> list(std::vector<int>(128, 0));
    MUST(cudaDeviceSynchronize());
    long before = bs_standin_count(BS_STANDIN_LAUNCHES);
    for (int i = 0; i < 64; i++)
        MUST(BS_LAUNCH(append, 1, 1, 0, i % 2 ? streams.a : streams.b, list.data, i));
    long ran = bs_standin_count(BS_STANDIN_LAUNCHES) - before;
    MUST(cudaDeviceSynchronize());
    return ran;
}

static void test_orders(void) {
    long never = run_early(4), often = run_early(7);
    check(never == 0 && often > 0 && often < 64,
          "seed 4 runs nothing before someone waits, seed 7 some (%ld of 64)", often);
    int shown = seeds_that_show(16, reads_too_early);
    check(shown > 4, "reading a result too early shows (%d of 16 seeds)", shown);
    shown = seeds_that_show(16, [] { return two_streams(true); });
    check(shown == 0, "an event orders two streams for every seed");
    shown = seeds_that_show(16, [] { return two_streams(false); });
    check(shown > 4, "a missing event shows (%d of 16 seeds)", shown);
    shown = seeds_that_show(16, copies_too_early);
    check(shown > 4, "a cudaMemcpy that nobody waited before shows (%d of 16 seeds)",
          shown);
    shown = seeds_that_show(16, uses_too_early);
    check(shown > 4, "a cudaMemcpy that nobody waits behind shows (%d of 16 seeds)",
          shown);
}

static void test_events(void) {
    fresh(lazy);
    Streams streams;
    Array<int> list(std::vector<int>(4, 0));
    cudaEvent_t start, end, untimed;
    float milliseconds;
    MUST(cudaEventCreate(&start));
    MUST(cudaEventCreate(&end));
    MUST(cudaEventCreateWithFlags(&untimed, cudaEventDisableTiming));
    MUST(cudaDeviceSynchronize());
    check(cudaEventQuery(start) == cudaSuccess &&
              cudaEventSynchronize(start) == cudaSuccess,
          "an event that was never recorded is done");
    MUST(cudaEventRecord(start, streams.a));
    MUST(BS_LAUNCH(append, 1, 1, 0, streams.a, list.data, 1));
    MUST(cudaEventRecord(end, streams.a));
    MUST(cudaEventRecord(untimed, streams.a));
    check(cudaEventElapsedTime(&milliseconds, start, end) == cudaErrorNotReady,
          "no time before both are done");
    int queries = 1;
    while (cudaEventQuery(end) == cudaErrorNotReady)
        queries++;
    check(queries < 100 && cudaGetLastError() == cudaSuccess,
          "a loop of queries ends (%d), and not ready is no error", queries);
    MUST(cudaEventSynchronize(end));
    MUST(cudaEventElapsedTime(&milliseconds, start, end));
    check(milliseconds >= 0 && milliseconds < 10000, "time passes (%g ms)",
          static_cast<double>(milliseconds));
    check(cudaEventElapsedTime(&milliseconds, start, untimed) ==
              cudaErrorInvalidResourceHandle,
          "not for an event without timing");
    while (cudaStreamQuery(streams.a) == cudaErrorNotReady)
        queries++;
    check(list.get()[0] == 1, "queries of a stream end too");
    MUST(cudaEventDestroy(start));
    MUST(cudaEventDestroy(end));
    MUST(cudaEventDestroy(untimed));
    check(cudaEventRecord(end, streams.a) == cudaErrorInvalidResourceHandle,
          "a destroyed event is none");
}

static int called;

static void call_back(void *data) {
    called += *static_cast<int *>(data);
    void *memory;
    if (cudaMalloc(&memory, 1) != cudaErrorNotPermitted)
        called = -1;
}

static void test_callback(void) {
    fresh(lazy);
    Streams streams;
    int by = 3;
    called = 0;
    MUST(cudaLaunchHostFunc(streams.a, call_back, &by));
    check(called == 0, "a host function waits in the queue");
    MUST(cudaStreamSynchronize(streams.a));
    check(called == 3, "and may not call CUDA");
}

static void test_handles(void) {
    fresh(lazy);
    cudaStream_t stream;
    check(cudaStreamCreateWithFlags(&stream, 0) == cudaErrorInvalidValue,
          "streams that block are not offered");
    MUST(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, -1));
    Array<int> list(std::vector<int>(4, 0));
    MUST(cudaDeviceSynchronize());
    MUST(BS_LAUNCH(append, 1, 1, 0, stream, list.data, 1));
    MUST(cudaStreamDestroy(stream));
    check(cudaStreamSynchronize(stream) == cudaErrorInvalidResourceHandle &&
              BS_LAUNCH(append, 1, 1, 0, stream, list.data, 1) ==
                  cudaErrorInvalidResourceHandle,
          "a destroyed stream is none");
    MUST(cudaDeviceSynchronize());
    check(list.get()[0] == 1, "its work is done all the same");

    bs_standin_device(2, 90, 1 << 20, CUDART_VERSION);
    MUST(cudaSetDevice(1));
    MUST(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    MUST(cudaSetDevice(0));
    check(BS_LAUNCH(append, 1, 1, 0, stream, list.data, 1) ==
              cudaErrorInvalidResourceHandle,
          "a stream belongs to the device it was made on");
    MUST(cudaStreamDestroy(stream));
}

static void test_counters(void) {
    fresh(lazy);
    Streams streams;
    Array<int> list(std::vector<int>(4, 0));
    MUST(cudaDeviceSynchronize());
    int pageable = 0, *pinned;
    MUST(cudaMallocHost(&pinned, 4));
    auto count = bs_standin_count;
    long waits = count(BS_STANDIN_WAITS), allocations = count(BS_STANDIN_ALLOCATIONS);
    long copies = count(BS_STANDIN_PAGEABLE), launches = count(BS_STANDIN_LAUNCHES);
    MUST(cudaMemcpyAsync(list.data, pinned, 4, cudaMemcpyHostToDevice, streams.a));
    MUST(cudaMemsetAsync(list.data, 0, 16, streams.a));
    MUST(BS_LAUNCH(append, 1, 1, 0, streams.a, list.data, 1));
    check(count(BS_STANDIN_WAITS) == waits && count(BS_STANDIN_PAGEABLE) == copies &&
              count(BS_STANDIN_ALLOCATIONS) == allocations,
          "a step that never waits is seen not to");
    MUST(cudaMemcpyAsync(list.data, &pageable, 4, cudaMemcpyHostToDevice, streams.a));
    MUST(cudaStreamSynchronize(streams.a));
    check(count(BS_STANDIN_WAITS) == waits + 1 &&
              count(BS_STANDIN_PAGEABLE) == copies + 1 &&
              count(BS_STANDIN_LAUNCHES) == launches + 1,
          "waits, copies from pageable memory and launches are counted");
    MUST(cudaFreeHost(pinned));
}

int main(void) {
    test_queue();
    test_orders();
    test_events();
    test_callback();
    test_handles();
    test_counters();
    return tap_end();
}
