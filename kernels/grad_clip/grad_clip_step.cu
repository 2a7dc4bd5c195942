// Clipping of a list of gradients: by their common norm, in two launches, or by value, in one.
//
//   norm = sqrt(sum g^2) / scale        factor = min(1, max_norm / (norm + 1e-6)) / scale        (scale: the loss scale, or 1)
// The factor stays on the device; what uses the gradients multiplies by it. By value: g = clamp(g, -limit, limit), in place.
//
// Traffic: every gradient read once; by value read and written once. A block goes over one chunk of 16,384 elements of one gradient.
// Squares are added in f32 over a vector of 16 bytes and in f64 from there on: by a thread in the order of its vectors, by the block by halves,
// and so again over the chunks. The order depends on the list alone. Where a vector's sum is not finite its elements are looked at.
#include "common/vec.cuh"
#include "grad_clip/grad_clip_params.h"

namespace warpsmith::grad_clip {

constexpr uint32_t THREADS = GRAD_CLIP_THREADS;

/// A block's part of the list.
template <typename T>
struct Part {
    uint64_t address;
    uint32_t count;

    __device__ __forceinline__ Part(uint64_t tensors, uint64_t chunks) {
        const uint64_t chunk = ptx::load_8(chunks + blockIdx.x * sizeof(GradClipChunk));
        const uint64_t tensor = tensors + static_cast<uint32_t>(chunk) * sizeof(GradClipTensor);
        const uint64_t first = (chunk >> 32) * GRAD_CLIP_CHUNK;
        address = ptx::load_8(tensor + offsetof(GradClipTensor, gradient)) + first * sizeof(T);
        const uint64_t left = ptx::load_8(tensor + offsetof(GradClipTensor, count)) - first;
        count = static_cast<uint32_t>(left < GRAD_CLIP_CHUNK ? left : GRAD_CLIP_CHUNK);
    }

    /// Elements that lie in whole vectors; the others follow them.
    __device__ __forceinline__ uint32_t in_vectors() const { return address % 16 == 0 ? count - count % LANES<T> : 0; }
};

/// The sums of a part.
struct Sums {
    double squares;
    uint64_t not_finite;

    /// Takes N values. A sum that is not finite may have overflowed or hold an element that is not.
    template <int N>
    __device__ __forceinline__ void add_values(const float (&values)[N]) {
        const float sum = vector_sum_of_products(values, values);
        squares += sum;
        if (!(sum < INFINITY)) {
#pragma unroll
            for (int i = 0; i < N; ++i) {
                not_finite += !(fabsf(values[i]) < INFINITY);
            }
        }
    }
};

/// Adds the sums of a block by halves, into thread 0.
__device__ __forceinline__ void combine(Sums& sums) {
    __shared__ Sums of[THREADS / 2];
#pragma unroll 1
    for (uint32_t half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x >= half && threadIdx.x < 2 * half) {
            of[threadIdx.x - half] = sums;
        }
        __syncthreads();
        if (threadIdx.x < half) {
            sums.squares += of[threadIdx.x].squares;
            sums.not_finite += of[threadIdx.x].not_finite;
        }
        __syncthreads();
    }
}

template <typename T>
__device__ __forceinline__ void norm(const GradClipNormParams& params) {
    const Part<T> part(params.tensors, params.chunks);
    Sums sums = {0.0, 0};
    const uint32_t whole = part.in_vectors();
#pragma unroll 4
    for (uint32_t i = threadIdx.x * LANES<T>; i < whole; i += THREADS * LANES<T>) {
        float values[LANES<T>];
        unpack<T>(ptx::load_16_once(part.address + i * sizeof(T)), values);
        sums.add_values(values);
    }
    for (uint32_t i = whole + threadIdx.x; i < part.count; i += THREADS) {
        const float value[1] = {load_element<T>(part.address + i * sizeof(T))};
        sums.add_values(value);
    }
    combine(sums);
    if (threadIdx.x == 0) {
        GradClipPartial* partial = reinterpret_cast<GradClipPartial*>(params.partials) + blockIdx.x;
        partial->squares = sums.squares;
        partial->not_finite = sums.not_finite;
    }
}

/// The value inside the limit. NaN stays.
__device__ __forceinline__ float clamped(float value, float limit) {
    return fabsf(value) > limit ? copysignf(limit, value) : value;
}

template <typename T>
__device__ __forceinline__ void value(const GradClipValueParams& params) {
    const Part<T> part(params.tensors, params.chunks);
    const uint32_t whole = part.in_vectors();
#pragma unroll 4
    for (uint32_t i = threadIdx.x * LANES<T>; i < whole; i += THREADS * LANES<T>) {
        float values[LANES<T>];
        unpack<T>(ptx::load_16_own(part.address + i * sizeof(T)), values);
#pragma unroll
        for (int e = 0; e < LANES<T>; ++e) {
            values[e] = clamped(values[e], params.limit);
        }
        ptx::store_16(part.address + i * sizeof(T), pack<T>(values));
    }
    for (uint32_t i = whole + threadIdx.x; i < part.count; i += THREADS) {
        const uint64_t address = part.address + i * sizeof(T);
        float element;
        if constexpr (sizeof(T) == 4) {
            element = __uint_as_float(ptx::load_4_own(address));
        } else {
            element = to_float(T{ptx::load_2_own(address)});
        }
        store_element<T>(address, clamped(element, params.limit));
    }
}

/// Adds the partial sums and derives the scalars. One block.
__device__ __forceinline__ void finish(const GradClipFinishParams& params) {
    Sums sums = {0.0, 0};
    const GradClipPartial* partials = reinterpret_cast<const GradClipPartial*>(params.partials);
    for (uint32_t i = threadIdx.x; i < params.chunks; i += THREADS) {
        sums.squares += partials[i].squares;
        sums.not_finite += partials[i].not_finite;
    }
    combine(sums);
    if (threadIdx.x != 0) {
        return;
    }
    const bool scaled = params.loss_scale != 0;
    const float scale = scaled ? __uint_as_float(ptx::load_4_own(params.loss_scale)) : 1.0f;
    const double norm = __ddiv_rn(__dsqrt_rn(sums.squares), scale);
    const bool found = sums.not_finite != 0 || !(__double2float_rn(norm) < INFINITY);
    const double ratio = __ddiv_rn(params.max_norm, __dadd_rn(norm, 1e-6));
    const double factor = __ddiv_rn(ratio < 1.0 ? ratio : 1.0, scale);
    ptx::store_4(params.norm, __float_as_uint(__double2float_rn(norm)));
    ptx::store_4(params.factor, __float_as_uint(found ? 0.0f : __double2float_rn(factor)));
    // A norm that overflows without such an element counts as one.
    ptx::store_4(params.found_inf, __float_as_uint(found ? fmaxf(__ull2float_rn(sums.not_finite), 1.0f) : 0.0f));
    if (!scaled) {
        return;
    }
    float good_steps = found ? 0.0f : __fadd_rn(__uint_as_float(ptx::load_4_own(params.good_steps)), 1.0f);
    float next = found ? __fmul_rn(scale, params.backoff) : scale;
    if (good_steps >= params.interval) {
        const float grown = __fmul_rn(scale, params.growth);
        next = grown < INFINITY ? grown : scale;
        good_steps = 0.0f;
    }
    ptx::store_4(params.loss_scale, __float_as_uint(next));
    ptx::store_4(params.good_steps, __float_as_uint(good_steps));
}

}  // namespace warpsmith::grad_clip

using namespace warpsmith;

// Every kernel of this file.

extern "C" __global__ void __launch_bounds__(GRAD_CLIP_THREADS)
grad_clip_step_norm_f32(const __grid_constant__ GradClipNormParams params) { grad_clip::norm<float>(params); }

extern "C" __global__ void __launch_bounds__(GRAD_CLIP_THREADS)
grad_clip_step_norm_f16(const __grid_constant__ GradClipNormParams params) { grad_clip::norm<F16>(params); }

extern "C" __global__ void __launch_bounds__(GRAD_CLIP_THREADS)
grad_clip_step_norm_bf16(const __grid_constant__ GradClipNormParams params) { grad_clip::norm<Bf16>(params); }

extern "C" __global__ void __launch_bounds__(GRAD_CLIP_THREADS)
grad_clip_step_value_f32(const __grid_constant__ GradClipValueParams params) { grad_clip::value<float>(params); }

extern "C" __global__ void __launch_bounds__(GRAD_CLIP_THREADS)
grad_clip_step_value_f16(const __grid_constant__ GradClipValueParams params) { grad_clip::value<F16>(params); }

extern "C" __global__ void __launch_bounds__(GRAD_CLIP_THREADS)
grad_clip_step_value_bf16(const __grid_constant__ GradClipValueParams params) { grad_clip::value<Bf16>(params); }

extern "C" __global__ void __launch_bounds__(GRAD_CLIP_THREADS)
grad_clip_step_finish_f64(const __grid_constant__ GradClipFinishParams params) { grad_clip::finish(params); }
