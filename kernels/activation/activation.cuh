// The functions and their derivatives, one element in float. GELU's two forms stand in common/gelu.cuh.
//
//   Swish    x * sigmoid(slope x); SiLU with a slope of 1, quick-GELU with 1.702
//   ReLU     max(x, 0), and its square
#pragma once
#include "activation/activation_params.h"
#include "common/gelu.cuh"

namespace warpsmith::activation {

using gelu::Both;
using gelu::FULL;

template <typename T>
struct Swish {
    float slope;
    float exponent;       // slope * log2(e)
    float exponent_rest;  // what was rounded off it

    /// E = exp(-slope x), good to a few units in the last place where results must be: the exponent reaches 126, so what was rounded off it
    /// matters: 2^(a + b) = 2^a (1 + b ln 2). Held at 256, the exponent is finite, and so is its rest.
    __device__ __forceinline__ float power(float x) const {
        if constexpr (FULL<T>) {
            constexpr float LN_2 = 0.69314718f;
            const float t = fminf(fmaxf(x, -100.0f), 100.0f);
            const float a = t * -exponent;
            const float b = fmaf(t, -exponent_rest, fmaf(t, -exponent, -a));
            return ptx::ex2_approx(a) * fmaf(b, LN_2, 1.0f);
        } else {
            return ptx::ex2_approx(x * -exponent);
        }
    }

    __device__ __forceinline__ float value(float x) const { return x * ptx::rcp_approx(1.0f + power(x)); }

    /// s = 1 / (1 + E), and (x s)' = s + slope x s (1 - s). 1 - s is E s where s is near one.
    __device__ __forceinline__ Both both(float x) const {
        const float e = power(x);
        const float s = ptx::rcp_approx(1.0f + e);
        const float product = s * (x > 0.0f ? e * s : 1.0f - s);
        return {x * s, fmaf(x, slope * product, s)};  // slope * x could overflow
    }
};

struct Relu {
    /// Comparisons that NaN fails, so that NaN stays.
    static __device__ __forceinline__ float value(float x) { return x < 0.0f ? 0.0f : x; }
    static __device__ __forceinline__ Both both(float x) { return {value(x), x <= 0.0f ? 0.0f : 1.0f}; }
};

struct ReluSquared {
    static __device__ __forceinline__ float value(float x) { return Relu::value(x) * Relu::value(x); }
    static __device__ __forceinline__ Both both(float x) { return {value(x), 2.0f * Relu::value(x)}; }
};

/// Calls apply(f) with the function that `function` names. It is the same for all threads of a launch.
template <typename T, typename Apply>
__device__ __forceinline__ void with_function(uint32_t function, Apply apply) {
    if (function <= ACTIVATION_QUICK_GELU) {
        const bool quick = function == ACTIVATION_QUICK_GELU;
        apply(Swish<T>{quick ? 1.702f : 1.0f, quick ? 2.4554670f : 1.4426950f, quick ? -2.6109499e-8f : 1.9259630e-8f});
    } else if (function == ACTIVATION_RELU) {
        apply(Relu{});
    } else if (function == ACTIVATION_RELU_SQUARED) {
        apply(ReluSquared{});
    } else if (function == ACTIVATION_GELU_ERF) {
        apply(gelu::Erf<T>{});
    } else {
        apply(gelu::Tanh<T>{});
    }
}

}  // namespace warpsmith::activation
