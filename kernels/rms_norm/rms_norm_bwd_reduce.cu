// RMS norm, backward, last step: grad_weight[c] = sum over g of partials[g][c], the partial sums of the groups of rows.
//
// Shapes: partials [row_groups, width] in f32; grad_weight [width].
// Traffic: 4 bytes for each group and column, which the kernel before has left in L2 as far as they fit.
// Who does what: a block sums 32 columns (common/columns.cuh).
#include "common/columns.cuh"
#include "common/element.cuh"
#include "rms_norm/rms_norm_params.h"

namespace warpsmith {

static_assert(ColumnSum::THREADS == RMS_NORM_REDUCE_THREADS && ColumnSum::COLUMNS == RMS_NORM_REDUCE_COLUMNS,
              "the launcher knows the shape of a column sum by these names");

template <typename T>
__device__ __forceinline__ void rms_norm_bwd_reduce(const RmsNormBwdReduceParams& p) {
    __shared__ ColumnSum::Smem smem;
    const uint32_t column = blockIdx.x * ColumnSum::COLUMNS + threadIdx.x % WARP;
    const float sum = column_sum(p.partials, p.row_groups, p.width, column, smem);
    if (threadIdx.x < WARP && column < p.width) {
        store_element<T>(p.grad_weight + column * sizeof(T), sum);
    }
}

}  // namespace warpsmith

// Every kernel of this file.
extern "C" __global__ void __launch_bounds__(warpsmith::ColumnSum::THREADS)
rms_norm_bwd_f32_reduce(const __grid_constant__ RmsNormBwdReduceParams params) {
    warpsmith::rms_norm_bwd_reduce<float>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::ColumnSum::THREADS)
rms_norm_bwd_f16_reduce(const __grid_constant__ RmsNormBwdReduceParams params) {
    warpsmith::rms_norm_bwd_reduce<warpsmith::F16>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::ColumnSum::THREADS)
rms_norm_bwd_bf16_reduce(const __grid_constant__ RmsNormBwdReduceParams params) {
    warpsmith::rms_norm_bwd_reduce<warpsmith::Bf16>(params);
}
