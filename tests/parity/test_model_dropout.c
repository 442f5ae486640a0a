/*
 * Training with dropout, which golden files cannot pin since every implementation draws
 * its own masks:
 *
 *   - gradients agree with differences of the loss under the same masks, so that each
 *     place drops the same elements forward and backward;
 *   - each place of the reference model has its dropout: with the other places off,
 *     the loss still depends on the seed, and with all off it does not;
 *   - all devices draw the same masks.
 *
 * For each parameter the loss is taken at p + h g / |g| and p - h g / |g|: half the
 * difference over h is |g| if g is the gradient. h is chosen so that the loss moves by
 * about 1e-3: its rounding, 1e-7, is then 1e-4 of the difference. 1 % is allowed for
 * the third derivative; a wrong mask is wrong by tens of percent.
 */
#include "tap.h"
#include "tiny.h"

#include <math.h>

enum { B = 6, LENGTH = 12, K = 3 };

static struct bs_error error;
static struct golden *tiny;

static void must(int code) {
    if (code) {
        printf("Bail out! %s\n", error.text);
        exit(1);
    }
}

struct fixture {
    struct bs_device *device;
    struct bs_model *model;
    struct bs_pass *pass;
    struct bs_packer *packer;
    uint64_t seed;
};

static void set_up(struct fixture *f, const char *device, double hidden, double attention,
                   double classifier) {
    struct bs_model_options options = {.training = true};
    struct bs_pass_size size = {B * LENGTH, B, LENGTH, true};
    struct bs_model_config config = tiny_config(tiny);
    config.hidden_dropout_prob = hidden;
    config.attention_probs_dropout_prob = attention;
    config.classifier_dropout = classifier;
    f->seed = 1;
    must(bs_device_open(&f->device, device, &error));
    must(bs_model_new(&f->model, f->device, &config, &options, &error));
    must(tiny_upload(f->model, tiny, &error));
    must(bs_pass_new(&f->pass, f->model, 1, size, &error));
    must(bs_packer_new(&f->packer, bs_device_info(f->device)->row_tile, &error));
    for (int b = 0; b < B; b++) {
        int32_t ids[LENGTH];
        struct bs_sequence sequence = {ids, NULL, LENGTH - b};
        for (int i = 0; i < LENGTH; i++)
            ids[i] = 5 + (b * 131 + i * 7919) % 995;
        must(bs_packer_add(f->packer, &sequence, b % K, &error));
    }
}

static void tear_down(struct fixture *f) {
    bs_packer_free(f->packer);
    bs_pass_free(f->pass);
    bs_model_free(f->model);
    bs_device_close(f->device);
}

/* Loss of the batch; its gradients alone are then there. */
static double loss_of(const struct fixture *f) {
    struct bs_queue *queue = bs_pass_queue(f->pass);
    struct bs_step_result result;
    bs_zero_gradients(queue, bs_model_weights(f->model));
    bs_set_step(queue, &(struct bs_step){.update = 2}); /* loss 0 at a new update */
    bs_set_step(queue, &(struct bs_step){.seed = f->seed,
                                         .update = 3,
                                         .adam_step = 4,
                                         .learning_rate = 1e-3,
                                         .loss_scale = 1,
                                         .loss.factor = 1.0F / B});
    bs_model_loss(f->model, f->pass, bs_packer_finish(f->packer));
    must(bs_read_step(queue, &result, &error));
    return result.loss;
}

/* Loss where a parameter is `values` + h * `direction`. */
static double loss_at(const struct fixture *f, int index, const float *values,
                      const float *direction, double h, float *scratch) {
    const struct bs_parameter *p = &bs_model_parameters(f->model)->list[index];
    struct bs_weights *weights = bs_model_weights(f->model);
    for (int64_t i = 0; i < p->rows * p->columns; i++)
        scratch[i] = (float)((double)values[i] + h * (double)direction[i]);
    must(bs_weights_upload(weights, index, BS_SLOT_VALUE, 0, p->rows, scratch, &error));
    must(bs_weights_ready(weights, &error));
    return loss_of(f);
}

/* How far differences are from the gradient, relative to it. */
static double check_parameter(const struct fixture *f, int index) {
    const struct bs_parameter *p = &bs_model_parameters(f->model)->list[index];
    struct bs_weights *weights = bs_model_weights(f->model);
    size_t count = (size_t)(p->rows * p->columns);
    float *values = malloc(count * sizeof *values);
    float *direction = malloc(count * sizeof *direction);
    float *scratch = malloc(count * sizeof *scratch);
    double norm = 0;
    loss_of(f);
    must(bs_weights_download(weights, index, BS_SLOT_VALUE, 0, p->rows, values, &error));
    must(bs_weights_download(weights, index, BS_SLOT_GRADIENT, 0, p->rows, direction,
                             &error));
    for (size_t i = 0; i < count; i++)
        norm += (double)direction[i] * (double)direction[i];
    norm = sqrt(norm);
    for (size_t i = 0; i < count; i++)
        direction[i] = (float)((double)direction[i] / norm);
    double h = 1e-3 / norm;
    double up = loss_at(f, index, values, direction, h, scratch);
    double down = loss_at(f, index, values, direction, -h, scratch);
    loss_at(f, index, values, direction, 0, scratch);
    free(values);
    free(direction);
    free(scratch);
    return fabs((up - down) / (2 * h) / norm - 1);
}

static void test_gradients(void) {
    struct fixture f;
    double worst = 0;
    set_up(&f, "ref", 0.3, 0.2, 0.4);
    for (int i = 0; i < bs_model_parameters(f.model)->count; i++) {
        double off = check_parameter(&f, i);
        worst = fmax(worst, off);
        if (!(off <= 0.01))
            check(0, "differences of %s are off by %.2g",
                  bs_model_parameters(f.model)->list[i].name, off);
    }
    check(worst <= 0.01, "every gradient under dropout agrees with differences (%.2g)",
          worst);
    tear_down(&f);
}

static void test_places(void) {
    static const struct {
        double hidden, attention, classifier;
        const char *name;
    } places[] = {
        {0, 0, 0, "none"},
        {0.2, 0, 0, "hidden"},
        {0, 0.2, 0, "attention"},
        {0, 0, 0.2, "classifier"},
    };
    for (int i = 0; i < 4; i++) {
        struct fixture f;
        set_up(&f, "ref", places[i].hidden, places[i].attention, places[i].classifier);
        double loss = loss_of(&f);
        f.seed = 2;
        check((fabs(loss_of(&f) - loss) > 1e-4) == (i > 0),
              "the loss depends on the seed: dropout of %s", places[i].name);
        tear_down(&f);
    }
}

static void test_device(const char *name) {
    struct fixture f;
    struct bs_device *device;
    set_up(&f, "ref", 0.3, 0.2, 0.4);
    double loss = loss_of(&f);
    tear_down(&f);
    if (bs_device_open(&device, name, &error)) {
        if (getenv("BS_TEST_DEVICE"))
            check(0, "%s: %s", name, error.text);
        else
            skip("%s: %s", name, error.text);
        return;
    }
    bs_device_close(device);
    set_up(&f, name, 0.3, 0.2, 0.4);
    double other = loss_of(&f);
    check(fabs(other - loss) < 1e-5, "ref and %s draw the same masks: %.7f, %.7f", name,
          loss, other);
    tear_down(&f);
}

/* BS_TEST_DEVICE: that device beside ref, instead of the CPU. */
int main(void) {
    const char *asked = getenv("BS_TEST_DEVICE");
    tiny = golden_open(TINY_WEIGHTS);
    test_gradients();
    test_places();
    test_device(asked ? asked : "cpu");
    golden_close(tiny);
    return tap_end();
}
