// Sums over the lanes of a warp, the warps of a block and the rows of a column. The order of additions depends on the shape of
// the launch alone, so the same input gives the same bits.
#pragma once
#include <stdint.h>

namespace warpsmith {

constexpr int WARP = 32;
constexpr int MAX_WARPS = 32;

/// Sums N values over groups of `lanes` neighbouring lanes, a power of two up to 32. Every lane of the warp takes part, and every
/// lane of a group gets the same bits: the exchange is symmetric and addition commutes.
template <int N>
__device__ __forceinline__ void group_sum(float (&values)[N], int lanes = WARP) {
#pragma unroll
    for (int distance = WARP / 2; distance > 0; distance /= 2) {
        if (distance < lanes) {
#pragma unroll
            for (int i = 0; i < N; ++i) {
                values[i] += __shfl_xor_sync(0xffffffffu, values[i], distance);
            }
        }
    }
}

/// Where the warps of a block leave their sums of N values.
template <int N>
struct WarpSums {
    float of[N][MAX_WARPS];
};

/// Sums N values over the whole block and gives every thread the result. One barrier: between two uses of the same `sums` the
/// block must pass another one, so callers alternate between two.
template <int N>
__device__ __forceinline__ void block_sum(float (&values)[N], WarpSums<N>& sums) {
    const int lane = threadIdx.x % WARP;
    const int warp = threadIdx.x / WARP;
    const int warps = blockDim.x / WARP;
    group_sum(values);
    if (lane == 0) {
#pragma unroll
        for (int i = 0; i < N; ++i) {
            sums.of[i][warp] = values[i];
        }
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < N; ++i) {
        values[i] = lane < warps ? sums.of[i][lane] : 0.0f;
    }
    group_sum(values);
}

}  // namespace warpsmith
