// One step of LAMB with states of 8 bits for a whole list of parameters, in two passes over it.
//
// The formula is that of lamb_step.cu with s = value(code) * absmax of the block of 256. Updates are made from the new moments as they are before
// they become codes, so the first pass writes nothing but sums of squares, and the second makes moments and updates again, moves the parameters,
// and stores absmax = max |s| of a block and code = nearest(s * (1 / absmax)), of s1 with its sign. Where g is not finite, s1 = s2 = 0, and p
// stays and has no part in the norm of the updates.
//
// Traffic of an element: parameter, gradient and two codes read twice, parameter and codes written: 16.13 bytes of 2-byte types, 26.13 of f32.
// Who does what: common/optimizer.cuh. The code tables lie in shared memory. The rates are lamb_step.cu's.
#include "common/optimizer_codes.cuh"
#include "lamb/lamb.cuh"

namespace warpsmith::lamb {

/// A block's new moments and its updates; `finite` has a bit for each element whose gradient is.
template <typename T>
__device__ __forceinline__ uint32_t advance(const codes::Codes& codes, const Scalars& scalars, const OptimizerTensor& tensor,
                                            const Block& block, const Coded<T, 2>& held, Moments& m, float (&p)[PER_THREAD],
                                            float (&u)[PER_THREAD]) {
    float gradients[PER_THREAD];
    held.gradients(gradients);
    held.parameters(p);
    m.decode(codes, tensor, block, held, scalars.beta1, scalars.beta2);
    uint32_t finite = 0;
#pragma unroll
    for (int e = 0; e < PER_THREAD; ++e) {
        const bool is_finite = fabsf(gradients[e]) < INFINITY;
        m.add(e, scaled(scalars, gradients[e], p[e]), scalars.rest1, scalars.rest2);
        m.first[e] = is_finite ? m.first[e] : 0.0f;
        m.second[e] = is_finite ? m.second[e] : 0.0f;
        u[e] = is_finite && held.exists(tensor, block, e) ? update(scalars, p[e], m.first[e], m.second[e]) : 0.0f;
        finite |= is_finite ? 1u << e : 0u;
    }
    return finite;
}

template <typename T>
__device__ __forceinline__ void norms8(const LambParams& params) {
    __shared__ __align__(16) CodeTables tables;
    const OptimizerProgress progress = load_progress(params.list);
    if (progress.skip != 0) {
        return;
    }
    const codes::Codes codes = load_tables(params.list, tables);
    const Chunk chunk(params.list);
    const OptimizerTensor& tensor = chunk.tensor;
    const Scalars scalars(params, progress, tensor.weight_decay);
    Squares squares = {0.0, 0.0};
    __syncthreads();
    chunk.for_each_block(params.list, [&](const Block& block) {
        Coded<T, 2> held;
        held.load(tensor, block);
        Moments m;
        float p[PER_THREAD], u[PER_THREAD];
        advance<T>(codes, scalars, tensor, block, held, m, p, u);
        squares.add(p, u);
    });
    squares.leave(params.partials);
}

template <typename T>
__device__ __forceinline__ void apply8(const LambParams& params) {
    __shared__ __align__(16) CodeTables tables;
    const OptimizerProgress progress = load_progress(params.list);
    if (progress.skip != 0) {
        return;
    }
    const codes::Codes codes = load_tables(params.list, tables);
    const Chunk chunk(params.list);
    const OptimizerTensor& tensor = chunk.tensor;
    const Scalars scalars(params, progress, tensor.weight_decay);
    const float rate = rate_of(params);
    __syncthreads();
    chunk.for_each_block(params.list, [&](const Block& block) {
        Coded<T, 2> held;
        held.load(tensor, block);
        Moments m;
        float p[PER_THREAD], u[PER_THREAD];
        const uint32_t finite = advance<T>(codes, scalars, tensor, block, held, m, p, u);
#pragma unroll
        for (int e = 0; e < PER_THREAD; ++e) {
            p[e] = finite >> e & 1 ? applied(p[e], rate, u[e]) : p[e];
        }
        held.set_parameters(p);
        Largest largest1 = largest_of(m.first), largest2 = largest_of(m.second);
        const bool ordinary = largest1.ordinary() && largest2.ordinary();
        if (!ordinary) {
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

}  // namespace warpsmith::lamb

using namespace warpsmith;

// Every kernel of this file.

extern "C" __global__ void __launch_bounds__(optimizer::THREADS)
lamb_step8_norms_f32(const __grid_constant__ LambParams params) { lamb::norms8<float>(params); }

extern "C" __global__ void __launch_bounds__(optimizer::THREADS)
lamb_step8_norms_f16(const __grid_constant__ LambParams params) { lamb::norms8<F16>(params); }

extern "C" __global__ void __launch_bounds__(optimizer::THREADS)
lamb_step8_norms_bf16(const __grid_constant__ LambParams params) { lamb::norms8<Bf16>(params); }

extern "C" __global__ void __launch_bounds__(optimizer::THREADS)
lamb_step8_apply_f32(const __grid_constant__ LambParams params) { lamb::apply8<float>(params); }

extern "C" __global__ void __launch_bounds__(optimizer::THREADS)
lamb_step8_apply_f16(const __grid_constant__ LambParams params) { lamb::apply8<F16>(params); }

extern "C" __global__ void __launch_bounds__(optimizer::THREADS)
lamb_step8_apply_bf16(const __grid_constant__ LambParams params) { lamb::apply8<Bf16>(params); }
