/*
 * Slots that back ends share whose memory is the host's and whose operations are done
 * when they return; see backend.h.
 */
#ifndef BS_COMPUTE_HOST_H
#define BS_COMPUTE_HOST_H

#include "compute/backend.h"

/* The step's results are queue->result, to which operations add. */
void bs_host_set_step(struct bs_queue *queue, bool new_update);
void bs_host_set_loss_total(struct bs_queue *queue, double total);
void bs_host_set_loss_scale(struct bs_queue *queue, struct bs_loss_scale scale);
void bs_host_read_step(struct bs_queue *queue, struct bs_step_result *result);

#endif
