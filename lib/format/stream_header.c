/* A stream's header as a value. */
#include "format/stream_header.h"

#include <stdlib.h>

void bs_stream_header_free(struct bs_stream_header *header) {
    bs_names_free(header->labels, header->n_labels);
    *header = (struct bs_stream_header){0};
}

int bs_stream_header_copy(struct bs_stream_header *to,
                          const struct bs_stream_header *from, struct bs_error *error) {
    *to = *from;
    if (!from->labels)
        return BS_OK;
    to->labels = bs_names_copy((const char *const *)from->labels, from->n_labels);
    if (to->labels)
        return BS_OK;
    to->n_labels = 0;
    bs_stream_header_free(to);
    return bs_fail_memory(error, from->n_labels * sizeof *to->labels, "label names");
}
