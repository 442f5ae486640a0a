/* Label names by index, and the other way round by binary search. */
#include "learn/labels.h"

#include "common/utf8.h"
#include "metric/metric.h"

#include <stdlib.h>

/* The first place in `sorted` whose name is not before `name`. */
static int64_t place_of(const struct bs_labels *labels, struct bs_span name) {
    int64_t low = 0, high = labels->count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        struct bs_span there = bs_span_of(labels->names[labels->sorted[middle]]);
        if (bs_span_order(there, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const struct bs_labels *labels, int64_t place, struct bs_span name) {
    return place < labels->count &&
           bs_span_is(name, labels->names[labels->sorted[place]]);
}

int32_t bs_labels_find(const struct bs_labels *labels, struct bs_span name) {
    int64_t place = place_of(labels, name);
    return is_at(labels, place, name) ? (int32_t)labels->sorted[place] : -1;
}

static int grow(struct bs_labels *labels, struct bs_error *error) {
    if (labels->count < labels->capacity)
        return BS_OK;
    size_t capacity = labels->capacity ? (size_t)labels->capacity * 2 : 16;
    char **names = bs_realloc(labels->names, capacity, sizeof *names);
    if (!names)
        return bs_fail_memory(error, capacity * sizeof *names, "labels");
    labels->names = names;
    int64_t *sorted = bs_realloc(labels->sorted, capacity, sizeof *sorted);
    if (!sorted)
        return bs_fail_memory(error, capacity * sizeof *sorted, "labels");
    labels->sorted = sorted;
    labels->capacity = (int64_t)capacity;
    return BS_OK;
}

static int insert(struct bs_labels *labels, int64_t place, struct bs_span name,
                  struct bs_error *error) {
    if (grow(labels, error))
        return error->code;
    char *copy = bs_span_string(name);
    if (!copy)
        return bs_fail_memory(error, name.size, "a label");
    memmove(labels->sorted + place + 1, labels->sorted + place,
            (size_t)(labels->count - place) * sizeof *labels->sorted);
    labels->sorted[place] = labels->count;
    labels->names[labels->count++] = copy;
    return BS_OK;
}

static int check_name(struct bs_span name, struct bs_error *error) {
    if (name.size == 0)
        return bs_fail(error, BS_REJECTED, "the label is empty");
    if (memchr(name.data, '\0', name.size) || !bs_utf8_valid(name))
        return bs_fail(error, BS_REJECTED, "the label is not valid text");
    return BS_OK;
}

static int add(struct bs_labels *labels, int64_t place, struct bs_span name,
               struct bs_error *error) {
    if (check_name(name, error))
        return error->code;
    if (labels->fixed)
        return bs_fail(error, BS_REJECTED,
                       "label \"%.*s\" is not one of --labels or of the training data",
                       (int)(name.size < 100 ? name.size : 100), name.data);
    if (bs_span_is(name, BS_ABSTAIN_NAME))
        return bs_fail(error, BS_DATA,
                       "label \"%s\" is what bs-predict says when it predicts nothing; "
                       "give that label another name",
                       BS_ABSTAIN_NAME);
    if (labels->count == INT32_MAX)
        return bs_fail(error, BS_REJECTED, "too many labels");
    return insert(labels, place, name, error);
}

int bs_labels_index(struct bs_labels *labels, struct bs_span name, int32_t *index,
                    struct bs_error *error) {
    int64_t place = place_of(labels, name);
    if (!is_at(labels, place, name) && add(labels, place, name, error))
        return error->code;
    *index = (int32_t)labels->sorted[place];
    return BS_OK;
}

int bs_labels_fix(struct bs_labels *labels, char *const *names, size_t count,
                  struct bs_error *error) {
    for (size_t i = 0; i < count; i++) {
        struct bs_span name = bs_span_of(names[i]);
        int32_t index;
        if (bs_labels_find(labels, name) >= 0)
            return bs_fail(error, BS_USAGE, "label \"%s\" is named twice", names[i]);
        if (bs_labels_index(labels, name, &index, error)) {
            if (error->code != BS_RESOURCE)
                error->code = BS_USAGE;
            return error->code;
        }
    }
    labels->fixed = count > 0;
    return BS_OK;
}

bool bs_labels_same(const struct bs_labels *labels, char *const *names, int64_t count) {
    if (labels->count != count)
        return false;
    for (int64_t i = 0; i < count; i++)
        if (bs_labels_find(labels, bs_span_of(names[i])) < 0)
            return false;
    return true;
}

int bs_labels_order(struct bs_labels *labels, char *const *preferred, int64_t n_preferred,
                    int32_t **moved, struct bs_error *error) {
    size_t count = (size_t)labels->count;
    int32_t *index = bs_alloc(count + 1, sizeof *index);
    char **names = bs_alloc(count + 1, sizeof *names);
    if (!index || !names) {
        free(index);
        free(names);
        return bs_fail_memory(error, count * sizeof *names, "labels");
    }
    bool prefer = !labels->fixed && bs_labels_same(labels, preferred, n_preferred);
    for (size_t i = 0; i < count; i++) {
        int64_t old = labels->fixed ? (int64_t)i : labels->sorted[i];
        if (prefer)
            old = bs_labels_find(labels, bs_span_of(preferred[i]));
        index[old] = (int32_t)i;
        names[i] = labels->names[old];
    }
    for (size_t i = 0; i < count; i++)
        labels->sorted[i] = index[labels->sorted[i]];
    free(labels->names);
    labels->names = names;
    labels->capacity = labels->count; /* fixed from here on */
    labels->fixed = true;
    *moved = index;
    return BS_OK;
}

void bs_labels_free(struct bs_labels *labels) {
    bs_names_free(labels->names, (size_t)labels->count);
    free(labels->sorted);
    *labels = (struct bs_labels){0};
}
