/* config.json: BERT's numbers and labels, checked; and the same file for a new head. */
#include "store/config_json.h"

#include "common/utf8.h"
#include "store/json.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_LABELS = 65536 };

/* What is being read; `error` has the first refusal. */
struct reading {
    const json_t *json;
    const char *path;
    struct bs_error *error;
};

/* The defaults are those of the reference's BertConfig. The upper ends keep every
 * product of sizes within int64. */
static const struct {
    const char *key;
    size_t offset;
    int64_t fallback, min, max;
} integers[] = {
    {"vocab_size", offsetof(struct bs_model_config, vocab_size), 30522, 1, INT32_MAX},
    {"hidden_size", offsetof(struct bs_model_config, hidden_size), 768, 1, 65536},
    {"num_hidden_layers", offsetof(struct bs_model_config, num_hidden_layers), 12, 1,
     1024},
    {"num_attention_heads", offsetof(struct bs_model_config, num_attention_heads), 12, 1,
     65536},
    {"intermediate_size", offsetof(struct bs_model_config, intermediate_size), 3072, 1,
     1 << 20},
    {"max_position_embeddings", offsetof(struct bs_model_config, max_position_embeddings),
     512, 2, 1 << 24},
    {"type_vocab_size", offsetof(struct bs_model_config, type_vocab_size), 2, 1, 65536},
    {"pad_token_id", offsetof(struct bs_model_config, pad_token_id), 0, 0, INT32_MAX},
};

static const struct {
    const char *key;
    size_t offset;
    double fallback, min, max;
} reals[] = {
    {"layer_norm_eps", offsetof(struct bs_model_config, layer_norm_eps), 1e-12, 0, 1},
    {"hidden_dropout_prob", offsetof(struct bs_model_config, hidden_dropout_prob), 0.1, 0,
     1},
    {"attention_probs_dropout_prob",
     offsetof(struct bs_model_config, attention_probs_dropout_prob), 0.1, 0, 1},
    {"initializer_range", offsetof(struct bs_model_config, initializer_range), 0.02, 0,
     1e3},
};

/* NULL if the key is missing or null: both mean the default, but for "pad_token_id". */
static const json_t *value_of(const struct reading *reading, const char *key) {
    const json_t *value = json_object_get(reading->json, key);
    return json_is_null(value) ? NULL : value;
}

static int refuse_range(const struct reading *reading, const char *key, const char *what,
                        double min, double max) {
    return bs_fail(reading->error, BS_DATA, "%s: \"%s\" must be a %s from %.15g to %.15g",
                   reading->path, key, what, min, max);
}

static int read_integers(const struct reading *reading, struct bs_model_config *config) {
    for (size_t i = 0; i < sizeof integers / sizeof integers[0]; i++) {
        const json_t *value = value_of(reading, integers[i].key);
        int64_t number = value ? INT64_MIN : integers[i].fallback;
        if (json_is_integer(value))
            number = json_integer_value(value);
        if (number < integers[i].min || number > integers[i].max)
            return refuse_range(reading, integers[i].key,
                                "whole number without a decimal point",
                                (double)integers[i].min, (double)integers[i].max);
        memcpy((char *)config + integers[i].offset, &number, sizeof number);
    }
    return BS_OK;
}

static int read_real(const struct reading *reading, const char *key, double fallback,
                     double min, double max, double *number) {
    const json_t *value = value_of(reading, key);
    *number = value ? json_number_value(value) : fallback;
    if ((value && !json_is_number(value)) || !(*number >= min && *number <= max))
        return refuse_range(reading, key, "number", min, max);
    return BS_OK;
}

static int read_reals(const struct reading *reading, struct bs_model_config *config) {
    for (size_t i = 0; i < sizeof reals / sizeof reals[0]; i++) {
        double number;
        if (read_real(reading, reals[i].key, reals[i].fallback, reals[i].min,
                      reals[i].max, &number))
            return reading->error->code;
        memcpy((char *)config + reals[i].offset, &number, sizeof number);
    }
    return read_real(reading, "classifier_dropout", config->hidden_dropout_prob, 0, 1,
                     &config->classifier_dropout);
}

/* True if some architecture is called Bert...: configurations from before "model_type".
 */
static bool names_bert(const struct reading *reading) {
    const json_t *list = json_object_get(reading->json, "architectures");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (name && strncmp(name, "Bert", 4) == 0)
            return true;
    }
    return false;
}

static int check_model_type(const struct reading *reading) {
    const json_t *type = value_of(reading, "model_type");
    if (bs_json_is(type, "bert") || (!type && names_bert(reading)))
        return BS_OK;
    if (!type)
        return bs_fail(reading->error, BS_DATA,
                       "%s: no \"model_type\": not the configuration of a BERT model (if "
                       "it is one, add \"model_type\": \"bert\")",
                       reading->path);
    return bs_fail(reading->error, BS_DATA,
                   "%s: \"model_type\" is \"%.60s\": only \"bert\" can be used",
                   reading->path, json_is_string(type) ? json_string_value(type) : "?");
}

static int check_word(const struct reading *reading, const char *key, const char *word,
                      const char *remedy) {
    const json_t *value = value_of(reading, key);
    if (!value || bs_json_is(value, word))
        return BS_OK;
    return bs_fail(reading->error, BS_DATA,
                   "%s: \"%s\" is \"%.60s\": only \"%s\" can be used; %s", reading->path,
                   key, json_is_string(value) ? json_string_value(value) : "?", word,
                   remedy);
}

static int check_kind(const struct reading *reading) {
    if (check_model_type(reading) ||
        check_word(reading, "hidden_act", "gelu",
                   "choose a model with that activation") ||
        check_word(reading, "position_embedding_type", "absolute",
                   "choose a model with absolute positions"))
        return reading->error->code;
    if (json_is_true(value_of(reading, "is_decoder")) ||
        json_is_true(value_of(reading, "add_cross_attention")))
        return bs_fail(reading->error, BS_DATA,
                       "%s: \"is_decoder\" is true: only encoders can be used; choose a "
                       "model that was not made to generate text",
                       reading->path);
    return BS_OK;
}

/* Heads whose classifier means something else, though its tensors have the same names. */
static int check_architecture(const struct reading *reading) {
    static const char *const others[] = {
        "BertForTokenClassification", "BertForMultipleChoice", "BertForQuestionAnswering",
        "BertForNextSentencePrediction"};
    const json_t *list = json_object_get(reading->json, "architectures");
    for (size_t i = 0; i < json_array_size(list); i++)
        for (size_t j = 0; j < sizeof others / sizeof others[0]; j++)
            if (bs_json_is(json_array_get(list, i), others[j]))
                return bs_fail(reading->error, BS_DATA,
                               "%s: \"architectures\" has \"%s\": of classifiers only "
                               "BertForSequenceClassification can be used",
                               reading->path, others[j]);
    return BS_OK;
}

/* bs trains and runs heads that choose one of several labels. */
static int check_head(const struct reading *reading, int64_t num_labels) {
    const json_t *problem = value_of(reading, "problem_type");
    if (problem && !bs_json_is(problem, "single_label_classification"))
        return bs_fail(
            reading->error, BS_DATA,
            "%s: \"problem_type\" is \"%.60s\": only single_label_classification "
            "can be used; fine-tune a base model with bs-train instead",
            reading->path, json_is_string(problem) ? json_string_value(problem) : "?");
    if (num_labels == 1)
        return bs_fail(reading->error, BS_DATA,
                       "%s: the classifier has one label, so it is a regression, which "
                       "cannot be used; fine-tune a base model with bs-train instead",
                       reading->path);
    return BS_OK;
}

static int refuse_labels(const struct reading *reading, const char *reason) {
    return bs_fail(reading->error, BS_DATA, "%s: \"id2label\": %s", reading->path,
                   reason);
}

/* The name of label `index`; without "id2label" the reference's "LABEL_0", "LABEL_1". */
static int read_label(const struct reading *reading, const json_t *names, int64_t index,
                      char **label) {
    char key[32];
    snprintf(key, sizeof key, names ? "%lld" : "LABEL_%lld", (long long)index);
    const json_t *value = json_object_get(names, key);
    const char *name = names ? json_string_value(value) : key;
    if (value && !name)
        return refuse_labels(reading, "each label must be a string");
    if (!name)
        return refuse_labels(reading, "must name \"0\", \"1\", ... without a gap");
    *label = strdup(name);
    return *label ? BS_OK : bs_fail_memory(reading->error, strlen(name), reading->path);
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Two labels of one name could not be told apart in any output. */
static int check_labels(const struct reading *reading,
                        const struct bs_model_config *config) {
    size_t count = (size_t)config->num_labels;
    char **sorted = bs_alloc(count, sizeof *sorted);
    if (!sorted)
        return bs_fail_memory(reading->error, count * sizeof *sorted, reading->path);
    memcpy(sorted, config->labels, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_text);
    int code = BS_OK;
    if (sorted[0][0] == '\0')
        code = refuse_labels(reading, "a label is empty");
    for (size_t i = 1; !code && i < count; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            code = refuse_labels(reading, "two labels have the same name");
    free(sorted);
    return code;
}

static int read_labels(const struct reading *reading, struct bs_model_config *config) {
    const json_t *names = value_of(reading, "id2label");
    const json_t *number = value_of(reading, "num_labels");
    int64_t count = json_is_integer(number) ? json_integer_value(number) : 2;
    if (names && !json_is_object(names))
        return refuse_labels(reading, "not an object");
    if (names)
        count = (int64_t)json_object_size(names);
    if (count < 1 || count > MAX_LABELS)
        return bs_fail(reading->error, BS_DATA, "%s: must have from 2 to %d labels",
                       reading->path, MAX_LABELS);
    if (check_head(reading, count))
        return reading->error->code;
    config->labels = bs_alloc((size_t)count, sizeof *config->labels);
    if (!config->labels)
        return bs_fail_memory(reading->error, (size_t)count, reading->path);
    for (int64_t i = 0; i < count; i++) {
        if (read_label(reading, names, i, &config->labels[i]))
            return reading->error->code;
        config->num_labels = i + 1;
    }
    return check_labels(reading, config);
}

static int read_all(const struct reading *reading, bool has_classifier,
                    struct bs_model_config *config) {
    if (check_kind(reading) || read_integers(reading, config) ||
        read_reals(reading, config))
        return reading->error->code;
    if (json_is_null(json_object_get(reading->json, "pad_token_id")))
        config->pad_token_id = -1;
    if (config->hidden_size % config->num_attention_heads != 0)
        return bs_fail(reading->error, BS_DATA,
                       "%s: \"hidden_size\" (%lld) is no multiple of "
                       "\"num_attention_heads\" (%lld)",
                       reading->path, (long long)config->hidden_size,
                       (long long)config->num_attention_heads);
    if (!has_classifier)
        return BS_OK;
    return check_architecture(reading) ? reading->error->code
                                       : read_labels(reading, config);
}

int bs_config_parse(struct bs_model_config *config, struct bs_span json,
                    bool has_classifier, const char *path, struct bs_error *error) {
    *config = (struct bs_model_config){0};
    json_t *object;
    if (bs_json_object(&object, json, path, error))
        return error->code;
    struct reading reading = {object, path, error};
    int code = read_all(&reading, has_classifier, config);
    json_decref(object);
    if (code)
        bs_model_config_free(config);
    return code;
}

int bs_model_config_copy(struct bs_model_config *copy, const struct bs_model_config *base,
                         const char *const *labels, int64_t n_labels,
                         struct bs_error *error) {
    *copy = *base;
    copy->num_labels = n_labels;
    copy->labels = NULL;
    if (n_labels == 0)
        return BS_OK;
    copy->labels = bs_names_copy(labels, (size_t)n_labels);
    if (copy->labels)
        return BS_OK;
    copy->num_labels = 0;
    return bs_fail_memory(error, (size_t)n_labels * sizeof *copy->labels, "labels");
}

void bs_model_config_free(struct bs_model_config *config) {
    bs_names_free(config->labels, (size_t)config->num_labels);
    config->labels = NULL;
    config->num_labels = 0;
}

static bool labels_are_text(const struct bs_model_config *config) {
    for (int64_t i = 0; i < config->num_labels; i++)
        if (!bs_utf8_valid(bs_span_of(config->labels[i])))
            return false;
    return true;
}

static int set_labels(json_t *json, const struct bs_model_config *config) {
    json_t *names = json_object();
    json_t *numbers = json_object();
    int failed = 0;
    for (int64_t i = 0; i < config->num_labels; i++) {
        char key[32];
        snprintf(key, sizeof key, "%lld", (long long)i);
        failed |= json_object_set_new(names, key, json_string(config->labels[i]));
        failed |= json_object_set_new(numbers, config->labels[i], json_integer(i));
    }
    failed |= json_object_set_new(json, "id2label", names);
    failed |= json_object_set_new(json, "label2id", numbers);
    return failed;
}

static int set_all(json_t *json, const struct bs_model_config *config,
                   const char *float_type) {
    int failed = 0;
    static const char *const type_keys[] = {"torch_dtype", "dtype"};
    for (size_t i = 0; i < 2; i++)
        if (json_object_get(json, type_keys[i]))
            failed |= json_object_set_new(json, type_keys[i], json_string(float_type));
    failed |= json_object_set_new(json, "architectures",
                                  json_pack("[s]", config->num_labels > 0
                                                       ? "BertForSequenceClassification"
                                                       : "BertModel"));
    if (config->num_labels == 0)
        return failed;
    failed |= json_object_set_new(json, "problem_type",
                                  json_string("single_label_classification"));
    /* Both would contradict id2label. */
    (void)json_object_del(json, "num_labels");
    (void)json_object_del(json, "_num_labels");
    return failed | set_labels(json, config);
}

static int append_json(const char *text, size_t size, void *out) {
    return bs_buffer_append(out, text, size) ? 0 : -1;
}

static int print(const json_t *json, int precision, struct bs_buffer *out) {
    size_t flags = JSON_INDENT(2) | JSON_REAL_PRECISION((size_t)precision);
    out->size = 0;
    return json_dump_callback(json, append_json, out, flags);
}

/* Numbers keep their value, and 0.1 its look: 15 digits unless some number needs 17. */
static int print_exactly(const json_t *json, struct bs_buffer *out) {
    struct bs_error ignored;
    json_t *again;
    if (print(json, 15, out))
        return -1;
    if (bs_json_object(&again, bs_buffer_span(out), "config.json", &ignored))
        return -1;
    bool same = json_equal(json, again);
    json_decref(again);
    return same ? 0 : print(json, 17, out);
}

int bs_config_write(const struct bs_model_config *config, struct bs_span base_json,
                    const char *float_type, struct bs_buffer *out,
                    struct bs_error *error) {
    json_t *json;
    if (bs_json_object(&json, base_json, "config.json", error))
        return error->code;
    int code = BS_OK;
    if (!labels_are_text(config))
        code = bs_fail(error, BS_DATA, "config.json: a label is not valid UTF-8");
    else if (set_all(json, config, float_type) || print_exactly(json, out) ||
             !bs_buffer_append_byte(out, '\n'))
        code = bs_fail_memory(error, base_json.size, "config.json");
    json_decref(json);
    return code;
}
