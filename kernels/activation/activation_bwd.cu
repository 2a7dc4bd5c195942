// Activations, backward, element by element:
//
//     grad_input = grad_output (* up) * f'(input)        grad_up = grad_output * f(input)
//
// f(input) is computed again, so the forward saves nothing but its inputs.
//
// Shapes: all [rows, width], rows at a distance of their own.
// Traffic: one read of grad_output and of each input and one write of each gradient, 16 bytes at a time.
// Who does what: as in activation_fwd.cu. A thread reads an element of every tensor before it writes those of the gradients, and no other
// thread reads it, so a gradient may be the memory of any tensor that is read.
#include "activation/activation.cuh"
#include "common/access.cuh"
#include "common/tiles.cuh"

namespace warpsmith::activation {

/// Rows that a thread has in flight.
constexpr int BATCH = 2;

/// A thread's rows in COLUMNS neighbouring columns.
template <typename T, int COLUMNS>
__device__ __forceinline__ void bwd_columns(const ActivationBwdParams& p, const Place& place, uint32_t column) {
    const uint64_t offset = uint64_t{column} * sizeof(T);
    for (int64_t first = place.row; first < place.row_end; first += BATCH * place.row_step) {
        // Zeros where there is no row: the compiler may compute with them before it looks.
        Access<T, COLUMNS> gradients[BATCH] = {}, inputs[BATCH] = {}, ups[BATCH] = {};
#pragma unroll
        for (int i = 0; i < BATCH; ++i) {
            const int64_t row = first + i * place.row_step;
            if (row < place.row_end) {
                gradients[i].load(p.grad_output + offset + row * p.grad_output_stride * sizeof(T));
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
                float dy[COLUMNS], values[COLUMNS], derivatives[COLUMNS];
                gradients[i].values(dy);
                inputs[i].values(values);
                with_function<T>(p.function, [&](auto f) {
#pragma unroll
                    for (int j = 0; j < COLUMNS; ++j) {
                        const Both both = f.both(values[j]);
                        values[j] = both.value;
                        derivatives[j] = both.derivative;
                    }
                });
                if (p.up != 0) {
                    float factors[COLUMNS];
                    ups[i].values(factors);
#pragma unroll
                    for (int j = 0; j < COLUMNS; ++j) {
                        values[j] *= dy[j];
                        dy[j] *= factors[j];
                    }
                    Access<T, COLUMNS>::store(p.grad_up + offset + row * p.grad_up_stride * sizeof(T), values);
                }
#pragma unroll
                for (int j = 0; j < COLUMNS; ++j) {
                    dy[j] *= derivatives[j];
                }
                Access<T, COLUMNS>::store(p.grad_input + offset + row * p.grad_input_stride * sizeof(T), dy);
            }
        }
    }
}

template <typename T>
__device__ __forceinline__ void bwd(const ActivationBwdParams& p) {
    const Place place(p.rows, p.rows_per_block, p.width, p.threads_per_row, p.vectorised != 0, ACTIVATION_THREADS, LANES<T>);
    if (place.vector) {
        bwd_columns<T, LANES<T>>(p, place, place.column);
    } else {
        for (uint32_t column = place.column; column < place.column_end; column += place.column_step) {
            bwd_columns<T, 1>(p, place, column);
        }
    }
}

}  // namespace warpsmith::activation

using namespace warpsmith;

// Every kernel of this file.

extern "C" __global__ void __launch_bounds__(ACTIVATION_THREADS)
activation_bwd_f32(const __grid_constant__ ActivationBwdParams params) { activation::bwd<float>(params); }

extern "C" __global__ void __launch_bounds__(ACTIVATION_THREADS)
activation_bwd_f16(const __grid_constant__ ActivationBwdParams params) { activation::bwd<F16>(params); }

extern "C" __global__ void __launch_bounds__(ACTIVATION_THREADS)
activation_bwd_bf16(const __grid_constant__ ActivationBwdParams params) { activation::bwd<Bf16>(params); }
