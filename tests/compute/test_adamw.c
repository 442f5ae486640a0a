/*
 * AdamW and clipping against the formulas in double precision, over several updates;
 * frozen parameters, parameters without decay, loss scale, and what happens when a
 * gradient or the loss is not finite.
 */
#include "compute/lab.h"

/* A matrix, a vector that does not decay, an embedding, and a frozen vector. */
enum { MATRIX, VECTOR, EMBEDDING, FROZEN, N, MAX_SIZE = 5 * 7, UPDATES = 6 };
static const int64_t sizes[N] = {5 * 7, 7, 3 * 7, 7};

struct adam {
    double value[N][MAX_SIZE], moment1[N][MAX_SIZE], moment2[N][MAX_SIZE];
};

static void get(struct lab *lab, int index, enum bs_slot slot, float *values) {
    lab_must(lab,
             bs_weights_download(lab->weights, index, slot, 0,
                                 lab->parameters[index].rows, values, &lab->error),
             "download");
}

static void put(struct lab *lab, int index, enum bs_slot slot, const float *values) {
    lab_must(lab,
             bs_weights_upload(lab->weights, index, slot, 0, lab->parameters[index].rows,
                               values, &lab->error),
             "upload");
}

static void open_lab(struct lab *lab, struct target target, enum bs_precision precision,
                     struct adam *adam) {
    float values[MAX_SIZE];
    lab_open(lab, target, precision, 2, 31);
    lab_parameter(lab, BS_ROLE_MATRIX, 5, 7);
    lab_parameter(lab, BS_ROLE_VECTOR, 1, 7);
    lab_parameter(lab, BS_ROLE_EMBEDDING, 3, 7);
    lab_parameter(lab, BS_ROLE_VECTOR, 1, 7);
    lab->parameters[VECTOR].decays = false;
    lab->parameters[FROZEN].trainable = false;
    lab_weights(lab);
    memset(adam, 0, sizeof *adam);
    for (int p = 0; p < N; p++) {
        get(lab, p, BS_SLOT_VALUE, values);
        for (int i = 0; i < sizes[p]; i++)
            adam->value[p][i] = values[i];
    }
}

/* The update that compute.h describes, of one element. */
static void adam_element(struct adam *adam, int p, int i, double g,
                         const struct bs_adamw *a, double rate, int64_t t) {
    double decay = p == VECTOR ? 0 : a->weight_decay;
    double *value = &adam->value[p][i];
    double *m = &adam->moment1[p][i], *v = &adam->moment2[p][i];
    *value -= rate * decay * *value;
    *m = a->beta1 * *m + (1 - a->beta1) * g;
    *v = a->beta2 * *v + (1 - a->beta2) * g * g;
    double m_hat = *m / (1 - pow(a->beta1, (double)t));
    double v_hat = *v / (1 - pow(a->beta2, (double)t));
    *value -= rate * m_hat / (sqrt(v_hat) + a->epsilon);
}

/* One update of both; returns the norm that clipping saw. */
static double both_update(struct lab *lab, struct adam *adam, const struct bs_adamw *a,
                          const struct bs_step *step) {
    static float gradient[N][MAX_SIZE];
    double norm = 0;
    for (int p = 0; p < FROZEN; p++) {
        for (int i = 0; i < sizes[p]; i++) {
            gradient[p][i] = (float)(bs_random_normal(&lab->random) * step->loss_scale);
            norm += pow(gradient[p][i] / (double)step->loss_scale, 2);
        }
        put(lab, p, BS_SLOT_GRADIENT, gradient[p]);
    }
    norm = sqrt(norm);
    double factor = a->max_grad_norm > 0 ? fmin(1, a->max_grad_norm / (norm + 1e-6)) : 1;
    for (int p = 0; p < FROZEN; p++)
        for (int i = 0; i < sizes[p]; i++)
            adam_element(adam, p, i, gradient[p][i] / (double)step->loss_scale * factor,
                         a, step->learning_rate, step->adam_step);
    bs_set_step(lab->queue, step);
    bs_update(lab->queue, lab->weights, *a);
    return norm;
}

static double error_of(struct lab *lab, int p, enum bs_slot slot, const double *wanted) {
    float values[MAX_SIZE];
    double difference = 0, power = 0;
    get(lab, p, slot, values);
    for (int i = 0; i < sizes[p]; i++) {
        difference += pow(values[i] - wanted[i], 2);
        power += pow(wanted[i], 2);
    }
    return difference / power;
}

static void golden(struct target target, const struct bs_adamw *a, float loss_scale,
                   const char *name) {
    static struct lab lab;
    static struct adam adam;
    open_lab(&lab, target, BS_PRECISION_FP32, &adam);
    double norm = 0;
    for (uint32_t u = 0; u < UPDATES; u++) {
        struct bs_step step = {.seed = 1,
                               .update = u,
                               .adam_step = u + 1,
                               .learning_rate = 0.02 / (u + 1),
                               .loss_scale = loss_scale};
        norm = both_update(&lab, &adam, a, &step);
    }
    for (int p = 0; p < N; p++) {
        double error = error_of(&lab, p, BS_SLOT_VALUE, adam.value[p]);
        check(error < 1e-12, "%s: values of %d: normalised error %.2g", name, p, error);
        if (p == FROZEN)
            continue;
        error = error_of(&lab, p, BS_SLOT_MOMENT1, adam.moment1[p]);
        check(error < 1e-12, "%s: moment 1 of %d: normalised error %.2g", name, p, error);
        error = error_of(&lab, p, BS_SLOT_MOMENT2, adam.moment2[p]);
        check(error < 1e-12, "%s: moment 2 of %d: normalised error %.2g", name, p, error);
        float left[MAX_SIZE], total = 0;
        get(&lab, p, BS_SLOT_GRADIENT, left);
        for (int i = 0; i < sizes[p]; i++)
            total += fabsf(left[i]);
        check(total == 0, "%s: the gradient of %d is zero afterwards", name, p);
    }
    struct bs_step_result result = {0};
    lab_must(&lab, bs_read_step(lab.queue, &result, &lab.error), "step");
    check(fabs(result.grad_norm / norm - 1) < 1e-5, "%s: norm %.7g, wanted %.7g", name,
          result.grad_norm, norm);
    check(result.finite && result.first_bad_update == -1, "%s: all was finite", name);
    check(lab_sound(&lab), "%s: the queue has not failed", name);
    lab_close(&lab);
}

/* Records y = x W^T + b and dx = dy W. */
static void products(struct lab *lab, struct bs_linear l, struct bs_rows x,
                     struct bs_rows dy, const char *name) {
    struct bs_rows y = lab_output(lab, BS_F32, 4, 5), dx = lab_output(lab, BS_F32, 4, 7);
    bs_linear(lab->queue, lab->weights, l, BS_IDENTITY, x, absent, y);
    bs_linear_backward(lab->queue, lab->weights, l, x, dy, dx, false);
    lab_record(lab, name, y);
    lab_record(lab, name, dx);
}

/* Products see the values of the update, in both precisions. */
static void products_follow(struct target target, enum bs_precision precision) {
    static struct lab lab;
    const struct bs_adamw a = {0.9, 0.999, 1e-8, 0.01, 1};
    const struct bs_step step = {
        .seed = 1, .update = 0, .adam_step = 1, .learning_rate = 0.1, .loss_scale = 1};
    lab_open(&lab, target, precision, 2, 31);
    struct bs_linear l = {lab_parameter(&lab, BS_ROLE_MATRIX, 5, 7),
                          lab_parameter(&lab, BS_ROLE_VECTOR, 1, 5)};
    lab_weights(&lab);
    struct bs_rows x = lab_input(&lab, lab.type, 4, 7, 1);
    struct bs_rows dy = lab_input(&lab, lab.type, 4, 5, 1);
    bs_set_step(lab.queue, &step);
    bs_update(lab.queue, lab.weights, a);
    products(&lab, l, x, dy, "after the update");
    float values[MAX_SIZE];
    get(&lab, l.weight, BS_SLOT_VALUE, values);
    put(&lab, l.weight, BS_SLOT_VALUE, values);
    lab_must(&lab, bs_weights_ready(lab.weights, &lab.error), "ready");
    products(&lab, l, x, dy, "of the new values");
    const struct record *r = lab.records;
    check(!memcmp(r[0].values, r[2].values, 4 * 5 * sizeof(float)) &&
              !memcmp(r[1].values, r[3].values, 4 * 7 * sizeof(float)),
          "%s: products after an update are those of the new values",
          bs_precision_name(precision));
    check(lab_sound(&lab), "products after an update");
    lab_close(&lab);
}

/* ---- what is not finite ------------------------------------------------------- */

static void put_gradients(struct lab *lab, float odd) {
    float gradient[MAX_SIZE];
    for (int p = 0; p < FROZEN; p++) {
        for (int i = 0; i < sizes[p]; i++)
            gradient[i] = p == EMBEDDING && i == 5 ? odd : 0.5F;
        put(lab, p, BS_SLOT_GRADIENT, gradient);
    }
}

static bool unchanged(struct lab *lab, const struct adam *adam) {
    float values[MAX_SIZE];
    bool same = true;
    for (int p = 0; p < N; p++) {
        get(lab, p, BS_SLOT_VALUE, values);
        for (int i = 0; i < sizes[p]; i++)
            same = same && values[i] == (float)adam->value[p][i];
        if (p == FROZEN)
            continue;
        get(lab, p, BS_SLOT_MOMENT1, values);
        for (int i = 0; i < sizes[p]; i++)
            same = same && values[i] == 0;
    }
    return same;
}

static struct bs_step_result step_result(struct lab *lab) {
    struct bs_step_result result = {0};
    lab_must(lab, bs_read_step(lab->queue, &result, &lab->error), "step");
    return result;
}

/* Update 3 is bad: it and all later ones do nothing. */
static void bad_gradient(struct target target, float odd, const char *name) {
    static const struct bs_adamw a = {0.9, 0.999, 1e-8, 0.01, 1};
    static struct lab lab;
    static struct adam adam;
    open_lab(&lab, target, BS_PRECISION_FP32, &adam);
    struct bs_step step = {
        .seed = 1, .update = 3, .adam_step = 4, .learning_rate = 0.1, .loss_scale = 1};
    put_gradients(&lab, odd);
    bs_set_step(lab.queue, &step);
    bs_update(lab.queue, lab.weights, a);
    struct bs_step_result result = step_result(&lab);
    check(!result.finite && result.first_bad_update == 3, "%s: update 3 is named", name);
    check(unchanged(&lab, &adam), "%s: nothing changes", name);
    for (step.update = 4; step.update < 6; step.update++) {
        put_gradients(&lab, step.update == 4 ? odd : 1);
        bs_set_step(lab.queue, &step);
        bs_update(lab.queue, lab.weights, a);
        result = step_result(&lab);
        check(!result.finite && result.first_bad_update == 3,
              "%s: update 3 is still the first", name);
    }
    check(unchanged(&lab, &adam), "%s: nothing changes later", name);
    check(lab_sound(&lab), "%s: the queue itself has not failed", name);
    lab_close(&lab);
}

static void bad_loss(struct target target) {
    static const struct bs_adamw a = {0.9, 0.999, 1e-8, 0.01, 1};
    static const int one[] = {1, 0};
    static const float logits[] = {NAN, 1};
    static struct lab lab;
    static struct adam adam;
    open_lab(&lab, target, BS_PRECISION_FP32, &adam);
    lab_batch(&lab, one, bs_device_info(lab.device)->row_tile, 2, 2);
    struct bs_step step = {.seed = 1,
                           .update = 8,
                           .adam_step = 1,
                           .learning_rate = 0.1,
                           .loss_scale = 1,
                           .loss.factor = 1};
    put_gradients(&lab, 1);
    bs_set_step(lab.queue, &step);
    bs_cross_entropy(lab.queue, lab_given(&lab, BS_F32, 1, 2, logits), absent);
    check(!step_result(&lab).finite, "a loss that is NaN is told before the update");
    bs_update(lab.queue, lab.weights, a);
    check(step_result(&lab).first_bad_update == 8, "a loss that is NaN: update 8 is bad");
    check(unchanged(&lab, &adam), "a loss that is NaN: nothing changes");
    lab_close(&lab);
}

/* Losses add up within an update, and start anew with the next. */
static void losses_add_up(struct target target) {
    static const int one[] = {1, 0};
    static const float logits[] = {0, 0};
    static struct lab lab;
    lab_open(&lab, target, BS_PRECISION_FP32, 1, 1);
    lab_batch(&lab, one, bs_device_info(lab.device)->row_tile, 2, 2);
    struct bs_rows x = lab_given(&lab, BS_F32, 1, 2, logits);
    struct bs_step step = {.seed = 1,
                           .update = 20,
                           .adam_step = 1,
                           .learning_rate = 0.1,
                           .loss_scale = 1,
                           .loss.factor = 0.5F};
    for (int i = 0; i < 3; i++) {
        bs_set_step(lab.queue, &step);
        bs_cross_entropy(lab.queue, x, absent);
    }
    double loss = step_result(&lab).loss;
    check(fabs(loss - 1.5 * log(2)) < 1e-6, "three parts of an update add up: %g", loss);
    step.update = 21;
    bs_set_step(lab.queue, &step);
    check(step_result(&lab).loss == 0, "the next update starts at zero");
    lab_close(&lab);
}

/* The total goes on from where it was set, with the losses of updates that are made. */
static void totals(struct target target) {
    static const struct bs_adamw a = {0.9, 0.999, 1e-8, 0.01, 1};
    static const int one[] = {1, 0};
    static const float logits[] = {0, 0};
    static struct lab lab;
    static struct adam adam;
    open_lab(&lab, target, BS_PRECISION_FP32, &adam);
    lab_batch(&lab, one, bs_device_info(lab.device)->row_tile, 2, 2);
    struct bs_rows x = lab_given(&lab, BS_F32, 1, 2, logits);
    bs_set_loss_total(lab.queue, 10);
    for (uint32_t i = 0; i < 3; i++) {
        struct bs_step step = {.seed = 1,
                               .update = i,
                               .adam_step = i + 1,
                               .learning_rate = 0.1,
                               .loss_scale = 1,
                               .loss.factor = 0.5F};
        put_gradients(&lab, i < 2 ? 1 : NAN);
        bs_set_step(lab.queue, &step);
        bs_cross_entropy(lab.queue, x, absent);
        bs_update(lab.queue, lab.weights, a);
    }
    double total = step_result(&lab).loss_total;
    check(fabs(total - 10 - log(2)) < 1e-6, "losses of two updates of three: %g", total);
    lab_close(&lab);
}

static void check_target(struct target target) {
    static const struct bs_adamw usual = {0.9, 0.999, 1e-8, 0.01, 0};
    static const struct bs_adamw clipped = {0.9, 0.999, 1e-6, 0.1, 1};
    static const struct bs_adamw loose = {0.8, 0.95, 1e-8, 0, 1e6};
    printf("# %s %s\n", target.device, target.isa ? target.isa : "");
    golden(target, &usual, 1, "AdamW");
    golden(target, &clipped, 1, "AdamW, clipped");
    golden(target, &loose, 1, "AdamW, other settings");
    golden(target, &clipped, 1024, "AdamW, loss scale 1024");
    products_follow(target, BS_PRECISION_FP32);
    bad_gradient(target, NAN, "NaN in a gradient");
    bad_gradient(target, -INFINITY, "infinity in a gradient");
    bad_loss(target);
    losses_add_up(target);
    totals(target);
}

int main(int argc, char **argv) {
    struct target targets[8];
    int n = lab_targets(argc, argv, targets);
    for (int i = 0; i < n; i++) {
        if (lab_available(targets[i], BS_PRECISION_FP32))
            check_target(targets[i]);
        if (lab_available(targets[i], BS_PRECISION_BF16))
            products_follow(targets[i], BS_PRECISION_BF16);
    }
    return tap_end();
}
