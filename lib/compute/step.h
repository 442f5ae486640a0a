/*
 * The scalars of a training step, worked out the same way by every back end: plain
 * functions of numbers, which host code and CUDA kernels call alike. A device that keeps
 * the step's values in its own memory calls them there.
 */
#ifndef BS_COMPUTE_STEP_H
#define BS_COMPUTE_STEP_H

#include "common/host_device.h"
#include "compute/compute.h"

#include <math.h>

/*
 * What AdamW multiplies the elements of a parameter by, for one step. With fp32 elements
 * and torch.optim.AdamW's order of operations:
 *     g = gradient * f.gradient;  p = value * f.keep;
 *     m += f.lerp (g - m), or for a lerp of 0.5 and more  m = g - (g - m) (1 - f.lerp);
 *     v = v f.beta2 + f.square g g;
 *     value = p + f.step m / (sqrt(v) / f.root + f.epsilon)
 * inverse_root is 1 / root, for those who multiply instead.
 */
struct bs_adamw_factors {
    float gradient, keep, lerp, beta2, square, root, inverse_root, epsilon, step;
};

/* Each worked out in double and rounded once, as PyTorch rounds its scalars. `norm`: of
 * all gradients, with the loss scale taken out; `decays`: as the parameter says. */
BS_HOST_DEVICE static inline struct bs_adamw_factors
bs_adamw_factors(const struct bs_adamw *adamw, const struct bs_step *step, double norm,
                 bool decays) {
    double clip = 1;
    if (adamw->max_grad_norm > 0)
        clip = fmin(1.0, adamw->max_grad_norm / (norm + 1e-6));
    double correction1 = 1 - pow(adamw->beta1, (double)step->adam_step);
    double correction2 = 1 - pow(adamw->beta2, (double)step->adam_step);
    double decay = decays ? step->learning_rate * adamw->weight_decay : 0;
    struct bs_adamw_factors f;
    f.gradient = (float)(clip / (double)step->loss_scale);
    f.keep = (float)(1 - decay);
    f.lerp = (float)(1 - adamw->beta1);
    f.beta2 = (float)adamw->beta2;
    f.square = (float)(1 - adamw->beta2);
    f.root = (float)sqrt(correction2);
    f.inverse_root = (float)(1 / sqrt(correction2));
    f.epsilon = (float)adamw->epsilon;
    f.step = (float)(-step->learning_rate / correction1);
    return f;
}

/*
 * What bs_read_step tells, as it grows on the device. Losses are added to `loss`; the
 * rest changes here alone.
 */

/* Of a new queue: nothing has been seen. */
BS_HOST_DEVICE static inline struct bs_step_result bs_step_result_new(void) {
    struct bs_step_result result = {0, 0, true, -1, 0, {65536, 0, 0}};
    return result;
}

/* A new update begins (bs_set_step). */
BS_HOST_DEVICE static inline void bs_step_result_begin(struct bs_step_result *result) {
    result->loss = 0;
    result->grad_norm = 0;
    result->finite = result->first_bad_update < 0;
}

/* Puts the queue's own loss scale into a step that wants it, and Adam's count right. */
BS_HOST_DEVICE static inline void bs_step_scale(struct bs_step *step,
                                                const struct bs_step_result *result) {
    if (!step->dynamic_scale)
        return;
    step->loss_scale = result->loss_scale.scale;
    step->adam_step -= result->loss_scale.skipped;
}

enum bs_verdict {
    BS_UPDATE_MAKE, /* and clear the gradients */
    BS_UPDATE_SKIP, /* only clear the gradients: fp16 overflowed, its scale is halved */
    BS_UPDATE_BAD,  /* touch nothing: a value was not finite, now or before */
};

BS_HOST_DEVICE static inline enum bs_verdict
bs_loss_scale_adapt(struct bs_loss_scale *scale, bool overflow) {
    if (overflow) {
        scale->scale /= 2;
        scale->good_updates = 0;
        scale->skipped++;
        return BS_UPDATE_SKIP;
    }
    if (++scale->good_updates == 2000) {
        scale->scale *= 2;
        scale->good_updates = 0;
    }
    return BS_UPDATE_MAKE;
}

/* Notes the gradient norm of a step's update (bs_update), and says what to do. */
BS_HOST_DEVICE static inline enum bs_verdict
bs_step_result_update(struct bs_step_result *result, const struct bs_step *step,
                      double norm) {
    bool overflow = !isfinite(norm) && step->dynamic_scale && step->loss_scale > 1;
    result->grad_norm = norm;
    if (result->first_bad_update < 0 &&
        !((isfinite(norm) || overflow) && isfinite(result->loss)))
        result->first_bad_update = step->update;
    result->finite = result->first_bad_update < 0;
    if (!result->finite)
        return BS_UPDATE_BAD;
    result->loss_total += result->loss;
    return step->dynamic_scale ? bs_loss_scale_adapt(&result->loss_scale, overflow)
                               : BS_UPDATE_MAKE;
}

/* As bs_read_step tells it: a loss that is not finite shows before the update. */
BS_HOST_DEVICE static inline struct bs_step_result
bs_step_result_seen(const struct bs_step_result *result) {
    struct bs_step_result seen = *result;
    seen.finite = seen.finite && isfinite(seen.loss);
    return seen;
}

#endif
