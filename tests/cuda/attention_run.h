/* A packed batch through attention and its backward pass, in ref/ and in the kernels. */
#ifndef BS_TESTS_CUDA_ATTENTION_RUN_H
#define BS_TESTS_CUDA_ATTENTION_RUN_H

#include "cuda/attention_lab.h"

static inline struct bs_step test_step(void) {
    struct bs_step step = {};
    step.seed = 77;
    step.update = 5;
    step.adam_step = 6;
    step.loss_scale = 1;
    return step;
}

/* ---- ref ------------------------------------------------------------------------- */

struct ref {
    struct bs_device *device;
    struct bs_queue *queue;
    struct bs_arena *arena;
};

static inline struct ref ref_open(const struct batch &b, int64_t bytes) {
    struct ref r = {};
    struct bs_error error = {};
    ref_must(bs_device_open(&r.device, "ref", &error), error);
    ref_must(bs_queue_new(&r.queue, r.device, 1, b.tokens, b.longest, &error), error);
    ref_must(bs_arena_new(&r.arena, r.device, bytes, &error), error);
    return r;
}

static inline void ref_close(struct ref *r) {
    bs_arena_free(r->arena);
    bs_queue_free(r->queue);
    bs_device_close(r->device);
}

static inline struct bs_rows ref_put(struct ref *r, int64_t rows, int64_t columns,
                                     const floats *values) {
    struct bs_rows view = bs_arena_rows(r->arena, BS_F32, rows, columns);
    if (values)
        bs_rows_upload(r->queue, view, values->data());
    return view;
}

static inline floats ref_take(struct ref *r, struct bs_rows view) {
    floats values(static_cast<size_t>(view.rows * view.columns));
    struct bs_error error = {};
    ref_must(bs_rows_download(r->queue, view, values.data(), &error), error);
    return values;
}

static inline void ref_batch(struct ref *r, const struct batch &b,
                             const std::vector<int32_t> &zeros) {
    struct bs_batch batch = {};
    batch.n_tokens = b.tokens;
    batch.n_sequences = static_cast<int64_t>(b.example.size());
    batch.max_length = b.longest;
    batch.ids = batch.position = zeros.data();
    batch.offset = b.offset.data();
    batch.example = b.example.data();
    bs_set_batch(r->queue, &batch);
    struct bs_step step = test_step();
    bs_set_step(r->queue, &step);
}

static inline struct result run_ref(const struct setting &s, const struct packing &p) {
    struct batch b = make_batch(s, p);
    struct values x = make_all_values(s, p, b);
    int64_t columns = s.heads * s.width;
    std::vector<int32_t> zeros(static_cast<size_t>(b.tokens));
    struct ref r =
        ref_open(b, 4 * (10 * (b.tokens + b.queries) * (columns + s.heads + 64)));
    ref_batch(&r, b, zeros);
    struct bs_rows q = ref_put(&r, b.queries, columns, &x.q);
    struct bs_rows k = ref_put(&r, b.tokens, columns, &x.k);
    struct bs_rows v = ref_put(&r, b.tokens, columns, &x.v);
    struct bs_rows dout = ref_put(&r, b.queries, columns, &x.dout);
    struct bs_rows out = ref_put(&r, b.queries, columns, nullptr);
    struct bs_rows lse = ref_put(&r, b.queries, s.heads, nullptr);
    struct bs_rows dq = ref_put(&r, b.queries, columns, nullptr);
    struct bs_rows dk = ref_put(&r, b.tokens, columns, nullptr);
    struct bs_rows dv = ref_put(&r, b.tokens, columns, nullptr);
    bs_attention(r.queue, attention_of(s), q, k, v, lse, out);
    bs_attention_backward(r.queue, attention_of(s), q, k, v, lse, out, dout, dq, dk, dv);
    struct bs_error error = {};
    ref_must(bs_queue_finish(r.queue, &error), error);
    struct result made = {ref_take(&r, out), ref_take(&r, lse), ref_take(&r, dq),
                          ref_take(&r, dk), ref_take(&r, dv)};
    ref_close(&r);
    return made;
}

/* ---- device ---------------------------------------------------------------------- */

struct device_batch {
    struct bs_cuda_batch batch;
    struct bs_cuda_step *step;
};

static inline struct device_batch device_batch_new(const struct batch &b) {
    struct device_batch d = {};
    struct bs_cuda_step step = {};
    step.step = test_step();
    d.step = device_copy(&step, 1);
    d.batch.n_tokens = b.tokens;
    d.batch.n_sequences = static_cast<int64_t>(b.example.size());
    d.batch.max_length = (b.longest + 63) / 64 * 64;
    d.batch.offset = device_copy(b.offset.data(), b.offset.size());
    d.batch.example = device_copy(b.example.data(), b.example.size());
    return d;
}

static inline void device_batch_free(struct device_batch *d) {
    MUST(cudaFree(d->step));
    MUST(cudaFree(const_cast<int32_t *>(d->batch.offset)));
    MUST(cudaFree(const_cast<uint32_t *>(d->batch.example)));
}

/* All rows of a run. */
struct device_run {
    struct device_rows q, k, v, dout, out, lse, dq, dk, dv;
    void *scratch;
};

static inline struct device_run
device_run_new(const struct setting &s, const struct batch &b, const struct values &x) {
    int64_t columns = s.heads * s.width;
    auto rows = [&](int64_t n, const floats *values) {
        return device_put(s.type, n, columns, s.strided, values);
    };
    struct device_run d = {rows(b.queries, &x.q),
                           rows(b.tokens, &x.k),
                           rows(b.tokens, &x.v),
                           rows(b.queries, &x.dout),
                           rows(b.queries, nullptr),
                           device_put(BS_F32, b.queries, s.heads, s.strided, nullptr),
                           rows(b.queries, nullptr),
                           rows(b.tokens, nullptr),
                           rows(b.tokens, nullptr),
                           nullptr};
    MUST(cudaMalloc(&d.scratch, bs_cuda_attention_backward_scratch(b.queries, s.heads)));
    return d;
}

static inline struct result device_run_take(struct device_run *d, bool *whole) {
    struct result made = {device_take(&d->out, whole), device_take(&d->lse, whole),
                          device_take(&d->dq, whole), device_take(&d->dk, whole),
                          device_take(&d->dv, whole)};
    bool given = true;
    device_take(&d->q, &given), device_take(&d->k, &given);
    device_take(&d->v, &given), device_take(&d->dout, &given);
    *whole = *whole && given;
    MUST(cudaFree(d->scratch));
    return made;
}

/* `whole`: false if a guard was written. */
static inline struct result run_device(const struct setting &s, const struct packing &p,
                                       bool *whole) {
    struct batch b = make_batch(s, p);
    struct device_run d = device_run_new(s, b, make_all_values(s, p, b));
    struct device_batch batch = device_batch_new(b);
    cudaStream_t stream;
    MUST(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    MUST(cudaDeviceSynchronize()); /* the copies: such a stream does not wait for them */
    MUST(bs_cuda_attention(stream, &batch.batch, batch.step, attention_of(s), d.q.view,
                           d.k.view, d.v.view, d.lse.view, d.out.view));
    MUST(bs_cuda_attention_backward(
        stream, &batch.batch, batch.step, attention_of(s), d.q.view, d.k.view, d.v.view,
        d.lse.view, d.out.view, d.dout.view, d.dq.view, d.dk.view, d.dv.view, d.scratch));
    MUST(cudaStreamSynchronize(stream));
    MUST(cudaStreamDestroy(stream));
    device_batch_free(&batch);
    *whole = true;
    return device_run_take(&d, whole);
}

#endif
