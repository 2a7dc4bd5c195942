// One step of AdamW with states in f32 for a whole list of parameters.
//
// For each element, with g scaled, step_size = -lr sqrt(1 - beta2^t) / (1 - beta1^t) and epsilon' = epsilon sqrt(1 - beta2^t):
//   s1 = beta1 s1 + (1 - beta1) g          s2 = beta2 s2 + (1 - beta2) g^2
//   p = p (1 - lr weight_decay) + step_size * s1 / (sqrt(s2) + epsilon')
// or with the decay after the sum, or g + weight_decay p in place of g. p is the master in f32 where there is one, and rounded to T at the
// end, to nearest or by chance. `update` is all of it; src/reference/adamw.rs does the same and gets the same bits.
//
// Traffic of an element: parameter read and written, gradient read, two states read and written: 28 bytes of f32, 22 of a 2-byte type, 28 with
// a master (the parameter then only written), 2 more where its gradient is f32.
// Who does what: common/optimizer.cuh.
#include "adamw/adamw_params.h"
#include "common/optimizer_floats.cuh"

#include <cuda/std/type_traits>

namespace warpsmith::adamw {

using namespace warpsmith::optimizer;

/// What all elements of a parameter share. A factor of 1 changes nothing.
struct Scalars {
    float beta1, beta2, rest1, rest2;
    float step_size, epsilon, gradient_scale;
    float keep_before, keep_after, weight_decay;
    bool onto_gradient;

    __device__ __forceinline__ Scalars(const AdamWParams& params, const OptimizerProgress& progress, float weight_decay)
        : beta1(params.beta1), beta2(params.beta2), rest1(params.rest1), rest2(params.rest2), step_size(progress.step_size),
          epsilon(progress.epsilon), gradient_scale(progress.gradient_scale), weight_decay(weight_decay),
          onto_gradient(params.decay == ADAMW_DECAY_GRADIENT) {
        const float keep = __fmaf_rn(-progress.learning_rate, weight_decay, 1.0f);
        keep_before = params.decay == ADAMW_DECAY_BEFORE ? keep : 1.0f;
        keep_after = params.decay == ADAMW_DECAY_AFTER ? keep : 1.0f;
    }
};

/// One element.
__device__ __forceinline__ void update(const Scalars& with, float gradient, float& p, float& first, float& second) {
    const float scaled = __fmul_rn(gradient, with.gradient_scale);
    const float g = with.onto_gradient ? __fmaf_rn(with.weight_decay, p, scaled) : scaled;
    first = new_first(__fmul_rn(with.beta1, first), with.rest1, g);
    second = new_second(__fmul_rn(with.beta2, second), with.rest2, g);
    const float kept = __fmul_rn(p, with.keep_before);
    p = __fmul_rn(__fmaf_rn(with.step_size, quotient(first, second, with.epsilon), kept), with.keep_after);
}

template <typename T>
__device__ __forceinline__ void step(const AdamWParams& params) {
    const OptimizerProgress progress = load_progress(params.list);
    if (progress.skip != 0) {
        return;
    }
    const Chunk chunk(params.list);
    const OptimizerTensor& tensor = chunk.tensor;
    const Scalars scalars(params, progress, tensor.weight_decay);
    const ByChance rounding = {params.stochastic != 0, Philox(params.list.progress + offsetof(OptimizerProgress, seed), 0)};
    const bool wide = params.list.wide_gradients != 0;
    chunk.for_each_block(params.list, [&](const Block& block) {
        const Access access(tensor, block);
        Floats<T, 2> held;
        held.load_gradient(tensor, access, wide);
        held.load_own(tensor, access);
#pragma unroll
        for (int half = 0; half < HALVES; ++half) {
            float g[QUAD], p[QUAD], first[QUAD], second[QUAD];
            to_floats<T>(held.gradient[half], wide, g);
            held.parameters(tensor, half, p);
            unpack<float>(held.moments[0][half], first);
            unpack<float>(held.moments[1][half], second);
#pragma unroll
            for (int e = 0; e < QUAD; ++e) {
                update(scalars, g[e], p[e], first[e], second[e]);
            }
            held.parameter[half] = pack<float>(p);
            held.moments[0][half] = pack<float>(first);
            held.moments[1][half] = pack<float>(second);
        }
        held.store_moments(tensor, access);
        if constexpr (cuda::std::is_same_v<T, Bf16>) {
            held.store_parameters(tensor, access, block, rounding);
        } else {
            held.store_parameters(tensor, access, block, ToNearest{});
        }
    });
}

}  // namespace warpsmith::adamw

using namespace warpsmith;

// Every kernel of this file.

extern "C" __global__ void __launch_bounds__(1)
adamw_step_advance_f64(const __grid_constant__ OptimizerAdvanceParams params) { optimizer::advance_progress(params); }

extern "C" __global__ void __launch_bounds__(optimizer::THREADS)
adamw_step_f32(const __grid_constant__ AdamWParams params) { adamw::step<float>(params); }

extern "C" __global__ void __launch_bounds__(optimizer::THREADS)
adamw_step_f16(const __grid_constant__ AdamWParams params) { adamw::step<F16>(params); }

extern "C" __global__ void __launch_bounds__(optimizer::THREADS)
adamw_step_bf16(const __grid_constant__ AdamWParams params) { adamw::step<Bf16>(params); }
