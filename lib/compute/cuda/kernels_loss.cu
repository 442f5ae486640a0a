/* Softmax, and cross-entropy with class weights and label smoothing: the formulas of
 * compute.h, in double, since there are few logits and they decide. */
#include "compute/cuda/elements.h"

/* log p[c] = logit[c] - largest - log_sum, of one row. */
struct row_sums {
    double largest, log_sum;
};

BS_GPU row_sums sums_of(bs_view<float> logits, int64_t row, int labels) {
    double largest = *logits.at(row, 0), sum = 0;
    for (int c = 1; c < labels; c++)
        largest = fmax(largest, static_cast<double>(*logits.at(row, c)));
    for (int c = 0; c < labels; c++)
        sum += exp(*logits.at(row, c) - largest);
    return {largest, log(sum)};
}

struct loss_arguments {
    int rows, labels;
    bs_view<float> logits;
    bs_any_view dlogits;
    const int32_t *label;
    struct bs_cuda_step *step;
};

/* How much -log p[c] counts in the loss of a row with this label. */
BS_GPU double class_share(const bs_loss &loss, int labels, int label, int c) {
    const double weight = loss.class_weights ? loss.class_weights[c] : 1.0F;
    const double share = static_cast<double>(loss.label_smoothing) / labels;
    return weight * (share + (c == label ? 1.0 - loss.label_smoothing : 0.0));
}

/* A row's loss; its gradient on the way. */
BS_GPU double row_loss(const loss_arguments &a, const bs_step &step, int row) {
    const row_sums r = sums_of(a.logits, row, a.labels);
    double loss = 0, shares = 0;
    for (int c = 0; c < a.labels; c++) {
        const double share = class_share(step.loss, a.labels, a.label[row], c);
        loss -= share * (*a.logits.at(row, c) - r.largest - r.log_sum);
        shares += share;
    }
    for (int c = 0; a.dlogits.data && c < a.labels; c++) {
        const double p = exp(*a.logits.at(row, c) - r.largest - r.log_sum);
        const double share = class_share(step.loss, a.labels, a.label[row], c);
        const float value = static_cast<float>((shares * p - share) * step.loss.factor *
                                               static_cast<double>(step.loss_scale));
        bs_store<1>(a.dlogits.at(row, c), &value);
    }
    return loss;
}

/* One block: its threads' rows, then their sum in a fixed order. */
BS_KERNEL(BS_THREADS, 1)
void cross_entropy_kernel(loss_arguments a) {
    BS_SHARED(double, scratch);
    const bs_step step = a.step->step;
    double total = 0;
    for (int row = static_cast<int>(threadIdx.x); row < a.rows; row += BS_THREADS)
        total += row_loss(a, step, row);
    total = bs_block_sum(total, scratch);
    if (threadIdx.x == 0)
        a.step->result.loss += total * step.loss.factor;
}

cudaError_t bs_cuda_cross_entropy(cudaStream_t stream, const struct bs_cuda_batch *batch,
                                  struct bs_cuda_step *step, struct bs_rows logits,
                                  struct bs_rows dlogits) {
    const loss_arguments a = {static_cast<int>(logits.rows),
                              static_cast<int>(logits.columns),
                              bs_view_of<float>(logits),
                              bs_any_of(dlogits),
                              batch->labels,
                              step};
    return BS_LAUNCH(cross_entropy_kernel, 1, BS_THREADS, BS_WARP * sizeof(double),
                     stream, a);
}

BS_KERNEL(BS_THREADS, 1)
void softmax_kernel(int64_t rows, int labels, bs_view<float> logits,
                    bs_view<float> probabilities) {
    const int64_t row = static_cast<int64_t>(blockIdx.x) * BS_THREADS + threadIdx.x;
    if (row >= rows)
        return;
    const row_sums r = sums_of(logits, row, labels);
    for (int c = 0; c < labels; c++)
        *probabilities.at(row, c) =
            static_cast<float>(exp(*logits.at(row, c) - r.largest - r.log_sum));
}

cudaError_t bs_cuda_softmax(cudaStream_t stream, struct bs_rows logits,
                            struct bs_rows probabilities) {
    return BS_LAUNCH(softmax_kernel, bs_blocks(logits.rows, BS_THREADS), BS_THREADS, 0,
                     stream, logits.rows, static_cast<int>(logits.columns),
                     bs_view_of<float>(logits), bs_view_of<float>(probabilities));
}
