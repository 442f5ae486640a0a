/*
 * The attention kernels against ref/: odd lengths, one sequence and many, views, every
 * type and head size, dropout, steep scores; that a sequence's bytes do not depend on
 * what else is in the batch, be it infinite; and what is refused.
 */
#include "cuda/attention_run.h"

#ifdef BS_STANDIN
#include "standin.h"
#endif

/* ---- against ref ------------------------------------------------------------------ */

/* The normalised mean square error allowed. fp32: another order of sums, 2^-22 in exp.
 * 16 bits: probabilities, their slopes and results are rounded, each to 2^-9 or 2^-12 of
 * itself. Slopes are p (dp - delta), a difference, with delta from rounded results: where
 * few keys share the probability it is smaller than what it is made of. */
struct bounds {
    double probabilities, slopes;
};

static struct bounds bounds_of(enum bs_type type) {
    return type == BS_F32    ? bounds{1e-11, 1e-11}
           : type == BS_BF16 ? bounds{1e-5, 8e-5}
                             : bounds{1.6e-7, 1.3e-6};
}

struct comparison {
    double error; /* mean square, in units of that of `wanted` */
    double worst; /* difference, in units of its value or of the root mean square */
    bool padding; /* from `used` on all is zero */
};

static struct comparison compare(const floats &made, const floats &wanted, size_t used,
                                 double least) {
    double difference = 0, power = 0, worst = 0;
    bool padding = made.size() == wanted.size();
    for (size_t i = used; padding && i < made.size(); i++)
        padding = made[i] == 0;
    for (size_t i = 0; i < used; i++)
        power += static_cast<double>(wanted[i]) * wanted[i];
    power = fmax(power / static_cast<double>(used), least);
    for (size_t i = 0; i < used; i++) {
        double error = fabs(static_cast<double>(made[i]) - wanted[i]);
        difference += error * error;
        worst =
            fmax(worst, error / fmax(sqrt(power), static_cast<double>(fabsf(wanted[i]))));
    }
    return {difference / static_cast<double>(used) / power, worst, padding};
}

/* `least`: a mean square below which `wanted` is taken for as large. */
static bool near(const char *name, const floats &made, const floats &wanted, size_t used,
                 double least, double bound) {
    struct comparison c = compare(made, wanted, used, least);
    bool agree = c.padding && c.error <= bound && c.worst <= 30 * sqrt(bound);
    if (!agree || getenv("BS_TEST_VERBOSE"))
        printf("# %s: error %.3g, worst %.3g, wanted %.3g, %.3g; padding %s\n", name,
               c.error, c.worst, bound, 30 * sqrt(bound),
               c.padding ? "zero" : "not zero");
    return agree;
}

static bool all_near(const struct setting &s, const struct packing &p,
                     const struct result &made, const struct result &wanted) {
    struct batch b = make_batch(s, p);
    size_t columns = static_cast<size_t>(s.heads * s.width);
    size_t keys = static_cast<size_t>(b.offset.back());
    size_t queries = s.first_only ? static_cast<size_t>(b.queries) : keys;
    struct bounds bounds = bounds_of(s.type);
    /* One key alone: its scores have no gradient, only rounding is left of it. */
    double least = b.longest - p.longer == 1 ? 1 : 1e-12;
    floats lse(made.lse.begin(), made.lse.begin() + static_cast<long>(queries) * s.heads);
    floats sums(wanted.lse.begin(), wanted.lse.begin() + static_cast<long>(lse.size()));
    bool agree = near("lse", lse, sums, lse.size(), 1e-12, 1e-12);
    agree &=
        near("out", made.out, wanted.out, queries * columns, 1e-12, bounds.probabilities);
    agree &= near("dq", made.dq, wanted.dq, queries * columns, least, bounds.slopes);
    agree &= near("dk", made.dk, wanted.dk, keys * columns, least, bounds.slopes);
    return near("dv", made.dv, wanted.dv, keys * columns, 1e-12, bounds.probabilities) &&
           agree;
}

static const char *type_name(enum bs_type type) {
    return type == BS_F32 ? "fp32" : type == BS_BF16 ? "bf16" : "fp16";
}

static struct packing all_of(const struct setting &s, int padding) {
    struct packing p = {{}, padding, 0};
    for (size_t i = 0; i < s.lengths.size(); i++)
        p.which.push_back(static_cast<int>(i));
    return p;
}

static void against_ref(const struct setting &s, int padding) {
    struct packing p = all_of(s, padding);
    bool whole;
    struct result made = run_device(s, p, &whole);
    bool agree = all_near(s, p, made, run_ref(s, p));
    check(agree && whole, "%s D %d H %d%s%s dropout %g, %zu of length %d ...%s",
          type_name(s.type), s.width, s.heads, s.first_only ? " first" : "",
          s.strided ? " strided" : "", static_cast<double>(s.dropout), s.lengths.size(),
          s.lengths[0], whole ? "" : ": a guard was written");
}

static void lengths_against_ref(enum bs_type type) {
    for (int length : {1, 2, 7, 31, 32, 33, 63, 64, 65, 128, 200, 512})
        against_ref({type,
                     length % 2 ? 32 : 64,
                     1,
                     false,
                     length % 3 == 0,
                     length % 4 ? 0.1F : 0,
                     {length}},
                    length % 5);
}

static void many_against_ref(enum bs_type type) {
    const std::vector<int> lengths = {33, 1, 64, 7, 130, 2, 32, 65};
    for (int width : {8, 16, 32, 40, 64, 96, 128})
        for (bool first_only : {false, true})
            against_ref({type, width, 2, first_only, width % 32 != 0,
                         first_only == (width > 32) ? 0.1F : 0, lengths},
                        first_only ? 0 : 70);
}

/* ---- independence ------------------------------------------------------------------ */

/* Rows of sequence number `at` of a batch. */
static floats rows_of(const floats &all, const struct setting &s, const struct batch &b,
                      size_t at, bool by_query, int columns) {
    size_t row = static_cast<size_t>(b.offset[at]),
           end = static_cast<size_t>(b.offset[at + 1]);
    if (by_query && s.first_only)
        row = at, end = at + 1;
    auto place = [&](size_t r) { return all.begin() + static_cast<long>(r) * columns; };
    return floats(place(row), place(end));
}

static bool same(const char *name, const floats &a, const floats &b) {
    if (a.size() == b.size() && !memcmp(a.data(), b.data(), a.size() * sizeof(float)))
        return true;
    printf("# %s differs\n", name);
    return false;
}

static bool same_sequence(const struct setting &s, const struct packing &p, size_t at,
                          const struct packing &other, size_t there,
                          const struct result &x, const struct result &y) {
    struct batch b = make_batch(s, p), o = make_batch(s, other);
    int columns = s.heads * s.width;
    auto equal = [&](const char *name, const floats &m, const floats &n, bool by_query,
                     int width) {
        return same(name, rows_of(m, s, b, at, by_query, width),
                    rows_of(n, s, o, there, by_query, width));
    };
    return equal("lse", x.lse, y.lse, true, s.heads) &&
           equal("out", x.out, y.out, true, columns) &&
           equal("dq", x.dq, y.dq, true, columns) &&
           equal("dk", x.dk, y.dk, false, columns) &&
           equal("dv", x.dv, y.dv, false, columns);
}

/* Each sequence alone, and all of them backwards under a larger max_length. */
static void independence(enum bs_type type, bool first_only) {
    const struct setting s = {type, 32, 2, first_only, false, 0.1F, {40, 1, 65, 32, 7}};
    struct packing all = all_of(s, 3), backwards = {{}, 70, 300};
    for (size_t i = s.lengths.size(); i > 0; i--)
        backwards.which.push_back(static_cast<int>(i - 1));
    bool whole, agree = true;
    struct result together = run_device(s, all, &whole);
    struct result turned = run_device(s, backwards, &whole);
    for (size_t i = 0; i < s.lengths.size(); i++) {
        struct packing alone = {{static_cast<int>(i)}, 0, 0};
        struct result single = run_device(s, alone, &whole);
        agree &= same_sequence(s, all, i, alone, 0, together, single);
        agree &= same_sequence(s, all, i, backwards, s.lengths.size() - 1 - i, together,
                               turned);
    }
    check(agree, "%s%s: the same bytes in any company", type_name(type),
          first_only ? " first" : "");
}

#ifdef BS_STANDIN
/* The order of threads and blocks is the seed's. */
static void any_order(enum bs_type type) {
    const struct setting s = {type, 64, 2, false, true, 0.1F, {70, 33, 128}};
    struct packing p = all_of(s, 9);
    bool whole, agree = true;
    struct result first = run_device(s, p, &whole);
    for (uint64_t seed = 2; seed < 7; seed++) {
        bs_standin_seed(seed);
        struct result again = run_device(s, p, &whole);
        agree &= same("out", first.out, again.out) && same("dq", first.dq, again.dq);
        agree &= same("dk", first.dk, again.dk) && same("dv", first.dv, again.dv);
    }
    check(agree, "%s: the same bytes in any order of threads", type_name(type));
}
#endif

/* ---- extremes ---------------------------------------------------------------------- */

/* Scores of +-70, so that the largest so far goes up by much, and more than once. */
static void steep(enum bs_type type) {
    const struct setting s = {type, 64, 1, false, false, 0, {200, 31}, 3.5F};
    struct packing p = all_of(s, 0);
    bool whole;
    struct result made = run_device(s, p, &whole), wanted = run_ref(s, p);
    bool agree = near("lse", made.lse, wanted.lse, made.lse.size(), 1e-12, 1e-12);
    agree &= near("out", made.out, wanted.out, made.out.size(), 1e-12,
                  10 * bounds_of(type).probabilities);
    check(agree, "%s: steep scores", type_name(type));
}

/* Scores of about -200: a key that is not there must not count as one with score 0. The
 * keys are nearly alike and their slopes add up to zero, so little remains of dq. */
static void negative(enum bs_type type) {
    const struct setting s = {type, 64, 1, false, false, 0.1F, {40, 7}, 1.5F, 5};
    struct packing p = all_of(s, 0);
    bool whole;
    struct result made = run_device(s, p, &whole), wanted = run_ref(s, p);
    double bound = type == BS_F32 ? 1e-7 : type == BS_BF16 ? 1e-2 : 1.5e-4;
    bool agree = near("out", made.out, wanted.out, made.out.size(), 1e-12, bound);
    agree &= near("dq", made.dq, wanted.dq, made.dq.size(), 1e-12, bound);
    agree &= near("dk", made.dk, wanted.dk, made.dk.size(), 1e-12, bound);
    check(agree, "%s: negative scores", type_name(type));
}

/* A sequence that overflows says so, and leaves the others alone. */
static void spoilt(enum bs_type type) {
    struct setting s = {type, 32, 2, false, false, 0.1F, {40, 65, 7}};
    struct packing p = all_of(s, 0);
    bool whole, agree = true;
    struct result sound = run_device(s, p, &whole);
    s.spoilt = 2;
    struct result made = run_device(s, p, &whole);
    for (size_t i : {0, 2})
        agree &= same_sequence(s, p, i, p, i, sound, made);
    struct batch b = make_batch(s, p);
    for (float value : rows_of(made.out, s, b, 1, true, s.heads * s.width))
        agree &= !std::isfinite(value);
    check(agree, "%s: infinite keys spoil their own sequence alone", type_name(type));
}

/* Prediction does not ask for lse. */
static void without_lse(void) {
    const struct setting s = {BS_F32, 32, 2, false, false, 0, {40, 7}};
    struct packing p = all_of(s, 2);
    struct batch b = make_batch(s, p);
    bool whole;
    struct result wanted = run_device(s, p, &whole);
    struct device_run d = device_run_new(s, b, make_all_values(s, p, b));
    struct device_batch batch = device_batch_new(b);
    struct bs_rows absent = {};
    MUST(cudaDeviceSynchronize());
    MUST(bs_cuda_attention(nullptr, &batch.batch, nullptr, attention_of(s), d.q.view,
                           d.k.view, d.v.view, absent, d.out.view));
    MUST(cudaDeviceSynchronize());
    device_batch_free(&batch);
    struct result made = device_run_take(&d, &whole);
    check(same("out", made.out, wanted.out), "the same without lse, and without a step");
}

static void refusals(void) {
    check(bs_cuda_attention_serves(32, BS_F32) && bs_cuda_attention_serves(64, BS_BF16) &&
              bs_cuda_attention_serves(128, BS_F16),
          "serves 32, 64, 128");
    check(!bs_cuda_attention_serves(12, BS_F32) &&
              !bs_cuda_attention_serves(136, BS_F16) &&
              !bs_cuda_attention_serves(0, BS_F32),
          "refuses 12, 136, 0");
    struct bs_cuda_batch batch = {};
    batch.n_tokens = batch.n_sequences = 1;
    batch.max_length = 64;
    alignas(16) static float memory[64];
    struct bs_rows good = {memory, BS_F32, 1, 16, 16}, absent = {};
    struct bs_rows odd = {memory + 1, BS_F32, 1, 16, 16};
    struct bs_attention attention = {1, false, {0, 0}};
    check(bs_cuda_attention(nullptr, &batch, nullptr, attention, good, odd, good, absent,
                            good) == cudaErrorMisalignedAddress,
          "refuses rows that are not aligned");
}

int main(void) {
    for (enum bs_type type : {BS_F32, BS_BF16, BS_F16}) {
        lengths_against_ref(type);
        many_against_ref(type);
        independence(type, false);
        independence(type, true);
        steep(type);
        negative(type);
        spoilt(type);
#ifdef BS_STANDIN
        any_order(type);
#endif
    }
    without_lse();
    refusals();
    return tap_end();
}
