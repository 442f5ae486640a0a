/*
 * Reading records: one stream out of any number of files in any format.
 *
 * Order: bs_reader_open, bs_reader_next until BS_END, bs_reader_close. Not for use by
 * two threads at once. Compressed input (gzip, zstd, xz) is read as it is; so
 * are archives, as trees. Sniffing looks at magic bytes only and waits for more of them
 * only where no line has ended: a live pipe does not hang on its first one. What has none
 * goes by the extension of its file (.tsv .csv .jsonl .ndjson .msgpack, each also with
 * .gz .zst .xz behind it, in upper or lower case); all else is lines.
 *
 * Fields chosen by --text, --text2 and --label appear in every record under the names
 * "text", "text2" and "label", in their place among the others; another field that has
 * one of these names already is left out, with a warning. Without --text a field
 * "sentence" becomes "text" where there is no "text".
 *
 * Fields that bs knows are decoded where their type fits, and keep their source bytes;
 * a label that is a number, true or false becomes its text. One that does not fit stays
 * as it is for bs_record_text and its like to reject; in a msgpack stream, whose header
 * promises the types, the reader rejects the record itself. A known field that stands
 * in a record twice rejects the record.
 */
#ifndef BS_FORMAT_READER_H
#define BS_FORMAT_READER_H

#include "format/stream_header.h"
#include "record/record.h"

enum bs_format {
    BS_FORMAT_AUTO,
    BS_FORMAT_LINES, /* one text a line, ended by LF alone, whatever else it holds */
    BS_FORMAT_TSV,   /* \t \n \r \\ escaped; CR before LF dropped */
    BS_FORMAT_CSV,   /* RFC 4180 */
    BS_FORMAT_JSONL,
    BS_FORMAT_MSGPACK,
    BS_FORMAT_TREE, /* folder or archive: each file is a text, its folder's name the
                       label; fields label, text, path. A file that lies at the top has
                       no label. Hidden files and what is no regular file are left out;
                       of an archive, with a warning, links to another member and what
                       leads upwards (..). In a zip, whose types stand at its end, a
                       symbolic link is a file that holds its target. A folder is read
                       in the order of names, an archive in its own */
    BS_FORMAT_IDS,  /* output of bs-tokenize only */
};

/* "lines", "tsv", ...; BS_USAGE lists the names if it is none of them. */
int bs_format_parse(const char *name, enum bs_format *format,
                    struct bs_error *error) BS_MUST_CHECK;
const char *bs_format_name(enum bs_format format);

enum bs_header { BS_HEADER_AUTO, BS_HEADER_YES, BS_HEADER_NO };

struct bs_follow;

struct bs_reader_options {
    enum bs_format format;
    struct bs_follow
        *follow; /* the one path is a log that grows (follow.h): the end never
                    comes; lines and JSON lines only; borrowed. NULL: not */
    const char *text, *text2, *label; /* column by name or number from 1; NULL: default
                                         names (text: "text", "sentence"; "text2";
                                         "label"). Without header and choice a TSV or
                                         CSV row of one column is the text; of more, it
                                         is refused (BS_USAGE) with a message that names
                                         --text and --label */
    enum bs_header header;
    int64_t max_record;       /* bytes; 0: 128 MiB */
    bool reject_invalid_utf8; /* else only counted: bs_reader_invalid_utf8 */
    const char *required;     /* field that a record must have ("text", "ids",
                                 "predicted") in its right type, else it is rejected;
                                 NULL: none */
    const char *members;      /* trees: only files whose path matches this pattern
                                 (fnmatch; * does not match a slash): of an archive the
                                 member's name, of a folder the path below it; a tree
                                 where none does is warned of; NULL: all */
};

/* What the input calls a known field: a text or label as it was chosen. */
const char *bs_field_called(const struct bs_reader_options *reading, const char *field);

struct bs_reader;

/* `paths` are borrowed until close. None, or "-", is standard input. */
int bs_reader_open(struct bs_reader **reader, char *const *paths, size_t n_paths,
                   const struct bs_reader_options *options,
                   struct bs_error *error) BS_MUST_CHECK;

/*
 * Fills `record` (cleared first). Returns
 *   BS_OK        a record;
 *   BS_END       nothing more;
 *   BS_REJECTED  a row that cannot be used: `record` has file, number and raw (cut to
 *                64 KiB), error says why; reading may go on;
 *   otherwise    damage or failure; the reader can only be closed. The message names
 *                file and record range: `train.msgpack: records 1025-2048: checksum
 *                mismatch`.
 */
int bs_reader_next(struct bs_reader *reader, struct bs_record *record,
                   struct bs_error *error) BS_MUST_CHECK;

/* Whether the next call of bs_reader_next will return without waiting for input. */
bool bs_reader_ready(struct bs_reader *reader);

/* Waits until ready, at most `seconds` (negative: forever); false if time ran out or
 * a signal came in between. */
bool bs_reader_wait(struct bs_reader *reader, double seconds);

/* The format being read now, and the header of a msgpack stream (NULL for other
 * formats). Valid after the first bs_reader_next; owned by the reader. */
enum bs_format bs_reader_format(const struct bs_reader *reader);
const struct bs_stream_header *bs_reader_header(const struct bs_reader *reader);

/* Names of the columns in reading order, for TSV and CSV with a header row; else 0.
 * Those of the last file stay known after BS_END. */
size_t bs_reader_columns(const struct bs_reader *reader, const struct bs_span **names);

/* Bytes read so far (as stored, compressed) and to come (-1: unknown), for progress. */
int64_t bs_reader_position(const struct bs_reader *reader, int64_t *total);

/* Records of the current file that held invalid UTF-8; a warning per file is said by
 * the reader itself through bs_warn when the file ends. */
int64_t bs_reader_invalid_utf8(const struct bs_reader *reader);

void bs_reader_close(struct bs_reader *reader);

#endif
