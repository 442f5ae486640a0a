/*
 * Inference: many sequences labelled by many workers.
 *
 * Sequences are sorted by length and cut into batches; each worker carries its own batch
 * through all layers on a queue of its own, and all share the weights. On a CPU there is
 * a worker for each thread, and batches of a few hundred tokens, so that activations
 * stay in its cache; one text alone goes through a queue on which all threads share each
 * operation. A GPU says itself how many workers and tokens keep it busy. Logits do not
 * depend on threads, on the order of sequences, or on which others are labelled with
 * them.
 *
 * Live streams: bs_infer_run answers whatever it is given, one sequence or thousands;
 * the caller decides how long to wait for company. More sequences a call keep threads
 * busier: bs_infer_appetite says how many tokens are enough.
 */
#ifndef BS_INFER_INFER_H
#define BS_INFER_INFER_H

#include "batch/packing.h"
#include "common/error.h"
#include "model/model.h"

struct bs_infer;

struct bs_infer_options {
    int threads;          /* at least 1 */
    int64_t batch_tokens; /* of one worker's batch; 0: as the device says. A longer
                             sequence is a batch of its own */
};

/* What such options come to on a device. */
struct bs_infer_size {
    int workers;
    int64_t batch_tokens; /* of each */
};
struct bs_infer_size bs_infer_size(const struct bs_device *device,
                                   struct bs_infer_options options);

/* The model is borrowed and may be changed between runs (training evaluates with it).
 * Memory for all workers is allocated here. */
int bs_infer_new(struct bs_infer **infer, const struct bs_model *model,
                 struct bs_infer_options options, struct bs_error *error) BS_MUST_CHECK;
void bs_infer_free(struct bs_infer *infer);

/* Logits [n, K], row i for sequence i. Every sequence must have passed
 * bs_model_check_ids: one that has not is BS_REJECTED, nothing is labelled, and
 * `logits` is undefined. For one thread at a time. */
int bs_infer_run(struct bs_infer *infer, const struct bs_sequence *sequences, int64_t n,
                 float *logits, struct bs_error *error) BS_MUST_CHECK;

/* BS_DATA if one of `count` logits is not finite: such a model answers nothing. */
int bs_infer_check_logits(const float *logits, int64_t count,
                          struct bs_error *error) BS_MUST_CHECK;

/* Tokens a call that keep every worker busy to the end. */
int64_t bs_infer_appetite(const struct bs_infer *infer);

#endif
