// Blockwise quantisation to 8 bits: absmax = max |x| over each block of elements, code = nearest(x * (1 / absmax)) in the signed or the unsigned
// dynamic map, half-way (by the f32 midpoint) the even code.
//
// NaN counts as nothing in the absmax and has code 0. In a block of zeros, or with an infinity, x * (1 / absmax) is NaN where it is 0 * infinity, and so
// has code 0; a number over infinity is 0. Of the unsigned map a negative x has code 0. src/reference/quantize.rs gives the same bits.
//
// Traffic of an element: T read, a code written, and 4 / block bytes of absmax: 3.02 bytes of 2-byte types, 5.02 of f32, in blocks of 256.
// Who does what: quantize.cuh. A thread block goes over `tiles` tiles of 4096 elements; the cells of the map lie in shared memory.
#include "quantize/quantize.cuh"

namespace warpsmith::quantize {

/// The bits of the least normal float and of infinity.
constexpr uint32_t LEAST_NORMAL = 0x00800000;
constexpr uint32_t INFINITE = 0x7f800000;

/// The code of any x. `midpoint` lies between 0 and the least value of the signed map.
__device__ __forceinline__ uint32_t code_of(const codes::Codes& codes, float x, bool is_signed, float midpoint) {
    if (isnan(x)) {
        return 0;
    }
    if (!is_signed) {
        return codes.unsigned_code(fminf(fmaxf(x, 0.0f), 1.0f)) >> CODES_UNSIGNED_SHIFT & 0xff;
    }
    // The table gives small negative numbers the code next to zero's, as moments want it.
    const float small = fabsf(x) < midpoint ? 0.0f : fminf(fmaxf(x, -1.0f), 1.0f);
    return codes.signed_code(small) >> 24;
}

/// The codes of numbers whose block's largest has a normal reciprocal's worth of digits and is finite.
__device__ __forceinline__ void encode_all(const codes::Codes& codes, const float (&values)[PER_THREAD], float inverse, bool is_signed,
                                           float midpoint, uint32_t (&packed)[2]) {
    uint32_t q[PER_THREAD];
    if (is_signed) {
#pragma unroll
        for (int e = 0; e < PER_THREAD; ++e) {
            const float x = __fmul_rn(values[e], inverse);
            q[e] = codes.signed_code(fabsf(x) < midpoint ? 0.0f : x);
        }
        packed[0] = codes::gather_bytes<3>(q[0], q[1], q[2], q[3]);
        packed[1] = codes::gather_bytes<3>(q[4], q[5], q[6], q[7]);
        return;
    }
#pragma unroll
    for (int e = 0; e < PER_THREAD; ++e) {
        q[e] = codes.unsigned_code(fmaxf(__fmul_rn(values[e], inverse), 0.0f));
    }
    packed[0] = codes::gather_bytes<2>(q[0], q[1], q[2], q[3]);
    packed[1] = codes::gather_bytes<2>(q[4], q[5], q[6], q[7]);
}

/// The codes of any numbers.
__device__ __forceinline__ void encode_any(const codes::Codes& codes, const float (&values)[PER_THREAD], float inverse, bool is_signed,
                                           float midpoint, uint32_t (&packed)[2]) {
    packed[0] = packed[1] = 0;
#pragma unroll
    for (int e = 0; e < PER_THREAD; ++e) {
        packed[e / 4] |= code_of(codes, __fmul_rn(values[e], inverse), is_signed, midpoint) << (8 * (e % 4));
    }
}

/// The largest magnitude; NaN counts as nothing.
__device__ __forceinline__ float largest_number_of(const float (&values)[PER_THREAD]) {
    float largest = 0.0f;
#pragma unroll
    for (int e = 0; e < PER_THREAD; ++e) {
        largest = fmaxf(largest, fabsf(values[e]));
    }
    return largest;
}

/// The largest of a team's values, none of which is NaN.
__device__ __forceinline__ float team_largest(float value, uint32_t threads, float* of_warps) {
    for (uint32_t distance = min(threads, WARP) / 2; distance > 0; distance /= 2) {
        value = fmaxf(value, __shfl_xor_sync(0xffffffffu, value, distance));
    }
    if (threads <= WARP) {
        return value;
    }
    const uint32_t warp = threadIdx.x / WARP, warps = threads / WARP;
    if (threadIdx.x % WARP == 0) {
        of_warps[warp] = value;
    }
    __syncthreads();
    for (uint32_t i = 0; i < warps; ++i) {
        value = fmaxf(value, of_warps[(warp & ~(warps - 1)) + i]);
    }
    __syncthreads();
    return value;
}

template <typename T>
__device__ __forceinline__ void encode(const QuantizeParams& params) {
    __shared__ __align__(16) CodeTables tables;
    __shared__ float of_warps[QUANTIZE_THREADS / WARP];
    uint4* words = reinterpret_cast<uint4*>(&tables);
    for (uint32_t i = threadIdx.x; i < sizeof(CodeTables) / 16; i += QUANTIZE_THREADS) {
        words[i] = ptx::load_16(params.tables + 16 * i);
    }
    const codes::Codes codes = {static_cast<uint32_t>(__cvta_generic_to_shared(&tables))};
    __syncthreads();
    const float midpoint = __fmul_rn(0.5f, tables.signed_values[128]);
    for (uint32_t i = 0; i < params.tiles; ++i) {
        const uint64_t tile = static_cast<uint64_t>(blockIdx.x) * params.tiles + i;
        if (tile * QUANTIZE_TILE >= params.count) {
            return;
        }
        const Place<T> place(params, tile);
        float values[PER_THREAD];
#pragma unroll
        for (int v = 0; v < Place<T>::VECTORS; ++v) {
            float part[LANES<T>];
            if (place.whole) {
                unpack<T>(ptx::load_16_once(params.values + place.element(v * LANES<T>) * sizeof(T)), part);
            }
#pragma unroll
            for (int e = 0; e < LANES<T>; ++e) {
                const int k = v * LANES<T> + e;
                values[k] = place.whole ? part[e] : place.exists(k) ? load_element<T>(params.values + place.element(k) * sizeof(T)) : 0.0f;
            }
        }
        uint32_t bits = 0;
#pragma unroll
        for (int e = 0; e < PER_THREAD; ++e) {
            bits = max(bits, __float_as_uint(values[e]) & 0x7fffffff);
        }
        const bool has_nan = bits > INFINITE;
        float largest = has_nan ? largest_number_of(values) : __uint_as_float(bits);
        largest = team_largest(largest, params.block / PER_THREAD, of_warps);
        const float inverse = __fdiv_rn(1.0f, largest);
        const bool ordinary = !has_nan && __float_as_uint(largest) - LEAST_NORMAL < INFINITE - LEAST_NORMAL;
        uint32_t packed[2];
        if (ordinary) {
            encode_all(codes, values, inverse, params.is_signed != 0, midpoint, packed);
        } else {
            encode_any(codes, values, inverse, params.is_signed != 0, midpoint, packed);
        }
        if (place.whole && Place<T>::VECTORS == 1) {
            ptx::store_8(params.codes + place.element(0), {packed[0], packed[1]});
        } else if (place.whole) {
            ptx::store_4(params.codes + place.element(0), packed[0]);
            ptx::store_4(params.codes + place.element(4), packed[1]);
        } else {
#pragma unroll
            for (int e = 0; e < PER_THREAD; ++e) {
                if (place.exists(e)) {
                    ptx::store_1(params.codes + place.element(e), packed[e / 4] >> (8 * (e % 4)));
                }
            }
        }
        if (place.member == 0 && place.first < params.count) {
            ptx::store_4(params.absmax + place.first / params.block * sizeof(float), __float_as_uint(largest));
        }
    }
}

}  // namespace warpsmith::quantize

using namespace warpsmith;

// Every kernel of this file.

extern "C" __global__ void __launch_bounds__(QUANTIZE_THREADS)
quantize_fwd_f32(const __grid_constant__ QuantizeParams params) { quantize::encode<float>(params); }

extern "C" __global__ void __launch_bounds__(QUANTIZE_THREADS)
quantize_fwd_f16(const __grid_constant__ QuantizeParams params) { quantize::encode<F16>(params); }

extern "C" __global__ void __launch_bounds__(QUANTIZE_THREADS)
quantize_fwd_bf16(const __grid_constant__ QuantizeParams params) { quantize::encode<Bf16>(params); }
