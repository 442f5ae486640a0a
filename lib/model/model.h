/*
 * The model: BERT with a pooler and a linear head, Devlin et al., "BERT: Pre-training of
 * Deep Bidirectional Transformers for Language Understanding", NAACL 2019, as Hugging
 * Face's BertForSequenceClassification computes it. Written once, in operations of
 * compute/compute.h; it knows no device.
 *
 * Two objects. A model is the weights and what they mean; a pass is a queue with room
 * for one batch's activations. Many passes, each used by one thread, share one model;
 * only bs_update (through the queue of one pass, when no other runs) changes it.
 *
 *     bs_model_new, bs_model_load               weights on the device
 *     bs_pass_new                               one for each worker; one for training
 *     bs_model_forward, bs_rows_download        logits of a batch
 *     bs_set_step, bs_model_loss..., bs_update  an update of one or more micro-batches
 *     bs_model_tensors_new, bs_model_write      back to a directory
 *
 * Passes are freed before their model, the model before its device.
 *
 * Only the [CLS] row of each sequence asks in the last layer; its attention output, its
 * feed-forward, the pooler and the classifier have B rows instead of T. Results are the
 * same, in training too, since no other row of that layer reaches the loss.
 *
 * Precisions bf16 and fp16: the residual stream, sums of layer norms and logits stay F32;
 * what enters and leaves a matrix product is BF16 or F16.
 */
#ifndef BS_MODEL_MODEL_H
#define BS_MODEL_MODEL_H

#include "batch/packing.h"
#include "common/error.h"
#include "compute/compute.h"
#include "model/parameters.h"
#include "store/model_config.h"
#include "store/model_files.h"

struct bs_model;

struct bs_model_options {
    enum bs_precision precision;
    bool training; /* gradients and moments are kept */
    struct bs_freeze freeze;
};

/* A model whose weights are all zero, for `config` with num_labels at least 1. Takes
 * copies of the numbers; `config->labels` is not looked at. */
int bs_model_new(struct bs_model **model, struct bs_device *device,
                 const struct bs_model_config *config,
                 const struct bs_model_options *options,
                 struct bs_error *error) BS_MUST_CHECK;
void bs_model_free(struct bs_model *model);

/* Borrowed. `labels` of the configuration is NULL. */
const struct bs_model_config *bs_model_config(const struct bs_model *model);
const struct bs_parameters *bs_model_parameters(const struct bs_model *model);
struct bs_weights *bs_model_weights(const struct bs_model *model);
struct bs_device *bs_model_device(const struct bs_model *model);
enum bs_precision bs_model_precision(const struct bs_model *model);

/* ---- weights in and out --------------------------------------------------------- */

enum bs_head {
    BS_HEAD_REQUIRED, /* pooler and classifier must be in the file (prediction) */
    BS_HEAD_KEEP,     /* a missing pooler or classifier is initialised (training) */
    BS_HEAD_NEW,      /* the classifier is initialised whatever the file holds */
};

struct bs_model_load {
    enum bs_head head;
    uint64_t seed; /* for what is initialised: N(0, initializer_range), biases 0 */
};

/* What loading initialised, to be told to the user. */
struct bs_model_loaded {
    bool new_pooler, new_classifier;
};

/*
 * Fills the weights from named tensors and makes them ready. Names with or without
 * "bert.", layer norms as gamma and beta; F32, F16 or BF16. BS_DATA names the first
 * tensor that is missing, has another shape or another type, or a value that is not
 * finite. `loaded` may be NULL. Embeddings of a model for labelling may stay where they
 * are, unseen: the tensors are borrowed as long as the model lives.
 */
int bs_model_load(struct bs_model *model, const struct bs_tensors *tensors,
                  struct bs_model_load load, struct bs_model_loaded *loaded,
                  struct bs_error *error) BS_MUST_CHECK;

/* All of it for prediction: opens nothing, needs a directory with a classifier; `files`
 * are borrowed as long as the model lives. BS_DATA with the remedy if it has none. */
int bs_model_open(struct bs_model **model, struct bs_device *device,
                  const struct bs_model_files *files, enum bs_precision precision,
                  struct bs_error *error) BS_MUST_CHECK;

/* The weights of a model made for training as Hugging Face's tensors under canonical
 * names, F32: what was loaded or trained, bit for bit. Downloaded to host memory, or
 * where that is the model's own memory borrowed from it until it is trained further. The
 * list is owned by the object and is what struct bs_model_parts (store/model_write.h)
 * wants. */
struct bs_model_tensors;
int bs_model_tensors_new(struct bs_model_tensors **tensors, const struct bs_model *model,
                         struct bs_error *error) BS_MUST_CHECK;
const struct bs_tensor *bs_model_tensors_list(const struct bs_model_tensors *tensors,
                                              size_t *count);
/* The name of the first tensor with a value that is not finite; NULL if there is none. */
const char *bs_model_tensors_not_finite(const struct bs_model_tensors *tensors);
void bs_model_tensors_free(struct bs_model_tensors *tensors);

/* ---- passes --------------------------------------------------------------------- */

/* What a pass must have room for. */
struct bs_pass_size {
    int64_t tokens;    /* T, padding to the row tile included */
    int64_t sequences; /* B */
    int64_t length;    /* longest sequence */
    bool training;     /* backward passes too; the model must be for training */
};

struct bs_pass;

/* `threads` share each operation. All memory is allocated here, none in a step. */
int bs_pass_new(struct bs_pass **pass, const struct bs_model *model, int threads,
                struct bs_pass_size size, struct bs_error *error) BS_MUST_CHECK;
void bs_pass_free(struct bs_pass *pass);

/* Borrowed: for bs_set_step, bs_update, bs_read_step, bs_queue_finish. */
struct bs_queue *bs_pass_queue(const struct bs_pass *pass);

/* Puts the forward pass of a batch, without dropout, on the pass's queue. Returns the
 * logits [B, K] F32, valid until the pass is used again: take them with
 * bs_rows_download, which waits and reports what failed (bs_queue_finish forgets it).
 * The batch must fit the pass (else the queue's failure, BS_DEVICE) and its ids the
 * model (bs_model_check_ids). */
struct bs_rows bs_model_forward(const struct bs_model *model, struct bs_pass *pass,
                                const struct bs_batch *batch);

/* Puts a micro-batch of training on the queue: forward with dropout, loss, backward.
 * Adds to the gradients and to the step's loss (bs_read_step). bs_set_step must have
 * named the update and its loss; the batch needs labels below K. Returns the logits, as
 * above. */
struct bs_rows bs_model_loss(const struct bs_model *model, struct bs_pass *pass,
                             const struct bs_batch *batch);

/* ---- bounds --------------------------------------------------------------------- */

/* BS_REJECTED, with a message without the record's name, if a sequence cannot go
 * through a model of this configuration: no ids, more than positions, an id outside the
 * vocabulary, a type outside type_vocab_size. `type_ids` may be NULL. */
int bs_model_check_ids(const struct bs_model_config *config,
                       const struct bs_sequence *sequence,
                       struct bs_error *error) BS_MUST_CHECK;

/* Bytes of the activations of a pass, before anything is allocated. */
int bs_pass_memory(int64_t *bytes, struct bs_device *device,
                   const struct bs_model_config *config,
                   const struct bs_model_options *options, struct bs_pass_size size,
                   struct bs_error *error) BS_MUST_CHECK;

/* ---- dropout sites -------------------------------------------------------------- */

/* Numbers of the places where dropout is applied: they key its masks and may never
 * change, or trained models would. Layer l: BS_SITE_LAYER + l * BS_SITE_STRIDE + one of
 * the three offsets. */
enum {
    BS_SITE_EMBEDDINGS = 0,
    BS_SITE_POOLED = 1,
    BS_SITE_LAYER = 4,
    BS_SITE_STRIDE = 4,
    BS_SITE_ATTENTION = 0,        /* probabilities */
    BS_SITE_ATTENTION_OUTPUT = 1, /* before the first residual sum */
    BS_SITE_OUTPUT = 2,           /* feed-forward, before the second */
};

#endif
