// What the RMS norm kernels share: the statistic of a row, and what is done with it.
#pragma once
#include "common/row.cuh"
#include "rms_norm/rms_norm_params.h"

namespace warpsmith {

/// 1 / sqrt(mean(x^2) + epsilon) from the sum of the squares: 0 where that is infinite, NaN where it is.
__device__ __forceinline__ float rstd_of(float sum_of_squares, const Width& width, float epsilon) {
    // The correction of the quotient would make NaN of an infinity.
    const float mean = sum_of_squares <= 3.4028235e38f ? width.divide(sum_of_squares) : sum_of_squares;
    return 1.0f / sqrtf(mean + epsilon);
}

/// Replaces x by x * rstd * (weight + offset), with x * rstd rounded to T in between where that is asked for.
template <typename T>
__device__ __forceinline__ void scale(float (&x)[LANES<T>], float rstd, const float (&weight)[LANES<T>], float offset, bool rounds) {
#pragma unroll
    for (int e = 0; e < LANES<T>; ++e) {
        x[e] *= rstd;
    }
    if (sizeof(T) < 4 && rounds) {
        unpack<T>(pack<T>(x), x);
    }
#pragma unroll
    for (int e = 0; e < LANES<T>; ++e) {
        x[e] *= weight[e] + offset;
    }
}

}  // namespace warpsmith
