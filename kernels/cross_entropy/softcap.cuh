// A softcap, c * tanh(x / c). A logit's error becomes a relative error of its exponential, so that of tanhf, up to two units in the last
// place, would be the largest of all.
#pragma once
#include "ptx/special.cuh"

namespace warpsmith {

/// A logit after the softcap, and the slope there: 1 - tanh^2.
struct Capped {
    float l;
    float slope;
};

/// With E = 2 log2(e) |x| / c: below E = 2 log2(e) / 2 an odd polynomial (minimax for the relative error, 1.5e-8). Above, with r = 1 / (1 + 2^E),
/// it is c - 2 c r, and the slope everywhere 4 r (1 - r), in which nothing cancels. `rate` + `rate_rest` are 2 log2(e) / c. FINE, for logits
/// of 24 bits: the exponent's rounding error is carried along.
template <bool FINE>
__device__ __forceinline__ Capped softcap(float x, float cap, float rate, float rate_rest) {
    constexpr float LN_2 = 0.693147182f, LARGE = 1.44269504f;
    // From 10 c on c is nearest. The fine exponential has to stay finite.
    const float size = FINE ? fminf(fabsf(x), 32.0f * cap) : fabsf(x);
    const float exponent = size * rate;
    float power = ptx::ex2_approx(exponent);
    if (FINE) {
        const float lost = fmaf(size, rate_rest, fmaf(size, rate, -exponent));
        power = fmaf(power, lost * LN_2, power);
    }
    const float rest = ptx::rcp_approx(1.0f + power);

    const float square = exponent * exponent;
    float series = fmaf(3.58871125e-6f, square, -9.19223821e-5f);
    series = fmaf(series, square, 1.92255038e-3f);
    series = fmaf(series, square, -4.00375240e-2f);
    const float small = fmaf(x * square, series, x);
    const float large = copysignf(fmaf(-2.0f * cap, rest, cap), x);
    const float four = 4.0f * rest;
    // A comparison that NaN fails, so that NaN stays.
    return {fabsf(x) * rate >= LARGE ? large : small, fmaf(-four, rest, four)};
}

}  // namespace warpsmith
