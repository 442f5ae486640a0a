/*
 * Answers: windows of records that are labelled together and written in input order.
 *
 * Records collect until a window is full or the input pauses; a run of inference sorts
 * them by length (infer/infer.h), and the answers go out as they came in. While a window
 * is labelled, the answers of the last one are written and the next one collects.
 *
 * A window is as large as can be labelled in half a second, going by the one before, and
 * at most half of that is read ahead: a signal finds little more than a second of work,
 * however slow the model is.
 */
#ifndef BS_PREDICT_ANSWER_H
#define BS_PREDICT_ANSWER_H

#include "format/writer.h"
#include "front/labeller.h"
#include "metric/metric.h"

struct answer_options {
    double threshold;   /* below it the prediction is "abstain"; 0: never */
    bool probabilities; /* of all labels */
    bool columns;       /* the output format has columns */
    bool drop_text;     /* text and text2 get none */
    /* Called when answers have been given to the writer, with the last of their records;
     * NULL: not. */
    int (*written)(void *context, const struct bs_record *last, struct bs_error *error);
    void *context;
};

#define ABSTAIN BS_ABSTAIN_NAME

struct answer;

/* `labeller` and `writer` are borrowed. */
int answer_new(struct answer **answer, struct bs_labeller *labeller,
               struct bs_writer *writer, const struct answer_options *options,
               struct bs_error *error) BS_MUST_CHECK;
void answer_free(struct answer *answer);

/* The columns of the output, where records do not tell them: it goes on. */
int answer_columns(struct answer *answer, const struct bs_span *names, size_t count,
                   struct bs_error *error) BS_MUST_CHECK;

/* How many bytes may be read ahead of what is answered. */
int64_t answer_read_ahead(const struct answer *answer);

/* Takes a block over, answers whenever the window is full, and all if the block says
 * that input pauses. */
int answer_block(struct answer *answer, const struct bs_source_info *info,
                 struct bs_token_block *block, struct bs_error *error) BS_MUST_CHECK;

/* Answers what the window still holds; nothing after a failure of answering. */
int answer_rest(struct answer *answer, const struct bs_source_info *info,
                struct bs_error *error) BS_MUST_CHECK;

#endif
