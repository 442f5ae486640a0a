/*
 * AdamW (Loshchilov, Hutter, "Decoupled Weight Decay Regularization", 2019) as
 * torch.optim.AdamW computes it on a CPU: factors in double, elements in fp32, in
 * PyTorch's order of operations. Where PyTorch fuses a multiplication with an addition,
 * last bits differ.
 */
#include "compute/ref/ref.h"
#include "compute/step.h"

#include <math.h>

static int64_t parameter_size(const struct bs_weights *w, int index) {
    return w->parameters[index].rows * w->parameters[index].columns;
}

static double gradient_norm(const struct bs_weights *w) {
    double total = 0;
    for (int i = 0; i < w->n_parameters; i++) {
        if (!bs_weights_trains(w, i))
            continue;
        const float *gradient = ref_tensor(w, i)->gradient;
        double sum = 0;
        for (int64_t n = 0; n < parameter_size(w, i); n++)
            sum += (double)gradient[n] * gradient[n];
        total += sum;
    }
    return sqrt(total);
}

static void step_tensor(struct ref_tensor *tensor, int64_t size,
                        struct bs_adamw_factors f) {
    for (int64_t n = 0; n < size; n++) {
        float g = tensor->gradient[n] * f.gradient;
        float value = tensor->value[n] * f.keep;
        float m = tensor->moment1[n], v = tensor->moment2[n];
        m = f.lerp < 0.5F ? m + f.lerp * (g - m) : g - (g - m) * (1 - f.lerp);
        v = v * f.beta2 + f.square * g * g;
        tensor->value[n] = value + f.step * m / (sqrtf(v) / f.root + f.epsilon);
        tensor->moment1[n] = m;
        tensor->moment2[n] = v;
    }
}

void ref_zero_gradients(struct bs_queue *q, struct bs_weights *w) {
    (void)q;
    for (int i = 0; i < w->n_parameters; i++)
        if (bs_weights_trains(w, i))
            memset(ref_tensor(w, i)->gradient, 0,
                   (size_t)parameter_size(w, i) * sizeof(float));
}

void ref_update(struct bs_queue *q, struct bs_weights *w, struct bs_adamw adamw) {
    double norm = gradient_norm(w) / q->step.loss_scale;
    enum bs_verdict verdict = bs_step_result_update(&q->result, &q->step, norm);
    if (verdict == BS_UPDATE_BAD)
        return;
    for (int i = 0; verdict == BS_UPDATE_MAKE && i < w->n_parameters; i++) {
        bool decays = w->parameters[i].decays;
        if (bs_weights_trains(w, i))
            step_tensor(ref_tensor(w, i), parameter_size(w, i),
                        bs_adamw_factors(&adamw, &q->step, norm, decays));
    }
    ref_zero_gradients(q, w);
}
