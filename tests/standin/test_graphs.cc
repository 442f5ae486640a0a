/* Capture and graphs: what is recorded, what is forbidden, what order nodes keep. */
#include "standin_test.h"

#include <algorithm>

BS_KERNEL(1, 1) void add(int *to, const int *from, int value) {
    *to += *from + value;
}

BS_KERNEL(1, 1) void append(int *list, int value) {
    list[++list[0]] = value;
}

struct Lane {
    cudaStream_t stream;
    cudaEvent_t event;
    Lane() {
        MUST(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
        MUST(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    }
    ~Lane() {
        MUST(cudaStreamDestroy(stream));
        MUST(cudaEventDestroy(event));
    }
    void begin(cudaStreamCaptureMode mode = cudaStreamCaptureModeThreadLocal) const {
        MUST(cudaStreamBeginCapture(stream, mode));
    }
};

static cudaGraphExec_t instantiate(cudaGraph_t graph) {
    cudaGraphExec_t executable;
    MUST(cudaGraphInstantiate(&executable, graph, 0));
    MUST(cudaGraphDestroy(graph));
    return executable;
}

static void test_replay(void) {
    fresh();
    Lane lane;
    Array<int> x(std::vector<int>{10, 0});
    int *pinned, value = 1;
    MUST(cudaMallocHost(&pinned, 2 * sizeof(int)));
    MUST(cudaDeviceSynchronize());
    long work = bs_standin_count(BS_STANDIN_WORK);
    cudaGraph_t graph;
    cudaStreamCaptureStatus status;
    lane.begin(cudaStreamCaptureModeGlobal);
    MUST(cudaMemcpyAsync(x.data + 1, pinned, 4, cudaMemcpyHostToDevice, lane.stream));
    MUST(BS_LAUNCH(add, 1, 1, 0, lane.stream, x.data, x.data + 1, value));
    MUST(cudaMemcpyAsync(pinned + 1, x.data, 4, cudaMemcpyDeviceToHost, lane.stream));
    MUST(cudaStreamIsCapturing(lane.stream, &status));
    check(status == cudaStreamCaptureStatusActive, "a capture is seen");
    MUST(cudaStreamEndCapture(lane.stream, &graph));
    MUST(cudaStreamSynchronize(lane.stream));
    check(bs_standin_count(BS_STANDIN_WORK) == work, "a capture runs nothing");

    value = 1000;
    cudaGraphExec_t executable = instantiate(graph);
    MUST(cudaGraphUpload(executable, lane.stream));
    int want = 10;
    bool good = true;
    for (int turn = 1; turn <= 3; turn++) {
        pinned[0] = 100 * turn;
        MUST(cudaGraphLaunch(executable, lane.stream));
        MUST(cudaStreamSynchronize(lane.stream));
        want += 100 * turn + 1;
        good = good && pinned[1] == want;
    }
    check(good, "replays use the arguments of the capture and the memory of the moment");
    MUST(cudaGraphLaunch(executable, lane.stream));
    MUST(cudaGraphExecDestroy(executable));
    MUST(cudaStreamSynchronize(lane.stream));
    check(pinned[1] == want + 301, "a graph destroyed after its launch still runs");
    check(bs_standin_count(BS_STANDIN_GRAPHS) == 4, "launches of graphs are counted");
    MUST(cudaFreeHost(pinned));
}

/* Calls that are not allowed in a capture end it. */
static void test_forbidden(const char *what, const std::function<cudaError_t()> &action) {
    Lane lane;
    cudaGraph_t graph;
    lane.begin(cudaStreamCaptureModeGlobal);
    cudaError_t status = action();
    cudaError_t end = cudaStreamEndCapture(lane.stream, &graph);
    check(status == cudaErrorStreamCaptureUnsupported &&
              end == cudaErrorStreamCaptureInvalidated && !graph,
          "%s is not allowed in a capture", what);
    (void)cudaGetLastError();
}

static void test_all_forbidden(void) {
    fresh();
    Lane lane;
    void *p;
    char host[4];
    Array<char> x(4);
    MUST(cudaEventRecord(lane.event, lane.stream));
    test_forbidden("cudaMalloc", [&] { return cudaMalloc(&p, 4); });
    test_forbidden("cudaMallocHost", [&] { return cudaMallocHost(&p, 4); });
    test_forbidden("cudaDeviceSynchronize", [] { return cudaDeviceSynchronize(); });
    test_forbidden("cudaStreamSynchronize",
                   [&] { return cudaStreamSynchronize(lane.stream); });
    test_forbidden("cudaStreamQuery", [&] { return cudaStreamQuery(lane.stream); });
    test_forbidden("cudaEventSynchronize",
                   [&] { return cudaEventSynchronize(lane.event); });
    test_forbidden("cudaEventQuery", [&] { return cudaEventQuery(lane.event); });
    test_forbidden("cudaMemset", [&] { return cudaMemset(x.data, 0, 4); });
    test_forbidden("cudaMemcpy",
                   [&] { return cudaMemcpy(x.data, host, 4, cudaMemcpyHostToDevice); });
    MUST(cudaMalloc(&p, 4));
    test_forbidden("cudaFree", [&] { return cudaFree(p); });
    cudaGraph_t graph;
    lane.begin(cudaStreamCaptureModeRelaxed);
    MUST(cudaMalloc(&p, 4));
    check(cudaStreamSynchronize(lane.stream) == cudaErrorStreamCaptureUnsupported,
          "a relaxed capture allows memory, but no waiting for its own stream");
    (void)cudaStreamEndCapture(lane.stream, &graph);
    MUST(cudaFree(p));
}

/* ---- several streams ----------------------------------------------------------------
 */

/* 1, then 2 and 3 side by side, then 4; the last event may be missing. */
static cudaError_t fork_and_join(const Lane &a, const Lane &b, int *list, bool join,
                                 cudaGraph_t *graph) {
    a.begin();
    MUST(BS_LAUNCH(append, 1, 1, 0, a.stream, list, 1));
    MUST(cudaEventRecord(a.event, a.stream));
    MUST(cudaStreamWaitEvent(b.stream, a.event, 0));
    MUST(BS_LAUNCH(append, 1, 1, 0, b.stream, list, 2));
    MUST(BS_LAUNCH(append, 1, 1, 0, a.stream, list, 3));
    MUST(cudaEventRecord(b.event, b.stream));
    if (join)
        MUST(cudaStreamWaitEvent(a.stream, b.event, 0));
    MUST(BS_LAUNCH(append, 1, 1, 0, a.stream, list, 4));
    return cudaStreamEndCapture(a.stream, graph);
}

static void test_fork(void) {
    bool kept = true, swapped[2] = {false, false};
    for (uint64_t seed = 1; seed <= 16; seed++) {
        fresh(seed);
        Lane a, b;
        Array<int> list(std::vector<int>(5, 0));
        cudaGraph_t graph;
        MUST(cudaDeviceSynchronize());
        MUST(fork_and_join(a, b, list.data, true, &graph));
        cudaGraphExec_t executable = instantiate(graph);
        MUST(cudaGraphLaunch(executable, b.stream));
        MUST(cudaDeviceSynchronize());
        MUST(cudaGraphExecDestroy(executable));
        std::vector<int> got = list.get();
        kept = kept && got[0] == 4 && got[1] == 1 && got[4] == 4 && got[2] + got[3] == 5;
        swapped[got[2] == 3] = true;
    }
    check(kept, "a fork and a join keep their order in the graph");
    check(swapped[0] && swapped[1], "what is not ordered comes in either order");

    fresh();
    Lane a, b;
    Array<int> list(std::vector<int>(5, 0));
    cudaGraph_t graph;
    check(fork_and_join(a, b, list.data, false, &graph) == cudaErrorStreamCaptureUnjoined,
          "a fork that is not joined is an error");
    (void)cudaGetLastError();
    check(cudaEventQuery(a.event) == cudaErrorCapturedEvent,
          "an event of a capture cannot be asked");
    MUST(cudaEventRecord(b.event, b.stream));
    a.begin();
    check(cudaStreamWaitEvent(a.stream, b.event, 0) == cudaErrorStreamCaptureIsolation &&
              cudaStreamEndCapture(a.stream, &graph) == cudaErrorStreamCaptureInvalidated,
          "a capture cannot wait for an event from outside");
}

static void test_arguments(void) {
    fresh();
    Lane lane, other;
    cudaGraph_t graph;
    cudaGraphExec_t executable;
    check(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeGlobal) ==
              cudaErrorStreamCaptureUnsupported,
          "stream 0 cannot be captured");
    check(cudaStreamEndCapture(lane.stream, &graph) == cudaErrorInvalidValue,
          "a capture that has not begun cannot end");
    lane.begin();
    MUST(cudaStreamEndCapture(lane.stream, &graph));
    MUST(cudaGraphInstantiate(&executable, graph, 0));
    MUST(cudaGraphLaunch(executable, lane.stream));
    MUST(cudaStreamSynchronize(lane.stream));
    MUST(cudaGraphExecDestroy(executable));
    MUST(cudaGraphDestroy(graph));
    check(cudaGraphLaunch(executable, lane.stream) == cudaErrorInvalidValue &&
              cudaGraphDestroy(graph) == cudaErrorInvalidValue,
          "an empty graph runs; one that is destroyed does not");
}

static void test_freed(void) {
    fresh();
    cudaStream_t stream;
    cudaGraph_t graph;
    int *freed;
    MUST(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    MUST(cudaMalloc(&freed, 8));
    MUST(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    MUST(BS_LAUNCH(append, 1, 1, 0, stream, freed, 1));
    MUST(cudaStreamEndCapture(stream, &graph));
    cudaGraphExec_t executable = instantiate(graph);
    MUST(cudaFree(freed));
    MUST(cudaGraphLaunch(executable, stream));
    check(cudaStreamSynchronize(stream) == cudaErrorIllegalAddress &&
              fault_says("any more"),
          "a graph that uses freed memory: \"%s\"", bs_standin_fault_text());
    MUST(cudaDeviceReset());
}

int main(void) {
    test_replay();
    test_all_forbidden();
    test_fork();
    test_arguments();
    test_freed();
    return tap_end();
}
