/* Speed of one oneDNN product on one thread: matmul and inner product, plain and packed
 * weights. usage: onednn_product [f32|bf16] */
#include <dlfcn.h>
#include <dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
#define CHECK(x)                                                                         \
    do {                                                                                 \
        dnnl_status_t s_ = (x);                                                          \
        if (s_ != dnnl_success) {                                                        \
            printf("%s: status %d\n", #x, s_);                                           \
            return 0;                                                                    \
        }                                                                                \
    } while (0)

static dnnl_engine_t engine;
static dnnl_stream_t stream;

static void *get(size_t bytes) {
    void *p = aligned_alloc(64, (bytes + 4159) / 64 * 64);
    memset(p, 0, bytes);
    return p;
}

/* y[M,N] = x[M,K] W, W as: 0 packed by matmul, 1 [N,K] (x W^T), 2 [K,N];
 * ta: x given as [K,M] */
static double matmul(int M, int N, int K, dnnl_data_type_t type, dnnl_data_type_t out,
                     int weights, int ta, int sum, int inner, int verbose) {
    dnnl_memory_desc_t x, w, y, b;
    dnnl_dims_t xd = {M, K}, wd = {K, N}, wi = {N, K}, yd = {M, N}, bd = {1, N}, bi = {N};
    dnnl_dims_t xs = {ta ? 1 : K, ta ? M : 1},
                ws = {weights == 1 ? 1 : N, weights == 1 ? K : 1};
    CHECK(dnnl_memory_desc_init_by_strides(&x, 2, xd, type, xs));
    if (inner)
        CHECK(dnnl_memory_desc_init_by_tag(&w, 2, wi, type,
                                           weights == 0   ? dnnl_format_tag_any
                                           : weights == 1 ? dnnl_ab
                                                          : dnnl_ba));
    else if (weights == 0)
        CHECK(dnnl_memory_desc_init_by_tag(&w, 2, wd, type, dnnl_format_tag_any));
    else
        CHECK(dnnl_memory_desc_init_by_strides(&w, 2, wd, type, ws));
    CHECK(dnnl_memory_desc_init_by_tag(&y, 2, yd, out, dnnl_ab));
    if (inner)
        CHECK(dnnl_memory_desc_init_by_tag(&b, 1, bi, dnnl_f32, dnnl_a));
    else
        CHECK(dnnl_memory_desc_init_by_tag(&b, 2, bd, dnnl_f32, dnnl_ab));
    dnnl_primitive_attr_t attr;
    CHECK(dnnl_primitive_attr_create(&attr));
    CHECK(dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user));
    if (sum) {
        dnnl_post_ops_t ops;
        CHECK(dnnl_post_ops_create(&ops));
        CHECK(dnnl_post_ops_append_sum(ops, 1.0F));
        CHECK(dnnl_primitive_attr_set_post_ops(attr, ops));
    }
    dnnl_primitive_desc_t pd;
    if (inner) {
        dnnl_inner_product_desc_t d;
        CHECK(dnnl_inner_product_forward_desc_init(&d, dnnl_forward_inference, &x, &w,
                                                   sum ? NULL : &b, &y));
        CHECK(dnnl_primitive_desc_create(&pd, &d, attr, engine, NULL));
    } else {
        dnnl_matmul_desc_t d;
        CHECK(dnnl_matmul_desc_init(&d, &x, &w, sum ? NULL : &b, &y));
        CHECK(dnnl_primitive_desc_create(&pd, &d, attr, engine, NULL));
    }
    const char *impl;
    CHECK(dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &impl));
    const dnnl_memory_desc_t *wq =
        dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
    const dnnl_memory_desc_t *sq =
        dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    size_t wbytes = dnnl_memory_desc_get_size(wq), sbytes = dnnl_memory_desc_get_size(sq);
    dnnl_memory_t xm, wm, ym, bm, sm;
    CHECK(dnnl_memory_create(&xm, &x, engine, get(dnnl_memory_desc_get_size(&x))));
    CHECK(dnnl_memory_create(&wm, wq, engine, get(wbytes)));
    CHECK(dnnl_memory_create(&ym, &y, engine, get(dnnl_memory_desc_get_size(&y))));
    CHECK(dnnl_memory_create(&bm, &b, engine, get(4 * (size_t)N)));
    CHECK(dnnl_memory_create(&sm, sq, engine, get(sbytes + 64)));
    dnnl_primitive_t p;
    CHECK(dnnl_primitive_create(&p, pd));
    dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, xm},
                              {DNNL_ARG_WEIGHTS, wm},
                              {DNNL_ARG_DST, ym},
                              {DNNL_ARG_SCRATCHPAD, sm},
                              {DNNL_ARG_BIAS, bm}};
    int n = sum ? 4 : 5;
    for (int i = 0; i < 5; i++)
        CHECK(dnnl_primitive_execute(p, stream, n, args));
    double best = 1e9;
    for (int r = 0; r < 5; r++) {
        int reps = (int)(2e9 / (2.0 * M * N * K)) + 1;
        double t = now();
        for (int i = 0; i < reps; i++)
            dnnl_primitive_execute(p, stream, n, args);
        t = (now() - t) / reps;
        if (t < best)
            best = t;
    }
    double gflops = 2e-9 * M * N * K / best;
    if (verbose)
        printf("%5d %5d %5d %s->%s %s w%d ta%d sum%d  %7.1f GFLOP/s %8.1f us  scratch "
               "%zu weights %zu %s\n",
               M, N, K, type == dnnl_f32 ? "f32" : "bf16",
               out == dnnl_f32 ? "f32" : "bf16", inner ? "ip" : "mm", weights, ta, sum,
               gflops, best * 1e6, sbytes, wbytes, impl);
    return gflops;
}

int main(int argc, char **argv) {
    (void)argc, (void)argv;
    void (*set)(int) = (void (*)(int))dlsym(RTLD_DEFAULT, "omp_set_num_threads");
    printf("omp %p\n", (void *)set);
    if (set)
        set(1);
    dnnl_engine_create(&engine, dnnl_cpu, 0);
    dnnl_stream_create(&stream, engine, dnnl_stream_in_order);
    int shapes[][2] = {{384, 384}, {1152, 384}, {1536, 384}, {384, 1536},
                       {768, 768}, {3072, 768}, {768, 3072}};
    int rows[] = {32, 64, 128};
    for (int t = 0; t < 2; t++)
        for (int s = 0; s < 7; s++)
            for (int inner = 0; inner < 2; inner++)
                for (int r = 0; r < 3; r++) {
                    dnnl_data_type_t ty = t ? dnnl_bf16 : dnnl_f32;
                    matmul(rows[r], shapes[s][0], shapes[s][1], ty, ty, 0, 0, 0, inner,
                           1);
                }
    puts("plain weights");
    for (int t = 0; t < 2; t++)
        for (int w = 1; w < 3; w++)
            for (int inner = 0; inner < 2; inner++) {
                dnnl_data_type_t ty = t ? dnnl_bf16 : dnnl_f32;
                matmul(64, 1536, 384, ty, ty, w, 0, 0, inner, 1);
                matmul(64, 384, 1536, ty, ty, w, 0, 0, inner, 1);
            }
    puts("weight gradient: dW[N,M] = dy^T x");
    int g[][3] = {{64, 384, 1024},   {128, 384, 1024}, {384, 384, 1024},
                  {64, 384, 256},    {384, 384, 256},  {64, 1536, 1024},
                  {384, 1536, 1024}, {1536, 384, 1024}};
    for (int t = 0; t < 2; t++)
        for (int s = 0; s < 8; s++)
            for (int w = 0; w < 3; w += 2)
                for (int ta = 0; ta < 2; ta++)
                    matmul(g[s][0], g[s][1], g[s][2], t ? dnnl_bf16 : dnnl_f32, dnnl_f32,
                           w, ta, 1, 0, 1);
    return 0;
}
