/*
 * Recordings as CUDA graphs. The first time that operations are asked for they run; the
 * second time they are captured, so that whatever had to grow has grown; from then on
 * they are launched as a whole. BS_CUDA_GRAPHS=0 in the environment: never.
 */
#include "compute/cuda/cuda.h"

#include "common/buffer.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_RECORDINGS = 64 };

struct cuda_recording {
    uint32_t what;
    int64_t n_tokens, n_sequences, max_length;
    cudaGraphExec_t graph; /* NULL: rehearsed only */
    uint64_t used;
    struct cuda_recording *next;
};

static void recording_free(struct cuda_recording *recording) {
    if (recording->graph)
        cudaGraphExecDestroy(recording->graph);
    free(recording);
}

void cuda_drop_recordings(struct cuda_queue *data) {
    while (data->recordings) {
        struct cuda_recording *next = data->recordings->next;
        recording_free(data->recordings);
        data->recordings = next;
    }
}

static bool is_wanted(const struct cuda_recording *r, const struct cuda_queue *data,
                      uint32_t what) {
    return r->what == what && r->n_tokens == data->batch.n_tokens &&
           r->n_sequences == data->batch.n_sequences &&
           r->max_length == data->batch.max_length;
}

/* Drops the one that was not used for longest, if there are too many. */
static void make_room(struct cuda_queue *data) {
    struct cuda_recording **oldest = &data->recordings;
    int count = 0;
    for (struct cuda_recording **r = &data->recordings; *r; r = &(*r)->next, count++)
        if ((*r)->used < (*oldest)->used)
            oldest = r;
    if (count < MOST_RECORDINGS)
        return;
    struct cuda_recording *gone = *oldest;
    *oldest = gone->next;
    recording_free(gone);
}

/* A rehearsal: the operations run, and are remembered by name. */
static void remember(struct cuda_queue *data, uint32_t what) {
    make_room(data);
    struct cuda_recording *made = bs_alloc(1, sizeof *made);
    if (!made)
        return; /* they run all the same */
    *made = (struct cuda_recording){.what = what,
                                    .n_tokens = data->batch.n_tokens,
                                    .n_sequences = data->batch.n_sequences,
                                    .max_length = data->batch.max_length,
                                    .used = data->clock,
                                    .next = data->recordings};
    data->recordings = made;
}

static bool graphs_wanted(void) {
    const char *asked = getenv("BS_CUDA_GRAPHS");
    return !asked || strcmp(asked, "0") != 0;
}

bool cuda_record(struct bs_queue *q, uint32_t what) {
    static const char operation[] = "a recorded batch";
    struct cuda_queue *data = q->data;
    struct cuda_recording *r = data->recordings;
    if (!graphs_wanted())
        return true;
    data->clock++;
    while (r && !is_wanted(r, data, what))
        r = r->next;
    if (!r) {
        remember(data, what);
        return true;
    }
    r->used = data->clock;
    if (r->graph) {
        cuda_check(q, cudaGraphLaunch(r->graph, data->stream), operation);
        return false;
    }
    if (cuda_check(q,
                   cudaStreamBeginCapture(data->stream, cudaStreamCaptureModeThreadLocal),
                   operation))
        data->capturing = r;
    return true;
}

void cuda_recorded(struct bs_queue *q) {
    static const char operation[] = "recording a batch";
    struct cuda_queue *data = q->data;
    struct cuda_recording *r = data->capturing;
    cudaGraph_t graph = NULL;
    if (!r)
        return;
    data->capturing = NULL;
    cudaError_t status = cudaStreamEndCapture(data->stream, &graph);
    if (!q->failure.code && cuda_check(q, status, operation) &&
        cuda_check(q, cudaGraphInstantiate(&r->graph, graph, 0), operation))
        cuda_check(q, cudaGraphLaunch(r->graph, data->stream), operation);
    if (graph)
        cudaGraphDestroy(graph);
}
