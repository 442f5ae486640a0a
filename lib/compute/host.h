/*
 * Slots that back ends share whose memory is the host's and whose operations are done
 * when they return; see backend.h.
 */
#ifndef BS_COMPUTE_HOST_H
#define BS_COMPUTE_HOST_H

#include "compute/backend.h"

bs_op_weights_upload bs_host_weights_upload;
bs_op_weights_download bs_host_weights_download;

/* The step's results are queue->result, to which operations add. */
bs_op_set_step bs_host_set_step;
bs_op_set_loss_total bs_host_set_loss_total;
bs_op_read_step bs_host_read_step;

#endif
