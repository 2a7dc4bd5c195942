/* The arguments of the GELU kernels. T is the element type in the kernel's name; addresses are of global memory, 0 where an
 * optional tensor is absent; a stride is the distance of two rows in elements; the elements of a row are contiguous. */
#ifndef WARPSMITH_GELU_PARAMS_H
#define WARPSMITH_GELU_PARAMS_H
#include <stdint.h>

enum {
    /// Threads of every block.
    GELU_THREADS = 256,
    /// 16-byte vectors of each tensor that a thread of a plain kernel handles.
    GELU_VECTORS = 4,
    /// Threads side by side in a block of a general kernel, at most: a warp.
    GELU_MAX_THREADS_PER_ROW = 32
};

/// Arguments of `gelu_fwd_FORM_T`: tensors without gaps, no bias.
typedef struct {
    /// [count] T, read.
    uint64_t input;
    /// [count] T, written.
    uint64_t output;
    /// Elements.
    uint64_t count;
    /// Elements before the first 16-byte boundary.
    uint64_t head;
    /// 16-byte vectors from there; 0 where input and output do not share their boundaries. The rest goes element by element.
    uint64_t vectors;
} GeluFwdParams;

/// Arguments of `gelu_bwd_FORM_T`: tensors without gaps, no bias.
typedef struct {
    /// [count] T, read: the gradient of the output.
    uint64_t grad_output;
    /// [count] T, read: the input of the forward.
    uint64_t input;
    /// [count] T, written.
    uint64_t grad_input;
    /// Elements.
    uint64_t count;
    /// Elements before the first 16-byte boundary.
    uint64_t head;
    /// 16-byte vectors from there; 0 where the three tensors do not share their boundaries. The rest goes element by element.
    uint64_t vectors;
} GeluBwdParams;

/// How the general kernels share `[rows, width]` among blocks: a block is `threads_per_row` threads wide and the rest high, each
/// thread has one 16-byte vector's worth of columns, and block (x, y) takes column tile x of the y-th `rows_per_block` rows.
typedef struct {
    /// Rows.
    int64_t rows;
    /// Rows of a block.
    int64_t rows_per_block;
    /// Elements of a row.
    uint32_t width;
    /// A power of two from 1 to 32.
    uint32_t threads_per_row;
    /// Not 0 where every row of every `[rows, width]` tensor begins at a multiple of 16 bytes.
    uint32_t vectorised;
    /// Zero.
    uint32_t reserved;
} GeluTiles;

/// Arguments of `gelu_fwd_FORM_T_general`.
typedef struct {
    /// [rows, width] T, read.
    uint64_t input;
    /// [width] T, read, optional: added to each row before the GELU.
    uint64_t bias;
    /// [rows, width] T, written.
    uint64_t output;
    /// Row stride of `input`.
    int64_t input_stride;
    /// Row stride of `output`.
    int64_t output_stride;
    /// Who does what.
    GeluTiles tiles;
} GeluFwdGeneralParams;

/// Arguments of `gelu_bwd_FORM_T_general`.
typedef struct {
    /// [rows, width] T, read: the gradient of the output.
    uint64_t grad_output;
    /// [rows, width] T, read: the input of the forward.
    uint64_t input;
    /// [width] T, read, optional: the bias of the forward.
    uint64_t bias;
    /// [rows, width] T, written.
    uint64_t grad_input;
    /// [row blocks, width] f32, written, optional: the sum of the unrounded `grad_input` over the rows of each block.
    uint64_t partials;
    /// Row stride of `grad_output`.
    int64_t grad_output_stride;
    /// Row stride of `input`.
    int64_t input_stride;
    /// Row stride of `grad_input`.
    int64_t grad_input_stride;
    /// Who does what.
    GeluTiles tiles;
} GeluBwdGeneralParams;

/// Arguments of `gelu_bwd_T_reduce`.
typedef struct {
    /// [row_blocks, width] f32, read.
    uint64_t partials;
    /// [width] T, written: the sums over `row_blocks`.
    uint64_t grad_bias;
    /// Rows of `partials`.
    uint32_t row_blocks;
    /// Elements of a row.
    uint32_t width;
} GeluBwdReduceParams;

#ifdef __cplusplus
static_assert(sizeof(GeluFwdParams) == 40, "no padding: the launcher copies the bytes");
static_assert(sizeof(GeluBwdParams) == 48, "no padding: the launcher copies the bytes");
static_assert(sizeof(GeluTiles) == 32, "no padding: the launcher copies the bytes");
static_assert(sizeof(GeluFwdGeneralParams) == 72, "no padding: the launcher copies the bytes");
static_assert(sizeof(GeluBwdGeneralParams) == 96, "no padding: the launcher copies the bytes");
static_assert(sizeof(GeluBwdReduceParams) == 24, "no padding: the launcher copies the bytes");
#endif
#endif
