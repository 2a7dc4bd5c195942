// The two forms of GELU and their derivatives, one element in float. Bounds of the errors: NOTES.md.
//
//   Erf    gelu(x) = x * Phi(x), Phi the normal distribution function
//   Tanh   gelu(x) = 0.5 * x * (1 + tanh(u)) = x * sigmoid(2u), u = sqrt(2/pi) * (x + 0.044715 x^3)
//
// 1 + tanh(u) and 1 + erf(x/sqrt 2) lose every digit where x is well below zero. Both forms here compute the small factor itself, so
// that the result is right relative to itself down to where it underflows.
#pragma once
#include "common/element.cuh"
#include "ptx/special.cuh"

namespace warpsmith::gelu {

/// A function and its derivative at one point, both to about the precision of T.
template <typename T>
struct Erf {
    /// Tensors of float need what the special-function unit does not give; the other types round more than it errs.
    static constexpr bool FULL = sizeof(T) == 4;

    /// exp(-x^2/2).
    static __device__ __forceinline__ float gaussian(float x) {
        constexpr float SCALE = -0.72134752044448170f;  // -log2(e) / 2
        if constexpr (FULL) {
            // The exponent reaches -126, so what was rounded off it matters: 2^(a + b) = 2^a (1 + b ln 2). From 16 on the power
            // is 0 in a float; held there, the square cannot overflow.
            constexpr float SCALE_REST = -9.6298149e-9f;  // -log2(e) / 2 - SCALE
            const float t = fminf(fabsf(x), 16.0f);
            const float square = t * t;
            const float exponent = square * SCALE;
            float rest = fmaf(square, SCALE, -exponent);
            rest = fmaf(fmaf(t, t, -square), SCALE, rest);
            rest = fmaf(square, SCALE_REST, rest);
            const float power = ptx::ex2_approx(exponent);
            return fmaf(power, rest * 0.69314718f, power);
        } else {
            return ptx::ex2_approx(x * x * SCALE);
        }
    }

    /// Phi(x), given exp(-x^2/2).
    ///
    /// For t = |x|: Phi(-t) = exp(-t^2/2) * w * P(w) with w = 1 / (1 + c t), P a minimax polynomial of the relative error from 0,
    /// or from 1 for float, to 14.6, where a float underflows.
    static __device__ __forceinline__ float distribution(float x, float gaussian) {
        constexpr float C = FULL ? 0.325f : 0.3f;
        const float w = ptx::rcp_approx(fmaf(fabsf(x), C, 1.0f));
        float p;
        if constexpr (FULL) {
            p = fmaf(0.04229385f, w, -0.14153322f);
            p = fmaf(p, w, 0.12288417f);
            p = fmaf(p, w, -0.00024490f);
            p = fmaf(p, w, 0.10378360f);
            p = fmaf(p, w, 0.11328527f);
            p = fmaf(p, w, 0.12991650f);
            p = fmaf(p, w, 0.12964551f);
        } else {
            p = fmaf(-0.07662311f, w, 0.21461747f);
            p = fmaf(p, w, -0.01533511f);
            p = fmaf(p, w, 0.14333337f);
            p = fmaf(p, w, 0.11395769f);
            p = fmaf(p, w, 0.12005420f);
        }
        const float lower = gaussian * (p * w);
        float phi = x < 0.0f ? lower : 1.0f - lower;
        if constexpr (FULL) {
            // Below 1, Phi is 1/2 + x Q(x^2): the rounding errors of the tail's formula would spoil so large a result.
            const float square = x * x;
            float slope = fmaf(-9.2342539e-6f, square, 1.1526991e-4f);
            slope = fmaf(slope, square, -1.1872577e-3f);
            slope = fmaf(slope, square, 9.9735412e-3f);
            slope = fmaf(slope, square, -6.6490379e-2f);
            slope = fmaf(slope, square, 0.39894228f);
            phi = square < 1.0f ? fmaf(x, slope, 0.5f) : phi;
        }
        return phi;
    }

    static __device__ __forceinline__ float value(float x) { return x * distribution(x, gaussian(x)); }

    /// Phi(x) + x * phi(x), phi the normal density.
    static __device__ __forceinline__ float derivative(float x) {
        const float g = gaussian(x);
        return fmaf(x * 0.39894228f, g, distribution(x, g));
    }
};

template <typename T>
struct Tanh {
    static constexpr float SLOPE = 1.5957691f;  // 2 sqrt(2/pi): 2u = SLOPE * x * (1 + CUBIC * x^2)
    static constexpr float CUBIC = 0.044715f;
    static constexpr float LOG2_E = 1.4426950f;

    static __device__ __forceinline__ float value(float x) {
        const float square = x * x;
        const float exponent = x * fmaf(square, -SLOPE * CUBIC * LOG2_E, -SLOPE * LOG2_E);
        return x * ptx::rcp_approx(1.0f + ptx::ex2_approx(exponent));
    }

    /// s + x * s * (1 - s) * (2u)', with s = sigmoid(2u).
    static __device__ __forceinline__ float derivative(float x) {
        // From |x| = 11.3 on, s is 0 or 1 in a float; held there, (2u)' cannot overflow and meet a zero.
        const float square = fminf(x * x, 128.0f);
        const float exponent = x * fmaf(square, SLOPE * CUBIC * LOG2_E, SLOPE * LOG2_E);
        // From the side where the exponential is small: 1 - s is then exact to its own size.
        const float power = ptx::ex2_approx(-fabsf(exponent));
        const float larger = ptx::rcp_approx(1.0f + power);
        const float smaller = power * larger;
        const float s = x < 0.0f ? smaller : larger;
        const float inner = fmaf(square, 3.0f * SLOPE * CUBIC, SLOPE);
        return fmaf(x * (smaller * larger), inner, s);
    }
};

}  // namespace warpsmith::gelu
