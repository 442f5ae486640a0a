/* Packing and unpacking with msgpack-c; no other file knows it. */
#include "format/msgpack_pack.h"

#include <inttypes.h>
#include <msgpack.h>
#include <stdlib.h>

static int append(void *data, const char *bytes, size_t size) {
    return bs_buffer_append(data, bytes, size) ? 0 : -1;
}

static msgpack_packer packer_of(struct bs_buffer *bytes) {
    return (msgpack_packer){.data = bytes, .callback = append};
}

bool bs_pack_nil(struct bs_buffer *bytes) {
    msgpack_packer packer = packer_of(bytes);
    return msgpack_pack_nil(&packer) == 0;
}

bool bs_pack_boolean(struct bs_buffer *bytes, bool value) {
    msgpack_packer packer = packer_of(bytes);
    return (value ? msgpack_pack_true(&packer) : msgpack_pack_false(&packer)) == 0;
}

bool bs_pack_integer(struct bs_buffer *bytes, int64_t value) {
    msgpack_packer packer = packer_of(bytes);
    return msgpack_pack_int64(&packer, value) == 0;
}

bool bs_pack_unsigned(struct bs_buffer *bytes, uint64_t value) {
    msgpack_packer packer = packer_of(bytes);
    return msgpack_pack_uint64(&packer, value) == 0;
}

bool bs_pack_real(struct bs_buffer *bytes, double value) {
    msgpack_packer packer = packer_of(bytes);
    return msgpack_pack_double(&packer, value) == 0;
}

bool bs_pack_string(struct bs_buffer *bytes, struct bs_span text) {
    msgpack_packer packer = packer_of(bytes);
    return msgpack_pack_str(&packer, text.size) == 0 &&
           bs_buffer_append_span(bytes, text);
}

bool bs_pack_ext(struct bs_buffer *bytes, int8_t type, struct bs_span data) {
    msgpack_packer packer = packer_of(bytes);
    return msgpack_pack_ext(&packer, data.size, type) == 0 &&
           bs_buffer_append_span(bytes, data);
}

bool bs_pack_array(struct bs_buffer *bytes, size_t count) {
    msgpack_packer packer = packer_of(bytes);
    return msgpack_pack_array(&packer, count) == 0;
}

bool bs_pack_map(struct bs_buffer *bytes, size_t count) {
    msgpack_packer packer = packer_of(bytes);
    return msgpack_pack_map(&packer, count) == 0;
}

/* The bulk of every stream of tokens, so without a call for each id. */
bool bs_pack_ids(struct bs_buffer *bytes, const int32_t *ids, size_t count) {
    if (!bs_pack_array(bytes, count) || count > SIZE_MAX / 5 ||
        !bs_buffer_reserve(bytes, 5 * count))
        return false;
    for (size_t i = 0; i < count; i++) {
        uint8_t *at = (uint8_t *)bytes->data + bytes->size;
        if (ids[i] >= 0 && ids[i] < 0x80) {
            at[0] = (uint8_t)ids[i];
            bytes->size += 1;
        } else if (ids[i] >= 0x100 && ids[i] < 0x10000) {
            at[0] = 0xCD;
            at[1] = (uint8_t)(ids[i] >> 8);
            at[2] = (uint8_t)ids[i];
            bytes->size += 3;
        } else if (!bs_pack_integer(bytes, ids[i])) {
            return false;
        }
    }
    return true;
}

static const char *const kind_names[] = {
    [BS_STREAM_TOKENS] = "tokens", [BS_STREAM_PREDICTIONS] = "predictions"};

static bool pack_name(struct bs_buffer *bytes, const char *name) {
    return bs_pack_string(bytes, bs_span_of(name));
}

bool bs_pack_header(struct bs_buffer *bytes, const struct bs_stream_header *header) {
    bool done = bs_pack_array(bytes, 2) && pack_name(bytes, "bs") &&
                bs_pack_map(bytes, header->labels ? 6 : 5) &&
                pack_name(bytes, "version") && bs_pack_integer(bytes, 1) &&
                pack_name(bytes, "kind") && pack_name(bytes, kind_names[header->kind]) &&
                pack_name(bytes, "tokenizer") && pack_name(bytes, header->tokenizer) &&
                pack_name(bytes, "max_length") &&
                bs_pack_integer(bytes, header->max_length) && pack_name(bytes, "tool") &&
                pack_name(bytes, header->tool);
    if (done && header->labels)
        done = pack_name(bytes, "labels") && bs_pack_array(bytes, header->n_labels);
    for (size_t i = 0; done && header->labels && i < header->n_labels; i++)
        done = pack_name(bytes, header->labels[i]);
    return done;
}

bool bs_pack_check(struct bs_buffer *bytes, const char *word, uint64_t records,
                   uint32_t crc) {
    return bs_pack_array(bytes, 3) && pack_name(bytes, word) &&
           bs_pack_unsigned(bytes, records) && bs_pack_unsigned(bytes, crc);
}

static bool is_string(const msgpack_object *object, const char *string) {
    return object->type == MSGPACK_OBJECT_STR &&
           bs_span_is(bs_span(object->via.str.ptr, object->via.str.size), string);
}

/* A string of at most `size` - 1 bytes, none of them zero. */
static bool get_string(const msgpack_object *object, char *to, size_t size) {
    if (object->type != MSGPACK_OBJECT_STR || object->via.str.size >= size ||
        memchr(object->via.str.ptr, '\0', object->via.str.size))
        return false;
    memcpy(to, object->via.str.ptr, object->via.str.size);
    to[object->via.str.size] = '\0';
    return true;
}

static int damaged_header(struct bs_error *error) {
    return bs_fail(error, BS_DATA, "the header of the stream is damaged");
}

static int get_labels(const msgpack_object *object, struct bs_stream_header *header,
                      struct bs_error *error) {
    if (object->type != MSGPACK_OBJECT_ARRAY || header->labels)
        return damaged_header(error);
    header->labels = bs_alloc(object->via.array.size, sizeof *header->labels);
    if (!header->labels)
        return bs_fail_memory(error, object->via.array.size, "label names");
    for (uint32_t i = 0; i < object->via.array.size; i++) {
        const msgpack_object *label = &object->via.array.ptr[i];
        if (label->type != MSGPACK_OBJECT_STR ||
            memchr(label->via.str.ptr, '\0', label->via.str.size))
            return damaged_header(error);
        header->labels[i] =
            bs_span_string(bs_span(label->via.str.ptr, label->via.str.size));
        if (!header->labels[i])
            return bs_fail_memory(error, label->via.str.size, "a label name");
        header->n_labels++;
    }
    return BS_OK;
}

/* Which members of a header have been there. */
enum { HAS_VERSION = 1, HAS_KIND = 2, HAS_TOKENIZER = 4, HAS_LENGTH = 8, HAS_ALL = 15 };

/* Takes in one member; unknown ones are passed over. BS_DATA if it has a wrong type. */
static int get_member(const msgpack_object_kv *pair, struct bs_stream_header *header,
                      uint64_t *version, unsigned *has, struct bs_error *error) {
    const msgpack_object *key = &pair->key, *value = &pair->val;
    bool fits = true;
    if (is_string(key, "version") && value->type == MSGPACK_OBJECT_POSITIVE_INTEGER) {
        *version = value->via.u64;
        *has |= HAS_VERSION;
    } else if (is_string(key, "kind")) {
        bool tokens = is_string(value, "tokens");
        header->kind = tokens ? BS_STREAM_TOKENS : BS_STREAM_PREDICTIONS;
        *has |= HAS_KIND;
        fits = tokens || is_string(value, "predictions");
    } else if (is_string(key, "tokenizer")) {
        *has |= HAS_TOKENIZER;
        fits = get_string(value, header->tokenizer, sizeof header->tokenizer);
    } else if (is_string(key, "max_length")) {
        *has |= HAS_LENGTH;
        header->max_length = (int64_t)value->via.u64;
        fits =
            value->type == MSGPACK_OBJECT_POSITIVE_INTEGER && value->via.u64 <= INT64_MAX;
    } else if (is_string(key, "tool")) {
        fits = get_string(value, header->tool, sizeof header->tool);
    } else if (is_string(key, "labels")) {
        return get_labels(value, header, error);
    }
    return fits ? BS_OK : damaged_header(error);
}

static int get_header(const msgpack_object *object, struct bs_stream_header *header,
                      struct bs_error *error) {
    uint64_t version = 0;
    unsigned has = 0;
    if (object->type != MSGPACK_OBJECT_MAP)
        return damaged_header(error);
    for (uint32_t i = 0; i < object->via.map.size; i++)
        if (get_member(&object->via.map.ptr[i], header, &version, &has, error))
            return error->code;
    if (has & HAS_VERSION && version != 1)
        return bs_fail(error, BS_DATA,
                       "a stream of version %" PRIu64 "; this program reads version 1",
                       version);
    if (has != HAS_ALL)
        return bs_fail(error, BS_DATA, "the header of the stream is incomplete");
    return BS_OK;
}

static int get_control(const msgpack_object *object, struct bs_control *control,
                       struct bs_stream_header *header, struct bs_error *error) {
    const msgpack_object *items = object->via.array.ptr;
    uint32_t size = object->type == MSGPACK_OBJECT_ARRAY ? object->via.array.size : 0;
    if (size == 2 && is_string(&items[0], "bs")) {
        control->kind = BS_CONTROL_HEADER;
        return get_header(&items[1], header, error);
    }
    bool is_check = size == 3 && is_string(&items[0], "check");
    if (!is_check && !(size == 3 && is_string(&items[0], "end")))
        return bs_fail(error, BS_DATA, "neither a record nor a check");
    if (items[1].type != MSGPACK_OBJECT_POSITIVE_INTEGER ||
        items[2].type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return bs_fail(error, BS_DATA, "a damaged check");
    control->kind = is_check ? BS_CONTROL_CHECK : BS_CONTROL_END;
    control->records = items[1].via.u64;
    control->crc = items[2].via.u64;
    return BS_OK;
}

int bs_unpack_control(struct bs_span bytes, struct bs_control *control,
                      struct bs_stream_header *header, struct bs_error *error) {
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    size_t used = 0;
    int code, status = msgpack_unpack_next(&unpacked, bytes.data, bytes.size, &used);
    if (status == MSGPACK_UNPACK_NOMEM_ERROR)
        code = bs_fail_memory(error, bytes.size, "a check of the stream");
    else if (status == MSGPACK_UNPACK_SUCCESS && used == bytes.size)
        code = get_control(&unpacked.data, control, header, error);
    else
        code = bs_fail(error, BS_DATA, "damaged");
    msgpack_unpacked_destroy(&unpacked);
    return code;
}
