// The two forms of GELU and their derivatives, one element in float. Where the constants come from and how large the errors are:
// kernels/gelu/NOTES.md.
//
//   Erf    gelu(x) = x * Phi(x), Phi the normal distribution function
//   Tanh   gelu(x) = 0.5 * x * (1 + tanh(u)) = x * s, s = sigmoid(2u), u = sqrt(2/pi) * (x + 0.044715 x^3)
//
// 1 + erf(x/sqrt 2) and 1 + tanh(u) lose every digit where x is well below zero. Here the factor at -|x|, the lower one, is computed
// as such, so that the result is right relative to itself down to where it underflows; the factor at |x| is one minus it.
//
// Each form is a template over the element type: tensors of float need more than the special-function unit gives, the other types
// round more than it errs.
#pragma once
#include "common/element.cuh"
#include "ptx/special.cuh"

namespace warpsmith::gelu {

/// A function and its derivative at one place.
struct Both {
    float value;
    float derivative;
};

/// Whether results must be good to a float's last digits.
template <typename T>
constexpr bool FULL = sizeof(T) == 4;

/// The factor of x in gelu(x), given its value at -|x|. For float it is 1/2 + x Q(x^2) below 1, Q with the coefficients `q`, lowest
/// first: the lower factor's relative error is too much where it is about a half.
template <typename T>
__device__ __forceinline__ float factor(float x, float lower, const float (&q)[6]) {
    const float far = x < 0.0f ? lower : 1.0f - lower;
    if constexpr (FULL<T>) {
        const float square = x * x;
        float slope = q[5];
#pragma unroll
        for (int i = 4; i >= 0; --i) {
            slope = fmaf(slope, square, q[i]);
        }
        return square < 1.0f ? fmaf(x, slope, 0.5f) : far;
    } else {
        return far;
    }
}

template <typename T>
struct Erf {
    static constexpr float DENSITY_AT_0 = 0.39894228f;  // 1 / sqrt(2 pi)

    /// exp(-x^2/2).
    static __device__ __forceinline__ float gaussian(float x) {
        constexpr float SCALE = -0.72134752f;  // -log2(e) / 2
        if constexpr (FULL<T>) {
            // The exponent reaches -126, so what was rounded off it matters: 2^(a + b) = 2^a (1 + b ln 2). From 16 on the power
            // is 0 in a float; held there, the square cannot overflow.
            constexpr float SCALE_REST = -9.6298149e-9f;  // -log2(e) / 2 - SCALE
            constexpr float LN_2 = 0.69314718f;
            const float t = fminf(fabsf(x), 16.0f);
            const float square = t * t;
            const float exponent = square * SCALE;
            float rest = fmaf(square, SCALE, -exponent);
            rest = fmaf(fmaf(t, t, -square), SCALE, rest);
            rest = fmaf(square, SCALE_REST, rest);
            const float power = ptx::ex2_approx(exponent);
            return fmaf(power, rest * LN_2, power);
        } else {
            return ptx::ex2_approx(x * x * SCALE);
        }
    }

    /// Phi(x), given exp(-x^2/2).
    ///
    /// For t = |x|: Phi(-t) = exp(-t^2/2) * w * P(w) with w = 1 / (1 + c t), P a minimax polynomial of the relative error up to
    /// 14.6, where a float underflows, and from 1 on for float or from 0.
    static __device__ __forceinline__ float distribution(float x, float gaussian) {
        constexpr float C = FULL<T> ? 0.325f : 0.3f;
        constexpr float Q[6] = {0.39894228f, -6.6490314e-2f, 9.9730784e-3f, -1.1857850e-3f, 1.1295217e-4f, -7.4628948e-6f};
        const float w = ptx::rcp_approx(fmaf(fabsf(x), C, 1.0f));
        float p;
        if constexpr (FULL<T>) {
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
        return factor<T>(x, gaussian * (p * w), Q);
    }

    static __device__ __forceinline__ float value(float x) { return x * distribution(x, gaussian(x)); }

    /// x * Phi(x), and Phi(x) + x * phi(x), phi the normal density.
    static __device__ __forceinline__ Both both(float x) {
        const float g = gaussian(x);
        const float d = distribution(x, g);
        return {x * d, fmaf(x * DENSITY_AT_0, g, d)};
    }

    static __device__ __forceinline__ float derivative(float x) { return both(x).derivative; }
};

template <typename T>
struct Tanh {
    static constexpr float SLOPE = 1.5957691f;  // 2 sqrt(2/pi): 2u = SLOPE * x * (1 + CUBIC * x^2)
    static constexpr float CUBIC = 0.044715f;
    static constexpr float LOG2_E = 1.4426950f;

    /// sigmoid(-|2u|), given x^2.
    static __device__ __forceinline__ float lower(float x, float square) {
        const float exponent = x * fmaf(square, SLOPE * CUBIC * LOG2_E, SLOPE * LOG2_E);
        const float power = ptx::ex2_approx(-fabsf(exponent));
        return power * ptx::rcp_approx(1.0f + power);
    }

    /// sigmoid(2u), given sigmoid(-|2u|).
    static __device__ __forceinline__ float sigmoid(float x, float lower) {
        constexpr float Q[6] = {0.39894228f, -6.6819461e-2f, 1.0201451e-2f, -1.2427495e-3f, 1.1749387e-4f, -7.0239424e-6f};
        return factor<T>(x, lower, Q);
    }

    static __device__ __forceinline__ float value(float x) {
        const float square = x * x;
        if constexpr (FULL<T>) {
            return x * sigmoid(x, lower(x, square));
        } else {
            const float exponent = x * fmaf(square, -SLOPE * CUBIC * LOG2_E, -SLOPE * LOG2_E);
            return x * ptx::rcp_approx(1.0f + ptx::ex2_approx(exponent));
        }
    }

    /// x * s, and s + x * s * (1 - s) * (2u)'.
    static __device__ __forceinline__ Both both(float x) {
        // From |x| = 11.3 on, s is 0 or 1 in a float; held there, (2u)' cannot overflow and meet a zero.
        const float square = fminf(x * x, 128.0f);
        const float low = lower(x, square);
        const float s = sigmoid(x, low);
        float product = fmaf(-low, low, low);
        if constexpr (FULL<T>) {
            // As in `factor`: below 1, s is better than the lower factor. s (1 - s) = 1/4 - (s - 1/2)^2.
            const float centred = s - 0.5f;
            product = square < 1.0f ? fmaf(-centred, centred, 0.25f) : product;
        }
        const float inner = fmaf(square, 3.0f * SLOPE * CUBIC, SLOPE);
        return {x * s, fmaf(x * product, inner, s)};
    }

    static __device__ __forceinline__ float derivative(float x) { return both(x).derivative; }
};

}  // namespace warpsmith::gelu
