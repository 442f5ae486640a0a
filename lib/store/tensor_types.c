/* Types of tensors, and exact conversion to fp32. */
#include "store/tensor_types.h"

#include "common/f16.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tensors are mapped as they are: this needs a little-endian machine"
#endif

static const struct bs_tensor_type_info types[] = {
    {"I64", BS_TENSOR_I64, 64, 0},      {"F32", BS_TENSOR_F32, 32, 1},
    {"I32", BS_TENSOR_I32, 32, 2},      {"BF16", BS_TENSOR_BF16, 16, 3},
    {"F16", BS_TENSOR_F16, 16, 4},      {"U8", BS_TENSOR_U8, 8, 5},
    {"BOOL", BS_TENSOR_OTHER, 8, 9},    {"I8", BS_TENSOR_I8, 8, 6},
    {"I16", BS_TENSOR_OTHER, 16, 9},    {"U16", BS_TENSOR_OTHER, 16, 9},
    {"U32", BS_TENSOR_OTHER, 32, 9},    {"U64", BS_TENSOR_OTHER, 64, 9},
    {"F64", BS_TENSOR_OTHER, 64, 9},    {"C64", BS_TENSOR_OTHER, 64, 9},
    {"F8_E4M3", BS_TENSOR_OTHER, 8, 9}, {"F8_E5M2", BS_TENSOR_OTHER, 8, 9},
    {"F8_E8M0", BS_TENSOR_OTHER, 8, 9}, {"F6_E2M3", BS_TENSOR_OTHER, 6, 9},
    {"F6_E3M2", BS_TENSOR_OTHER, 6, 9}, {"F4", BS_TENSOR_OTHER, 4, 9},
};

const struct bs_tensor_type_info *bs_tensor_type_named(const char *name) {
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i].name, name) == 0)
            return &types[i];
    return NULL;
}

const struct bs_tensor_type_info *bs_tensor_type_get(enum bs_tensor_type type) {
    if (type == BS_TENSOR_OTHER)
        return NULL;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i].type == type)
            return &types[i];
    return NULL;
}

const char *bs_tensor_type_name(enum bs_tensor_type type) {
    const struct bs_tensor_type_info *info = bs_tensor_type_get(type);
    return info ? info->name : "a type that bs does not read";
}

bool bs_tensor_is_float(const struct bs_tensor *tensor) {
    return tensor->type == BS_TENSOR_F32 || tensor->type == BS_TENSOR_F16 ||
           tensor->type == BS_TENSOR_BF16 || tensor->scales;
}

const float *bs_tensor_floats(const struct bs_tensor *tensor) {
    bool aligned = (uintptr_t)tensor->bytes.data % _Alignof(float) == 0;
    return tensor->type == BS_TENSOR_F32 && aligned ? (const void *)tensor->bytes.data
                                                    : NULL;
}

/* So many at a time that compilers make vectors of them. */
enum { AT_ONCE = 16 };

static inline void some_halves(const char *from, bool brain, int64_t n, float *out) {
    uint16_t half[AT_ONCE];
    memcpy(half, from, (size_t)n * sizeof *half);
    for (int64_t i = 0; i < n; i++)
        out[i] =
            brain ? bs_float_of_bits((uint32_t)half[i] << 16) : bs_f16_to_float(half[i]);
}

static void halves_to_float(const char *from, bool brain, int64_t count, float *out) {
    int64_t i = 0;
    for (; i + AT_ONCE <= count; i += AT_ONCE)
        if (brain)
            some_halves(from + 2 * i, true, AT_ONCE, out + i);
        else
            some_halves(from + 2 * i, false, AT_ONCE, out + i);
    some_halves(from + 2 * i, brain, count - i, out + i);
}

static void scaled_to_float(const struct bs_tensor *tensor, int64_t first, int64_t count,
                            float *out) {
    const int8_t *from = (const int8_t *)tensor->bytes.data;
    int64_t columns = tensor->shape[1], end = first + count;
    for (int64_t i = first; i < end;) {
        int64_t row = i / columns, next = (row + 1) * columns;
        float scale;
        memcpy(&scale, tensor->scales->bytes.data + 4 * row, sizeof scale);
        for (next = next < end ? next : end; i < next; i++)
            *out++ = (float)from[i] * scale;
    }
}

bool bs_tensor_to_float(const struct bs_tensor *tensor, int64_t first, int64_t count,
                        float *out) {
    int64_t elements = bs_tensor_elements(tensor);
    if (!bs_tensor_is_float(tensor) || first < 0 || count < 0 || first > elements ||
        count > elements - first)
        return false;
    if (count == 0)
        return true;
    if (tensor->type == BS_TENSOR_F32)
        memcpy(out, tensor->bytes.data + 4 * first, (size_t)count * sizeof *out);
    else if (tensor->scales)
        scaled_to_float(tensor, first, count, out);
    else
        halves_to_float(tensor->bytes.data + 2 * first, tensor->type == BS_TENSOR_BF16,
                        count, out);
    return true;
}
