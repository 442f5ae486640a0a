/*
 * What the attention kernels share: which rows a block works on, tiles of 32 rows on
 * their way through shared memory, dropout's masks, and the result's way out.
 *
 * The plan (Dao et al., "FlashAttention", 2022; Dao, "FlashAttention-2", 2023). A block
 * of 4 warps serves one head and 64 rows of one sequence, 16 a warp, whose operands stay
 * in registers: queries forward and for dq, keys and values for dk and dv. The other side
 * of the score matrix comes past in tiles of 32 rows, two matrices at a time (k and v, or
 * q and dout), copied to shared memory while the tile before is computed; a warp's
 * 16 x 32 scores never leave registers. attention_products.h has the products.
 *
 * A row's arithmetic depends on its own sequence alone, tile by tile from its start: not
 * on neighbours, nor on the size of the grid.
 *
 * Element type T, head size padded to D columns of 32, 64 or 128 (what is missing is zero
 * in tiles and operands and is not stored).
 */
#ifndef BS_COMPUTE_CUDA_ATTENTION_PARTS_H
#define BS_COMPUTE_CUDA_ATTENTION_PARTS_H

#include "compute/cuda/elements.h"
#include "compute/cuda/matrix_unit.h"

enum {
    ATTENTION_WARPS = 4,
    ATTENTION_THREADS = 32 * ATTENTION_WARPS,
    ATTENTION_ROWS = 16,                                /* of a warp */
    ATTENTION_BLOCK = ATTENTION_ROWS * ATTENTION_WARPS, /* rows of a block */
    ATTENTION_TILE = 32,                                /* rows that come past at once */
};

/* The arguments of every attention kernel; those that one does not use are NULL. */
template <class T> struct attention_task {
    const int32_t *offset;
    const uint32_t *example;
    const struct bs_cuda_step *step;
    int64_t tokens;
    int sequences, heads, width; /* width: D as it is */
    int blocks;                  /* for each head of each sequence */
    bool first_only;
    uint32_t threshold, site; /* threshold 0: no dropout */
    float keep;               /* what a kept probability is multiplied by */
    float scale, scale2;      /* 1 / sqrt(width); that over log(2) */
    bs_view<T> q, k, v, out, dout, dq, dk, dv;
    bs_view<float> lse, delta; /* [rows of q, H]; lse without data: not wanted */
};

BS_GPU float attention_exp2(float x) {
#ifdef BS_STANDIN
    return exp2f(x);
#else
    float power;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(x));
    return power;
#endif
}

/* ---- which rows --------------------------------------------------------------- */

struct place {
    int head, column; /* its first column */
    int sequence, length, queries;
    int first_key, first_query; /* rows of token 0 and of query 0 */
    int block;                  /* row of the sequence that the block begins with */
};

/* False: the block is one of those behind, for padding. */
template <class T>
BS_GPU bool attention_place(const struct attention_task<T> &a, struct place *p) {
    const unsigned pair = blockIdx.x / a.blocks;
    p->sequence = static_cast<int>(pair / a.heads);
    if (p->sequence >= a.sequences)
        return false;
    p->block = static_cast<int>(blockIdx.x % a.blocks) * ATTENTION_BLOCK;
    p->head = static_cast<int>(pair % a.heads);
    p->column = p->head * a.width;
    p->first_key = a.offset[p->sequence];
    p->length = a.offset[p->sequence + 1] - a.offset[p->sequence];
    p->first_query = a.first_only ? p->sequence : p->first_key;
    p->queries = a.first_only ? 1 : p->length;
    return true;
}

/* A block behind those of the sequences: zeroes its share of a view's padding rows. */
template <class T>
BS_GPU void attention_zero_padding(const struct attention_task<T> &a, bs_view<T> to) {
    constexpr int CHUNK = 16 / sizeof(T);
    const int64_t share =
        blockIdx.x - static_cast<int64_t>(a.blocks) * a.heads * a.sequences;
    const int64_t used = a.offset[a.sequences], end = (share + 1) * ATTENTION_BLOCK;
    const int chunks = a.heads * a.width / CHUNK;
    for (int64_t r = share * ATTENTION_BLOCK; r < end && r < a.tokens; r++)
        for (int c = threadIdx.x; r >= used && c < chunks; c += ATTENTION_THREADS)
            *reinterpret_cast<uint4 *>(to.at(r, c * CHUNK)) = make_uint4(0, 0, 0, 0);
}

/* ---- a warp's 16 rows in global memory ----------------------------------------- */

/* `rows` (of 16, or none) from `row` of the views on; the head's columns. */
struct warp_place {
    int row, rows, column, width;
};

/* `first`, `count`: row of the sequence's first query or key, and how many there are. */
template <class T>
BS_GPU struct warp_place attention_warp(const struct attention_task<T> &a,
                                        const struct place &p, int first, int count) {
    const int place = p.block + bs_warp() * ATTENTION_ROWS;
    return {first + place, count - place, p.column, a.width};
}

/* A number of a row and head; 32 bits count them all. */
BS_GPU float *attention_number(bs_view<float> view, int row, int head) {
    return view.data + (static_cast<uint32_t>(row) * static_cast<uint32_t>(view.stride) +
                        static_cast<uint32_t>(head));
}

/* ---- tiles in shared memory ---------------------------------------------------- */

/* Rows of D elements lie one behind the other, their chunks of 16 bytes in an order that
 * the row decides: 8 rows, one chunk each, lie in 8 different groups of 4 banks. */
template <class T, int D> struct tile {
    static constexpr int CHUNK = 16 / sizeof(T);
    static constexpr int CHUNKS = D / CHUNK;
    static constexpr int SHARING = CHUNKS < 8 ? 8 / CHUNKS : 1; /* rows on 128 bytes */
    static constexpr int MASK = (CHUNKS < 8 ? CHUNKS : 8) - 1;
    static constexpr int SIZE = ATTENTION_TILE * D;
    /* Two matrices in two stages. */
    static constexpr size_t BYTES = 4 * SIZE * sizeof(T);

    /* Where row's chunk begins, in elements. 2 chunks more within 128 bytes: this
     * ^ 2 CHUNK; 8 chunks more: this + 8 CHUNK; 16 rows more: this + 16 D. */
    BS_GPU int at(int row, int chunk) {
        return row * D + (chunk ^ (row / SHARING & MASK)) * CHUNK;
    }
};

/* Rows of two matrices that come past in tiles, both of a tile at once. A thread copies
 * the same chunk of every STEP-th row; its place in the matrices, in chunks, goes on from
 * copy to copy. */
template <class T, int D> struct tiles {
    static constexpr int STEP = ATTENTION_THREADS / tile<T, D>::CHUNKS;
    T *memory;
    const uint4 *one, *two;
    uint32_t one_at, two_at, one_step, two_step;
    int row; /* of the tile's rows the thread's first; large if its chunk is not there */
};

/* Rows from `first` on, the head's columns. Shared memory: tile<T, D>::BYTES. */
template <class T, int D>
BS_GPU struct tiles<T, D> attention_tiles(const struct attention_task<T> &a,
                                          const struct place &p, bs_view<T> one,
                                          bs_view<T> two, int first) {
    using shape = tile<T, D>;
    BS_SHARED(T, memory);
    const int row = static_cast<int>(threadIdx.x) / shape::CHUNKS;
    const int column = static_cast<int>(threadIdx.x) % shape::CHUNKS * shape::CHUNK;
    const auto chunks = [](int64_t n) { return static_cast<uint32_t>(n / shape::CHUNK); };
    struct tiles<T, D> s = {};
    s.memory = memory;
    s.one = reinterpret_cast<const uint4 *>(one.data);
    s.two = reinterpret_cast<const uint4 *>(two.data);
    s.one_at = chunks((first + row) * one.stride + p.column + column);
    s.two_at = chunks((first + row) * two.stride + p.column + column);
    s.one_step = chunks(tiles<T, D>::STEP * one.stride);
    s.two_step = chunks(tiles<T, D>::STEP * two.stride);
    s.row = column < a.width ? row : 1 << 30;
    return s;
}

/* Where in shared memory the tile that begins with `row` lies, in elements. */
template <class T, int D>
BS_GPU int attention_stage(int row) {
    return row / ATTENTION_TILE % 2 * 2 * tile<T, D>::SIZE;
}

/* Begins to copy the next tile, the one that begins with `row` of `rows`; zeros from
 * there on. */
template <class T, int D>
BS_GPU void attention_fetch(struct tiles<T, D> *s, int row, int rows) {
    using shape = tile<T, D>;
    constexpr int STEP = tiles<T, D>::STEP;
    const int first = static_cast<int>(threadIdx.x) / shape::CHUNKS;
    const int chunk = static_cast<int>(threadIdx.x) % shape::CHUNKS;
    T *to = s->memory + attention_stage<T, D>(row);
#pragma unroll
    for (int i = 0; i < ATTENTION_TILE; i += STEP) {
        /* 8 rows on, chunks are in the same order. */
        const int at =
            STEP % 8 == 0 ? shape::at(first, chunk) + i * D : shape::at(first + i, chunk);
        const bool there = s->row < rows - row - i;
        bs_copy_async(to + at, s->one + (there ? s->one_at : 0), there ? 16 : 0);
        bs_copy_async(to + shape::SIZE + at, s->two + (there ? s->two_at : 0),
                      there ? 16 : 0);
        s->one_at += s->one_step, s->two_at += s->two_step;
    }
    bs_copy_commit();
}

/* Waits for the tile that begins with `row` and begins to copy the one after, of `rows`
 * in all, in the place of the one before. All threads of the block arrive here; the tile
 * is theirs until they do again. */
template <class T, int D>
BS_GPU void attention_next(struct tiles<T, D> *s, int row, int rows) {
    bs_copy_wait<0>();
    __syncthreads();
    if (row + ATTENTION_TILE < rows)
        attention_fetch(s, row + ATTENTION_TILE, rows);
}

/* ---- dropout ------------------------------------------------------------------- */

struct dropper {
    bool drops;
    uint32_t limit, first, site, example, update;
    uint64_t seed;
};

template <class T>
BS_GPU struct dropper attention_dropper(const struct attention_task<T> &a,
                                        const struct place &p) {
    struct dropper d = {};
    d.drops = a.threshold != 0;
    d.limit = (a.threshold << 16) - 1;
    d.first = static_cast<uint32_t>(p.head) * 8192U;
    d.site = a.site << 16;
    if (d.drops) {
        d.example = a.example[p.sequence];
        d.update = a.step->step.update;
        d.seed = a.step->step.seed;
    }
    return d;
}

/* Two counters' Philox words at once, of one key; see common/random.h. */
BS_GPU void philox_pair(uint32_t words[2][4], uint64_t key) {
    uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
#pragma unroll
    for (int round = 0; round < 10; round++) {
#pragma unroll
        for (int i = 0; i < 2; i++) {
            uint32_t *c = words[i];
            const uint64_t p0 = static_cast<uint64_t>(0xD2511F53U) * c[0];
            const uint64_t p1 = static_cast<uint64_t>(0xCD9E8D57U) * c[2];
            c[0] = static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k0;
            c[1] = static_cast<uint32_t>(p1);
            c[2] = static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k1;
            c[3] = static_cast<uint32_t>(p0);
        }
        k0 += 0x9E3779B9U;
        k1 += 0xBB67AE85U;
    }
}

/* Bit i: half-word i of the words is at least the threshold, `limit` one less in the
 * upper half. */
BS_GPU uint32_t half_words_kept(const uint32_t words[4], uint32_t limit) {
    uint32_t kept = 0;
#pragma unroll
    for (int word = 0; word < 4; word++) {
        kept |= words[word] << 16 > limit ? 1U << 2 * word : 0U;
        kept |= words[word] > limit ? 2U << 2 * word : 0U;
    }
    return kept;
}

/* Keeps the compiler from computing what depends on a value before a loop, once: that
 * costs registers for all of the loop. */
BS_GPU void compute_in_loop(uint32_t *value) {
#ifndef BS_STANDIN
    asm volatile("" : "+r"(*value));
#else
    (void)value;
#endif
}

/* Bit i: the probability of `query` for key + i is kept, i < 16; key a multiple of 8. */
BS_GPU uint32_t attention_kept(const struct dropper &d, int query, int key) {
    uint32_t left = d.first + static_cast<uint32_t>(key / 8), right = left + 1;
    const uint32_t row = d.site | static_cast<uint32_t>(query);
    compute_in_loop(&left);
    compute_in_loop(&right);
    uint32_t words[2][4] = {{left, row, d.example, d.update},
                            {right, row, d.example, d.update}};
    philox_pair(words, d.seed);
    return half_words_kept(words[0], d.limit) | half_words_kept(words[1], d.limit) << 8;
}

#endif
