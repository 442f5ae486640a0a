/* Safetensors: a whole file, or (first byte) its header and its data, to which the size
 * of the header is added. */
#include "fuzz/fuzz.h"

#include "store/quantize.h"
#include "store/tensor_names.h"

#include <stdlib.h>

static const struct bs_model_config config = {.vocab_size = 2,
                                              .hidden_size = 2,
                                              .num_hidden_layers = 1,
                                              .num_attention_heads = 1,
                                              .intermediate_size = 1,
                                              .max_position_embeddings = 2,
                                              .type_vocab_size = 1};

static struct bs_buffer with_size(struct bs_span input) {
    struct bs_buffer file = {0};
    struct bs_span header = fuzz_part(&input);
    uint64_t size = header.size;
    fuzz_done(bs_buffer_append(&file, &size, sizeof size) &&
              bs_buffer_append_span(&file, header) &&
              bs_buffer_append_span(&file, input));
    return file;
}

static void look_at(const struct bs_tensor *tensor) {
    float few[16];
    int64_t elements = bs_tensor_elements(tensor);
    int64_t count = elements < 16 ? elements : 16;
    (void)bs_tensor_floats(tensor);
    (void)!bs_tensor_to_float(tensor, 0, count, few);
    (void)!bs_tensor_to_float(tensor, elements - count, count, few);
}

/* As int8, and written. */
static void convert(const struct bs_tensors *tensors) {
    struct bs_error error;
    struct bs_quantized *quantized;
    struct bs_tensors_image image = {0};
    size_t count = bs_tensors_count(tensors);
    const struct bs_tensor *list = bs_tensors_get(tensors, 0);
    if (!bs_tensors_image_make(&image, list, count, &error))
        bs_tensors_image_free(&image);
    if (bs_quantized_new(&quantized, list, count, &error))
        return;
    (void)bs_quantized_list(quantized, &count);
    bs_quantized_free(quantized);
}

static bool are_floats(const struct bs_tensors *tensors) {
    for (size_t i = 0; i < bs_tensors_count(tensors); i++)
        if (bs_tensors_get(tensors, i)->type > BS_TENSOR_BF16)
            return false;
    return bs_tensors_count(tensors) > 0;
}

static void parse(struct bs_span bytes) {
    struct bs_error error;
    struct bs_tensors *tensors;
    if (bs_tensors_parse(&tensors, bytes, "model.safetensors", &error))
        return;
    for (size_t i = 0; i < bs_tensors_count(tensors); i++)
        look_at(bs_tensors_get(tensors, i));
    (void)!bs_tensor_names_check(tensors, &config, "model", &error);
    if (are_floats(tensors))
        convert(tensors);
    bs_tensors_close(tensors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bs_span input = fuzz_begin(data, size);
    if (fuzz_choose(&input, 2)) {
        parse(input);
        return 0;
    }
    struct bs_buffer file = with_size(input);
    parse(bs_buffer_span(&file));
    bs_buffer_free(&file);
    return 0;
}
