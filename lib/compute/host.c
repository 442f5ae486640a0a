/* What is the same for every back end in host memory. */
#include "compute/host.h"
#include "compute/step.h"

#include <string.h>

int bs_host_weights_upload(struct bs_weights *weights, float *to, const float *from,
                           int64_t n, struct bs_error *error) {
    (void)weights;
    (void)error;
    memcpy(to, from, (size_t)n * sizeof *to);
    return BS_OK;
}

int bs_host_weights_download(const struct bs_weights *weights, const float *from,
                             float *to, int64_t n, struct bs_error *error) {
    (void)weights;
    (void)error;
    memcpy(to, from, (size_t)n * sizeof *to);
    return BS_OK;
}

void bs_host_set_step(struct bs_queue *queue, bool new_update) {
    if (new_update)
        bs_step_result_begin(&queue->result);
}

void bs_host_set_loss_total(struct bs_queue *queue, double total) {
    queue->result.loss_total = total;
}

void bs_host_read_step(struct bs_queue *queue, struct bs_step_result *result) {
    *result = bs_step_result_seen(&queue->result);
}
