/*
 * A record: ordered, named fields, each a span of bytes as it stood in its source, so
 * that what a tool does not know passes through byte for byte and in place.
 *
 * A record owns its memory (`fields`, `blocks`) and is made to be reused: clear it and
 * fill it again. Spans in fields point into its blocks (bs_record_alloc), or to memory
 * that outlives the record's use. All-zero is an empty, valid record.
 */
#ifndef BS_RECORD_RECORD_H
#define BS_RECORD_RECORD_H

#include "common/buffer.h"
#include "common/ids.h"

enum bs_value_kind {
    BS_VALUE_TEXT,    /* a string: its bytes, decoded; may hold NUL or invalid UTF-8 */
    BS_VALUE_JSON,    /* any other value, as the bytes of its JSON text */
    BS_VALUE_MSGPACK, /* any value, as its msgpack bytes */
    BS_VALUE_REAL,
    BS_VALUE_INTEGER,
    BS_VALUE_BOOLEAN,
    BS_VALUE_IDS, /* an array of int32 */
    BS_VALUE_MAP, /* names to reals: probabilities by label */
};

struct bs_value {
    enum bs_value_kind kind;
    union {
        struct bs_span bytes; /* TEXT, JSON, MSGPACK */
        double real;
        int64_t integer;
        bool boolean;
        struct {
            const int32_t *values;
            size_t count;
        } ids;
        struct {
            const char *const *names;
            const double *values;
            size_t count;
        } map;
    };
};

struct bs_field {
    struct bs_span name;         /* decoded */
    struct bs_span raw_name;     /* as it stood in a JSONL or msgpack source, quotes or
                                    length bytes included; empty if it came from elsewhere */
    enum bs_value_kind raw_kind; /* BS_VALUE_JSON or BS_VALUE_MSGPACK: of raw_name and
                                    raw_value */
    struct bs_span raw_value;    /* for a value decoded out of JSONL or msgpack: the
                                    source bytes, so that they can be written back
                                    unchanged; empty otherwise */
    struct bs_value value;
};

struct bs_record_block;

struct bs_record {
    struct bs_field *fields;
    size_t n_fields, capacity;
    struct bs_record_block *blocks; /* what fields point into; never moves */
    const char *file;   /* for messages: a path, "standard input", or an archive's
                           "ARCHIVE: member" */
    const char *unit;   /* what `number` counts: "record" or "line"; NULL: "record" */
    int64_t number;     /* the record's place in its file, from 1; for text formats the
                           line it begins on */
    struct bs_span raw; /* the source bytes of the whole record, for --rejects */
    int64_t end;        /* of lines: bytes of all input up to behind it, */
    int64_t line_bytes; /* and its own, line feed included; 0: unknown */
};

/* The names that bs knows; every other field passes through. */
#define BS_FIELD_TEXT          "text"
#define BS_FIELD_TEXT2         "text2"
#define BS_FIELD_LABEL         "label"
#define BS_FIELD_IDS           "ids"
#define BS_FIELD_TYPE_IDS      "type_ids"
#define BS_FIELD_N_TOKENS      "n_tokens"
#define BS_FIELD_TRUNCATED     "truncated"
#define BS_FIELD_PREDICTED     "predicted"
#define BS_FIELD_PROBABILITY   "probability"
#define BS_FIELD_PROBABILITIES "probabilities"

/* Empties a record and keeps its memory. */
void bs_record_clear(struct bs_record *record);
void bs_record_free(struct bs_record *record);

/* Memory that lives until the record is cleared or freed, aligned to 16 bytes and not
 * zeroed; NULL without memory. */
void *bs_record_alloc(struct bs_record *record, size_t size) BS_MUST_CHECK;
/* A copy of bytes in such memory; false without memory. */
bool bs_record_copy(struct bs_record *record, struct bs_span from,
                    struct bs_span *copy) BS_MUST_CHECK;

/* The first field of that name, or NULL. */
struct bs_field *bs_record_find(const struct bs_record *record, const char *name);

/* Appends a field with a value; NULL without memory. `name` is borrowed. */
struct bs_field *bs_record_add(struct bs_record *record, struct bs_span name,
                               struct bs_value value) BS_MUST_CHECK;

/* Replaces the value of a field where it stands, or appends it. */
struct bs_field *bs_record_set(struct bs_record *record, const char *name,
                               struct bs_value value) BS_MUST_CHECK;

/* Takes a field out, keeping the order of the others; no such field is fine. */
void bs_record_remove(struct bs_record *record, const char *name);

/*
 * Typed access to a field of a known name. Each returns BS_OK; BS_END if there is no
 * such field or it is empty there (null in JSON or msgpack; an empty column where a
 * number is wanted); BS_REJECTED with `field "X" is not a ...` if it has another type.
 * Integers out of JSON or msgpack count if they are exact. Columns of TSV and CSV have
 * no type: numbers in them are parsed strictly. bs_record_ids fills `ids` (cleared
 * first); numbers outside int32 are rejected. What bs_record_map borrows lives as long
 * as the record is not cleared.
 */
int bs_record_text(const struct bs_record *record, const char *name, struct bs_span *text,
                   struct bs_error *error) BS_MUST_CHECK;
int bs_record_real(const struct bs_record *record, const char *name, double *real,
                   struct bs_error *error) BS_MUST_CHECK;
int bs_record_integer(const struct bs_record *record, const char *name, int64_t *integer,
                      struct bs_error *error) BS_MUST_CHECK;
int bs_record_boolean(const struct bs_record *record, const char *name, bool *boolean,
                      struct bs_error *error) BS_MUST_CHECK;
int bs_record_ids(const struct bs_record *record, const char *name, struct bs_ids *ids,
                  struct bs_error *error) BS_MUST_CHECK;
int bs_record_map(const struct bs_record *record, const char *name,
                  const char *const **names, const double **values, size_t *count,
                  struct bs_error *error) BS_MUST_CHECK;

#endif
