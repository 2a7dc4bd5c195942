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
#include "adamw8bit/block.cuh"
#include "adamw8bit/codes.cuh"
#include "ptx/redux.cuh"

namespace warpsmith::adamw8bit {

constexpr uint32_t THREADS = ADAMW8BIT_WARPS * WARP;
/// The bits of the least normal float and of infinity.
constexpr uint32_t LEAST_NORMAL = 0x00800000;
constexpr uint32_t INFINITE = 0x7f800000;

/// What all elements of a parameter share.
struct Scalars {
    float beta1, beta2, rest1, rest2;
    float step_size, epsilon, gradient_scale;
    /// 1 - lr weight_decay.
    float keep;
};

/// Both moments of a thread's elements.
struct Moments {
    float first[PER_THREAD];
    float second[PER_THREAD];
};

/// The bits of a block's largest moments. The bits of floats that are not negative are in their order, and NaN is above all.
struct Largest {
    uint32_t first, second;

    /// Whether both have a normal reciprocal's worth of digits and nothing is NaN or infinite.
    __device__ __forceinline__ bool ordinary() const {
        return first - LEAST_NORMAL < INFINITE - LEAST_NORMAL && second - LEAST_NORMAL < INFINITE - LEAST_NORMAL;
    }
};

template <typename T>
__device__ __forceinline__ void unpack_all(const uint4 (&vectors)[Held<T>::VECTORS], float (&values)[PER_THREAD]) {
#pragma unroll
    for (int v = 0; v < Held<T>::VECTORS; ++v) {
        float part[LANES<T>];
        unpack<T>(vectors[v], part);
#pragma unroll
        for (int e = 0; e < LANES<T>; ++e) {
            values[v * LANES<T> + e] = part[e];
        }
    }
}

template <typename T>
__device__ __forceinline__ void pack_all(const float (&values)[PER_THREAD], uint4 (&vectors)[Held<T>::VECTORS]) {
#pragma unroll
    for (int v = 0; v < Held<T>::VECTORS; ++v) {
        float part[LANES<T>];
#pragma unroll
        for (int e = 0; e < LANES<T>; ++e) {
            part[e] = values[v * LANES<T> + e];
        }
        vectors[v] = pack<T>(part);
    }
}

/// The new moments of one element.
template <int BYTE>
__device__ __forceinline__ void advance(const Codes& codes, const Scalars& scalars, float kept1, float kept2, float gradient,
                                        uint32_t codes1, uint32_t codes2, float& first, float& second) {
    const float g = __fmul_rn(gradient, scalars.gradient_scale);
    first = __fmaf_rn(scalars.rest1, g, __fmul_rn(codes.signed_value<BYTE>(codes1), kept1));
    second = __fmaf_rn(__fmul_rn(scalars.rest2, g), g, __fmul_rn(codes.unsigned_value<BYTE>(codes2), kept2));
}

template <typename T>
__device__ __forceinline__ Moments new_moments(const Codes& codes, const Scalars& scalars, const Held<T>& held, float absmax1,
                                               float absmax2, const float (&gradients)[PER_THREAD]) {
    const float kept1 = __fmul_rn(absmax1, scalars.beta1);
    const float kept2 = __fmul_rn(absmax2, scalars.beta2);
    Moments m;
#pragma unroll
    for (int w = 0; w < 2; ++w) {
        const float* g = gradients + 4 * w;
        float* s1 = m.first + 4 * w;
        float* s2 = m.second + 4 * w;
        advance<0>(codes, scalars, kept1, kept2, g[0], held.codes1[w], held.codes2[w], s1[0], s2[0]);
        advance<1>(codes, scalars, kept1, kept2, g[1], held.codes1[w], held.codes2[w], s1[1], s2[1]);
        advance<2>(codes, scalars, kept1, kept2, g[2], held.codes1[w], held.codes2[w], s1[2], s2[2]);
        advance<3>(codes, scalars, kept1, kept2, g[3], held.codes1[w], held.codes2[w], s1[3], s2[3]);
    }
    return m;
}

/// p + step_size * s1 / (sqrt(s2) + epsilon).
__device__ __forceinline__ float moved(const Scalars& scalars, float p, float first, float second) {
    const float denominator = __fadd_rn(__fsqrt_rn(second), scalars.epsilon);
    return __fmaf_rn(scalars.step_size, __fdiv_rn(first, denominator), p);
}

/// Blocks whose gradients are finite and whose moments are neither all zero nor beyond the range: all but a few.
template <typename T>
__device__ __forceinline__ void finish(const Codes& codes, const Scalars& scalars, const Moments& m, Largest largest, Held<T>& held) {
    const float inverse1 = __fdiv_rn(1.0f, __uint_as_float(largest.first));
    const float inverse2 = __fdiv_rn(1.0f, __uint_as_float(largest.second));
    float parameters[PER_THREAD];
    unpack_all<T>(held.parameter, parameters);
    uint32_t q1[PER_THREAD], q2[PER_THREAD];
#pragma unroll
    for (int e = 0; e < PER_THREAD; ++e) {
        parameters[e] = moved(scalars, parameters[e], m.first[e], m.second[e]);
        q1[e] = codes.signed_code(__fmul_rn(m.first[e], inverse1));
        q2[e] = codes.unsigned_code(__fmul_rn(m.second[e], inverse2));
    }
    // Rounded to T before they decay, and two at a time.
    pack_all<T>(parameters, held.parameter);
    unpack_all<T>(held.parameter, parameters);
#pragma unroll
    for (int e = 0; e < PER_THREAD; ++e) {
        parameters[e] = __fmul_rn(parameters[e], scalars.keep);
    }
    pack_all<T>(parameters, held.parameter);
#pragma unroll
    for (int w = 0; w < 2; ++w) {
        held.codes1[w] = gather_bytes<3>(q1[4 * w], q1[4 * w + 1], q1[4 * w + 2], q1[4 * w + 3]);
        held.codes2[w] = gather_bytes<2>(q2[4 * w], q2[4 * w + 1], q2[4 * w + 2], q2[4 * w + 3]);
    }
}

/// Code of a x that may be anything: NaN (an absmax of zero or infinity) becomes code 0, and the code of the first moment then gets the
/// sign of its moment by a step of one, which may wrap around.
__device__ __forceinline__ uint32_t any_signed_code(const Codes& codes, float x, float moment) {
    if (isnan(x)) {
        const bool negative = __float_as_int(moment) < 0;
        return (negative ? 0u : moment > 0.0f ? 1u : 255u) << 24;
    }
    return codes.signed_code(fminf(fmaxf(x, -1.0f), 1.0f));
}

__device__ __forceinline__ uint32_t any_unsigned_code(const Codes& codes, float x) {
    return isnan(x) ? 0u : codes.unsigned_code(fminf(x, 1.0f));
}

/// The block again for the rest: what `finish` may take for granted is looked at element by element.
template <typename T>
__device__ __forceinline__ Largest finish_any(const Codes& codes, const Scalars& scalars, Moments& m,
                                              const float (&gradients)[PER_THREAD], Held<T>& held) {
    float largest1 = 0.0f;
    float largest2 = 0.0f;
    float parameters[PER_THREAD];
    unpack_all<T>(held.parameter, parameters);
#pragma unroll
    for (int e = 0; e < PER_THREAD; ++e) {
        const bool finite = fabsf(gradients[e]) < __uint_as_float(INFINITE);
        m.first[e] = finite ? m.first[e] : 0.0f;
        m.second[e] = finite ? m.second[e] : 0.0f;
        // These two pass NaN by.
        largest1 = fmaxf(largest1, fabsf(m.first[e]));
        largest2 = fmaxf(largest2, m.second[e]);
        const float p = round_to<T>(moved(scalars, parameters[e], m.first[e], m.second[e]));
        parameters[e] = finite ? __fmul_rn(p, scalars.keep) : parameters[e];
    }
    pack_all<T>(parameters, held.parameter);
    const Largest largest = {ptx::warp_max(__float_as_uint(largest1)), ptx::warp_max(__float_as_uint(largest2))};
    const float inverse1 = __fdiv_rn(1.0f, __uint_as_float(largest.first));
    const float inverse2 = __fdiv_rn(1.0f, __uint_as_float(largest.second));
    uint32_t q1[PER_THREAD], q2[PER_THREAD];
#pragma unroll
    for (int e = 0; e < PER_THREAD; ++e) {
        q1[e] = any_signed_code(codes, __fmul_rn(m.first[e], inverse1), m.first[e]);
        q2[e] = any_unsigned_code(codes, __fmul_rn(m.second[e], inverse2));
    }
#pragma unroll
    for (int w = 0; w < 2; ++w) {
        held.codes1[w] = gather_bytes<3>(q1[4 * w], q1[4 * w + 1], q1[4 * w + 2], q1[4 * w + 3]);
        held.codes2[w] = gather_bytes<2>(q2[4 * w], q2[4 * w + 1], q2[4 * w + 2], q2[4 * w + 3]);
    }
    return largest;
}

/// One block of elements, whose codes, parameters and gradients are held.
template <typename T>
__device__ __forceinline__ Largest update_block(const Codes& codes, const Scalars& scalars, float absmax1, float absmax2, Held<T>& held) {
    float gradients[PER_THREAD];
    unpack_all<T>(held.gradient, gradients);
    Moments m = new_moments<T>(codes, scalars, held, absmax1, absmax2, gradients);
    Largest largest = {0, 0};
#pragma unroll
    for (int e = 0; e < PER_THREAD; ++e) {
        largest.first = max(largest.first, __float_as_uint(m.first[e]) & 0x7fffffff);
        // Never negative: a sum of squares. A gradient that is not finite shows here, as infinity or as NaN.
        largest.second = max(largest.second, __float_as_uint(m.second[e]));
    }
    largest = {ptx::warp_max(largest.first), ptx::warp_max(largest.second)};
    if (largest.ordinary()) {
        finish<T>(codes, scalars, m, largest, held);
        return largest;
    }
    return finish_any<T>(codes, scalars, m, gradients, held);
}

/// A record of global memory that no thread writes meanwhile.
template <typename Record>
__device__ __forceinline__ Record load_record(uint64_t address) {
    static_assert(sizeof(Record) % 16 == 0, "read 16 bytes at a time");
    union {
        uint4 words[sizeof(Record) / 16];
        Record record;
    } loaded;
#pragma unroll
    for (int i = 0; i < static_cast<int>(sizeof(Record) / 16); ++i) {
        loaded.words[i] = ptx::load_16(address + 16 * i);
    }
    return loaded.record;
}

template <typename T>
__device__ __forceinline__ void step(const AdamW8bitParams& params) {
    __shared__ __align__(16) AdamW8bitTables tables;
    const AdamW8bitProgress progress = load_record<AdamW8bitProgress>(params.progress);
    if (progress.skip != 0) {
        return;
    }
    uint4* words = reinterpret_cast<uint4*>(&tables);
    for (uint32_t i = threadIdx.x; i < sizeof(AdamW8bitTables) / 16; i += THREADS) {
        words[i] = ptx::load_16(params.tables + 16 * i);
    }
    const uint64_t chunk = ptx::load_8(params.chunks + blockIdx.x * sizeof(AdamW8bitChunk));
    const uint32_t first_block = static_cast<uint32_t>(chunk >> 32);
    const AdamW8bitTensor tensor = load_record<AdamW8bitTensor>(params.tensors + static_cast<uint32_t>(chunk) * sizeof(AdamW8bitTensor));
    Scalars scalars;
    scalars.beta1 = params.beta1;
    scalars.beta2 = params.beta2;
    scalars.rest1 = params.rest1;
    scalars.rest2 = params.rest2;
    scalars.step_size = progress.step_size;
    scalars.epsilon = progress.epsilon;
    scalars.gradient_scale = progress.gradient_scale;
    scalars.keep = __fmaf_rn(-progress.learning_rate, tensor.weight_decay, 1.0f);
    const Codes codes = {static_cast<uint32_t>(__cvta_generic_to_shared(&tables))};
    __syncthreads();

    const uint32_t lane = threadIdx.x % WARP;
    for (uint32_t i = threadIdx.x / WARP; i < params.blocks_per_chunk; i += ADAMW8BIT_WARPS) {
        const uint64_t index = static_cast<uint64_t>(first_block) + i;
        const uint64_t first = index * ADAMW8BIT_BLOCK;
        if (first >= tensor.count) {
            return;
        }
        const bool whole = tensor.vectorised != 0 && first + ADAMW8BIT_BLOCK <= tensor.count;
        const uint64_t mine = first + lane * LANES<T>;
        Held<T> held;
        if (whole) {
            held.load(tensor, mine);
        } else {
            held.load_elements(tensor, first, lane);
        }
        const uint64_t absmax1 = tensor.absmax1 + index * sizeof(float);
        const uint64_t absmax2 = tensor.absmax2 + index * sizeof(float);
        const float old1 = __uint_as_float(ptx::load_4_own(absmax1));
        const float old2 = __uint_as_float(ptx::load_4_own(absmax2));
        const Largest largest = update_block<T>(codes, scalars, old1, old2, held);
        if (whole) {
            held.store(tensor, mine);
        } else {
            held.store_elements(tensor, first, lane);
        }
        // Every lane has read the old ones.
        __syncwarp();
        if (lane == 0) {
            ptx::store_4(absmax1, largest.first);
            ptx::store_4(absmax2, largest.second);
        }
    }
}

/// Counts the step and derives its scalars, each rounded once. One thread.
__device__ __forceinline__ void advance_progress(const AdamW8bitAdvanceParams& params) {
    const auto scalar = [](uint64_t address, float absent) {
        return address == 0 ? absent : __uint_as_float(ptx::load_4(address));
    };
    AdamW8bitProgress* progress = reinterpret_cast<AdamW8bitProgress*>(params.progress);
    // NaN is found, too.
    const bool skip = !(scalar(params.found_inf, 0.0f) == 0.0f);
    progress->skip = skip;
    if (skip) {
        return;
    }
    const float learning_rate = __uint_as_float(ptx::load_4(params.learning_rate));
    const double power1 = __dmul_rn(progress->power1, params.beta1);
    const double power2 = __dmul_rn(progress->power2, params.beta2);
    const double correction1 = __dsub_rn(1.0, power1);
    const double correction2 = __dsqrt_rn(__dsub_rn(1.0, power2));
    progress->steps += 1;
    progress->power1 = power1;
    progress->power2 = power2;
    progress->step_size = __double2float_rn(__ddiv_rn(__dmul_rn(-static_cast<double>(learning_rate), correction2), correction1));
    progress->epsilon = __double2float_rn(__dmul_rn(params.epsilon, correction2));
    progress->learning_rate = learning_rate;
    progress->gradient_scale = scalar(params.gradient_scale, 1.0f);
}

}  // namespace warpsmith::adamw8bit

using namespace warpsmith;
using namespace warpsmith::adamw8bit;

// Every kernel of this file.

extern "C" __global__ void __launch_bounds__(1)
adamw8bit_step_advance_f64(const __grid_constant__ AdamW8bitAdvanceParams params) { advance_progress(params); }

extern "C" __global__ void __launch_bounds__(THREADS)
adamw8bit_step_f32(const __grid_constant__ AdamW8bitParams params) { step<float>(params); }

extern "C" __global__ void __launch_bounds__(THREADS)
adamw8bit_step_f16(const __grid_constant__ AdamW8bitParams params) { step<F16>(params); }

extern "C" __global__ void __launch_bounds__(THREADS)
adamw8bit_step_bf16(const __grid_constant__ AdamW8bitParams params) { step<Bf16>(params); }
