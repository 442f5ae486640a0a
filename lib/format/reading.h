/*
 * Inside of the reader: what one format must be able to do, and what formats share.
 * Only reader.c and the files of the formats include this.
 *
 * A file is read in two alternating steps. `find` looks for the next record in the
 * bytes that are there, without waiting and without consuming it, and takes in on the
 * way what is no record (a header row, a check); `take` then turns what was found into
 * a record. So "is something ready?" and "give me the next" share one walk.
 */
#ifndef BS_FORMAT_READING_H
#define BS_FORMAT_READING_H

#include "format/fields.h"
#include "format/input.h"
#include "format/reader.h"

struct bs_reading {
    /* A file begins: its input is open and sniffed. NULL: nothing to do. */
    int (*begin)(struct bs_reader *reader, struct bs_error *error);
    /* BS_OK: a record (or a row to reject) is there. BS_MORE, BS_END, or a failure. */
    int (*find)(struct bs_reader *reader, struct bs_error *error);
    /* BS_OK, BS_REJECTED, or a failure; consumes what was found in each case. */
    int (*take)(struct bs_reader *reader, struct bs_record *record,
                struct bs_error *error);
    /* Frees what belongs to the file; NULL: nothing to do. */
    void (*end)(struct bs_reader *reader);
};

extern const struct bs_reading bs_reading_lines, bs_reading_tsv, bs_reading_csv,
    bs_reading_jsonl, bs_reading_msgpack, bs_reading_tree;

/* One row of TSV or CSV, split. */
struct bs_cells {
    struct bs_span *cells;
    size_t count, capacity;
};

/* What is known of the columns of a TSV or CSV file (columns.c). */
struct bs_columns {
    bool known;            /* the first row has been seen */
    bool named;            /* it was a header row */
    struct bs_span *names; /* by column, as fields are called, in reader->names; data
                              NULL: left out */
    size_t count, capacity;
    size_t needed; /* columns that a row must have; with a header exactly `count` */
};

struct bs_reader {
    struct bs_reader_options options;
    size_t max_record;
    char *const *paths;
    size_t n_paths, next_path;

    const char *path; /* of the file being read, for messages; NULL: none is open */
    bool sniffed;
    bool is_folder;
    struct bs_input input;
    enum bs_format format;
    const struct bs_reading *reading;
    void *state;  /* of the format */
    bool pending; /* a record is found and not taken */
    struct bs_error failure;

    int64_t number;        /* of the record or line to come, from 1 */
    uint32_t seen;         /* known fields in the record being taken: 1 << index */
    struct bs_error fault; /* that rejects it when all of it is taken; code 0: none */
    struct bs_line line;   /* found */
    struct bs_cells cells;
    struct bs_columns columns;
    struct bs_record names; /* memory of names, which records of all files borrow */

    struct bs_stream_header header; /* of the first msgpack stream */
    const char *header_path;        /* its file; NULL: none yet */

    int64_t total, stored_before; /* bytes, for progress */
    int64_t taken_before;         /* bytes of the files before */
    int64_t invalid_utf8;         /* records of this file */
    bool shadow_warned;
};

/* Fills in file, unit and number. */
void bs_reading_begin_record(struct bs_reader *reader, struct bs_record *record,
                             const char *unit, int64_t number);

/* For formats of one line a record: copies the line found into the record (raw), and
 * consumes it. BS_REJECTED if it was too long. */
int bs_reading_take_line(struct bs_reader *reader, struct bs_record *record,
                         struct bs_error *error) BS_MUST_CHECK;

/* The `find` of such formats. */
int bs_reading_find_line(struct bs_reader *reader, struct bs_error *error) BS_MUST_CHECK;

/* `text` without the byte-order mark that may stand before line 1. */
struct bs_span bs_reading_without_mark(struct bs_span text, int64_t number);

/* Whether a chosen field takes this name, so that another one that has it is left out;
 * the first is warned of. */
bool bs_reading_taken(struct bs_reader *reader, struct bs_span name);

/* The name under which a field called `source` appears; data NULL: it is left out. */
struct bs_span bs_reading_rename(struct bs_reader *reader, struct bs_span source);

/*
 * Appends a field called `source`, its value still to be set, and tells its type.
 * `field` is NULL if it is left out: also a known one that stands there twice, which is
 * a fault of the record. BS_REJECTED if there are more than 65,536 fields.
 */
int bs_reading_add(struct bs_reader *reader, struct bs_record *record,
                   struct bs_span source, struct bs_field **field,
                   enum bs_field_type *type, struct bs_error *error) BS_MUST_CHECK;

/* A row of more cells is refused, and not looked at further. */
enum { BS_MAX_COLUMNS = 65536 };

/* Appends a cell of a row to reader->cells, at most one more than there may be. */
bool bs_cells_add(struct bs_cells *cells, struct bs_span cell) BS_MUST_CHECK;

/* Takes in the first row of a file (reader->cells): BS_OK with `is_header`, or a
 * failure if the columns asked for are not there. */
int bs_columns_begin(struct bs_reader *reader, bool *is_header,
                     struct bs_error *error) BS_MUST_CHECK;

/* The same where the first row is longer than --max-record: BS_OK if it can only be a
 * record, to be rejected. Else a failure: the next row would be taken for the names. */
int bs_columns_begin_too_long(const struct bs_reader *reader,
                              struct bs_error *error) BS_MUST_CHECK;

/* Turns a row (reader->cells, in memory of the record) into fields. */
int bs_columns_take(struct bs_reader *reader, struct bs_record *record,
                    struct bs_error *error) BS_MUST_CHECK;

void bs_columns_reset(struct bs_columns *columns);

#endif
