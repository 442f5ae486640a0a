/* The msgpack scanner (format of github.com/msgpack/msgpack/blob/master/spec.md). */
#include "format/msgpack_scan.h"

static uint64_t big_endian(const uint8_t *bytes, unsigned size) {
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value = value << 8 | bytes[i];
    return value;
}

static double real_of(uint64_t bits, unsigned size) {
    if (size == 8) {
        double value;
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    uint32_t low = (uint32_t)bits;
    float value;
    memcpy(&value, &low, sizeof value);
    return (double)value;
}

/* Heads 0xC0 to 0xDF: their type and how many bytes follow the first. */
static const struct {
    uint8_t type, extra;
} long_heads[32] = {
    [0x00] = {BS_MSGPACK_NIL, 0},      [0x01] = {BS_MSGPACK_INVALID, 0},
    [0x02] = {BS_MSGPACK_BOOLEAN, 0},  [0x03] = {BS_MSGPACK_BOOLEAN, 0},
    [0x04] = {BS_MSGPACK_BINARY, 1},   [0x05] = {BS_MSGPACK_BINARY, 2},
    [0x06] = {BS_MSGPACK_BINARY, 4},   [0x07] = {BS_MSGPACK_EXT, 1},
    [0x08] = {BS_MSGPACK_EXT, 2},      [0x09] = {BS_MSGPACK_EXT, 4},
    [0x0A] = {BS_MSGPACK_REAL, 4},     [0x0B] = {BS_MSGPACK_REAL, 8},
    [0x0C] = {BS_MSGPACK_UNSIGNED, 1}, [0x0D] = {BS_MSGPACK_UNSIGNED, 2},
    [0x0E] = {BS_MSGPACK_UNSIGNED, 4}, [0x0F] = {BS_MSGPACK_UNSIGNED, 8},
    [0x10] = {BS_MSGPACK_NEGATIVE, 1}, [0x11] = {BS_MSGPACK_NEGATIVE, 2},
    [0x12] = {BS_MSGPACK_NEGATIVE, 4}, [0x13] = {BS_MSGPACK_NEGATIVE, 8},
    [0x14] = {BS_MSGPACK_EXT, 0},      [0x15] = {BS_MSGPACK_EXT, 0},
    [0x16] = {BS_MSGPACK_EXT, 0},      [0x17] = {BS_MSGPACK_EXT, 0},
    [0x18] = {BS_MSGPACK_EXT, 0},      [0x19] = {BS_MSGPACK_STRING, 1},
    [0x1A] = {BS_MSGPACK_STRING, 2},   [0x1B] = {BS_MSGPACK_STRING, 4},
    [0x1C] = {BS_MSGPACK_ARRAY, 2},    [0x1D] = {BS_MSGPACK_ARRAY, 4},
    [0x1E] = {BS_MSGPACK_MAP, 2},      [0x1F] = {BS_MSGPACK_MAP, 4},
};

static void set_number(struct bs_msgpack_head *head, uint64_t bits, unsigned extra) {
    if (head->type == BS_MSGPACK_REAL) {
        head->real = real_of(bits, extra);
        return;
    }
    if (head->type == BS_MSGPACK_UNSIGNED) {
        head->number = bits;
        return;
    }
    /* A signed type may hold what is not negative. */
    uint64_t sign = extra ? (uint64_t)1 << (8 * extra - 1) : 0;
    head->negative = (int64_t)((bits ^ sign) - sign);
    if (head->negative >= 0) {
        head->type = BS_MSGPACK_UNSIGNED;
        head->number = (uint64_t)head->negative;
    }
}

static bool long_head(const uint8_t *bytes, size_t size, struct bs_msgpack_head *head) {
    unsigned index = bytes[0] - 0xC0U;
    unsigned extra = long_heads[index].extra;
    head->type = long_heads[index].type;
    head->size = 1 + extra + (head->type == BS_MSGPACK_EXT);
    if (size < head->size)
        return false;
    uint64_t bits = big_endian(bytes + 1, extra);
    if (head->type == BS_MSGPACK_BOOLEAN)
        head->number = bytes[0] & 1;
    else if (head->type >= BS_MSGPACK_UNSIGNED && head->type <= BS_MSGPACK_REAL)
        set_number(head, bits, extra);
    else
        head->count = bits;
    if (head->type == BS_MSGPACK_EXT) {
        head->ext = (int8_t)bytes[1 + extra];
        if (extra == 0)
            head->count = (uint64_t)1 << (index - 0x14);
    }
    return true;
}

bool bs_msgpack_head(const char *data, size_t size, struct bs_msgpack_head *head) {
    if (size == 0)
        return false;
    const uint8_t *bytes = (const uint8_t *)data;
    uint8_t first = bytes[0];
    *head = (struct bs_msgpack_head){.size = 1};
    if (first < 0x80) {
        head->type = BS_MSGPACK_UNSIGNED;
        head->number = first;
    } else if (first < 0xA0) {
        head->type = first < 0x90 ? BS_MSGPACK_MAP : BS_MSGPACK_ARRAY;
        head->count = first & 0x0F;
    } else if (first < 0xC0) {
        head->type = BS_MSGPACK_STRING;
        head->count = first & 0x1F;
    } else if (first < 0xE0) {
        return long_head(bytes, size, head);
    } else {
        head->type = BS_MSGPACK_NEGATIVE;
        head->negative = (int64_t)first - 0x100;
    }
    return true;
}

/* The most frequent value by far is an id: a fixint or uint16. */
static size_t skip_ids(struct bs_span data, size_t at, uint64_t *left) {
    uint64_t n = *left;
    while (n > 0 && at < data.size) {
        uint8_t first = (uint8_t)data.data[at];
        size_t size = first < 0x80 ? 1 : first == 0xCD ? 3 : 0;
        if (size == 0 || data.size - at < size)
            break;
        at += size;
        n--;
    }
    *left = n;
    return at;
}

static enum bs_msgpack_found scan_value(struct bs_msgpack_scan *scan,
                                        struct bs_span data) {
    struct bs_msgpack_head head;
    if (!bs_msgpack_head(data.data + scan->at, data.size - scan->at, &head))
        return BS_MSGPACK_MORE;
    bool nests = head.type == BS_MSGPACK_ARRAY || head.type == BS_MSGPACK_MAP;
    if (head.type == BS_MSGPACK_INVALID)
        return BS_MSGPACK_DAMAGED;
    if (nests && scan->depth == BS_MSGPACK_DEPTH)
        return BS_MSGPACK_TOO_DEEP;
    scan->at += head.size;
    scan->begun = true;
    if (scan->depth > 0)
        scan->open[scan->depth - 1]--;
    if (nests)
        scan->open[scan->depth++] =
            head.type == BS_MSGPACK_MAP ? 2 * head.count : head.count;
    else
        scan->skip = head.count;
    return BS_MSGPACK_DONE;
}

enum bs_msgpack_found bs_msgpack_scan(struct bs_msgpack_scan *scan, struct bs_span data) {
    for (;;) {
        size_t rest = data.size - scan->at;
        size_t step = scan->skip < rest ? (size_t)scan->skip : rest;
        scan->at += step;
        scan->skip -= step;
        if (scan->skip > 0)
            return BS_MSGPACK_MORE;
        if (scan->depth > 0)
            scan->at = skip_ids(data, scan->at, &scan->open[scan->depth - 1]);
        while (scan->depth > 0 && scan->open[scan->depth - 1] == 0)
            scan->depth--;
        if (scan->begun && scan->depth == 0)
            return BS_MSGPACK_DONE;
        enum bs_msgpack_found found = scan_value(scan, data);
        if (found != BS_MSGPACK_DONE)
            return found;
    }
}

bool bs_msgpack_take(struct bs_span *data, struct bs_span *value) {
    struct bs_msgpack_scan scan;
    bs_msgpack_scan_begin(&scan);
    if (bs_msgpack_scan(&scan, *data) != BS_MSGPACK_DONE)
        return false;
    *value = bs_span(data->data, scan.at);
    *data = bs_span(data->data + scan.at, data->size - scan.at);
    return true;
}

bool bs_msgpack_enter(struct bs_span *data, struct bs_msgpack_head *head,
                      struct bs_span *bytes) {
    *bytes = bs_span(NULL, 0);
    if (!bs_msgpack_head(data->data, data->size, head))
        return false;
    size_t size = head->size;
    if (head->type == BS_MSGPACK_STRING || head->type == BS_MSGPACK_BINARY ||
        head->type == BS_MSGPACK_EXT) {
        if (head->count > data->size - head->size)
            return false;
        *bytes = bs_span(data->data + size, (size_t)head->count);
        size += (size_t)head->count;
    }
    *data = bs_span(data->data + size, data->size - size);
    return true;
}
