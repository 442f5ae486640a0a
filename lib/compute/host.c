/* What is the same for every back end in host memory. */
#include "compute/host.h"
#include "compute/step.h"

void bs_host_set_step(struct bs_queue *queue, bool new_update) {
    if (new_update)
        bs_step_result_begin(&queue->result);
    bs_step_scale(&queue->step, &queue->result);
}

void bs_host_set_loss_total(struct bs_queue *queue, double total) {
    queue->result.loss_total = total;
}

void bs_host_set_loss_scale(struct bs_queue *queue, struct bs_loss_scale scale) {
    queue->result.loss_scale = scale;
}

void bs_host_read_step(struct bs_queue *queue, struct bs_step_result *result) {
    *result = bs_step_result_seen(&queue->result);
}
