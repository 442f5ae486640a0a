/* Formulas and tables; see shape.h. */
#include "shape.h"

#include <string.h>

static struct shape make(const char *name, int64_t layers, int64_t hidden, int64_t heads,
                         int64_t vocabulary) {
    struct bs_model_config config = {.vocab_size = vocabulary,
                                     .hidden_size = hidden,
                                     .num_hidden_layers = layers,
                                     .num_attention_heads = heads,
                                     .intermediate_size = 4 * hidden,
                                     .max_position_embeddings = 512,
                                     .type_vocab_size = 2,
                                     .layer_norm_eps = 1e-12,
                                     .hidden_dropout_prob = 0.1,
                                     .attention_probs_dropout_prob = 0.1,
                                     .classifier_dropout = 0.1,
                                     .initializer_range = 0.02,
                                     .num_labels = 2};
    return (struct shape){name, config};
}

struct shape shape_bert_base(void) {
    return make("bert-base", 12, 768, 12, 30522);
}

struct shape shape_minilm(void) {
    return make("minilm", 6, 384, 12, 30522);
}

struct shape shape_small(void) {
    return make("small", 2, 64, 2, 1000);
}

double shape_products(const struct shape *shape, int64_t tokens) {
    const struct bs_model_config *c = &shape->config;
    double C = (double)c->hidden_size, F = (double)c->intermediate_size;
    return 2 * (double)tokens * (4 * C * C + 2 * C * F) * (double)c->num_hidden_layers;
}

double shape_forward(const struct shape *shape, int64_t sequences, int64_t length) {
    const struct bs_model_config *c = &shape->config;
    double C = (double)c->hidden_size, F = (double)c->intermediate_size;
    double B = (double)sequences, n = (double)length, T = B * n;
    double layer = 2 * T * (4 * C * C + 2 * C * F) + 4 * B * n * n * C;
    double last = 2 * T * 2 * C * C + 2 * B * (2 * C * C + 2 * C * F) + 4 * B * n * C;
    double head = 2 * B * (C * C + C * (double)c->num_labels);
    return (double)(c->num_hidden_layers - 1) * layer + last + head;
}

/* From the makers' data sheets, without sparsity; the first name that is found counts. */
struct chip {
    const char *name;
    double fp32, tf32, half; /* TFLOP/s; half: bf16 and fp16 with sums in fp32 */
};

static const struct chip chips[] = {
    {"B200", 75, 1125, 2250},    {"H200", 66.9, 494.7, 989.4},
    {"H100 PCIe", 51, 378, 756}, {"H100", 66.9, 494.7, 989.4},
    {"A100", 19.5, 156, 312},    {"L40S", 91.6, 183, 362},
    {"L4", 30.3, 60, 121},       {"A10", 31.2, 62.5, 125},
    {"4090", 82.6, 82.6, 165.2}, {"3090", 35.6, 35.6, 71},
    {"T4", 8.1, 0, 65},
};

double chip_peak(const char *hardware, enum bs_precision precision) {
    for (size_t i = 0; i < sizeof chips / sizeof *chips; i++) {
        if (!strstr(hardware, chips[i].name))
            continue;
        if (precision == BS_PRECISION_FP32)
            return chips[i].fp32;
        return precision == BS_PRECISION_TF32 ? chips[i].tf32 : chips[i].half;
    }
    return 0;
}
