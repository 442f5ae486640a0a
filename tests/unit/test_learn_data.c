/* Labels, examples, splits, identity, scores, report rows. */
#include "learn/examples.h"
#include "learn/identity.h"
#include "learn/table.h"
#include "metric/scores.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>

static int32_t index_of(struct bs_labels *labels, const char *name) {
    struct bs_error error;
    int32_t index = -1;
    return bs_labels_index(labels, bs_span_of(name), &index, &error) ? -1 : index;
}

static void test_labels(void) {
    struct bs_labels labels = {0};
    struct bs_error error;
    int32_t *moved = NULL;
    check(index_of(&labels, "pos") == 0 && index_of(&labels, "neg") == 1 &&
              index_of(&labels, "pos") == 0 && index_of(&labels, "\xc3\xa4") == 2,
          "collected in order of appearance");
    check(index_of(&labels, "") < 0 && index_of(&labels, "\xff") < 0,
          "empty and invalid names are refused");
    int32_t none;
    check(bs_labels_index(&labels, bs_span_of("abstain"), &none, &error) == BS_DATA &&
              strstr(error.text, "another name"),
          "so is that of no prediction: %s", error.text);
    check(!bs_labels_order(&labels, NULL, 0, &moved, &error) && moved[0] == 1 &&
              moved[1] == 0 && moved[2] == 2 && strcmp(labels.names[0], "neg") == 0,
          "then in order of bytes");
    check(index_of(&labels, "pos") == 1 && index_of(&labels, "new") < 0, "and fixed");
    check(bs_labels_index(&labels, bs_span_of("abstain"), &none, &error) == BS_REJECTED,
          "then every other name is unknown: %s", error.text);
    free(moved);
    bs_labels_free(&labels);

    char pos[] = "pos", neg[] = "neg", *head[] = {pos, neg};
    check(index_of(&labels, "neg") == 0 && index_of(&labels, "pos") == 1, "again");
    check(!bs_labels_order(&labels, head, 2, &moved, &error) && moved[0] == 1 &&
              moved[1] == 0 && index_of(&labels, "pos") == 0,
          "a head with the same names gives the order");
    free(moved);
    bs_labels_free(&labels);

    char *twice[] = {pos, pos};
    check(bs_labels_fix(&labels, twice, 2, &error) == BS_USAGE, "a name twice");
    bs_labels_free(&labels);
    char none_name[] = "abstain", *unusable[] = {pos, none_name};
    check(bs_labels_fix(&labels, unusable, 2, &error) == BS_USAGE &&
              strstr(error.text, "another name"),
          "a name that cannot be given: %s", error.text);
    bs_labels_free(&labels);
    check(!bs_labels_fix(&labels, head, 2, &error) &&
              !bs_labels_order(&labels, NULL, 0, &moved, &error) && moved[0] == 0 &&
              strcmp(labels.names[0], "pos") == 0,
          "given names keep their order");
    free(moved);
    bs_labels_free(&labels);
}

/* Forty names, some the beginning of others, in an order of no kind. */
static void test_many_labels(void) {
    struct bs_labels labels = {0};
    struct bs_error error;
    char names[40][8], *list[40];
    int32_t *moved = NULL;
    int wrong = 0;
    for (int i = 0; i < 40; i++) {
        snprintf(names[i], sizeof *names, "%d", i * 23 % 40);
        list[i] = names[i];
        wrong += index_of(&labels, names[i]) != i;
    }
    for (int i = 0; i < 40; i++)
        wrong += bs_labels_find(&labels, bs_span_of(names[i])) != i;
    check(wrong == 0 && bs_labels_find(&labels, bs_span_of("40")) < 0,
          "forty labels are numbered and found");
    check(bs_labels_same(&labels, list, 40) && !bs_labels_same(&labels, list, 39),
          "the same names");
    char other[] = "other";
    list[17] = other;
    check(!bs_labels_same(&labels, list, 40), "as many, but one is another");
    check(!bs_labels_order(&labels, list, 40, &moved, &error), "put in order");
    for (int i = 0; i < 40; i++) {
        int32_t now = index_of(&labels, names[i]);
        wrong += now != moved[i] || strcmp(labels.names[moved[i]], names[i]) != 0;
        wrong += i > 0 && strcmp(labels.names[i - 1], labels.names[i]) >= 0;
    }
    check(wrong == 0, "every one is where it was moved to, by bytes");
    free(moved);
    bs_labels_free(&labels);
}

static const struct bs_model_config config = {.vocab_size = 100,
                                              .max_position_embeddings = 8,
                                              .type_vocab_size = 2,
                                              .num_labels = 2};

/* Example i: length 2 + i % 5, ids from i. Every third is a pair. */
static void fill(struct bs_examples *examples, int64_t n) {
    struct bs_error error;
    bs_examples_init(examples, &config);
    for (int64_t i = 0; i < n; i++) {
        int32_t ids[8], types[8];
        int64_t length = 2 + i % 5;
        for (int64_t j = 0; j < length; j++)
            ids[j] = (int32_t)((i + 7 * j) % 100), types[j] = j > 0;
        struct bs_sequence sequence = {ids, i % 3 ? NULL : types, length};
        if (bs_examples_add(examples, &sequence, (int32_t)(i & 1), &error))
            check(0, "example %d: %s", (int)i, error.text);
    }
}

static bool is_example(const struct bs_examples *examples, int64_t index, int64_t i) {
    struct bs_example_scratch scratch = {0};
    struct bs_sequence sequence;
    struct bs_error error;
    bool good = !bs_examples_get(examples, index, &scratch, &sequence, &error) &&
                sequence.length == 2 + i % 5 && examples->labels[index] == (i & 1);
    for (int64_t j = 0; good && j < sequence.length; j++)
        good = sequence.ids[j] == (i + 7 * j) % 100 &&
               sequence.type_ids[j] == (i % 3 == 0 && j > 0);
    bs_example_scratch_free(&scratch);
    return good;
}

static void test_examples(void) {
    struct bs_examples examples;
    struct bs_error error;
    fill(&examples, 1000);
    bool good = examples.count == 1000;
    for (int64_t i = 0; i < 1000; i++)
        good = good && is_example(&examples, i, i);
    check(good, "examples come back as they went in");
    int64_t counts[2], tokens = 0;
    bs_examples_count(&examples, counts, 2);
    check(counts[0] == 500 && counts[1] == 500, "counted by label");
    check(!bs_examples_most_tokens(&examples, 201, &tokens, &error) &&
              tokens == 200 * 6 + 5 && bs_examples_longest(&examples) == 6,
          "bounds of a batch");
    int32_t beyond[] = {100}, many[9] = {0};
    struct bs_sequence bad[] = {{beyond, NULL, 1}, {many, NULL, 9}, {many, NULL, 0}};
    for (int i = 0; i < 3; i++)
        check(bs_examples_add(&examples, &bad[i], 0, &error) == BS_REJECTED,
              "rejected: %s", error.text);
    check(examples.count == 1000, "and nothing was added");
    check(bs_examples_memory(&examples) == examples.n_ids * 3 + 1000 * 16,
          "ids of two bytes, types of one");
    const int32_t moved[] = {1, 0};
    examples.labels[4] = 1;
    bs_examples_relabel(&examples, moved);
    check(examples.labels[3] == 0 && examples.labels[4] == 0 && examples.labels[6] == 1,
          "labels are moved");
    bs_examples_free(&examples);
}

/* The largest ids of a vocabulary that two bytes hold, and of one that they do not. */
static void test_wide_ids(void) {
    for (int32_t more = 0; more < 2; more++) {
        const struct bs_model_config wide = {.vocab_size = 65536 + more,
                                             .max_position_embeddings = 8,
                                             .type_vocab_size = 1000};
        int32_t ids[] = {0, 65535 + more}, types[] = {0, 255};
        struct bs_sequence sequence = {ids, types, 2}, got = {0};
        struct bs_example_scratch scratch = {0};
        struct bs_examples examples;
        struct bs_error error;
        bs_examples_init(&examples, &wide);
        bool kept = !bs_examples_add(&examples, &sequence, 0, &error) &&
                    !bs_examples_get(&examples, 0, &scratch, &got, &error) &&
                    got.ids[1] == ids[1] && got.type_ids[1] == 255;
        check(kept, "id %d and type 255 are kept", (int)ids[1]);
        check(bs_examples_memory(&examples) == 2 * (more ? 5 : 3) + 16,
              "in %d bytes an id", more ? 4 : 2);
        types[1] = 256;
        check(bs_examples_add(&examples, &sequence, 0, &error) == BS_REJECTED,
              "rejected: %s", error.text);
        bs_example_scratch_free(&scratch);
        bs_examples_free(&examples);
    }
}

static bool digest_is(const struct bs_examples *examples, const char *hex) {
    char own[65];
    struct bs_error error;
    return !bs_examples_digest(examples, own, &error) && strcmp(own, hex) == 0;
}

static void test_digest(void) {
    struct bs_examples a, b;
    struct bs_error error;
    char hex[65] = "";
    fill(&a, 50);
    fill(&b, 50);
    check(!bs_examples_digest(&a, hex, &error) && digest_is(&b, hex), "same data");
    b.labels[49] ^= 1;
    check(!digest_is(&b, hex), "another label, another digest");
    b.labels[49] ^= 1;
    b.short_ids[3] ^= 1;
    check(!digest_is(&b, hex), "another id, another digest");
    b.short_ids[3] ^= 1;
    b.type_ids[b.first[3] + 2] ^= 1;
    check(!digest_is(&b, hex), "another type, another digest");
    bs_examples_free(&a);
    bs_examples_free(&b);
}

/* Of examples as fill makes them: labels go where their texts go. */
static bool labels_fit(const struct bs_examples *examples) {
    for (int64_t i = 0; i < examples->count; i++)
        if (examples->labels[i] != (examples->short_ids[examples->first[i]] & 1))
            return false;
    return true;
}

static void test_split(void) {
    struct bs_examples all, back, other;
    struct bs_error error;
    fill(&all, 3000); /* every text 300 times: ids repeat with period 100 * 3 * 5 */
    bs_examples_init(&back, &config);
    check(!bs_examples_split(&all, 0.25, 42, &back, &error) &&
              all.count + back.count == 3000,
          "nothing is lost");
    check(back.count > 600 && back.count < 900, "about the fraction: %d",
          (int)back.count);
    check(labels_fit(&all) && labels_fit(&back), "labels stay with their texts");
    char hex[65];
    fill(&other, 3000);
    struct bs_examples again;
    bs_examples_init(&again, &config);
    check(!bs_examples_digest(&all, hex, &error) &&
              !bs_examples_split(&other, 0.25, 42, &again, &error) &&
              digest_is(&other, hex),
          "the same again");
    bs_examples_free(&other);
    bs_examples_free(&again);
    fill(&other, 3000);
    check(!bs_examples_split(&other, 0.25, 43, &again, &error) && !digest_is(&other, hex),
          "another seed, another split");
    bs_examples_free(&other);
    bs_examples_free(&again);
    bs_examples_free(&all);
    bs_examples_free(&back);
}

static bool differ(const char *stored, const char *wanted, const char *words) {
    char text[100];
    return bs_identity_difference(bs_span_of(stored), bs_span_of(wanted), text,
                                  sizeof text) &&
           check(strcmp(text, words) == 0, "%s", text);
}

static void test_identity(void) {
    struct bs_span a = bs_span_of("epochs\t3\nseed\t42\n"), b = bs_span_of("epochs\t3\n");
    char text[100];
    check(!bs_identity_difference(a, a, text, sizeof text), "same lines");
    check(bs_identity_difference(a, b, text, sizeof text), "a missing line differs");
    check(differ("epochs\t3\nlearning_rate\t0.1\n", "epochs\t3\nlearning_rate\t0\n",
                 "--learning-rate is 0, was 0.1"),
          "names the option");
    check(differ("freeze\t0\n", "freeze\t-1\n", "--freeze is not given, was embeddings"),
          "values as they are given");
    check(differ("training_data\tab01\n", "training_data\tab02\n",
                 "the training data is not the same"),
          "digests are not shown");
    check(differ("evaluation_data\tnone\n", "evaluation_data\tab02\n",
                 "the evaluation data (--eval-data) is not the same"),
          "nor where there was nothing");
    struct bs_buffer json = {0};
    check(bs_identity_json(bs_span_of("rate\t2e-05\nname\ta\"b\n"), "t", 5,
                           bs_span_of("5\t0.5\t\t\t\t\t\n"), &json) &&
              bs_span_is(bs_buffer_span(&json),
                         "{\n  \"tool\": \"t\",\n  \"step\": 5,\n  \"run\": {\n    "
                         "\"rate\": 2e-05,\n    \"name\": \"a\\\"b\"\n  },\n  "
                         "\"metrics\": {\n    \"training_loss\": 0.5\n  }\n}\n"),
          "bs.json");
    bs_buffer_free(&json);
    check(bs_identity_json(bs_span_of("a\t0x10\nb\tC:\\\x01\nc\t-1.5\n"), "t", 1,
                           bs_span(NULL, 0), &json) &&
              bs_buffer_append_byte(&json, '\0') &&
              strstr(json.data, "\"a\": \"0x10\",\n    \"b\": \"C:\\\\\\u0001\",\n    "
                                "\"c\": -1.5\n  },\n  \"metrics\": {}\n"),
          "bs.json: only JSON's numbers are numbers, all else is escaped");
    bs_buffer_free(&json);
}

/* Which lines of a run's identity another source changes: "name name ...". */
static void changed_lines(struct bs_run_sources a, struct bs_run_sources b,
                          char names[200]) {
    struct bs_buffer left = {0}, right = {0};
    struct bs_error error;
    names[0] = '\0';
    if (bs_identity_describe(&a, &left, &error) ||
        bs_identity_describe(&b, &right, &error))
        return;
    struct bs_span x = bs_buffer_span(&left), y = bs_buffer_span(&right);
    while (x.size && y.size) {
        size_t n = (size_t)((char *)memchr(x.data, '\n', x.size) - x.data) + 1;
        size_t m = (size_t)((char *)memchr(y.data, '\n', y.size) - y.data) + 1;
        size_t name = strcspn(x.data, "\t");
        if (!bs_span_equal(bs_span(x.data, n), bs_span(y.data, m)))
            snprintf(names + strlen(names), 200 - strlen(names), "%.*s ", (int)name,
                     x.data);
        x = bs_span(x.data + n, x.size - n);
        y = bs_span(y.data + m, y.size - m);
    }
    bs_buffer_free(&left);
    bs_buffer_free(&right);
}

static void test_sources(void) {
    struct bs_train_settings settings = bs_train_defaults();
    struct bs_labels labels = {0}, moved = {0};
    struct bs_examples train, eval;
    char ab[] = "ab", c[] = "c", a[] = "a", bc[] = "bc", names[200];
    char *list[] = {ab, c}, *others[] = {a, bc};
    struct bs_error error;
    fill(&train, 20);
    fill(&eval, 7);
    if (bs_labels_fix(&labels, list, 2, &error) ||
        bs_labels_fix(&moved, others, 2, &error))
        return;
    const struct bs_run_sources run = {&settings, "b", "t", &labels, &train, &eval};
    struct bs_run_sources other = run;
    changed_lines(run, other, names);
    check(names[0] == '\0', "the same sources, the same lines");
    other = run, other.base = "x";
    changed_lines(run, other, names);
    check(strcmp(names, "base_model ") == 0, "another base model: %s", names);
    other = run, other.tokenizer = "x";
    changed_lines(run, other, names);
    check(strcmp(names, "tokenizer ") == 0, "another tokenizer: %s", names);
    other = run, other.labels = &moved;
    changed_lines(run, other, names);
    check(strcmp(names, "labels ") == 0, "labels cut elsewhere: %s", names);
    other = run, other.train = &eval;
    changed_lines(run, other, names);
    check(strcmp(names, "training_data ") == 0, "other training data: %s", names);
    other = run, other.eval = &train;
    changed_lines(run, other, names);
    check(strcmp(names, "evaluation_data ") == 0, "other evaluation data: %s", names);
    bs_labels_free(&labels);
    bs_labels_free(&moved);
    bs_examples_free(&train);
    bs_examples_free(&eval);
}

/* Expected: scikit-learn 1.x and PyTorch on the same numbers. */
static void test_scores(void) {
    const float logits[] = {2, 1, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 1, 0, 0, 1,
                            0, 0, 2, 5, 0, 0, 4, 1, 1, 0, 0, 0, 0, 2, 1, 0};
    const int32_t labels[] = {0, 0, 1, 1, 2, 2, 0, 1};
    struct bs_score_counts counts;
    struct bs_scores scores = {0};
    struct bs_error error;
    check(!bs_scores_begin(&counts, 4, &error), "begins");
    bs_scores_add(&counts, logits, labels, 3);
    bs_scores_add(&counts, logits + 12, labels + 3, 5);
    bs_scores_end(&counts, &scores);
    check(fabs(scores.loss - 1.0956005216030846) < 1e-12, "loss %.15f", scores.loss);
    check(scores.accuracy == 0.625, "accuracy");
    check(fabs(scores.f1 - 0.5) < 1e-15, "f1 %.15f", scores.f1);
    check(fabs(scores.precision - 0.5833333333333333) < 1e-12, "precision %.15f",
          scores.precision);
    check(fabs(scores.recall - 0.4583333333333333) < 1e-12, "recall %.15f",
          scores.recall);
}

static void test_absent_class(void) {
    const float logits[] = {1, 0, 0, 0, 0, 1, 0, 0, 1};
    const int32_t labels[] = {0, 2, 0};
    struct bs_score_counts counts;
    struct bs_scores scores = {0};
    struct bs_error error;
    check(!bs_scores_begin(&counts, 3, &error), "begins");
    bs_scores_add(&counts, logits, labels, 3);
    bs_scores_end(&counts, &scores);
    check(scores.precision == 0.75 && scores.recall == 0.75,
          "a class that does not occur is not in the mean: precision %g, recall %g",
          scores.precision, scores.recall);
}

static void test_table(void) {
    struct bs_buffer rows = {0}, text = {0};
    struct bs_scores scores = {.loss = 0.25, .accuracy = 1, .f1 = 0.5};
    check(bs_table_row(&rows, 500, 0.125, NULL) &&
              bs_table_row(&rows, 1000, 0.0625, &scores),
          "rows");
    check(bs_span_is(bs_buffer_span(&rows),
                     "500\t0.125000\t\t\t\t\t\n1000\t0.062500\t0.250000\t1.000000\t"
                     "0.500000\t0.000000\t0.000000\n"),
          "as TSV");
    check(bs_table_heading(&text) && bs_table_align(&text, bs_buffer_span(&rows)) &&
              bs_span_is(bs_buffer_span(&text),
                         "    Step  Training Loss  Validation Loss  Accuracy        F1  "
                         "Precision    Recall\n"
                         "     500       0.125000                -         -         -"
                         "          -         -\n"
                         "    1000       0.062500         0.250000  1.000000  0.500000   "
                         "0.000000  0.000000\n"),
          "aligned");
    text.size = 0;
    check(
        bs_table_align(&text,
                       bs_span_of("3\t55288687.750000\t123456789012.500000\t\t\t\t\n")) &&
            bs_span_is(bs_buffer_span(&text),
                       "       3 55288687.750000 123456789012.500000         -         -"
                       "          -         -\n"),
        "wide figures stay apart");
    bs_buffer_free(&rows);
    bs_buffer_free(&text);
}

int main(void) {
    test_labels();
    test_many_labels();
    test_examples();
    test_wide_ids();
    test_digest();
    test_split();
    test_identity();
    test_sources();
    test_scores();
    test_absent_class();
    test_table();
    return tap_end();
}
