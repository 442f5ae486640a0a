/*
 * Streams really queue: work put on one runs when someone waits for it, or at a random
 * earlier moment. A stream that is being captured collects its work as nodes instead.
 */
#ifndef BS_STANDIN_STREAMS_H
#define BS_STANDIN_STREAMS_H

#include <cuda_runtime.h>

#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace standin {

struct Work {
    /* Control: events and the like; runs on a lost device too and is not counted. */
    enum Kind { Plain, Kernel, Control };
    const char *what;
    Kind kind;
    std::function<void()> run; /* may be called many times, by a graph */
};

/* A node runs after the nodes with these numbers, all lower than its own. */
struct Node {
    Work work;
    std::vector<size_t> after;
};

using Nodes = std::vector<Node>;

struct Capture {
    cudaStreamCaptureMode mode;
    std::thread::id thread;
    cudaStream_t origin;
    bool invalid = false;
    Nodes nodes;
};

struct Stream {
    int device;
    std::deque<Work> queue;
    std::shared_ptr<Capture> capture; /* null: none */
    std::vector<size_t> frontier;     /* nodes that its next node comes after */
};

/* A place in a stream's queue, whose work may hold it. A stream with work left is kept
 * by others: one that is gone has passed the place, unless everything was forgotten. */
struct Mark {
    std::weak_ptr<Stream> stream;
    bool done = false;
    double seconds = 0;
};

struct Event {
    bool timing;
    std::shared_ptr<Mark> mark;       /* null: never recorded */
    std::shared_ptr<Capture> capture; /* not null: last recorded in a capture */
    std::vector<size_t> frontier;
};

/* Null if there is no such stream. nullptr names stream 0. */
std::shared_ptr<Stream> stream_of(cudaStream_t handle);

/* Puts work on a stream, or into its graph. */
cudaError_t enqueue(cudaStream_t stream, Work work);

/* Runs one piece, counting and failing as ordered. */
void run_work(const Work &work);

/* Runs all nodes in some order that respects `after`. */
void run_nodes(const Nodes &nodes);

/* Runs what is queued. */
cudaError_t drain(cudaStream_t stream);
void drain_all();

/* For calls that a capture does not allow: success, or the error, and the captures that
 * it spoils are invalid. */
cudaError_t forbidden_in_capture();

/* A call that waits for a stream itself under capture. */
cudaError_t forbidden_on(Stream &stream);

/* What ran last, for messages. */
const char *last_work();

/* Forgets all streams, events and graphs with their work. */
void streams_forget();
void graphs_forget();

/* All streams, also those whose handles are gone. */
std::vector<std::shared_ptr<Stream>> all_streams();

} // namespace standin

#endif
