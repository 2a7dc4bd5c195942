//! The arguments of the kernels. Written by `cargo xtask bindings` from `kernels/abi.h`; never edited.

/// Every block of the backward kernels that sum over rows takes one group of rows; their number depends on the row count alone.
pub const LAYER_NORM_MAX_ROW_GROUPS: u32 = 128;
/// Arguments of `layer_norm_fwd_T` and `layer_norm_fwd_T_general`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct LayerNormFwdParams {
    /// [rows, width] T, read.
    pub input: u64,
    /// [rows, width] T, read, optional: added to `input` before the norm.
    pub residual: u64,
    /// [width] T, read, optional.
    pub weight: u64,
    /// [width] T, read, optional.
    pub bias: u64,
    /// [rows, width] T, written.
    pub output: u64,
    /// [rows, width] T, written, present with `residual`: `input + residual` rounded to T, which is what is normalised.
    pub sum: u64,
    /// [rows] f32, written: the mean of each row.
    pub mean: u64,
    /// [rows] f32, written: 1 / sqrt(variance + epsilon) of each row.
    pub rstd: u64,
    /// Row stride of `input`.
    pub input_stride: i64,
    /// Row stride of `residual`.
    pub residual_stride: i64,
    /// Row stride of `output`.
    pub output_stride: i64,
    /// Row stride of `sum`.
    pub sum_stride: i64,
    /// Rows.
    pub rows: i64,
    /// Elements of a row.
    pub width: u32,
    /// Threads that share a row: a power of two up to 32, or all threads of the block.
    pub threads_per_row: u32,
    /// 1 / width, rounded to nearest.
    pub inverse_width: f32,
    /// Added to the variance.
    pub epsilon: f32,
    /// 16-byte vectors of a row that each thread keeps in dynamic shared memory (`_general` alone).
    pub shared_vectors: u32,
    /// Zero.
    pub reserved: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of LayerNormFwdParams"][::core::mem::size_of::<LayerNormFwdParams>() - 128usize];
    ["Alignment of LayerNormFwdParams"][::core::mem::align_of::<LayerNormFwdParams>() - 8usize];
    ["Offset of field: LayerNormFwdParams::input"][::core::mem::offset_of!(LayerNormFwdParams, input) - 0usize];
    ["Offset of field: LayerNormFwdParams::residual"][::core::mem::offset_of!(LayerNormFwdParams, residual) - 8usize];
    ["Offset of field: LayerNormFwdParams::weight"][::core::mem::offset_of!(LayerNormFwdParams, weight) - 16usize];
    ["Offset of field: LayerNormFwdParams::bias"][::core::mem::offset_of!(LayerNormFwdParams, bias) - 24usize];
    ["Offset of field: LayerNormFwdParams::output"][::core::mem::offset_of!(LayerNormFwdParams, output) - 32usize];
    ["Offset of field: LayerNormFwdParams::sum"][::core::mem::offset_of!(LayerNormFwdParams, sum) - 40usize];
    ["Offset of field: LayerNormFwdParams::mean"][::core::mem::offset_of!(LayerNormFwdParams, mean) - 48usize];
    ["Offset of field: LayerNormFwdParams::rstd"][::core::mem::offset_of!(LayerNormFwdParams, rstd) - 56usize];
    ["Offset of field: LayerNormFwdParams::input_stride"]
        [::core::mem::offset_of!(LayerNormFwdParams, input_stride) - 64usize];
    ["Offset of field: LayerNormFwdParams::residual_stride"]
        [::core::mem::offset_of!(LayerNormFwdParams, residual_stride) - 72usize];
    ["Offset of field: LayerNormFwdParams::output_stride"]
        [::core::mem::offset_of!(LayerNormFwdParams, output_stride) - 80usize];
    ["Offset of field: LayerNormFwdParams::sum_stride"]
        [::core::mem::offset_of!(LayerNormFwdParams, sum_stride) - 88usize];
    ["Offset of field: LayerNormFwdParams::rows"][::core::mem::offset_of!(LayerNormFwdParams, rows) - 96usize];
    ["Offset of field: LayerNormFwdParams::width"][::core::mem::offset_of!(LayerNormFwdParams, width) - 104usize];
    ["Offset of field: LayerNormFwdParams::threads_per_row"]
        [::core::mem::offset_of!(LayerNormFwdParams, threads_per_row) - 108usize];
    ["Offset of field: LayerNormFwdParams::inverse_width"]
        [::core::mem::offset_of!(LayerNormFwdParams, inverse_width) - 112usize];
    ["Offset of field: LayerNormFwdParams::epsilon"][::core::mem::offset_of!(LayerNormFwdParams, epsilon) - 116usize];
    ["Offset of field: LayerNormFwdParams::shared_vectors"]
        [::core::mem::offset_of!(LayerNormFwdParams, shared_vectors) - 120usize];
    ["Offset of field: LayerNormFwdParams::reserved"][::core::mem::offset_of!(LayerNormFwdParams, reserved) - 124usize];
};
/// Arguments of `layer_norm_bwd_T`, `layer_norm_bwd_T_dx` and `layer_norm_bwd_T_columns`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct LayerNormBwdParams {
    /// [rows, width] T, read: the gradient of the output.
    pub grad_output: u64,
    /// [rows, width] T, read: what the forward normalised (its `sum` where there was a residual).
    pub input: u64,
    /// [width] T, read, optional.
    pub weight: u64,
    /// [rows] f32, read, as the forward wrote it.
    pub mean: u64,
    /// [rows] f32, read, as the forward wrote it.
    pub rstd: u64,
    /// [rows, width] T, read, optional: a gradient that reaches `input` by another way (past the norm), added to `grad_input`.
    pub grad_sum: u64,
    /// [rows, width] T, written.
    pub grad_input: u64,
    /// [2, row_groups, width] f32, written, optional: for each group of rows the sums of grad_output * xhat, then of grad_output.
    pub partials: u64,
    /// Row stride of `grad_output`.
    pub grad_output_stride: i64,
    /// Row stride of `input`.
    pub input_stride: i64,
    /// Row stride of `grad_sum`.
    pub grad_sum_stride: i64,
    /// Row stride of `grad_input`.
    pub grad_input_stride: i64,
    /// Rows.
    pub rows: i64,
    /// Elements of a row.
    pub width: u32,
    /// Threads that share a row: a power of two up to 32, or all threads of the block.
    pub threads_per_row: u32,
    /// Groups of rows: group g takes rows g, g + row_groups, ... in units of the rows that a block holds at once.
    pub row_groups: u32,
    /// 1 / width, rounded to nearest.
    pub inverse_width: f32,
    /// 16-byte vectors of each of the two inputs' rows that each thread keeps in dynamic shared memory (`_dx` alone).
    pub shared_vectors: u32,
    /// Zero.
    pub reserved: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of LayerNormBwdParams"][::core::mem::size_of::<LayerNormBwdParams>() - 128usize];
    ["Alignment of LayerNormBwdParams"][::core::mem::align_of::<LayerNormBwdParams>() - 8usize];
    ["Offset of field: LayerNormBwdParams::grad_output"]
        [::core::mem::offset_of!(LayerNormBwdParams, grad_output) - 0usize];
    ["Offset of field: LayerNormBwdParams::input"][::core::mem::offset_of!(LayerNormBwdParams, input) - 8usize];
    ["Offset of field: LayerNormBwdParams::weight"][::core::mem::offset_of!(LayerNormBwdParams, weight) - 16usize];
    ["Offset of field: LayerNormBwdParams::mean"][::core::mem::offset_of!(LayerNormBwdParams, mean) - 24usize];
    ["Offset of field: LayerNormBwdParams::rstd"][::core::mem::offset_of!(LayerNormBwdParams, rstd) - 32usize];
    ["Offset of field: LayerNormBwdParams::grad_sum"][::core::mem::offset_of!(LayerNormBwdParams, grad_sum) - 40usize];
    ["Offset of field: LayerNormBwdParams::grad_input"]
        [::core::mem::offset_of!(LayerNormBwdParams, grad_input) - 48usize];
    ["Offset of field: LayerNormBwdParams::partials"][::core::mem::offset_of!(LayerNormBwdParams, partials) - 56usize];
    ["Offset of field: LayerNormBwdParams::grad_output_stride"]
        [::core::mem::offset_of!(LayerNormBwdParams, grad_output_stride) - 64usize];
    ["Offset of field: LayerNormBwdParams::input_stride"]
        [::core::mem::offset_of!(LayerNormBwdParams, input_stride) - 72usize];
    ["Offset of field: LayerNormBwdParams::grad_sum_stride"]
        [::core::mem::offset_of!(LayerNormBwdParams, grad_sum_stride) - 80usize];
    ["Offset of field: LayerNormBwdParams::grad_input_stride"]
        [::core::mem::offset_of!(LayerNormBwdParams, grad_input_stride) - 88usize];
    ["Offset of field: LayerNormBwdParams::rows"][::core::mem::offset_of!(LayerNormBwdParams, rows) - 96usize];
    ["Offset of field: LayerNormBwdParams::width"][::core::mem::offset_of!(LayerNormBwdParams, width) - 104usize];
    ["Offset of field: LayerNormBwdParams::threads_per_row"]
        [::core::mem::offset_of!(LayerNormBwdParams, threads_per_row) - 108usize];
    ["Offset of field: LayerNormBwdParams::row_groups"]
        [::core::mem::offset_of!(LayerNormBwdParams, row_groups) - 112usize];
    ["Offset of field: LayerNormBwdParams::inverse_width"]
        [::core::mem::offset_of!(LayerNormBwdParams, inverse_width) - 116usize];
    ["Offset of field: LayerNormBwdParams::shared_vectors"]
        [::core::mem::offset_of!(LayerNormBwdParams, shared_vectors) - 120usize];
    ["Offset of field: LayerNormBwdParams::reserved"][::core::mem::offset_of!(LayerNormBwdParams, reserved) - 124usize];
};
/// Arguments of `layer_norm_bwd_T_reduce`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct LayerNormBwdReduceParams {
    /// [2, row_groups, width] f32, read.
    pub partials: u64,
    /// [width] T, written, optional.
    pub grad_weight: u64,
    /// [width] T, written, optional.
    pub grad_bias: u64,
    /// Columns.
    pub width: u32,
    /// Groups of rows.
    pub row_groups: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of LayerNormBwdReduceParams"][::core::mem::size_of::<LayerNormBwdReduceParams>() - 32usize];
    ["Alignment of LayerNormBwdReduceParams"][::core::mem::align_of::<LayerNormBwdReduceParams>() - 8usize];
    ["Offset of field: LayerNormBwdReduceParams::partials"]
        [::core::mem::offset_of!(LayerNormBwdReduceParams, partials) - 0usize];
    ["Offset of field: LayerNormBwdReduceParams::grad_weight"]
        [::core::mem::offset_of!(LayerNormBwdReduceParams, grad_weight) - 8usize];
    ["Offset of field: LayerNormBwdReduceParams::grad_bias"]
        [::core::mem::offset_of!(LayerNormBwdReduceParams, grad_bias) - 16usize];
    ["Offset of field: LayerNormBwdReduceParams::width"]
        [::core::mem::offset_of!(LayerNormBwdReduceParams, width) - 24usize];
    ["Offset of field: LayerNormBwdReduceParams::row_groups"]
        [::core::mem::offset_of!(LayerNormBwdReduceParams, row_groups) - 28usize];
};
const _: () = assert!(
    size_of::<LayerNormFwdParams>()
        == size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<i64>()
            + size_of::<i64>()
            + size_of::<i64>()
            + size_of::<i64>()
            + size_of::<i64>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<f32>()
            + size_of::<f32>()
            + size_of::<u32>()
            + size_of::<u32>(),
    "LayerNormFwdParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for LayerNormFwdParams {}

const _: () = assert!(
    size_of::<LayerNormBwdParams>()
        == size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<i64>()
            + size_of::<i64>()
            + size_of::<i64>()
            + size_of::<i64>()
            + size_of::<i64>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<f32>()
            + size_of::<u32>()
            + size_of::<u32>(),
    "LayerNormBwdParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for LayerNormBwdParams {}

const _: () = assert!(
    size_of::<LayerNormBwdReduceParams>()
        == size_of::<u64>() + size_of::<u64>() + size_of::<u64>() + size_of::<u32>() + size_of::<u32>(),
    "LayerNormBwdReduceParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for LayerNormBwdReduceParams {}
