/* The arguments of the RMS norm kernels. T is the element type in the kernel's name; addresses are of global memory, 0 where an
 * optional tensor is absent; a stride is the distance of two rows in elements; the elements of a row are contiguous. */
#ifndef WARPSMITH_RMS_NORM_PARAMS_H
#define WARPSMITH_RMS_NORM_PARAMS_H
#include <stdint.h>

/* What launchers and kernels agree on. */
enum {
    /// 16-byte vectors of a row that a thread holds in registers.
    RMS_NORM_VECTORS = 4,
    /// Most threads of a block of `rms_norm_fwd_T`.
    RMS_NORM_FWD_THREADS = 256,
    /// Most threads of a block of `rms_norm_bwd_T`.
    RMS_NORM_BWD_THREADS = 512,
    /// Rows of each team of `rms_norm_bwd_T` that have a place in shared memory.
    RMS_NORM_BWD_STAGES = 2,
    /// Most threads of a block of `rms_norm_fwd_T_general` and `rms_norm_bwd_T_dx`.
    RMS_NORM_GENERAL_THREADS = 512,
    /// Threads of a block of `rms_norm_bwd_T_columns`.
    RMS_NORM_COLUMNS_THREADS = 256,
    /// Threads of a block of `rms_norm_bwd_T_reduce`.
    RMS_NORM_REDUCE_THREADS = 256,
    /// Columns of such a block.
    RMS_NORM_REDUCE_COLUMNS = 32
};

/// Arguments of `rms_norm_fwd_T` and `rms_norm_fwd_T_general`.
typedef struct {
    /// [rows, width] T, read.
    uint64_t input;
    /// [rows, width] T, read, optional: added to `input` before the norm.
    uint64_t residual;
    /// [width] T, read, optional.
    uint64_t weight;
    /// [rows, width] T, written.
    uint64_t output;
    /// [rows, width] T, written, present with `residual`: `input + residual` rounded to T, which is what is normalised.
    uint64_t sum;
    /// [rows] f32, written, optional: 1 / sqrt(mean(x^2) + epsilon) of each row.
    uint64_t rstd;
    /// Row stride of `input`.
    int64_t input_stride;
    /// Row stride of `residual`.
    int64_t residual_stride;
    /// Row stride of `output`.
    int64_t output_stride;
    /// Row stride of `sum`.
    int64_t sum_stride;
    /// Rows.
    int64_t rows;
    /// Elements of a row.
    uint32_t width;
    /// Threads that share a row: a power of two up to 32, or all threads of the block.
    uint32_t threads_per_row;
    /// 1 / width, rounded to nearest.
    float inverse_width;
    /// Added to the mean of the squares.
    float epsilon;
    /// Added to `weight`; 0 without one.
    float weight_offset;
    /// Not 0 where `x * rstd` is rounded to T before the weight.
    uint32_t rounds_normalised;
    /// 16-byte vectors of a row that each thread keeps in dynamic shared memory (`_general` alone).
    uint32_t shared_vectors;
    /// Zero.
    uint32_t reserved;
} RmsNormFwdParams;

/// Arguments of `rms_norm_bwd_T`, `rms_norm_bwd_T_dx` and `rms_norm_bwd_T_columns`.
typedef struct {
    /// [rows, width] T, read: the gradient of the output.
    uint64_t grad_output;
    /// [rows, width] T, read: what the forward normalised (its `sum` where there was a residual).
    uint64_t input;
    /// [width] T, read, optional.
    uint64_t weight;
    /// [rows] f32, read, as the forward wrote it.
    uint64_t rstd;
    /// [rows, width] T, read, optional: a gradient that reaches `input` by another way (past the norm), added to `grad_input`.
    uint64_t grad_sum;
    /// [rows, width] T, written.
    uint64_t grad_input;
    /// [row_groups, width] f32, written, optional: for each group of rows the sums of grad_output * x * rstd.
    uint64_t partials;
    /// Row stride of `grad_output`.
    int64_t grad_output_stride;
    /// Row stride of `input`.
    int64_t input_stride;
    /// Row stride of `grad_sum`.
    int64_t grad_sum_stride;
    /// Row stride of `grad_input`.
    int64_t grad_input_stride;
    /// Rows.
    int64_t rows;
    /// Rows of a group, the last one perhaps excepted: group g takes the rows from g * rows_per_group on, and a block takes a group.
    int64_t rows_per_group;
    /// Elements of a row.
    uint32_t width;
    /// Threads that share a row: a power of two (`_T`, `_columns`); a power of two up to 32 or all threads of the block (`_dx`).
    uint32_t threads_per_row;
    /// 1 / width, rounded to nearest.
    float inverse_width;
    /// Added to `weight`; 0 without one.
    float weight_offset;
    /// 16-byte vectors of each of the two inputs' rows that each thread keeps in dynamic shared memory (`_dx` alone).
    uint32_t shared_vectors;
    /// Zero.
    uint32_t reserved;
} RmsNormBwdParams;

/// Arguments of `rms_norm_bwd_T_reduce`.
typedef struct {
    /// [row_groups, width] f32, read.
    uint64_t partials;
    /// [width] T, written.
    uint64_t grad_weight;
    /// Columns.
    uint32_t width;
    /// Groups of rows.
    uint32_t row_groups;
} RmsNormBwdReduceParams;

#ifdef __cplusplus
static_assert(sizeof(RmsNormFwdParams) == 120, "no padding: the launcher hashes and copies the bytes");
static_assert(sizeof(RmsNormBwdParams) == 128, "no padding: the launcher hashes and copies the bytes");
static_assert(sizeof(RmsNormBwdReduceParams) == 24, "no padding: the launcher hashes and copies the bytes");
#endif
#endif
