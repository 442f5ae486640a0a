/* The forward pass: ids of the queue's batch to logits. */
#include "model/activations.h"

static const struct bs_dropout no_dropout = {0};

struct bs_dropout bs_layer_dropout(double probability, int64_t layer, uint32_t site) {
    uint32_t base = BS_SITE_LAYER + (uint32_t)layer * BS_SITE_STRIDE;
    return (struct bs_dropout){(float)probability, base + site};
}

static struct bs_dropout dropout_at(bool training, double probability, uint32_t site) {
    return training ? (struct bs_dropout){(float)probability, site} : no_dropout;
}

static void embed(const struct bs_model *model, struct bs_pass *pass, bool training) {
    const struct bs_parameters *p = &model->parameters;
    struct bs_dropout dropout =
        dropout_at(training, model->config.hidden_dropout_prob, BS_SITE_EMBEDDINGS);
    struct stream x = pass->embedded;
    bool drops = dropout.probability > 0;
    bs_embedding(pass->queue, model->weights, p->embedding, pass->embedding_sum);
    bs_layer_norm(pass->queue, model->weights, p->embedding_norm, pass->embedding_sum,
                  pass->embedding_stats, x.wide, drops ? (struct bs_rows){0} : x.low);
    if (drops)
        bs_dropout(pass->queue, dropout, false, x.wide, x.wide, x.low);
}

/* Query, key and value of a layer; in the last one of the first tokens, and of all. */
static void project(const struct bs_model *model, struct bs_pass *pass,
                    const struct bs_layer *layer, const struct layer_rows *rows,
                    bool last) {
    struct bs_queue *q = pass->queue;
    struct bs_rows none = {0};
    if (!last) {
        bs_linear(q, model->weights, layer->query, BS_IDENTITY, bs_stream_input(rows->x),
                  none, rows->qkv);
        return;
    }
    bs_gather_first(q, rows->x.wide, rows->first.wide);
    if (rows->x.low.data)
        bs_gather_first(q, rows->x.low, rows->first.low);
    bs_linear(q, model->weights, layer->query, BS_IDENTITY, bs_stream_input(rows->first),
              none, rows->query);
    bs_linear(q, model->weights, layer->key_value, BS_IDENTITY, bs_stream_input(rows->x),
              none, rows->qkv);
}

static void forward_layer(const struct bs_model *model, struct bs_pass *pass,
                          int64_t index, bool training) {
    const struct bs_layer *layer = &model->parameters.layers[index];
    const struct layer_rows *r = &pass->layers[index];
    const struct bs_model_config *config = &model->config;
    bool last = index == config->num_hidden_layers - 1;
    uint32_t site = BS_SITE_LAYER + (uint32_t)index * BS_SITE_STRIDE;
    double hidden = config->hidden_dropout_prob;
    struct bs_queue *q = pass->queue;
    struct bs_rows none = {0}, out = bs_rows_slice(pass->scratch.out, 0, r->context.rows);
    struct bs_attention attention = {
        .heads = config->num_attention_heads,
        .first_only = last,
        .dropout = dropout_at(training, config->attention_probs_dropout_prob,
                              site + BS_SITE_ATTENTION),
    };
    project(model, pass, layer, r, last);
    bs_attention(q, attention, r->query, r->key, r->value, r->lse, r->context);
    bs_linear(q, model->weights, layer->attention_out, BS_IDENTITY, r->context, none,
              out);
    bs_dropout_add_norm(q, model->weights, layer->attention_norm,
                        dropout_at(training, hidden, site + BS_SITE_ATTENTION_OUTPUT),
                        last, out, last ? r->first.wide : r->x.wide, r->attention_sum,
                        r->attention_stats, r->middle.wide, r->middle.low);
    bs_linear(q, model->weights, layer->up, BS_GELU, bs_stream_input(r->middle), r->pre,
              r->hidden);
    bs_linear(q, model->weights, layer->down, BS_IDENTITY, r->hidden, none, out);
    bs_dropout_add_norm(q, model->weights, layer->output_norm,
                        dropout_at(training, hidden, site + BS_SITE_OUTPUT), last, out,
                        r->middle.wide, r->output_sum, r->output_stats, r->y.wide,
                        r->y.low);
}

static void classify(const struct bs_model *model, struct bs_pass *pass, bool training) {
    const struct bs_parameters *p = &model->parameters;
    struct bs_rows none = {0};
    struct stream y = pass->layers[p->n_layers - 1].y;
    struct bs_dropout dropout =
        dropout_at(training, model->config.classifier_dropout, BS_SITE_POOLED);
    bs_linear(pass->queue, model->weights, p->pooler, BS_TANH, bs_stream_input(y), none,
              pass->pooled);
    if (dropout.probability > 0)
        bs_dropout(pass->queue, dropout, true, pass->pooled, pass->dropped, none);
    bs_linear(pass->queue, model->weights, p->classifier, BS_IDENTITY, pass->dropped,
              none, pass->logits);
}

void bs_forward(const struct bs_model *model, struct bs_pass *pass, bool training) {
    embed(model, pass, training);
    for (int64_t i = 0; i < model->config.num_hidden_layers; i++)
        forward_layer(model, pass, i, training);
    classify(model, pass, training);
}
