// Lion's formula (Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023), for states of either kind.
#pragma once
#include "common/optimizer.cuh"
#include "lion/lion_params.h"

namespace warpsmith::lion {

using namespace warpsmith::optimizer;

/// What all elements of a parameter share.
struct Scalars {
    float beta1, beta2, rest1, rest2;
    float learning_rate, gradient_scale;
    /// 1 - lr weight_decay.
    float keep;

    __device__ __forceinline__ Scalars(const LionParams& params, const OptimizerProgress& progress, float weight_decay)
        : beta1(params.beta1), beta2(params.beta2), rest1(params.rest1), rest2(params.rest2), learning_rate(progress.learning_rate),
          gradient_scale(progress.gradient_scale), keep(__fmaf_rn(-progress.learning_rate, weight_decay, 1.0f)) {}
};

/// One element: p decays and moves by the learning rate against the sign of a mean; NaN has no sign, nor has zero.
__device__ __forceinline__ void update(const Scalars& with, float gradient, float& p, float& moment) {
    const float g = __fmul_rn(gradient, with.gradient_scale);
    const float direction = __fmaf_rn(with.rest1, g, __fmul_rn(with.beta1, moment));
    const float move = direction > 0.0f ? -with.learning_rate : direction < 0.0f ? with.learning_rate : 0.0f;
    p = __fadd_rn(__fmul_rn(p, with.keep), move);
    moment = __fmaf_rn(with.rest2, g, __fmul_rn(with.beta2, moment));
}

}  // namespace warpsmith::lion
