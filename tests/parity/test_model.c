/*
 * The model against golden files of the reference implementation (generate_model.py),
 * on every device and precision that can be had here.
 *
 * Tolerances, fp32:
 *   logits      1e-5 absolute.
 *   gradients   1e-4 of the tensor's norm, or of a hundredth of the global norm if that
 *               is larger: a key bias has zero gradient in exact arithmetic, and what
 *               is computed is rounding of sums of the size of the others.
 *   parameters  after ten updates, 1e-3 of the norm of the tensor's change. A parameter
 *               is stored in fp32: of 1.0 that is 6e-8, of a change of 5e-4 in ten
 *               updates 1e-4, and more where only weight decay moves it. AdamW divides
 *               by sqrt(v), so where a gradient is mere rounding (key biases, see
 *               above) the update is of the size of the learning rate and of any sign:
 *               there the sum of all learning rates bounds every element.
 * bf16 has 8 bits: what enters a product is rounded to 1 in 256 at about thirty places in
 * a row, and errors of chance sign add up like their root. Logits 0.1, loss 3 %,
 * gradients 10 % by the same norms: four times what was seen. fp16 and tf32 have three
 * bits more, 1 in 2,048: a fifth of that, five times what was seen. Ten updates are
 * compared by losses and gradient norms alone.
 */
#include "tap.h"
#include "tiny.h"

#include <math.h>

struct setting {
    const char *device;
    enum bs_precision precision;
    char name[32];
    double logits, loss, gradients; /* tolerances */
};

struct fixture {
    struct setting setting;
    struct bs_device *device;
    struct golden *weights;
    struct bs_model *model;
    struct bs_pass *pass;
    struct bs_packer *packer;
};

static struct bs_error error;

/* A failure that no check expects. */
static void must(int code) {
    if (code) {
        printf("Bail out! %s\n", error.text);
        exit(1);
    }
}

/* A device that BS_TEST_DEVICE asks for must be there; its precisions need not. */
static bool available(const struct setting *setting) {
    struct bs_device *device = NULL;
    bool found = bs_device_open(&device, setting->device, &error) == BS_OK &&
                 bs_device_check(device, setting->precision, &error) == BS_OK;
    bs_device_close(device);
    if (!device && getenv("BS_TEST_DEVICE"))
        check(0, "%s: %s", setting->name, error.text);
    else if (!found)
        skip("%s: %s", setting->name, error.text);
    return found;
}

/* The tiny model and a pass with room for 1,024 tokens. */
static void set_up(struct fixture *f, const struct setting *setting,
                   struct bs_freeze freeze) {
    struct bs_model_options options = {setting->precision, true, freeze};
    struct bs_pass_size size = {1024, 64, 512, true};
    *f = (struct fixture){.setting = *setting, .weights = golden_open(TINY_WEIGHTS)};
    struct bs_model_config config = tiny_config(f->weights);
    must(bs_device_open(&f->device, setting->device, &error));
    must(bs_model_new(&f->model, f->device, &config, &options, &error));
    must(tiny_upload(f->model, f->weights, &error));
    must(bs_pass_new(&f->pass, f->model, 2, size, &error));
    must(bs_packer_new(&f->packer, bs_device_info(f->device)->row_tile, &error));
}

static void tear_down(struct fixture *f) {
    bs_packer_free(f->packer);
    bs_pass_free(f->pass);
    bs_model_free(f->model);
    bs_device_close(f->device);
    golden_close(f->weights);
}

/* Sequences first .. first + count of a golden file. */
static const struct bs_batch *pack(struct fixture *f, const struct golden *golden,
                                   uint64_t first, uint64_t count, uint32_t example) {
    const int32_t *lengths = golden_find(golden, "lengths")->data;
    const int32_t *ids = golden_find(golden, "ids")->data;
    const int32_t *types = golden_find(golden, "type_ids")->data;
    const int32_t *labels = golden_find(golden, "labels")->data;
    int64_t begin = 0;
    bs_packer_begin(f->packer, example);
    for (uint64_t i = 0; i < first; i++)
        begin += lengths[i];
    for (uint64_t i = first; i < first + count; i++) {
        struct bs_sequence sequence = {ids + begin, types + begin, lengths[i]};
        must(bs_packer_add(f->packer, &sequence, labels[i], &error));
        begin += lengths[i];
    }
    return bs_packer_finish(f->packer);
}

static double largest_difference(const float *a, const float *b, uint64_t count) {
    double most = 0;
    for (uint64_t i = 0; i < count; i++)
        most = fmax(most, fabs((double)a[i] - (double)b[i]));
    return most;
}

static double norm_of(const float *a, const float *b, uint64_t count) {
    double sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        double d = (double)a[i] - (b ? (double)b[i] : 0);
        sum += d * d;
    }
    return sqrt(sum);
}

/* The part of a parameter that is this tensor; the caller frees. */
static float *download(const struct fixture *f, const struct bs_tensor_place *place,
                       enum bs_slot slot) {
    const struct bs_parameter *p = &bs_model_parameters(f->model)->list[place->parameter];
    size_t count = (size_t)(place->spec.rows * place->spec.columns);
    float *whole = malloc((size_t)(p->rows * p->columns) * sizeof *whole);
    float *part = malloc(count * sizeof *part);
    must(bs_weights_download(bs_model_weights(f->model), place->parameter, slot, 0,
                             p->rows, whole, &error));
    memcpy(part, whole + place->first, count * sizeof *part);
    free(whole);
    return part;
}

static const float *expected(const struct golden *golden, const char *kind,
                             const struct bs_tensor_place *place) {
    char name[BS_TENSOR_NAME_SIZE + 16];
    snprintf(name, sizeof name, "%s:%s", kind, place->spec.name);
    return golden_find(golden, name)->data;
}

static double global_norm(const struct fixture *f, const struct golden *golden) {
    const struct bs_parameters *p = bs_model_parameters(f->model);
    double sum = 0;
    for (int64_t i = 0; i < p->n_tensors; i++) {
        const struct bs_tensor_spec *spec = &p->tensors[i].spec;
        double norm = norm_of(expected(golden, "gradient", &p->tensors[i]), NULL,
                              (uint64_t)(spec->rows * spec->columns));
        sum += norm * norm;
    }
    return sqrt(sum);
}

static void check_gradients(const struct fixture *f, const struct golden *golden,
                            const char *what) {
    const struct bs_parameters *p = bs_model_parameters(f->model);
    double floor = 0.01 * global_norm(f, golden), worst = 0;
    for (int64_t i = 0; i < p->n_tensors; i++) {
        const struct bs_tensor_place *place = &p->tensors[i];
        uint64_t count = (uint64_t)(place->spec.rows * place->spec.columns);
        const float *wanted = expected(golden, "gradient", place);
        if (!p->list[place->parameter].trainable)
            continue;
        float *found = download(f, place, BS_SLOT_GRADIENT);
        double scale = fmax(norm_of(wanted, NULL, count), floor);
        double relative = norm_of(found, wanted, count) / scale;
        worst = fmax(worst, relative);
        if (!(relative <= f->setting.gradients))
            check(0, "%s: %s: gradient of %s off by %.2g of its norm", f->setting.name,
                  what, place->spec.name, relative);
        free(found);
    }
    check(worst <= f->setting.gradients, "%s: %s: every gradient (worst %.2g)",
          f->setting.name, what, worst);
}

static void check_logits(struct fixture *f, struct bs_rows logits,
                         const struct golden_array *wanted, const char *what) {
    float *found = malloc(wanted->count * sizeof *found);
    must(bs_rows_download(bs_pass_queue(f->pass), logits, found, &error));
    double off = largest_difference(found, wanted->data, wanted->count);
    check(off <= f->setting.logits, "%s: %s (worst %.2g)", f->setting.name, what, off);
    free(found);
}

/* Logits, loss and gradients of one batch of texts from 1 to 512 tokens. */
static void test_batch(const struct setting *setting, struct bs_freeze freeze,
                       const char *what) {
    struct golden *golden = golden_open("tests/parity/golden/tiny_batch.bin");
    struct fixture f;
    set_up(&f, setting, freeze);
    struct bs_queue *queue = bs_pass_queue(f.pass);
    uint64_t count = golden_find(golden, "labels")->count;
    const struct bs_batch *batch = pack(&f, golden, 0, count, 0);
    check_logits(&f, bs_model_forward(f.model, f.pass, batch),
                 golden_find(golden, "logits"), "logits");
    bs_set_step(queue, &(struct bs_step){.seed = 1,
                                         .adam_step = 1,
                                         .loss_scale = 1,
                                         .loss.factor = 1.0F / (float)count});
    check_logits(&f, bs_model_loss(f.model, f.pass, batch),
                 golden_find(golden, "logits_fp32"), "logits in training");
    struct bs_step_result result;
    must(bs_read_step(queue, &result, &error));
    double wanted = *(const float *)golden_find(golden, "loss")->data;
    check(fabs(result.loss - wanted) <= setting->loss * wanted, "%s: loss %.7f, not %.7f",
          setting->name, result.loss, wanted);
    check_gradients(&f, golden, what);
    tear_down(&f);
    golden_close(golden);
}

struct training {
    struct fixture f;
    const struct golden *golden;
    const float *class_weights, *losses, *norms, *rates;
    const int32_t *labels;
    uint64_t count;
    int64_t n_labels;
    float smoothing;
    struct bs_adamw adamw;
    double worst_loss, worst_norm;
};

/* Update `step`: examples 8 * step on, in micro-batches of four. */
static void train_step(struct training *t, uint64_t step) {
    struct bs_queue *queue = bs_pass_queue(t->f.pass);
    uint64_t first = 8 * step, end = first + 8 < t->count ? first + 8 : t->count;
    double weight = 0;
    for (uint64_t i = first; i < end; i++)
        weight += (double)t->class_weights[t->labels[i]];
    bs_set_step(queue, &(struct bs_step){.seed = 1,
                                         .update = (uint32_t)step,
                                         .adam_step = (int64_t)step + 1,
                                         .learning_rate = t->rates[step],
                                         .loss_scale = 1,
                                         .loss = {t->class_weights, t->n_labels,
                                                  t->smoothing, (float)(1 / weight)}});
    for (uint64_t micro = first; micro < end; micro += 4) {
        const struct bs_batch *batch =
            pack(&t->f, t->golden, micro, 4, (uint32_t)(micro - first));
        bs_model_loss(t->f.model, t->f.pass, batch);
        must(bs_queue_finish(queue, &error));
    }
    bs_update(queue, bs_model_weights(t->f.model), t->adamw);
    struct bs_step_result result;
    must(bs_read_step(queue, &result, &error));
    double loss_off = fabs(result.loss / (double)t->losses[step] - 1);
    double norm_off = fabs(result.grad_norm / (double)t->norms[step] - 1);
    t->worst_loss = fmax(t->worst_loss, loss_off);
    t->worst_norm = fmax(t->worst_norm, norm_off);
}

static double sum_of_rates(const struct training *t, uint64_t steps) {
    double sum = 0;
    for (uint64_t i = 0; i < steps; i++)
        sum += (double)t->rates[i];
    return sum;
}

static void check_parameters(const struct training *t, const char *what, double rates) {
    const struct bs_parameters *p = bs_model_parameters(t->f.model);
    double worst = 0;
    for (int64_t i = 0; i < p->n_tensors; i++) {
        const struct bs_tensor_place *place = &p->tensors[i];
        uint64_t count = (uint64_t)(place->spec.rows * place->spec.columns);
        const float *wanted = expected(t->golden, "parameter", place);
        float *found = download(&t->f, place, BS_SLOT_VALUE);
        const float *before = golden_find(t->f.weights, place->spec.name)->data;
        double change = norm_of(wanted, before, count);
        double off = norm_of(found, wanted, count) / fmax(change, 1e-9);
        bool key_bias = strstr(place->spec.name, "key.bias") != NULL;
        if (key_bias)
            check(largest_difference(found, wanted, count) <= rates,
                  "%s: %s: %s stays within the sum of learning rates", t->f.setting.name,
                  what, place->spec.name);
        else if (!(off <= 1e-3))
            check(0, "%s: %s: %s off by %.2g of its change", t->f.setting.name, what,
                  place->spec.name, off);
        worst = key_bias ? worst : fmax(worst, off);
        free(found);
    }
    check(worst <= 1e-3, "%s: %s: every parameter (worst %.2g of its change)",
          t->f.setting.name, what, worst);
}

/* Ten updates with warm-up, clipping, accumulation and a partial last group. */
static void test_steps(const struct setting *setting, const char *path,
                       const char *what) {
    struct golden *golden = golden_open(path);
    const float *settings = golden_find(golden, "settings")->data;
    uint64_t steps = golden_find(golden, "rates")->count;
    struct training t = {
        .golden = golden,
        .class_weights = golden_find(golden, "class_weights")->data,
        .losses = golden_find(golden, "losses")->data,
        .norms = golden_find(golden, "norms")->data,
        .rates = golden_find(golden, "rates")->data,
        .labels = golden_find(golden, "labels")->data,
        .n_labels = (int64_t)golden_find(golden, "class_weights")->count,
        .count = golden_find(golden, "labels")->count,
        .smoothing = settings[2],
        .adamw = {0.9, 0.999, 1e-8, 0.01, 1},
    };
    set_up(&t.f, setting, (struct bs_freeze){0});
    for (uint64_t step = 0; step < steps; step++)
        train_step(&t, step);
    check(t.worst_loss <= setting->loss, "%s: %s: loss of every update (worst %.2g)",
          setting->name, what, t.worst_loss);
    check(t.worst_norm <= setting->gradients,
          "%s: %s: gradient norm of every update (worst %.2g)", setting->name, what,
          t.worst_norm);
    if (setting->precision == BS_PRECISION_FP32)
        check_parameters(&t, what, sum_of_rates(&t, steps));
    tear_down(&t.f);
    golden_close(golden);
}

static void test_device(const char *device, enum bs_precision precision) {
    static const double tolerances[BS_N_PRECISIONS][3] = {
        [BS_PRECISION_FP32] = {1e-5, 1e-5, 1e-4},
        [BS_PRECISION_BF16] = {0.1, 0.03, 0.1},
        [BS_PRECISION_FP16] = {0.02, 0.006, 0.02},
        [BS_PRECISION_TF32] = {0.02, 0.006, 0.02},
    };
    const double *most = tolerances[precision];
    struct setting setting = {device, precision, "", most[0], most[1], most[2]};
    snprintf(setting.name, sizeof setting.name, "%s %s", device,
             bs_precision_name(precision));
    if (!available(&setting))
        return;
    test_batch(&setting, (struct bs_freeze){0}, "all trained");
    test_steps(&setting, "tests/parity/golden/tiny_steps.bin", "ten updates");
    test_steps(&setting, "tests/parity/golden/tiny_weighted.bin",
               "ten updates with class weights, smoothing and [PAD]");
    /* What is frozen is left out in the same way in the others. */
    if (precision != BS_PRECISION_FP32 && precision != BS_PRECISION_BF16)
        return;
    test_batch(&setting, (struct bs_freeze){true, 1}, "first layer frozen");
    test_batch(&setting, (struct bs_freeze){false, 2}, "embeddings below frozen layers");
    test_batch(&setting, (struct bs_freeze){true, 3}, "head alone trained");
}

/* BS_TEST_DEVICE: that device alone, in all its precisions. */
int main(void) {
    const char *asked = getenv("BS_TEST_DEVICE");
    for (int p = BS_PRECISION_FP32; asked && p < BS_N_TRAINING_PRECISIONS; p++)
        test_device(asked, (enum bs_precision)p);
    if (asked)
        return tap_end();
    test_device("ref", BS_PRECISION_FP32);
    test_device("ref", BS_PRECISION_BF16);
    test_device("cpu", BS_PRECISION_FP32);
    test_device("cpu", BS_PRECISION_BF16);
    return tap_end();
}
