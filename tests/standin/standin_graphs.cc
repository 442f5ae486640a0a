/* Capture of streams, and graphs. */
#include "standin_state.h"
#include "standin_streams.h"

#include <map>

namespace standin {

static std::map<cudaGraph_t, std::shared_ptr<Nodes>> graphs;
static std::map<cudaGraphExec_t, std::shared_ptr<const Nodes>> executables;

void graphs_forget() {
    graphs.clear();
    executables.clear();
}

cudaError_t forbidden_in_capture() {
    cudaError_t status = cudaSuccess;
    for (auto &stream : all_streams()) {
        Capture *capture = stream->capture.get();
        if (!capture || capture->mode == cudaStreamCaptureModeRelaxed)
            continue;
        if (capture->mode == cudaStreamCaptureModeGlobal ||
            capture->thread == std::this_thread::get_id()) {
            capture->invalid = true;
            status = cudaErrorStreamCaptureUnsupported;
        }
    }
    return status;
}

cudaError_t forbidden_on(Stream &stream) {
    if (!stream.capture)
        return forbidden_in_capture();
    stream.capture->invalid = true;
    return cudaErrorStreamCaptureUnsupported;
}

void run_nodes(const Nodes &nodes) {
    std::vector<std::vector<size_t>> next(nodes.size());
    std::vector<size_t> waits(nodes.size()), ready;
    for (size_t i = 0; i < nodes.size(); i++) {
        waits[i] = nodes[i].after.size();
        for (size_t before : nodes[i].after)
            next[before].push_back(i);
        if (waits[i] == 0)
            ready.push_back(i);
    }
    while (!ready.empty()) {
        std::swap(ready[random_below(ready.size())], ready.back());
        size_t node = ready.back();
        ready.pop_back();
        run_work(nodes[node].work);
        for (size_t i : next[node])
            if (--waits[i] == 0)
                ready.push_back(i);
    }
}

/* Whether everything captured comes before the end of the stream it began on. */
static bool joined(const Nodes &nodes, const std::vector<size_t> &frontier) {
    std::vector<bool> seen(nodes.size());
    for (size_t node : frontier)
        seen[node] = true;
    bool all = true;
    for (size_t i = nodes.size(); i-- > 0; all = all && seen[i])
        if (seen[i])
            for (size_t before : nodes[i].after)
                seen[before] = true;
    return all;
}

static cudaError_t end_capture(Stream &origin, cudaStream_t handle, cudaGraph_t *graph) {
    std::shared_ptr<Capture> capture = origin.capture;
    if (capture->origin != handle)
        return cudaErrorStreamCaptureUnmatched;
    bool whole = joined(capture->nodes, origin.frontier);
    for (auto &stream : all_streams())
        if (stream->capture == capture) {
            stream->capture.reset();
            stream->frontier.clear();
        }
    *graph = nullptr;
    if (capture->invalid)
        return cudaErrorStreamCaptureInvalidated;
    if (!whole)
        return cudaErrorStreamCaptureUnjoined;
    auto nodes = std::make_shared<Nodes>(std::move(capture->nodes));
    *graph = reinterpret_cast<cudaGraph_t>(nodes.get());
    graphs[*graph] = nodes;
    count(BS_STANDIN_LIVE);
    return cudaSuccess;
}

} // namespace standin

using namespace standin;

extern "C" {

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
    Call call;
    if (call.status != cudaSuccess)
        return call.status;
    std::shared_ptr<Stream> stream = stream_of(handle);
    if (!stream)
        return call.returns(cudaErrorInvalidResourceHandle);
    if (!handle)
        return call.returns(cudaErrorStreamCaptureUnsupported);
    if (stream->capture)
        return call.returns(cudaErrorInvalidValue);
    stream->capture = std::make_shared<Capture>();
    stream->capture->mode = mode;
    stream->capture->thread = std::this_thread::get_id();
    stream->capture->origin = handle;
    stream->frontier.clear();
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t *graph) {
    Call call;
    std::shared_ptr<Stream> stream = stream_of(handle);
    if (!stream || !graph || !stream->capture)
        return call.returns(cudaErrorInvalidValue);
    if (call.status != cudaSuccess)
        stream->capture->invalid = true;
    cudaError_t status = end_capture(*stream, handle, graph);
    return call.returns(call.status != cudaSuccess ? call.status : status);
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus *status) {
    Call call;
    if (call.status != cudaSuccess)
        return call.status;
    std::shared_ptr<Stream> stream = stream_of(handle);
    if (!stream || !status)
        return call.returns(cudaErrorInvalidValue);
    *status = !stream->capture           ? cudaStreamCaptureStatusNone
              : stream->capture->invalid ? cudaStreamCaptureStatusInvalidated
                                         : cudaStreamCaptureStatusActive;
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *executable, cudaGraph_t graph,
                                 unsigned long long) {
    Call call;
    if (call.status != cudaSuccess)
        return call.status;
    auto found = graphs.find(graph);
    if (!executable || found == graphs.end())
        return call.returns(cudaErrorInvalidValue);
    auto nodes = std::make_shared<const Nodes>(*found->second);
    *executable = reinterpret_cast<cudaGraphExec_t>(const_cast<Nodes *>(nodes.get()));
    executables[*executable] = nodes;
    count(BS_STANDIN_LIVE);
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t handle) {
    Call call;
    if (call.status != cudaSuccess)
        return call.status;
    auto found = executables.find(executable);
    std::shared_ptr<Stream> stream = stream_of(handle);
    if (found == executables.end() || !stream)
        return call.returns(cudaErrorInvalidValue);
    if (stream->capture)
        return call.returns(forbidden_on(*stream));
    count(BS_STANDIN_GRAPHS);
    std::shared_ptr<const Nodes> nodes = found->second;
    auto run = [nodes] { run_nodes(*nodes); };
    return call.returns(enqueue(handle, {"graph", Work::Control, run}));
}

cudaError_t cudaGraphUpload(cudaGraphExec_t executable, cudaStream_t stream) {
    Call call;
    if (call.status != cudaSuccess)
        return call.status;
    if (!executables.count(executable) || !stream_of(stream))
        return call.returns(cudaErrorInvalidValue);
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    Call call;
    if (graphs.erase(graph) == 0)
        return call.returns(cudaErrorInvalidValue);
    count(BS_STANDIN_LIVE, -1);
    return call.returns(call.status);
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
    Call call;
    if (executables.erase(executable) == 0)
        return call.returns(cudaErrorInvalidValue);
    count(BS_STANDIN_LIVE, -1);
    return call.returns(call.status);
}
}
