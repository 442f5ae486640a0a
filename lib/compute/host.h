/*
 * Slots that back ends share whose memory is the host's and whose operations are done
 * when they return; see backend.h.
 */
#ifndef BS_COMPUTE_HOST_H
#define BS_COMPUTE_HOST_H

#include "compute/backend.h"

int bs_host_weights_upload(struct bs_weights *weights, float *to, const float *from,
                           int64_t n, struct bs_error *error);
int bs_host_weights_download(const struct bs_weights *weights, const float *from,
                             float *to, int64_t n, struct bs_error *error);

/* The step's results are queue->result, to which operations add. */
void bs_host_set_step(struct bs_queue *queue, bool new_update);
void bs_host_set_loss_total(struct bs_queue *queue, double total);
void bs_host_read_step(struct bs_queue *queue, struct bs_step_result *result);

#endif
