// LAMB's formula (You et al., "Large Batch Optimization for Deep Learning: Training BERT in 76 minutes", 2019), for states of either kind.
#pragma once
#include "common/optimizer.cuh"
#include "lamb/lamb_params.h"

namespace warpsmith::lamb {

using namespace warpsmith::optimizer;

/// What all elements of a parameter share.
struct Scalars {
    float beta1, beta2, rest1, rest2;
    float moment_scale, epsilon, gradient_scale, weight_decay;
    bool onto_gradient;

    __device__ __forceinline__ Scalars(const LambParams& params, const OptimizerProgress& progress, float weight_decay)
        : beta1(params.beta1), beta2(params.beta2), rest1(params.rest1), rest2(params.rest2), moment_scale(progress.moment_scale),
          epsilon(progress.epsilon), gradient_scale(progress.gradient_scale), weight_decay(weight_decay),
          onto_gradient(params.onto_gradient != 0) {}
};

/// The gradient that moments take: scaled, and with the decay where that is part of it.
__device__ __forceinline__ float scaled(const Scalars& with, float gradient, float p) {
    const float g = __fmul_rn(gradient, with.gradient_scale);
    return with.onto_gradient ? __fmaf_rn(with.weight_decay, p, g) : g;
}

/// The update of one element, before the trust ratio.
__device__ __forceinline__ float update(const Scalars& with, float p, float first, float second) {
    const float moved = __fmul_rn(with.moment_scale, quotient(first, second, with.epsilon));
    return with.onto_gradient ? moved : __fmaf_rn(with.weight_decay, p, moved);
}

/// The parameter after its update: p - rate u.
__device__ __forceinline__ float applied(float p, float rate, float u) { return __fmaf_rn(-rate, u, p); }

/// The squares of a chunk's parameters and updates. 8 of a thread are added in f32, in their order, everything else in f64: by a thread in the order of
/// its blocks, by the thread block by halves.
struct Squares {
    double parameters, updates;

    __device__ __forceinline__ void add(const float (&p)[PER_THREAD], const float (&u)[PER_THREAD]) {
        float of_p = __fmul_rn(p[0], p[0]), of_u = __fmul_rn(u[0], u[0]);
#pragma unroll
        for (int e = 1; e < PER_THREAD; ++e) {
            of_p = __fmaf_rn(p[e], p[e], of_p);
            of_u = __fmaf_rn(u[e], u[e], of_u);
        }
        parameters = __dadd_rn(parameters, of_p);
        updates = __dadd_rn(updates, of_u);
    }

    /// Adds those of all threads, into thread 0.
    __device__ __forceinline__ void combine() {
        __shared__ double of[THREADS / 2][2];
#pragma unroll 1
        for (uint32_t half = THREADS / 2; half > 0; half /= 2) {
            if (threadIdx.x >= half && threadIdx.x < 2 * half) {
                of[threadIdx.x - half][0] = parameters;
                of[threadIdx.x - half][1] = updates;
            }
            __syncthreads();
            if (threadIdx.x < half) {
                parameters = __dadd_rn(parameters, of[threadIdx.x][0]);
                updates = __dadd_rn(updates, of[threadIdx.x][1]);
            }
            __syncthreads();
        }
    }

    /// Leaves the chunk's sums.
    __device__ __forceinline__ void leave(uint64_t partials) {
        combine();
        if (threadIdx.x == 0) {
            LambPartial* partial = reinterpret_cast<LambPartial*>(partials) + blockIdx.x;
            partial->parameters = parameters;
            partial->updates = updates;
        }
    }
};

/// What the updates of this thread block's parameter are multiplied by.
__device__ __forceinline__ float rate_of(const LambParams& params) {
    const uint32_t tensor = static_cast<uint32_t>(ptx::load_8(params.list.chunks + blockIdx.x * sizeof(OptimizerChunk)));
    return __uint_as_float(ptx::load_4(params.rates + tensor * sizeof(float)));
}

}  // namespace warpsmith::lamb
