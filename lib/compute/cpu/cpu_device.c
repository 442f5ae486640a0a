/* The CPU as a device: what this processor has, and the table of functions. */
#include "compute/cpu/cpu.h"
#include "compute/cpu/cpu_memory.h"
#include "compute/host.h"

#include "common/buffer.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Instruction sets of kernels, the best last. */
enum level { PLAIN, AVX2, AVX512, AVX512_VNNI, AVX512_BF16, LEVELS };
static const char *const level_names[LEVELS] = {"plain", "avx2", "avx512", "avx512vnni",
                                                "avx512bf16"};

static enum level best_level(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return PLAIN;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
        return AVX2;
    if (!__builtin_cpu_supports("avx512vnni"))
        return AVX512;
    return __builtin_cpu_supports("avx512bf16") ? AVX512_BF16 : AVX512_VNNI;
#else
    return PLAIN;
#endif
}

static const struct bs_cpu_kernels *kernels_of(enum level level) {
    static const struct bs_cpu_kernels *const tables[LEVELS] = {
        [PLAIN] = &bs_cpu_kernels_plain,
#if defined(__x86_64__)
        [AVX2] = &bs_cpu_kernels_avx2,
        [AVX512] = &bs_cpu_kernels_avx512,
        [AVX512_VNNI] = &bs_cpu_kernels_avx512vnni,
        [AVX512_BF16] = &bs_cpu_kernels_avx512bf16,
#endif
    };
    return tables[level];
}

static int choose_level(enum level *level, struct bs_error *error) {
    enum level best = best_level();
    const char *wanted = getenv("BS_CPU");
    *level = best;
    if (!wanted || !*wanted)
        return BS_OK;
    for (int i = PLAIN; i < LEVELS; i++)
        if (!strcmp(wanted, level_names[i])) {
            if ((enum level)i > best)
                return bs_fail(error, BS_DEVICE, "BS_CPU=%s: this processor has only %s",
                               wanted, kernels_of(best)->name);
            *level = (enum level)i;
            return BS_OK;
        }
    return bs_fail(error, BS_DEVICE,
                   "BS_CPU=%s: choose avx512bf16, avx512vnni, avx512, avx2 or plain",
                   wanted);
}

static enum bs_onednn_limit library_limit(enum level level) {
    if (level == AVX512_BF16)
        return BS_ONEDNN_ANY;
    return level >= AVX512 ? BS_ONEDNN_AVX512
           : level == AVX2 ? BS_ONEDNN_AVX2
                           : BS_ONEDNN_LEAST;
}

#if defined(__x86_64__)
/* A small product: two whole chunks of steps, and some that are left. */
enum { TRIED_ROWS = 32, TRIED_COLUMNS = 48, TRIED = TRIED_ROWS * TRIED_COLUMNS };

static void try_product(bs_cpu_product_function *product, float y[TRIED]) {
    enum { STEPS = 2 * 16 + 3 };
    static const float scales[TRIED_COLUMNS] = {[0 ... TRIED_COLUMNS - 1] = 1};
    static const int32_t starts[TRIED_COLUMNS] = {[0 ... TRIED_COLUMNS - 1] = -7};
    uint8_t a[TRIED_ROWS * 4 * STEPS], b[STEPS * 4 * TRIED_COLUMNS];
    for (int i = 0; i < (int)sizeof a; i++)
        a[i] = (uint8_t)(i * 37);
    for (int i = 0; i < (int)sizeof b; i++)
        b[i] = (uint8_t)(i * 101 + i / 200);
    product(&(struct bs_cpu_product){
        .operand = BS_CPU_INT8,
        .steps = STEPS,
        .a = a,
        .a_row = 4 * STEPS,
        .a_step = BS_CPU_STEP,
        .panels = b,
        .a_scales = scales,
        .b_scales = scales,
        .b_starts = starts,
        .y = {y, BS_F32, TRIED_ROWS, TRIED_COLUMNS, TRIED_COLUMNS}});
}

/* Whether the kernel lets us have tiles, and whether these give the same whole numbers as
 * other instructions: few processors have them, so that tests seldom see them. */
static bool has_tiles(const struct bs_cpu_kernels *kernels) {
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    float ours[TRIED], theirs[TRIED];
    if (syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA))
        return false;
    try_product(kernels->product, ours);
    try_product(bs_cpu_product_avx512amx, theirs);
    bool same = true;
    for (int i = 0; i < TRIED; i++)
        same = same && ours[i] == theirs[i];
    return same;
}
#endif

/* Who makes products: of bf16, AMX is oneDNN's. */
static void choose_products(struct cpu_device *cpu, bool amx) {
#if defined(__x86_64__)
    if (amx && has_tiles(cpu->kernels)) {
        cpu->with_tiles = *cpu->kernels;
        cpu->with_tiles.product = bs_cpu_product_avx512amx;
        cpu->kernels = &cpu->with_tiles;
    }
#endif
    for (int i = 0; i < BS_CPU_OPERANDS; i++)
        cpu->own[i] = cpu->kernels->multiplies[i] && !(i == BS_CPU_BF16 && amx);
    snprintf(cpu->hardware, sizeof cpu->hardware, "%s%s", cpu->kernels->name,
             amx ? " and AMX" : "");
}

static int device_open(struct bs_device *device, struct bs_error *error) {
    enum level level;
    if (choose_level(&level, error))
        return error->code;
    struct cpu_device *cpu = bs_alloc(1, sizeof *cpu);
    if (!cpu)
        return bs_fail_memory(error, sizeof *cpu, "a device");
    cpu->kernels = kernels_of(level);
    bs_onednn_limit(library_limit(level));
    if (bs_products_new(&cpu->products, error)) {
        free(cpu);
        return error->code;
    }
    bool bf16 = cpu->kernels->multiplies[BS_CPU_BF16];
    choose_products(cpu, bf16 && bs_onednn_has_amx());
    device->data = cpu;
    device->info = (struct bs_device_info){
        .backend = "cpu",
        .hardware = cpu->hardware,
        .support = {[BS_PRECISION_FP32] = BS_NATIVE,
                    [BS_PRECISION_BF16] = bf16 ? BS_NATIVE : BS_EMULATED,
                    [BS_PRECISION_INT8] = BS_NATIVE},
        .row_tile = 1,
        .batch_tokens = CPU_BATCH_TOKENS,
    };
    return BS_OK;
}

static void device_close(struct bs_device *device) {
    struct cpu_device *cpu = device->data;
    bs_products_free(cpu->products);
    free(cpu);
}

static char description[64];

static void describe_once(void) {
    snprintf(description, sizeof description, "cpu(%s)", bs_onednn_version());
}

static const char *describe(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, describe_once);
    return description;
}

static int memory_new(struct bs_device *device, int64_t bytes, void **memory,
                      struct bs_error *error) {
    (void)device;
    *memory = cpu_alloc((size_t)bytes);
    return *memory ? BS_OK
                   : bs_fail_memory(error, (unsigned long long)bytes, "activations");
}

static void memory_free(struct bs_device *device, void *memory) {
    (void)device;
    cpu_free(memory);
}

const struct bs_backend bs_backend_cpu = {
    .version = BS_BACKEND_VERSION,
    .name = "cpu",
    .describe = describe,
    .device_open = device_open,
    .device_close = device_close,
    .weights_new = cpu_weights_new,
    .weights_free = cpu_weights_free,
    .weights_upload = bs_host_weights_upload,
    .weights_download = bs_host_weights_download,
    .weights_ready = cpu_repack,
    .weights_memory = cpu_weights_memory,
    .weights_pack = cpu_weights_pack,
    .queue_new = cpu_queue_new,
    .queue_free = cpu_queue_free,
    .queue_finish = cpu_queue_finish,
    .memory_new = memory_new,
    .memory_free = memory_free,
    .rows_upload = cpu_rows_upload,
    .rows_download = cpu_rows_download,
    .set_batch = cpu_set_batch,
    .set_step = cpu_set_step,
    .set_loss_total = cpu_set_loss_total,
    .set_loss_scale = bs_host_set_loss_scale,
    .read_step = cpu_read_step,
    .embedding = cpu_embedding,
    .embedding_backward = cpu_embedding_backward,
    .layer_norm = cpu_layer_norm,
    .layer_norm_backward = cpu_layer_norm_backward,
    .dropout = cpu_dropout,
    .dropout_add = cpu_dropout_add,
    .linear = cpu_linear,
    .activate = cpu_activate,
    .linear_backward = cpu_linear_backward,
    .gelu_backward = cpu_gelu_backward,
    .tanh_backward = cpu_tanh_backward,
    .attention = cpu_attention,
    .attention_backward = cpu_attention_backward,
    .gather_first = cpu_gather_first,
    .scatter_first = cpu_scatter_first,
    .cross_entropy = cpu_cross_entropy,
    .softmax = cpu_softmax,
    .zero = cpu_zero,
    .copy = cpu_copy,
    .update = cpu_update,
    .zero_gradients = cpu_zero_gradients,
    .linear_activate = cpu_linear_activate,
    .dropout_add_norm = cpu_dropout_add_norm,
    .dropout_add_norm_backward = cpu_dropout_add_norm_backward,
};
