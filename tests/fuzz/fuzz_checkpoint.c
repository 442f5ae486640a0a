/* The state of a run in a checkpoint; its checksum is added unless the first byte says
 * that the input has one. */
#include "fuzz/fuzz.h"

#include "common/file.h"
#include "common/hash.h"
#include "format/json.h"
#include "learn/identity.h"
#include "learn/state.h"
#include "learn/table.h"

#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/bs-fuzz-XXXXXX";

static void remove_folder(void) {
    struct bs_error ignored;
    (void)!bs_remove_tree(folder, &ignored);
}

/* The folder of the checkpoint, whose state is the file in memory. */
static void make_folder(const char *file) {
    static bool made;
    if (made)
        return;
    made = true;
    fuzz_require(mkdtemp(folder) && !atexit(remove_folder), "no folder");
    char *path = bs_path_join(folder, BS_STATE_FILE);
    fuzz_require(path && !symlink(file, path), "no link");
    free(path);
}

/* The smallest model there is. */
static const struct bs_model *make_model(void) {
    static const struct bs_model_config config = {.vocab_size = 2,
                                                  .hidden_size = 2,
                                                  .num_hidden_layers = 1,
                                                  .num_attention_heads = 1,
                                                  .intermediate_size = 1,
                                                  .max_position_embeddings = 2,
                                                  .type_vocab_size = 1,
                                                  .layer_norm_eps = 1e-12,
                                                  .num_labels = 2};
    static struct bs_device *device;
    static struct bs_model *model;
    struct bs_model_options options = {.training = true};
    struct bs_error error;
    if (!model)
        fuzz_done(!bs_device_open(&device, "ref", &error) &&
                  !bs_model_new(&model, device, &config, &options, &error));
    return model;
}

/* bs.json of a checkpoint, which must be JSON whatever the state says. */
static void describe(const struct bs_train_state *state) {
    struct bs_buffer text = {0};
    struct bs_span value;
    fuzz_done(bs_identity_json(bs_buffer_span(&state->identity), "fuzz", state->step,
                               bs_buffer_span(&state->rows), &text));
    struct bs_json json = {.at = text.data, .end = text.data + text.size};
    fuzz_require(bs_json_skip(&json, BS_JSON_DEPTH, &value), "bs.json is no JSON");
    text.size = 0;
    fuzz_done(bs_table_align(&text, bs_buffer_span(&state->rows)));
    bs_buffer_free(&text);
}

static void compare(const struct bs_train_state *state) {
    struct bs_train_settings settings = bs_train_defaults();
    struct bs_buffer lines = {0};
    char difference[400];
    fuzz_done(bs_train_settings_describe(&settings, &lines));
    (void)bs_identity_difference(bs_buffer_span(&state->identity), bs_buffer_span(&lines),
                                 difference, sizeof difference);
    bs_buffer_free(&lines);
}

static void open_state(void) {
    struct bs_error error;
    struct bs_train_state state = {0};
    struct bs_state_file *file;
    if (bs_state_file_open(&file, folder, &state, &error))
        return;
    describe(&state);
    compare(&state);
    (void)!bs_state_file_restore(file, make_model(), &error);
    bs_state_file_close(file);
    bs_train_state_free(&state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bs_span input = fuzz_begin(data, size);
    struct bs_buffer bytes = {0};
    bool whole = fuzz_choose(&input, 2);
    uint32_t crc = bs_crc32(0, input.data, input.size);
    fuzz_done(bs_buffer_append_span(&bytes, input) &&
              (whole || bs_buffer_append(&bytes, &crc, sizeof crc)));
    make_folder(fuzz_file(bs_buffer_span(&bytes)));
    open_state();
    bs_buffer_free(&bytes);
    return 0;
}
