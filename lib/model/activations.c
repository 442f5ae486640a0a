/* The layout of a pass's arena. */
#include "model/activations.h"

struct layout {
    struct bs_arena *arena;
    bool low;             /* bf16 or fp16 */
    enum bs_type product; /* type A */
    int64_t T, B, C, F, H, K;
    struct bs_rows wide[2]; /* low in training: streams take turns, only low is saved */
    int turn;
};

struct bs_rows bs_stream_input(struct stream stream) {
    return stream.low.data ? stream.low : stream.wide;
}

static struct bs_rows rows_f32(struct layout *l, int64_t rows, int64_t columns) {
    return bs_arena_rows(l->arena, BS_F32, rows, columns);
}

static struct bs_rows rows_product(struct layout *l, int64_t rows, int64_t columns) {
    return bs_arena_rows(l->arena, l->product, rows, columns);
}

static struct stream new_stream(struct layout *l, int64_t rows) {
    struct stream stream = {0};
    stream.wide = rows_f32(l, rows, l->C);
    if (l->low)
        stream.low = rows_product(l, rows, l->C);
    return stream;
}

/* A stream whose product input outlives the layer. */
static struct stream saved_stream(struct layout *l, int64_t rows) {
    if (!l->low)
        return new_stream(l, rows);
    struct stream stream = {0};
    stream.wide = bs_rows_slice(l->wide[l->turn], 0, rows);
    stream.low = rows_product(l, rows, l->C);
    l->turn ^= 1;
    return stream;
}

/* Query, key and value, fused or, where only first tokens ask, apart: views into
 * layer->qkv, which holds at least that much. */
static void layout_attention(struct layout *l, struct layer_rows *layer, bool last) {
    int64_t C = l->C, rows = last ? l->B : l->T;
    layer->query = last ? rows_product(l, rows, C) : bs_rows_columns(layer->qkv, 0, C);
    layer->qkv = bs_rows_columns(layer->qkv, 0, last ? 2 * C : 3 * C);
    layer->key = bs_rows_columns(layer->qkv, last ? 0 : C, C);
    layer->value = bs_rows_columns(layer->qkv, last ? C : 2 * C, C);
}

static void layout_saved(struct layout *l, struct layer_rows *layer, struct stream x,
                         bool last) {
    int64_t rows = last ? l->B : l->T;
    *layer = (struct layer_rows){.x = x};
    if (last)
        layer->first = saved_stream(l, rows);
    layer->qkv = rows_product(l, l->T, last ? 2 * l->C : 3 * l->C);
    layout_attention(l, layer, last);
    layer->context = rows_product(l, rows, l->C);
    layer->lse = rows_f32(l, rows, l->H);
    layer->attention_sum = rows_f32(l, rows, l->C);
    layer->attention_stats = rows_f32(l, rows, 2);
    layer->middle = saved_stream(l, rows);
    layer->pre = rows_product(l, rows, l->F);
    layer->hidden = rows_product(l, rows, l->F);
    layer->output_sum = rows_f32(l, rows, l->C);
    layer->output_stats = rows_f32(l, rows, 2);
    layer->y = saved_stream(l, rows);
}

/* A layer without a backward pass works in place on `x`, and in the rows of `shared`,
 * the first such layer, or NULL if it is the first. */
static void layout_shared(struct layout *l, struct layer_rows *layer,
                          const struct layer_rows *shared, struct stream x, bool last) {
    int64_t rows = last ? l->B : l->T;
    *layer = (struct layer_rows){.x = x, .middle = x, .y = x};
    if (last)
        layer->first = layer->middle = layer->y = new_stream(l, rows);
    layer->qkv = shared ? shared->qkv : rows_product(l, l->T, 3 * l->C);
    layout_attention(l, layer, last);
    layer->context =
        shared ? bs_rows_slice(shared->context, 0, rows) : rows_product(l, rows, l->C);
    layer->hidden =
        shared ? bs_rows_slice(shared->hidden, 0, rows) : rows_product(l, rows, l->F);
}

static void layout_layers(struct layout *l, struct bs_pass *pass, int64_t n_layers,
                          int64_t first_saved) {
    const struct layer_rows *shared = NULL;
    struct stream x = pass->embedded;
    for (int64_t i = 0; i < n_layers; i++) {
        struct layer_rows *layer = &pass->layers[i];
        bool last = i == n_layers - 1;
        if (i >= first_saved)
            layout_saved(l, layer, x, last);
        else
            layout_shared(l, layer, shared, x, last);
        if (i < first_saved && !shared)
            shared = layer;
        x = layer->y;
    }
}

static void layout_head(struct layout *l, struct bs_pass *pass, bool drops) {
    pass->pooled = rows_product(l, l->B, l->C);
    pass->dropped = drops ? rows_product(l, l->B, l->C) : pass->pooled;
    pass->logits = rows_f32(l, l->B, l->K);
}

static void layout_scratch(struct layout *l, struct scratch_rows *s, bool training) {
    *s = (struct scratch_rows){.out = rows_product(l, l->T, l->C)};
    if (!training)
        return;
    s->d = rows_f32(l, l->T, l->C);
    s->d_first = rows_f32(l, l->B, l->C);
    s->d_context = rows_product(l, l->T, l->C);
    s->d_qkv = rows_product(l, l->T, 3 * l->C);
    s->d_query = rows_product(l, l->B, l->C);
    s->d_hidden = rows_product(l, l->T, l->F);
    s->d_pooled = rows_product(l, l->B, l->C);
    s->d_logits = rows_product(l, l->B, l->K);
}

void bs_activations_layout(struct bs_pass *pass, const struct bs_model *model,
                           bool training, int64_t tokens, int64_t sequences) {
    const struct bs_model_config *config = &model->config;
    enum bs_type product = bs_precision_type(model->options.precision);
    bool low = product != BS_F32;
    struct layout l = {.arena = pass->arena,
                       .low = low,
                       .product = product,
                       .T = tokens,
                       .B = sequences,
                       .C = config->hidden_size,
                       .F = config->intermediate_size,
                       .H = config->num_attention_heads,
                       .K = config->num_labels};
    int64_t first_saved = training ? bs_first_trained_layer(model) : INT64_MAX;
    bs_arena_reset(pass->arena);
    if (training && low)
        for (int i = 0; i < 2; i++)
            l.wide[i] = rows_f32(&l, tokens, l.C);
    pass->embedded = first_saved == 0 ? saved_stream(&l, tokens) : new_stream(&l, tokens);
    pass->embedding_sum = pass->embedded.wide;
    pass->embedding_stats = (struct bs_rows){0};
    if (training && bs_trains_embeddings(model)) {
        pass->embedding_sum = rows_f32(&l, tokens, l.C);
        pass->embedding_stats = rows_f32(&l, tokens, 2);
    }
    layout_layers(&l, pass, config->num_hidden_layers, first_saved);
    layout_head(&l, pass, training && config->classifier_dropout > 0);
    layout_scratch(&l, &pass->scratch, training);
}
