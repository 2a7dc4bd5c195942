// What the layer norm kernels share: the statistics of a row.
#pragma once
#include "common/row.cuh"

namespace warpsmith {

/// What deviations are taken from: the mean rounded to the element type, so that x - pivot is exact where the two are of a size. (The low
/// bits of a pivot with more digits than x has would be rounded off every deviation alike.)
template <typename T>
__device__ __forceinline__ float pivot_near(float mean) { return round_to<T>(mean); }

/// Mean and 1 / sqrt(variance + epsilon) of a row, from the deviations d = x - pivot: the mean is pivot + mean(d), the variance
/// mean(d^2) - mean(d)^2. Nothing cancels there: the pivot is the number next to the mean that x can be, so no x is nearer to the mean,
/// and the last term is at most the variance.
struct Statistics {
    float offset;  // mean - pivot, which `mean` alone could not hold
    float mean;
    float rstd;

    __device__ __forceinline__ Statistics(float pivot, float sum_d, float sum_d2, const Width& width, float epsilon) {
        offset = sum_d * width.inverse;
        mean = pivot + offset;
        const float variance = fmaf(-offset, offset, width.divide(sum_d2));
        // A comparison that NaN fails, so that NaN stays.
        rstd = 1.0f / sqrtf((variance < 0.0f ? 0.0f : variance) + epsilon);
    }
};

}  // namespace warpsmith
