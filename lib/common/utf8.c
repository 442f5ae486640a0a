/* UTF-8 decoding after Table 3-7 of the Unicode Standard (well-formed byte sequences);
 * an ill-formed one ends where its maximal subpart does. */
#include "common/utf8.h"

/* Size of the sequence that `lead` begins and the range of its second byte; 0 if no
 * well-formed sequence begins so. */
static int sequence_size(uint8_t lead, uint8_t *low, uint8_t *high) {
    *low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    *high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (lead < 0x80)
        return 1;
    if (lead < 0xC2 || lead > 0xF4)
        return 0;
    return lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

int32_t bs_utf8_next(const char *text, size_t size, size_t *used) {
    const uint8_t *bytes = (const uint8_t *)text;
    uint8_t low, high;
    int wanted = sequence_size(bytes[0], &low, &high);
    *used = 1;
    if (wanted <= 1)
        return wanted ? bytes[0] : -1;
    int32_t code = bytes[0] & (0x7F >> wanted);
    for (int i = 1; i < wanted; i++) {
        if (*used >= size || bytes[i] < low || bytes[i] > high)
            return -1;
        code = code << 6 | (bytes[i] & 0x3F);
        ++*used;
        low = 0x80;
        high = 0xBF;
    }
    return code;
}

/* Bytes at the front that are ASCII, looked at eight at a time. */
static size_t ascii_prefix(const char *text, size_t size) {
    size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        uint64_t word;
        memcpy(&word, text + i, 8);
        if (word & 0x8080808080808080U)
            break;
    }
    while (i < size && !(text[i] & 0x80))
        i++;
    return i;
}

/* Bytes at the front that are well-formed. */
static size_t valid_prefix(const char *text, size_t size) {
    size_t i = 0, used;
    while (i < size) {
        i += ascii_prefix(text + i, size - i);
        if (i < size) {
            if (bs_utf8_next(text + i, size - i, &used) < 0)
                break;
            i += used;
        }
    }
    return i;
}

bool bs_utf8_valid(struct bs_span text) {
    return valid_prefix(text.data, text.size) == text.size;
}

bool bs_utf8_repair(struct bs_buffer *buffer, struct bs_span text) {
    size_t old_size = buffer->size;
    while (text.size) {
        size_t used, good = valid_prefix(text.data, text.size);
        if (!bs_buffer_append(buffer, text.data, good))
            goto fail;
        text = bs_span(text.data + good, text.size - good);
        if (!text.size)
            break;
        bs_utf8_next(text.data, text.size, &used);
        if (!bs_buffer_append(buffer, "\xEF\xBF\xBD", 3))
            goto fail;
        text = bs_span(text.data + used, text.size - used);
    }
    return true;
fail:
    buffer->size = old_size;
    return false;
}
