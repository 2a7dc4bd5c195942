/* The arguments of the activation kernels. T is the element type in the kernel's name; addresses are of global memory, 0 where an optional
 * tensor is absent; a stride is the distance of two rows in elements; the elements of a row are contiguous. */
#ifndef WARPSMITH_ACTIVATION_PARAMS_H
#define WARPSMITH_ACTIVATION_PARAMS_H
#include <stdint.h>

/* What launchers and kernels agree on. */
enum {
    /// Threads of every block.
    ACTIVATION_THREADS = 256,
    /// Threads side by side in a block, at most: a warp.
    ACTIVATION_MAX_THREADS_PER_ROW = 32,
    /// `function`: x * sigmoid(x).
    ACTIVATION_SILU = 0,
    /// `function`: x * sigmoid(1.702 x).
    ACTIVATION_QUICK_GELU = 1,
    /// `function`: max(x, 0).
    ACTIVATION_RELU = 2,
    /// `function`: max(x, 0)^2.
    ACTIVATION_RELU_SQUARED = 3,
    /// `function`: x * Phi(x).
    ACTIVATION_GELU_ERF = 4,
    /// `function`: the approximation of that by tanh.
    ACTIVATION_GELU_TANH = 5
};

/// Arguments of `activation_fwd_T`.
typedef struct {
    /// [rows, width] T, read: what the function is applied to.
    uint64_t input;
    /// [rows, width] T, read, optional: what the result is multiplied by.
    uint64_t up;
    /// [rows, width] T, written: `input` or `up`, or memory that is not read.
    uint64_t output;
    /// Row stride of `input`.
    int64_t input_stride;
    /// Row stride of `up`.
    int64_t up_stride;
    /// Row stride of `output`.
    int64_t output_stride;
    /// Rows.
    int64_t rows;
    /// Rows of a block.
    int64_t rows_per_block;
    /// Elements of a row.
    uint32_t width;
    /// A power of two from 1 to 32.
    uint32_t threads_per_row;
    /// Not 0 where every row of every tensor begins at a multiple of 16 bytes.
    uint32_t vectorised;
    /// One of the functions above.
    uint32_t function;
} ActivationFwdParams;

/// Arguments of `activation_bwd_T`.
typedef struct {
    /// [rows, width] T, read: the gradient of the output.
    uint64_t grad_output;
    /// [rows, width] T, read: as in the forward.
    uint64_t input;
    /// [rows, width] T, read, optional: as in the forward.
    uint64_t up;
    /// [rows, width] T, written: one of the tensors that are read, or memory that is not.
    uint64_t grad_input;
    /// [rows, width] T, written, present with `up`: likewise.
    uint64_t grad_up;
    /// Row stride of `grad_output`.
    int64_t grad_output_stride;
    /// Row stride of `input`.
    int64_t input_stride;
    /// Row stride of `up`.
    int64_t up_stride;
    /// Row stride of `grad_input`.
    int64_t grad_input_stride;
    /// Row stride of `grad_up`.
    int64_t grad_up_stride;
    /// Rows.
    int64_t rows;
    /// Rows of a block.
    int64_t rows_per_block;
    /// Elements of a row.
    uint32_t width;
    /// A power of two from 1 to 32.
    uint32_t threads_per_row;
    /// Not 0 where every row of every tensor begins at a multiple of 16 bytes.
    uint32_t vectorised;
    /// One of the functions above.
    uint32_t function;
} ActivationBwdParams;

#ifdef __cplusplus
static_assert(sizeof(ActivationFwdParams) == 80, "no padding: the launcher copies the bytes");
static_assert(sizeof(ActivationBwdParams) == 112, "no padding: the launcher copies the bytes");
#endif
#endif
