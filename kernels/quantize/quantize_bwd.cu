// The way back: x = T(value(code) * absmax of the block).
//
// Traffic of an element: a code read, T written, and 4 / block bytes of absmax: 3.02 bytes of 2-byte types, 5.02 of f32, in blocks of 256.
// Who does what: quantize.cuh. The values of the map lie in shared memory.
#include "quantize/quantize.cuh"

namespace warpsmith::quantize {

template <typename T>
__device__ __forceinline__ void decode(const QuantizeParams& params) {
    __shared__ float map[CODES_COUNT];
    const uint64_t of_map = params.tables + (params.is_signed != 0 ? offsetof(CodeTables, signed_values) : offsetof(CodeTables, unsigned_values));
    if (threadIdx.x < CODES_COUNT) {
        map[threadIdx.x] = __uint_as_float(ptx::load_4(of_map + threadIdx.x * sizeof(float)));
    }
    __syncthreads();
    for (uint32_t i = 0; i < params.tiles; ++i) {
        const uint64_t tile = static_cast<uint64_t>(blockIdx.x) * params.tiles + i;
        const Place<T> place(params, tile);
        if (place.first >= params.count) {
            return;
        }
        uint32_t packed[2] = {};
        if (place.whole && Place<T>::VECTORS == 1) {
            const uint2 words = ptx::load_8_own(params.codes + place.element(0));
            packed[0] = words.x;
            packed[1] = words.y;
        } else if (place.whole) {
            packed[0] = ptx::load_4_own(params.codes + place.element(0));
            packed[1] = ptx::load_4_own(params.codes + place.element(4));
        } else {
#pragma unroll
            for (int e = 0; e < PER_THREAD; ++e) {
                if (place.exists(e)) {
                    packed[e / 4] |= ptx::load_1_own(params.codes + place.element(e)) << (8 * (e % 4));
                }
            }
        }
        const float absmax = __uint_as_float(ptx::load_4(params.absmax + place.first / params.block * sizeof(float)));
#pragma unroll
        for (int v = 0; v < Place<T>::VECTORS; ++v) {
            float part[LANES<T>];
#pragma unroll
            for (int e = 0; e < LANES<T>; ++e) {
                const int k = v * LANES<T> + e;
                part[e] = __fmul_rn(map[packed[k / 4] >> (8 * (k % 4)) & 0xff], absmax);
            }
            if (place.whole) {
                ptx::store_16(params.values + place.element(v * LANES<T>) * sizeof(T), pack<T>(part));
                continue;
            }
#pragma unroll
            for (int e = 0; e < LANES<T>; ++e) {
                if (place.exists(v * LANES<T> + e)) {
                    store_element<T>(params.values + place.element(v * LANES<T> + e) * sizeof(T), part[e]);
                }
            }
        }
    }
}

}  // namespace warpsmith::quantize

using namespace warpsmith;

// Every kernel of this file.

extern "C" __global__ void __launch_bounds__(QUANTIZE_THREADS)
quantize_bwd_f32(const __grid_constant__ QuantizeParams params) { quantize::decode<float>(params); }

extern "C" __global__ void __launch_bounds__(QUANTIZE_THREADS)
quantize_bwd_f16(const __grid_constant__ QuantizeParams params) { quantize::decode<F16>(params); }

extern "C" __global__ void __launch_bounds__(QUANTIZE_THREADS)
quantize_bwd_bf16(const __grid_constant__ QuantizeParams params) { quantize::decode<Bf16>(params); }
