/* A stream's header as a value. */
#include "format/stream_header.h"

#include <stdlib.h>

void bs_stream_header_free(struct bs_stream_header *header) {
    for (size_t i = 0; i < header->n_labels; i++)
        free(header->labels[i]);
    free(header->labels);
    *header = (struct bs_stream_header){0};
}

int bs_stream_header_copy(struct bs_stream_header *to,
                          const struct bs_stream_header *from, struct bs_error *error) {
    *to = *from;
    to->labels = NULL;
    to->n_labels = 0;
    if (!from->labels)
        return BS_OK;
    to->labels = bs_alloc(from->n_labels, sizeof *to->labels);
    for (size_t i = 0; to->labels && i < from->n_labels; i++) {
        if (!(to->labels[i] = strdup(from->labels[i])))
            break;
        to->n_labels++;
    }
    if (to->n_labels == from->n_labels && to->labels)
        return BS_OK;
    bs_stream_header_free(to);
    return bs_fail_memory(error, from->n_labels * sizeof *to->labels, "label names");
}
