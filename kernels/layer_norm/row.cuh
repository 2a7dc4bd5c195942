// What the layer norm kernels share: the statistics of a row, and its address.
#pragma once
#include "common/reduce.cuh"
#include "common/vec.cuh"

namespace warpsmith {

/// Shared memory of the sums over a row: two sets, which the sums of a row take in turns.
template <int FIRST, int SECOND>
struct RowSums {
    WarpSums<FIRST> first;
    WarpSums<SECOND> second;
};

/// Mean and 1 / sqrt(variance + epsilon) of a row, from the deviations d = x - pivot of a pivot near the mean: the mean is
/// pivot + mean(d) and the variance mean(d^2) - mean(d)^2, where the last term is only the square of the pivot's rounding error.
struct Statistics {
    float offset;  // mean - pivot, which `mean` alone could not hold
    float mean;
    float rstd;

    __device__ __forceinline__ Statistics(float pivot, float sum_d, float sum_d2, float inverse_width, float epsilon) {
        offset = sum_d * inverse_width;
        mean = pivot + offset;
        const float variance = fmaf(-offset, offset, sum_d2 * inverse_width);
        // A comparison that NaN fails, so that NaN stays.
        rstd = 1.0f / sqrtf((variance < 0.0f ? 0.0f : variance) + epsilon);
    }
};

/// The address of row `row` of a tensor.
template <typename T>
__device__ __forceinline__ uint64_t row_address(uint64_t base, int64_t row, int64_t stride) {
    return base + static_cast<uint64_t>(row * stride) * sizeof(T);
}

}  // namespace warpsmith
