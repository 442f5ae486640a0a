/* Hashes configuration and tensors, converting pieces of the latter to fp32. */
#include "store/model_digest.h"

#include "common/hash.h"
#include "common/number.h"
#include "store/tensor_names.h"

#include <stdlib.h>

enum { PIECE = 16384 };

static int add_config(struct bs_sha256 *sha, const struct bs_model_config *config,
                      struct bs_error *error) {
    const int64_t integers[] = {
        config->vocab_size,        config->hidden_size,
        config->num_hidden_layers, config->num_attention_heads,
        config->intermediate_size, config->max_position_embeddings,
        config->type_vocab_size,   config->pad_token_id,
        config->num_labels};
    const double reals[] = {config->layer_norm_eps, config->hidden_dropout_prob,
                            config->attention_probs_dropout_prob,
                            config->classifier_dropout, config->initializer_range};
    struct bs_buffer text = {0};
    bool fine = true;
    for (size_t i = 0; i < sizeof integers / sizeof integers[0]; i++)
        fine = fine && bs_buffer_printf(&text, "%lld\n", (long long)integers[i]);
    for (size_t i = 0; i < sizeof reals / sizeof reals[0]; i++) {
        char number[32];
        bs_format_real(reals[i], number);
        fine = fine && bs_buffer_printf(&text, "%s\n", number);
    }
    for (int64_t i = 0; i < config->num_labels; i++)
        fine = fine &&
               bs_buffer_append(&text, config->labels[i], strlen(config->labels[i]) + 1);
    bs_sha256_add(sha, text.data, text.size);
    bs_buffer_free(&text);
    return fine ? BS_OK : bs_fail_memory(error, text.size, "a digest");
}

static void add_tensor(struct bs_sha256 *sha, const struct bs_tensor *tensor,
                       float *piece) {
    int64_t elements = bs_tensor_elements(tensor);
    for (int64_t first = 0; first < elements; first += PIECE) {
        int64_t count = elements - first < PIECE ? elements - first : PIECE;
        if (bs_tensor_to_float(tensor, first, count, piece))
            bs_sha256_add(sha, piece, (size_t)count * sizeof *piece);
    }
}

int bs_model_digest(const struct bs_model_config *config,
                    const struct bs_tensors *tensors, char hex[65],
                    struct bs_error *error) {
    struct bs_sha256 sha;
    bs_sha256_begin(&sha);
    if (add_config(&sha, config, error))
        return error->code;
    float *piece = bs_alloc(PIECE, sizeof *piece);
    if (!piece)
        return bs_fail_memory(error, PIECE * sizeof *piece, "a digest");
    for (int64_t i = 0; i < bs_tensor_spec_count(config); i++) {
        struct bs_tensor_spec spec;
        bs_tensor_spec_get(config, i, &spec);
        const struct bs_tensor *tensor = bs_tensor_find_canonical(tensors, spec.name);
        if (!tensor)
            continue;
        bs_sha256_add(&sha, spec.name, strlen(spec.name) + 1);
        add_tensor(&sha, tensor, piece);
        bs_tensors_forget(tensors, tensor);
    }
    free(piece);
    bs_sha256_end_hex(&sha, hex);
    return BS_OK;
}
