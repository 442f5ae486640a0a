/* What TSV and CSV share: the header row, columns by name or number, rows as fields. */
#include "format/json.h"
#include "format/reading.h"

#include "common/number.h"

#include <stdio.h>
#include <stdlib.h>

bool bs_cells_add(struct bs_cells *cells, struct bs_span cell) {
    if (cells->count > BS_MAX_COLUMNS)
        return true;
    if (cells->count == cells->capacity) {
        size_t capacity = cells->capacity ? cells->capacity * 2 : 16;
        struct bs_span *grown = bs_realloc(cells->cells, capacity, sizeof *grown);
        if (!grown)
            return false;
        cells->cells = grown;
        cells->capacity = capacity;
    }
    cells->cells[cells->count++] = cell;
    return true;
}

void bs_columns_reset(struct bs_columns *columns) {
    columns->count = 0;
    columns->needed = 0;
    columns->known = columns->named = false;
}

/* Appends a column; a name without data stays so. */
static int add_column(struct bs_reader *reader, struct bs_span name,
                      struct bs_error *error) {
    struct bs_columns *columns = &reader->columns;
    if (columns->count == BS_MAX_COLUMNS)
        return bs_fail(error, BS_REJECTED, "more than %d columns", BS_MAX_COLUMNS);
    if (columns->count == columns->capacity) {
        size_t capacity = columns->capacity ? columns->capacity * 2 : 16;
        struct bs_span *names = bs_realloc(columns->names, capacity, sizeof *names);
        if (!names)
            return bs_fail_memory(error, capacity * sizeof *names, "columns");
        columns->names = names;
        columns->capacity = capacity;
    }
    if (name.data && !bs_record_copy(&reader->names, name, &name))
        return bs_fail_memory(error, name.size, "columns");
    columns->names[columns->count++] = name;
    return BS_OK;
}

/* The number that a choice of column is, from 1; 0 if it is a name. */
static size_t column_number(const char *choice) {
    struct bs_error ignored;
    int64_t number;
    if (!choice ||
        bs_parse_integer(choice, "column", 1, BS_MAX_COLUMNS, &number, &ignored))
        return 0;
    return (size_t)number;
}

/* Index of the cell with that name, or cells->count. */
static size_t find_cell(const struct bs_cells *cells, const char *name) {
    size_t i = 0;
    while (i < cells->count && !bs_span_is(cells->cells[i], name))
        i++;
    return i;
}

static bool holds(const struct bs_cells *cells, const char *name) {
    return name && find_cell(cells, name) < cells->count;
}

/* A number says nothing: any cell may hold it. */
static bool holds_choice(const struct bs_cells *cells, const char *choice) {
    return column_number(choice) == 0 && holds(cells, choice);
}

static bool is_header_row(const struct bs_reader *reader) {
    const struct bs_reader_options *options = &reader->options;
    const struct bs_cells *cells = &reader->cells;
    if (options->header != BS_HEADER_AUTO)
        return options->header == BS_HEADER_YES;
    bool by_default = !options->text || column_number(options->text) > 0;
    return holds_choice(cells, options->text) || holds_choice(cells, options->text2) ||
           holds_choice(cells, options->label) ||
           (by_default && (holds(cells, "text") || holds(cells, "sentence"))) ||
           (options->required && strcmp(options->required, BS_FIELD_TEXT) != 0 &&
            holds(cells, options->required));
}

/* "a, b, c", cut to what fits. */
static const char *list_cells(const struct bs_cells *cells, char list[256]) {
    size_t used = 0;
    list[0] = '\0';
    for (size_t i = 0; i < cells->count && used < 200; i++)
        used +=
            (size_t)snprintf(list + used, 256 - used, "%s%.*s", i ? ", " : "",
                             (int)(cells->cells[i].size < 40 ? cells->cells[i].size : 40),
                             cells->cells[i].data);
    return list;
}

static int fail_missing(struct bs_reader *reader, const char *name, const char *remedy,
                        struct bs_error *error) {
    char list[256];
    return bs_fail(error, BS_DATA, "%s: no column \"%s\"; its first row is: %s%s",
                   reader->path, name, list_cells(&reader->cells, list), remedy);
}

/* Which column has the role of each chosen name; `count` of cells: none. */
struct roles {
    size_t column[3];
};

static const char *const option_names[] = {"--text", "--text2", "--label"};
static const char *const remedies[] = {" (choose with --text, or see --header)",
                                       " (choose with --text2, or see --header)",
                                       " (choose with --label, or see --header)"};

/* A column that was chosen has no other role by default. */
static void drop_defaults(struct bs_reader *reader, struct roles *roles) {
    const struct bs_reader_options *options = &reader->options;
    const char *chosen[] = {options->text, options->text2, options->label};
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++)
            if (!chosen[i] && chosen[k] && roles->column[i] == roles->column[k])
                roles->column[i] = reader->cells.count;
}

static int find_roles(struct bs_reader *reader, bool named, struct roles *roles,
                      struct bs_error *error) {
    const struct bs_reader_options *options = &reader->options;
    const char *chosen[] = {options->text, options->text2, options->label};
    const struct bs_cells *cells = &reader->cells;
    for (int i = 0; i < 3; i++) {
        size_t number = column_number(chosen[i]), none = cells->count;
        const char *name = chosen[i] ? chosen[i] : bs_known_fields[i].name;
        roles->column[i] = named ? find_cell(cells, name) : none;
        if (roles->column[i] == none && number > 0 && (!named || number <= none))
            roles->column[i] = number - 1;
        else if (chosen[i] && roles->column[i] == none)
            return fail_missing(reader, name, remedies[i], error);
        for (int k = 0; k < i; k++)
            if (chosen[i] && chosen[k] && roles->column[i] == roles->column[k])
                return bs_fail(error, BS_USAGE, "%s and %s choose the same column",
                               option_names[k], option_names[i]);
    }
    drop_defaults(reader, roles);
    if (options->text || roles->column[0] < cells->count)
        return BS_OK;
    bool wants_text = !options->required || strcmp(options->required, BS_FIELD_TEXT) == 0;
    if (named && wants_text)
        roles->column[0] = find_cell(cells, "sentence");
    if (cells->count == 1 && (!named || wants_text))
        roles->column[0] = 0;
    return BS_OK;
}

static int name_columns(struct bs_reader *reader, const struct roles *roles,
                        struct bs_error *error) {
    struct bs_columns *columns = &reader->columns;
    for (size_t i = 0; i < reader->cells.count; i++) {
        struct bs_span name = reader->cells.cells[i];
        bool has_role = false;
        for (int role = 0; role < 3; role++)
            if (roles->column[role] == i) {
                name = bs_span_of(bs_known_fields[role].name);
                has_role = true;
            }
        if (!has_role && bs_reading_taken(reader, name))
            name = bs_span(NULL, 0);
        if (add_column(reader, name, error))
            return error->code;
    }
    columns->needed = columns->count;
    return BS_OK;
}

/* Columns without a header are called by their numbers. */
static int number_column(struct bs_reader *reader, const struct roles *roles,
                         struct bs_error *error) {
    const struct bs_columns *columns = &reader->columns;
    char number[24];
    snprintf(number, sizeof number, "%zu", columns->count + 1);
    struct bs_span name = bs_span_of(number);
    for (int role = 0; roles && role < 3; role++)
        if (roles->column[role] == columns->count)
            name = bs_span_of(bs_known_fields[role].name);
    return add_column(reader, name, error);
}

static int number_columns(struct bs_reader *reader, struct roles *roles,
                          struct bs_error *error) {
    const struct bs_reader_options *options = &reader->options;
    const char *chosen[] = {options->text, options->text2, options->label};
    struct bs_columns *columns = &reader->columns;
    for (int i = 0; i < 3; i++)
        if (chosen[i] && roles->column[i] >= columns->needed)
            columns->needed = roles->column[i] + 1;
    if (columns->needed == 0)
        columns->needed = reader->cells.count;
    for (int i = 0; i < 3; i++)
        if (!chosen[i] && !(i == 0 && reader->cells.count == 1))
            roles->column[i] = BS_MAX_COLUMNS;
    size_t count =
        columns->needed > reader->cells.count ? columns->needed : reader->cells.count;
    while (columns->count < count)
        if (number_column(reader, roles, error))
            return error->code;
    return BS_OK;
}

static int check_names(struct bs_reader *reader, struct bs_error *error) {
    const char *required = reader->options.required;
    const struct bs_columns *columns = &reader->columns;
    uint32_t seen = 0;
    bool found = !required;
    for (size_t i = 0; i < columns->count; i++) {
        int known = columns->names[i].data ? bs_known_field(columns->names[i]) : -1;
        if (known >= 0 && seen >> known & 1)
            return bs_fail(error, BS_DATA, "%s: two columns are called \"%s\"",
                           reader->path, bs_known_fields[known].name);
        if (known >= 0)
            seen |= (uint32_t)1 << known;
        if (required && columns->names[i].data && bs_span_is(columns->names[i], required))
            found = true;
    }
    bool wants_text = !required || strcmp(required, BS_FIELD_TEXT) == 0;
    if (!columns->named && !found && !wants_text)
        return bs_fail(error, BS_DATA, "%s: has no header row, which names \"%s\"",
                       reader->path, required);
    /* Numbers for names: without a text there is nothing that any tool could use. */
    if (!columns->named && !reader->options.text && !(seen & 1 << BS_KNOWN_TEXT))
        return bs_fail(error, BS_USAGE,
                       "%s: has %zu columns and no header row that names a text; say "
                       "which they are with --text and --label (by number, from 1)",
                       reader->path, columns->count);
    if (found)
        return BS_OK;
    return fail_missing(reader, required, wants_text ? remedies[0] : "", error);
}

int bs_columns_begin(struct bs_reader *reader, bool *is_header, struct bs_error *error) {
    struct roles roles = {{0}};
    struct bs_columns *columns = &reader->columns;
    columns->known = true;
    columns->named = *is_header = is_header_row(reader);
    if (find_roles(reader, columns->named, &roles, error))
        return error->code;
    int code = columns->named ? name_columns(reader, &roles, error)
                              : number_columns(reader, &roles, error);
    if (!code)
        code = check_names(reader, error);
    if (code == BS_REJECTED)
        code = bs_fail(error, BS_DATA, "%s: more than %d columns", reader->path,
                       BS_MAX_COLUMNS);
    return code;
}

int bs_columns_begin_too_long(const struct bs_reader *reader, struct bs_error *error) {
    if (reader->options.header == BS_HEADER_NO)
        return BS_OK;
    return bs_fail(error, BS_DATA,
                   "%s: the first row, which may name the columns, is longer than %zu "
                   "bytes (--max-record)",
                   reader->path, reader->max_record);
}

/* Columns have no type; probabilities alone are structured, as JSON. */
static int set_value(struct bs_record *record, struct bs_field *field,
                     struct bs_span cell, struct bs_error *error) {
    struct bs_json json = {.at = cell.data, .end = cell.data + cell.size};
    struct bs_span map;
    field->value = (struct bs_value){.kind = BS_VALUE_TEXT, .bytes = cell};
    if (cell.size == 0 || cell.data[0] != '{' ||
        !bs_span_is(field->name, BS_FIELD_PROBABILITIES) ||
        !bs_json_skip(&json, BS_JSON_DEPTH, &map) || json.at != json.end)
        return BS_OK;
    int code = bs_field_from_json(record, field, BS_TYPE_MAP, map, error);
    if (!code && field->value.kind != BS_VALUE_MAP)
        field->value = (struct bs_value){.kind = BS_VALUE_TEXT, .bytes = cell};
    field->raw_value = bs_span(NULL, 0);
    return code;
}

int bs_columns_take(struct bs_reader *reader, struct bs_record *record,
                    struct bs_error *error) {
    struct bs_columns *columns = &reader->columns;
    const struct bs_cells *cells = &reader->cells;
    if (cells->count > BS_MAX_COLUMNS)
        return bs_fail(error, BS_REJECTED, "more than %d columns", BS_MAX_COLUMNS);
    if (cells->count < columns->needed ||
        (columns->named && cells->count > columns->count))
        return bs_fail(error, BS_REJECTED, "has %zu column%s, %s%zu", cells->count,
                       cells->count == 1 ? "" : "s",
                       columns->named ? "the header has " : "not ", columns->needed);
    while (columns->count < cells->count)
        if (number_column(reader, NULL, error))
            return error->code;
    for (size_t i = 0; i < cells->count; i++) {
        struct bs_span name = columns->names[i];
        struct bs_field *field = NULL;
        if (name.data && !(field = bs_record_add(
                               record, name, (struct bs_value){.kind = BS_VALUE_TEXT})))
            return bs_fail_memory(error, sizeof *field, "a field");
        if (field && set_value(record, field, cells->cells[i], error))
            return error->code;
    }
    return BS_OK;
}
