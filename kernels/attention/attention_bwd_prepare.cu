// What attention backward needs before its main kernel:
//
//   delta = rowsum(dO * O)     lse_log2 = LSE * log2(e), +infinity for a query without keys or past the end: its P is then 0
//
// and zeros in the turns, and in grad_q of queries without keys, which the main kernel does not visit.
//
//   o, grad_o, grad_q [batch, queries, heads, D]    lse [batch, heads, queries] f32
//   statistics [batch, heads, query blocks, 3, queries of a block] f32: lse_log2, then -delta twice, as the main kernel takes them
//
// D / 8 neighbouring lanes have a query, eight elements each; the grid is [queries of whole blocks, heads, batch]. Traffic: O and dO once.
#include <math_constants.h>

#include "attention/bwd.cuh"
#include "common/reduce.cuh"
#include "common/vec.cuh"

namespace warpsmith {

constexpr float LOG2_E = 1.44269504f;

template <typename T, int D>
__device__ __forceinline__ void attention_bwd_prepare(const AttentionBwdParams& params) {
    constexpr int LANES_PER_QUERY = D / LANES<T>;
    const int batch = blockIdx.z;
    const int head = blockIdx.y;
    const uint64_t thread = static_cast<uint64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    const uint64_t first_block = (static_cast<uint64_t>(batch) * params.heads + head) * params.query_blocks;
    if (thread < params.query_blocks * params.warps) {
        ptx::store_4(params.turns + (1 + first_block * params.warps + thread) * 4, 0);
    }
    if (thread == 0 && first_block == 0) {
        ptx::store_4(params.turns, 0);
    }

    const int query = static_cast<int>(thread / LANES_PER_QUERY);
    const int queries = params.queries;
    const int element = threadIdx.x % LANES_PER_QUERY * LANES<T>;
    const bool has_keys = query < queries && key_limit(params).of(query) > 0;
    float delta[1] = {0.0f};
    if (has_keys) {
        float o[LANES<T>], grad_o[LANES<T>];
        unpack<T>(ptx::load_16(head_address(params.o, batch, head) + (query * params.o.row_stride + element) * 2), o);
        unpack<T>(ptx::load_16(head_address(params.grad_o, batch, head) + (query * params.grad_o.row_stride + element) * 2), grad_o);
        delta[0] = vector_sum_of_products(o, grad_o);
    } else if (query < queries) {
        ptx::store_16(head_address(params.grad_q, batch, head) + (query * params.grad_q.row_stride + element) * 2, {0, 0, 0, 0});
    }
#pragma unroll
    for (uint32_t distance = LANES_PER_QUERY / 2; distance > 0; distance /= 2) {
        add_lane(0xffffffffu, delta, distance);
    }
    // Two lanes of a query share the stores.
    const int lane = threadIdx.x % LANES_PER_QUERY;
    if (lane < 2 && query < params.query_blocks * params.block_queries) {
        const uint32_t block = query / params.block_queries;
        const uint32_t place = query % params.block_queries;
        const uint64_t statistics = params.statistics + (first_block + block) * (3 * params.block_queries) * 4;
        if (lane == 0) {
            const int64_t row = (static_cast<int64_t>(batch) * params.heads + head) * queries + query;
            const float lse_log2 = has_keys ? load_element<float>(params.lse + row * 4) * LOG2_E : CUDART_INF_F;
            store_element<float>(statistics + place * 4, lse_log2);
        } else {
            // As an accumulator has two columns, in its upper and in its lower half.
            const uint64_t pair = statistics + (params.block_queries + place / 2 * 4 + place % 2) * 4;
            store_element<float>(pair, -delta[0]);
            store_element<float>(pair + 8, -delta[0]);
        }
    }
}

}  // namespace warpsmith

// Every kernel of this file.
extern "C" __global__ void __launch_bounds__(ATTENTION_BWD_PREPARE_THREADS)
    attention_bwd_prepare_bf16_64(const __grid_constant__ AttentionBwdParams params) {
    warpsmith::attention_bwd_prepare<warpsmith::Bf16, 64>(params);
}

extern "C" __global__ void __launch_bounds__(ATTENTION_BWD_PREPARE_THREADS)
    attention_bwd_prepare_bf16_128(const __grid_constant__ AttentionBwdParams params) {
    warpsmith::attention_bwd_prepare<warpsmith::Bf16, 128>(params);
}

extern "C" __global__ void __launch_bounds__(ATTENTION_BWD_PREPARE_THREADS)
    attention_bwd_prepare_f16_64(const __grid_constant__ AttentionBwdParams params) {
    warpsmith::attention_bwd_prepare<warpsmith::F16, 64>(params);
}

extern "C" __global__ void __launch_bounds__(ATTENTION_BWD_PREPARE_THREADS)
    attention_bwd_prepare_f16_128(const __grid_constant__ AttentionBwdParams params) {
    warpsmith::attention_bwd_prepare<warpsmith::F16, 128>(params);
}
