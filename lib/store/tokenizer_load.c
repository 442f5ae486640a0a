/* From a model's files to a working tokenizer. */
#include "common/log.h"
#include "store/model_files_light.h"
#include "store/tokenizer_files.h"

static int load(const struct bs_model_files *files, int64_t vocab_size,
                struct bs_tokenizer **tokenizer, struct bs_error *error) {
    struct bs_tokenizer_parsed parsed;
    struct bs_span spans[BS_TOKENIZER_FILES];
    const char *path = bs_model_files_path(files);
    for (int i = 0; i < BS_TOKENIZER_FILES; i++)
        spans[i] = bs_model_files_tokenizer_file(files, (enum bs_tokenizer_file)i);
    if (bs_tokenizer_parse(&parsed, spans, path, error))
        return error->code;
    int64_t ids = bs_tokenizer_settings_ids(&parsed.settings);
    if (vocab_size > 0 && ids > vocab_size)
        bs_warn("%s: the tokenizer has ids up to %lld, the model knows %lld; texts with "
                "such ids will be rejected",
                path, (long long)ids - 1, (long long)vocab_size);
    int code = bs_tokenizer_new(tokenizer, &parsed.settings, error);
    bs_tokenizer_parsed_free(&parsed);
    return code ? bs_error_prefix(error, "%s: ", path) : BS_OK;
}

int bs_model_files_tokenizer(const struct bs_model_files *files,
                             struct bs_tokenizer **tokenizer, struct bs_error *error) {
    return load(files, bs_model_files_config(files)->vocab_size, tokenizer, error);
}

int bs_tokenizer_load(const char *path, struct bs_tokenizer **tokenizer,
                      int64_t *max_positions, struct bs_error *error) {
    struct bs_model_files *files;
    if (bs_model_files_open_tokenizer(&files, path, max_positions, error))
        return error->code;
    int code = load(files, 0, tokenizer, error);
    bs_model_files_close(files);
    return code;
}
