/* config.json, read with and without a classifier, and written again. */
#include "fuzz/fuzz.h"

#include "store/config_json.h"
#include "store/tensor_specs.h"

static void look_at(const struct bs_model_config *config) {
    struct bs_tensor_spec spec;
    int64_t count = bs_tensor_spec_count(config);
    for (int64_t i = 0; i < count; i += 1 + count / 64)
        bs_tensor_spec_get(config, i, &spec);
    bs_tensor_spec_get(config, count - 1, &spec);
}

/* What is written can be read. */
static void write_again(const struct bs_model_config *config, struct bs_span json) {
    struct bs_error error;
    struct bs_model_config again;
    struct bs_buffer text = {0};
    fuzz_require(!bs_config_write(config, json, "float32", &text, &error) &&
                     !bs_config_parse(&again, bs_buffer_span(&text),
                                      config->num_labels > 0, "config.json", &error),
                 "a configuration that was read cannot be written and read again");
    fuzz_require(again.num_labels == config->num_labels &&
                     again.hidden_size == config->hidden_size &&
                     again.layer_norm_eps == config->layer_norm_eps,
                 "a configuration changes as it is written");
    bs_model_config_free(&again);
    bs_buffer_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bs_span json = fuzz_begin(data, size);
    for (int has_classifier = 0; has_classifier < 2; has_classifier++) {
        struct bs_error error;
        struct bs_model_config config;
        if (bs_config_parse(&config, json, has_classifier, "config.json", &error))
            continue;
        look_at(&config);
        write_again(&config, json);
        bs_model_config_free(&config);
    }
    return 0;
}
