/*
 * What compute.h promises beside numbers: devices by name, weights as tables, arenas
 * and views, batches that are refused, and the failure that stays with a queue.
 */
#include "compute/lab.h"

/* ---- devices and weights ------------------------------------------------------ */

static void devices(void) {
    struct bs_error error = {0};
    struct bs_device *device = NULL;
    enum bs_precision precision = BS_PRECISION_FP32;
    check(!bs_device_open(&device, "auto", &error), "there is a device");
    check(!bs_device_check(device, BS_PRECISION_FP32, &error), "it has fp32");
    bs_device_close(device);
    check(bs_device_open(&device, "abacus", &error) == BS_USAGE && !device &&
              strstr(error.text, "abacus"),
          "an unknown device: %s", error.text);
    check(strstr(bs_compute_backends(), "ref") != NULL, "compiled in: %s",
          bs_compute_backends());
    check(!bs_precision_parse("bf16", &precision, &error) &&
              precision == BS_PRECISION_BF16,
          "bf16 is a precision");
    check(bs_precision_parse("fp31", &precision, &error) == BS_USAGE, "%s", error.text);
    bs_device_close(NULL);
    bs_weights_free(NULL);
    bs_queue_free(NULL);
    bs_arena_free(NULL);
}

/* Both precisions everywhere; bf16 is native only by instructions made for it. */
static void precisions(struct target target) {
    struct bs_error error = {0};
    struct bs_device *device = lab_device(target, &error);
    const struct bs_device_info *info = bs_device_info(device);
    bool made_for_it = strstr(info->hardware, "bf16") || strstr(info->hardware, "AMX") ||
                       !strcmp(info->backend, "cuda");
    check(!bs_device_check(device, BS_PRECISION_FP32, &error) &&
              !bs_device_check(device, BS_PRECISION_BF16, &error) &&
              info->support[BS_PRECISION_FP32] == BS_NATIVE &&
              info->support[BS_PRECISION_BF16] == (made_for_it ? BS_NATIVE : BS_EMULATED),
          "%s: %s: both precisions, bf16 %s", info->backend, info->hardware,
          made_for_it ? "native" : "emulated");
    bs_device_close(device);
}

static void weights(struct target target) {
    static struct lab lab;
    float two[2 * 4], values[5 * 4], given[] = {1, 2, 3, 4, 5, 6, 7, 8};
    lab_open(&lab, target, BS_PRECISION_FP32, 1, 1);
    lab_parameter(&lab, BS_ROLE_MATRIX, 5, 4);
    lab_parameter(&lab, BS_ROLE_VECTOR, 1, 3);
    lab.parameters[1].trainable = false;
    lab_must(&lab,
             bs_weights_new(&lab.weights, lab.device, lab.parameters, 2,
                            BS_PRECISION_FP32, true, &lab.error),
             "weights");
    bool zero = true;
    for (int slot = BS_SLOT_VALUE; slot <= BS_SLOT_MOMENT2; slot++) {
        lab_must(&lab,
                 bs_weights_download(lab.weights, 0, (enum bs_slot)slot, 0, 5, values,
                                     &lab.error),
                 "download");
        for (int i = 0; i < 20; i++)
            zero = zero && values[i] == 0;
    }
    check(zero, "new weights are zero");
    for (int slot = BS_SLOT_VALUE; slot <= BS_SLOT_MOMENT2; slot++) {
        lab_must(&lab,
                 bs_weights_upload(lab.weights, 0, (enum bs_slot)slot, 2, 2, given,
                                   &lab.error) ||
                     bs_weights_download(lab.weights, 0, (enum bs_slot)slot, 2, 2, two,
                                         &lab.error) ||
                     bs_weights_download(lab.weights, 0, (enum bs_slot)slot, 0, 5, values,
                                         &lab.error),
                 "two rows");
        check(!memcmp(two, given, sizeof two) && values[7] == 0 && values[8] == 1 &&
                  values[15] == 8 && values[16] == 0,
              "rows 2 and 3 of slot %d go up and down", slot);
    }
    check(bs_weights_upload(lab.weights, 1, BS_SLOT_GRADIENT, 0, 1, given, &lab.error) ==
              BS_DEVICE,
          "%s", lab.error.text);
    check(bs_weights_upload(lab.weights, 0, BS_SLOT_VALUE, 4, 2, given, &lab.error) ==
              BS_DEVICE,
          "%s", lab.error.text);
    check(bs_weights_download(lab.weights, 2, BS_SLOT_VALUE, 0, 1, two, &lab.error) ==
              BS_DEVICE,
          "%s", lab.error.text);
    struct bs_weights_memory memory = bs_weights_memory(lab.weights);
    check(memory.values >= 23 * 4 && memory.gradients >= 80 && memory.moments >= 160,
          "memory: %lld values, %lld derived, %lld gradients, %lld moments",
          (long long)memory.values, (long long)memory.derived,
          (long long)memory.gradients, (long long)memory.moments);
    lab_close(&lab);
}

/* Weights for prediction have no gradients. */
static void weights_without_training(struct target target) {
    static struct lab lab;
    float value = 0;
    lab_open(&lab, target, BS_PRECISION_FP32, 1, 1);
    lab_parameter(&lab, BS_ROLE_MATRIX, 1, 1);
    lab_must(&lab,
             bs_weights_new(&lab.weights, lab.device, lab.parameters, 1,
                            BS_PRECISION_FP32, false, &lab.error),
             "weights");
    check(bs_weights_memory(lab.weights).gradients == 0 &&
              bs_weights_memory(lab.weights).moments == 0,
          "prediction needs no memory for gradients");
    check(bs_weights_download(lab.weights, 0, BS_SLOT_GRADIENT, 0, 1, &value,
                              &lab.error) == BS_DEVICE,
          "%s", lab.error.text);
    lab_close(&lab);
    struct bs_device *device = lab_device(target, &lab.error);
    struct bs_parameter huge = {"huge", BS_ROLE_MATRIX, INT64_MAX / 2, 16, true, true};
    check(bs_weights_new(&lab.weights, device, &huge, 1, BS_PRECISION_FP32, true,
                         &lab.error) == BS_DATA &&
              !lab.weights,
          "%s", lab.error.text);
    bs_device_close(device);
}

static void failed(struct lab *lab, const char *part) {
    struct bs_error error = {0};
    int code = bs_queue_finish(lab->queue, &error);
    check(code == BS_DEVICE && strstr(error.text, part), "\"%s\": %s", part, error.text);
}

/* What a product makes of weights that are all `value`. */
static float product_of(struct lab *lab, struct bs_linear l, struct bs_rows x,
                        struct bs_rows y, float value, int rows, int columns) {
    float *values = malloc((size_t)(rows * columns) * sizeof *values);
    for (int i = 0; i < rows * columns; i++)
        values[i] = value;
    lab_must(lab,
             bs_weights_upload(lab->weights, l.weight, BS_SLOT_VALUE, 0, rows, values,
                               &lab->error) ||
                 bs_weights_ready(lab->weights, &lab->error),
             "upload");
    bs_linear(lab->queue, lab->weights, l, BS_IDENTITY, x, absent, y);
    float *made = lab_download(lab, y), first = made[0];
    for (int i = 1; i < rows; i++)
        first = made[i] == first ? first : NAN;
    free(made);
    free(values);
    return first;
}

/* For prediction matrices may be kept packed alone, vectors not. */
static void packed_weights(struct target target) {
    enum { ROWS = 70, COLUMNS = 130 };
    static struct lab lab;
    lab_open(&lab, target, BS_PRECISION_FP32, 1, 1);
    struct bs_linear l = {lab_parameter(&lab, BS_ROLE_MATRIX, ROWS, COLUMNS),
                          lab_parameter(&lab, BS_ROLE_VECTOR, 1, ROWS)};
    lab_must(&lab,
             bs_weights_new(&lab.weights, lab.device, lab.parameters, 2,
                            BS_PRECISION_FP32, false, &lab.error),
             "weights");
    float ones[COLUMNS], rows[ROWS * COLUMNS];
    for (int i = 0; i < COLUMNS; i++)
        ones[i] = 1;
    struct bs_rows x = lab_given(&lab, BS_F32, 1, COLUMNS, ones);
    struct bs_rows y = lab_output(&lab, BS_F32, 1, ROWS);
    check(product_of(&lab, l, x, y, 0.5F, ROWS, COLUMNS) == COLUMNS / 2,
          "weights for prediction multiply");
    int code = bs_weights_download(lab.weights, l.weight, BS_SLOT_VALUE, 0, ROWS, rows,
                                   &lab.error);
    check(code ? code == BS_DEVICE && strstr(lab.error.text, "cannot be downloaded")
               : rows[7] == 0.5F,
          "a matrix comes down or is refused: %s",
          code ? lab.error.text : "it comes down");
    check(
        !bs_weights_download(lab.weights, l.bias, BS_SLOT_VALUE, 0, 1, rows, &lab.error),
        "a vector comes down");
    check(product_of(&lab, l, x, y, 2, ROWS, COLUMNS) == 2 * COLUMNS &&
              product_of(&lab, l, x, y, 1, ROWS, COLUMNS) == COLUMNS,
          "the whole can be uploaded anew");
    for (int first = 0, count; first < ROWS; first += count) {
        count = first % 31 + 1;
        count = first + count > ROWS ? ROWS - first : count;
        for (int i = 0; i < count * COLUMNS; i++)
            rows[i] = (float)(first + i / COLUMNS);
        lab_must(&lab,
                 bs_weights_upload(lab.weights, l.weight, BS_SLOT_VALUE, first, count,
                                   rows, &lab.error),
                 "some rows");
    }
    lab_must(&lab, bs_weights_ready(lab.weights, &lab.error), "weights");
    bs_linear(lab.queue, lab.weights, l, BS_IDENTITY, x, absent, y);
    float *made = lab_download(&lab, y);
    int wrong = 0;
    for (int i = 0; i < ROWS; i++)
        wrong += made[i] != (float)(i * COLUMNS);
    free(made);
    check(wrong == 0, "rows go up some at a time (%d wrong)", wrong);
    bs_linear_backward(lab.queue, lab.weights, l, x, y, absent, false);
    failed(&lab, "not made for training");
    lab_close(&lab);
}

/* A table that is lent is read where it lies, even after its owner changed it. */
static void lent_weights(struct target target) {
    static const int one[] = {3, 0};
    static struct lab lab;
    lab_open(&lab, target, BS_PRECISION_FP32, 1, 1);
    struct bs_embedding e = {lab_parameter(&lab, BS_ROLE_EMBEDDING, 9, 4),
                             lab_parameter(&lab, BS_ROLE_EMBEDDING, 3, 4),
                             lab_parameter(&lab, BS_ROLE_EMBEDDING, 2, 4), -1};
    int vector = lab_parameter(&lab, BS_ROLE_VECTOR, 1, 4);
    float words[36] = {0}, more[36] = {0};
    lab_weights(&lab);
    check(!bs_weights_lend(lab.weights, e.word, words), "not for training");
    bs_weights_free(lab.weights);
    lab_must(&lab,
             bs_weights_new(&lab.weights, lab.device, lab.parameters, 4,
                            BS_PRECISION_FP32, false, &lab.error),
             "weights");
    check(!bs_weights_lend(lab.weights, vector, words) &&
              !bs_weights_lend(lab.weights, 4, words),
          "embeddings alone are lent");
    const float *values = bs_weights_values(lab.weights, e.position);
    check((values != NULL) == (bs_device_memory_used(lab.device) == 0),
          "values of host memory alone are shown");
    bool lent = bs_weights_lend(lab.weights, e.word, words);
    check(lent == (bs_device_memory_used(lab.device) == 0), "host memory alone is lent");
    int up =
        bs_weights_upload(lab.weights, e.word, BS_SLOT_VALUE, 0, 9, more, &lab.error);
    int down =
        bs_weights_download(lab.weights, e.word, BS_SLOT_VALUE, 0, 9, more, &lab.error);
    check(lent ? up == BS_DEVICE : !up, "what is lent is not uploaded");
    check(!down, "but comes down");
    check(!lent || !bs_weights_values(lab.weights, e.word), "what is lent is not shown");
    lab_must(&lab, bs_weights_ready(lab.weights, &lab.error), "ready");
    lab_batch(&lab, one, bs_device_info(lab.device)->row_tile, 9, 2);
    struct bs_rows sum = lab_output(&lab, BS_F32, lab.batch.n_tokens, 4);
    words[4 * lab.ids[1] + 2] = 7;
    bs_embedding(lab.queue, lab.weights, e, sum);
    float *made = lab_download(&lab, sum);
    check(made[4 + 2] == (lent ? 7 : 0) && made[4] == 0, "a lent table is read");
    free(made);
    lab_close(&lab);
}

/* On a GPU an arena shows in the memory in use; others work in host memory. */
static void memory_in_use(struct target target) {
    struct bs_error error = {0};
    const int64_t bytes = (int64_t)64 << 20;
    struct bs_device *device = lab_device(target, &error);
    struct bs_arena *arena = NULL;
    int64_t before = bs_device_memory_used(device);
    if (bs_arena_new(&arena, device, bytes, &error))
        check(0, "%s", error.text);
    int64_t more = bs_device_memory_used(device) - before;
    bool gpu = strncmp(target.device, "cuda", 4) == 0;
    check(gpu ? more >= bytes : more == 0, "%s: 64 MiB show as %lld bytes in use",
          target.device, (long long)more);
    bs_arena_free(arena);
    bs_device_close(device);
}

/* ---- arenas and views --------------------------------------------------------- */

static bool lay_out(struct bs_arena *arena, struct bs_rows rows[3]) {
    rows[0] = bs_arena_rows(arena, BS_F32, 3, 5);
    rows[1] = bs_arena_rows(arena, BS_BF16, 7, 9);
    rows[2] = bs_arena_rows(arena, BS_F32, 1, 1);
    return rows[0].data && rows[1].data && rows[2].data;
}

static void arenas(struct target target) {
    struct bs_error error = {0};
    struct bs_device *device = lab_device(target, &error);
    struct bs_arena *counting = NULL, *real = NULL;
    struct bs_rows rows[3];
    if (bs_arena_new(&counting, device, 0, &error) || lay_out(counting, rows))
        check(0, "an arena of 0 bytes only counts");
    int64_t bytes = bs_arena_used(counting);
    check(bytes == 64 + 128 + 64, "three blocks take %lld bytes", (long long)bytes);
    if (bs_arena_new(&real, device, bytes, &error) || !lay_out(real, rows))
        check(0, "an arena of that size holds them");
    check((uintptr_t)rows[0].data % 64 == 0 && (uintptr_t)rows[1].data % 64 == 0 &&
              (char *)rows[2].data - (char *)rows[0].data == 192,
          "blocks are aligned to 64 bytes and dense");
    check(rows[1].stride == 9 && rows[1].rows == 7 && rows[1].type == BS_BF16,
          "a view says its shape");
    check(!bs_arena_rows(real, BS_F32, 1, 1).data, "an exhausted arena gives nothing");
    check(!bs_arena_rows(real, BS_F32, INT64_MAX / 2, 9).data, "nor does an overflow");
    bs_arena_reset(real);
    check(bs_arena_rows(real, BS_F32, 3, 5).data == rows[0].data &&
              bs_arena_used(real) == bytes,
          "after a reset it starts again; the high-water mark stays");
    struct bs_rows part = bs_rows_slice(bs_rows_columns(rows[1], 2, 4), 3, 2);
    check((char *)part.data - (char *)rows[1].data == 2 * (3 * 9 + 2) && part.rows == 2 &&
              part.columns == 4 && part.stride == 9,
          "a part of a view");
    check(!bs_rows_columns((struct bs_rows){0}, 3, 1).data,
          "a part of nothing is nothing");
    bs_arena_free(real);
    bs_arena_free(counting);
    bs_device_close(device);
}

static void transfers(struct target target) {
    static struct lab lab;
    lab_open(&lab, target, BS_PRECISION_FP32, 1, 1);
    lab.strided = true;
    float *given = lab_normal(&lab, 11 * 13, 1);
    struct bs_rows full = lab_given(&lab, BS_F32, 11, 13, given);
    float *back = lab_download(&lab, full);
    check(!memcmp(given, back, sizeof *given * 11 * 13), "fp32 rows come back as sent");
    struct bs_arena *arena = NULL;
    lab_must(&lab, bs_arena_new(&arena, lab.device, 4096, &lab.error), "arena");
    float *fresh = lab_download(&lab, bs_arena_rows(arena, BS_F32, 32, 32));
    bool zero = true;
    for (int i = 0; i < 32 * 32; i++)
        zero = zero && fresh[i] == 0;
    check(zero, "memory of a new arena is zero");
    bs_arena_free(arena);
    free(fresh);
    free(given);
    free(back);
    check(lab_sound(&lab), "nothing else was written");
    lab_close(&lab);
}

/* ---- failures ----------------------------------------------------------------- */

/* Expects that the queue has failed with a message that has `part` in it. */
static void batches(struct target target) {
    static const int two[] = {3, 2, 0};
    static struct lab lab;
    lab_open(&lab, target, BS_PRECISION_FP32, 1, 1);
    int64_t tile = bs_device_info(lab.device)->row_tile;
    struct bs_rows x = lab_input(&lab, BS_F32, tile, 4, 1);
    bs_gather_first(lab.queue, x, x);
    failed(&lab, "no batch");
    lab_batch(&lab, two, tile, 9, 2);
    check(!bs_queue_finish(lab.queue, &lab.error), "a good batch");
    const struct bs_batch good = lab.batch;
    struct bs_batch bad = good;
    bad.n_sequences = 0;
    bs_set_batch(lab.queue, &bad);
    failed(&lab, "empty");
    bad = good;
    bad.n_tokens = (MAX_TOKENS / tile + 1) * tile;
    bs_set_batch(lab.queue, &bad);
    failed(&lab, "more tokens");
    bad = good;
    bad.max_length = 2;
    bs_set_batch(lab.queue, &bad);
    failed(&lab, "longer");
    int32_t backwards[] = {0, 3, 1}, late[] = {1, 3, 5};
    bad = good;
    bad.offset = backwards;
    bs_set_batch(lab.queue, &bad);
    failed(&lab, "no tokens");
    bad.offset = late;
    bs_set_batch(lab.queue, &bad);
    failed(&lab, "first offset");
    int32_t beyond[] = {0, 3, (int32_t)good.n_tokens + 1};
    bad.offset = beyond;
    bad.max_length = 512;
    bs_set_batch(lab.queue, &bad);
    failed(&lab, "beyond");
    if (tile > 1) {
        bad = good;
        bad.n_tokens = tile + 1;
        bs_set_batch(lab.queue, &bad);
        failed(&lab, "row tile");
    }
    lab_close(&lab);
}

/* Ids, labels and dropout that no back end should see. */
static void values(struct target target) {
    static const int one[] = {2, 0};
    static struct lab lab;
    lab_open(&lab, target, BS_PRECISION_FP32, 1, 1);
    struct bs_embedding e = {lab_parameter(&lab, BS_ROLE_EMBEDDING, 9, 4),
                             lab_parameter(&lab, BS_ROLE_EMBEDDING, 2, 4),
                             lab_parameter(&lab, BS_ROLE_EMBEDDING, 2, 4), -1};
    lab_weights(&lab);
    lab_batch(&lab, one, bs_device_info(lab.device)->row_tile, 9, 2);
    struct bs_rows sum = lab_output(&lab, BS_F32, lab.batch.n_tokens, 4);
    lab.ids[1] = 9;
    bs_embedding(lab.queue, lab.weights, e, sum);
    failed(&lab, "vocabulary");
    lab.ids[1] = -1;
    bs_embedding(lab.queue, lab.weights, e, sum);
    failed(&lab, "vocabulary");
    lab.ids[1] = 8;
    lab.position[1] = 2;
    bs_embedding(lab.queue, lab.weights, e, sum);
    failed(&lab, "position");
    lab.position[1] = 1;
    lab.type_ids[0] = 2;
    bs_embedding(lab.queue, lab.weights, e, sum);
    failed(&lab, "type");
    struct bs_rows logits = lab_input(&lab, BS_F32, 1, 2, 1);
    lab.labels[0] = 2;
    bs_cross_entropy(lab.queue, logits, absent);
    failed(&lab, "label");
    lab.labels[0] = 1;
    lab_loss(&lab, (struct bs_loss){(const float[]){1, 2, 3}, 3, 0, 1});
    bs_cross_entropy(lab.queue, logits, absent);
    failed(&lab, "class weights");
    lab.batch.labels = NULL;
    bs_set_batch(lab.queue, &lab.batch);
    bs_cross_entropy(lab.queue, logits, absent);
    failed(&lab, "label");
    bs_dropout(lab.queue, (struct bs_dropout){1, 0}, false, sum, sum, absent);
    failed(&lab, "probability");
    bs_dropout(lab.queue, (struct bs_dropout){0.1F, 65536}, false, sum, sum, absent);
    failed(&lab, "site");
    lab.batch.example = NULL;
    bs_set_batch(lab.queue, &lab.batch);
    bs_dropout(lab.queue, (struct bs_dropout){0.1F, 0}, false, sum, sum, absent);
    failed(&lab, "example");
    lab_close(&lab);
}

/* A loss needs to know its step. */
static void loss_without_step(struct target target) {
    static const int one[] = {2, 0};
    static struct lab lab;
    lab_open(&lab, target, BS_PRECISION_FP32, 1, 1);
    bs_queue_free(lab.queue);
    lab_must(&lab, bs_queue_new(&lab.queue, lab.device, 1, MAX_TOKENS, 512, &lab.error),
             "queue");
    lab_batch(&lab, one, bs_device_info(lab.device)->row_tile, 9, 2);
    bs_cross_entropy(lab.queue, lab_input(&lab, BS_F32, 1, 2, 1), absent);
    failed(&lab, "bs_set_step");
    lab_close(&lab);
}

static void shapes(struct target target) {
    static const int one[] = {2, 0};
    static struct lab lab;
    lab_open(&lab, target, BS_PRECISION_FP32, 1, 1);
    struct bs_linear l = {lab_parameter(&lab, BS_ROLE_MATRIX, 6, 4),
                          lab_parameter(&lab, BS_ROLE_VECTOR, 1, 6)};
    struct bs_linear swapped = {l.bias, l.weight}, none = {7, 8};
    lab_weights(&lab);
    lab_batch(&lab, one, bs_device_info(lab.device)->row_tile, 9, 2);
    struct bs_rows x = lab_input(&lab, BS_F32, 3, 4, 1);
    struct bs_rows y = lab_output(&lab, BS_F32, 3, 6);
    struct bs_rows low = lab_output(&lab, BS_BF16, 3, 4);
    bs_linear(lab.queue, lab.weights, l, BS_GELU, x, y, bs_rows_columns(y, 0, 5));
    failed(&lab, "matrix is 6 x 4");
    bs_linear(lab.queue, lab.weights, l, BS_GELU, x, absent, bs_rows_slice(y, 0, 2));
    failed(&lab, "linear: y is 2 x 6 of fp32, stride 6; wanted 3 x 6 of any type");
    bs_linear(lab.queue, lab.weights, l, BS_GELU, low, absent, y);
    failed(&lab, "linear: x is 3 x 4 of bf16");
    bs_linear(lab.queue, lab.weights, l, BS_GELU, x, absent, absent);
    failed(&lab, "y is absent");
    bs_linear(lab.queue, lab.weights, swapped, BS_GELU, x, absent, y);
    failed(&lab, "role");
    bs_linear(lab.queue, lab.weights, none, BS_GELU, x, absent, y);
    failed(&lab, "no parameter");
    bs_linear_backward(lab.queue, lab.weights, l, x, y, low, true);
    failed(&lab, "wanted 3 x 4 of fp32");
    bs_attention(lab.queue, (struct bs_attention){3, false, {0, 0}}, x, x, x, absent, y);
    failed(&lab, "heads");
    bs_softmax(lab.queue, x, y);
    failed(&lab, "probabilities is 3 x 6");
    struct bs_rows narrow = x;
    narrow.stride = 3;
    bs_softmax(lab.queue, narrow, narrow);
    failed(&lab, "stride 3");
    float value = 1;
    lab_must(
        &lab,
        bs_weights_upload(lab.weights, l.bias, BS_SLOT_VALUE, 0, 0, &value, &lab.error),
        "upload");
    bs_linear(lab.queue, lab.weights, l, BS_GELU, x, absent, y);
    failed(&lab, "bs_weights_ready");
    lab_close(&lab);
}

/* After a failure nothing happens until it has been told. */
static void sticky(struct target target) {
    static struct lab lab;
    lab_open(&lab, target, BS_PRECISION_FP32, 1, 1);
    struct bs_rows x = lab_input(&lab, BS_F32, 3, 4, 1);
    struct bs_rows y = lab_output(&lab, BS_F32, 3, 4);
    struct bs_error error = {0};
    float made[12];
    bs_copy(lab.queue, x, bs_rows_columns(y, 0, 3));
    bs_copy(lab.queue, x, y);
    bs_softmax(lab.queue, x, absent);
    check(bs_rows_download(lab.queue, y, made, &error) == BS_DEVICE &&
              strstr(error.text, "copy"),
          "a download after a failure tells it: %s", error.text);
    check(bs_rows_download(lab.queue, absent, made, &error) == BS_DEVICE &&
              strstr(error.text, "copy"),
          "the first failure is the one that is told: %s", error.text);
    failed(&lab, "copy: y is 3 x 3");
    check(!bs_queue_finish(lab.queue, &error), "a failure is told once");
    check(!bs_rows_download(lab.queue, y, made, &error) && isnan(made[0]),
          "what followed a failure was not done");
    bs_copy(lab.queue, x, y);
    check(!bs_rows_download(lab.queue, y, made, &error) && !isnan(made[0]),
          "afterwards the queue works again");
    lab_close(&lab);
}

int main(int argc, char **argv) {
    struct target targets[8];
    int n = lab_targets(argc, argv, targets);
    devices();
    for (int i = 0; i < n; i++) {
        if (!lab_available(targets[i], BS_PRECISION_FP32))
            continue;
        precisions(targets[i]);
        weights(targets[i]);
        weights_without_training(targets[i]);
        packed_weights(targets[i]);
        lent_weights(targets[i]);
        memory_in_use(targets[i]);
        arenas(targets[i]);
        transfers(targets[i]);
        batches(targets[i]);
        values(targets[i]);
        loss_without_step(targets[i]);
        shapes(targets[i]);
        sticky(targets[i]);
    }
    return tap_end();
}
