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

/// What deviations are taken from: the mean rounded to the element type, so that x - pivot is exact where the two are of a size. (The low
/// bits of a pivot with more digits than x has would be rounded off every deviation alike.)
template <typename T>
__device__ __forceinline__ float pivot_near(float mean) { return round_to<T>(mean); }

/// The width of a row, by which its sums are divided.
struct Width {
    float width;
    float inverse;  // 1 / width, rounded

    /// sum / width, rounded once in all but rare cases: a product, and a correction by what it leaves.
    __device__ __forceinline__ float divide(float sum) const {
        const float quotient = sum * inverse;
        return fmaf(fmaf(-quotient, width, sum), inverse, quotient);
    }
};

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

/// The address of row `row` of a tensor.
template <typename T>
__device__ __forceinline__ uint64_t row_address(uint64_t base, int64_t row, int64_t stride) {
    return base + static_cast<uint64_t>(row * stride) * sizeof(T);
}

}  // namespace warpsmith
