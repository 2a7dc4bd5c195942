// GELU forward: output = gelu(input + bias).
//
// One read and one write of every element, 16 bytes at a time, and about 10 (tanh) to 35 (erf in f32) instructions between them: all
// kernels are bound by memory. The plain kernels take tensors without gaps as one long row; the general ones take a bias and strided
// rows.
#include "common/gelu.cuh"
#include "common/vec.cuh"
#include "gelu/gelu_params.h"
#include "gelu/tiles.cuh"

namespace warpsmith::gelu {

/// Each thread handles GELU_VECTORS vectors of its block's piece, and its share of the elements that no vector covers.
template <typename Form, typename T>
__device__ __forceinline__ void fwd(const GeluFwdParams& params) {
    const uint64_t first = static_cast<uint64_t>(blockIdx.x) * (GELU_THREADS * GELU_VECTORS) + threadIdx.x;
    uint4 raw[GELU_VECTORS];
#pragma unroll
    for (int i = 0; i < GELU_VECTORS; ++i) {
        const uint64_t vector = first + i * GELU_THREADS;
        if (vector < params.vectors) {
            raw[i] = ptx::load_16_once(params.input + params.head * sizeof(T) + vector * 16);
        }
    }
#pragma unroll
    for (int i = 0; i < GELU_VECTORS; ++i) {
        const uint64_t vector = first + i * GELU_THREADS;
        if (vector < params.vectors) {
            float values[LANES<T>];
            unpack<T>(raw[i], values);
#pragma unroll
            for (int lane = 0; lane < LANES<T>; ++lane) {
                values[lane] = Form::value(values[lane]);
            }
            ptx::store_16(params.output + params.head * sizeof(T) + vector * 16, pack<T>(values));
        }
    }
    const uint64_t covered = params.vectors * LANES<T>;
    const uint64_t threads = static_cast<uint64_t>(gridDim.x) * GELU_THREADS;
    for (uint64_t i = static_cast<uint64_t>(blockIdx.x) * GELU_THREADS + threadIdx.x; i < params.count - covered; i += threads) {
        const uint64_t offset = (i < params.head ? i : i + covered) * sizeof(T);
        store_element<T>(params.output + offset, Form::value(load_element<T>(params.input + offset)));
    }
}

/// Rows that a thread of a general kernel has in flight.
constexpr int BATCH = 4;

/// A thread's rows in COLUMNS neighbouring columns.
template <typename Form, typename T, int COLUMNS>
__device__ __forceinline__ void fwd_columns(const GeluFwdGeneralParams& params, const Place& place, const BiasTile<T>& biases,
                                            uint32_t column) {
    float bias[COLUMNS];
    biases.get(place, column, bias);
    const uint64_t input = params.input + static_cast<uint64_t>(column) * sizeof(T);
    const uint64_t output = params.output + static_cast<uint64_t>(column) * sizeof(T);
    for (int64_t first = place.row; first < place.row_end; first += BATCH * place.row_step) {
        Access<T, COLUMNS> chunks[BATCH];
#pragma unroll
        for (int i = 0; i < BATCH; ++i) {
            const int64_t row = first + i * place.row_step;
            if (row < place.row_end) {
                chunks[i].load_once(input + row * params.input_stride * sizeof(T));
            }
        }
#pragma unroll
        for (int i = 0; i < BATCH; ++i) {
            const int64_t row = first + i * place.row_step;
            if (row < place.row_end) {
                float values[COLUMNS];
                chunks[i].values(values);
#pragma unroll
                for (int j = 0; j < COLUMNS; ++j) {
                    values[j] = Form::value(values[j] + bias[j]);
                }
                Access<T, COLUMNS>::store(output + row * params.output_stride * sizeof(T), values);
            }
        }
    }
}

template <typename Form, typename T>
__device__ __forceinline__ void fwd_general(const GeluFwdGeneralParams& params) {
    __shared__ BiasTile<T> biases;
    const Place place = place_of(params.tiles, LANES<T>);
    biases.fill(params.bias, params.tiles, place);
    __syncthreads();
    if (place.vector) {
        fwd_columns<Form, T, LANES<T>>(params, place, biases, place.column);
    } else {
        for (uint32_t column = place.column; column < place.column_end; column += place.column_step) {
            fwd_columns<Form, T, 1>(params, place, biases, column);
        }
    }
}

}  // namespace warpsmith::gelu

using namespace warpsmith;
using namespace warpsmith::gelu;

// Every kernel of this file.

extern "C" __global__ void __launch_bounds__(GELU_THREADS)
gelu_fwd_erf_f32(const __grid_constant__ GeluFwdParams params) { fwd<Erf<float>, float>(params); }

extern "C" __global__ void __launch_bounds__(GELU_THREADS)
gelu_fwd_erf_f16(const __grid_constant__ GeluFwdParams params) { fwd<Erf<F16>, F16>(params); }

extern "C" __global__ void __launch_bounds__(GELU_THREADS)
gelu_fwd_erf_bf16(const __grid_constant__ GeluFwdParams params) { fwd<Erf<Bf16>, Bf16>(params); }

extern "C" __global__ void __launch_bounds__(GELU_THREADS)
gelu_fwd_tanh_f32(const __grid_constant__ GeluFwdParams params) { fwd<Tanh<float>, float>(params); }

extern "C" __global__ void __launch_bounds__(GELU_THREADS)
gelu_fwd_tanh_f16(const __grid_constant__ GeluFwdParams params) { fwd<Tanh<F16>, F16>(params); }

extern "C" __global__ void __launch_bounds__(GELU_THREADS)
gelu_fwd_tanh_bf16(const __grid_constant__ GeluFwdParams params) { fwd<Tanh<Bf16>, Bf16>(params); }

extern "C" __global__ void __launch_bounds__(GELU_THREADS)
gelu_fwd_erf_f32_general(const __grid_constant__ GeluFwdGeneralParams params) { fwd_general<Erf<float>, float>(params); }

extern "C" __global__ void __launch_bounds__(GELU_THREADS)
gelu_fwd_erf_f16_general(const __grid_constant__ GeluFwdGeneralParams params) { fwd_general<Erf<F16>, F16>(params); }

extern "C" __global__ void __launch_bounds__(GELU_THREADS)
gelu_fwd_erf_bf16_general(const __grid_constant__ GeluFwdGeneralParams params) { fwd_general<Erf<Bf16>, Bf16>(params); }

extern "C" __global__ void __launch_bounds__(GELU_THREADS)
gelu_fwd_tanh_f32_general(const __grid_constant__ GeluFwdGeneralParams params) { fwd_general<Tanh<float>, float>(params); }

extern "C" __global__ void __launch_bounds__(GELU_THREADS)
gelu_fwd_tanh_f16_general(const __grid_constant__ GeluFwdGeneralParams params) { fwd_general<Tanh<F16>, F16>(params); }

extern "C" __global__ void __launch_bounds__(GELU_THREADS)
gelu_fwd_tanh_bf16_general(const __grid_constant__ GeluFwdGeneralParams params) { fwd_general<Tanh<Bf16>, Bf16>(params); }
