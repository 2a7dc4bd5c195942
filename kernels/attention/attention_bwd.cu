// Attention backward for every GPU from compute capability 8.0 on.
//
//   P = exp(scale * Q K^T - LSE)     dV = P^T dO     dP = dO V^T     delta = rowsum(dO * O)     dS = P * (dP - delta)
//   dQ = scale * dS K                dK = scale * dS^T Q
//
//   q, o, grad_o, grad_q [batch, queries, heads, D]    k, v, grad_k, grad_v [batch, keys, kv_heads, D]    lse, delta [batch, heads, queries] f32
//
// attention_bwd_prepare.cu comes first: it computes delta and resets the turns. Here a block owns N keys of one key-value head and walks over
// the queries of every head of its group, in each head from the last to the first, M at a time; a warp owns a part of the keys, or half of the
// columns of such a part, so dK and dV stay in its registers from beginning to end. Scores are computed transposed (keys by queries): P and dS are
// then operands of dV and dK as they stand in registers. Through shared memory goes dS, for dQ, and between warps with the same keys also P.
//
// dQ is a sum over key blocks, that is over thread blocks. They add to it in f32 in the order of the key blocks, each warp to a part of its own,
// and take turns by a counter for each part: the bits do not depend on timing. Blocks take their key block from a counter as they start, in
// the order of the turns, so whoever waits, waits for a block that is running already, and the first never waits. The first stores without reading,
// the last writes grad_q. Blocks that start one after another work on different heads, so turns are rarely waited for.
//
// Traffic: K, V once, dK, dV once; Q and dO once for each key block (from L2 as a rule); the sums of dQ read and written once for each.
#include <limits.h>
#include <stddef.h>

#include "attention/bwd.cuh"
#include "attention/tile.cuh"
#include "attention/turns.cuh"
#include "common/reduce.cuh"
#include "common/vec.cuh"
#include "ptx/opaque.cuh"
#include "ptx/special.cuh"

namespace warpsmith {

/// The shape of one variant: WARPS warps with KEY_TILES * 16 keys each, SPLIT of them with the same; M queries a step; dO of one step or two in
/// shared memory. Warps with the same keys share out the queries of P and dS, and the columns of dK and dV.
template <int D_, int M_, int WARPS_, int KEY_TILES_, int SPLIT_, int GRAD_O_STAGES_>
struct Shape {
    static constexpr int D = D_;
    static constexpr int M = M_;
    static constexpr int WARPS = WARPS_;
    static constexpr int KEY_TILES = KEY_TILES_;
    static constexpr int SPLIT = SPLIT_;
    static constexpr int GRAD_O_STAGES = GRAD_O_STAGES_;
    static constexpr int THREADS = WARPS * WARP;
    static constexpr int WARP_KEYS = KEY_TILES * 16;
    static constexpr int N = WARPS / SPLIT * WARP_KEYS;
    static constexpr int WARP_QUERIES = M / SPLIT;
    static constexpr int WARP_COLUMNS = D / SPLIT;
    // dQ of a step: a warp has 32 columns of GRAD_Q_TILES * 16 queries.
    static constexpr int COLUMN_GROUPS = D / 32;
    static constexpr int GRAD_Q_TILES = M / 16 / (WARPS / COLUMN_GROUPS);
    static constexpr int GRAD_Q_FRAGMENTS = GRAD_Q_TILES * 4;
    static_assert(N == ATTENTION_BWD_KEYS, "the launcher counts blocks of so many keys");
    static_assert(SPLIT == 1 || (SPLIT == 2 && WARP_COLUMNS == 64 && WARP_QUERIES == 32), "halves are whole groups of chunks");
    static_assert(GRAD_Q_TILES * 16 * (WARPS / COLUMN_GROUPS) == M, "the warps share dQ out evenly");
};

/// P or dS of a step, transposed: a row of M queries for each of N keys. Its 16-byte chunks are permuted so that eight neighbouring rows of an 8x8
/// matrix lie in eight different groups of four banks.
template <int N, int M>
struct alignas(128) ScoreTile {
    static_assert(M == 64 || M == 32, "a row is 128 bytes, or half of that");
    static constexpr int ROW_BYTES = 2 * M;
    char bytes[N * ROW_BYTES];

    static __device__ __forceinline__ uint32_t offset(int row, int chunk) {
        return row * ROW_BYTES + (chunk ^ (M == 64 ? row % 8 : row / 2 % 4)) * 16;
    }
};
template <int M>
struct ScoreTile<0, M> {};

/// What a step has to know of its M queries.
template <int M>
struct alignas(128) Statistics {
    float lse_log2[M];
    float4 minus_delta[M / 2];  // of two queries, and again: as an accumulator of dP begins
};

/// What a block has taken.
struct Work {
    int key_block;
    int batch;
    int kv_head;
    int head;  // the first of its group
};

template <typename S>
struct Smem {
    Tile<S::N, S::D> k;  // at the end, dK
    Tile<S::N, S::D> v;  // at the end, dV
    Tile<S::M, S::D> q[2];
    Tile<S::M, S::D> grad_o[S::GRAD_O_STAGES];
    ScoreTile<S::N, S::M> grad_scores;
    Statistics<S::M> statistics[2];
    ScoreTile<S::SPLIT == 2 ? S::N : 0, S::M> p;  // for the warp that shares the keys
    Work work;
};

/// An accumulator of this warp's keys by its queries.
template <typename S>
using Scores = float[S::KEY_TILES][S::WARP_QUERIES / 8][4];
/// The same, rounded, as A operands of 16 keys by 16 queries.
template <typename S>
using ScoreOperands = uint32_t[S::KEY_TILES][S::WARP_QUERIES / 16][4];
/// An accumulator of this warp's keys by its columns.
template <typename S>
using KeyGradients = float[S::KEY_TILES][S::WARP_COLUMNS / 8][4];
/// Whether all rows of a tile exist, as a type.
template <bool VALUE>
struct Bool {
    static constexpr bool value = VALUE;
};
using True = Bool<true>;
using False = Bool<false>;
/// A warp's part of dQ of a step: 16 queries by 8 columns each.
template <typename S>
using QueryGradients = float[S::GRAD_Q_TILES][4][4];

/// Accumulators of scores += A (this warp's keys by D) * B^T (its queries by D). `begin(eight, c)` gives what those of eight queries begin with.
template <typename T, typename S, typename Begin>
__device__ __forceinline__ void multiply_by_queries(uint32_t a_start, int a_tile, uint32_t b_start, int b_tile, Scores<S>& c, Begin begin) {
#pragma unroll
    for (int d = 0; d < S::D; d += 16) {
        uint32_t a[S::KEY_TILES][4];
#pragma unroll
        for (int tile = 0; tile < S::KEY_TILES; ++tile) {
            ptx::ldmatrix_x4(a[tile], block_address(a_start, tile * 16, d, 2 * S::D) + a_tile);
        }
#pragma unroll
        for (int query = 0; query < S::WARP_QUERIES; query += 16) {
            uint32_t b[4];
            ptx::ldmatrix_x4(b, block_address(b_start, query, d, 2 * S::D) + b_tile);
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const int eight = query / 8 + half;
                if (d == 0) {
                    float first[4];
                    begin(eight, first);
#pragma unroll
                    for (int tile = 0; tile < S::KEY_TILES; ++tile) {
                        mma<T>(c[tile][eight], a[tile], b[2 * half], b[2 * half + 1], first);
                    }
                } else {
#pragma unroll
                    for (int tile = 0; tile < S::KEY_TILES; ++tile) {
                        mma<T>(c[tile][eight], a[tile], b[2 * half], b[2 * half + 1]);
                    }
                }
            }
        }
    }
}

/// C (this warp's keys by its columns) += A (keys by M queries) * B (M queries by D). `operand(query, a)` gives A of 16 queries.
template <typename T, typename S, typename Operand>
__device__ __forceinline__ void add_over_queries(Operand operand, uint32_t b_start, int b_tile, KeyGradients<S>& c) {
#pragma unroll
    for (int query = 0; query < S::M; query += 16) {
        uint32_t a[S::KEY_TILES][4];
        operand(query, a);
#pragma unroll
        for (int d = 0; d < S::WARP_COLUMNS; d += 16) {
            uint32_t b[4];
            ptx::ldmatrix_x4_trans(b, block_address(b_start, query, d, 2 * S::D) + b_tile);
#pragma unroll
            for (int tile = 0; tile < S::KEY_TILES; ++tile) {
                mma<T>(c[tile][d / 8], a[tile], b[0], b[1]);
                mma<T>(c[tile][d / 8 + 1], a[tile], b[2], b[3]);
            }
        }
    }
}

/// C (this warp's queries by 32 columns) += A (queries by N keys, dS as it lies transposed) * B (N keys by D).
template <typename T, typename S>
__device__ __forceinline__ void add_over_keys(uint32_t a_start, uint32_t b_start, QueryGradients<S>& c) {
    constexpr int ROW_BYTES = ScoreTile<S::N, S::M>::ROW_BYTES;
#pragma unroll
    for (int key = 0; key < S::N; key += 16) {
        uint32_t a[S::GRAD_Q_TILES][4];
#pragma unroll
        for (int tile = 0; tile < S::GRAD_Q_TILES; ++tile) {
            ptx::ldmatrix_x4_trans(a[tile], (a_start ^ (tile * 32)) + key * ROW_BYTES);
        }
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            uint32_t b[4];
            ptx::ldmatrix_x4_trans(b, (b_start ^ (half * 32)) + key * 2 * S::D);
#pragma unroll
            for (int tile = 0; tile < S::GRAD_Q_TILES; ++tile) {
                mma<T>(c[tile][half * 2], a[tile], b[0], b[1]);
                mma<T>(c[tile][half * 2 + 1], a[tile], b[2], b[3]);
            }
        }
    }
}

/// From scores S to P and from dP - delta to dS, both rounded.
template <typename T, typename S>
__device__ __forceinline__ void softmax_gradient(const Scores<S>& scores, const Scores<S>& grad_p, const float* lse_log2, float scale_log2,
                                                 ScoreOperands<S>& p, ScoreOperands<S>& grad_scores) {
#pragma unroll
    for (int query = 0; query < S::WARP_QUERIES / 8; ++query) {
        const float2 lse = *reinterpret_cast<const float2*>(&lse_log2[query * 8 + threadIdx.x % 4 * 2]);
#pragma unroll
        for (int tile = 0; tile < S::KEY_TILES; ++tile) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const float(&s)[4] = scores[tile][query];
                const float(&dp)[4] = grad_p[tile][query];
                const float p_x = ptx::ex2_approx(__fmaf_rn(s[2 * half], scale_log2, -lse.x));
                const float p_y = ptx::ex2_approx(__fmaf_rn(s[2 * half + 1], scale_log2, -lse.y));
                p[tile][query / 2][query % 2 * 2 + half] = pack_pair<T>(p_x, p_y);
                grad_scores[tile][query / 2][query % 2 * 2 + half] = pack_pair<T>(p_x * dp[2 * half], p_y * dp[2 * half + 1]);
            }
        }
    }
}

/// Writes this warp's keys and queries of P or dS to shared memory; `start` is the offset of this lane's first pair.
template <typename S>
__device__ __forceinline__ void store_scores(const ScoreOperands<S>& a, ScoreTile<S::N, S::M>& to, uint32_t start) {
#pragma unroll
    for (int tile = 0; tile < S::KEY_TILES; ++tile) {
#pragma unroll
        for (int i = 0; i < S::WARP_QUERIES / 16; ++i) {
#pragma unroll
            for (int r = 0; r < 4; ++r) {
                const uint32_t at = (start ^ ((i * 2 + r / 2) * 16)) + (tile * 16 + r % 2 * 8) * to.ROW_BYTES;
                *reinterpret_cast<uint32_t*>(to.bytes + at) = a[tile][i][r];
            }
        }
    }
}

/// Writes this warp's keys and columns of dK or dV over its own part of a tile, then to memory, 16 bytes at a time.
template <typename T, typename S>
__device__ __forceinline__ void write_keys(const KeyGradients<S>& c, float factor, Tile<S::N, S::D>& tile, uint64_t matrix,
                                           int64_t row_stride, int first, int limit) {
    constexpr int CHUNKS = S::WARP_COLUMNS / CHUNK;
    const int lane = threadIdx.x % WARP;
    const int warp = threadIdx.x / WARP;
    const int warp_row = warp / S::SPLIT * S::WARP_KEYS;
    const int warp_chunk = warp % S::SPLIT * CHUNKS;
#pragma unroll
    for (int eight = 0; eight < S::WARP_KEYS / 8; ++eight) {
        const int row = warp_row + eight * 8 + lane / 4;
#pragma unroll
        for (int column = 0; column < CHUNKS; ++column) {
            const float(&values)[4] = c[eight / 2][column];
            char* const at = reinterpret_cast<char*>(tile.chunks) + row * 2 * S::D + ((warp_chunk + column) ^ (row % 8)) * 16 + lane % 4 * 4;
            *reinterpret_cast<uint32_t*>(at) = pack_pair<T>(values[eight % 2 * 2] * factor, values[eight % 2 * 2 + 1] * factor);
        }
    }
    __syncwarp();
#pragma unroll
    for (int i = 0; i < S::WARP_KEYS * CHUNKS / WARP; ++i) {
        const int row = warp_row + (i * WARP + lane) / CHUNKS;
        const int chunk = warp_chunk + lane % CHUNKS;
        if (first + row < limit) {
            ptx::store_16(matrix + ((first + row) * row_stride + chunk * CHUNK) * 2, tile.chunks[row * (S::D / CHUNK) + (chunk ^ (row % 8))]);
        }
    }
}

/// Writes this warp's part of a block of dQ.
template <typename T, typename S>
__device__ __forceinline__ void write_queries(const AttentionBwdParams& params, const QueryGradients<S>& c, int batch, int head, int first) {
    const int lane = threadIdx.x % WARP;
    const int warp = threadIdx.x / WARP;
    const uint64_t matrix = head_address(params.grad_q, batch, head) + (warp % S::COLUMN_GROUPS * 32 + lane % 4 * 2) * 2;
#pragma unroll
    for (int eight = 0; eight < S::GRAD_Q_TILES * 2; ++eight) {
        const int query = first + warp / S::COLUMN_GROUPS * (S::GRAD_Q_TILES * 16) + eight * 8 + lane / 4;
        if (query < static_cast<int>(params.queries)) {
            const uint64_t row = matrix + query * params.grad_q.row_stride * 2;
#pragma unroll
            for (int column = 0; column < 4; ++column) {
                const float(&values)[4] = c[eight / 2][column];
                ptx::store_4(row + column * 16,
                             pack_pair<T>(values[eight % 2 * 2] * params.scale, values[eight % 2 * 2 + 1] * params.scale));
            }
        }
    }
}

/// Where a block is on its way over the queries.
template <typename S>
struct Position {
    int query_block;
    uint32_t part;  // query blocks before this one, over all heads and batch entries
    // These go back by themselves with each block that they copy.
    Copier<S::THREADS, S::D> q;
    Copier<S::THREADS, S::D> grad_o;

    /// At the last query block of a head.
    __device__ __forceinline__ Position(const AttentionBwdParams& params, int batch, int head)
        : query_block(params.query_blocks - 1),
          part((batch * params.heads + head + 1) * params.query_blocks - 1),
          q(head_address(params.q, batch, head), params.q.row_stride, params.query_blocks * S::M),
          grad_o(head_address(params.grad_o, batch, head), params.grad_o.row_stride, params.query_blocks * S::M) {}
};

template <typename T, typename S>
__device__ __forceinline__ void attention_bwd(const AttentionBwdParams& params) {
    constexpr int D = S::D;
    constexpr int M = S::M;
    constexpr int N = S::N;
    extern __shared__ __align__(128) char dynamic_shared[];
    Smem<S>& smem = *reinterpret_cast<Smem<S>*>(dynamic_shared);
    if (threadIdx.x == 0) {
        const uint32_t ticket = ptx::fetch_add(params.turns, 1);
        const uint32_t kv_heads = params.heads / params.group;
        smem.work.key_block = ticket / kv_heads / params.batch;
        smem.work.batch = ticket / kv_heads % params.batch;
        smem.work.kv_head = ticket % kv_heads;
        smem.work.head = smem.work.kv_head * params.group;
    }
    __syncthreads();
    const int key_block = smem.work.key_block;
    const int first_key = key_block * N;
    const int warp = threadIdx.x / WARP;
    const int lane = threadIdx.x % WARP;
    const KeyLimit limit = key_limit(params);

    // Query blocks before the first that attends to a key of this block are skipped. Those from `whole` on attend to all of them, and those from
    // `passed_on` on to keys of the next block, too.
    const int first_block = max(first_key - limit.diagonal + 1, 0) / M;
    const int whole = limit.keys < first_key + N ? INT_MAX : (max(first_key + N - limit.diagonal, 0) + M - 1) / M;
    const int passed_on = limit.keys <= first_key + N ? INT_MAX : max(first_key + N - limit.diagonal + 1, 0) / M;
    int steps = (params.query_blocks - first_block) * params.group;

    int head = smem.work.head;
    Position<S> next(params, smem.work.batch, head);
    const auto load_q = [&](auto whole_block, int stage) {
        next.q.template copy<decltype(whole_block)::value>(smem.q[stage], params.q.row_stride, params.queries - next.query_block * M);
        if (threadIdx.x < sizeof(Statistics<M>) / 16) {
            const uint64_t source = params.statistics + static_cast<uint64_t>(next.part) * sizeof(Statistics<M>) + threadIdx.x * 16;
            ptx::cp_async_16(ptx::shared_address(&smem.statistics[stage]) + threadIdx.x * 16, source);
        }
    };
    const auto load_grad_o = [&](auto whole_block, int stage) {
        next.grad_o.template copy<decltype(whole_block)::value>(smem.grad_o[stage], params.grad_o.row_stride,
                                                               params.queries - next.query_block * M);
    };
    {
        const Work& work = smem.work;
        Copier<S::THREADS, D> k(head_address(params.k, work.batch, work.kv_head), params.k.row_stride, first_key + N);
        Copier<S::THREADS, D> v(head_address(params.v, work.batch, work.kv_head), params.v.row_stride, first_key + N);
        k.template copy<false>(smem.k, params.k.row_stride, limit.keys - first_key);
        v.template copy<false>(smem.v, params.v.row_stride, limit.keys - first_key);
    }
    load_q(False{}, 0);
    load_grad_o(False{}, 0);
    ptx::cp_async_commit();

    // Where this lane's addresses begin, in K; the other tiles are at constant distances.
    constexpr int V_TILE = offsetof(Smem<S>, v);
    constexpr int Q_TILE = offsetof(Smem<S>, q);
    constexpr int GRAD_O_TILE = offsetof(Smem<S>, grad_o);
    const int warp_key = warp / S::SPLIT * S::WARP_KEYS;
    const int warp_query = warp % S::SPLIT * S::WARP_QUERIES;
    const int column_group = warp % S::COLUMN_GROUPS;
    const uint32_t tile_rows = row_major_start(smem.k.chunks, 0, 2 * D);
    const uint32_t rows = ptx::opaque(tile_rows + warp % S::SPLIT * 128);
    const uint32_t columns = ptx::opaque(column_major_start(smem.k.chunks, 2 * D) + warp_query * 2 * D);
    const uint32_t warp_rows = ptx::opaque(tile_rows + warp_key * 2 * D);
    const uint32_t grad_q_columns = ptx::opaque((tile_rows ^ (column_group % 2 * 64)) + column_group / 2 * 128);
    using Scored = ScoreTile<N, M>;
    const uint32_t scores_start = ptx::shared_address(smem.grad_scores.bytes);
    const uint32_t stored_scores = ptx::opaque((Scored::offset(warp_key + lane / 4, 0) ^ (warp_query * 2)) + lane % 4 * 4);
    const uint32_t grad_scores =
        ptx::opaque((scores_start + Scored::offset(lane % 8 + lane / 16 * 8, lane / 8 % 2)) ^ (warp / S::COLUMN_GROUPS * S::GRAD_Q_TILES * 32));
    const uint32_t key_scores = scores_start + Scored::offset(warp_key + lane % 16, lane / 16);
    constexpr int P_TILE = offsetof(Smem<S>, p) - offsetof(Smem<S>, grad_scores);
    const Turns<S::GRAD_Q_FRAGMENTS, S::WARPS> turns(params);
    KeyGradients<S> grad_k = {};
    KeyGradients<S> grad_v = {};
    for (int stage = 0;; stage ^= 1) {
        ptx::cp_async_wait<0>();
        __syncthreads();  // this step's queries are there; every warp is done with the other stage and with dS
        const int query_block = next.query_block;
        const uint32_t part = next.part;
        const int head_now = head;
        if (query_block > first_block) {
            --next.query_block;
            --next.part;
            load_q(True{}, stage ^ 1);
            if (S::GRAD_O_STAGES == 2) {
                load_grad_o(True{}, stage ^ 1);
            }
            ptx::cp_async_commit();
        } else if (__builtin_expect(steps > 1, 0)) {
            ++head;
            next = Position<S>(params, smem.work.batch, head);
            load_q(False{}, stage ^ 1);
            if (S::GRAD_O_STAGES == 2) {
                load_grad_o(False{}, stage ^ 1);
            }
            ptx::cp_async_commit();
        }

        const uint32_t q_shift = stage * sizeof(smem.q[0]);
        const uint32_t grad_o_shift = S::GRAD_O_STAGES == 2 ? q_shift : 0;
        ScoreOperands<S> p;
        ScoreOperands<S> grad_s;
        {
            Scores<S> scores;
            Scores<S> grad_p;
            multiply_by_queries<T, S>(warp_rows, 0, columns + q_shift, Q_TILE, scores, [](int, float(&c)[4]) {
                c[0] = c[1] = c[2] = c[3] = 0.0f;
            });
            const Statistics<M>& statistics = smem.statistics[stage];
            multiply_by_queries<T, S>(warp_rows, V_TILE, columns + grad_o_shift, GRAD_O_TILE, grad_p, [&](int eight, float(&c)[4]) {
                const float4 minus_delta = statistics.minus_delta[warp_query / 2 + eight * 4 + lane % 4];
                c[0] = minus_delta.x;
                c[1] = minus_delta.y;
                c[2] = minus_delta.z;
                c[3] = minus_delta.w;
            });
            if (__builtin_expect(query_block < whole, 0)) {
                mask_transposed(scores, limit, first_key + warp_key, query_block * M + warp_query);
            }
            softmax_gradient<T, S>(scores, grad_p, statistics.lse_log2 + warp_query, params.scale_log2, p, grad_s);
        }
        QueryGradients<S> grad_q = {};
        const auto take_turn = [&] {
            if (key_block > 0) {
                turns.wait(part, key_block);
                turns.load(part, reinterpret_cast<float(&)[S::GRAD_Q_FRAGMENTS][4]>(grad_q));
            }
        };
        // The sums of dQ so far are asked for early, so that they arrive while dK is computed.
        if constexpr (S::SPLIT == 1) {
            const auto in_registers = [](const ScoreOperands<S>& scores) {
                return [&](int query, uint32_t(&a)[S::KEY_TILES][4]) {
#pragma unroll
                    for (int i = 0; i < S::KEY_TILES * 4; ++i) {
                        a[i / 4][i % 4] = scores[i / 4][query / 16][i % 4];
                    }
                };
            };
            add_over_queries<T, S>(in_registers(p), rows + grad_o_shift, GRAD_O_TILE, grad_v);
            store_scores<S>(grad_s, smem.grad_scores, stored_scores);
            take_turn();
            add_over_queries<T, S>(in_registers(grad_s), rows + q_shift, Q_TILE, grad_k);
            __syncthreads();  // dS is there
        } else {
            const auto in_shared = [&](uint32_t start) {
                return [start](int query, uint32_t(&a)[S::KEY_TILES][4]) {
#pragma unroll
                    for (int tile = 0; tile < S::KEY_TILES; ++tile) {
                        ptx::ldmatrix_x4(a[tile], (start ^ (query * 2)) + tile * 16 * Scored::ROW_BYTES);
                    }
                };
            };
            store_scores<S>(p, smem.p, stored_scores);
            store_scores<S>(grad_s, smem.grad_scores, stored_scores);
            take_turn();
            __syncthreads();  // P and dS are there
            add_over_queries<T, S>(in_shared(key_scores + P_TILE), rows + grad_o_shift, GRAD_O_TILE, grad_v);
            add_over_queries<T, S>(in_shared(key_scores), rows + q_shift, Q_TILE, grad_k);
        }
        if (S::GRAD_O_STAGES == 1 && steps > 1) {
            load_grad_o(False{}, 0);
            ptx::cp_async_commit();
        }
        add_over_keys<T, S>(grad_scores, grad_q_columns, grad_q);
        if (__builtin_expect(query_block < passed_on, 0)) {
            write_queries<T, S>(params, grad_q, smem.work.batch, head_now, query_block * M);
        } else {
            turns.pass(part, reinterpret_cast<const float(&)[S::GRAD_Q_FRAGMENTS][4]>(grad_q), key_block + 1);
        }
        if (--steps == 0) {
            break;
        }
    }

    __syncthreads();  // every warp is done with K
    const Work& work = smem.work;
    write_keys<T, S>(grad_k, params.scale, smem.k, head_address(params.grad_k, work.batch, work.kv_head), params.grad_k.row_stride, first_key,
                     limit.keys);
    write_keys<T, S>(grad_v, 1.0f, smem.v, head_address(params.grad_v, work.batch, work.kv_head), params.grad_v.row_stride, first_key,
                     limit.keys);
}

/// Head dimension 64: two blocks on a multiprocessor of compute capability 8.0 or 9.0.
using Shape64 = Shape<64, 32, 4, 2, 1, 2>;
/// Head dimension 128, where a block may have 163 KB of shared memory.
using Shape128 = Shape<128, 64, 8, 2, 2, 2>;
/// Head dimension 128 in 99 KB.
using Shape128Compact = Shape<128, 32, 8, 1, 1, 1>;
static_assert(sizeof(Smem<Shape64>) == ATTENTION_BWD_SHARED_64, "the launcher asks for so much");
static_assert(sizeof(Smem<Shape128>) == ATTENTION_BWD_SHARED_128, "the launcher asks for so much");
static_assert(sizeof(Smem<Shape128Compact>) == ATTENTION_BWD_SHARED_128_COMPACT, "the launcher asks for so much");

}  // namespace warpsmith

// Every kernel of this file.
extern "C" __global__ void __launch_bounds__(128, 2) attention_bwd_bf16_64(const __grid_constant__ AttentionBwdParams params) {
    warpsmith::attention_bwd<warpsmith::Bf16, warpsmith::Shape64>(params);
}

extern "C" __global__ void __launch_bounds__(256, 1) attention_bwd_bf16_128(const __grid_constant__ AttentionBwdParams params) {
    warpsmith::attention_bwd<warpsmith::Bf16, warpsmith::Shape128>(params);
}

extern "C" __global__ void __launch_bounds__(256, 1) attention_bwd_bf16_128_compact(const __grid_constant__ AttentionBwdParams params) {
    warpsmith::attention_bwd<warpsmith::Bf16, warpsmith::Shape128Compact>(params);
}

extern "C" __global__ void __launch_bounds__(128, 2) attention_bwd_f16_64(const __grid_constant__ AttentionBwdParams params) {
    warpsmith::attention_bwd<warpsmith::F16, warpsmith::Shape64>(params);
}

extern "C" __global__ void __launch_bounds__(256, 1) attention_bwd_f16_128(const __grid_constant__ AttentionBwdParams params) {
    warpsmith::attention_bwd<warpsmith::F16, warpsmith::Shape128>(params);
}

extern "C" __global__ void __launch_bounds__(256, 1) attention_bwd_f16_128_compact(const __grid_constant__ AttentionBwdParams params) {
    warpsmith::attention_bwd<warpsmith::F16, warpsmith::Shape128Compact>(params);
}
