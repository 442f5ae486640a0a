/*
 * AdamW (Loshchilov, Hutter, "Decoupled Weight Decay Regularization", 2019) as
 * torch.optim.AdamW computes it on a CPU: factors in double, elements in fp32, in
 * PyTorch's order of operations. Where PyTorch fuses a multiplication with an addition,
 * last bits differ.
 */
#include "compute/ref/ref.h"
#include "compute/step.h"

#include <math.h>

static double gradient_norm(const struct bs_weights *w) {
    double total = 0;
    for (int i = 0; i < w->n_parameters; i++) {
        if (!bs_weights_trains(w, i))
            continue;
        const struct bs_slots *slots = &w->slots[i];
        double sum = 0;
        for (int64_t n = 0; n < slots->size; n++)
            sum += (double)slots->gradient[n] * slots->gradient[n];
        total += sum;
    }
    return sqrt(total);
}

static void step_parameter(const struct bs_slots *slots, struct bs_adamw_factors f) {
    for (int64_t n = 0; n < slots->size; n++) {
        float g = slots->gradient[n] * f.gradient;
        float value = slots->value[n] * f.keep;
        float m = slots->moment1[n], v = slots->moment2[n];
        m = f.lerp < 0.5F ? m + f.lerp * (g - m) : g - (g - m) * (1 - f.lerp);
        v = v * f.beta2 + f.square * g * g;
        slots->value[n] = value + f.step * m / (sqrtf(v) / f.root + f.epsilon);
        slots->moment1[n] = m;
        slots->moment2[n] = v;
    }
}

void ref_zero_gradients(struct bs_queue *q, struct bs_weights *w) {
    (void)q;
    for (int i = 0; i < w->n_parameters; i++)
        if (bs_weights_trains(w, i))
            memset(w->slots[i].gradient, 0, (size_t)w->slots[i].size * sizeof(float));
}

void ref_update(struct bs_queue *q, struct bs_weights *w, struct bs_adamw adamw) {
    double norm = gradient_norm(w) / q->step.loss_scale;
    if (!bs_step_result_update(&q->result, q->step.update, norm))
        return;
    for (int i = 0; i < w->n_parameters; i++) {
        bool decays = w->parameters[i].decays;
        if (bs_weights_trains(w, i))
            step_parameter(&w->slots[i],
                           bs_adamw_factors(&adamw, &q->step, norm, decays));
    }
    ref_zero_gradients(q, w);
}
