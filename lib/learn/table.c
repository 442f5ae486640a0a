/* Rows of figures, as TSV and aligned. */
#include "learn/table.h"

#include <inttypes.h>
#include <stdio.h>

const char bs_table_header[] = "step\ttraining_loss\tvalidation_loss\taccuracy\tf1\t"
                               "precision\trecall\n";

static const struct column {
    const char *title;
    int width;
} columns[] = {
    {"Step", 8}, {"Training Loss", 15}, {"Validation Loss", 17}, {"Accuracy", 10},
    {"F1", 10},  {"Precision", 11},     {"Recall", 10}};

enum { N_COLUMNS = sizeof columns / sizeof *columns };

bool bs_table_row(struct bs_buffer *rows, int64_t step, double training_loss,
                  const struct bs_scores *scores) {
    if (!bs_buffer_printf(rows, "%" PRId64 "\t%.6f\t", step, training_loss))
        return false;
    if (!scores)
        return bs_buffer_printf(rows, "\t\t\t\t\n");
    return bs_buffer_printf(rows, "%.6f\t%.6f\t%.6f\t%.6f\t%.6f\n", scores->loss,
                            scores->accuracy, scores->f1, scores->precision,
                            scores->recall);
}

bool bs_table_heading(struct bs_buffer *text) {
    for (int i = 0; i < N_COLUMNS; i++)
        if (!bs_buffer_printf(text, "%*s", columns[i].width, columns[i].title))
            return false;
    return bs_buffer_append_byte(text, '\n');
}

static bool align_field(struct bs_buffer *text, int column, struct bs_span field) {
    if (field.size == 0)
        field = bs_span("-", 1);
    bool wide = column > 0 && field.size >= (size_t)columns[column].width;
    return bs_buffer_printf(text, "%s%*.*s", wide ? " " : "", columns[column].width,
                            (int)field.size, field.data);
}

bool bs_table_align(struct bs_buffer *text, struct bs_span rows) {
    int column = 0;
    size_t begin = 0;
    for (size_t i = 0; i < rows.size; i++) {
        char c = rows.data[i];
        if (c != '\t' && c != '\n')
            continue;
        if (column < N_COLUMNS &&
            !align_field(text, column, bs_span(rows.data + begin, i - begin)))
            return false;
        column = c == '\n' ? 0 : column + 1;
        begin = i + 1;
        if (c == '\n' && !bs_buffer_append_byte(text, '\n'))
            return false;
    }
    return true;
}
