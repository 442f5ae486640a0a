/* Scanning JSON without recursion and without memory, decoding and writing strings. */
#include "format/json.h"

#include "common/number.h"

#include <math.h>
#include <stdio.h>

static bool fail(struct bs_json *json, const char *why) {
    json->why = why;
    return false;
}

void bs_json_skip_blank(struct bs_json *json) {
    while (json->at < json->end && (*json->at == ' ' || *json->at == '\t' ||
                                    *json->at == '\n' || *json->at == '\r'))
        json->at++;
}

bool bs_json_take(struct bs_json *json, char byte) {
    bs_json_skip_blank(json);
    if (json->at == json->end || *json->at != byte)
        return false;
    json->at++;
    return true;
}

static bool is_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool skip_escape(struct bs_json *json) {
    json->at++; /* the backslash */
    if (json->at == json->end)
        return fail(json, "a string is not closed");
    char c = *json->at;
    if (c != 'u') {
        if (c == '\0' || !strchr("\"\\/bfnrt", c))
            return fail(json, "no such escape");
        json->at++;
        return true;
    }
    for (int i = 0; i < 4; i++) {
        json->at++;
        if (json->at == json->end || !is_hex(*json->at))
            return fail(json, "\\u wants four hexadecimal digits");
    }
    json->at++;
    return true;
}

bool bs_json_skip_string(struct bs_json *json, struct bs_span *string) {
    bs_json_skip_blank(json);
    const char *begin = json->at;
    if (json->at == json->end || *json->at != '"')
        return fail(json, "a string is wanted");
    json->at++;
    for (;;) {
        while (json->at < json->end && *json->at != '"' && *json->at != '\\' &&
               (unsigned char)*json->at >= 0x20)
            json->at++;
        if (json->at == json->end)
            return fail(json, "a string is not closed");
        if (*json->at == '"')
            break;
        if (*json->at != '\\')
            return fail(json, "a control character in a string");
        if (!skip_escape(json))
            return false;
    }
    json->at++;
    *string = bs_span(begin, (size_t)(json->at - begin));
    return true;
}

static bool skip_digits(struct bs_json *json) {
    const char *begin = json->at;
    while (json->at < json->end && *json->at >= '0' && *json->at <= '9')
        json->at++;
    return json->at > begin || fail(json, "a digit is wanted");
}

static bool next_is(const struct bs_json *json, char a, char b) {
    return json->at < json->end && (*json->at == a || *json->at == b);
}

static bool skip_number(struct bs_json *json) {
    if (next_is(json, '-', '-'))
        json->at++;
    if (next_is(json, '0', '0'))
        json->at++;
    else if (!skip_digits(json))
        return false;
    if (next_is(json, '.', '.')) {
        json->at++;
        if (!skip_digits(json))
            return false;
    }
    if (!next_is(json, 'e', 'E'))
        return true;
    json->at++;
    if (next_is(json, '+', '-'))
        json->at++;
    return skip_digits(json);
}

static bool skip_word(struct bs_json *json, const char *word) {
    size_t size = strlen(word);
    if ((size_t)(json->end - json->at) < size || memcmp(json->at, word, size) != 0)
        return fail(json, "a value is wanted");
    json->at += size;
    return true;
}

static bool skip_scalar(struct bs_json *json) {
    struct bs_span ignored;
    switch (*json->at) {
    case '"':
        return bs_json_skip_string(json, &ignored);
    case 't':
        return skip_word(json, "true");
    case 'f':
        return skip_word(json, "false");
    case 'n':
        return skip_word(json, "null");
    default:
        if (*json->at == '-' || (*json->at >= '0' && *json->at <= '9'))
            return skip_number(json);
        return fail(json, "a value is wanted");
    }
}

/* One bit a level: set for an object. */
struct nesting {
    uint64_t objects;
    int depth, limit;
};

static bool in_object(const struct nesting *nesting) {
    return nesting->objects >> (nesting->depth - 1) & 1;
}

static bool skip_key(struct bs_json *json) {
    struct bs_span ignored;
    return bs_json_skip_string(json, &ignored) &&
           (bs_json_take(json, ':') || fail(json, "a colon is wanted"));
}

/* Enters an array or object; `empty` if it ends at once. */
static bool enter(struct bs_json *json, struct nesting *nesting, bool *empty) {
    uint64_t object = *json->at == '{';
    if (nesting->depth == nesting->limit)
        return fail(json, "nested too deeply");
    nesting->objects &= ~((uint64_t)1 << nesting->depth);
    nesting->objects |= object << nesting->depth++;
    json->at++;
    *empty = bs_json_take(json, object ? '}' : ']');
    if (*empty)
        nesting->depth--;
    return *empty || !object || skip_key(json);
}

/* Behind a value: leaves what ends here; `more` if another value follows. */
static bool leave(struct bs_json *json, struct nesting *nesting, bool *more) {
    *more = false;
    while (nesting->depth > 0 && !*more) {
        bool object = in_object(nesting);
        if (bs_json_take(json, ','))
            *more = true;
        else if (bs_json_take(json, object ? '}' : ']'))
            nesting->depth--;
        else
            return fail(json,
                        object ? "a comma or } is wanted" : "a comma or ] is wanted");
        if (*more && object && !skip_key(json))
            return false;
    }
    return true;
}

bool bs_json_skip(struct bs_json *json, int depth, struct bs_span *value) {
    struct nesting nesting = {.limit = depth};
    bs_json_skip_blank(json);
    const char *begin = json->at;
    for (bool more = true; more;) {
        bool is_empty = true;
        bs_json_skip_blank(json);
        if (json->at == json->end)
            return fail(json, "a value is wanted");
        bool nests = *json->at == '{' || *json->at == '[';
        if (!(nests ? enter(json, &nesting, &is_empty) : skip_scalar(json)))
            return false;
        if (is_empty && !leave(json, &nesting, &more))
            return false;
    }
    *value = bs_span(begin, (size_t)(json->at - begin));
    return true;
}

bool bs_json_has_escapes(struct bs_span string) {
    return memchr(string.data, '\\', string.size) != NULL;
}

static unsigned hex4(const char *digits) {
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        char c = digits[i];
        unsigned digit =
            c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
        value = value << 4 | digit;
    }
    return value;
}

static size_t put_utf8(char *to, unsigned code) {
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (char)(0xC0 | code >> 6);
        to[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (char)(0xE0 | code >> 12);
        to[1] = (char)(0x80 | (code >> 6 & 0x3F));
        to[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    to[0] = (char)(0xF0 | code >> 18);
    to[1] = (char)(0x80 | (code >> 12 & 0x3F));
    to[2] = (char)(0x80 | (code >> 6 & 0x3F));
    to[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

/* `at` points behind \u. */
static unsigned decode_unit(const char **at, const char *end, bool *lossy) {
    unsigned unit = hex4(*at);
    *at += 4;
    if (unit < 0xD800 || unit > 0xDFFF)
        return unit;
    if (unit < 0xDC00 && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u') {
        unsigned low = hex4(*at + 2);
        if (low >= 0xDC00 && low <= 0xDFFF) {
            *at += 6;
            return 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
        }
    }
    if (lossy)
        *lossy = true;
    return 0xFFFD;
}

static char decode_simple(char escape) {
    switch (escape) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return escape;
    }
}

size_t bs_json_decode(struct bs_span string, char *to, bool *lossy) {
    const char *at = string.data + 1, *end = string.data + string.size - 1;
    char *begin = to;
    while (at < end) {
        const char *escape = memchr(at, '\\', (size_t)(end - at));
        size_t plain = (size_t)((escape ? escape : end) - at);
        memcpy(to, at, plain);
        to += plain;
        at += plain;
        if (!escape)
            break;
        if (at[1] == 'u') {
            at += 2;
            to += put_utf8(to, decode_unit(&at, end, lossy));
        } else {
            *to++ = decode_simple(at[1]);
            at += 2;
        }
    }
    return (size_t)(to - begin);
}

static bool put_escape(struct bs_buffer *buffer, unsigned char c) {
    static const char names[] = "\b\f\n\r\t\"\\", letters[] = "bfnrt\"\\";
    const char *name = c ? strchr(names, c) : NULL;
    if (!name)
        return bs_buffer_printf(buffer, "\\u%04x", c);
    char escape[2] = {'\\', letters[name - names]};
    return bs_buffer_append(buffer, escape, 2);
}

bool bs_json_put_string(struct bs_buffer *buffer, struct bs_span text) {
    if (!bs_buffer_append_byte(buffer, '"'))
        return false;
    size_t i = 0;
    while (i < text.size) {
        size_t begin = i;
        while (i < text.size && (unsigned char)text.data[i] >= 0x20 &&
               text.data[i] != '"' && text.data[i] != '\\')
            i++;
        if (!bs_buffer_append(buffer, text.data + begin, i - begin))
            return false;
        if (i < text.size && !put_escape(buffer, (unsigned char)text.data[i++]))
            return false;
    }
    return bs_buffer_append_byte(buffer, '"');
}

bool bs_json_put_real(struct bs_buffer *buffer, double value) {
    char text[32] = "null";
    if (isfinite(value))
        bs_format_real(value, text);
    return bs_buffer_append_span(buffer, bs_span_of(text));
}
