// One step of LAMB with states in f32 for a whole list of parameters, in two passes over it.
//
// For each element, with g scaled (and clipped by the norm of all gradients), c1 = 1 - beta1^t, c2 = sqrt(1 - beta2^t):
//   s1 = beta1 s1 + (1 - beta1) g          s2 = beta2 s2 + (1 - beta2) g^2          u = s1 / c1 / (sqrt(s2) / c2 + epsilon) + weight_decay p
// then, for each parameter, with the norms of all its elements,
//   p = p - lr ratio u          ratio = clamp(|p| / |u|)
// `update` in lamb.cuh, and `rates` below, are all of it; src/reference/lamb.rs does the same and gets the same bits.
//
// The first pass makes the moments and sums squares; `rates` adds the sums of each parameter's chunks; the second pass makes the same updates
// again from the moments. So nothing is kept between them but two sums a chunk, and no update is rounded.
//
// Traffic of an element: first pass 16 + 8 bytes of f32 (parameter, gradient and states read, states written), second pass 12 + 4: 40; of a 2-byte
// type 32.
// Who does what: common/optimizer.cuh; `rates` has a thread block for each parameter.
#include "common/optimizer_floats.cuh"
#include "lamb/lamb.cuh"

namespace warpsmith::lamb {

static_assert(PER_THREAD == HALVES * QUAD, "a thread's elements are its quads");

/// A thread's parameters as floats.
template <typename T>
__device__ __forceinline__ void all_parameters(const Floats<T, 2>& held, const OptimizerTensor& tensor, float (&values)[PER_THREAD]) {
#pragma unroll
    for (int half = 0; half < HALVES; ++half) {
        float quad[QUAD];
        held.parameters(tensor, half, quad);
#pragma unroll
        for (int e = 0; e < QUAD; ++e) {
            values[half * QUAD + e] = quad[e];
        }
    }
}

template <typename T>
__device__ __forceinline__ void norms(const LambParams& params) {
    const OptimizerProgress progress = load_progress(params.list);
    if (progress.skip != 0) {
        return;
    }
    const Chunk chunk(params.list);
    const OptimizerTensor& tensor = chunk.tensor;
    const Scalars scalars(params, progress, tensor.weight_decay);
    const bool wide = params.list.wide_gradients != 0;
    Squares squares = {0.0, 0.0};
    chunk.for_each_block(params.list, [&](const Block& block) {
        const Access access(tensor, block);
        Floats<T, 2> held;
        held.load_gradient(tensor, access, wide);
        held.load_own(tensor, access);
        float p[PER_THREAD], u[PER_THREAD];
        all_parameters<T>(held, tensor, p);
#pragma unroll
        for (int half = 0; half < HALVES; ++half) {
            float g[QUAD], first[QUAD], second[QUAD];
            to_floats<T>(held.gradient[half], wide, g);
            unpack<float>(held.moments[0][half], first);
            unpack<float>(held.moments[1][half], second);
#pragma unroll
            for (int e = 0; e < QUAD; ++e) {
                const int i = half * QUAD + e;
                const float with_decay = scaled(scalars, g[e], p[i]);
                first[e] = new_first(__fmul_rn(scalars.beta1, first[e]), scalars.rest1, with_decay);
                second[e] = new_second(__fmul_rn(scalars.beta2, second[e]), scalars.rest2, with_decay);
                // Behind the end are zeros, whose update is 0 / epsilon, and NaN where epsilon is 0.
                u[i] = access.exists(half, e) ? update(scalars, p[i], first[e], second[e]) : 0.0f;
            }
            held.moments[0][half] = pack<float>(first);
            held.moments[1][half] = pack<float>(second);
        }
        held.store_moments(tensor, access);
        squares.add(p, u);
    });
    squares.leave(params.partials);
}

/// Adds the sums of a parameter's chunks and derives what its updates are multiplied by. A thread block has one parameter.
__device__ __forceinline__ void rates(const LambRatesParams& params) {
    const OptimizerProgress progress = load_record<OptimizerProgress>(params.progress);
    if (progress.skip != 0) {
        return;
    }
    const OptimizerTensor tensor = load_record<OptimizerTensor>(params.tensors + blockIdx.x * sizeof(OptimizerTensor));
    const LambPartial* partials = reinterpret_cast<const LambPartial*>(params.partials) + tensor.first_chunk;
    Squares squares = {0.0, 0.0};
    for (uint32_t i = threadIdx.x; i < tensor.chunks; i += THREADS) {
        squares.parameters = __dadd_rn(squares.parameters, partials[i].parameters);
        squares.updates = __dadd_rn(squares.updates, partials[i].updates);
    }
    squares.combine();
    if (threadIdx.x != 0) {
        return;
    }
    double ratio = 1.0;
    if ((params.always != 0 || tensor.weight_decay != 0.0f) && squares.parameters != 0.0 && squares.updates != 0.0) {
        ratio = __ddiv_rn(__dsqrt_rn(squares.parameters), __dsqrt_rn(squares.updates));
        // NaN passes.
        ratio = ratio < params.least ? params.least : ratio > params.most ? params.most : ratio;
    }
    ptx::store_4(params.rates + blockIdx.x * sizeof(float), __float_as_uint(__double2float_rn(__dmul_rn(progress.learning_rate, ratio))));
}

template <typename T>
__device__ __forceinline__ void apply(const LambParams& params) {
    const OptimizerProgress progress = load_progress(params.list);
    if (progress.skip != 0) {
        return;
    }
    const Chunk chunk(params.list);
    const OptimizerTensor& tensor = chunk.tensor;
    const Scalars scalars(params, progress, tensor.weight_decay);
    const float rate = rate_of(params);
    chunk.for_each_block(params.list, [&](const Block& block) {
        const Access access(tensor, block);
        Floats<T, 2> held;
        held.load_own(tensor, access);
#pragma unroll
        for (int half = 0; half < HALVES; ++half) {
            float p[QUAD], first[QUAD], second[QUAD];
            held.parameters(tensor, half, p);
            unpack<float>(held.moments[0][half], first);
            unpack<float>(held.moments[1][half], second);
#pragma unroll
            for (int e = 0; e < QUAD; ++e) {
                p[e] = applied(p[e], rate, update(scalars, p[e], first[e], second[e]));
            }
            held.parameter[half] = pack<float>(p);
        }
        held.store_parameters(tensor, access, block, ToNearest{});
    });
}

}  // namespace warpsmith::lamb

using namespace warpsmith;

// Every kernel of this file.

extern "C" __global__ void __launch_bounds__(1)
lamb_step_advance_f64(const __grid_constant__ OptimizerAdvanceParams params) { optimizer::advance_progress(params); }

extern "C" __global__ void __launch_bounds__(optimizer::THREADS)
lamb_step_rates_f64(const __grid_constant__ LambRatesParams params) { lamb::rates(params); }

extern "C" __global__ void __launch_bounds__(optimizer::THREADS, 2)
lamb_step_norms_f32(const __grid_constant__ LambParams params) { lamb::norms<float>(params); }

extern "C" __global__ void __launch_bounds__(optimizer::THREADS, 2)
lamb_step_norms_f16(const __grid_constant__ LambParams params) { lamb::norms<F16>(params); }

extern "C" __global__ void __launch_bounds__(optimizer::THREADS, 2)
lamb_step_norms_bf16(const __grid_constant__ LambParams params) { lamb::norms<Bf16>(params); }

extern "C" __global__ void __launch_bounds__(optimizer::THREADS)
lamb_step_apply_f32(const __grid_constant__ LambParams params) { lamb::apply<float>(params); }

extern "C" __global__ void __launch_bounds__(optimizer::THREADS)
lamb_step_apply_f16(const __grid_constant__ LambParams params) { lamb::apply<F16>(params); }

extern "C" __global__ void __launch_bounds__(optimizer::THREADS)
lamb_step_apply_bf16(const __grid_constant__ LambParams params) { lamb::apply<Bf16>(params); }
