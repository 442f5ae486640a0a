/*
 * The report: one row for each evaluation, as an aligned table for people and as TSV
 * for machines, with the same figures to the same digit.
 *
 *     Step  Training Loss  Validation Loss  Accuracy        F1  Precision    Recall
 *      500       0.532112         0.401207  0.822000  0.821904   0.822671  0.822000
 *
 * Figures that there are none of (no evaluation data) are "-", in TSV empty. Rows hold
 * no times: the same run gives the same bytes.
 */
#ifndef BS_LEARN_TABLE_H
#define BS_LEARN_TABLE_H

#include "common/buffer.h"
#include "metric/scores.h"

/* "step\ttraining_loss\t...\n" */
extern const char bs_table_header[];

/* Appends a row as TSV; `scores` NULL if nothing was evaluated. False without memory. */
bool bs_table_row(struct bs_buffer *rows, int64_t step, double training_loss,
                  const struct bs_scores *scores) BS_MUST_CHECK;

/* Appends the heading of the aligned table, or rows of TSV in its columns. */
bool bs_table_heading(struct bs_buffer *text) BS_MUST_CHECK;
bool bs_table_align(struct bs_buffer *text, struct bs_span rows) BS_MUST_CHECK;

#endif
