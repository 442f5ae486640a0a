/*
 * Activations: where everything that a batch makes lies. For use within lib/model.
 *
 * One arena holds what the backward pass reads again and the scratch memory of both
 * directions. Its layout depends on T and B alone; it is run once on a counting arena
 * with the largest T and B, and again for each batch, which allocates nothing.
 *
 * "Saved" layers are those that the backward pass visits. The others, all of them in
 * inference, share one set of rows and work in place.
 *
 * Shapes: T tokens, B sequences, R = T but B in the last layer, C hidden_size,
 * F intermediate_size, H heads, K labels. Type A: F32 in fp32, BF16 in bf16.
 */
#ifndef BS_MODEL_ACTIVATIONS_H
#define BS_MODEL_ACTIVATIONS_H

#include "model/model.h"

/* The residual stream at one place: F32, and in bf16 the copy that products read. */
struct stream {
    struct bs_rows wide; /* [R, C] F32 */
    struct bs_rows low;  /* [R, C] BF16, or absent */
};

struct layer_rows {
    struct stream x;                /* [T, C], input */
    struct stream first;            /* [B, C], its [CLS] rows; last layer only */
    struct bs_rows qkv;             /* [T, 3C] A; last layer: [T, 2C], k and v */
    struct bs_rows query;           /* [R, C] A: a view, but memory in the last layer */
    struct bs_rows key, value;      /* [T, C] A: views */
    struct bs_rows lse;             /* [R, H] F32 */
    struct bs_rows context;         /* [R, C] A */
    struct bs_rows attention_sum;   /* [R, C] F32 */
    struct bs_rows attention_stats; /* [R, 2] F32 */
    struct stream middle;           /* [R, C], between attention and feed-forward */
    struct bs_rows pre, hidden;     /* [R, F] A: before and after GELU */
    struct bs_rows output_sum;      /* [R, C] F32 */
    struct bs_rows output_stats;    /* [R, 2] F32 */
    struct stream y;                /* [R, C], output */
};

/* Gradients, and what else lives for one layer only. */
struct scratch_rows {
    struct bs_rows out;       /* [T, C] A: products before a residual sum; gradients */
    struct bs_rows d;         /* [T, C] F32: gradient of the stream */
    struct bs_rows d_first;   /* [B, C] F32: the same in the last layer */
    struct bs_rows d_context; /* [T, C] A */
    struct bs_rows d_qkv;     /* [T, 3C] A */
    struct bs_rows d_query;   /* [B, C] A: last layer */
    struct bs_rows d_hidden;  /* [T, F] A */
    struct bs_rows d_pooled;  /* [B, C] A */
    struct bs_rows d_logits;  /* [B, K] A */
};

struct bs_pass {
    struct bs_queue *queue;
    struct bs_arena *arena;
    struct bs_pass_size size;
    struct bs_rows embedding_sum, embedding_stats; /* [T, C], [T, 2] F32 */
    struct stream embedded;
    struct layer_rows *layers; /* [L] */
    struct bs_rows pooled;     /* [B, C] A, after tanh */
    struct bs_rows dropped;    /* [B, C] A, after dropout; pooled itself if none */
    struct bs_rows logits;     /* [B, K] F32 */
    struct scratch_rows scratch;
};

/* Lays out the activations of T = `tokens` and B = `sequences`. */
void bs_activations_layout(struct bs_pass *pass, const struct bs_model *model,
                           bool training, int64_t tokens, int64_t sequences);

/* What a product reads of a stream. */
struct bs_rows bs_stream_input(struct stream stream);

/* Forward from the ids of the queue's batch to the logits; with dropout in training. */
void bs_forward(const struct bs_model *model, struct bs_pass *pass, bool training);
/* Backward from scratch.d_logits, after a forward pass in training. */
void bs_backward(const struct bs_model *model, struct bs_pass *pass);

/* The layers that the backward pass visits are first .. L - 1. */
int64_t bs_first_trained_layer(const struct bs_model *model);
bool bs_trains_embeddings(const struct bs_model *model);

struct bs_dropout bs_layer_dropout(double probability, int64_t layer, uint32_t site);

struct bs_model {
    struct bs_model_config config;
    struct bs_model_options options;
    struct bs_parameters parameters;
    struct bs_device *device;
    struct bs_weights *weights;
};

#endif
