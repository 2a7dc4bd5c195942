/* The arguments of the softmax kernels. T is the element type in the kernel's name; addresses are of global memory, 0 where an
 * optional tensor is absent; a stride is the distance of two rows in elements; the elements of a row are contiguous. */
#ifndef WARPSMITH_SOFTMAX_PARAMS_H
#define WARPSMITH_SOFTMAX_PARAMS_H
#include <stdint.h>

/* What launchers and kernels agree on. */
enum {
    /// 16-byte vectors of a row that a thread loads at once, and holds in registers when they are the last ones.
    SOFTMAX_VECTORS = 4,
    /// Most threads of a block.
    SOFTMAX_THREADS = 448
};

/// Arguments of `softmax_fwd_T`.
typedef struct {
    /// [rows, width] T, read.
    uint64_t input;
    /// [rows, width] u8, or T where `mask_adds`, read, optional: rows as `mask_strides` has them.
    uint64_t mask;
    /// [rows, width] T, written; may be `input` itself.
    uint64_t output;
    /// Row stride of `input`.
    int64_t input_stride;
    /// Row stride of `output`.
    int64_t output_stride;
    /// Strides of `mask` along the leading dimensions, the last one of them last; 0 where it repeats.
    int64_t mask_strides[4];
    /// Rows.
    int64_t rows;
    /// Column j of row i of a matrix counts where j <= i + diagonal (`causal` alone).
    int64_t diagonal;
    /// Elements of the last three leading dimensions; the last one is the rows of a matrix.
    uint32_t extents[3];
    /// Elements of a row.
    uint32_t width;
    /// Threads that share a row: a power of two up to 32, or all threads of the block.
    uint32_t threads_per_row;
    /// Times that each thread loads VECTORS vectors of a row; the last ones stay in registers.
    uint32_t batches;
    /// Vectors of a row after those that each thread keeps in dynamic shared memory.
    uint32_t shared_vectors;
    /// Whether `mask` is added; otherwise an element counts where it is not zero.
    uint32_t mask_adds;
    /// Whether there is a diagonal.
    uint32_t causal;
    /// What `input` is multiplied by.
    float scale;
    /// Whether the logarithm of the softmax is written.
    uint32_t logarithm;
    /// Zero.
    uint32_t reserved;
} SoftmaxFwdParams;

/// Arguments of `softmax_bwd_T`.
typedef struct {
    /// [rows, width] T, read: the forward's output.
    uint64_t output;
    /// [rows, width] T, read.
    uint64_t grad_output;
    /// [rows, width] T, written; may be `grad_output` itself.
    uint64_t grad_input;
    /// Row stride of `output`.
    int64_t output_stride;
    /// Row stride of `grad_output`.
    int64_t grad_output_stride;
    /// Row stride of `grad_input`.
    int64_t grad_input_stride;
    /// Rows.
    int64_t rows;
    /// Elements of a row.
    uint32_t width;
    /// Threads that share a row: a power of two up to 32, or all threads of the block.
    uint32_t threads_per_row;
    /// Times that each thread loads VECTORS vectors of both rows; the last ones stay in registers.
    uint32_t batches;
    /// Vectors of each row after those that each thread keeps in dynamic shared memory.
    uint32_t shared_vectors;
    /// What the forward multiplied its input by.
    float scale;
    /// Whether the forward wrote the logarithm of the softmax.
    uint32_t logarithm;
} SoftmaxBwdParams;

#ifdef __cplusplus
static_assert(sizeof(SoftmaxFwdParams) == 136, "no padding: the launcher hashes and copies the bytes");
static_assert(sizeof(SoftmaxBwdParams) == 80, "no padding: the launcher hashes and copies the bytes");
#endif
#endif
