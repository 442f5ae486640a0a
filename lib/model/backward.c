/* The backward pass: gradient of the logits to gradients of all trained weights. */
#include "model/activations.h"

int64_t bs_first_trained_layer(const struct bs_model *model) {
    const struct bs_freeze *freeze = &model->options.freeze;
    return freeze->embeddings ? freeze->layers : 0;
}

bool bs_trains_embeddings(const struct bs_model *model) {
    return !model->options.freeze.embeddings;
}

/* d_logits to `dy`, the gradient of the last layer's output; absent: not wanted. */
static void classify_backward(const struct bs_model *model, struct bs_pass *pass,
                              struct bs_rows dy) {
    const struct bs_parameters *p = &model->parameters;
    struct bs_queue *q = pass->queue;
    struct bs_rows none = {0}, d_pooled = pass->scratch.d_pooled;
    struct bs_dropout dropout = {(float)model->config.classifier_dropout, BS_SITE_POOLED};
    bs_linear_backward(q, model->weights, p->classifier, pass->dropped,
                       pass->scratch.d_logits, d_pooled, false);
    bs_dropout(q, dropout, true, d_pooled, d_pooled, none);
    bs_tanh_backward(q, pass->pooled, d_pooled, d_pooled);
    bs_linear_backward(q, model->weights, p->pooler,
                       bs_stream_input(pass->layers[p->n_layers - 1].y), d_pooled, dy,
                       false);
}

/* Gradient `d` of a layer's output to that of its middle, in place. */
static void feed_forward_backward(const struct bs_model *model, struct bs_pass *pass,
                                  int64_t index, struct bs_rows d) {
    const struct bs_layer *layer = &model->parameters.layers[index];
    const struct layer_rows *r = &pass->layers[index];
    struct bs_queue *q = pass->queue;
    struct bs_rows out = bs_rows_slice(pass->scratch.out, 0, d.rows);
    struct bs_rows d_hidden = bs_rows_slice(pass->scratch.d_hidden, 0, d.rows);
    struct bs_dropout dropout =
        bs_layer_dropout(model->config.hidden_dropout_prob, index, BS_SITE_OUTPUT);
    bs_dropout_add_norm_backward(q, model->weights, layer->output_norm, dropout,
                                 index == model->parameters.n_layers - 1, r->output_sum,
                                 r->output_stats, d, d, out);
    bs_linear_backward(q, model->weights, layer->down, r->hidden, out, d_hidden, false);
    bs_gelu_backward(q, r->pre, d_hidden, d_hidden);
    bs_linear_backward(q, model->weights, layer->up, bs_stream_input(r->middle), d_hidden,
                       d, true);
}

/* Gradient of query, key and value to that of the layer's input. `d` [R, C] holds the
 * gradient that came along the residual; the result is in scratch.d unless `lowest`,
 * where nobody wants it. */
static void project_backward(const struct bs_model *model, struct bs_pass *pass,
                             int64_t index, struct bs_rows d, struct bs_rows d_query,
                             struct bs_rows d_qkv, bool lowest) {
    const struct bs_layer *layer = &model->parameters.layers[index];
    const struct layer_rows *r = &pass->layers[index];
    struct bs_queue *q = pass->queue;
    struct bs_rows dx = lowest ? (struct bs_rows){0} : d;
    if (index < model->parameters.n_layers - 1) {
        bs_linear_backward(q, model->weights, layer->query, bs_stream_input(r->x), d_qkv,
                           dx, !lowest);
        return;
    }
    bs_linear_backward(q, model->weights, layer->query, bs_stream_input(r->first),
                       d_query, dx, !lowest);
    if (!lowest)
        dx = pass->scratch.d;
    bs_linear_backward(q, model->weights, layer->key_value, bs_stream_input(r->x), d_qkv,
                       dx, false);
    if (!lowest)
        bs_scatter_first(q, d, dx);
}

static void attention_backward(const struct bs_model *model, struct bs_pass *pass,
                               int64_t index, struct bs_rows d, bool lowest) {
    const struct bs_model_config *config = &model->config;
    const struct bs_layer *layer = &model->parameters.layers[index];
    const struct layer_rows *r = &pass->layers[index];
    struct scratch_rows *s = &pass->scratch;
    struct bs_queue *q = pass->queue;
    int64_t C = config->hidden_size;
    bool last = index == config->num_hidden_layers - 1;
    double hidden = config->hidden_dropout_prob;
    struct bs_attention attention = {
        .heads = config->num_attention_heads,
        .first_only = last,
        .dropout = bs_layer_dropout(config->attention_probs_dropout_prob, index,
                                    BS_SITE_ATTENTION),
    };
    struct bs_rows out = bs_rows_slice(s->out, 0, d.rows);
    struct bs_rows d_context = bs_rows_slice(s->d_context, 0, d.rows);
    struct bs_rows d_qkv = last ? bs_rows_columns(s->d_qkv, 0, 2 * C) : s->d_qkv;
    struct bs_rows d_query = last ? s->d_query : bs_rows_columns(d_qkv, 0, C);
    bs_dropout_add_norm_backward(
        q, model->weights, layer->attention_norm,
        bs_layer_dropout(hidden, index, BS_SITE_ATTENTION_OUTPUT), last, r->attention_sum,
        r->attention_stats, d, d, out);
    bs_linear_backward(q, model->weights, layer->attention_out, r->context, out,
                       d_context, false);
    bs_attention_backward(q, attention, r->query, r->key, r->value, r->lse, r->context,
                          d_context, d_query, bs_rows_columns(d_qkv, last ? 0 : C, C),
                          bs_rows_columns(d_qkv, last ? C : 2 * C, C));
    project_backward(model, pass, index, d, d_query, d_qkv, lowest);
}

static void embed_backward(const struct bs_model *model, struct bs_pass *pass) {
    const struct bs_parameters *p = &model->parameters;
    struct bs_queue *q = pass->queue;
    struct bs_rows none = {0}, d = pass->scratch.d;
    struct bs_dropout dropout = {(float)model->config.hidden_dropout_prob,
                                 BS_SITE_EMBEDDINGS};
    bs_dropout(q, dropout, false, d, d, none);
    bs_layer_norm_backward(q, model->weights, p->embedding_norm, pass->embedding_sum,
                           pass->embedding_stats, d, d);
    bs_embedding_backward(q, model->weights, p->embedding, d);
}

void bs_backward(const struct bs_model *model, struct bs_pass *pass) {
    int64_t first = bs_first_trained_layer(model), last = model->parameters.n_layers - 1;
    struct bs_rows none = {0}, d = pass->scratch.d_first;
    classify_backward(model, pass, first > last ? none : d);
    for (int64_t i = last; i >= first; i--) {
        feed_forward_backward(model, pass, i, d);
        attention_backward(model, pass, i, d, i == first && !bs_trains_embeddings(model));
        d = pass->scratch.d;
    }
    if (bs_trains_embeddings(model))
        embed_backward(model, pass);
}
