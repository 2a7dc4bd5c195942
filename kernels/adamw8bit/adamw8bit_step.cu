// One step of AdamW with 8-bit states for a whole list of parameters, as bitsandbytes defines it.
//
// For each element of a block of 256, with s = value(code) * absmax of the block, and g scaled:
//   s1 = beta1 s1 + (1 - beta1) g          s2 = beta2 s2 + (1 - beta2) g^2
//   p = T(p + step_size * s1 / (sqrt(s2) + epsilon))        p = T(p (1 - lr weight_decay))
// then, over the block, absmax = max |s|, and code = nearest(s * (1 / absmax)), of s1 with the sign of s1. step_size and epsilon hold
// the bias corrections. Where g is not finite, s1 = s2 = 0 and p stays.
//
// Every operation is rounded by itself, as the intrinsics say, and none is flushed to zero: src/reference/adamw8bit.rs does the same and gets
// the same bits. Nothing here may be left to the compiler's choice of fusions.
//
// Traffic: parameter read and written, gradient read, two codes read and written, and two absmax of a block read and written: 10.06 bytes an
// element of 2 bytes, 16.06 of f32.
// Who does what: a warp has one block at a time, a thread 8 of its elements; a thread block goes over one chunk of a parameter's blocks. The
// code tables lie in shared memory. One launch serves the list; a thread of its own advances the step count before.
#include "adamw8bit/adamw8bit_params.h"
#include "common/optimizer_codes.cuh"

namespace warpsmith::adamw8bit {

using namespace warpsmith::optimizer;
using codes::Codes;

/// What all elements of a parameter share.
struct Scalars {
    float beta1, beta2, rest1, rest2;
    float step_size, epsilon, gradient_scale;
    /// 1 - lr weight_decay.
    float keep;

    __device__ __forceinline__ Scalars(const AdamW8bitParams& params, const OptimizerProgress& progress, float weight_decay)
        : beta1(params.beta1), beta2(params.beta2), rest1(params.rest1), rest2(params.rest2), step_size(progress.step_size),
          epsilon(progress.epsilon), gradient_scale(progress.gradient_scale),
          keep(__fmaf_rn(-progress.learning_rate, weight_decay, 1.0f)) {}
};

/// p + step_size * s1 / (sqrt(s2) + epsilon).
__device__ __forceinline__ float moved(const Scalars& with, float p, float first, float second) {
    return __fmaf_rn(with.step_size, quotient(first, second, with.epsilon), p);
}

/// Blocks whose gradients are finite and whose moments are neither all zero nor beyond the range: all but a few.
template <typename T>
__device__ __forceinline__ void move_all(const Scalars& scalars, const Moments& m, Coded<T, 2>& held) {
    float parameters[PER_THREAD];
    held.parameters(parameters);
#pragma unroll
    for (int e = 0; e < PER_THREAD; ++e) {
        parameters[e] = moved(scalars, parameters[e], m.first[e], m.second[e]);
    }
    // Rounded to T before they decay, and two at a time.
    held.set_parameters(parameters);
    held.parameters(parameters);
#pragma unroll
    for (int e = 0; e < PER_THREAD; ++e) {
        parameters[e] = __fmul_rn(parameters[e], scalars.keep);
    }
    held.set_parameters(parameters);
}

/// The rest: where a gradient is not finite, moments become zero and the parameter stays.
template <typename T>
__device__ __forceinline__ void move_finite(const Scalars& scalars, Moments& m, const float (&gradients)[PER_THREAD], Coded<T, 2>& held) {
    float parameters[PER_THREAD];
    held.parameters(parameters);
#pragma unroll
    for (int e = 0; e < PER_THREAD; ++e) {
        const bool finite = fabsf(gradients[e]) < INFINITY;
        m.first[e] = finite ? m.first[e] : 0.0f;
        m.second[e] = finite ? m.second[e] : 0.0f;
        const float p = round_to<T>(moved(scalars, parameters[e], m.first[e], m.second[e]));
        parameters[e] = finite ? __fmul_rn(p, scalars.keep) : parameters[e];
    }
    held.set_parameters(parameters);
}

template <typename T>
__device__ __forceinline__ void step(const AdamW8bitParams& params) {
    __shared__ __align__(16) CodeTables tables;
    const OptimizerProgress progress = load_progress(params.list);
    if (progress.skip != 0) {
        return;
    }
    const Codes codes = load_tables(params.list, tables);
    const Chunk chunk(params.list);
    const OptimizerTensor& tensor = chunk.tensor;
    const Scalars scalars(params, progress, tensor.weight_decay);
    __syncthreads();
    chunk.for_each_block(params.list, [&](const Block& block) {
        Coded<T, 2> held;
        held.load(tensor, block);
        Moments m;
        m.decode(codes, tensor, block, held, scalars.beta1, scalars.beta2);
        float gradients[PER_THREAD];
        held.gradients(gradients);
#pragma unroll
        for (int e = 0; e < PER_THREAD; ++e) {
            m.add(e, __fmul_rn(gradients[e], scalars.gradient_scale), scalars.rest1, scalars.rest2);
        }
        // A gradient that is not finite shows in the second moment, a sum of squares.
        Largest largest1 = largest_of(m.first), largest2 = largest_of(m.second);
        const bool ordinary = largest1.ordinary() && largest2.ordinary();
        if (ordinary) {
            move_all<T>(scalars, m, held);
        } else {
            move_finite<T>(scalars, m, gradients, held);
            largest1 = largest_number_of(m.first);
            largest2 = largest_number_of(m.second);
        }
        m.encode(codes, largest1, largest2, ordinary, held);
        held.store_parameters(tensor, block);
        held.store_codes(tensor, block);
        store_absmax(tensor.absmax1, block, largest1);
        store_absmax(tensor.absmax2, block, largest2);
    });
}

}  // namespace warpsmith::adamw8bit

using namespace warpsmith;

// Every kernel of this file.

extern "C" __global__ void __launch_bounds__(1)
adamw8bit_step_advance_f64(const __grid_constant__ OptimizerAdvanceParams params) { optimizer::advance_progress(params); }

extern "C" __global__ void __launch_bounds__(optimizer::THREADS)
adamw8bit_step_f32(const __grid_constant__ AdamW8bitParams params) { adamw8bit::step<float>(params); }

extern "C" __global__ void __launch_bounds__(optimizer::THREADS)
adamw8bit_step_f16(const __grid_constant__ AdamW8bitParams params) { adamw8bit::step<F16>(params); }

extern "C" __global__ void __launch_bounds__(optimizer::THREADS)
adamw8bit_step_bf16(const __grid_constant__ AdamW8bitParams params) { adamw8bit::step<Bf16>(params); }
