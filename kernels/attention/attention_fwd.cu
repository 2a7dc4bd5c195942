// Attention forward for every GPU from compute capability 8.0 on.
//
//   S = scale * Q K^T      P = softmax(S) over the keys a query attends to      O = P V      LSE = log(sum(exp(S)))
//
//   q, o [batch, queries, heads, D]    k, v [batch, keys, kv_heads, D]    lse [batch, heads, queries] f32
//
// Traffic: Q and O once; K and V once for each tile of M queries of each head, from L2 as a rule, and with a causal mask only the blocks that
// some query of the tile attends to. S and P never leave registers.
//
// Who does what: a block owns M queries of one head, a warp M / WARPS of them against every key, so no two warps exchange anything but
// K and V. Keys pass by from the last to the first in blocks of N, the blocks that need a mask first. V(n) is copied while
// Q K(n)^T is computed and K(n-1) while P V(n) is, so one stage of each is enough.
//
// Two blocks share a multiprocessor, so one computes where the other waits. Their registers allow no third, so a larger shared memory has no use
// but a larger N, and N is chosen for it: with D = 128, N = 64 where two blocks of 64 KB fit and 32 elsewhere (8.6, 8.9 and 12.0).
//
// P is rounded to T before it meets V, as in FlashAttention-2 (Dao 2023, algorithm 1), whose recurrence this is; the reference
// of the exponentials moves lazily (online_softmax.cuh).
#include <cuda/std/type_traits>

#include "attention/attention_params.h"
#include "attention/mask.cuh"
#include "attention/online_softmax.cuh"
#include "attention/tile.cuh"
#include "common/vec.cuh"
#include "ptx/opaque.cuh"

namespace warpsmith {
constexpr int THREADS = ATTENTION_FWD_THREADS;
constexpr int WARPS = THREADS / WARP;
constexpr int M = ATTENTION_FWD_QUERIES;
constexpr int ROW_TILES = M / WARPS / 16;
static_assert(M == WARPS * ROW_TILES * 16, "every warp has whole tiles of rows");

template <int D, int N>
struct Smem {
    Tile<M, D> q;  // at the end, O
    Tile<N, D> k;
    Tile<N, D> v;
};

/// One block's share of the problem.
struct Work {
    int first_query, queries;
    KeyLimit limit;
};

/// S = Q K^T for this warp's queries and one block of keys.
template <typename T, int D, int N>
__device__ __forceinline__ void scores_of(uint32_t q_start, uint32_t k_start, float (&scores)[ROW_TILES][N / 8][4]) {
#pragma unroll
    for (int tile = 0; tile < ROW_TILES; ++tile) {
#pragma unroll
        for (int key = 0; key < N / 8; ++key) {
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                scores[tile][key][i] = 0.0f;
            }
        }
    }
#pragma unroll
    for (int d = 0; d < D; d += 16) {
        uint32_t q[ROW_TILES][4];
#pragma unroll
        for (int tile = 0; tile < ROW_TILES; ++tile) {
            ptx::ldmatrix_x4(q[tile], block_address(q_start, tile * 16, d, 2 * D));
        }
#pragma unroll
        for (int key = 0; key < N; key += 16) {
            uint32_t k[4];
            ptx::ldmatrix_x4(k, block_address(k_start, key, d, 2 * D));
#pragma unroll
            for (int tile = 0; tile < ROW_TILES; ++tile) {
                mma<T>(scores[tile][key / 8], q[tile], k[0], k[1]);
                mma<T>(scores[tile][key / 8 + 1], q[tile], k[2], k[3]);
            }
        }
    }
}

/// O += P V for this warp's queries and one block of keys. An accumulator's registers of P are an operand's once rounded to T.
template <typename T, int D, int N>
__device__ __forceinline__ void add_values(const float (&p)[ROW_TILES][N / 8][4], uint32_t v_start,
                                           float (&output)[ROW_TILES][D / 8][4]) {
#pragma unroll
    for (int key = 0; key < N; key += 16) {
        uint32_t a[ROW_TILES][4];
#pragma unroll
        for (int tile = 0; tile < ROW_TILES; ++tile) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const float(&s)[4] = p[tile][key / 8 + half];
                a[tile][2 * half] = pack_pair<T>(s[0], s[1]);
                a[tile][2 * half + 1] = pack_pair<T>(s[2], s[3]);
            }
        }
#pragma unroll
        for (int d = 0; d < D; d += 16) {
            uint32_t v[4];
            ptx::ldmatrix_x4_trans(v, block_address(v_start, key, d, 2 * D));
#pragma unroll
            for (int tile = 0; tile < ROW_TILES; ++tile) {
                mma<T>(output[tile][d / 8], a[tile], v[0], v[1]);
                mma<T>(output[tile][d / 8 + 1], a[tile], v[2], v[3]);
            }
        }
    }
}

/// Divides by the sums and writes this warp's rows of O and LSE.
template <typename T, int D, int N>
__device__ __forceinline__ void write_rows(const AttentionFwdParams& params, const Work& work, Smem<D, N>& smem,
                                           OnlineSoftmax<ROW_TILES>& softmax, float (&output)[ROW_TILES][D / 8][4]) {
    constexpr float LN_2 = 0.693147180559945f;
    // Nothing that the copies' addresses were made of is to stay in registers through the loop to be used again here.
    const int thread = ptx::opaque(threadIdx.x);
    const int lane = thread % WARP;
    const int warp_row = thread / WARP * ROW_TILES * 16;
    const uint64_t lse = params.lse + ((static_cast<int64_t>(blockIdx.z) * params.heads + blockIdx.y) * params.queries) * 4;
#pragma unroll
    for (int tile = 0; tile < ROW_TILES; ++tile) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            // 0 without keys; else about 1 at least, what the largest probability was when the reference last moved.
            const float sum = quad_sum(softmax.sum[tile][half]);
            const float inverse = sum == 0.0f ? 0.0f : ptx::rcp_approx(sum);
            const int row = warp_row + tile * 16 + half * 8 + lane / 4;
            if (params.lse != 0 && lane % 4 == 0 && work.first_query + row < work.queries) {
                const float value = sum == 0.0f ? -CUDART_INF_F : (log2f(sum) - softmax.bias[tile][half]) * LN_2;
                ptx::store_4(lse + static_cast<int64_t>(work.first_query + row) * 4, __float_as_uint(value));
            }
            // This warp alone read these rows of Q and alone reads them as O.
            char* const o_row = reinterpret_cast<char*>(smem.q.chunks) + row * Tile<M, D>::ROW_BYTES + lane % 4 * 4;
#pragma unroll
            for (int column = 0; column < D / 8; ++column) {
                *reinterpret_cast<uint32_t*>(o_row + ((column ^ (row % 8)) * 16)) =
                    pack_pair<T>(output[tile][column][2 * half] * inverse, output[tile][column][2 * half + 1] * inverse);
            }
        }
    }
    __syncwarp();
    constexpr int CHUNKS = D / CHUNK;
    const uint64_t o = params.o.address + (blockIdx.z * params.o.batch_stride + blockIdx.y * params.o.head_stride) * 2;
#pragma unroll
    for (int i = 0; i < ROW_TILES * 16 * CHUNKS / WARP; ++i) {
        const int row = warp_row + (i * WARP + lane) / CHUNKS;
        const int chunk = lane % CHUNKS;
        if (work.first_query + row < work.queries) {
            ptx::store_16(o + (static_cast<int64_t>(work.first_query + row) * params.o.row_stride + chunk * CHUNK) * 2,
                          smem.q.chunks[row * CHUNKS + (chunk ^ (row % 8))]);
        }
    }
}

template <typename T, int D, int N>
__device__ __forceinline__ void attention_fwd(const AttentionFwdParams& params) {
    extern __shared__ __align__(128) char dynamic_shared[];
    Smem<D, N>& smem = *reinterpret_cast<Smem<D, N>*>(dynamic_shared);
    const int keys = params.keys;
    Work work;
    work.queries = params.queries;
    // The longest rows of a causal problem first: the short ones fill the end.
    work.first_query = (gridDim.x - 1 - blockIdx.x) * M;
    work.limit = {keys, params.diagonal};
    const uint32_t kv_head = blockIdx.y / params.group;
    const uint64_t q = params.q.address + (blockIdx.z * params.q.batch_stride + blockIdx.y * params.q.head_stride) * 2;
    const uint64_t k = params.k.address + (blockIdx.z * params.k.batch_stride + kv_head * params.k.head_stride) * 2;
    const uint64_t v = params.v.address + (blockIdx.z * params.v.batch_stride + kv_head * params.v.head_stride) * 2;

    const int warp_row = threadIdx.x / WARP * ROW_TILES * 16;
    const uint32_t q_start = row_major_start(smem.q.chunks, warp_row, 2 * D);
    const uint32_t k_start = column_major_start(smem.k.chunks, 2 * D);
    const uint32_t v_start = row_major_start(smem.v.chunks, 0, 2 * D);

    // Key blocks that some query of this block attends to.
    const int blocks = (max(work.limit.of(work.first_query + M - 1), 0) + N - 1) / N;
    Copier<THREADS, D> k_tiles(k, params.k.row_stride, blocks * N);
    Copier<THREADS, D> v_tiles(v, params.v.row_stride, blocks * N);

    OnlineSoftmax<ROW_TILES> softmax;
    float output[ROW_TILES][D / 8][4] = {};

    const auto step = [&](int n, auto masked) {
        constexpr bool MASKED = decltype(masked)::value;
        ptx::cp_async_wait<0>();
        __syncthreads();  // K(n) is there; every warp is done with V(n+1)
        v_tiles.template copy<!MASKED>(smem.v, params.v.row_stride, keys - n * N);
        ptx::cp_async_commit();
        float scores[ROW_TILES][N / 8][4];
        scores_of<T, D, N>(q_start, k_start, scores);
        ptx::cp_async_wait<0>();
        __syncthreads();  // V(n) is there; every warp is done with K(n)
        if (n > 0) {
            k_tiles.template copy<true>(smem.k, params.k.row_stride, N);  // only the last block may be cut short
            ptx::cp_async_commit();
        }
        if constexpr (MASKED) {
            mask_scores(scores, work.limit, work.first_query + warp_row, n * N);
        }
        softmax.update(scores, output, params.scale_log2);
        add_values<T, D, N>(scores, v_start, output);
    };

    if (blocks > 0) {
        Copier<THREADS, D>(q, params.q.row_stride, work.first_query + M)
            .template copy<false>(smem.q, params.q.row_stride, work.queries - work.first_query);
        k_tiles.template copy<false>(smem.k, params.k.row_stride, keys - (blocks - 1) * N);
        ptx::cp_async_commit();
    }
    // Blocks that every query attends to whole. Computed anew at each masked step, since the loop has no register to spare for it.
    const auto whole = [&] { return max(work.limit.of((gridDim.x - 1 - ptx::opaque(blockIdx.x)) * M), 0) / N; };
    int n = blocks - 1;
    for (; n >= whole(); --n) {
        step(n, cuda::std::true_type{});
    }
    for (; n >= 0; --n) {
        step(n, cuda::std::false_type{});
    }
    write_rows<T, D, N>(params, work, smem, softmax, output);
}

}  // namespace warpsmith

// Every kernel of this file. Two blocks on a multiprocessor.
extern "C" __global__ void __launch_bounds__(ATTENTION_FWD_THREADS, 2)
attention_fwd_bf16_64(const __grid_constant__ AttentionFwdParams params) {
    warpsmith::attention_fwd<warpsmith::Bf16, 64, ATTENTION_FWD_KEYS>(params);
}

extern "C" __global__ void __launch_bounds__(ATTENTION_FWD_THREADS, 2)
attention_fwd_bf16_128(const __grid_constant__ AttentionFwdParams params) {
    warpsmith::attention_fwd<warpsmith::Bf16, 128, ATTENTION_FWD_KEYS>(params);
}

extern "C" __global__ void __launch_bounds__(ATTENTION_FWD_THREADS, 2)
attention_fwd_bf16_128_compact(const __grid_constant__ AttentionFwdParams params) {
    warpsmith::attention_fwd<warpsmith::Bf16, 128, ATTENTION_FWD_COMPACT_KEYS>(params);
}

extern "C" __global__ void __launch_bounds__(ATTENTION_FWD_THREADS, 2)
attention_fwd_f16_64(const __grid_constant__ AttentionFwdParams params) {
    warpsmith::attention_fwd<warpsmith::F16, 64, ATTENTION_FWD_KEYS>(params);
}

extern "C" __global__ void __launch_bounds__(ATTENTION_FWD_THREADS, 2)
attention_fwd_f16_128(const __grid_constant__ AttentionFwdParams params) {
    warpsmith::attention_fwd<warpsmith::F16, 128, ATTENTION_FWD_KEYS>(params);
}

extern "C" __global__ void __launch_bounds__(ATTENTION_FWD_THREADS, 2)
attention_fwd_f16_128_compact(const __grid_constant__ AttentionFwdParams params) {
    warpsmith::attention_fwd<warpsmith::F16, 128, ATTENTION_FWD_COMPACT_KEYS>(params);
}
