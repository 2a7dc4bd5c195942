// Activations, forward: output = f(input) (* up), element by element.
//
// Shapes: all [rows, width], rows at a distance of their own, so `input` and `up` may be the two halves of one [rows, 2 * width] tensor.
// Traffic: one read of each input and one write of each element, 16 bytes at a time.
// Who does what: common/tiles.cuh; a thread has BATCH of its rows in flight. It reads an element of every input before it writes that of the
// output, and no other thread reads it, so the output may be the memory of an input.
//
// One kernel for all functions: which one is a branch that all threads take alike, once for each vector.
#include "activation/activation.cuh"
#include "common/access.cuh"
#include "common/tiles.cuh"

namespace warpsmith::activation {

/// Rows that a thread has in flight.
constexpr int BATCH = 2;

/// A thread's rows in COLUMNS neighbouring columns.
template <typename T, int COLUMNS>
__device__ __forceinline__ void fwd_columns(const ActivationFwdParams& p, const Place& place, uint32_t column) {
    const uint64_t offset = uint64_t{column} * sizeof(T);
    for (int64_t first = place.row; first < place.row_end; first += BATCH * place.row_step) {
        // Zeros where there is no row: the compiler may compute with them before it looks.
        Access<T, COLUMNS> inputs[BATCH] = {}, ups[BATCH] = {};
#pragma unroll
        for (int i = 0; i < BATCH; ++i) {
            const int64_t row = first + i * place.row_step;
            if (row < place.row_end) {
                inputs[i].load(p.input + offset + row * p.input_stride * sizeof(T));
                if (p.up != 0) {
                    ups[i].load(p.up + offset + row * p.up_stride * sizeof(T));
                }
            }
        }
#pragma unroll
        for (int i = 0; i < BATCH; ++i) {
            const int64_t row = first + i * place.row_step;
            if (row < place.row_end) {
                float values[COLUMNS];
                inputs[i].values(values);
                with_function<T>(p.function, [&](auto f) {
#pragma unroll
                    for (int j = 0; j < COLUMNS; ++j) {
                        values[j] = f.value(values[j]);
                    }
                });
                if (p.up != 0) {
                    float factors[COLUMNS];
                    ups[i].values(factors);
#pragma unroll
                    for (int j = 0; j < COLUMNS; ++j) {
                        values[j] *= factors[j];
                    }
                }
                Access<T, COLUMNS>::store(p.output + offset + row * p.output_stride * sizeof(T), values);
            }
        }
    }
}

template <typename T>
__device__ __forceinline__ void fwd(const ActivationFwdParams& p) {
    const Place place(p.rows, p.rows_per_block, p.width, p.threads_per_row, p.vectorised != 0, ACTIVATION_THREADS, LANES<T>);
    if (place.vector) {
        fwd_columns<T, LANES<T>>(p, place, place.column);
    } else {
        for (uint32_t column = place.column; column < place.column_end; column += place.column_step) {
            fwd_columns<T, 1>(p, place, column);
        }
    }
}

}  // namespace warpsmith::activation

using namespace warpsmith;

// Every kernel of this file.

extern "C" __global__ void __launch_bounds__(ACTIVATION_THREADS)
activation_fwd_f32(const __grid_constant__ ActivationFwdParams params) { activation::fwd<float>(params); }

extern "C" __global__ void __launch_bounds__(ACTIVATION_THREADS)
activation_fwd_f16(const __grid_constant__ ActivationFwdParams params) { activation::fwd<F16>(params); }

extern "C" __global__ void __launch_bounds__(ACTIVATION_THREADS)
activation_fwd_bf16(const __grid_constant__ ActivationFwdParams params) { activation::fwd<Bf16>(params); }
