/*
 * What a model is: the numbers of its config.json. Plain data, so that rooms which
 * must build with nothing but a C compiler can include it.
 */
#ifndef BS_STORE_MODEL_CONFIG_H
#define BS_STORE_MODEL_CONFIG_H

#include <stdint.h>

/* Legend of shapes used everywhere: T tokens of a batch, B sequences, C hidden_size,
 * H heads, F intermediate_size, L layers, V vocab_size, K labels. */
struct bs_model_config {
    int64_t vocab_size;              /* V */
    int64_t hidden_size;             /* C */
    int64_t num_hidden_layers;       /* L */
    int64_t num_attention_heads;     /* H; divides C */
    int64_t intermediate_size;       /* F */
    int64_t max_position_embeddings; /* longest sequence */
    int64_t type_vocab_size;
    int64_t pad_token_id; /* the word that is not trained; -1, or V and above: none */
    double layer_norm_eps;
    double hidden_dropout_prob;
    double attention_probs_dropout_prob;
    double classifier_dropout; /* resolved: null means hidden_dropout_prob */
    double initializer_range;
    int64_t num_labels; /* K; 0: the directory has no classifier */
    char **labels;      /* id2label in order; NULL if num_labels is 0 */
};

#endif
