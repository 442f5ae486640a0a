/* Safetensors: round trip, hostile headers, conversion, a real file. */
#include "common/file.h"
#include "store/quantize.h"
#include "store/tensors.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

static const char minilm[] = "models/all-minilm-l6-v2/model.safetensors";

/* A file with that header and `size` bytes 0, 1, 2, ... of data. */
static struct bs_buffer make_file(const char *header, size_t size) {
    struct bs_buffer file = {0};
    uint64_t length = strlen(header);
    bool fine = bs_buffer_append(&file, &length, sizeof length) &&
                bs_buffer_append(&file, header, length);
    for (size_t i = 0; i < size; i++)
        fine = fine && bs_buffer_append_byte(&file, (char)i);
    if (!fine)
        abort();
    return file;
}

static const struct {
    const char *header;
    size_t size;
    const char *expected; /* in the message; NULL: accepted */
} headers[] = {
    {"{}", 0, NULL},
    {"{}   ", 0, NULL},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, NULL},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4, NULL},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[0,5],\"data_offsets\":[0,0]}}", 0, NULL},
    {"{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[3],\"data_offsets\":[0,3]}}", 3, NULL},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,2],\"data_offsets\":[0,2]}}", 2, NULL},
    {"{\"__metadata__\":{\"x\":\"y\"}}", 0, NULL},
    {"[]", 0, "does not begin with \"{\""},
    {" {}", 0, "does not begin with \"{\""},
    {"", 0, "does not begin with \"{\""},
    {"{", 0, "not valid JSON"},
    {"{} {}", 0, "not valid JSON"},
    {"{\"a\":1}", 0, "not an object"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
     "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
     4, "not valid JSON"},
    {"{\"a\":{\"dtype\":\"F31\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
     "unknown dtype \"F31\""},
    {"{\"a\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "unknown dtype"},
    {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "unknown dtype"},
    {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "no \"shape\""},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "\"data_offsets\" must be"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "must be two"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4.0]}}", 4,
     "must be two"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "\"shape\""},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", 4,
     "\"shape\""},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4,
     "not as many"},
    {"{\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8,
     "not as many"},
    {"{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,1]}}", 1, "not as many"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", 8,
     "beyond the end"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4,
     "run backwards"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4,
     "run backwards"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}"
     "}",
     0, "overflows"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}}",
     0, "not as many"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,0]}"
     "}",
     0, "not valid JSON"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 8,
     "4 bytes belong to no tensor"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 5,
     "1 byte belongs to no tensor"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8,
     "a hole before it"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
     "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
     4, "overlaps"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
     "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
     12, "overlaps"},
};

static void test_headers(void) {
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        struct bs_error error = {0};
        struct bs_tensors *tensors = NULL;
        struct bs_buffer file = make_file(headers[i].header, headers[i].size);
        int code = bs_tensors_parse(&tensors, bs_buffer_span(&file), "x", &error);
        if (!headers[i].expected)
            check(code == BS_OK, "accepts %s", headers[i].header);
        else
            check(code == BS_DATA && strstr(error.text, headers[i].expected),
                  "refuses %s: %s", headers[i].header, error.text);
        bs_tensors_close(tensors);
        bs_buffer_free(&file);
    }
}

static void test_sizes(void) {
    struct bs_error error = {0};
    struct bs_tensors *tensors;
    uint64_t sizes[] = {UINT64_MAX, INT64_MAX, 100000001, 4};
    bool refused = true;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char file[11] = "";
        memcpy(file, &sizes[i], 8);
        refused = refused &&
                  bs_tensors_parse(&tensors, bs_span(file, 11), "x", &error) == BS_DATA;
    }
    check(refused, "headers longer than the file or the limit are refused");
}

/* Deep nesting must not run out of stack. */
static void test_depth(void) {
    struct bs_error error = {0};
    struct bs_tensors *tensors;
    struct bs_buffer header = {0};
    bool fine = bs_buffer_printf(&header, "{\"a\":");
    for (int i = 0; i < 1000000; i++)
        fine = fine && bs_buffer_append_byte(&header, '[');
    fine = fine && bs_buffer_append_byte(&header, '\0');
    struct bs_buffer file = make_file(header.data, 0);
    int code = bs_tensors_parse(&tensors, bs_buffer_span(&file), "x", &error);
    check(fine && code == BS_DATA, "a million open brackets: %.80s", error.text);
    bs_buffer_free(&header);
    bs_buffer_free(&file);
}

static struct bs_tensor tensor_of(const char *name, enum bs_tensor_type type,
                                  int64_t rows, int64_t columns, const void *data,
                                  size_t size) {
    return (struct bs_tensor){.name = name,
                              .type = type,
                              .n_dimensions = 2,
                              .shape = {rows, columns},
                              .bytes = bs_span(data, size)};
}

static bool same_tensor(const struct bs_tensors *tensors,
                        const struct bs_tensor *wanted) {
    const struct bs_tensor *found = bs_tensors_find(tensors, wanted->name);
    return found && found->type == wanted->type && found->n_dimensions == 2 &&
           found->shape[0] == wanted->shape[0] && found->shape[1] == wanted->shape[1] &&
           bs_span_equal(found->bytes, wanted->bytes);
}

static void test_round_trip(const char *path) {
    static const char bytes[48] = "any forty-eight bytes will do for these tensors";
    struct bs_tensor list[] = {
        tensor_of("z", BS_TENSOR_F32, 3, 4, bytes, 48),
        tensor_of("half", BS_TENSOR_F16, 1, 5, bytes + 1, 10),
        tensor_of("brain", BS_TENSOR_BF16, 2, 2, bytes + 3, 8),
        tensor_of("a \"quoted\" n\303\244me", BS_TENSOR_F32, 1, 1, bytes + 5, 4),
        tensor_of("numbers", BS_TENSOR_I64, 1, 2, bytes + 7, 16),
        tensor_of("bytes", BS_TENSOR_U8, 1, 3, bytes + 9, 3),
        tensor_of("none", BS_TENSOR_I32, 0, 3, bytes, 0),
    };
    size_t count = sizeof list / sizeof list[0];
    struct bs_error error = {0};
    struct bs_tensors *tensors = NULL;
    int code = bs_tensors_write(path, list, count, &error) ||
               bs_tensors_open(&tensors, path, &error);
    if (!check(code == BS_OK, "a file is written and read %s", error.text))
        return;
    bool same = bs_tensors_count(tensors) == count;
    for (size_t i = 0; i < count; i++)
        same = same && same_tensor(tensors, &list[i]);
    check(same, "names, types, shapes and bytes survive");
    const char *wide = bs_tensors_find(tensors, "numbers")->bytes.data;
    const char *narrow = bs_tensors_find(tensors, "half")->bytes.data;
    check(wide < bs_tensors_find(tensors, "z")->bytes.data &&
              narrow > bs_tensors_find(tensors, "z")->bytes.data,
          "wide types come first, so all are aligned");
    check(!bs_tensors_find(tensors, "__metadata__") && !bs_tensors_find(tensors, "zz"),
          "what is not a tensor is not found");
    uint64_t size;
    struct bs_buffer file = {0};
    code = bs_file_read(path, 1 << 20, &file, &error);
    memcpy(&size, file.data, sizeof size);
    check(!code && size % 8 == 0 && strncmp(file.data + 8, "{\"__metadata__\":", 16) == 0,
          "data begins at a multiple of 8, metadata come first");
    bs_buffer_free(&file);
    bs_tensors_close(tensors);
}

static void test_refused_writes(const char *path) {
    struct bs_error error = {0};
    struct bs_tensor twice[] = {tensor_of("a", BS_TENSOR_U8, 1, 1, "x", 1),
                                tensor_of("a", BS_TENSOR_U8, 1, 1, "y", 1)};
    struct bs_tensor lying = tensor_of("a", BS_TENSOR_F32, 1, 2, "1234", 4);
    struct bs_tensor other = tensor_of("a", BS_TENSOR_OTHER, 1, 4, "1234", 4);
    unlink(path);
    check(bs_tensors_write(path, twice, 2, &error) == BS_DATA &&
              strstr(error.text, "occurs twice"),
          "two tensors of one name are not written");
    check(bs_tensors_write(path, &lying, 1, &error) == BS_DATA &&
              bs_tensors_write(path, &other, 1, &error) == BS_DATA,
          "nor one whose shape lies, nor one of unknown type");
    check(!bs_file_exists(path), "and nothing is left");
    check(bs_tensors_write("/dev/full/x", twice, 1, &error) == BS_RESOURCE,
          "an output that cannot be written: %s", error.text);
}

/* Every cut of a whole file is refused, none is read beyond its end. */
static void test_truncated(void) {
    struct bs_buffer file =
        make_file("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                  "\"b\":{\"dtype\":\"F16\",\"shape\":[2,2],\"data_offsets\":[8,16]}}",
                  16);
    struct bs_error error = {0};
    struct bs_tensors *tensors = NULL;
    size_t refused = 0;
    for (size_t size = 0; size < file.size; size++) {
        char *cut = malloc(size + 1); /* its own block: sanitizers see every overrun */
        memcpy(cut, file.data, size);
        refused +=
            bs_tensors_parse(&tensors, bs_span(cut, size), "cut", &error) == BS_DATA;
        free(cut);
    }
    check(refused == file.size, "all %zu cuts of a file are refused", file.size);
    check(bs_tensors_parse(&tensors, bs_buffer_span(&file), "whole", &error) == BS_OK,
          "the whole is not");
    bs_tensors_close(tensors);
    bs_buffer_free(&file);
}

/* Every changed byte of the header gives an error or tensors within the file. */
static void test_flipped(void) {
    struct bs_buffer file =
        make_file("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
    struct bs_error error = {0};
    bool inside = true;
    int refused = 0;
    for (size_t i = 0; i < file.size - 8; i++) {
        for (int bit = 0; bit < 8; bit++) {
            struct bs_tensors *tensors = NULL;
            file.data[i] ^= (char)(1 << bit);
            if (bs_tensors_parse(&tensors, bs_buffer_span(&file), "x", &error)) {
                refused++;
            } else {
                for (size_t k = 0; k < bs_tensors_count(tensors); k++)
                    inside = inside && bs_tensors_get(tensors, k)->bytes.size == 8;
                bs_tensors_close(tensors);
            }
            file.data[i] ^= (char)(1 << bit);
        }
    }
    check(inside && refused > 300, "changed bits: %d refused, the rest inside", refused);
    bs_buffer_free(&file);
}

static float half_by_definition(unsigned half) {
    int exponent = (int)(half >> 10 & 31), fraction = (int)(half & 1023);
    double value =
        exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
    if (exponent == 31)
        value = fraction ? (double)NAN : (double)INFINITY;
    return (float)(half & 0x8000 ? -value : value);
}

static void test_conversion(void) {
    static uint16_t halves[65536];
    static float out[65536];
    for (int i = 0; i < 65536; i++)
        halves[i] = (uint16_t)i;
    struct bs_tensor tensor =
        tensor_of("h", BS_TENSOR_F16, 256, 256, halves, sizeof halves);
    bool fine = bs_tensor_to_float(&tensor, 0, 65536, out);
    for (unsigned i = 0; i < 65536; i++) {
        float wanted = half_by_definition(i);
        fine = fine &&
               (isnan(wanted) ? isnan(out[i])
                              : out[i] == wanted && signbit(out[i]) == signbit(wanted));
    }
    check(fine, "every F16 is converted exactly");
    tensor.type = BS_TENSOR_BF16;
    fine = bs_tensor_to_float(&tensor, 0, 65536, out);
    for (uint32_t i = 0; i < 65536; i++) {
        uint32_t bits;
        memcpy(&bits, &out[i], sizeof bits);
        fine = fine && bits == i << 16;
    }
    check(fine, "every BF16 is converted exactly");
}

static void test_ranges(void) {
    char bytes[13];
    float values[3] = {1.5f, -2.25f, 3e-39f}, out[3] = {0};
    memcpy(bytes + 1, values, sizeof values);
    struct bs_tensor tensor = tensor_of("f", BS_TENSOR_F32, 1, 3, bytes + 1, 12);
    check(bs_tensor_to_float(&tensor, 0, 3, out) && memcmp(out, values, 12) == 0,
          "F32 at an odd address");
    check(bs_tensor_to_float(&tensor, 2, 1, out) && out[0] == values[2],
          "the last alone");
    check(!bs_tensor_to_float(&tensor, 2, 2, out) &&
              !bs_tensor_to_float(&tensor, -1, 1, out) &&
              !bs_tensor_to_float(&tensor, 0, -1, out) &&
              !bs_tensor_to_float(&tensor, INT64_MAX, 1, out) &&
              !bs_tensor_to_float(&tensor, 1, INT64_MAX, out),
          "ranges beyond the tensor are refused");
    tensor.type = BS_TENSOR_I32;
    check(!bs_tensor_to_float(&tensor, 0, 1, out), "whole numbers are refused");
}

/* [2, 3] of int8, whose bytes are 0 to 5, and what follows it. */
static bool int8_reads(const char *scales, size_t size, float out[6]) {
    char header[512];
    snprintf(header, sizeof header,
             "{\"w\":{\"dtype\":\"I8\",\"shape\":[2,3],\"data_offsets\":[0,6]}%s}",
             scales);
    struct bs_buffer file = make_file(header, size);
    struct bs_tensors *tensors;
    struct bs_error error;
    float factors[2] = {0.5F, -2};
    memcpy(file.data + file.size - sizeof factors, factors, sizeof factors);
    bool reads = false;
    if (!bs_tensors_parse(&tensors, bs_buffer_span(&file), "file", &error)) {
        reads = bs_tensor_to_float(bs_tensors_find(tensors, "w"), 0, 6, out);
        bs_tensors_close(tensors);
    }
    bs_buffer_free(&file);
    return reads;
}

static void test_int8(void) {
    float out[6] = {0}, wanted[6] = {0, 0.5F, 1, -6, -8, -10};
    check(int8_reads(",\"w_scale\":{\"dtype\":\"F32\",\"shape\":[2],"
                     "\"data_offsets\":[6,14]}",
                     14, out) &&
              !memcmp(out, wanted, sizeof out),
          "int8 is multiplied by the scale of its row");
    check(!int8_reads(",\"x_scale\":{\"dtype\":\"F32\",\"shape\":[2],"
                      "\"data_offsets\":[6,14]}",
                      14, out),
          "without scales of its own it is not read");
    check(!int8_reads(",\"w_scale\":{\"dtype\":\"F32\",\"shape\":[2,1],"
                      "\"data_offsets\":[6,14]}",
                      14, out) &&
              !int8_reads(",\"w_scale\":{\"dtype\":\"I32\",\"shape\":[2],"
                          "\"data_offsets\":[6,14]}",
                          14, out) &&
              !int8_reads(",\"w_scale\":{\"dtype\":\"F32\",\"shape\":[3],"
                          "\"data_offsets\":[6,18]}",
                          18, out),
          "nor with scales of another shape or type");
}

static void test_quantize(void) {
    float matrix[2][3] = {{1, -0.25F, 0.125F}, {0, 0, 0}}, words[1][2] = {{3, 0.1F}};
    struct bs_tensor tensors[] = {
        {.name = "layer.weight",
         .n_dimensions = 2,
         .shape = {2, 3},
         .bytes = bs_span((const char *)matrix, sizeof matrix)},
        {.name = "embeddings.word.weight",
         .n_dimensions = 2,
         .shape = {1, 2},
         .bytes = bs_span((const char *)words, sizeof words)},
        {.name = "layer.bias",
         .n_dimensions = 1,
         .shape = {2},
         .bytes = bs_span((const char *)words, sizeof words)},
    };
    static const int8_t numbers[] = {127, -32, 16, 0, 0, 0};
    struct bs_quantized *quantized;
    struct bs_error error;
    size_t count = 0;
    const struct bs_tensor *list = NULL;
    float scales[2] = {0};
    int code = bs_quantized_new(&quantized, tensors, 3, &error);
    if (!code)
        list = bs_quantized_list(quantized, &count);
    check(!code && count == 4 && list[0].type == BS_TENSOR_I8 &&
              !memcmp(list[0].bytes.data, numbers, sizeof numbers) &&
              !strcmp(list[1].name, "layer.weight_scale"),
          "a matrix becomes whole numbers");
    if (count > 1)
        memcpy(scales, list[1].bytes.data, sizeof scales);
    check(scales[0] == 1.0F / 127 && scales[1] == 1, "and scales, 1 for zeros");
    check(count == 4 && list[2].type == BS_TENSOR_F16 && list[2].bytes.size == 4 &&
              list[3].type == BS_TENSOR_F32 && list[3].bytes.data == (const char *)words,
          "embeddings are shortened, vectors stay");
    bs_quantized_free(quantized);
    matrix[1][1] = NAN;
    check(bs_quantized_new(&quantized, tensors, 3, &error) == BS_DATA &&
              strstr(error.text, "not finite"),
          "what is not finite is refused: %s", error.text);
    matrix[1][1] = 0;
    words[0][0] = 1e6F;
    check(!bs_quantized_new(&quantized, tensors, 3, &error) &&
              bs_quantized_list(quantized, &count)[2].type == BS_TENSOR_F32,
          "embeddings too large for fp16 stay");
    bs_quantized_free(quantized);
    tensors[0].bytes.size = 0;
    tensors[0].shape[0] = 0;
    tensors[0].shape[1] = (int64_t)1 << 50;
    code = bs_quantized_new(&quantized, tensors, 1, &error);
    check(!code && bs_quantized_list(quantized, &count)[0].type == BS_TENSOR_F32,
          "an empty matrix stays, however wide");
    if (!code)
        bs_quantized_free(quantized);
}

static void test_real_file(const char *path) {
    struct bs_error error = {0};
    struct bs_tensors *tensors = NULL, *again = NULL;
    if (!bs_file_exists(minilm)) {
        skip("%s is not there (make model)", minilm);
        return;
    }
    if (!check(bs_tensors_open(&tensors, minilm, &error) == BS_OK, "reads %s %s", minilm,
               error.text))
        return;
    const struct bs_tensor *words =
        bs_tensors_find(tensors, "embeddings.word_embeddings.weight");
    check(bs_tensors_count(tensors) == 104 && words && words->shape[0] == 30522 &&
              words->shape[1] == 384,
          "104 tensors, embeddings of 30522 x 384");
    size_t count = bs_tensors_count(tensors);
    int code = bs_tensors_write(path, bs_tensors_get(tensors, 0), count, &error) ||
               bs_tensors_open(&again, path, &error);
    bool same = !code && bs_tensors_count(again) == count;
    for (size_t i = 0; same && i < count; i++)
        same = bs_span_equal(bs_tensors_get(tensors, i)->bytes,
                             bs_tensors_get(again, i)->bytes);
    check(same, "written again, all bytes are equal");
    bs_tensors_close(tensors);
    bs_tensors_close(again);
}

/* Memory that is the process's, in bytes. */
static int64_t resident(void) {
    long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*d %lld", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

static double sum_of(const struct bs_tensor *tensor, float *values) {
    double sum = 0;
    if (!bs_tensor_to_float(tensor, 0, bs_tensor_elements(tensor), values))
        return -1;
    for (int64_t i = 0; i < bs_tensor_elements(tensor); i++)
        sum += (double)values[i];
    return sum;
}

/* Of a mapped file the memory goes and the values stay; of other memory both stay. */
static void test_forget(const char *path) {
    enum { ROWS = 1024, COLUMNS = 2048, BYTES = ROWS * COLUMNS * 4 };
    struct bs_error error = {0};
    struct bs_tensors *tensors[2] = {0};
    struct bs_buffer file = {0};
    float *values = malloc(BYTES);
    for (int i = 0; i < ROWS * COLUMNS; i++)
        values[i] = (float)(i % 1000);
    struct bs_tensor made = tensor_of("x", BS_TENSOR_F32, ROWS, COLUMNS, values, BYTES);
    int code = bs_tensors_write(path, &made, 1, &error) ||
               bs_tensors_open(&tensors[0], path, &error) ||
               bs_file_read(path, 2 * BYTES, &file, &error) ||
               bs_tensors_parse(&tensors[1], bs_buffer_span(&file), "x", &error);
    for (int i = 0; i < 2 && check(code == BS_OK, "tensors to forget %s", error.text);
         i++) {
        const struct bs_tensor *tensor = bs_tensors_get(tensors[i], 0);
        double sum = sum_of(tensor, values);
        int64_t before = resident();
        bs_tensors_forget(tensors[i], tensor);
        int64_t given_back = before - resident();
        check(i == 0 ? given_back > BYTES / 2 : given_back < BYTES / 2,
              "%s memory: %lld bytes given back", i ? "own" : "mapped",
              (long long)given_back);
        check(sum > 0 && sum_of(tensor, values) == sum, "the same values again");
    }
    bs_tensors_close(tensors[0]);
    bs_tensors_close(tensors[1]);
    bs_buffer_free(&file);
    free(values);
}

int main(void) {
    char folder[] = "/tmp/test_store_tensors.XXXXXX";
    struct bs_error error;
    if (!mkdtemp(folder))
        return 1;
    char *path = bs_path_join(folder, "x.safetensors");
    test_headers();
    test_sizes();
    test_depth();
    test_round_trip(path);
    test_refused_writes(path);
    test_truncated();
    test_flipped();
    test_conversion();
    test_ranges();
    test_int8();
    test_quantize();
    test_real_file(path);
    test_forget(path);
    free(path);
    if (bs_remove_tree(folder, &error))
        return 1;
    return tap_end();
}
