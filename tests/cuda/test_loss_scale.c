/*
 * The dynamic loss scale of fp16 on a GPU: what overflows is skipped, 2,000 good updates
 * double the scale, and at a scale of 1 an overflow is an error for good.
 */
#include "small_model.h"

#include <math.h>

static struct bs_error error;

/* Update `update` from this scale on, and what came of it. */
static struct bs_step_result update_from(struct small *t, uint32_t update,
                                         struct bs_loss_scale scale) {
    struct bs_step_result result;
    bs_set_loss_scale(small_queue(t), scale);
    small_update(t, 4, update, NULL);
    must(bs_read_step(small_queue(t), &result, &error), &error);
    return result;
}

static uint64_t digest(const struct small *t) {
    uint64_t sum = 0;
    must(small_digest(t, BS_SLOT_VALUE, &sum, &error), &error);
    must(small_digest(t, BS_SLOT_MOMENT1, &sum, &error), &error);
    must(small_digest(t, BS_SLOT_MOMENT2, &sum, &error), &error);
    return sum;
}

static void test_scale(const char *graphs) {
    const struct bs_loss_scale huge = {.scale = 0x1p40F, .good_updates = 7};
    struct small t, other;
    setenv("BS_CUDA_GRAPHS", graphs, 1);
    must(small_open(&t, BS_PRECISION_FP16, 1, &error), &error);
    uint64_t before = digest(&t);

    struct bs_step_result result = update_from(&t, 0, huge);
    check(!isfinite(result.grad_norm) && result.finite && result.first_bad_update < 0 &&
              result.loss_scale.scale == huge.scale / 2 &&
              result.loss_scale.good_updates == 0 && result.loss_scale.skipped == 1,
          "an overflow halves the scale, and is counted");
    check(digest(&t) == before, "... weights and moments stay as they are");

    /* Adam counts made updates alone, and nothing is left of the overflow's gradients. */
    struct bs_loss_scale good = {.scale = 256, .good_updates = 1999, .skipped = 1};
    result = update_from(&t, 1, good);
    check(result.finite && result.loss_scale.scale == 512 &&
              result.loss_scale.good_updates == 0 && result.loss_scale.skipped == 1,
          "2,000 good updates double the scale");
    uint64_t after = digest(&t);
    for (int64_t skipped = 0; skipped < 2; skipped++) {
        must(small_open(&other, BS_PRECISION_FP16, 1, &error), &error);
        result = update_from(&other, 1, (struct bs_loss_scale){256, 5, skipped});
        check(result.loss_scale.good_updates == 6 && (digest(&other) == after) == skipped,
              "... after %d skipped updates: %s", (int)skipped,
              skipped ? "the same weights and moments"
                      : "others, Adam counts differently");
        small_close(&other);
    }

    /* The loss is finite; a gradient is not, whatever the scale. */
    const struct bs_parameters *p = bs_model_parameters(t.model);
    const float bias[SMALL_LABELS] = {INFINITY};
    must(bs_weights_upload(bs_model_weights(t.model), p->classifier.bias,
                           BS_SLOT_GRADIENT, 0, 1, bias, &error),
         &error);
    before = digest(&t);
    result = update_from(&t, 2, (struct bs_loss_scale){.scale = 1});
    check(!result.finite && result.first_bad_update == 2 &&
              result.loss_scale.scale == 1 && digest(&t) == before,
          "a scale of 1 is not halved: the update is bad, nothing changes");
    small_close(&t);
}

int main(void) {
    test_scale("1");
    test_scale("0");
    return tap_end();
}
