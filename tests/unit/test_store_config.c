/* config.json: what is read, what is refused with which remedy, what is written. */
#include "store/config_json.h"
#include "store/json.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>

#define BERT "\"model_type\":\"bert\""
#define TWO  "\"id2label\":{\"1\":\"up\",\"0\":\"down\"}"

static const struct {
    const char *json;
    const char *expected; /* in the message */
} refused[] = {
    {"", "not valid JSON"},
    {"[]", "not a JSON object"},
    {"{" BERT, "not valid JSON"},
    {"{" BERT "," BERT "}", "not valid JSON"},
    {"{}", "no \"model_type\""},
    {"{\"architectures\":[\"GPT2LMHeadModel\"]}", "no \"model_type\""},
    {"{\"model_type\":\"roberta\"}", "\"model_type\" is \"roberta\""},
    {"{\"model_type\":\"distilbert\"}", "only \"bert\" can be used"},
    {"{\"model_type\":3}", "\"model_type\""},
    {"{" BERT ",\"hidden_act\":\"relu\"}", "\"hidden_act\" is \"relu\""},
    {"{" BERT ",\"hidden_act\":\"gelu_new\"}", "only \"gelu\" can be used"},
    {"{" BERT ",\"position_embedding_type\":\"relative_key\"}",
     "\"position_embedding_type\" is \"relative_key\""},
    {"{" BERT ",\"is_decoder\":true}", "only encoders"},
    {"{" BERT ",\"hidden_size\":100,\"num_attention_heads\":12}", "no multiple"},
    {"{" BERT ",\"hidden_size\":0}",
     "\"hidden_size\" must be a whole number without a decimal point from 1 to 65536"},
    {"{" BERT ",\"hidden_size\":-768}", "\"hidden_size\" must be"},
    {"{" BERT ",\"hidden_size\":768.0}", "\"hidden_size\" must be"},
    {"{" BERT ",\"hidden_size\":\"768\"}", "\"hidden_size\" must be"},
    {"{" BERT ",\"hidden_size\":9223372036854775807}", "\"hidden_size\" must be"},
    {"{" BERT ",\"vocab_size\":9223372036854775807}", "\"vocab_size\" must be"},
    {"{" BERT ",\"num_hidden_layers\":1000000000}", "\"num_hidden_layers\" must be"},
    {"{" BERT ",\"num_attention_heads\":0}", "\"num_attention_heads\" must be"},
    {"{" BERT ",\"pad_token_id\":-1}", "\"pad_token_id\" must be"},
    {"{" BERT ",\"layer_norm_eps\":-1}", "\"layer_norm_eps\" must be"},
    {"{" BERT ",\"hidden_dropout_prob\":1.5}", "\"hidden_dropout_prob\" must be"},
    {"{" BERT ",\"classifier_dropout\":\"no\"}", "\"classifier_dropout\" must be"},
    {"{" BERT "," TWO ",\"problem_type\":\"multi_label_classification\"}",
     "\"multi_label_classification\": only single_label_classification"},
    {"{" BERT "," TWO ",\"problem_type\":\"regression\"}", "\"regression\""},
    {"{" BERT ",\"id2label\":{\"0\":\"score\"}}", "it is a regression"},
    {"{" BERT ",\"num_labels\":1}", "it is a regression"},
    {"{" BERT ",\"num_labels\":100000}", "must have from 2"},
    {"{" BERT ",\"id2label\":{}}", "must have from 2"},
    {"{" BERT ",\"id2label\":[\"a\",\"b\"]}", "not an object"},
    {"{" BERT ",\"id2label\":{\"1\":\"a\",\"2\":\"b\"}}", "without a gap"},
    {"{" BERT ",\"id2label\":{\"0\":\"a\",\"1\":7}}", "each label must be a string"},
    {"{" BERT ",\"id2label\":{\"0\":null,\"1\":\"a\"}}", "each label must be a string"},
    {"{\"architectures\":[\"BertForTokenClassification\"]," TWO "}",
     "\"architectures\" has \"BertForTokenClassification\": of classifiers only "
     "BertForSequenceClassification can be used"},
    {"{" BERT ",\"architectures\":[\"X\",\"BertForMultipleChoice\"]," TWO "}",
     "\"BertForMultipleChoice\""},
    {"{" BERT ",\"id2label\":{\"0\":\"a\",\"1\":\"a\"}}", "the same name"},
    {"{" BERT ",\"id2label\":{\"0\":\"a\",\"1\":\"\"}}", "is empty"},
};

static void test_refused(void) {
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct bs_error error = {0};
        struct bs_model_config config;
        int code = bs_config_parse(&config, bs_span_of(refused[i].json), true,
                                   "config.json", &error);
        check(code == BS_DATA && strstr(error.text, refused[i].expected) &&
                  config.labels == NULL,
              "refuses %s: %s", refused[i].json, error.text);
    }
}

static void test_defaults(void) {
    struct bs_error error = {0};
    struct bs_model_config c;
    int code = bs_config_parse(
        &c, bs_span_of("{\"architectures\":[\"BertForMaskedLM\"]}"), false, "x", &error);
    check(!code && c.vocab_size == 30522 && c.hidden_size == 768 &&
              c.num_hidden_layers == 12 && c.num_attention_heads == 12 &&
              c.intermediate_size == 3072 && c.max_position_embeddings == 512 &&
              c.type_vocab_size == 2 && c.pad_token_id == 0,
          "an old BERT without \"model_type\" has the reference's sizes");
    check(c.layer_norm_eps == 1e-12 && c.hidden_dropout_prob == 0.1 &&
              c.attention_probs_dropout_prob == 0.1 && c.classifier_dropout == 0.1 &&
              c.initializer_range == 0.02,
          "and rates");
    check(c.num_labels == 0 && !c.labels, "no classifier, no labels");
    bs_model_config_free(&c);
}

static void test_padding(void) {
    static const struct {
        const char *json;
        int64_t id;
    } read[] = {{"{" BERT ",\"pad_token_id\":null}", -1},
                {"{" BERT ",\"pad_token_id\":7}", 7},
                {"{" BERT ",\"pad_token_id\":30522}", 30522}};
    for (size_t i = 0; i < sizeof read / sizeof *read; i++) {
        struct bs_error error = {0};
        struct bs_model_config c;
        int code = bs_config_parse(&c, bs_span_of(read[i].json), false, "x", &error);
        check(!code && c.pad_token_id == read[i].id, "%s", read[i].json);
        bs_model_config_free(&c);
    }
}

static void test_labels(void) {
    struct bs_error error = {0};
    struct bs_model_config c;
    static const char json[] =
        "{" BERT "," TWO ",\"num_labels\":5,\"hidden_dropout_prob\":0.25,"
        "\"classifier_dropout\":null,\"hidden_act\":\"gelu\"}";
    int code = bs_config_parse(&c, bs_span_of(json), true, "x", &error);
    check(!code && c.num_labels == 2 && strcmp(c.labels[0], "down") == 0 &&
              strcmp(c.labels[1], "up") == 0,
          "labels are ordered by number, id2label decides %s", error.text);
    check(c.classifier_dropout == 0.25,
          "a null classifier_dropout is hidden_dropout_prob");
    bs_model_config_free(&c);
    code =
        bs_config_parse(&c, bs_span_of("{" BERT ",\"num_labels\":3}"), true, "x", &error);
    check(!code && c.num_labels == 3 && strcmp(c.labels[2], "LABEL_2") == 0,
          "labels without names are LABEL_0, ...");
    bs_model_config_free(&c);
    code = bs_config_parse(
        &c, bs_span_of("{" BERT ",\"problem_type\":\"regression\",\"num_labels\":1}"),
        false, "x", &error);
    check(!code && c.num_labels == 0,
          "without a classifier the head's settings do not matter");
    bs_model_config_free(&c);
    code = bs_config_parse(
        &c, bs_span_of("{" BERT ",\"architectures\":[\"BertForQuestionAnswering\"]}"),
        false, "x", &error);
    check(!code, "nor does its kind");
    bs_model_config_free(&c);
    code = bs_config_parse(
        &c, bs_span_of("{" BERT ",\"architectures\":[\"BertForMaskedLM\"]," TWO "}"),
        true, "x", &error);
    check(!code, "a classifier on what calls itself a base is one");
    bs_model_config_free(&c);
}

static const char base_json[] =
    "{\"architectures\":[\"BertModel\"]," BERT ",\"layer_norm_eps\":1e-12,"
    "\"odd\":{\"kept\":[1,null,\"\\u00e9\"]},\"num_labels\":7,\"torch_dtype\":"
    "\"float16\","
    "\"hidden_dropout_prob\":0.1%s,\"label2id\":{\"old\":0}}";

static void test_written(const char *extra, const char *expected) {
    struct bs_error error = {0};
    struct bs_model_config base, config, again;
    struct bs_buffer json = {0}, out = {0};
    const char *labels[] = {"neg\"ative", "\303\251", "x"};
    int code = !bs_buffer_printf(&json, base_json, extra) ||
               bs_config_parse(&base, bs_buffer_span(&json), false, "x", &error) ||
               bs_model_config_copy(&config, &base, labels, 3, &error) ||
               bs_config_write(&config, bs_buffer_span(&json), "float32", &out, &error) ||
               bs_config_parse(&again, bs_buffer_span(&out), true, "x", &error);
    if (!check(code == BS_OK, "a configuration is written and read %s", error.text))
        return;
    check(again.num_labels == 3 && strcmp(again.labels[0], labels[0]) == 0 &&
              strcmp(again.labels[1], labels[1]) == 0,
          "labels survive");
    json_t *object;
    code = bs_json_object(&object, bs_buffer_span(&out), "x", &error);
    const json_t *number = json_object_get(json_object_get(object, "label2id"), "x");
    check(!code && json_integer_value(number) == 2 &&
              !json_object_get(object, "num_labels") &&
              json_object_get(json_object_get(object, "odd"), "kept") &&
              bs_json_is(json_object_get(object, "torch_dtype"), "float32") &&
              bs_json_is(json_object_get(object, "problem_type"),
                         "single_label_classification") &&
              bs_json_is(json_array_get(json_object_get(object, "architectures"), 0),
                         "BertForSequenceClassification"),
          "the head's keys are set, others kept");
    json_decref(object);
    check(bs_buffer_append_byte(&out, '\0') && strstr(out.data, expected),
          "numbers as %s", expected);
    bs_model_config_free(&config);
    bs_model_config_free(&again);
    bs_buffer_free(&json);
    bs_buffer_free(&out);
}

static void test_headless(void) {
    struct bs_error error = {0};
    struct bs_model_config config;
    struct bs_buffer out = {0};
    static const char json[] = "{" BERT ",\"architectures\":[\"BertForMaskedLM\"]}";
    int code = bs_config_parse(&config, bs_span_of(json), false, "x", &error) ||
               bs_config_write(&config, bs_span_of(json), "float32", &out, &error);
    code = code || !bs_buffer_append_byte(&out, '\0');
    check(!code && strstr(out.data, "\"BertModel\"") && !strstr(out.data, "MaskedLM") &&
              !strstr(out.data, "id2label") && !strstr(out.data, "torch_dtype"),
          "without labels it is a model without a head, and nothing is added");
    const char *labels[] = {"fine", "\377"};
    struct bs_model_config bad;
    code = bs_model_config_copy(&bad, &config, labels, 2, &error);
    check(!code &&
              bs_config_write(&bad, bs_span_of(json), "float32", &out, &error) == BS_DATA,
          "a label that JSON cannot hold: %s", error.text);
    bs_model_config_free(&bad);
    bs_buffer_free(&out);
}

int main(void) {
    test_refused();
    test_defaults();
    test_padding();
    test_labels();
    test_written("", "\"hidden_dropout_prob\": 0.1,");
    test_written(",\"third\":0.33333333333333331483", "0.33333333333333331");
    test_headless();
    return tap_end();
}
