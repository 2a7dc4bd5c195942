// Dropout, alone or on its way into a residual stream, forward and backward, element by element:
//
//     output = (residual +) (word >= threshold ? input * scale : 0)
//
// with word i % 4 of random block i / 4 for element i in row-major order, whatever the strides. The backward pass is the same with the gradient
// as its input: the words are made again, so no mask is stored.
//
// Shapes: all [rows, width], rows at a distance of their own.
// Traffic: one read of each input and one write of each element, 16 bytes at a time; 16 bytes of seed and offset a thread, from L1.
// Who does what: common/tiles.cuh; a thread has BATCH of its rows in flight, and makes the words of its elements while they are. It reads an
// element of every input before it writes that of the output, and no other thread reads it, so the output may be the memory of an input.
#include "common/access.cuh"
#include "common/philox.cuh"
#include "common/tiles.cuh"
#include "dropout/dropout_params.h"

namespace warpsmith::dropout {

/// Rows that a thread has in flight.
constexpr int BATCH = 2;
/// Words of a random block.
constexpr int WORDS = 4;

/// The words of COLUMNS elements from element `index` on: those of whole blocks, or one.
template <int COLUMNS>
__device__ __forceinline__ void words_of(const Philox& philox, uint64_t index, uint32_t (&words)[COLUMNS]) {
    if constexpr (COLUMNS == 1) {
        const uint4 block = philox.block(index / WORDS);
        const uint32_t even = index & 2 ? block.z : block.x, odd = index & 2 ? block.w : block.y;
        words[0] = index & 1 ? odd : even;
    } else {
        static_assert(COLUMNS % WORDS == 0, "a vector is whole blocks");
#pragma unroll
        for (int q = 0; q < COLUMNS / WORDS; ++q) {
            const uint4 block = philox.block(index / WORDS + q);
            words[4 * q] = block.x;
            words[4 * q + 1] = block.y;
            words[4 * q + 2] = block.z;
            words[4 * q + 3] = block.w;
        }
    }
}

/// A thread's rows in COLUMNS neighbouring columns.
template <typename T, int COLUMNS>
__device__ __forceinline__ void fwd_columns(const DropoutFwdParams& p, const Philox& philox, const Place& place, uint32_t column) {
    const uint64_t offset = uint64_t{column} * sizeof(T);
    for (int64_t first = place.row; first < place.row_end; first += BATCH * place.row_step) {
        // Zeros where there is no row: the compiler may compute with them before it looks.
        Access<T, COLUMNS> inputs[BATCH] = {}, residuals[BATCH] = {};
#pragma unroll
        for (int i = 0; i < BATCH; ++i) {
            const int64_t row = first + i * place.row_step;
            if (row < place.row_end) {
                inputs[i].load(p.input + offset + row * p.input_stride * sizeof(T));
                if (p.residual != 0) {
                    residuals[i].load(p.residual + offset + row * p.residual_stride * sizeof(T));
                }
            }
        }
        uint32_t words[BATCH][COLUMNS] = {};
        if (p.random != 0) {
#pragma unroll
            for (int i = 0; i < BATCH; ++i) {
                words_of(philox, static_cast<uint64_t>(first + i * place.row_step) * p.width + column, words[i]);
            }
        }
#pragma unroll
        for (int i = 0; i < BATCH; ++i) {
            const int64_t row = first + i * place.row_step;
            if (row < place.row_end) {
                float values[COLUMNS];
                inputs[i].values(values);
                if (p.residual != 0) {
                    float sums[COLUMNS];
                    residuals[i].values(sums);
#pragma unroll
                    for (int j = 0; j < COLUMNS; ++j) {
                        values[j] = words[i][j] >= p.threshold ? fmaf(values[j], p.scale, sums[j]) : sums[j];
                    }
                } else {
#pragma unroll
                    for (int j = 0; j < COLUMNS; ++j) {
                        values[j] = words[i][j] >= p.threshold ? values[j] * p.scale : 0.0f;
                    }
                }
                Access<T, COLUMNS>::store(p.output + offset + row * p.output_stride * sizeof(T), values);
            }
        }
    }
}

template <typename T>
__device__ __forceinline__ void fwd(const DropoutFwdParams& p) {
    const Place place(p.rows, p.rows_per_block, p.width, p.threads_per_row, p.vectorised != 0, DROPOUT_THREADS, LANES<T>);
    const Philox philox(p.state, p.random_offset);
    if (place.vector) {
        fwd_columns<T, LANES<T>>(p, philox, place, place.column);
    } else {
        for (uint32_t column = place.column; column < place.column_end; column += place.column_step) {
            fwd_columns<T, 1>(p, philox, place, column);
        }
    }
}

}  // namespace warpsmith::dropout

using namespace warpsmith;

// Every kernel of this file.

extern "C" __global__ void __launch_bounds__(DROPOUT_THREADS)
dropout_fwd_f32(const __grid_constant__ DropoutFwdParams params) { dropout::fwd<float>(params); }

extern "C" __global__ void __launch_bounds__(DROPOUT_THREADS)
dropout_fwd_f16(const __grid_constant__ DropoutFwdParams params) { dropout::fwd<F16>(params); }

extern "C" __global__ void __launch_bounds__(DROPOUT_THREADS)
dropout_fwd_bf16(const __grid_constant__ DropoutFwdParams params) { dropout::fwd<Bf16>(params); }
