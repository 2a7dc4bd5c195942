// GELU backward: grad_input = grad_output * gelu'(input + bias), grad_bias = the sum of grad_input over the rows.
//
// Two reads and one write of every element. For grad_bias each block of a general kernel adds up its own rows, in a fixed order,
// and the reduce kernel adds up the blocks. How many blocks there are depends on the shape alone, so the same input gives the
// same bits on every card.
#include "common/columns.cuh"
#include "common/gelu.cuh"
#include "common/vec.cuh"
#include "gelu/gelu_params.h"
#include "gelu/tiles.cuh"

namespace warpsmith::gelu {

/// Each thread handles GELU_VECTORS vectors of its block's piece, and its share of the elements that no vector covers.
template <typename Form, typename T>
__device__ __forceinline__ void bwd(const GeluBwdParams& params) {
    const uint64_t first = static_cast<uint64_t>(blockIdx.x) * (GELU_THREADS * GELU_VECTORS) + threadIdx.x;
    const uint64_t head = params.head * sizeof(T);
    uint4 raw_gradients[GELU_VECTORS];
    uint4 raw_inputs[GELU_VECTORS];
#pragma unroll
    for (int i = 0; i < GELU_VECTORS; ++i) {
        const uint64_t vector = first + i * GELU_THREADS;
        if (vector < params.vectors) {
            raw_gradients[i] = ptx::load_16_once(params.grad_output + head + vector * 16);
            raw_inputs[i] = ptx::load_16_once(params.input + head + vector * 16);
        }
    }
#pragma unroll
    for (int i = 0; i < GELU_VECTORS; ++i) {
        const uint64_t vector = first + i * GELU_THREADS;
        if (vector < params.vectors) {
            float gradients[LANES<T>];
            float inputs[LANES<T>];
            unpack<T>(raw_gradients[i], gradients);
            unpack<T>(raw_inputs[i], inputs);
#pragma unroll
            for (int lane = 0; lane < LANES<T>; ++lane) {
                gradients[lane] *= Form::derivative(inputs[lane]);
            }
            ptx::store_16(params.grad_input + head + vector * 16, pack<T>(gradients));
        }
    }
    const uint64_t covered = params.vectors * LANES<T>;
    const uint64_t threads = static_cast<uint64_t>(gridDim.x) * GELU_THREADS;
    for (uint64_t i = static_cast<uint64_t>(blockIdx.x) * GELU_THREADS + threadIdx.x; i < params.count - covered; i += threads) {
        const uint64_t offset = (i < params.head ? i : i + covered) * sizeof(T);
        const float gradient = load_element<T>(params.grad_output + offset);
        store_element<T>(params.grad_input + offset, gradient * Form::derivative(load_element<T>(params.input + offset)));
    }
}

/// Rows that a thread of a general kernel has in flight.
constexpr int BATCH = 2;

/// A thread's rows in COLUMNS neighbouring columns; `sums` are those of the unrounded results.
template <typename Form, typename T, int COLUMNS>
__device__ __forceinline__ void bwd_columns(const GeluBwdGeneralParams& params, const Place& place, const BiasTile<T>& biases,
                                            uint32_t column, float (&sums)[COLUMNS]) {
    float bias[COLUMNS];
    biases.get(place, column, bias);
    const uint64_t offset = static_cast<uint64_t>(column) * sizeof(T);
#pragma unroll
    for (int j = 0; j < COLUMNS; ++j) {
        sums[j] = 0.0f;
    }
    for (int64_t first = place.row; first < place.row_end; first += BATCH * place.row_step) {
        Access<T, COLUMNS> gradient_chunks[BATCH];
        Access<T, COLUMNS> input_chunks[BATCH];
#pragma unroll
        for (int i = 0; i < BATCH; ++i) {
            const int64_t row = first + i * place.row_step;
            if (row < place.row_end) {
                gradient_chunks[i].load_once(params.grad_output + offset + row * params.grad_output_stride * sizeof(T));
                input_chunks[i].load_once(params.input + offset + row * params.input_stride * sizeof(T));
            }
        }
#pragma unroll
        for (int i = 0; i < BATCH; ++i) {
            const int64_t row = first + i * place.row_step;
            if (row < place.row_end) {
                float gradients[COLUMNS];
                float inputs[COLUMNS];
                gradient_chunks[i].values(gradients);
                input_chunks[i].values(inputs);
#pragma unroll
                for (int j = 0; j < COLUMNS; ++j) {
                    gradients[j] *= Form::derivative(inputs[j] + bias[j]);
                    sums[j] += gradients[j];
                }
                Access<T, COLUMNS>::store(params.grad_input + offset + row * params.grad_input_stride * sizeof(T), gradients);
            }
        }
    }
}

/// What the threads of a block have added up: for each row of threads, one sum for each column of the block's tile.
template <typename T>
struct ColumnSums {
    float of[GELU_THREADS * LANES<T>];

    /// Adds up the rows of threads by halves, into the first. Begins with a barrier; afterwards column c is seen by the thread that
    /// has c modulo the block's threads.
    __device__ __forceinline__ void add_rows(uint32_t rows, uint32_t tile_width, uint32_t columns) {
        for (uint32_t half = rows / 2; half > 0; half /= 2) {
            __syncthreads();
            for (uint32_t i = threadIdx.x; i < half * tile_width; i += GELU_THREADS) {
                // tile_width is a power of two; beyond `columns` nobody has written.
                if ((i & (tile_width - 1)) < columns) {
                    of[i] += of[i + half * tile_width];
                }
            }
        }
    }
};

template <typename Form, typename T>
__device__ __forceinline__ void bwd_general(const GeluBwdGeneralParams& params) {
    __shared__ BiasTile<T> biases;
    __shared__ ColumnSums<T> sums;
    const Place place = place_of(params.tiles, LANES<T>);
    biases.fill(params.bias, params.tiles, place);
    __syncthreads();
    const uint32_t tile_width = params.tiles.threads_per_row * LANES<T>;
    const uint32_t below = threadIdx.x / params.tiles.threads_per_row * tile_width;
    if (place.vector) {
        float own[LANES<T>];
        bwd_columns<Form, T>(params, place, biases, place.column, own);
#pragma unroll
        for (int j = 0; j < LANES<T>; ++j) {
            sums.of[below + place.column - place.tile + j] = own[j];
        }
    } else {
        for (uint32_t column = place.column; column < place.column_end; column += place.column_step) {
            float own[1];
            bwd_columns<Form, T>(params, place, biases, column, own);
            sums.of[below + column - place.tile] = own[0];
        }
    }
    if (params.partials == 0) {
        return;
    }
    const uint32_t columns = min(tile_width, params.tiles.width - place.tile);
    sums.add_rows(GELU_THREADS / params.tiles.threads_per_row, tile_width, columns);
    for (uint32_t column = threadIdx.x; column < columns; column += GELU_THREADS) {
        const uint64_t index = static_cast<uint64_t>(blockIdx.y) * params.tiles.width + place.tile + column;
        ptx::store_4(params.partials + index * sizeof(float), __float_as_uint(sums.of[column]));
    }
}

/// grad_bias: a block adds up `ColumnSum::COLUMNS` columns of the partial sums.
template <typename T>
__device__ __forceinline__ void bwd_reduce(const GeluBwdReduceParams& params) {
    __shared__ ColumnSum::Smem smem;
    const uint32_t column = blockIdx.x * ColumnSum::COLUMNS + threadIdx.x % ColumnSum::COLUMNS;
    const float sum = column_sum(params.partials, params.row_blocks, params.width, column, smem);
    if (threadIdx.x < ColumnSum::COLUMNS && column < params.width) {
        store_element<T>(params.grad_bias + static_cast<uint64_t>(column) * sizeof(T), sum);
    }
}

}  // namespace warpsmith::gelu

using namespace warpsmith;
using namespace warpsmith::gelu;

// Every kernel of this file.

extern "C" __global__ void __launch_bounds__(GELU_THREADS)
gelu_bwd_erf_f32(const __grid_constant__ GeluBwdParams params) { bwd<Erf<float>, float>(params); }

extern "C" __global__ void __launch_bounds__(GELU_THREADS)
gelu_bwd_erf_f16(const __grid_constant__ GeluBwdParams params) { bwd<Erf<F16>, F16>(params); }

extern "C" __global__ void __launch_bounds__(GELU_THREADS)
gelu_bwd_erf_bf16(const __grid_constant__ GeluBwdParams params) { bwd<Erf<Bf16>, Bf16>(params); }

extern "C" __global__ void __launch_bounds__(GELU_THREADS)
gelu_bwd_tanh_f32(const __grid_constant__ GeluBwdParams params) { bwd<Tanh<float>, float>(params); }

extern "C" __global__ void __launch_bounds__(GELU_THREADS)
gelu_bwd_tanh_f16(const __grid_constant__ GeluBwdParams params) { bwd<Tanh<F16>, F16>(params); }

extern "C" __global__ void __launch_bounds__(GELU_THREADS)
gelu_bwd_tanh_bf16(const __grid_constant__ GeluBwdParams params) { bwd<Tanh<Bf16>, Bf16>(params); }

extern "C" __global__ void __launch_bounds__(GELU_THREADS)
gelu_bwd_erf_f32_general(const __grid_constant__ GeluBwdGeneralParams params) { bwd_general<Erf<float>, float>(params); }

extern "C" __global__ void __launch_bounds__(GELU_THREADS)
gelu_bwd_erf_f16_general(const __grid_constant__ GeluBwdGeneralParams params) { bwd_general<Erf<F16>, F16>(params); }

extern "C" __global__ void __launch_bounds__(GELU_THREADS)
gelu_bwd_erf_bf16_general(const __grid_constant__ GeluBwdGeneralParams params) { bwd_general<Erf<Bf16>, Bf16>(params); }

extern "C" __global__ void __launch_bounds__(GELU_THREADS)
gelu_bwd_tanh_f32_general(const __grid_constant__ GeluBwdGeneralParams params) { bwd_general<Tanh<float>, float>(params); }

extern "C" __global__ void __launch_bounds__(GELU_THREADS)
gelu_bwd_tanh_f16_general(const __grid_constant__ GeluBwdGeneralParams params) { bwd_general<Tanh<F16>, F16>(params); }

extern "C" __global__ void __launch_bounds__(GELU_THREADS)
gelu_bwd_tanh_bf16_general(const __grid_constant__ GeluBwdGeneralParams params) { bwd_general<Tanh<Bf16>, Bf16>(params); }

extern "C" __global__ void __launch_bounds__(ColumnSum::THREADS)
gelu_bwd_f32_reduce(const __grid_constant__ GeluBwdReduceParams params) { bwd_reduce<float>(params); }

extern "C" __global__ void __launch_bounds__(ColumnSum::THREADS)
gelu_bwd_f16_reduce(const __grid_constant__ GeluBwdReduceParams params) { bwd_reduce<F16>(params); }

extern "C" __global__ void __launch_bounds__(ColumnSum::THREADS)
gelu_bwd_bf16_reduce(const __grid_constant__ GeluBwdReduceParams params) { bwd_reduce<Bf16>(params); }
