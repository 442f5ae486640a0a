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
    struct bs_step_result result = {0, 0, true, -1, 0};
    return result;
}

/* A new update begins (bs_set_step). */
BS_HOST_DEVICE static inline void bs_step_result_begin(struct bs_step_result *result) {
    result->loss = 0;
    result->grad_norm = 0;
    result->finite = result->first_bad_update < 0;
}

/* Notes the gradient norm of update number `update` (bs_update). True: the update is to
 * be made, and its loss counts. False: a value was not finite, now or before. */
BS_HOST_DEVICE static inline bool bs_step_result_update(struct bs_step_result *result,
                                                        uint32_t update, double norm) {
    bool finite = isfinite(norm) && isfinite(result->loss);
    result->grad_norm = norm;
    if (result->first_bad_update < 0 && !finite)
        result->first_bad_update = update;
    result->finite = result->first_bad_update < 0;
    if (result->finite)
        result->loss_total += result->loss;
    return result->finite;
}

/* As bs_read_step tells it: a loss that is not finite shows before the update. */
BS_HOST_DEVICE static inline struct bs_step_result
bs_step_result_seen(const struct bs_step_result *result) {
    struct bs_step_result seen = *result;
    seen.finite = seen.finite && isfinite(seen.loss);
    return seen;
}

#endif
