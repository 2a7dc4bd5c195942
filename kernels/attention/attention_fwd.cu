// Attention forward for every GPU from compute capability 8.0 on.
//
//   S = scale * Q K^T      P = softmax(S) over the keys a query attends to      O = P V      LSE = log(sum(exp(S)))
//
//   q, o [batch, queries, heads, D]    k, v [batch, keys, kv_heads, D]    lse [batch, heads, queries] f32
//
// Traffic: Q and O once; K and V once for each tile of M queries of their group, from L2 as a rule. S and P never leave registers.
//
// Who does what: a block owns M queries of one head, a warp M/WARPS of them against every key, so no two warps exchange anything but
// K and V tiles. Keys pass by from the last to the first in blocks of N, the blocks that need a mask first. V(n) is copied while Q K(n)^T is
// computed and K(n-1) while P V(n) is, so one stage of each is enough and two blocks fit a multiprocessor.
//
// P is rounded to T before it meets V, as in FlashAttention-2 (Dao 2023, algorithm 1), whose recurrence this is; the reference
// of the exponentials moves lazily (online_softmax.cuh).
#include <cuda/std/type_traits>

#include "attention/attention_params.h"
#include "attention/mask.cuh"
#include "attention/online_softmax.cuh"
#include "attention/tile.cuh"
#include "common/vec.cuh"

namespace warpsmith {
namespace {
constexpr int WARPS = 4;
constexpr int THREADS = WARPS * WARP;
constexpr int M = 128;  // queries of a block
constexpr int N = 64;   // keys of a step
constexpr int ROW_TILES = M / WARPS / 16;
constexpr int KEY_TILES = N / 8;
}  // namespace

template <int D>
struct Smem {
    Tile<M, D> q;  // at the end, O
    Tile<N, D> k;
    Tile<N, D> v;
};
static_assert(sizeof(Smem<128>) == 64 * 1024, "two blocks fit 163 KiB and one fits 99 KiB");

/// One block's share of the problem.
struct Work {
    uint64_t k, v;  // key 0 of this head
    int64_t k_stride, v_stride;
    int first_query, queries;
    KeyLimit limit;
};

/// S = Q K^T for this warp's queries and one block of keys.
template <typename T, int D>
__device__ __forceinline__ void scores_of(const uint32_t q_start, const uint32_t k_start, float (&scores)[ROW_TILES][KEY_TILES][4]) {
#pragma unroll
    for (int tile = 0; tile < ROW_TILES; ++tile) {
#pragma unroll
        for (int key = 0; key < KEY_TILES; ++key) {
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
template <typename T, int D>
__device__ __forceinline__ void add_values(const float (&p)[ROW_TILES][KEY_TILES][4], const uint32_t v_start,
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
template <typename T, int D>
__device__ __forceinline__ void write_rows(const AttentionFwdParams& params, const Work& work, Smem<D>& smem,
                                           OnlineSoftmax<ROW_TILES>& softmax, float (&output)[ROW_TILES][D / 8][4]) {
    constexpr float LN_2 = 0.693147180559945f;
    const int lane = threadIdx.x % WARP;
    const int warp_row = threadIdx.x / WARP * ROW_TILES * 16;
    const uint64_t lse = params.lse + ((static_cast<int64_t>(blockIdx.z) * params.heads + blockIdx.y) * params.queries) * 4;
#pragma unroll
    for (int tile = 0; tile < ROW_TILES; ++tile) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const float sum = quad_sum(softmax.sum[tile][half]);
            const float inverse = sum == 0.0f ? 0.0f : 1.0f / sum;
            const int row = warp_row + tile * 16 + half * 8 + lane / 4;
            if (params.lse != 0 && lane % 4 == 0 && work.first_query + row < work.queries) {
                const float value = sum == 0.0f ? -CUDART_INF_F : (log2f(sum) - softmax.bias[tile][half]) * LN_2;
                ptx::store_4(lse + static_cast<int64_t>(work.first_query + row) * 4, __float_as_uint(value));
            }
            // This warp alone read these rows of Q and alone reads them as O.
            char* const q = reinterpret_cast<char*>(smem.q.chunks) + row * 2 * D + lane % 4 * 4;
#pragma unroll
            for (int column = 0; column < D / 8; ++column) {
                *reinterpret_cast<uint32_t*>(q + ((column ^ (row % 8)) * 16)) =
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

template <typename T, int D>
__device__ __forceinline__ void attention_fwd(const AttentionFwdParams& params) {
    extern __shared__ __align__(128) char dynamic_shared[];
    Smem<D>& smem = *reinterpret_cast<Smem<D>*>(dynamic_shared);
    const int keys = params.keys;
    Work work;
    work.queries = params.queries;
    // The longest rows of a causal problem first: the short ones fill the end.
    work.first_query = (gridDim.x - 1 - blockIdx.x) * M;
    work.limit = {keys, params.causal ? keys - work.queries + 1 : 0x3fffffff};
    const uint32_t kv_head = blockIdx.y / params.group;
    work.k = params.k.address + (blockIdx.z * params.k.batch_stride + kv_head * params.k.head_stride) * 2;
    work.v = params.v.address + (blockIdx.z * params.v.batch_stride + kv_head * params.v.head_stride) * 2;
    const uint64_t q = params.q.address + (blockIdx.z * params.q.batch_stride + blockIdx.y * params.q.head_stride) * 2;

    const int warp_row = threadIdx.x / WARP * ROW_TILES * 16;
    const uint32_t q_start = row_major_start(smem.q.chunks, warp_row, 2 * D);
    const uint32_t k_start = column_major_start(smem.k.chunks, 2 * D);
    const uint32_t v_start = row_major_start(smem.v.chunks, 0, 2 * D);

    // Key blocks that some query of this block attends to, and those that every query attends to whole.
    const int blocks = (max(work.limit.of(work.first_query + M - 1), 0) + N - 1) / N;
    const int whole = max(min(work.limit.of(work.first_query), keys), 0) / N;

    OnlineSoftmax<ROW_TILES> softmax;
    float output[ROW_TILES][D / 8][4] = {};

    const auto step = [&](int n, auto masked) {
        constexpr bool WHOLE = !decltype(masked)::value;
        ptx::cp_async_wait<0>();
        __syncthreads();  // K(n) is there; every warp is done with V(n+1)
        copy_tile<THREADS, WHOLE>(smem.v, work.v, params.v.row_stride, n * N, keys);
        ptx::cp_async_commit();
        float scores[ROW_TILES][KEY_TILES][4];
        scores_of<T, D>(q_start, k_start, scores);
        ptx::cp_async_wait<0>();
        __syncthreads();  // V(n) is there; every warp is done with K(n)
        if (n > 0) {
            copy_tile<THREADS, WHOLE>(smem.k, work.k, params.k.row_stride, (n - 1) * N, keys);
            ptx::cp_async_commit();
        }
        if constexpr (!WHOLE) {
            mask_scores(scores, work.limit, work.first_query + warp_row, n * N);
        }
        softmax.update(scores, output, params.scale_log2);
        add_values<T, D>(scores, v_start, output);
    };

    if (blocks > 0) {
        copy_tile<THREADS, false>(smem.q, q, params.q.row_stride, work.first_query, work.queries);
        copy_tile<THREADS, false>(smem.k, work.k, params.k.row_stride, (blocks - 1) * N, keys);
        ptx::cp_async_commit();
    }
    int n = blocks - 1;
    for (; n >= whole; --n) {
        step(n, cuda::std::true_type{});
    }
    for (; n >= 0; --n) {
        step(n, cuda::std::false_type{});
    }
    write_rows<T, D>(params, work, smem, softmax, output);
}

}  // namespace warpsmith

// Every kernel of this file.
extern "C" __global__ void __launch_bounds__(128, 2) attention_fwd_bf16_64(const __grid_constant__ AttentionFwdParams params) {
    warpsmith::attention_fwd<warpsmith::Bf16, 64>(params);
}

extern "C" __global__ void __launch_bounds__(128, 2) attention_fwd_bf16_128(const __grid_constant__ AttentionFwdParams params) {
    warpsmith::attention_fwd<warpsmith::Bf16, 128>(params);
}

extern "C" __global__ void __launch_bounds__(128, 2) attention_fwd_f16_64(const __grid_constant__ AttentionFwdParams params) {
    warpsmith::attention_fwd<warpsmith::F16, 64>(params);
}

extern "C" __global__ void __launch_bounds__(128, 2) attention_fwd_f16_128(const __grid_constant__ AttentionFwdParams params) {
    warpsmith::attention_fwd<warpsmith::F16, 128>(params);
}
