// Layer norm, backward, last step: adds the partial sums of the groups of rows.
//
//     grad_weight[c] = sum over g of partials[0][g][c]        grad_bias[c] = sum over g of partials[1][g][c]
//
// Shapes: partials [2, row_groups, width] in f32; grad_weight, grad_bias [width].
// Traffic: 8 bytes for each group and column, which the kernel before has left in L2 as far as they fit.
// Who does what: block (b, 0) sums 32 columns of grad_weight, block (b, 1) of grad_bias (common/columns.cuh).
#include "common/columns.cuh"
#include "common/element.cuh"
#include "layer_norm/layer_norm_params.h"

namespace warpsmith {

static_assert(ColumnSum::THREADS == LAYER_NORM_REDUCE_THREADS && ColumnSum::COLUMNS == LAYER_NORM_REDUCE_COLUMNS,
              "the launcher knows the shape of a column sum by these names");

template <typename T>
__device__ __forceinline__ void layer_norm_bwd_reduce(const LayerNormBwdReduceParams& p) {
    __shared__ ColumnSum::Smem smem;
    const uint64_t gradient = blockIdx.y == 0 ? p.grad_weight : p.grad_bias;
    if (gradient == 0) {
        return;
    }
    const uint32_t column = blockIdx.x * ColumnSum::COLUMNS + threadIdx.x % WARP;
    const uint64_t one = uint64_t{p.row_groups} * p.width * sizeof(float);
    const float sum = column_sum(p.partials + blockIdx.y * one, p.row_groups, p.width, column, smem);
    if (threadIdx.x < WARP && column < p.width) {
        store_element<T>(gradient + column * sizeof(T), sum);
    }
}

}  // namespace warpsmith

// Every kernel of this file.
extern "C" __global__ void __launch_bounds__(warpsmith::ColumnSum::THREADS)
layer_norm_bwd_f32_reduce(const __grid_constant__ LayerNormBwdReduceParams params) {
    warpsmith::layer_norm_bwd_reduce<float>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::ColumnSum::THREADS)
layer_norm_bwd_f16_reduce(const __grid_constant__ LayerNormBwdReduceParams params) {
    warpsmith::layer_norm_bwd_reduce<warpsmith::F16>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::ColumnSum::THREADS)
layer_norm_bwd_bf16_reduce(const __grid_constant__ LayerNormBwdReduceParams params) {
    warpsmith::layer_norm_bwd_reduce<warpsmith::Bf16>(params);
}
