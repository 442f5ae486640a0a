/* Bundles: written, opened, damaged and forged. */
#include "common/hash.h"
#include "model_help.h"
#include "store/bundle.h"

/* A model with F16 and BF16 tensors beside F32. */
static void make_mixed(struct model *model) {
    make_model(model, true);
    for (size_t i = 0; i < model->count; i++) {
        struct bs_tensor *tensor = &model->tensors[i];
        if (i % 3 == 0)
            continue;
        tensor->type = i % 3 == 1 ? BS_TENSOR_F16 : BS_TENSOR_BF16;
        tensor->bytes.size /= 2;
    }
}

/* Bits of halves of F32, of which no half is infinite or no number. */
static void make_finite(struct model *model) {
    uint16_t halves[2 * MAX_FLOATS];
    memcpy(halves, model->values, sizeof halves);
    for (int i = 0; i < 2 * MAX_FLOATS; i++)
        halves[i] &= 0xBBFF;
    memcpy(model->values, halves, sizeof halves);
}

static char *make_bundle(struct bs_model_files *base, const struct model *model) {
    struct bs_error error = {0};
    struct bs_model_writing *writing = NULL;
    struct bs_model_parts parts = parts_of(base, model);
    char *path = in_folder("x.bundle");
    if (bs_model_write_begin_bundle(&writing, path, &parts, &error) ||
        bs_model_write_commit(writing, &error))
        check(0, "a bundle is written: %s", error.text);
    return path;
}

static void test_bundle(void) {
    struct bs_error error = {0};
    struct model model;
    make_mixed(&model);
    make_finite(&model);
    char *path = save(&model, "mixed");
    struct bs_model_files *base = open_it(path, &error);
    char *bundle = make_bundle(base, &model);
    struct bs_model_files *files = open_it(bundle, &error);
    check(files && same_digest(base, files),
          "a bundle has the digest of its directory %s", error.text);
    check(files && !bs_model_files_verify(files, &error), "its checksums fit");
    const struct bs_tensor *tensor =
        files ? bs_tensors_find(bs_model_files_tensors(files), "classifier.weight")
              : NULL;
    check(tensor && tensor->type == BS_TENSOR_F32, "its tensors are F32");
    check(files && strcmp(bs_model_files_config(files)->labels[1], "up") == 0 &&
              bs_span_is(bs_model_files_tokenizer_file(files, BS_TOKENIZER_VOCABULARY),
                         vocabulary) &&
              !bs_model_files_tokenizer_file(files, BS_TOKENIZER_JSON).data &&
              bs_span_is(bs_model_files_bs_json(files), "{\"seed\": 1}\n"),
          "labels, tokenizer and bs.json are there");
    bs_model_files_close(files);
    bs_model_files_close(base);
    free(bundle);
    free(path);
}

/* Checksums tell nothing of weights that were damaged before. */
static void test_not_finite(void) {
    static const char *const names[] = {"embeddings.word_embeddings.weight",
                                        "encoder.layer.1.output.dense.weight",
                                        "classifier.bias"};
    for (size_t i = 0; i < 3; i++) {
        struct bs_error error = {0};
        struct model model;
        make_model(&model, true);
        struct bs_tensor *tensor = &model.tensors[place_of(&model, names[i])];
        uint32_t bits = i == 0 ? 0x7F800000 : 0xFFFFFFFF;
        memcpy((char *)tensor->bytes.data + tensor->bytes.size - sizeof bits, &bits,
               sizeof bits);
        char *path = save(&model, "damaged");
        struct bs_model_files *base = open_it(path, &error);
        check(base && bs_model_files_verify(base, &error) == BS_DATA &&
                  strstr(error.text, "damaged/model.safetensors: tensor ") &&
                  strstr(error.text, names[i]),
              "not finite: %s", error.text);
        char *bundle = make_bundle(base, &model);
        struct bs_model_files *files = open_it(bundle, &error);
        check(files && bs_model_files_verify(files, &error) == BS_DATA &&
                  strstr(error.text, "x.bundle: tensor ") && strstr(error.text, names[i]),
              "nor in a bundle: %s", error.text);
        bs_model_files_close(files);
        bs_model_files_close(base);
        free(bundle);
        free(path);
    }
}

/* Without the syncs of bs_file_write, which would take most of the test's time. */
static void overwrite(const char *path, struct bs_span bytes) {
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes.data, 1, bytes.size, file) != bytes.size || fclose(file))
        abort();
}

/* Every cut and every changed byte of a bundle is noticed, weights by verifying. */
static void test_damaged_bundle(void) {
    struct bs_error error = {0};
    struct model model;
    make_model(&model, true);
    char *path = save(&model, "base");
    struct bs_model_files *base = open_it(path, &error);
    char *bundle = make_bundle(base, &model);
    struct bs_buffer bytes = {0};
    if (bs_file_read(bundle, 1 << 20, &bytes, &error))
        abort();
    size_t noticed = 0, tried = 0;
    for (size_t i = 0; i < bytes.size; i += 1 + i % 5, tried++) {
        struct bs_model_files *files;
        bytes.data[i] ^= 0x10;
        overwrite(bundle, bs_buffer_span(&bytes));
        files = open_it(bundle, &error);
        noticed += !files || bs_model_files_verify(files, &error);
        bs_model_files_close(files);
        bytes.data[i] ^= 0x10;
    }
    /* Zeros between sections mean nothing. */
    check(noticed > tried - 120 && noticed <= tried, "%zu of %zu changed bytes noticed",
          noticed, tried);
    noticed = tried = 0;
    for (size_t size = bytes.size; size-- > 0; size -= size % 11, tried++) {
        struct bs_model_files *files;
        overwrite(bundle, bs_span(bytes.data, size));
        files = open_it(bundle, &error);
        noticed += !files && error.code == BS_DATA;
        bs_model_files_close(files);
    }
    check(noticed == tried && tried > 100, "%zu cuts of a bundle are refused", tried);
    bs_buffer_free(&bytes);
    bs_model_files_close(base);
    free(bundle);
    free(path);
}

/* Places in a bundle, as bundle.h gives them. */
enum { TABLE = 32, ENTRY = 128, OFFSET = 96, SIZE = 104, FILE_SIZE = 16, TABLE_CRC = 24 };

static const struct {
    const char *what;
    size_t at;
    uint64_t value;
    const char *expected;
} forgeries[] = {
    {"nothing", FILE_SIZE, 0, NULL},
    {"an offset beyond the end", TABLE + OFFSET, 1 << 30, "beyond the end"},
    {"an offset that overflows", TABLE + OFFSET, UINT64_MAX - 63, "beyond the end"},
    {"a size that overflows", TABLE + SIZE, UINT64_MAX - 63, "beyond the end"},
    {"a section in the table", TABLE + OFFSET, 64, "overlaps"},
    {"a section in another", TABLE + ENTRY + OFFSET, 576, "overlaps"},
    {"an odd offset", TABLE + ENTRY + OFFSET, 577 + 512, "overlaps or lies"},
    {"a name twice", TABLE + ENTRY, 0, "occurs twice"},
    {"no name", TABLE + ENTRY, 1, "has no name"},
    {"another file size", FILE_SIZE, 4, "truncated"},
    {"another version", 8, 2, "of version 2"},
    {"too many sections", 12, UINT32_MAX, "too long"},
};

static void forge(struct bs_buffer *bytes, size_t i) {
    uint32_t crc;
    size_t at = forgeries[i].at, n = 4; /* sections of the bundle */
    size_t width = at == 8 || at == 12 ? 4 : 8;
    if (strcmp(forgeries[i].what, "a name twice") == 0)
        memcpy(bytes->data + at, bytes->data + TABLE, 96);
    else if (strcmp(forgeries[i].what, "no name") == 0)
        bytes->data[at] = '\0';
    else if (forgeries[i].expected)
        memcpy(bytes->data + at, &forgeries[i].value, width);
    crc = bs_crc32(0, bytes->data + TABLE, n * ENTRY);
    memcpy(bytes->data + TABLE_CRC, &crc, sizeof crc);
    crc = bs_crc32(0, bytes->data, TABLE_CRC + 4);
    memcpy(bytes->data + TABLE_CRC + 4, &crc, sizeof crc);
}

static void test_forged_bundle(void) {
    struct bs_error error = {0};
    struct model model;
    make_model(&model, true);
    char *path = save(&model, "base");
    struct bs_model_files *base = open_it(path, &error);
    for (size_t i = 0; i < sizeof forgeries / sizeof forgeries[0]; i++) {
        struct bs_buffer bytes = {0};
        char *bundle = make_bundle(base, &model);
        if (bs_file_read(bundle, 1 << 20, &bytes, &error))
            abort();
        forge(&bytes, i);
        overwrite(bundle, bs_buffer_span(&bytes));
        struct bs_model_files *files = open_it(bundle, &error);
        if (!forgeries[i].expected)
            check(files != NULL, "checksums made anew are accepted %s", error.text);
        else
            check(!files && strstr(error.text, forgeries[i].expected), "%s: %s",
                  forgeries[i].what, error.text);
        bs_model_files_close(files);
        bs_buffer_free(&bytes);
        free(bundle);
    }
    bs_model_files_close(base);
    free(path);
}

/* What is small is checked at once, without asking. */
static void test_damaged_section(void) {
    struct bs_error error = {0};
    struct model model;
    make_model(&model, true);
    char *path = save(&model, "base");
    struct bs_model_files *base = open_it(path, &error);
    char *bundle = make_bundle(base, &model);
    struct bs_buffer bytes = {0};
    if (bs_file_read(bundle, 1 << 20, &bytes, &error))
        abort();
    char *place = memmem(bytes.data, bytes.size, "[CLS]", 5);
    place[1] = 'X';
    overwrite(bundle, bs_buffer_span(&bytes));
    check(!open_it(bundle, &error) && strstr(error.text, "section vocab.txt is damaged"),
          "damage seen when opening: %s", error.text);
    place[1] = 'C';
    if (!bs_buffer_append_byte(&bytes, 'x'))
        abort();
    overwrite(bundle, bs_buffer_span(&bytes));
    check(!open_it(bundle, &error) && strstr(error.text, "instead of"),
          "bytes behind the end: %s", error.text);
    bs_buffer_free(&bytes);
    bs_model_files_close(base);
    free(bundle);
    free(path);
}

int main(void) {
    help_begin();
    test_bundle();
    test_not_finite();
    test_damaged_bundle();
    test_forged_bundle();
    test_damaged_section();
    return help_end();
}
