/*
 * Shapes of models, the arithmetic that they take, and what chips can do.
 *
 * Arithmetic counts what the model needs, two operations for a multiplication with its
 * addition, and nothing that is computed again:
 *
 *     a layer of T = B n tokens    2 T (4 C^2 + 2 C F) + 4 B n^2 C
 *                                  q, k, v, output, up, down; scores and their use
 *     bs's last layer              2 T 2 C^2 + 2 B (2 C^2 + 2 C F) + 4 B n C
 *                                  k and v of all tokens, the rest for [CLS] alone
 *     pooler and classifier        2 B (C^2 + C K)
 *
 * and three times that in training. Embeddings, norms, GELU and softmax count nothing.
 * A peer that computes its last layer whole has it counted whole (bench/peers).
 *
 * Legend: B sequences, n their length, C hidden_size, F intermediate_size, K labels.
 */
#ifndef BS_BENCH_GPU_SHAPE_H
#define BS_BENCH_GPU_SHAPE_H

#include "compute/compute.h"
#include "store/model_config.h"

struct shape {
    const char *name;
    struct bs_model_config config; /* with the dropout of training */
};

struct shape shape_bert_base(void);
struct shape shape_minilm(void);
/* For a look at the benchmark itself. */
struct shape shape_small(void);

/* Operations of a forward pass of B sequences of `length` tokens each. */
double shape_forward(const struct shape *shape, int64_t sequences, int64_t length);
/* Of the products in linear layers over `tokens` rows, in all layers whole. */
double shape_products(const struct shape *shape, int64_t tokens);

/* Dense peak in TFLOP/s of the chip whose name is in `hardware`; 0: unknown. */
double chip_peak(const char *hardware, enum bs_precision precision);

#endif
