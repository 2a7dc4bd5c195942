/* The arguments of the dropout kernels. T is the element type in the kernel's name; addresses are of global memory, 0 where an optional
 * tensor is absent; a stride is the distance of two rows in elements; the elements of a row are contiguous. */
#ifndef WARPSMITH_DROPOUT_PARAMS_H
#define WARPSMITH_DROPOUT_PARAMS_H
#include <stdint.h>

/* What launchers and kernels agree on. */
enum {
    /// Threads of every block.
    DROPOUT_THREADS = 256
};

/// Arguments of `dropout_fwd_T`.
typedef struct {
    /// [rows, width] T, read: what is dropped or kept.
    uint64_t input;
    /// [rows, width] T, read, optional: what the result is added to.
    uint64_t residual;
    /// [rows, width] T, written: `input` or `residual`, or memory that is not read.
    uint64_t output;
    /// [2] of 64 bits, read: seed and offset of the random numbers.
    uint64_t state;
    /// Added to that offset.
    uint64_t random_offset;
    /// Row stride of `input`.
    int64_t input_stride;
    /// Row stride of `residual`.
    int64_t residual_stride;
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
    /// Not 0 where every row of every tensor begins at a multiple of 16 bytes, and at a multiple of four elements of the whole.
    uint32_t vectorised;
    /// Not 0 where random words decide; otherwise zeros do.
    uint32_t random;
    /// The least word that keeps its element.
    uint32_t threshold;
    /// What kept elements are multiplied by.
    float scale;
} DropoutFwdParams;

#ifdef __cplusplus
static_assert(sizeof(DropoutFwdParams) == 104, "no padding: the launcher copies the bytes");
#endif
#endif
