/* Queues and events. */
#include "standin_streams.h"
#include "standin_memory.h"
#include "standin_state.h"

#include <ctime>
#include <map>

namespace standin {

static std::map<cudaStream_t, std::shared_ptr<Stream>> streams;
static std::map<int, std::shared_ptr<Stream>> legacy; /* stream 0 of each device */
static std::vector<std::shared_ptr<Stream>> orphans;  /* destroyed with work left */
static std::map<cudaEvent_t, std::shared_ptr<Event>> events;
static const char *last = "nothing";
static int depth; /* of bursts */

const char *last_work() {
    return last;
}

std::shared_ptr<Stream> stream_of(cudaStream_t handle) {
    if (!handle) {
        std::shared_ptr<Stream> &stream = legacy[current_device()];
        if (!stream)
            stream.reset(new Stream{current_device(), {}, nullptr, {}});
        return stream;
    }
    auto found = streams.find(handle);
    return found == streams.end() ? nullptr : found->second;
}

static std::shared_ptr<Event> event_of(cudaEvent_t handle) {
    auto found = events.find(handle);
    return found == events.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<Stream>> all_streams() {
    std::vector<std::shared_ptr<Stream>> all = orphans;
    for (auto &[handle, stream] : streams)
        all.push_back(stream);
    for (auto &[device, stream] : legacy)
        all.push_back(stream);
    return all;
}

void streams_forget() {
    streams.clear();
    legacy.clear();
    orphans.clear();
    events.clear();
    graphs_forget();
}

/* ---- running ------------------------------------------------------------------ */

/* While one lives, kernels may find device memory open. */
struct Burst {
    Burst() {
        depth++;
    }
    ~Burst() {
        if (--depth == 0)
            memory_hide();
    }
};

void run_work(const Work &work) {
    Settings &settings = state.settings;
    bool was_running = state.running;
    state.running = true;
    if (work.kind == Work::Control) {
        work.run();
    } else if (state.sticky == cudaSuccess) {
        count(BS_STANDIN_WORK);
        if (settings.fault_at > 0 && --settings.fault_at == 0) {
            state.sticky = settings.fault_with;
        } else {
            last = work.what;
            if (work.kind == Work::Kernel)
                memory_expose();
            work.run();
        }
    }
    state.running = was_running;
}

static void run_next(Stream &stream) {
    Burst burst;
    Work work = std::move(stream.queue.front());
    stream.queue.pop_front();
    run_work(work);
}

static void run_until(const std::shared_ptr<Mark> &mark) {
    Burst burst;
    std::shared_ptr<Stream> stream = mark->stream.lock();
    while (stream && !mark->done && !stream->queue.empty())
        run_next(*stream);
}

static void run_all(Stream &stream) {
    Burst burst;
    while (!stream.queue.empty())
        run_next(stream);
}

cudaError_t drain(cudaStream_t handle) {
    std::shared_ptr<Stream> stream = stream_of(handle);
    if (!stream)
        return cudaErrorInvalidResourceHandle;
    run_all(*stream);
    return state.sticky;
}

void drain_all() {
    for (auto &stream : all_streams())
        run_all(*stream);
    orphans.clear();
}

/* Now and then work runs before anyone waits. */
static void run_early() {
    static const uint64_t one_in[4] = {0, 64, 8, 2};
    uint64_t odds = one_in[state.settings.seed % 4];
    if (odds == 0 || random_below(odds) != 0)
        return;
    auto all = all_streams();
    Stream &stream = *all[random_below(all.size())];
    for (uint64_t n = random_below(stream.queue.size() + 1); n > 0; n--)
        if (!stream.queue.empty())
            run_next(stream);
}

cudaError_t enqueue(cudaStream_t handle, Work work) {
    std::shared_ptr<Stream> stream = stream_of(handle);
    if (!stream || stream->device != current_device())
        return cudaErrorInvalidResourceHandle;
    if (stream->capture) {
        if (stream->capture->invalid)
            return cudaErrorStreamCaptureInvalidated;
        Nodes &nodes = stream->capture->nodes;
        nodes.push_back({std::move(work), stream->frontier});
        stream->frontier = {nodes.size() - 1};
        return cudaSuccess;
    }
    stream->queue.push_back(std::move(work));
    run_early();
    return state.sticky;
}

/* ---- calls -------------------------------------------------------------------- */

static double now() {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

/* Records outside a capture. */
static cudaError_t record(Event &event, cudaStream_t handle) {
    std::shared_ptr<Stream> stream = stream_of(handle);
    event.capture.reset();
    event.mark = std::make_shared<Mark>();
    event.mark->stream = stream;
    std::shared_ptr<Mark> mark = event.mark;
    return enqueue(handle, {"event", Work::Control, [mark] {
                                mark->done = true;
                                mark->seconds = now();
                            }});
}

static cudaError_t wait_captured(Stream &stream, const Event &event) {
    if (stream.capture && stream.capture != event.capture) {
        stream.capture->invalid = true;
        return cudaErrorStreamCaptureIsolation;
    }
    if (!stream.capture)
        stream.frontier.clear();
    stream.capture = event.capture;
    for (size_t node : event.frontier)
        stream.frontier.push_back(node);
    return cudaSuccess;
}

static cudaError_t wait(cudaStream_t handle, const Event &event) {
    std::shared_ptr<Stream> stream = stream_of(handle);
    if (event.capture)
        return wait_captured(*stream, event);
    if (stream->capture) {
        stream->capture->invalid = true;
        return cudaErrorStreamCaptureIsolation;
    }
    std::shared_ptr<Mark> mark = event.mark;
    if (!mark)
        return cudaSuccess;
    return enqueue(handle, {"wait", Work::Control, [mark] { run_until(mark); }});
}

/* A query makes some progress, so that a loop of queries ends. */
static cudaError_t query(Stream &stream, const Mark *mark) {
    for (uint64_t n = random_below(3); n > 0 && !stream.queue.empty(); n--)
        run_next(stream);
    if (state.sticky != cudaSuccess)
        return state.sticky;
    return (mark ? mark->done : stream.queue.empty()) ? cudaSuccess : cudaErrorNotReady;
}

} // namespace standin

using namespace standin;

extern "C" {

cudaError_t cudaDeviceSynchronize(void) {
    Call call;
    if (call.status == cudaSuccess)
        call.status = forbidden_in_capture();
    if (call.status != cudaSuccess)
        return call.returns(call.status);
    count(BS_STANDIN_WAITS);
    drain_all();
    return call.returns(state.sticky);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *handle, unsigned flags) {
    Call call;
    if (call.status != cudaSuccess)
        return call.status;
    if (!handle || flags != cudaStreamNonBlocking)
        return call.returns(cudaErrorInvalidValue);
    std::shared_ptr<Stream> stream(new Stream{current_device(), {}, nullptr, {}});
    *handle = reinterpret_cast<cudaStream_t>(stream.get());
    streams[*handle] = stream;
    count(BS_STANDIN_LIVE);
    return cudaSuccess;
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t *handle, unsigned flags, int) {
    return cudaStreamCreateWithFlags(handle, flags);
}

cudaError_t cudaStreamDestroy(cudaStream_t handle) {
    Call call;
    auto found = streams.find(handle);
    if (found == streams.end())
        return call.returns(cudaErrorInvalidResourceHandle);
    if (found->second->capture)
        found->second->capture->invalid = true;
    if (!found->second->queue.empty())
        orphans.push_back(found->second);
    streams.erase(found);
    count(BS_STANDIN_LIVE, -1);
    return call.returns(call.status);
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
    Call call;
    std::shared_ptr<Stream> stream = stream_of(handle);
    if (call.status == cudaSuccess && !stream)
        call.status = cudaErrorInvalidResourceHandle;
    if (call.status == cudaSuccess)
        call.status = forbidden_on(*stream);
    if (call.status != cudaSuccess)
        return call.returns(call.status);
    count(BS_STANDIN_WAITS);
    return call.returns(drain(handle));
}

cudaError_t cudaStreamQuery(cudaStream_t handle) {
    Call call;
    std::shared_ptr<Stream> stream = stream_of(handle);
    if (call.status == cudaSuccess && !stream)
        call.status = cudaErrorInvalidResourceHandle;
    if (call.status == cudaSuccess)
        call.status = forbidden_on(*stream);
    if (call.status != cudaSuccess)
        return call.returns(call.status);
    return call.returns(query(*stream, nullptr));
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void *data) {
    Call call;
    if (call.status != cudaSuccess)
        return call.status;
    auto run = [function, data] {
        memory_hide();
        function(data);
    };
    return call.returns(enqueue(stream, {"host function", Work::Plain, run}));
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *handle, unsigned flags) {
    Call call;
    if (call.status != cudaSuccess)
        return call.status;
    if (!handle || (flags & ~3U))
        return call.returns(cudaErrorInvalidValue);
    std::shared_ptr<Event> event(
        new Event{!(flags & cudaEventDisableTiming), nullptr, nullptr, {}});
    *handle = reinterpret_cast<cudaEvent_t>(event.get());
    events[*handle] = event;
    count(BS_STANDIN_LIVE);
    return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t *handle) {
    return cudaEventCreateWithFlags(handle, cudaEventDefault);
}

cudaError_t cudaEventDestroy(cudaEvent_t handle) {
    Call call;
    if (events.erase(handle) == 0)
        return call.returns(cudaErrorInvalidResourceHandle);
    count(BS_STANDIN_LIVE, -1);
    return call.returns(call.status);
}

cudaError_t cudaEventRecord(cudaEvent_t handle, cudaStream_t stream_handle) {
    Call call;
    if (call.status != cudaSuccess)
        return call.status;
    std::shared_ptr<Event> event = event_of(handle);
    std::shared_ptr<Stream> stream = stream_of(stream_handle);
    if (!event || !stream)
        return call.returns(cudaErrorInvalidResourceHandle);
    if (!stream->capture)
        return call.returns(record(*event, stream_handle));
    event->capture = stream->capture;
    event->frontier = stream->frontier;
    return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t handle, unsigned) {
    Call call;
    if (call.status != cudaSuccess)
        return call.status;
    std::shared_ptr<Event> event = event_of(handle);
    if (!event || !stream_of(stream))
        return call.returns(cudaErrorInvalidResourceHandle);
    return call.returns(wait(stream, *event));
}

/* The checks that queries and waits share; `event` is set if the result is success. */
static cudaError_t look_at(Call &call, cudaEvent_t handle,
                           std::shared_ptr<Event> *event) {
    *event = event_of(handle);
    if (call.status == cudaSuccess && !*event)
        call.status = cudaErrorInvalidResourceHandle;
    if (call.status == cudaSuccess && (*event)->capture)
        call.status = cudaErrorCapturedEvent;
    if (call.status == cudaSuccess)
        call.status = forbidden_in_capture();
    return call.status;
}

cudaError_t cudaEventQuery(cudaEvent_t handle) {
    Call call;
    std::shared_ptr<Event> event;
    if (look_at(call, handle, &event) != cudaSuccess)
        return call.returns(call.status);
    if (!event->mark || event->mark->done)
        return call.returns(cudaSuccess);
    std::shared_ptr<Stream> stream = event->mark->stream.lock();
    return call.returns(stream ? query(*stream, event->mark.get()) : state.sticky);
}

cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
    Call call;
    std::shared_ptr<Event> event;
    if (look_at(call, handle, &event) != cudaSuccess)
        return call.returns(call.status);
    if (event->mark && !event->mark->done) {
        count(BS_STANDIN_WAITS);
        run_until(event->mark);
    }
    return call.returns(state.sticky);
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t start_handle,
                                 cudaEvent_t end_handle) {
    Call call;
    if (call.status != cudaSuccess)
        return call.status;
    std::shared_ptr<Event> start = event_of(start_handle), end = event_of(end_handle);
    if (!start || !end || !start->timing || !end->timing || !start->mark || !end->mark)
        return call.returns(cudaErrorInvalidResourceHandle);
    if (!start->mark->done || !end->mark->done)
        return cudaErrorNotReady;
    *milliseconds = static_cast<float>((end->mark->seconds - start->mark->seconds) * 1e3);
    return cudaSuccess;
}
}
