// tanh for a softcap. A logit's error becomes a relative error of its exponential, so that of tanhf, up to two units in the last
// place, would be the largest of all.
#pragma once
#include "ptx/special.cuh"

namespace warpsmith {

/// tanh of a number and its slope there, 1 - tanh^2.
struct Tanh {
    float value;
    float slope;
};

/// Below 0.625 tanh is an odd polynomial (minimax for the relative error, 5e-9). Above, with r = 1 / (1 + exp(2 |a|)), it is 1 - 2 r and
/// its slope 4 r (1 - r), in which nothing cancels; the exponent's rounding error is carried along.
__device__ __forceinline__ Tanh tanh_precise(float a) {
    constexpr float TWICE_LOG2_E = 2.88539004f, REST = 3.85192598e-8f, LN_2 = 0.693147182f;
    // From 10 on 1 is nearest; the exponential stays finite.
    const float size = fminf(fabsf(a), 32.0f);
    const float exponent = size * TWICE_LOG2_E;
    const float lost = fmaf(size, TWICE_LOG2_E, -exponent) + size * REST;
    const float rough = ptx::ex2_approx(exponent);
    const float rest = ptx::rcp_approx(1.0f + fmaf(rough, lost * LN_2, rough));

    const float square = a * a;
    float series = fmaf(-5.70498640e-3f, square, 2.06390861e-2f);
    series = fmaf(series, square, -5.37397154e-2f);
    series = fmaf(series, square, 1.33314416e-1f);
    series = fmaf(series, square, -3.33332807e-1f);
    const float small = fmaf(a * square, series, a);
    // A comparison that NaN fails, so that NaN stays.
    const bool is_small = !(fabsf(a) >= 0.625f);
    const float large = copysignf(fmaf(-2.0f, rest, 1.0f), a);
    return {is_small ? small : large, is_small ? fmaf(-small, small, 1.0f) : 4.0f * rest * (1.0f - rest)};
}

}  // namespace warpsmith
