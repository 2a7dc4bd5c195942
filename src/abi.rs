//! The arguments of the kernels. Written by `cargo xtask bindings` from `kernels/abi.h`; never edited.

/// Threads of every block.
pub const ACTIVATION_THREADS: u32 = 256;
/// Threads side by side in a block, at most: a warp.
pub const ACTIVATION_MAX_THREADS_PER_ROW: u32 = 32;
/// `function`: x * sigmoid(x).
pub const ACTIVATION_SILU: u32 = 0;
/// `function`: x * sigmoid(1.702 x).
pub const ACTIVATION_QUICK_GELU: u32 = 1;
/// `function`: max(x, 0).
pub const ACTIVATION_RELU: u32 = 2;
/// `function`: max(x, 0)^2.
pub const ACTIVATION_RELU_SQUARED: u32 = 3;
/// `function`: x * Phi(x).
pub const ACTIVATION_GELU_ERF: u32 = 4;
/// `function`: the approximation of that by tanh.
pub const ACTIVATION_GELU_TANH: u32 = 5;
/// Arguments of `activation_fwd_T`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct ActivationFwdParams {
    /// [rows, width] T, read: what the function is applied to.
    pub input: u64,
    /// [rows, width] T, read, optional: what the result is multiplied by.
    pub up: u64,
    /// [rows, width] T, written: `input` or `up`, or memory that is not read.
    pub output: u64,
    /// Row stride of `input`.
    pub input_stride: i64,
    /// Row stride of `up`.
    pub up_stride: i64,
    /// Row stride of `output`.
    pub output_stride: i64,
    /// Rows.
    pub rows: i64,
    /// Rows of a block.
    pub rows_per_block: i64,
    /// Elements of a row.
    pub width: u32,
    /// A power of two from 1 to 32.
    pub threads_per_row: u32,
    /// Not 0 where every row of every tensor begins at a multiple of 16 bytes.
    pub vectorised: u32,
    /// One of the functions above.
    pub function: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of ActivationFwdParams"][::core::mem::size_of::<ActivationFwdParams>() - 80usize];
    ["Alignment of ActivationFwdParams"][::core::mem::align_of::<ActivationFwdParams>() - 8usize];
    ["Offset of field: ActivationFwdParams::input"][::core::mem::offset_of!(ActivationFwdParams, input) - 0usize];
    ["Offset of field: ActivationFwdParams::up"][::core::mem::offset_of!(ActivationFwdParams, up) - 8usize];
    ["Offset of field: ActivationFwdParams::output"][::core::mem::offset_of!(ActivationFwdParams, output) - 16usize];
    ["Offset of field: ActivationFwdParams::input_stride"]
        [::core::mem::offset_of!(ActivationFwdParams, input_stride) - 24usize];
    ["Offset of field: ActivationFwdParams::up_stride"]
        [::core::mem::offset_of!(ActivationFwdParams, up_stride) - 32usize];
    ["Offset of field: ActivationFwdParams::output_stride"]
        [::core::mem::offset_of!(ActivationFwdParams, output_stride) - 40usize];
    ["Offset of field: ActivationFwdParams::rows"][::core::mem::offset_of!(ActivationFwdParams, rows) - 48usize];
    ["Offset of field: ActivationFwdParams::rows_per_block"]
        [::core::mem::offset_of!(ActivationFwdParams, rows_per_block) - 56usize];
    ["Offset of field: ActivationFwdParams::width"][::core::mem::offset_of!(ActivationFwdParams, width) - 64usize];
    ["Offset of field: ActivationFwdParams::threads_per_row"]
        [::core::mem::offset_of!(ActivationFwdParams, threads_per_row) - 68usize];
    ["Offset of field: ActivationFwdParams::vectorised"]
        [::core::mem::offset_of!(ActivationFwdParams, vectorised) - 72usize];
    ["Offset of field: ActivationFwdParams::function"]
        [::core::mem::offset_of!(ActivationFwdParams, function) - 76usize];
};
/// Arguments of `activation_bwd_T`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct ActivationBwdParams {
    /// [rows, width] T, read: the gradient of the output.
    pub grad_output: u64,
    /// [rows, width] T, read: as in the forward.
    pub input: u64,
    /// [rows, width] T, read, optional: as in the forward.
    pub up: u64,
    /// [rows, width] T, written: one of the tensors that are read, or memory that is not.
    pub grad_input: u64,
    /// [rows, width] T, written, present with `up`: likewise.
    pub grad_up: u64,
    /// Row stride of `grad_output`.
    pub grad_output_stride: i64,
    /// Row stride of `input`.
    pub input_stride: i64,
    /// Row stride of `up`.
    pub up_stride: i64,
    /// Row stride of `grad_input`.
    pub grad_input_stride: i64,
    /// Row stride of `grad_up`.
    pub grad_up_stride: i64,
    /// Rows.
    pub rows: i64,
    /// Rows of a block.
    pub rows_per_block: i64,
    /// Elements of a row.
    pub width: u32,
    /// A power of two from 1 to 32.
    pub threads_per_row: u32,
    /// Not 0 where every row of every tensor begins at a multiple of 16 bytes.
    pub vectorised: u32,
    /// One of the functions above.
    pub function: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of ActivationBwdParams"][::core::mem::size_of::<ActivationBwdParams>() - 112usize];
    ["Alignment of ActivationBwdParams"][::core::mem::align_of::<ActivationBwdParams>() - 8usize];
    ["Offset of field: ActivationBwdParams::grad_output"]
        [::core::mem::offset_of!(ActivationBwdParams, grad_output) - 0usize];
    ["Offset of field: ActivationBwdParams::input"][::core::mem::offset_of!(ActivationBwdParams, input) - 8usize];
    ["Offset of field: ActivationBwdParams::up"][::core::mem::offset_of!(ActivationBwdParams, up) - 16usize];
    ["Offset of field: ActivationBwdParams::grad_input"]
        [::core::mem::offset_of!(ActivationBwdParams, grad_input) - 24usize];
    ["Offset of field: ActivationBwdParams::grad_up"][::core::mem::offset_of!(ActivationBwdParams, grad_up) - 32usize];
    ["Offset of field: ActivationBwdParams::grad_output_stride"]
        [::core::mem::offset_of!(ActivationBwdParams, grad_output_stride) - 40usize];
    ["Offset of field: ActivationBwdParams::input_stride"]
        [::core::mem::offset_of!(ActivationBwdParams, input_stride) - 48usize];
    ["Offset of field: ActivationBwdParams::up_stride"]
        [::core::mem::offset_of!(ActivationBwdParams, up_stride) - 56usize];
    ["Offset of field: ActivationBwdParams::grad_input_stride"]
        [::core::mem::offset_of!(ActivationBwdParams, grad_input_stride) - 64usize];
    ["Offset of field: ActivationBwdParams::grad_up_stride"]
        [::core::mem::offset_of!(ActivationBwdParams, grad_up_stride) - 72usize];
    ["Offset of field: ActivationBwdParams::rows"][::core::mem::offset_of!(ActivationBwdParams, rows) - 80usize];
    ["Offset of field: ActivationBwdParams::rows_per_block"]
        [::core::mem::offset_of!(ActivationBwdParams, rows_per_block) - 88usize];
    ["Offset of field: ActivationBwdParams::width"][::core::mem::offset_of!(ActivationBwdParams, width) - 96usize];
    ["Offset of field: ActivationBwdParams::threads_per_row"]
        [::core::mem::offset_of!(ActivationBwdParams, threads_per_row) - 100usize];
    ["Offset of field: ActivationBwdParams::vectorised"]
        [::core::mem::offset_of!(ActivationBwdParams, vectorised) - 104usize];
    ["Offset of field: ActivationBwdParams::function"]
        [::core::mem::offset_of!(ActivationBwdParams, function) - 108usize];
};
/// Elements that a warp has at a time; with 8-bit states, those that share one absmax of each.
pub const OPTIMIZER_BLOCK: u32 = 256;
/// Warps of a thread block, each with one block of elements at a time.
pub const OPTIMIZER_WARPS: u32 = 8;
/// `correction`: no bias correction.
pub const OPTIMIZER_CORRECT_NOTHING: u32 = 0;
/// `correction`: both moments, and `step_size` holds the learning rate.
pub const OPTIMIZER_CORRECT_MOMENTS: u32 = 1;
/// `correction`: the learning rate, weight decay's too.
pub const OPTIMIZER_CORRECT_RATE: u32 = 2;
/// One parameter of the list.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct OptimizerTensor {
    /// [count] T, read and written; with a master written alone.
    pub parameter: u64,
    /// [count] T, or f32 where the launch says so, read.
    pub gradient: u64,
    /// [count] f32, read and written, optional: the parameter before it is rounded to T.
    pub master: u64,
    /// [count] f32, or codes of the signed map, read and written: first moments.
    pub state1: u64,
    /// [count] f32, or codes of the unsigned map, read and written, optional: second moments.
    pub state2: u64,
    /// [blocks] f32, read and written, present with codes: the largest |first moment| of each block.
    pub absmax1: u64,
    /// [blocks] f32, read and written, present with codes: the largest second moment of each block.
    pub absmax2: u64,
    /// Elements.
    pub count: u64,
    /// Blocks of the parameters before this one.
    pub blocks_before: u64,
    /// Weight decay.
    pub weight_decay: f32,
    /// Whether whole blocks may be accessed by vectors.
    pub vectorised: u32,
    /// The first of its chunks.
    pub first_chunk: u32,
    /// Its chunks.
    pub chunks: u32,
    /// Not used.
    pub reserved: u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of OptimizerTensor"][::core::mem::size_of::<OptimizerTensor>() - 96usize];
    ["Alignment of OptimizerTensor"][::core::mem::align_of::<OptimizerTensor>() - 8usize];
    ["Offset of field: OptimizerTensor::parameter"][::core::mem::offset_of!(OptimizerTensor, parameter) - 0usize];
    ["Offset of field: OptimizerTensor::gradient"][::core::mem::offset_of!(OptimizerTensor, gradient) - 8usize];
    ["Offset of field: OptimizerTensor::master"][::core::mem::offset_of!(OptimizerTensor, master) - 16usize];
    ["Offset of field: OptimizerTensor::state1"][::core::mem::offset_of!(OptimizerTensor, state1) - 24usize];
    ["Offset of field: OptimizerTensor::state2"][::core::mem::offset_of!(OptimizerTensor, state2) - 32usize];
    ["Offset of field: OptimizerTensor::absmax1"][::core::mem::offset_of!(OptimizerTensor, absmax1) - 40usize];
    ["Offset of field: OptimizerTensor::absmax2"][::core::mem::offset_of!(OptimizerTensor, absmax2) - 48usize];
    ["Offset of field: OptimizerTensor::count"][::core::mem::offset_of!(OptimizerTensor, count) - 56usize];
    ["Offset of field: OptimizerTensor::blocks_before"]
        [::core::mem::offset_of!(OptimizerTensor, blocks_before) - 64usize];
    ["Offset of field: OptimizerTensor::weight_decay"]
        [::core::mem::offset_of!(OptimizerTensor, weight_decay) - 72usize];
    ["Offset of field: OptimizerTensor::vectorised"][::core::mem::offset_of!(OptimizerTensor, vectorised) - 76usize];
    ["Offset of field: OptimizerTensor::first_chunk"][::core::mem::offset_of!(OptimizerTensor, first_chunk) - 80usize];
    ["Offset of field: OptimizerTensor::chunks"][::core::mem::offset_of!(OptimizerTensor, chunks) - 84usize];
    ["Offset of field: OptimizerTensor::reserved"][::core::mem::offset_of!(OptimizerTensor, reserved) - 88usize];
};
/// The blocks of one parameter that one thread block updates.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct OptimizerChunk {
    /// Which parameter.
    pub tensor: u32,
    /// The first of its blocks of elements.
    pub first: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of OptimizerChunk"][::core::mem::size_of::<OptimizerChunk>() - 8usize];
    ["Alignment of OptimizerChunk"][::core::mem::align_of::<OptimizerChunk>() - 4usize];
    ["Offset of field: OptimizerChunk::tensor"][::core::mem::offset_of!(OptimizerChunk, tensor) - 0usize];
    ["Offset of field: OptimizerChunk::first"][::core::mem::offset_of!(OptimizerChunk, first) - 4usize];
};
/// Where an optimizer stands, and the scalars of the step that is being made.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct OptimizerProgress {
    /// Steps made.
    pub steps: u64,
    /// beta1^steps.
    pub power1: f64,
    /// beta2^steps.
    pub power2: f64,
    /// What a moment's quotient is multiplied by.
    pub step_size: f32,
    /// What is added to the root of the second moment.
    pub epsilon: f32,
    /// The learning rate.
    pub learning_rate: f32,
    /// What gradients are multiplied by.
    pub gradient_scale: f32,
    /// Of the random numbers.
    pub seed: u64,
    /// The first block of random numbers of this step.
    pub offset: u64,
    /// Not 0 where this step is to change nothing.
    pub skip: u32,
    /// The bias correction of a moment's quotient alone.
    pub moment_scale: f32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of OptimizerProgress"][::core::mem::size_of::<OptimizerProgress>() - 64usize];
    ["Alignment of OptimizerProgress"][::core::mem::align_of::<OptimizerProgress>() - 8usize];
    ["Offset of field: OptimizerProgress::steps"][::core::mem::offset_of!(OptimizerProgress, steps) - 0usize];
    ["Offset of field: OptimizerProgress::power1"][::core::mem::offset_of!(OptimizerProgress, power1) - 8usize];
    ["Offset of field: OptimizerProgress::power2"][::core::mem::offset_of!(OptimizerProgress, power2) - 16usize];
    ["Offset of field: OptimizerProgress::step_size"][::core::mem::offset_of!(OptimizerProgress, step_size) - 24usize];
    ["Offset of field: OptimizerProgress::epsilon"][::core::mem::offset_of!(OptimizerProgress, epsilon) - 28usize];
    ["Offset of field: OptimizerProgress::learning_rate"]
        [::core::mem::offset_of!(OptimizerProgress, learning_rate) - 32usize];
    ["Offset of field: OptimizerProgress::gradient_scale"]
        [::core::mem::offset_of!(OptimizerProgress, gradient_scale) - 36usize];
    ["Offset of field: OptimizerProgress::seed"][::core::mem::offset_of!(OptimizerProgress, seed) - 40usize];
    ["Offset of field: OptimizerProgress::offset"][::core::mem::offset_of!(OptimizerProgress, offset) - 48usize];
    ["Offset of field: OptimizerProgress::skip"][::core::mem::offset_of!(OptimizerProgress, skip) - 56usize];
    ["Offset of field: OptimizerProgress::moment_scale"]
        [::core::mem::offset_of!(OptimizerProgress, moment_scale) - 60usize];
};
/// Arguments of `<op>_step_advance_f64`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct OptimizerAdvanceParams {
    /// OptimizerProgress, read and written.
    pub progress: u64,
    /// [1] f32, read.
    pub learning_rate: u64,
    /// [1] f32, read, optional: 1 without it.
    pub gradient_scale: u64,
    /// [1] f32, read, optional: not 0 where a gradient is infinite or NaN.
    pub found_inf: u64,
    /// [1] f32, read, optional: the norm of all gradients, scaled.
    pub gradient_norm: u64,
    /// Blocks of random numbers that a step uses.
    pub random_blocks: u64,
    /// Decay rate of the first moment.
    pub beta1: f32,
    /// Decay rate of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// The largest norm; gradients of a larger one are scaled to it.
    pub max_norm: f32,
    /// One of the corrections above.
    pub correction: u32,
    /// Not used.
    pub reserved: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of OptimizerAdvanceParams"][::core::mem::size_of::<OptimizerAdvanceParams>() - 72usize];
    ["Alignment of OptimizerAdvanceParams"][::core::mem::align_of::<OptimizerAdvanceParams>() - 8usize];
    ["Offset of field: OptimizerAdvanceParams::progress"]
        [::core::mem::offset_of!(OptimizerAdvanceParams, progress) - 0usize];
    ["Offset of field: OptimizerAdvanceParams::learning_rate"]
        [::core::mem::offset_of!(OptimizerAdvanceParams, learning_rate) - 8usize];
    ["Offset of field: OptimizerAdvanceParams::gradient_scale"]
        [::core::mem::offset_of!(OptimizerAdvanceParams, gradient_scale) - 16usize];
    ["Offset of field: OptimizerAdvanceParams::found_inf"]
        [::core::mem::offset_of!(OptimizerAdvanceParams, found_inf) - 24usize];
    ["Offset of field: OptimizerAdvanceParams::gradient_norm"]
        [::core::mem::offset_of!(OptimizerAdvanceParams, gradient_norm) - 32usize];
    ["Offset of field: OptimizerAdvanceParams::random_blocks"]
        [::core::mem::offset_of!(OptimizerAdvanceParams, random_blocks) - 40usize];
    ["Offset of field: OptimizerAdvanceParams::beta1"]
        [::core::mem::offset_of!(OptimizerAdvanceParams, beta1) - 48usize];
    ["Offset of field: OptimizerAdvanceParams::beta2"]
        [::core::mem::offset_of!(OptimizerAdvanceParams, beta2) - 52usize];
    ["Offset of field: OptimizerAdvanceParams::epsilon"]
        [::core::mem::offset_of!(OptimizerAdvanceParams, epsilon) - 56usize];
    ["Offset of field: OptimizerAdvanceParams::max_norm"]
        [::core::mem::offset_of!(OptimizerAdvanceParams, max_norm) - 60usize];
    ["Offset of field: OptimizerAdvanceParams::correction"]
        [::core::mem::offset_of!(OptimizerAdvanceParams, correction) - 64usize];
    ["Offset of field: OptimizerAdvanceParams::reserved"]
        [::core::mem::offset_of!(OptimizerAdvanceParams, reserved) - 68usize];
};
/// The list, as every kernel that updates it takes it.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct OptimizerList {
    /// OptimizerProgress, read.
    pub progress: u64,
    /// [..] OptimizerTensor, read.
    pub tensors: u64,
    /// [blocks of threads] OptimizerChunk, read.
    pub chunks: u64,
    /// CodeTables, read, present with codes.
    pub tables: u64,
    /// Blocks of elements of a chunk; a parameter's last chunk may have fewer.
    pub blocks_per_chunk: u32,
    /// Not 0 where gradients are f32 whatever T is.
    pub wide_gradients: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of OptimizerList"][::core::mem::size_of::<OptimizerList>() - 40usize];
    ["Alignment of OptimizerList"][::core::mem::align_of::<OptimizerList>() - 8usize];
    ["Offset of field: OptimizerList::progress"][::core::mem::offset_of!(OptimizerList, progress) - 0usize];
    ["Offset of field: OptimizerList::tensors"][::core::mem::offset_of!(OptimizerList, tensors) - 8usize];
    ["Offset of field: OptimizerList::chunks"][::core::mem::offset_of!(OptimizerList, chunks) - 16usize];
    ["Offset of field: OptimizerList::tables"][::core::mem::offset_of!(OptimizerList, tables) - 24usize];
    ["Offset of field: OptimizerList::blocks_per_chunk"]
        [::core::mem::offset_of!(OptimizerList, blocks_per_chunk) - 32usize];
    ["Offset of field: OptimizerList::wide_gradients"]
        [::core::mem::offset_of!(OptimizerList, wide_gradients) - 36usize];
};
/// Off the parameter before the update.
pub const ADAMW_DECAY_BEFORE: u32 = 0;
/// Off the parameter after the update.
pub const ADAMW_DECAY_AFTER: u32 = 1;
/// Onto the gradient: Adam with a squared penalty.
pub const ADAMW_DECAY_GRADIENT: u32 = 2;
/// Arguments of `adamw_step_T`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct AdamWParams {
    /// The parameters.
    pub list: OptimizerList,
    /// Decay rate of the first moment.
    pub beta1: f32,
    /// Decay rate of the second moment.
    pub beta2: f32,
    /// 1 - beta1.
    pub rest1: f32,
    /// 1 - beta2.
    pub rest2: f32,
    /// One of the places above.
    pub decay: u32,
    /// Not 0 where parameters are rounded by chance.
    pub stochastic: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of AdamWParams"][::core::mem::size_of::<AdamWParams>() - 64usize];
    ["Alignment of AdamWParams"][::core::mem::align_of::<AdamWParams>() - 8usize];
    ["Offset of field: AdamWParams::list"][::core::mem::offset_of!(AdamWParams, list) - 0usize];
    ["Offset of field: AdamWParams::beta1"][::core::mem::offset_of!(AdamWParams, beta1) - 40usize];
    ["Offset of field: AdamWParams::beta2"][::core::mem::offset_of!(AdamWParams, beta2) - 44usize];
    ["Offset of field: AdamWParams::rest1"][::core::mem::offset_of!(AdamWParams, rest1) - 48usize];
    ["Offset of field: AdamWParams::rest2"][::core::mem::offset_of!(AdamWParams, rest2) - 52usize];
    ["Offset of field: AdamWParams::decay"][::core::mem::offset_of!(AdamWParams, decay) - 56usize];
    ["Offset of field: AdamWParams::stochastic"][::core::mem::offset_of!(AdamWParams, stochastic) - 60usize];
};
/// Entries of either code map.
pub const CODES_COUNT: u32 = 256;
/// The table that turns |x| into a code of the signed map has a cell for each 2^17 bit patterns of a f32,
pub const CODES_SIGNED_SHIFT: u32 = 17;
/// of which the first holds 2.75e-7, half of the map's least value,
pub const CODES_SIGNED_FIRST: u32 = 6729;
/// and the last 1.0. Negative x have as many cells again.
pub const CODES_SIGNED_CELLS: u32 = 1400;
/// The same for the unsigned map: 2^16 bit patterns a cell,
pub const CODES_UNSIGNED_SHIFT: u32 = 16;
/// the first holds 1.625e-7,
pub const CODES_UNSIGNED_FIRST: u32 = 13358;
/// the last 1.0, and one cell is spare, so that the tables end at a multiple of 16 bytes.
pub const CODES_UNSIGNED_CELLS: u32 = 2900;
/// What quantisation looks up, in shared memory as in global memory. Made by src/ops/codes/tables.rs.
#[repr(C)]
#[derive(Debug, Copy, Clone, PartialEq)]
pub struct CodeTables {
    /// The values of the signed map's codes.
    pub signed_values: [f32; 256usize],
    /// The values of the unsigned map's codes.
    pub unsigned_values: [f32; 256usize],
    /// Cells of negative x, farthest from zero first.
    pub negative: [u32; 1400usize],
    /// Cells of positive x.
    pub positive: [u32; 1400usize],
    /// Cells of the unsigned map.
    pub unsigned_cells: [u32; 2900usize],
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of CodeTables"][::core::mem::size_of::<CodeTables>() - 24848usize];
    ["Alignment of CodeTables"][::core::mem::align_of::<CodeTables>() - 4usize];
    ["Offset of field: CodeTables::signed_values"][::core::mem::offset_of!(CodeTables, signed_values) - 0usize];
    ["Offset of field: CodeTables::unsigned_values"][::core::mem::offset_of!(CodeTables, unsigned_values) - 1024usize];
    ["Offset of field: CodeTables::negative"][::core::mem::offset_of!(CodeTables, negative) - 2048usize];
    ["Offset of field: CodeTables::positive"][::core::mem::offset_of!(CodeTables, positive) - 7648usize];
    ["Offset of field: CodeTables::unsigned_cells"][::core::mem::offset_of!(CodeTables, unsigned_cells) - 13248usize];
};
impl Default for CodeTables {
    fn default() -> Self {
        let mut s = ::core::mem::MaybeUninit::<Self>::uninit();
        // SAFETY: every field is made of numbers, and all bits zero is the number zero.
        unsafe {
            ::core::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
/// Arguments of `adamw8bit_step_T`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct AdamW8bitParams {
    /// The parameters.
    pub list: OptimizerList,
    /// Decay rate of the first moment.
    pub beta1: f32,
    /// Decay rate of the second moment.
    pub beta2: f32,
    /// 1 - beta1.
    pub rest1: f32,
    /// 1 - beta2.
    pub rest2: f32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of AdamW8bitParams"][::core::mem::size_of::<AdamW8bitParams>() - 56usize];
    ["Alignment of AdamW8bitParams"][::core::mem::align_of::<AdamW8bitParams>() - 8usize];
    ["Offset of field: AdamW8bitParams::list"][::core::mem::offset_of!(AdamW8bitParams, list) - 0usize];
    ["Offset of field: AdamW8bitParams::beta1"][::core::mem::offset_of!(AdamW8bitParams, beta1) - 40usize];
    ["Offset of field: AdamW8bitParams::beta2"][::core::mem::offset_of!(AdamW8bitParams, beta2) - 44usize];
    ["Offset of field: AdamW8bitParams::rest1"][::core::mem::offset_of!(AdamW8bitParams, rest1) - 48usize];
    ["Offset of field: AdamW8bitParams::rest2"][::core::mem::offset_of!(AdamW8bitParams, rest2) - 52usize];
};
/// Queries of a block of the attention_fwd kernels.
pub const ATTENTION_FWD_QUERIES: u32 = 128;
/// Threads of such a block.
pub const ATTENTION_FWD_THREADS: u32 = 128;
/// Keys of a step.
pub const ATTENTION_FWD_KEYS: u32 = 64;
/// Keys of a step of the compact kernels.
pub const ATTENTION_FWD_COMPACT_KEYS: u32 = 32;
/// Keys of a block of `attention_bwd_T`.
pub const ATTENTION_BWD_KEYS: u32 = 128;
/// Threads of a block of `attention_bwd_prepare_T`.
pub const ATTENTION_BWD_PREPARE_THREADS: u32 = 256;
/// Bytes of dynamic shared memory of `attention_bwd_T_64`.
pub const ATTENTION_BWD_SHARED_64: u32 = 58240;
/// Of `attention_bwd_T_128`.
pub const ATTENTION_BWD_SHARED_128: u32 = 165504;
/// Of `attention_bwd_T_128_compact`.
pub const ATTENTION_BWD_SHARED_128_COMPACT: u32 = 99200;
/// A tensor [batch, length, heads, head_dim]: the address of element 0, and strides in elements. The head dimension is contiguous.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct AttentionTensor {
    /// Global address, a multiple of 16.
    pub address: u64,
    /// Elements from one batch entry to the next, a multiple of 8.
    pub batch_stride: i64,
    /// Elements from one position to the next, a multiple of 8.
    pub row_stride: i64,
    /// Elements from one head to the next, a multiple of 8.
    pub head_stride: i64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of AttentionTensor"][::core::mem::size_of::<AttentionTensor>() - 32usize];
    ["Alignment of AttentionTensor"][::core::mem::align_of::<AttentionTensor>() - 8usize];
    ["Offset of field: AttentionTensor::address"][::core::mem::offset_of!(AttentionTensor, address) - 0usize];
    ["Offset of field: AttentionTensor::batch_stride"][::core::mem::offset_of!(AttentionTensor, batch_stride) - 8usize];
    ["Offset of field: AttentionTensor::row_stride"][::core::mem::offset_of!(AttentionTensor, row_stride) - 16usize];
    ["Offset of field: AttentionTensor::head_stride"][::core::mem::offset_of!(AttentionTensor, head_stride) - 24usize];
};
/// The one argument of the attention_fwd kernels.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct AttentionFwdParams {
    /// [batch, queries, heads, D] T, read.
    pub q: AttentionTensor,
    /// [batch, keys, kv_heads, D] T, read.
    pub k: AttentionTensor,
    /// [batch, keys, kv_heads, D] T, read.
    pub v: AttentionTensor,
    /// [batch, queries, heads, D] T, written.
    pub o: AttentionTensor,
    /// [batch, heads, queries] f32, written: log of the sum of exponentials of each row; -infinity for a row without keys. Not\n written if 0.
    pub lse: u64,
    /// Queries of a batch entry.
    pub queries: u32,
    /// Keys of a batch entry.
    pub keys: u32,
    /// Query heads; the grid's second dimension.
    pub heads: u32,
    /// Query heads that share a key-value head.
    pub group: u32,
    /// Softmax scale times log2(e).
    pub scale_log2: f32,
    /// Query i attends to keys below i + diagonal, as far as there are keys: keys - queries + 1 with a causal mask (aligned at the\n bottom right), keys without.
    pub diagonal: i32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of AttentionFwdParams"][::core::mem::size_of::<AttentionFwdParams>() - 160usize];
    ["Alignment of AttentionFwdParams"][::core::mem::align_of::<AttentionFwdParams>() - 8usize];
    ["Offset of field: AttentionFwdParams::q"][::core::mem::offset_of!(AttentionFwdParams, q) - 0usize];
    ["Offset of field: AttentionFwdParams::k"][::core::mem::offset_of!(AttentionFwdParams, k) - 32usize];
    ["Offset of field: AttentionFwdParams::v"][::core::mem::offset_of!(AttentionFwdParams, v) - 64usize];
    ["Offset of field: AttentionFwdParams::o"][::core::mem::offset_of!(AttentionFwdParams, o) - 96usize];
    ["Offset of field: AttentionFwdParams::lse"][::core::mem::offset_of!(AttentionFwdParams, lse) - 128usize];
    ["Offset of field: AttentionFwdParams::queries"][::core::mem::offset_of!(AttentionFwdParams, queries) - 136usize];
    ["Offset of field: AttentionFwdParams::keys"][::core::mem::offset_of!(AttentionFwdParams, keys) - 140usize];
    ["Offset of field: AttentionFwdParams::heads"][::core::mem::offset_of!(AttentionFwdParams, heads) - 144usize];
    ["Offset of field: AttentionFwdParams::group"][::core::mem::offset_of!(AttentionFwdParams, group) - 148usize];
    ["Offset of field: AttentionFwdParams::scale_log2"]
        [::core::mem::offset_of!(AttentionFwdParams, scale_log2) - 152usize];
    ["Offset of field: AttentionFwdParams::diagonal"][::core::mem::offset_of!(AttentionFwdParams, diagonal) - 156usize];
};
/// The one argument of the attention_bwd kernels.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct AttentionBwdParams {
    /// [batch, queries, heads, D] T, read.
    pub q: AttentionTensor,
    /// [batch, keys, kv_heads, D] T, read.
    pub k: AttentionTensor,
    /// [batch, keys, kv_heads, D] T, read.
    pub v: AttentionTensor,
    /// [batch, queries, heads, D] T, read: the forward's output.
    pub o: AttentionTensor,
    /// [batch, queries, heads, D] T, read: the gradient of the output.
    pub grad_o: AttentionTensor,
    /// [batch, queries, heads, D] T, written.
    pub grad_q: AttentionTensor,
    /// [batch, keys, kv_heads, D] T, written.
    pub grad_k: AttentionTensor,
    /// [batch, keys, kv_heads, D] T, written.
    pub grad_v: AttentionTensor,
    /// [batch, heads, queries] f32, read: as the forward wrote it.
    pub lse: u64,
    /// [batch, heads, query_blocks, 3, block_queries] f32, workspace: lse * log2(e), or +infinity; then -delta, that is minus the sum over\n D of grad_o * o, two queries and the same two again.
    pub statistics: u64,
    /// [batch, heads, query_blocks, block_queries, D] f32, workspace: sums of grad_q, in the order of registers.
    pub grad_q_sums: u64,
    /// [1 + batch * heads * query_blocks * warps] u32, workspace: the next key block to be taken, and how many have added to each part.
    pub turns: u64,
    /// Entries of the batch.
    pub batch: u32,
    /// Queries of a batch entry.
    pub queries: u32,
    /// Keys of a batch entry.
    pub keys: u32,
    /// Query heads.
    pub heads: u32,
    /// Query heads that share a key-value head.
    pub group: u32,
    /// Blocks of queries of a head.
    pub query_blocks: u32,
    /// Queries of such a block, which the main kernel takes in one step: a power of two.
    pub block_queries: u32,
    /// Warps of a block of the main kernel.
    pub warps: u32,
    /// Query i attends to keys below i + diagonal, as far as there are keys.
    pub diagonal: i32,
    /// Softmax scale.
    pub scale: f32,
    /// Softmax scale times log2(e).
    pub scale_log2: f32,
    /// Zero.
    pub reserved: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of AttentionBwdParams"][::core::mem::size_of::<AttentionBwdParams>() - 336usize];
    ["Alignment of AttentionBwdParams"][::core::mem::align_of::<AttentionBwdParams>() - 8usize];
    ["Offset of field: AttentionBwdParams::q"][::core::mem::offset_of!(AttentionBwdParams, q) - 0usize];
    ["Offset of field: AttentionBwdParams::k"][::core::mem::offset_of!(AttentionBwdParams, k) - 32usize];
    ["Offset of field: AttentionBwdParams::v"][::core::mem::offset_of!(AttentionBwdParams, v) - 64usize];
    ["Offset of field: AttentionBwdParams::o"][::core::mem::offset_of!(AttentionBwdParams, o) - 96usize];
    ["Offset of field: AttentionBwdParams::grad_o"][::core::mem::offset_of!(AttentionBwdParams, grad_o) - 128usize];
    ["Offset of field: AttentionBwdParams::grad_q"][::core::mem::offset_of!(AttentionBwdParams, grad_q) - 160usize];
    ["Offset of field: AttentionBwdParams::grad_k"][::core::mem::offset_of!(AttentionBwdParams, grad_k) - 192usize];
    ["Offset of field: AttentionBwdParams::grad_v"][::core::mem::offset_of!(AttentionBwdParams, grad_v) - 224usize];
    ["Offset of field: AttentionBwdParams::lse"][::core::mem::offset_of!(AttentionBwdParams, lse) - 256usize];
    ["Offset of field: AttentionBwdParams::statistics"]
        [::core::mem::offset_of!(AttentionBwdParams, statistics) - 264usize];
    ["Offset of field: AttentionBwdParams::grad_q_sums"]
        [::core::mem::offset_of!(AttentionBwdParams, grad_q_sums) - 272usize];
    ["Offset of field: AttentionBwdParams::turns"][::core::mem::offset_of!(AttentionBwdParams, turns) - 280usize];
    ["Offset of field: AttentionBwdParams::batch"][::core::mem::offset_of!(AttentionBwdParams, batch) - 288usize];
    ["Offset of field: AttentionBwdParams::queries"][::core::mem::offset_of!(AttentionBwdParams, queries) - 292usize];
    ["Offset of field: AttentionBwdParams::keys"][::core::mem::offset_of!(AttentionBwdParams, keys) - 296usize];
    ["Offset of field: AttentionBwdParams::heads"][::core::mem::offset_of!(AttentionBwdParams, heads) - 300usize];
    ["Offset of field: AttentionBwdParams::group"][::core::mem::offset_of!(AttentionBwdParams, group) - 304usize];
    ["Offset of field: AttentionBwdParams::query_blocks"]
        [::core::mem::offset_of!(AttentionBwdParams, query_blocks) - 308usize];
    ["Offset of field: AttentionBwdParams::block_queries"]
        [::core::mem::offset_of!(AttentionBwdParams, block_queries) - 312usize];
    ["Offset of field: AttentionBwdParams::warps"][::core::mem::offset_of!(AttentionBwdParams, warps) - 316usize];
    ["Offset of field: AttentionBwdParams::diagonal"][::core::mem::offset_of!(AttentionBwdParams, diagonal) - 320usize];
    ["Offset of field: AttentionBwdParams::scale"][::core::mem::offset_of!(AttentionBwdParams, scale) - 324usize];
    ["Offset of field: AttentionBwdParams::scale_log2"]
        [::core::mem::offset_of!(AttentionBwdParams, scale_log2) - 328usize];
    ["Offset of field: AttentionBwdParams::reserved"][::core::mem::offset_of!(AttentionBwdParams, reserved) - 332usize];
};
/// Threads of every block.
pub const BCE_WITH_LOGITS_THREADS: u32 = 256;
/// Most blocks: as many partial sums.
pub const BCE_WITH_LOGITS_MAX_BLOCKS: u32 = 1024;
/// `kind`: targets are i32, 0 or 1 or not counted.
pub const BCE_WITH_LOGITS_I32: u32 = 0;
/// `kind`: targets are i64, likewise.
pub const BCE_WITH_LOGITS_I64: u32 = 1;
/// `kind`: targets are probabilities of type T.
pub const BCE_WITH_LOGITS_SOFT: u32 = 2;
/// Targets and what of them counts.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct BceWithLogitsTargets {
    /// [count], read, of the type that `kind` says.
    pub targets: u64,
    /// [count] bytes, read, optional: 0 where an element does not count.
    pub mask: u64,
    /// The target, of i32 or i64, of elements that do not count.
    pub ignore_index: i64,
    /// Elements.
    pub count: u64,
    /// One of the kinds above.
    pub kind: u32,
    /// Not 0 where targets, and in `bce_with_logits_fwd_T` all tensors of T or f32, begin at multiples of 16 bytes.
    pub vectorised: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of BceWithLogitsTargets"][::core::mem::size_of::<BceWithLogitsTargets>() - 40usize];
    ["Alignment of BceWithLogitsTargets"][::core::mem::align_of::<BceWithLogitsTargets>() - 8usize];
    ["Offset of field: BceWithLogitsTargets::targets"][::core::mem::offset_of!(BceWithLogitsTargets, targets) - 0usize];
    ["Offset of field: BceWithLogitsTargets::mask"][::core::mem::offset_of!(BceWithLogitsTargets, mask) - 8usize];
    ["Offset of field: BceWithLogitsTargets::ignore_index"]
        [::core::mem::offset_of!(BceWithLogitsTargets, ignore_index) - 16usize];
    ["Offset of field: BceWithLogitsTargets::count"][::core::mem::offset_of!(BceWithLogitsTargets, count) - 24usize];
    ["Offset of field: BceWithLogitsTargets::kind"][::core::mem::offset_of!(BceWithLogitsTargets, kind) - 32usize];
    ["Offset of field: BceWithLogitsTargets::vectorised"]
        [::core::mem::offset_of!(BceWithLogitsTargets, vectorised) - 36usize];
};
/// Arguments of `bce_with_logits_count`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct BceWithLogitsCountParams {
    /// Where the targets are.
    pub targets: BceWithLogitsTargets,
    /// [blocks] u32, written: the elements that count.
    pub counts: u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of BceWithLogitsCountParams"][::core::mem::size_of::<BceWithLogitsCountParams>() - 48usize];
    ["Alignment of BceWithLogitsCountParams"][::core::mem::align_of::<BceWithLogitsCountParams>() - 8usize];
    ["Offset of field: BceWithLogitsCountParams::targets"]
        [::core::mem::offset_of!(BceWithLogitsCountParams, targets) - 0usize];
    ["Offset of field: BceWithLogitsCountParams::counts"]
        [::core::mem::offset_of!(BceWithLogitsCountParams, counts) - 40usize];
};
/// Arguments of `bce_with_logits_fwd_T`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct BceWithLogitsFwdParams {
    /// Where the targets are.
    pub targets: BceWithLogitsTargets,
    /// [count] T, read.
    pub logits: u64,
    /// [blocks] u32, read, present for a mean: what `bce_with_logits_count` wrote, by as many blocks.
    pub counts: u64,
    /// [1] or [count] f32, read, optional: what the gradient is multiplied by.
    pub grad_loss: u64,
    /// [count] T, written, optional; may be `logits` itself.
    pub grad_logits: u64,
    /// [count] f32, written, optional: each element's loss.
    pub losses: u64,
    /// [blocks] f32, written, optional: their sums.
    pub partials: u64,
    /// 1 where `grad_loss` has an element for each logit, 0 where it has one.
    pub grad_loss_stride: u32,
    /// What the loss of a target of 1 is multiplied by.
    pub pos_weight: f32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of BceWithLogitsFwdParams"][::core::mem::size_of::<BceWithLogitsFwdParams>() - 96usize];
    ["Alignment of BceWithLogitsFwdParams"][::core::mem::align_of::<BceWithLogitsFwdParams>() - 8usize];
    ["Offset of field: BceWithLogitsFwdParams::targets"]
        [::core::mem::offset_of!(BceWithLogitsFwdParams, targets) - 0usize];
    ["Offset of field: BceWithLogitsFwdParams::logits"]
        [::core::mem::offset_of!(BceWithLogitsFwdParams, logits) - 40usize];
    ["Offset of field: BceWithLogitsFwdParams::counts"]
        [::core::mem::offset_of!(BceWithLogitsFwdParams, counts) - 48usize];
    ["Offset of field: BceWithLogitsFwdParams::grad_loss"]
        [::core::mem::offset_of!(BceWithLogitsFwdParams, grad_loss) - 56usize];
    ["Offset of field: BceWithLogitsFwdParams::grad_logits"]
        [::core::mem::offset_of!(BceWithLogitsFwdParams, grad_logits) - 64usize];
    ["Offset of field: BceWithLogitsFwdParams::losses"]
        [::core::mem::offset_of!(BceWithLogitsFwdParams, losses) - 72usize];
    ["Offset of field: BceWithLogitsFwdParams::partials"]
        [::core::mem::offset_of!(BceWithLogitsFwdParams, partials) - 80usize];
    ["Offset of field: BceWithLogitsFwdParams::grad_loss_stride"]
        [::core::mem::offset_of!(BceWithLogitsFwdParams, grad_loss_stride) - 88usize];
    ["Offset of field: BceWithLogitsFwdParams::pos_weight"]
        [::core::mem::offset_of!(BceWithLogitsFwdParams, pos_weight) - 92usize];
};
/// Arguments of `bce_with_logits_reduce`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct BceWithLogitsReduceParams {
    /// [blocks] f32, read.
    pub partials: u64,
    /// [blocks] u32, read, optional: the sum is divided by theirs.
    pub counts: u64,
    /// [1] f32, written.
    pub loss: u64,
    /// How many of each.
    pub blocks: u32,
    /// Zero.
    pub reserved: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of BceWithLogitsReduceParams"][::core::mem::size_of::<BceWithLogitsReduceParams>() - 32usize];
    ["Alignment of BceWithLogitsReduceParams"][::core::mem::align_of::<BceWithLogitsReduceParams>() - 8usize];
    ["Offset of field: BceWithLogitsReduceParams::partials"]
        [::core::mem::offset_of!(BceWithLogitsReduceParams, partials) - 0usize];
    ["Offset of field: BceWithLogitsReduceParams::counts"]
        [::core::mem::offset_of!(BceWithLogitsReduceParams, counts) - 8usize];
    ["Offset of field: BceWithLogitsReduceParams::loss"]
        [::core::mem::offset_of!(BceWithLogitsReduceParams, loss) - 16usize];
    ["Offset of field: BceWithLogitsReduceParams::blocks"]
        [::core::mem::offset_of!(BceWithLogitsReduceParams, blocks) - 24usize];
    ["Offset of field: BceWithLogitsReduceParams::reserved"]
        [::core::mem::offset_of!(BceWithLogitsReduceParams, reserved) - 28usize];
};
/// 16-byte vectors of a row that a thread loads at once, and holds in registers when they are the last ones.
pub const CROSS_ENTROPY_VECTORS: u32 = 4;
/// Most threads of a block of `cross_entropy_fwd_T`.
pub const CROSS_ENTROPY_THREADS: u32 = 448;
/// Threads of the one block of `cross_entropy_totals` and `cross_entropy_reduce`.
pub const CROSS_ENTROPY_SUM_THREADS: u32 = 1024;
/// Arguments of `cross_entropy_totals`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct CrossEntropyTotalsParams {
    /// [rows] i32 or i64, read.
    pub targets: u64,
    /// [width] f32, read, optional: the weight of each class.
    pub weight: u64,
    /// [4] f32, written: kept rows, the sum of their targets' weights, the sum of all weights, zero.
    pub totals: u64,
    /// [2] f32, written, optional: the first two of them.
    pub kept: u64,
    /// Rows.
    pub rows: i64,
    /// The target of rows that do not count.
    pub ignore_index: i64,
    /// Classes.
    pub width: u32,
    /// Bytes of a target: 4 or 8.
    pub target_bytes: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of CrossEntropyTotalsParams"][::core::mem::size_of::<CrossEntropyTotalsParams>() - 56usize];
    ["Alignment of CrossEntropyTotalsParams"][::core::mem::align_of::<CrossEntropyTotalsParams>() - 8usize];
    ["Offset of field: CrossEntropyTotalsParams::targets"]
        [::core::mem::offset_of!(CrossEntropyTotalsParams, targets) - 0usize];
    ["Offset of field: CrossEntropyTotalsParams::weight"]
        [::core::mem::offset_of!(CrossEntropyTotalsParams, weight) - 8usize];
    ["Offset of field: CrossEntropyTotalsParams::totals"]
        [::core::mem::offset_of!(CrossEntropyTotalsParams, totals) - 16usize];
    ["Offset of field: CrossEntropyTotalsParams::kept"]
        [::core::mem::offset_of!(CrossEntropyTotalsParams, kept) - 24usize];
    ["Offset of field: CrossEntropyTotalsParams::rows"]
        [::core::mem::offset_of!(CrossEntropyTotalsParams, rows) - 32usize];
    ["Offset of field: CrossEntropyTotalsParams::ignore_index"]
        [::core::mem::offset_of!(CrossEntropyTotalsParams, ignore_index) - 40usize];
    ["Offset of field: CrossEntropyTotalsParams::width"]
        [::core::mem::offset_of!(CrossEntropyTotalsParams, width) - 48usize];
    ["Offset of field: CrossEntropyTotalsParams::target_bytes"]
        [::core::mem::offset_of!(CrossEntropyTotalsParams, target_bytes) - 52usize];
};
/// Arguments of `cross_entropy_fwd_T`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct CrossEntropyFwdParams {
    /// [rows, width] T, read.
    pub logits: u64,
    /// [rows] i32 or i64, read.
    pub targets: u64,
    /// [width] f32, read, optional: the weight of each class.
    pub weight: u64,
    /// [4] f32, read, present where `mean` is set or there are weights: what `cross_entropy_totals` wrote.
    pub totals: u64,
    /// [1] or [rows] f32, read, optional: what the gradient of the loss is multiplied by.
    pub grad_loss: u64,
    /// [rows, width] T, written, optional; may be `logits` itself.
    pub grad_logits: u64,
    /// [rows] f32, written, optional: what each row adds to the loss.
    pub losses: u64,
    /// [rows] f32, written, optional: the logarithm of the sum of the exponentials; 0 for ignored rows.
    pub lse: u64,
    /// Row stride of `logits`.
    pub logits_stride: i64,
    /// Row stride of `grad_logits`.
    pub grad_logits_stride: i64,
    /// 1 where `grad_loss` has an element for each row, 0 where it has one.
    pub grad_loss_stride: i64,
    /// Rows.
    pub rows: i64,
    /// The target of rows that do not count.
    pub ignore_index: i64,
    /// Classes.
    pub width: u32,
    /// Bytes of a target: 4 or 8.
    pub target_bytes: u32,
    /// Threads that share a row: a power of two up to 32, or all threads of the block.
    pub threads_per_row: u32,
    /// Times that each thread loads VECTORS vectors of a row; the last ones stay in registers.
    pub batches: u32,
    /// Vectors of a row after those that each thread keeps in dynamic shared memory.
    pub shared_vectors: u32,
    /// Whether the loss is divided by the kept rows (their weights where there are some).
    pub mean: u32,
    /// Label smoothing, 0 to 1.
    pub smoothing: f32,
    /// smoothing / width.
    pub smoothing_each: f32,
    /// The factor of the squared `lse`.
    pub z_loss: f32,
    /// c of c * tanh(x / c), 0 without it.
    pub softcap: f32,
    /// 2 log2(e) / softcap, 0 without it.
    pub softcap_rate: f32,
    /// What that was rounded by.
    pub softcap_rate_rest: f32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of CrossEntropyFwdParams"][::core::mem::size_of::<CrossEntropyFwdParams>() - 152usize];
    ["Alignment of CrossEntropyFwdParams"][::core::mem::align_of::<CrossEntropyFwdParams>() - 8usize];
    ["Offset of field: CrossEntropyFwdParams::logits"][::core::mem::offset_of!(CrossEntropyFwdParams, logits) - 0usize];
    ["Offset of field: CrossEntropyFwdParams::targets"]
        [::core::mem::offset_of!(CrossEntropyFwdParams, targets) - 8usize];
    ["Offset of field: CrossEntropyFwdParams::weight"]
        [::core::mem::offset_of!(CrossEntropyFwdParams, weight) - 16usize];
    ["Offset of field: CrossEntropyFwdParams::totals"]
        [::core::mem::offset_of!(CrossEntropyFwdParams, totals) - 24usize];
    ["Offset of field: CrossEntropyFwdParams::grad_loss"]
        [::core::mem::offset_of!(CrossEntropyFwdParams, grad_loss) - 32usize];
    ["Offset of field: CrossEntropyFwdParams::grad_logits"]
        [::core::mem::offset_of!(CrossEntropyFwdParams, grad_logits) - 40usize];
    ["Offset of field: CrossEntropyFwdParams::losses"]
        [::core::mem::offset_of!(CrossEntropyFwdParams, losses) - 48usize];
    ["Offset of field: CrossEntropyFwdParams::lse"][::core::mem::offset_of!(CrossEntropyFwdParams, lse) - 56usize];
    ["Offset of field: CrossEntropyFwdParams::logits_stride"]
        [::core::mem::offset_of!(CrossEntropyFwdParams, logits_stride) - 64usize];
    ["Offset of field: CrossEntropyFwdParams::grad_logits_stride"]
        [::core::mem::offset_of!(CrossEntropyFwdParams, grad_logits_stride) - 72usize];
    ["Offset of field: CrossEntropyFwdParams::grad_loss_stride"]
        [::core::mem::offset_of!(CrossEntropyFwdParams, grad_loss_stride) - 80usize];
    ["Offset of field: CrossEntropyFwdParams::rows"][::core::mem::offset_of!(CrossEntropyFwdParams, rows) - 88usize];
    ["Offset of field: CrossEntropyFwdParams::ignore_index"]
        [::core::mem::offset_of!(CrossEntropyFwdParams, ignore_index) - 96usize];
    ["Offset of field: CrossEntropyFwdParams::width"][::core::mem::offset_of!(CrossEntropyFwdParams, width) - 104usize];
    ["Offset of field: CrossEntropyFwdParams::target_bytes"]
        [::core::mem::offset_of!(CrossEntropyFwdParams, target_bytes) - 108usize];
    ["Offset of field: CrossEntropyFwdParams::threads_per_row"]
        [::core::mem::offset_of!(CrossEntropyFwdParams, threads_per_row) - 112usize];
    ["Offset of field: CrossEntropyFwdParams::batches"]
        [::core::mem::offset_of!(CrossEntropyFwdParams, batches) - 116usize];
    ["Offset of field: CrossEntropyFwdParams::shared_vectors"]
        [::core::mem::offset_of!(CrossEntropyFwdParams, shared_vectors) - 120usize];
    ["Offset of field: CrossEntropyFwdParams::mean"][::core::mem::offset_of!(CrossEntropyFwdParams, mean) - 124usize];
    ["Offset of field: CrossEntropyFwdParams::smoothing"]
        [::core::mem::offset_of!(CrossEntropyFwdParams, smoothing) - 128usize];
    ["Offset of field: CrossEntropyFwdParams::smoothing_each"]
        [::core::mem::offset_of!(CrossEntropyFwdParams, smoothing_each) - 132usize];
    ["Offset of field: CrossEntropyFwdParams::z_loss"]
        [::core::mem::offset_of!(CrossEntropyFwdParams, z_loss) - 136usize];
    ["Offset of field: CrossEntropyFwdParams::softcap"]
        [::core::mem::offset_of!(CrossEntropyFwdParams, softcap) - 140usize];
    ["Offset of field: CrossEntropyFwdParams::softcap_rate"]
        [::core::mem::offset_of!(CrossEntropyFwdParams, softcap_rate) - 144usize];
    ["Offset of field: CrossEntropyFwdParams::softcap_rate_rest"]
        [::core::mem::offset_of!(CrossEntropyFwdParams, softcap_rate_rest) - 148usize];
};
/// Arguments of `cross_entropy_reduce`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct CrossEntropyReduceParams {
    /// [rows] f32, read, at a multiple of 16 bytes.
    pub losses: u64,
    /// [4] f32, read, optional: what `cross_entropy_totals` wrote; without kept rows the loss is NaN.
    pub totals: u64,
    /// [1] f32, written: the sum.
    pub loss: u64,
    /// Rows.
    pub rows: i64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of CrossEntropyReduceParams"][::core::mem::size_of::<CrossEntropyReduceParams>() - 32usize];
    ["Alignment of CrossEntropyReduceParams"][::core::mem::align_of::<CrossEntropyReduceParams>() - 8usize];
    ["Offset of field: CrossEntropyReduceParams::losses"]
        [::core::mem::offset_of!(CrossEntropyReduceParams, losses) - 0usize];
    ["Offset of field: CrossEntropyReduceParams::totals"]
        [::core::mem::offset_of!(CrossEntropyReduceParams, totals) - 8usize];
    ["Offset of field: CrossEntropyReduceParams::loss"]
        [::core::mem::offset_of!(CrossEntropyReduceParams, loss) - 16usize];
    ["Offset of field: CrossEntropyReduceParams::rows"]
        [::core::mem::offset_of!(CrossEntropyReduceParams, rows) - 24usize];
};
/// Threads of every block.
pub const DROPOUT_THREADS: u32 = 256;
/// Arguments of `dropout_fwd_T`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct DropoutFwdParams {
    /// [rows, width] T, read: what is dropped or kept.
    pub input: u64,
    /// [rows, width] T, read, optional: what the result is added to.
    pub residual: u64,
    /// [rows, width] T, written: `input` or `residual`, or memory that is not read.
    pub output: u64,
    /// [2] of 64 bits, read: seed and offset of the random numbers.
    pub state: u64,
    /// Added to that offset.
    pub random_offset: u64,
    /// Row stride of `input`.
    pub input_stride: i64,
    /// Row stride of `residual`.
    pub residual_stride: i64,
    /// Row stride of `output`.
    pub output_stride: i64,
    /// Rows.
    pub rows: i64,
    /// Rows of a block.
    pub rows_per_block: i64,
    /// Elements of a row.
    pub width: u32,
    /// A power of two from 1 to 32.
    pub threads_per_row: u32,
    /// Not 0 where every row of every tensor begins at a multiple of 16 bytes, and at a multiple of four elements of the whole.
    pub vectorised: u32,
    /// Not 0 where random words decide; otherwise zeros do.
    pub random: u32,
    /// The least word that keeps its element.
    pub threshold: u32,
    /// What kept elements are multiplied by.
    pub scale: f32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of DropoutFwdParams"][::core::mem::size_of::<DropoutFwdParams>() - 104usize];
    ["Alignment of DropoutFwdParams"][::core::mem::align_of::<DropoutFwdParams>() - 8usize];
    ["Offset of field: DropoutFwdParams::input"][::core::mem::offset_of!(DropoutFwdParams, input) - 0usize];
    ["Offset of field: DropoutFwdParams::residual"][::core::mem::offset_of!(DropoutFwdParams, residual) - 8usize];
    ["Offset of field: DropoutFwdParams::output"][::core::mem::offset_of!(DropoutFwdParams, output) - 16usize];
    ["Offset of field: DropoutFwdParams::state"][::core::mem::offset_of!(DropoutFwdParams, state) - 24usize];
    ["Offset of field: DropoutFwdParams::random_offset"]
        [::core::mem::offset_of!(DropoutFwdParams, random_offset) - 32usize];
    ["Offset of field: DropoutFwdParams::input_stride"]
        [::core::mem::offset_of!(DropoutFwdParams, input_stride) - 40usize];
    ["Offset of field: DropoutFwdParams::residual_stride"]
        [::core::mem::offset_of!(DropoutFwdParams, residual_stride) - 48usize];
    ["Offset of field: DropoutFwdParams::output_stride"]
        [::core::mem::offset_of!(DropoutFwdParams, output_stride) - 56usize];
    ["Offset of field: DropoutFwdParams::rows"][::core::mem::offset_of!(DropoutFwdParams, rows) - 64usize];
    ["Offset of field: DropoutFwdParams::rows_per_block"]
        [::core::mem::offset_of!(DropoutFwdParams, rows_per_block) - 72usize];
    ["Offset of field: DropoutFwdParams::width"][::core::mem::offset_of!(DropoutFwdParams, width) - 80usize];
    ["Offset of field: DropoutFwdParams::threads_per_row"]
        [::core::mem::offset_of!(DropoutFwdParams, threads_per_row) - 84usize];
    ["Offset of field: DropoutFwdParams::vectorised"][::core::mem::offset_of!(DropoutFwdParams, vectorised) - 88usize];
    ["Offset of field: DropoutFwdParams::random"][::core::mem::offset_of!(DropoutFwdParams, random) - 92usize];
    ["Offset of field: DropoutFwdParams::threshold"][::core::mem::offset_of!(DropoutFwdParams, threshold) - 96usize];
    ["Offset of field: DropoutFwdParams::scale"][::core::mem::offset_of!(DropoutFwdParams, scale) - 100usize];
};
/// Threads of a block of every kernel but `embedding_bwd_T_join`.
pub const EMBEDDING_THREADS: u32 = 256;
/// Most rows that one warp adds up (`_few`); with more, a table row has blocks of its own (`_many`).
pub const EMBEDDING_FEW: u32 = 32;
/// Most rows that one block adds up for its columns; with more they are split, and joined by `_join`.
pub const EMBEDDING_MANY: u32 = 8192;
/// Most splits.
pub const EMBEDDING_SPLITS: u32 = 64;
/// Blocks of `_many` for a tile of columns: each takes every so many-th table row of the queue.
pub const EMBEDDING_QUEUE_BLOCKS: u32 = 256;
/// A table and the row of it that each output row takes.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct EmbeddingLookup {
    /// [rows, width] T, read; 0 where there is no such table.
    pub table: u64,
    /// [outputs] i32 or i64, read; 0 for positions that are counted.
    pub ids: u64,
    /// Row stride of `table`.
    pub stride: i64,
    /// Rows of `table`.
    pub rows: i64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of EmbeddingLookup"][::core::mem::size_of::<EmbeddingLookup>() - 32usize];
    ["Alignment of EmbeddingLookup"][::core::mem::align_of::<EmbeddingLookup>() - 8usize];
    ["Offset of field: EmbeddingLookup::table"][::core::mem::offset_of!(EmbeddingLookup, table) - 0usize];
    ["Offset of field: EmbeddingLookup::ids"][::core::mem::offset_of!(EmbeddingLookup, ids) - 8usize];
    ["Offset of field: EmbeddingLookup::stride"][::core::mem::offset_of!(EmbeddingLookup, stride) - 16usize];
    ["Offset of field: EmbeddingLookup::rows"][::core::mem::offset_of!(EmbeddingLookup, rows) - 24usize];
};
/// Arguments of `embedding_fwd_T`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct EmbeddingFwdParams {
    /// The tables, in the order of addition.
    pub token: EmbeddingLookup,
    /// Counted where it has no ids.
    pub position: EmbeddingLookup,
    /// The last one.
    pub segment: EmbeddingLookup,
    /// [outputs, width] T, written.
    pub output: u64,
    /// Row stride of `output`.
    pub output_stride: i64,
    /// Rows of `output`.
    pub outputs: i64,
    /// Rows of a sequence: a counted position is offset + row % length.
    pub length: i64,
    /// The first counted position.
    pub offset: i64,
    /// Elements of a row.
    pub width: u32,
    /// Bytes of an id: 4 or 8.
    pub id_bytes: u32,
    /// Threads that share a row: a power of two up to 32.
    pub threads_per_row: u32,
    /// Whether every row of every tensor is made of whole 16-byte vectors.
    pub vectorised: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of EmbeddingFwdParams"][::core::mem::size_of::<EmbeddingFwdParams>() - 152usize];
    ["Alignment of EmbeddingFwdParams"][::core::mem::align_of::<EmbeddingFwdParams>() - 8usize];
    ["Offset of field: EmbeddingFwdParams::token"][::core::mem::offset_of!(EmbeddingFwdParams, token) - 0usize];
    ["Offset of field: EmbeddingFwdParams::position"][::core::mem::offset_of!(EmbeddingFwdParams, position) - 32usize];
    ["Offset of field: EmbeddingFwdParams::segment"][::core::mem::offset_of!(EmbeddingFwdParams, segment) - 64usize];
    ["Offset of field: EmbeddingFwdParams::output"][::core::mem::offset_of!(EmbeddingFwdParams, output) - 96usize];
    ["Offset of field: EmbeddingFwdParams::output_stride"]
        [::core::mem::offset_of!(EmbeddingFwdParams, output_stride) - 104usize];
    ["Offset of field: EmbeddingFwdParams::outputs"][::core::mem::offset_of!(EmbeddingFwdParams, outputs) - 112usize];
    ["Offset of field: EmbeddingFwdParams::length"][::core::mem::offset_of!(EmbeddingFwdParams, length) - 120usize];
    ["Offset of field: EmbeddingFwdParams::offset"][::core::mem::offset_of!(EmbeddingFwdParams, offset) - 128usize];
    ["Offset of field: EmbeddingFwdParams::width"][::core::mem::offset_of!(EmbeddingFwdParams, width) - 136usize];
    ["Offset of field: EmbeddingFwdParams::id_bytes"][::core::mem::offset_of!(EmbeddingFwdParams, id_bytes) - 140usize];
    ["Offset of field: EmbeddingFwdParams::threads_per_row"]
        [::core::mem::offset_of!(EmbeddingFwdParams, threads_per_row) - 144usize];
    ["Offset of field: EmbeddingFwdParams::vectorised"]
        [::core::mem::offset_of!(EmbeddingFwdParams, vectorised) - 148usize];
};
/// Arguments of the kernels that sort rows by their ids, and of `embedding_bwd_T_few` and `_many`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct EmbeddingBwdParams {
    /// [rows, width] T, read.
    pub grad_output: u64,
    /// [rows] i32 or i64, read.
    pub ids: u64,
    /// [table_rows, width] T, written.
    pub grad_table: u64,
    /// [4] u32, scratch: rows in buckets, entries of `many`, entries of `split`. Then `counts`.
    pub header: u64,
    /// [table_rows] u32, scratch: rows that name each table row.
    pub counts: u64,
    /// [table_rows] u32, scratch: the end of each table row's bucket, after `fill`.
    pub ends: u64,
    /// [rows] u32, scratch: the rows, bucket by bucket, in any order within one.
    pub buckets: u64,
    /// [rows / (FEW + 1)] u32, scratch: table rows with more than FEW rows and at most MANY.
    pub many: u64,
    /// [rows / (MANY + 1)] u32, scratch: table rows with more.
    pub split: u64,
    /// [entries of split, splits, width up to a whole vector] f32, scratch.
    pub partials: u64,
    /// Row stride of `grad_output`.
    pub grad_output_stride: i64,
    /// Row stride of `grad_table`.
    pub grad_table_stride: i64,
    /// Rows of `grad_output`.
    pub rows: i64,
    /// Rows of `grad_table`.
    pub table_rows: i64,
    /// The table row that gets no gradient; -1 without one.
    pub padding_index: i64,
    /// Rows of a split.
    pub rows_per_split: i64,
    /// Elements of a row.
    pub width: u32,
    /// Bytes of an id: 4 or 8.
    pub id_bytes: u32,
    /// Splits of the table rows in `split`.
    pub splits: u32,
    /// Whether the gradient is added to what is there.
    pub accumulate: u32,
    /// Whether every row of both tensors is made of whole 16-byte vectors.
    pub vectorised: u32,
    /// Whether `_many` takes the table rows in `split`, one split a block.
    pub splitting: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of EmbeddingBwdParams"][::core::mem::size_of::<EmbeddingBwdParams>() - 152usize];
    ["Alignment of EmbeddingBwdParams"][::core::mem::align_of::<EmbeddingBwdParams>() - 8usize];
    ["Offset of field: EmbeddingBwdParams::grad_output"]
        [::core::mem::offset_of!(EmbeddingBwdParams, grad_output) - 0usize];
    ["Offset of field: EmbeddingBwdParams::ids"][::core::mem::offset_of!(EmbeddingBwdParams, ids) - 8usize];
    ["Offset of field: EmbeddingBwdParams::grad_table"]
        [::core::mem::offset_of!(EmbeddingBwdParams, grad_table) - 16usize];
    ["Offset of field: EmbeddingBwdParams::header"][::core::mem::offset_of!(EmbeddingBwdParams, header) - 24usize];
    ["Offset of field: EmbeddingBwdParams::counts"][::core::mem::offset_of!(EmbeddingBwdParams, counts) - 32usize];
    ["Offset of field: EmbeddingBwdParams::ends"][::core::mem::offset_of!(EmbeddingBwdParams, ends) - 40usize];
    ["Offset of field: EmbeddingBwdParams::buckets"][::core::mem::offset_of!(EmbeddingBwdParams, buckets) - 48usize];
    ["Offset of field: EmbeddingBwdParams::many"][::core::mem::offset_of!(EmbeddingBwdParams, many) - 56usize];
    ["Offset of field: EmbeddingBwdParams::split"][::core::mem::offset_of!(EmbeddingBwdParams, split) - 64usize];
    ["Offset of field: EmbeddingBwdParams::partials"][::core::mem::offset_of!(EmbeddingBwdParams, partials) - 72usize];
    ["Offset of field: EmbeddingBwdParams::grad_output_stride"]
        [::core::mem::offset_of!(EmbeddingBwdParams, grad_output_stride) - 80usize];
    ["Offset of field: EmbeddingBwdParams::grad_table_stride"]
        [::core::mem::offset_of!(EmbeddingBwdParams, grad_table_stride) - 88usize];
    ["Offset of field: EmbeddingBwdParams::rows"][::core::mem::offset_of!(EmbeddingBwdParams, rows) - 96usize];
    ["Offset of field: EmbeddingBwdParams::table_rows"]
        [::core::mem::offset_of!(EmbeddingBwdParams, table_rows) - 104usize];
    ["Offset of field: EmbeddingBwdParams::padding_index"]
        [::core::mem::offset_of!(EmbeddingBwdParams, padding_index) - 112usize];
    ["Offset of field: EmbeddingBwdParams::rows_per_split"]
        [::core::mem::offset_of!(EmbeddingBwdParams, rows_per_split) - 120usize];
    ["Offset of field: EmbeddingBwdParams::width"][::core::mem::offset_of!(EmbeddingBwdParams, width) - 128usize];
    ["Offset of field: EmbeddingBwdParams::id_bytes"][::core::mem::offset_of!(EmbeddingBwdParams, id_bytes) - 132usize];
    ["Offset of field: EmbeddingBwdParams::splits"][::core::mem::offset_of!(EmbeddingBwdParams, splits) - 136usize];
    ["Offset of field: EmbeddingBwdParams::accumulate"]
        [::core::mem::offset_of!(EmbeddingBwdParams, accumulate) - 140usize];
    ["Offset of field: EmbeddingBwdParams::vectorised"]
        [::core::mem::offset_of!(EmbeddingBwdParams, vectorised) - 144usize];
    ["Offset of field: EmbeddingBwdParams::splitting"]
        [::core::mem::offset_of!(EmbeddingBwdParams, splitting) - 148usize];
};
/// Arguments of `embedding_bwd_T_positions`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct EmbeddingPositionsParams {
    /// [batch, length, width] T, read, as rows at one distance.
    pub grad_output: u64,
    /// [table_rows, width] T, written.
    pub grad_table: u64,
    /// Row stride of `grad_output`.
    pub grad_output_stride: i64,
    /// Row stride of `grad_table`.
    pub grad_table_stride: i64,
    /// Sequences.
    pub batch: i64,
    /// Rows of a sequence.
    pub length: i64,
    /// Rows of `grad_table`.
    pub table_rows: i64,
    /// The first position.
    pub offset: i64,
    /// Elements of a row.
    pub width: u32,
    /// Whether the gradient is added to what is there.
    pub accumulate: u32,
    /// Whether every row of both tensors is made of whole 16-byte vectors.
    pub vectorised: u32,
    /// Zero.
    pub reserved: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of EmbeddingPositionsParams"][::core::mem::size_of::<EmbeddingPositionsParams>() - 80usize];
    ["Alignment of EmbeddingPositionsParams"][::core::mem::align_of::<EmbeddingPositionsParams>() - 8usize];
    ["Offset of field: EmbeddingPositionsParams::grad_output"]
        [::core::mem::offset_of!(EmbeddingPositionsParams, grad_output) - 0usize];
    ["Offset of field: EmbeddingPositionsParams::grad_table"]
        [::core::mem::offset_of!(EmbeddingPositionsParams, grad_table) - 8usize];
    ["Offset of field: EmbeddingPositionsParams::grad_output_stride"]
        [::core::mem::offset_of!(EmbeddingPositionsParams, grad_output_stride) - 16usize];
    ["Offset of field: EmbeddingPositionsParams::grad_table_stride"]
        [::core::mem::offset_of!(EmbeddingPositionsParams, grad_table_stride) - 24usize];
    ["Offset of field: EmbeddingPositionsParams::batch"]
        [::core::mem::offset_of!(EmbeddingPositionsParams, batch) - 32usize];
    ["Offset of field: EmbeddingPositionsParams::length"]
        [::core::mem::offset_of!(EmbeddingPositionsParams, length) - 40usize];
    ["Offset of field: EmbeddingPositionsParams::table_rows"]
        [::core::mem::offset_of!(EmbeddingPositionsParams, table_rows) - 48usize];
    ["Offset of field: EmbeddingPositionsParams::offset"]
        [::core::mem::offset_of!(EmbeddingPositionsParams, offset) - 56usize];
    ["Offset of field: EmbeddingPositionsParams::width"]
        [::core::mem::offset_of!(EmbeddingPositionsParams, width) - 64usize];
    ["Offset of field: EmbeddingPositionsParams::accumulate"]
        [::core::mem::offset_of!(EmbeddingPositionsParams, accumulate) - 68usize];
    ["Offset of field: EmbeddingPositionsParams::vectorised"]
        [::core::mem::offset_of!(EmbeddingPositionsParams, vectorised) - 72usize];
    ["Offset of field: EmbeddingPositionsParams::reserved"]
        [::core::mem::offset_of!(EmbeddingPositionsParams, reserved) - 76usize];
};
/// Threads of every block.
pub const GELU_THREADS: u32 = 256;
/// 16-byte vectors of each tensor that a thread of a plain kernel handles.
pub const GELU_VECTORS: u32 = 4;
/// Threads side by side in a block of a general kernel, at most: a warp.
pub const GELU_MAX_THREADS_PER_ROW: u32 = 32;
/// Arguments of `gelu_fwd_FORM_T`: tensors without gaps, no bias.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct GeluFwdParams {
    /// [count] T, read.
    pub input: u64,
    /// [count] T, written.
    pub output: u64,
    /// Elements.
    pub count: u64,
    /// Elements before the first 16-byte boundary.
    pub head: u64,
    /// 16-byte vectors from there; 0 where input and output do not share their boundaries. The rest goes element by element.
    pub vectors: u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of GeluFwdParams"][::core::mem::size_of::<GeluFwdParams>() - 40usize];
    ["Alignment of GeluFwdParams"][::core::mem::align_of::<GeluFwdParams>() - 8usize];
    ["Offset of field: GeluFwdParams::input"][::core::mem::offset_of!(GeluFwdParams, input) - 0usize];
    ["Offset of field: GeluFwdParams::output"][::core::mem::offset_of!(GeluFwdParams, output) - 8usize];
    ["Offset of field: GeluFwdParams::count"][::core::mem::offset_of!(GeluFwdParams, count) - 16usize];
    ["Offset of field: GeluFwdParams::head"][::core::mem::offset_of!(GeluFwdParams, head) - 24usize];
    ["Offset of field: GeluFwdParams::vectors"][::core::mem::offset_of!(GeluFwdParams, vectors) - 32usize];
};
/// Arguments of `gelu_bwd_FORM_T`: tensors without gaps, no bias.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct GeluBwdParams {
    /// [count] T, read: the gradient of the output.
    pub grad_output: u64,
    /// [count] T, read: the input of the forward.
    pub input: u64,
    /// [count] T, written.
    pub grad_input: u64,
    /// Elements.
    pub count: u64,
    /// Elements before the first 16-byte boundary.
    pub head: u64,
    /// 16-byte vectors from there; 0 where the three tensors do not share their boundaries. The rest goes element by element.
    pub vectors: u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of GeluBwdParams"][::core::mem::size_of::<GeluBwdParams>() - 48usize];
    ["Alignment of GeluBwdParams"][::core::mem::align_of::<GeluBwdParams>() - 8usize];
    ["Offset of field: GeluBwdParams::grad_output"][::core::mem::offset_of!(GeluBwdParams, grad_output) - 0usize];
    ["Offset of field: GeluBwdParams::input"][::core::mem::offset_of!(GeluBwdParams, input) - 8usize];
    ["Offset of field: GeluBwdParams::grad_input"][::core::mem::offset_of!(GeluBwdParams, grad_input) - 16usize];
    ["Offset of field: GeluBwdParams::count"][::core::mem::offset_of!(GeluBwdParams, count) - 24usize];
    ["Offset of field: GeluBwdParams::head"][::core::mem::offset_of!(GeluBwdParams, head) - 32usize];
    ["Offset of field: GeluBwdParams::vectors"][::core::mem::offset_of!(GeluBwdParams, vectors) - 40usize];
};
/// How the general kernels share `[rows, width]` among blocks: a block is `threads_per_row` threads wide and the rest high, each\n thread has one 16-byte vector's worth of columns, and block (x, y) takes column tile x of the y-th `rows_per_block` rows.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct GeluTiles {
    /// Rows.
    pub rows: i64,
    /// Rows of a block.
    pub rows_per_block: i64,
    /// Elements of a row.
    pub width: u32,
    /// A power of two from 1 to 32.
    pub threads_per_row: u32,
    /// Not 0 where every row of every `[rows, width]` tensor begins at a multiple of 16 bytes.
    pub vectorised: u32,
    /// Zero.
    pub reserved: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of GeluTiles"][::core::mem::size_of::<GeluTiles>() - 32usize];
    ["Alignment of GeluTiles"][::core::mem::align_of::<GeluTiles>() - 8usize];
    ["Offset of field: GeluTiles::rows"][::core::mem::offset_of!(GeluTiles, rows) - 0usize];
    ["Offset of field: GeluTiles::rows_per_block"][::core::mem::offset_of!(GeluTiles, rows_per_block) - 8usize];
    ["Offset of field: GeluTiles::width"][::core::mem::offset_of!(GeluTiles, width) - 16usize];
    ["Offset of field: GeluTiles::threads_per_row"][::core::mem::offset_of!(GeluTiles, threads_per_row) - 20usize];
    ["Offset of field: GeluTiles::vectorised"][::core::mem::offset_of!(GeluTiles, vectorised) - 24usize];
    ["Offset of field: GeluTiles::reserved"][::core::mem::offset_of!(GeluTiles, reserved) - 28usize];
};
/// Arguments of `gelu_fwd_FORM_T_general`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct GeluFwdGeneralParams {
    /// [rows, width] T, read.
    pub input: u64,
    /// [width] T, read, optional: added to each row before the GELU.
    pub bias: u64,
    /// [rows, width] T, written.
    pub output: u64,
    /// Row stride of `input`.
    pub input_stride: i64,
    /// Row stride of `output`.
    pub output_stride: i64,
    /// Who does what.
    pub tiles: GeluTiles,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of GeluFwdGeneralParams"][::core::mem::size_of::<GeluFwdGeneralParams>() - 72usize];
    ["Alignment of GeluFwdGeneralParams"][::core::mem::align_of::<GeluFwdGeneralParams>() - 8usize];
    ["Offset of field: GeluFwdGeneralParams::input"][::core::mem::offset_of!(GeluFwdGeneralParams, input) - 0usize];
    ["Offset of field: GeluFwdGeneralParams::bias"][::core::mem::offset_of!(GeluFwdGeneralParams, bias) - 8usize];
    ["Offset of field: GeluFwdGeneralParams::output"][::core::mem::offset_of!(GeluFwdGeneralParams, output) - 16usize];
    ["Offset of field: GeluFwdGeneralParams::input_stride"]
        [::core::mem::offset_of!(GeluFwdGeneralParams, input_stride) - 24usize];
    ["Offset of field: GeluFwdGeneralParams::output_stride"]
        [::core::mem::offset_of!(GeluFwdGeneralParams, output_stride) - 32usize];
    ["Offset of field: GeluFwdGeneralParams::tiles"][::core::mem::offset_of!(GeluFwdGeneralParams, tiles) - 40usize];
};
/// Arguments of `gelu_bwd_FORM_T_general`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct GeluBwdGeneralParams {
    /// [rows, width] T, read: the gradient of the output.
    pub grad_output: u64,
    /// [rows, width] T, read: the input of the forward.
    pub input: u64,
    /// [width] T, read, optional: the bias of the forward.
    pub bias: u64,
    /// [rows, width] T, written.
    pub grad_input: u64,
    /// [row blocks, width] f32, written, optional: the sum of the unrounded `grad_input` over the rows of each block.
    pub partials: u64,
    /// Row stride of `grad_output`.
    pub grad_output_stride: i64,
    /// Row stride of `input`.
    pub input_stride: i64,
    /// Row stride of `grad_input`.
    pub grad_input_stride: i64,
    /// Who does what.
    pub tiles: GeluTiles,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of GeluBwdGeneralParams"][::core::mem::size_of::<GeluBwdGeneralParams>() - 96usize];
    ["Alignment of GeluBwdGeneralParams"][::core::mem::align_of::<GeluBwdGeneralParams>() - 8usize];
    ["Offset of field: GeluBwdGeneralParams::grad_output"]
        [::core::mem::offset_of!(GeluBwdGeneralParams, grad_output) - 0usize];
    ["Offset of field: GeluBwdGeneralParams::input"][::core::mem::offset_of!(GeluBwdGeneralParams, input) - 8usize];
    ["Offset of field: GeluBwdGeneralParams::bias"][::core::mem::offset_of!(GeluBwdGeneralParams, bias) - 16usize];
    ["Offset of field: GeluBwdGeneralParams::grad_input"]
        [::core::mem::offset_of!(GeluBwdGeneralParams, grad_input) - 24usize];
    ["Offset of field: GeluBwdGeneralParams::partials"]
        [::core::mem::offset_of!(GeluBwdGeneralParams, partials) - 32usize];
    ["Offset of field: GeluBwdGeneralParams::grad_output_stride"]
        [::core::mem::offset_of!(GeluBwdGeneralParams, grad_output_stride) - 40usize];
    ["Offset of field: GeluBwdGeneralParams::input_stride"]
        [::core::mem::offset_of!(GeluBwdGeneralParams, input_stride) - 48usize];
    ["Offset of field: GeluBwdGeneralParams::grad_input_stride"]
        [::core::mem::offset_of!(GeluBwdGeneralParams, grad_input_stride) - 56usize];
    ["Offset of field: GeluBwdGeneralParams::tiles"][::core::mem::offset_of!(GeluBwdGeneralParams, tiles) - 64usize];
};
/// Arguments of `gelu_bwd_T_reduce`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct GeluBwdReduceParams {
    /// [row_blocks, width] f32, read.
    pub partials: u64,
    /// [width] T, written: the sums over `row_blocks`.
    pub grad_bias: u64,
    /// Rows of `partials`.
    pub row_blocks: u32,
    /// Elements of a row.
    pub width: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of GeluBwdReduceParams"][::core::mem::size_of::<GeluBwdReduceParams>() - 24usize];
    ["Alignment of GeluBwdReduceParams"][::core::mem::align_of::<GeluBwdReduceParams>() - 8usize];
    ["Offset of field: GeluBwdReduceParams::partials"][::core::mem::offset_of!(GeluBwdReduceParams, partials) - 0usize];
    ["Offset of field: GeluBwdReduceParams::grad_bias"]
        [::core::mem::offset_of!(GeluBwdReduceParams, grad_bias) - 8usize];
    ["Offset of field: GeluBwdReduceParams::row_blocks"]
        [::core::mem::offset_of!(GeluBwdReduceParams, row_blocks) - 16usize];
    ["Offset of field: GeluBwdReduceParams::width"][::core::mem::offset_of!(GeluBwdReduceParams, width) - 20usize];
};
/// Threads of every block.
pub const GRAD_CLIP_THREADS: u32 = 256;
/// Elements of a chunk: what a block goes over.
pub const GRAD_CLIP_CHUNK: u32 = 16384;
/// One gradient of the list.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct GradClipTensor {
    /// [count] T.
    pub gradient: u64,
    /// Elements.
    pub count: u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of GradClipTensor"][::core::mem::size_of::<GradClipTensor>() - 16usize];
    ["Alignment of GradClipTensor"][::core::mem::align_of::<GradClipTensor>() - 8usize];
    ["Offset of field: GradClipTensor::gradient"][::core::mem::offset_of!(GradClipTensor, gradient) - 0usize];
    ["Offset of field: GradClipTensor::count"][::core::mem::offset_of!(GradClipTensor, count) - 8usize];
};
/// One chunk of one gradient.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct GradClipChunk {
    /// Which gradient.
    pub tensor: u32,
    /// Which of its chunks.
    pub chunk: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of GradClipChunk"][::core::mem::size_of::<GradClipChunk>() - 8usize];
    ["Alignment of GradClipChunk"][::core::mem::align_of::<GradClipChunk>() - 4usize];
    ["Offset of field: GradClipChunk::tensor"][::core::mem::offset_of!(GradClipChunk, tensor) - 0usize];
    ["Offset of field: GradClipChunk::chunk"][::core::mem::offset_of!(GradClipChunk, chunk) - 4usize];
};
/// What a block of `grad_clip_step_norm_T` leaves of its chunk.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct GradClipPartial {
    /// The sum of the squares.
    pub squares: f64,
    /// Elements that are infinite or NaN.
    pub not_finite: u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of GradClipPartial"][::core::mem::size_of::<GradClipPartial>() - 16usize];
    ["Alignment of GradClipPartial"][::core::mem::align_of::<GradClipPartial>() - 8usize];
    ["Offset of field: GradClipPartial::squares"][::core::mem::offset_of!(GradClipPartial, squares) - 0usize];
    ["Offset of field: GradClipPartial::not_finite"][::core::mem::offset_of!(GradClipPartial, not_finite) - 8usize];
};
/// Arguments of `grad_clip_step_norm_T`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct GradClipNormParams {
    /// [..] GradClipTensor, read.
    pub tensors: u64,
    /// [chunks] GradClipChunk, read.
    pub chunks: u64,
    /// [chunks] GradClipPartial, written.
    pub partials: u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of GradClipNormParams"][::core::mem::size_of::<GradClipNormParams>() - 24usize];
    ["Alignment of GradClipNormParams"][::core::mem::align_of::<GradClipNormParams>() - 8usize];
    ["Offset of field: GradClipNormParams::tensors"][::core::mem::offset_of!(GradClipNormParams, tensors) - 0usize];
    ["Offset of field: GradClipNormParams::chunks"][::core::mem::offset_of!(GradClipNormParams, chunks) - 8usize];
    ["Offset of field: GradClipNormParams::partials"][::core::mem::offset_of!(GradClipNormParams, partials) - 16usize];
};
/// Arguments of `grad_clip_step_value_T`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct GradClipValueParams {
    /// [..] GradClipTensor, read; the gradients are read and written.
    pub tensors: u64,
    /// [chunks] GradClipChunk, read.
    pub chunks: u64,
    /// The largest magnitude.
    pub limit: f32,
    /// Not used.
    pub reserved: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of GradClipValueParams"][::core::mem::size_of::<GradClipValueParams>() - 24usize];
    ["Alignment of GradClipValueParams"][::core::mem::align_of::<GradClipValueParams>() - 8usize];
    ["Offset of field: GradClipValueParams::tensors"][::core::mem::offset_of!(GradClipValueParams, tensors) - 0usize];
    ["Offset of field: GradClipValueParams::chunks"][::core::mem::offset_of!(GradClipValueParams, chunks) - 8usize];
    ["Offset of field: GradClipValueParams::limit"][::core::mem::offset_of!(GradClipValueParams, limit) - 16usize];
    ["Offset of field: GradClipValueParams::reserved"]
        [::core::mem::offset_of!(GradClipValueParams, reserved) - 20usize];
};
/// Arguments of `grad_clip_step_finish_f64`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct GradClipFinishParams {
    /// [chunks] GradClipPartial, read.
    pub partials: u64,
    /// [1] f32, written: the norm of the gradients over the loss scale.
    pub norm: u64,
    /// [1] f32, written: what gradients are to be multiplied by.
    pub factor: u64,
    /// [1] f32, written: how many elements are not finite, at least 1 where the norm overflows.
    pub found_inf: u64,
    /// [1] f32, read and written, optional.
    pub loss_scale: u64,
    /// [1] f32, read and written, present with `loss_scale`: steps since it changed.
    pub good_steps: u64,
    /// Partial sums.
    pub chunks: u32,
    /// The largest norm; infinity for no limit.
    pub max_norm: f32,
    /// What the loss scale is multiplied by after `interval` good steps.
    pub growth: f32,
    /// What it is multiplied by after a bad one.
    pub backoff: f32,
    /// Good steps before it grows.
    pub interval: f32,
    /// Not used.
    pub reserved: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of GradClipFinishParams"][::core::mem::size_of::<GradClipFinishParams>() - 72usize];
    ["Alignment of GradClipFinishParams"][::core::mem::align_of::<GradClipFinishParams>() - 8usize];
    ["Offset of field: GradClipFinishParams::partials"]
        [::core::mem::offset_of!(GradClipFinishParams, partials) - 0usize];
    ["Offset of field: GradClipFinishParams::norm"][::core::mem::offset_of!(GradClipFinishParams, norm) - 8usize];
    ["Offset of field: GradClipFinishParams::factor"][::core::mem::offset_of!(GradClipFinishParams, factor) - 16usize];
    ["Offset of field: GradClipFinishParams::found_inf"]
        [::core::mem::offset_of!(GradClipFinishParams, found_inf) - 24usize];
    ["Offset of field: GradClipFinishParams::loss_scale"]
        [::core::mem::offset_of!(GradClipFinishParams, loss_scale) - 32usize];
    ["Offset of field: GradClipFinishParams::good_steps"]
        [::core::mem::offset_of!(GradClipFinishParams, good_steps) - 40usize];
    ["Offset of field: GradClipFinishParams::chunks"][::core::mem::offset_of!(GradClipFinishParams, chunks) - 48usize];
    ["Offset of field: GradClipFinishParams::max_norm"]
        [::core::mem::offset_of!(GradClipFinishParams, max_norm) - 52usize];
    ["Offset of field: GradClipFinishParams::growth"][::core::mem::offset_of!(GradClipFinishParams, growth) - 56usize];
    ["Offset of field: GradClipFinishParams::backoff"]
        [::core::mem::offset_of!(GradClipFinishParams, backoff) - 60usize];
    ["Offset of field: GradClipFinishParams::interval"]
        [::core::mem::offset_of!(GradClipFinishParams, interval) - 64usize];
    ["Offset of field: GradClipFinishParams::reserved"]
        [::core::mem::offset_of!(GradClipFinishParams, reserved) - 68usize];
};
/// What a thread block leaves of its chunk for the trust ratio.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct LambPartial {
    /// The sum of the parameters' squares.
    pub parameters: f64,
    /// The sum of the updates' squares.
    pub updates: f64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of LambPartial"][::core::mem::size_of::<LambPartial>() - 16usize];
    ["Alignment of LambPartial"][::core::mem::align_of::<LambPartial>() - 8usize];
    ["Offset of field: LambPartial::parameters"][::core::mem::offset_of!(LambPartial, parameters) - 0usize];
    ["Offset of field: LambPartial::updates"][::core::mem::offset_of!(LambPartial, updates) - 8usize];
};
/// Arguments of `lamb_step_norms_T`, `lamb_step8_norms_T`, `lamb_step_apply_T` and `lamb_step8_apply_T`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct LambParams {
    /// The parameters.
    pub list: OptimizerList,
    /// [chunks] LambPartial, written by the first pass.
    pub partials: u64,
    /// [parameters] f32, read by the second pass: what updates are multiplied by.
    pub rates: u64,
    /// Decay rate of the first moment.
    pub beta1: f32,
    /// Decay rate of the second moment.
    pub beta2: f32,
    /// 1 - beta1, or 1.
    pub rest1: f32,
    /// 1 - beta2.
    pub rest2: f32,
    /// Whether weight decay is part of the gradient and not of the update.
    pub onto_gradient: u32,
    /// Not used.
    pub reserved: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of LambParams"][::core::mem::size_of::<LambParams>() - 80usize];
    ["Alignment of LambParams"][::core::mem::align_of::<LambParams>() - 8usize];
    ["Offset of field: LambParams::list"][::core::mem::offset_of!(LambParams, list) - 0usize];
    ["Offset of field: LambParams::partials"][::core::mem::offset_of!(LambParams, partials) - 40usize];
    ["Offset of field: LambParams::rates"][::core::mem::offset_of!(LambParams, rates) - 48usize];
    ["Offset of field: LambParams::beta1"][::core::mem::offset_of!(LambParams, beta1) - 56usize];
    ["Offset of field: LambParams::beta2"][::core::mem::offset_of!(LambParams, beta2) - 60usize];
    ["Offset of field: LambParams::rest1"][::core::mem::offset_of!(LambParams, rest1) - 64usize];
    ["Offset of field: LambParams::rest2"][::core::mem::offset_of!(LambParams, rest2) - 68usize];
    ["Offset of field: LambParams::onto_gradient"][::core::mem::offset_of!(LambParams, onto_gradient) - 72usize];
    ["Offset of field: LambParams::reserved"][::core::mem::offset_of!(LambParams, reserved) - 76usize];
};
/// Arguments of `lamb_step_rates_f64`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct LambRatesParams {
    /// OptimizerProgress, read.
    pub progress: u64,
    /// [..] OptimizerTensor, read.
    pub tensors: u64,
    /// [chunks] LambPartial, read.
    pub partials: u64,
    /// [parameters] f32, written.
    pub rates: u64,
    /// The least trust ratio.
    pub least: f32,
    /// The largest trust ratio.
    pub most: f32,
    /// Whether parameters without weight decay have a trust ratio, too.
    pub always: u32,
    /// Not used.
    pub reserved: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of LambRatesParams"][::core::mem::size_of::<LambRatesParams>() - 48usize];
    ["Alignment of LambRatesParams"][::core::mem::align_of::<LambRatesParams>() - 8usize];
    ["Offset of field: LambRatesParams::progress"][::core::mem::offset_of!(LambRatesParams, progress) - 0usize];
    ["Offset of field: LambRatesParams::tensors"][::core::mem::offset_of!(LambRatesParams, tensors) - 8usize];
    ["Offset of field: LambRatesParams::partials"][::core::mem::offset_of!(LambRatesParams, partials) - 16usize];
    ["Offset of field: LambRatesParams::rates"][::core::mem::offset_of!(LambRatesParams, rates) - 24usize];
    ["Offset of field: LambRatesParams::least"][::core::mem::offset_of!(LambRatesParams, least) - 32usize];
    ["Offset of field: LambRatesParams::most"][::core::mem::offset_of!(LambRatesParams, most) - 36usize];
    ["Offset of field: LambRatesParams::always"][::core::mem::offset_of!(LambRatesParams, always) - 40usize];
    ["Offset of field: LambRatesParams::reserved"][::core::mem::offset_of!(LambRatesParams, reserved) - 44usize];
};
/// 16-byte vectors of a row that a thread holds in registers.
pub const LAYER_NORM_VECTORS: u32 = 4;
/// Most threads of a block of `layer_norm_fwd_T`.
pub const LAYER_NORM_FWD_THREADS: u32 = 256;
/// Threads of a block of `layer_norm_bwd_T`.
pub const LAYER_NORM_BWD_THREADS: u32 = 256;
/// Rows of each team of `layer_norm_bwd_T` that have a place in shared memory.
pub const LAYER_NORM_BWD_STAGES: u32 = 3;
/// Most threads of a block of `layer_norm_fwd_T_general` and `layer_norm_bwd_T_dx`.
pub const LAYER_NORM_GENERAL_THREADS: u32 = 512;
/// Threads of a block of `layer_norm_bwd_T_columns`.
pub const LAYER_NORM_COLUMNS_THREADS: u32 = 256;
/// Threads of a block of `layer_norm_bwd_T_reduce`.
pub const LAYER_NORM_REDUCE_THREADS: u32 = 256;
/// Columns of such a block.
pub const LAYER_NORM_REDUCE_COLUMNS: u32 = 32;
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
    /// [rows] f32, written, optional: the mean of each row.
    pub mean: u64,
    /// [rows] f32, written, present with `mean`: 1 / sqrt(variance + epsilon) of each row.
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
    /// Rows of a group, the last one perhaps excepted: group g takes the rows from g * rows_per_group on, and a block takes a group.
    pub rows_per_group: i64,
    /// Elements of a row.
    pub width: u32,
    /// Threads that share a row: a power of two (`_T`, `_columns`); a power of two up to 32 or all threads of the block (`_dx`).
    pub threads_per_row: u32,
    /// 1 / width, rounded to nearest.
    pub inverse_width: f32,
    /// 16-byte vectors of each of the two inputs' rows that each thread keeps in dynamic shared memory (`_dx` alone).
    pub shared_vectors: u32,
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
    ["Offset of field: LayerNormBwdParams::rows_per_group"]
        [::core::mem::offset_of!(LayerNormBwdParams, rows_per_group) - 104usize];
    ["Offset of field: LayerNormBwdParams::width"][::core::mem::offset_of!(LayerNormBwdParams, width) - 112usize];
    ["Offset of field: LayerNormBwdParams::threads_per_row"]
        [::core::mem::offset_of!(LayerNormBwdParams, threads_per_row) - 116usize];
    ["Offset of field: LayerNormBwdParams::inverse_width"]
        [::core::mem::offset_of!(LayerNormBwdParams, inverse_width) - 120usize];
    ["Offset of field: LayerNormBwdParams::shared_vectors"]
        [::core::mem::offset_of!(LayerNormBwdParams, shared_vectors) - 124usize];
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
/// Arguments of `lion_step_T` and `lion_step8_T`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct LionParams {
    /// The parameters.
    pub list: OptimizerList,
    /// The moment's part of the direction.
    pub beta1: f32,
    /// Decay rate of the moment.
    pub beta2: f32,
    /// 1 - beta1.
    pub rest1: f32,
    /// 1 - beta2.
    pub rest2: f32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of LionParams"][::core::mem::size_of::<LionParams>() - 56usize];
    ["Alignment of LionParams"][::core::mem::align_of::<LionParams>() - 8usize];
    ["Offset of field: LionParams::list"][::core::mem::offset_of!(LionParams, list) - 0usize];
    ["Offset of field: LionParams::beta1"][::core::mem::offset_of!(LionParams, beta1) - 40usize];
    ["Offset of field: LionParams::beta2"][::core::mem::offset_of!(LionParams, beta2) - 44usize];
    ["Offset of field: LionParams::rest1"][::core::mem::offset_of!(LionParams, rest1) - 48usize];
    ["Offset of field: LionParams::rest2"][::core::mem::offset_of!(LionParams, rest2) - 52usize];
};
/// Threads of every block.
pub const MASK_TOKENS_THREADS: u32 = 256;
/// Tokens of a thread.
pub const MASK_TOKENS_EACH: u32 = 8;
/// Most ids that are never chosen.
pub const MASK_TOKENS_MAX_SPECIAL: u32 = 8;
/// Arguments of `mask_tokens_fwd_Id`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct MaskTokensFwdParams {
    /// [count] Id, read.
    pub input: u64,
    /// [count] bytes, read, optional: not 0 where a token is never chosen.
    pub special: u64,
    /// [count] Id, written: `input`, or memory that is not read.
    pub output: u64,
    /// [count] Id, written.
    pub labels: u64,
    /// [2] of 64 bits, read: seed and offset of the random numbers.
    pub state: u64,
    /// Added to that offset.
    pub random_offset: u64,
    /// Tokens.
    pub count: u64,
    /// Tokens are chosen whose first word is below this; up to 2^32.
    pub chosen: u64,
    /// Of these, the mask takes the place of those whose word is below this.
    pub masked: u64,
    /// And a random token that of the others whose word is below this.
    pub randomised: u64,
    /// The mask.
    pub mask_token: i64,
    /// The label of tokens that are not chosen.
    pub ignore_index: i64,
    /// Ids that are never chosen, where there are some; places left over hold one of them again.
    pub special_ids: [i64; 8usize],
    /// Not 0 where there are some.
    pub has_special_ids: u32,
    /// Random tokens are below this.
    pub vocabulary: u32,
    /// 2^32 modulo `vocabulary`: products whose low half is below this would favour some tokens.
    pub rejected: u32,
    /// Not 0 where all ids begin at multiples of 16 bytes.
    pub vectorised: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of MaskTokensFwdParams"][::core::mem::size_of::<MaskTokensFwdParams>() - 176usize];
    ["Alignment of MaskTokensFwdParams"][::core::mem::align_of::<MaskTokensFwdParams>() - 8usize];
    ["Offset of field: MaskTokensFwdParams::input"][::core::mem::offset_of!(MaskTokensFwdParams, input) - 0usize];
    ["Offset of field: MaskTokensFwdParams::special"][::core::mem::offset_of!(MaskTokensFwdParams, special) - 8usize];
    ["Offset of field: MaskTokensFwdParams::output"][::core::mem::offset_of!(MaskTokensFwdParams, output) - 16usize];
    ["Offset of field: MaskTokensFwdParams::labels"][::core::mem::offset_of!(MaskTokensFwdParams, labels) - 24usize];
    ["Offset of field: MaskTokensFwdParams::state"][::core::mem::offset_of!(MaskTokensFwdParams, state) - 32usize];
    ["Offset of field: MaskTokensFwdParams::random_offset"]
        [::core::mem::offset_of!(MaskTokensFwdParams, random_offset) - 40usize];
    ["Offset of field: MaskTokensFwdParams::count"][::core::mem::offset_of!(MaskTokensFwdParams, count) - 48usize];
    ["Offset of field: MaskTokensFwdParams::chosen"][::core::mem::offset_of!(MaskTokensFwdParams, chosen) - 56usize];
    ["Offset of field: MaskTokensFwdParams::masked"][::core::mem::offset_of!(MaskTokensFwdParams, masked) - 64usize];
    ["Offset of field: MaskTokensFwdParams::randomised"]
        [::core::mem::offset_of!(MaskTokensFwdParams, randomised) - 72usize];
    ["Offset of field: MaskTokensFwdParams::mask_token"]
        [::core::mem::offset_of!(MaskTokensFwdParams, mask_token) - 80usize];
    ["Offset of field: MaskTokensFwdParams::ignore_index"]
        [::core::mem::offset_of!(MaskTokensFwdParams, ignore_index) - 88usize];
    ["Offset of field: MaskTokensFwdParams::special_ids"]
        [::core::mem::offset_of!(MaskTokensFwdParams, special_ids) - 96usize];
    ["Offset of field: MaskTokensFwdParams::has_special_ids"]
        [::core::mem::offset_of!(MaskTokensFwdParams, has_special_ids) - 160usize];
    ["Offset of field: MaskTokensFwdParams::vocabulary"]
        [::core::mem::offset_of!(MaskTokensFwdParams, vocabulary) - 164usize];
    ["Offset of field: MaskTokensFwdParams::rejected"]
        [::core::mem::offset_of!(MaskTokensFwdParams, rejected) - 168usize];
    ["Offset of field: MaskTokensFwdParams::vectorised"]
        [::core::mem::offset_of!(MaskTokensFwdParams, vectorised) - 172usize];
};
/// Threads of every block, each with 8 elements at a time.
pub const QUANTIZE_THREADS: u32 = 512;
/// Elements that a thread block has at a time: the largest block of elements that share an absmax.
pub const QUANTIZE_TILE: u32 = 4096;
/// The smallest.
pub const QUANTIZE_LEAST_BLOCK: u32 = 64;
/// Arguments of `quantize_fwd_T` and `quantize_bwd_T`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct QuantizeParams {
    /// [count] T: read by `fwd`, written by `bwd`.
    pub values: u64,
    /// [count] codes: written by `fwd`, read by `bwd`.
    pub codes: u64,
    /// [blocks] f32, the largest |value| of each block: written by `fwd`, read by `bwd`.
    pub absmax: u64,
    /// CodeTables, read.
    pub tables: u64,
    /// Elements.
    pub count: u64,
    /// Elements that share an absmax: a power of two from 64 to 4096.
    pub block: u32,
    /// Tiles of a thread block; the last one may have fewer.
    pub tiles: u32,
    /// Whether values lie at multiples of 16 bytes and codes at multiples of 8.
    pub vectorised: u32,
    /// Not 0 for the signed map.
    pub is_signed: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of QuantizeParams"][::core::mem::size_of::<QuantizeParams>() - 56usize];
    ["Alignment of QuantizeParams"][::core::mem::align_of::<QuantizeParams>() - 8usize];
    ["Offset of field: QuantizeParams::values"][::core::mem::offset_of!(QuantizeParams, values) - 0usize];
    ["Offset of field: QuantizeParams::codes"][::core::mem::offset_of!(QuantizeParams, codes) - 8usize];
    ["Offset of field: QuantizeParams::absmax"][::core::mem::offset_of!(QuantizeParams, absmax) - 16usize];
    ["Offset of field: QuantizeParams::tables"][::core::mem::offset_of!(QuantizeParams, tables) - 24usize];
    ["Offset of field: QuantizeParams::count"][::core::mem::offset_of!(QuantizeParams, count) - 32usize];
    ["Offset of field: QuantizeParams::block"][::core::mem::offset_of!(QuantizeParams, block) - 40usize];
    ["Offset of field: QuantizeParams::tiles"][::core::mem::offset_of!(QuantizeParams, tiles) - 44usize];
    ["Offset of field: QuantizeParams::vectorised"][::core::mem::offset_of!(QuantizeParams, vectorised) - 48usize];
    ["Offset of field: QuantizeParams::is_signed"][::core::mem::offset_of!(QuantizeParams, is_signed) - 52usize];
};
/// 16-byte vectors of a row that a thread holds in registers.
pub const RMS_NORM_VECTORS: u32 = 4;
/// Most threads of a block of `rms_norm_fwd_T`.
pub const RMS_NORM_FWD_THREADS: u32 = 256;
/// Most threads of a block of `rms_norm_bwd_T`.
pub const RMS_NORM_BWD_THREADS: u32 = 512;
/// Rows of each team of `rms_norm_bwd_T` that have a place in shared memory.
pub const RMS_NORM_BWD_STAGES: u32 = 2;
/// Most threads of a block of `rms_norm_fwd_T_general` and `rms_norm_bwd_T_dx`.
pub const RMS_NORM_GENERAL_THREADS: u32 = 512;
/// Threads of a block of `rms_norm_bwd_T_columns`.
pub const RMS_NORM_COLUMNS_THREADS: u32 = 256;
/// Threads of a block of `rms_norm_bwd_T_reduce`.
pub const RMS_NORM_REDUCE_THREADS: u32 = 256;
/// Columns of such a block.
pub const RMS_NORM_REDUCE_COLUMNS: u32 = 32;
/// Arguments of `rms_norm_fwd_T` and `rms_norm_fwd_T_general`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct RmsNormFwdParams {
    /// [rows, width] T, read.
    pub input: u64,
    /// [rows, width] T, read, optional: added to `input` before the norm.
    pub residual: u64,
    /// [width] T, read, optional.
    pub weight: u64,
    /// [rows, width] T, written.
    pub output: u64,
    /// [rows, width] T, written, present with `residual`: `input + residual` rounded to T, which is what is normalised.
    pub sum: u64,
    /// [rows] f32, written, optional: 1 / sqrt(mean(x^2) + epsilon) of each row.
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
    /// Added to the mean of the squares.
    pub epsilon: f32,
    /// Added to `weight`; 0 without one.
    pub weight_offset: f32,
    /// Not 0 where `x * rstd` is rounded to T before the weight.
    pub rounds_normalised: u32,
    /// 16-byte vectors of a row that each thread keeps in dynamic shared memory (`_general` alone).
    pub shared_vectors: u32,
    /// Zero.
    pub reserved: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of RmsNormFwdParams"][::core::mem::size_of::<RmsNormFwdParams>() - 120usize];
    ["Alignment of RmsNormFwdParams"][::core::mem::align_of::<RmsNormFwdParams>() - 8usize];
    ["Offset of field: RmsNormFwdParams::input"][::core::mem::offset_of!(RmsNormFwdParams, input) - 0usize];
    ["Offset of field: RmsNormFwdParams::residual"][::core::mem::offset_of!(RmsNormFwdParams, residual) - 8usize];
    ["Offset of field: RmsNormFwdParams::weight"][::core::mem::offset_of!(RmsNormFwdParams, weight) - 16usize];
    ["Offset of field: RmsNormFwdParams::output"][::core::mem::offset_of!(RmsNormFwdParams, output) - 24usize];
    ["Offset of field: RmsNormFwdParams::sum"][::core::mem::offset_of!(RmsNormFwdParams, sum) - 32usize];
    ["Offset of field: RmsNormFwdParams::rstd"][::core::mem::offset_of!(RmsNormFwdParams, rstd) - 40usize];
    ["Offset of field: RmsNormFwdParams::input_stride"]
        [::core::mem::offset_of!(RmsNormFwdParams, input_stride) - 48usize];
    ["Offset of field: RmsNormFwdParams::residual_stride"]
        [::core::mem::offset_of!(RmsNormFwdParams, residual_stride) - 56usize];
    ["Offset of field: RmsNormFwdParams::output_stride"]
        [::core::mem::offset_of!(RmsNormFwdParams, output_stride) - 64usize];
    ["Offset of field: RmsNormFwdParams::sum_stride"][::core::mem::offset_of!(RmsNormFwdParams, sum_stride) - 72usize];
    ["Offset of field: RmsNormFwdParams::rows"][::core::mem::offset_of!(RmsNormFwdParams, rows) - 80usize];
    ["Offset of field: RmsNormFwdParams::width"][::core::mem::offset_of!(RmsNormFwdParams, width) - 88usize];
    ["Offset of field: RmsNormFwdParams::threads_per_row"]
        [::core::mem::offset_of!(RmsNormFwdParams, threads_per_row) - 92usize];
    ["Offset of field: RmsNormFwdParams::inverse_width"]
        [::core::mem::offset_of!(RmsNormFwdParams, inverse_width) - 96usize];
    ["Offset of field: RmsNormFwdParams::epsilon"][::core::mem::offset_of!(RmsNormFwdParams, epsilon) - 100usize];
    ["Offset of field: RmsNormFwdParams::weight_offset"]
        [::core::mem::offset_of!(RmsNormFwdParams, weight_offset) - 104usize];
    ["Offset of field: RmsNormFwdParams::rounds_normalised"]
        [::core::mem::offset_of!(RmsNormFwdParams, rounds_normalised) - 108usize];
    ["Offset of field: RmsNormFwdParams::shared_vectors"]
        [::core::mem::offset_of!(RmsNormFwdParams, shared_vectors) - 112usize];
    ["Offset of field: RmsNormFwdParams::reserved"][::core::mem::offset_of!(RmsNormFwdParams, reserved) - 116usize];
};
/// Arguments of `rms_norm_bwd_T`, `rms_norm_bwd_T_dx` and `rms_norm_bwd_T_columns`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct RmsNormBwdParams {
    /// [rows, width] T, read: the gradient of the output.
    pub grad_output: u64,
    /// [rows, width] T, read: what the forward normalised (its `sum` where there was a residual).
    pub input: u64,
    /// [width] T, read, optional.
    pub weight: u64,
    /// [rows] f32, read, as the forward wrote it.
    pub rstd: u64,
    /// [rows, width] T, read, optional: a gradient that reaches `input` by another way (past the norm), added to `grad_input`.
    pub grad_sum: u64,
    /// [rows, width] T, written.
    pub grad_input: u64,
    /// [row_groups, width] f32, written, optional: for each group of rows the sums of grad_output * x * rstd.
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
    /// Rows of a group, the last one perhaps excepted: group g takes the rows from g * rows_per_group on, and a block takes a group.
    pub rows_per_group: i64,
    /// Elements of a row.
    pub width: u32,
    /// Threads that share a row: a power of two (`_T`, `_columns`); a power of two up to 32 or all threads of the block (`_dx`).
    pub threads_per_row: u32,
    /// 1 / width, rounded to nearest.
    pub inverse_width: f32,
    /// Added to `weight`; 0 without one.
    pub weight_offset: f32,
    /// 16-byte vectors of each of the two inputs' rows that each thread keeps in dynamic shared memory (`_dx` alone).
    pub shared_vectors: u32,
    /// Zero.
    pub reserved: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of RmsNormBwdParams"][::core::mem::size_of::<RmsNormBwdParams>() - 128usize];
    ["Alignment of RmsNormBwdParams"][::core::mem::align_of::<RmsNormBwdParams>() - 8usize];
    ["Offset of field: RmsNormBwdParams::grad_output"][::core::mem::offset_of!(RmsNormBwdParams, grad_output) - 0usize];
    ["Offset of field: RmsNormBwdParams::input"][::core::mem::offset_of!(RmsNormBwdParams, input) - 8usize];
    ["Offset of field: RmsNormBwdParams::weight"][::core::mem::offset_of!(RmsNormBwdParams, weight) - 16usize];
    ["Offset of field: RmsNormBwdParams::rstd"][::core::mem::offset_of!(RmsNormBwdParams, rstd) - 24usize];
    ["Offset of field: RmsNormBwdParams::grad_sum"][::core::mem::offset_of!(RmsNormBwdParams, grad_sum) - 32usize];
    ["Offset of field: RmsNormBwdParams::grad_input"][::core::mem::offset_of!(RmsNormBwdParams, grad_input) - 40usize];
    ["Offset of field: RmsNormBwdParams::partials"][::core::mem::offset_of!(RmsNormBwdParams, partials) - 48usize];
    ["Offset of field: RmsNormBwdParams::grad_output_stride"]
        [::core::mem::offset_of!(RmsNormBwdParams, grad_output_stride) - 56usize];
    ["Offset of field: RmsNormBwdParams::input_stride"]
        [::core::mem::offset_of!(RmsNormBwdParams, input_stride) - 64usize];
    ["Offset of field: RmsNormBwdParams::grad_sum_stride"]
        [::core::mem::offset_of!(RmsNormBwdParams, grad_sum_stride) - 72usize];
    ["Offset of field: RmsNormBwdParams::grad_input_stride"]
        [::core::mem::offset_of!(RmsNormBwdParams, grad_input_stride) - 80usize];
    ["Offset of field: RmsNormBwdParams::rows"][::core::mem::offset_of!(RmsNormBwdParams, rows) - 88usize];
    ["Offset of field: RmsNormBwdParams::rows_per_group"]
        [::core::mem::offset_of!(RmsNormBwdParams, rows_per_group) - 96usize];
    ["Offset of field: RmsNormBwdParams::width"][::core::mem::offset_of!(RmsNormBwdParams, width) - 104usize];
    ["Offset of field: RmsNormBwdParams::threads_per_row"]
        [::core::mem::offset_of!(RmsNormBwdParams, threads_per_row) - 108usize];
    ["Offset of field: RmsNormBwdParams::inverse_width"]
        [::core::mem::offset_of!(RmsNormBwdParams, inverse_width) - 112usize];
    ["Offset of field: RmsNormBwdParams::weight_offset"]
        [::core::mem::offset_of!(RmsNormBwdParams, weight_offset) - 116usize];
    ["Offset of field: RmsNormBwdParams::shared_vectors"]
        [::core::mem::offset_of!(RmsNormBwdParams, shared_vectors) - 120usize];
    ["Offset of field: RmsNormBwdParams::reserved"][::core::mem::offset_of!(RmsNormBwdParams, reserved) - 124usize];
};
/// Arguments of `rms_norm_bwd_T_reduce`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct RmsNormBwdReduceParams {
    /// [row_groups, width] f32, read.
    pub partials: u64,
    /// [width] T, written.
    pub grad_weight: u64,
    /// Columns.
    pub width: u32,
    /// Groups of rows.
    pub row_groups: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of RmsNormBwdReduceParams"][::core::mem::size_of::<RmsNormBwdReduceParams>() - 24usize];
    ["Alignment of RmsNormBwdReduceParams"][::core::mem::align_of::<RmsNormBwdReduceParams>() - 8usize];
    ["Offset of field: RmsNormBwdReduceParams::partials"]
        [::core::mem::offset_of!(RmsNormBwdReduceParams, partials) - 0usize];
    ["Offset of field: RmsNormBwdReduceParams::grad_weight"]
        [::core::mem::offset_of!(RmsNormBwdReduceParams, grad_weight) - 8usize];
    ["Offset of field: RmsNormBwdReduceParams::width"]
        [::core::mem::offset_of!(RmsNormBwdReduceParams, width) - 16usize];
    ["Offset of field: RmsNormBwdReduceParams::row_groups"]
        [::core::mem::offset_of!(RmsNormBwdReduceParams, row_groups) - 20usize];
};
/// Most pairs of a head that are rotated.
pub const ROTARY_PAIRS: u32 = 128;
/// Threads of a block, a warp for each token.
pub const ROTARY_THREADS: u32 = 128;
/// One tensor that is rotated, [batch, length, heads, head_dim] T.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct RotaryTensor {
    /// Read.
    pub input: u64,
    /// Written: the same memory as `input`, or none that is read.
    pub output: u64,
    /// Strides of `input` by batch, token and head.
    pub input_strides: [i64; 3usize],
    /// Strides of `output` by batch, token and head.
    pub output_strides: [i64; 3usize],
    /// Heads; 0 where the tensor is absent.
    pub heads: u32,
    /// Zero.
    pub reserved: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of RotaryTensor"][::core::mem::size_of::<RotaryTensor>() - 72usize];
    ["Alignment of RotaryTensor"][::core::mem::align_of::<RotaryTensor>() - 8usize];
    ["Offset of field: RotaryTensor::input"][::core::mem::offset_of!(RotaryTensor, input) - 0usize];
    ["Offset of field: RotaryTensor::output"][::core::mem::offset_of!(RotaryTensor, output) - 8usize];
    ["Offset of field: RotaryTensor::input_strides"][::core::mem::offset_of!(RotaryTensor, input_strides) - 16usize];
    ["Offset of field: RotaryTensor::output_strides"][::core::mem::offset_of!(RotaryTensor, output_strides) - 40usize];
    ["Offset of field: RotaryTensor::heads"][::core::mem::offset_of!(RotaryTensor, heads) - 64usize];
    ["Offset of field: RotaryTensor::reserved"][::core::mem::offset_of!(RotaryTensor, reserved) - 68usize];
};
/// Cosines or sines, [positions, pairs] or [batch, length, pairs], f32 or T.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct RotaryTable {
    /// Read.
    pub table: u64,
    /// Strides by batch and token, or 0 and by position.
    pub strides: [i64; 2usize],
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of RotaryTable"][::core::mem::size_of::<RotaryTable>() - 24usize];
    ["Alignment of RotaryTable"][::core::mem::align_of::<RotaryTable>() - 8usize];
    ["Offset of field: RotaryTable::table"][::core::mem::offset_of!(RotaryTable, table) - 0usize];
    ["Offset of field: RotaryTable::strides"][::core::mem::offset_of!(RotaryTable, strides) - 8usize];
};
/// Arguments of `rotary_fwd_T` and `rotary_fwd_T_general`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct RotaryParams {
    /// Queries and keys.
    pub tensors: [RotaryTensor; 2usize],
    /// [batch, length] of i32 or i64, read, 0 where positions are `first_position` and on.
    pub positions: u64,
    /// Strides of `positions` by batch and token.
    pub position_strides: [i64; 2usize],
    /// The position of the first token of each batch, where there are no `positions`.
    pub first_position: i64,
    /// Tokens: batch * length.
    pub tokens: u32,
    /// Tokens of a batch.
    pub length: u32,
    /// Pairs of a head that are rotated.
    pub pairs: u32,
    /// Elements after the rotated ones that are copied: none where the tensors are rotated in place.
    pub rest: u32,
    /// Threads that share a head: a power of two up to 32.
    pub threads_per_head: u32,
    /// Not 0 where a pair is two neighbours (2i, 2i+1); else it is (i, i + pairs).
    pub interleaved: u32,
    /// Not 0 where positions are i64.
    pub wide_positions: u32,
    /// Not 0 for the rotation back.
    pub inverse: u32,
    /// What the rotated elements are multiplied by.
    pub factor: f32,
    /// Bytes of an element of `tables`; 0 where `turns` say how far a pair turns.
    pub table_bytes: u32,
    /// Cosines and sines.
    pub tables: [RotaryTable; 2usize],
    /// Positions in `tables`; 0 where they have a row for each token.
    pub table_positions: i64,
    /// How far each pair turns from one position to the next, in 2^-64 of a full turn; pair i at [i / 32][i % 32].
    pub turns: [[u64; 32usize]; 4usize],
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of RotaryParams"][::core::mem::size_of::<RotaryParams>() - 1296usize];
    ["Alignment of RotaryParams"][::core::mem::align_of::<RotaryParams>() - 8usize];
    ["Offset of field: RotaryParams::tensors"][::core::mem::offset_of!(RotaryParams, tensors) - 0usize];
    ["Offset of field: RotaryParams::positions"][::core::mem::offset_of!(RotaryParams, positions) - 144usize];
    ["Offset of field: RotaryParams::position_strides"]
        [::core::mem::offset_of!(RotaryParams, position_strides) - 152usize];
    ["Offset of field: RotaryParams::first_position"][::core::mem::offset_of!(RotaryParams, first_position) - 168usize];
    ["Offset of field: RotaryParams::tokens"][::core::mem::offset_of!(RotaryParams, tokens) - 176usize];
    ["Offset of field: RotaryParams::length"][::core::mem::offset_of!(RotaryParams, length) - 180usize];
    ["Offset of field: RotaryParams::pairs"][::core::mem::offset_of!(RotaryParams, pairs) - 184usize];
    ["Offset of field: RotaryParams::rest"][::core::mem::offset_of!(RotaryParams, rest) - 188usize];
    ["Offset of field: RotaryParams::threads_per_head"]
        [::core::mem::offset_of!(RotaryParams, threads_per_head) - 192usize];
    ["Offset of field: RotaryParams::interleaved"][::core::mem::offset_of!(RotaryParams, interleaved) - 196usize];
    ["Offset of field: RotaryParams::wide_positions"][::core::mem::offset_of!(RotaryParams, wide_positions) - 200usize];
    ["Offset of field: RotaryParams::inverse"][::core::mem::offset_of!(RotaryParams, inverse) - 204usize];
    ["Offset of field: RotaryParams::factor"][::core::mem::offset_of!(RotaryParams, factor) - 208usize];
    ["Offset of field: RotaryParams::table_bytes"][::core::mem::offset_of!(RotaryParams, table_bytes) - 212usize];
    ["Offset of field: RotaryParams::tables"][::core::mem::offset_of!(RotaryParams, tables) - 216usize];
    ["Offset of field: RotaryParams::table_positions"]
        [::core::mem::offset_of!(RotaryParams, table_positions) - 264usize];
    ["Offset of field: RotaryParams::turns"][::core::mem::offset_of!(RotaryParams, turns) - 272usize];
};
/// 16-byte vectors of a row that a thread loads at once, and holds in registers when they are the last ones.
pub const SOFTMAX_VECTORS: u32 = 4;
/// Most threads of a block.
pub const SOFTMAX_THREADS: u32 = 448;
/// Arguments of `softmax_fwd_T`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct SoftmaxFwdParams {
    /// [rows, width] T, read.
    pub input: u64,
    /// [rows, width] u8, or T where `mask_adds`, read, optional: rows as `mask_strides` has them.
    pub mask: u64,
    /// [rows, width] T, written; may be `input` itself.
    pub output: u64,
    /// Row stride of `input`.
    pub input_stride: i64,
    /// Row stride of `output`.
    pub output_stride: i64,
    /// Strides of `mask` along the leading dimensions, the last one of them last; 0 where it repeats.
    pub mask_strides: [i64; 4usize],
    /// Rows.
    pub rows: i64,
    /// Column j of row i of a matrix counts where j <= i + diagonal (`causal` alone).
    pub diagonal: i64,
    /// Elements of the last three leading dimensions; the last one is the rows of a matrix.
    pub extents: [u32; 3usize],
    /// Elements of a row.
    pub width: u32,
    /// Threads that share a row: a power of two up to 32, or all threads of the block.
    pub threads_per_row: u32,
    /// Times that each thread loads VECTORS vectors of a row; the last ones stay in registers.
    pub batches: u32,
    /// Vectors of a row after those that each thread keeps in dynamic shared memory.
    pub shared_vectors: u32,
    /// Whether `mask` is added; otherwise an element counts where it is not zero.
    pub mask_adds: u32,
    /// Whether there is a diagonal.
    pub causal: u32,
    /// What `input` is multiplied by.
    pub scale: f32,
    /// Whether the logarithm of the softmax is written.
    pub logarithm: u32,
    /// Zero.
    pub reserved: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of SoftmaxFwdParams"][::core::mem::size_of::<SoftmaxFwdParams>() - 136usize];
    ["Alignment of SoftmaxFwdParams"][::core::mem::align_of::<SoftmaxFwdParams>() - 8usize];
    ["Offset of field: SoftmaxFwdParams::input"][::core::mem::offset_of!(SoftmaxFwdParams, input) - 0usize];
    ["Offset of field: SoftmaxFwdParams::mask"][::core::mem::offset_of!(SoftmaxFwdParams, mask) - 8usize];
    ["Offset of field: SoftmaxFwdParams::output"][::core::mem::offset_of!(SoftmaxFwdParams, output) - 16usize];
    ["Offset of field: SoftmaxFwdParams::input_stride"]
        [::core::mem::offset_of!(SoftmaxFwdParams, input_stride) - 24usize];
    ["Offset of field: SoftmaxFwdParams::output_stride"]
        [::core::mem::offset_of!(SoftmaxFwdParams, output_stride) - 32usize];
    ["Offset of field: SoftmaxFwdParams::mask_strides"]
        [::core::mem::offset_of!(SoftmaxFwdParams, mask_strides) - 40usize];
    ["Offset of field: SoftmaxFwdParams::rows"][::core::mem::offset_of!(SoftmaxFwdParams, rows) - 72usize];
    ["Offset of field: SoftmaxFwdParams::diagonal"][::core::mem::offset_of!(SoftmaxFwdParams, diagonal) - 80usize];
    ["Offset of field: SoftmaxFwdParams::extents"][::core::mem::offset_of!(SoftmaxFwdParams, extents) - 88usize];
    ["Offset of field: SoftmaxFwdParams::width"][::core::mem::offset_of!(SoftmaxFwdParams, width) - 100usize];
    ["Offset of field: SoftmaxFwdParams::threads_per_row"]
        [::core::mem::offset_of!(SoftmaxFwdParams, threads_per_row) - 104usize];
    ["Offset of field: SoftmaxFwdParams::batches"][::core::mem::offset_of!(SoftmaxFwdParams, batches) - 108usize];
    ["Offset of field: SoftmaxFwdParams::shared_vectors"]
        [::core::mem::offset_of!(SoftmaxFwdParams, shared_vectors) - 112usize];
    ["Offset of field: SoftmaxFwdParams::mask_adds"][::core::mem::offset_of!(SoftmaxFwdParams, mask_adds) - 116usize];
    ["Offset of field: SoftmaxFwdParams::causal"][::core::mem::offset_of!(SoftmaxFwdParams, causal) - 120usize];
    ["Offset of field: SoftmaxFwdParams::scale"][::core::mem::offset_of!(SoftmaxFwdParams, scale) - 124usize];
    ["Offset of field: SoftmaxFwdParams::logarithm"][::core::mem::offset_of!(SoftmaxFwdParams, logarithm) - 128usize];
    ["Offset of field: SoftmaxFwdParams::reserved"][::core::mem::offset_of!(SoftmaxFwdParams, reserved) - 132usize];
};
/// Arguments of `softmax_bwd_T`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, PartialEq)]
pub struct SoftmaxBwdParams {
    /// [rows, width] T, read: the forward's output.
    pub output: u64,
    /// [rows, width] T, read.
    pub grad_output: u64,
    /// [rows, width] T, written; may be `grad_output` itself.
    pub grad_input: u64,
    /// Row stride of `output`.
    pub output_stride: i64,
    /// Row stride of `grad_output`.
    pub grad_output_stride: i64,
    /// Row stride of `grad_input`.
    pub grad_input_stride: i64,
    /// Rows.
    pub rows: i64,
    /// Elements of a row.
    pub width: u32,
    /// Threads that share a row: a power of two up to 32, or all threads of the block.
    pub threads_per_row: u32,
    /// Times that each thread loads VECTORS vectors of both rows; the last ones stay in registers.
    pub batches: u32,
    /// Vectors of each row after those that each thread keeps in dynamic shared memory.
    pub shared_vectors: u32,
    /// What the forward multiplied its input by.
    pub scale: f32,
    /// Whether the forward wrote the logarithm of the softmax.
    pub logarithm: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of SoftmaxBwdParams"][::core::mem::size_of::<SoftmaxBwdParams>() - 80usize];
    ["Alignment of SoftmaxBwdParams"][::core::mem::align_of::<SoftmaxBwdParams>() - 8usize];
    ["Offset of field: SoftmaxBwdParams::output"][::core::mem::offset_of!(SoftmaxBwdParams, output) - 0usize];
    ["Offset of field: SoftmaxBwdParams::grad_output"][::core::mem::offset_of!(SoftmaxBwdParams, grad_output) - 8usize];
    ["Offset of field: SoftmaxBwdParams::grad_input"][::core::mem::offset_of!(SoftmaxBwdParams, grad_input) - 16usize];
    ["Offset of field: SoftmaxBwdParams::output_stride"]
        [::core::mem::offset_of!(SoftmaxBwdParams, output_stride) - 24usize];
    ["Offset of field: SoftmaxBwdParams::grad_output_stride"]
        [::core::mem::offset_of!(SoftmaxBwdParams, grad_output_stride) - 32usize];
    ["Offset of field: SoftmaxBwdParams::grad_input_stride"]
        [::core::mem::offset_of!(SoftmaxBwdParams, grad_input_stride) - 40usize];
    ["Offset of field: SoftmaxBwdParams::rows"][::core::mem::offset_of!(SoftmaxBwdParams, rows) - 48usize];
    ["Offset of field: SoftmaxBwdParams::width"][::core::mem::offset_of!(SoftmaxBwdParams, width) - 56usize];
    ["Offset of field: SoftmaxBwdParams::threads_per_row"]
        [::core::mem::offset_of!(SoftmaxBwdParams, threads_per_row) - 60usize];
    ["Offset of field: SoftmaxBwdParams::batches"][::core::mem::offset_of!(SoftmaxBwdParams, batches) - 64usize];
    ["Offset of field: SoftmaxBwdParams::shared_vectors"]
        [::core::mem::offset_of!(SoftmaxBwdParams, shared_vectors) - 68usize];
    ["Offset of field: SoftmaxBwdParams::scale"][::core::mem::offset_of!(SoftmaxBwdParams, scale) - 72usize];
    ["Offset of field: SoftmaxBwdParams::logarithm"][::core::mem::offset_of!(SoftmaxBwdParams, logarithm) - 76usize];
};
const _: () = assert!(
    size_of::<ActivationFwdParams>()
        == size_of::<u64>()
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
            + size_of::<u32>(),
    "ActivationFwdParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for ActivationFwdParams {}

const _: () = assert!(
    size_of::<ActivationBwdParams>()
        == size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<i64>()
            + size_of::<i64>()
            + size_of::<i64>()
            + size_of::<i64>()
            + size_of::<i64>()
            + size_of::<i64>()
            + size_of::<i64>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>(),
    "ActivationBwdParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for ActivationBwdParams {}

const _: () = assert!(
    size_of::<OptimizerTensor>()
        == size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<f32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u64>(),
    "OptimizerTensor has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for OptimizerTensor {}

const _: () = assert!(size_of::<OptimizerChunk>() == size_of::<u32>() + size_of::<u32>(), "OptimizerChunk has padding");
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for OptimizerChunk {}

const _: () = assert!(
    size_of::<OptimizerProgress>()
        == size_of::<u64>()
            + size_of::<f64>()
            + size_of::<f64>()
            + size_of::<f32>()
            + size_of::<f32>()
            + size_of::<f32>()
            + size_of::<f32>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u32>()
            + size_of::<f32>(),
    "OptimizerProgress has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for OptimizerProgress {}

const _: () = assert!(
    size_of::<OptimizerAdvanceParams>()
        == size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<f32>()
            + size_of::<f32>()
            + size_of::<f32>()
            + size_of::<f32>()
            + size_of::<u32>()
            + size_of::<u32>(),
    "OptimizerAdvanceParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for OptimizerAdvanceParams {}

const _: () = assert!(
    size_of::<OptimizerList>()
        == size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u32>()
            + size_of::<u32>(),
    "OptimizerList has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for OptimizerList {}

const _: () = assert!(
    size_of::<AdamWParams>()
        == size_of::<OptimizerList>()
            + size_of::<f32>()
            + size_of::<f32>()
            + size_of::<f32>()
            + size_of::<f32>()
            + size_of::<u32>()
            + size_of::<u32>(),
    "AdamWParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for AdamWParams {}

const _: () = assert!(
    size_of::<CodeTables>()
        == size_of::<[f32; 256usize]>()
            + size_of::<[f32; 256usize]>()
            + size_of::<[u32; 1400usize]>()
            + size_of::<[u32; 1400usize]>()
            + size_of::<[u32; 2900usize]>(),
    "CodeTables has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for CodeTables {}

const _: () = assert!(
    size_of::<AdamW8bitParams>()
        == size_of::<OptimizerList>() + size_of::<f32>() + size_of::<f32>() + size_of::<f32>() + size_of::<f32>(),
    "AdamW8bitParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for AdamW8bitParams {}

const _: () = assert!(
    size_of::<AttentionTensor>() == size_of::<u64>() + size_of::<i64>() + size_of::<i64>() + size_of::<i64>(),
    "AttentionTensor has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for AttentionTensor {}

const _: () = assert!(
    size_of::<AttentionFwdParams>()
        == size_of::<AttentionTensor>()
            + size_of::<AttentionTensor>()
            + size_of::<AttentionTensor>()
            + size_of::<AttentionTensor>()
            + size_of::<u64>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<f32>()
            + size_of::<i32>(),
    "AttentionFwdParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for AttentionFwdParams {}

const _: () = assert!(
    size_of::<AttentionBwdParams>()
        == size_of::<AttentionTensor>()
            + size_of::<AttentionTensor>()
            + size_of::<AttentionTensor>()
            + size_of::<AttentionTensor>()
            + size_of::<AttentionTensor>()
            + size_of::<AttentionTensor>()
            + size_of::<AttentionTensor>()
            + size_of::<AttentionTensor>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<i32>()
            + size_of::<f32>()
            + size_of::<f32>()
            + size_of::<u32>(),
    "AttentionBwdParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for AttentionBwdParams {}

const _: () = assert!(
    size_of::<BceWithLogitsTargets>()
        == size_of::<u64>()
            + size_of::<u64>()
            + size_of::<i64>()
            + size_of::<u64>()
            + size_of::<u32>()
            + size_of::<u32>(),
    "BceWithLogitsTargets has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for BceWithLogitsTargets {}

const _: () = assert!(
    size_of::<BceWithLogitsCountParams>() == size_of::<BceWithLogitsTargets>() + size_of::<u64>(),
    "BceWithLogitsCountParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for BceWithLogitsCountParams {}

const _: () = assert!(
    size_of::<BceWithLogitsFwdParams>()
        == size_of::<BceWithLogitsTargets>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u32>()
            + size_of::<f32>(),
    "BceWithLogitsFwdParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for BceWithLogitsFwdParams {}

const _: () = assert!(
    size_of::<BceWithLogitsReduceParams>()
        == size_of::<u64>() + size_of::<u64>() + size_of::<u64>() + size_of::<u32>() + size_of::<u32>(),
    "BceWithLogitsReduceParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for BceWithLogitsReduceParams {}

const _: () = assert!(
    size_of::<CrossEntropyTotalsParams>()
        == size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<i64>()
            + size_of::<i64>()
            + size_of::<u32>()
            + size_of::<u32>(),
    "CrossEntropyTotalsParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for CrossEntropyTotalsParams {}

const _: () = assert!(
    size_of::<CrossEntropyFwdParams>()
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
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<f32>()
            + size_of::<f32>()
            + size_of::<f32>()
            + size_of::<f32>()
            + size_of::<f32>()
            + size_of::<f32>(),
    "CrossEntropyFwdParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for CrossEntropyFwdParams {}

const _: () = assert!(
    size_of::<CrossEntropyReduceParams>() == size_of::<u64>() + size_of::<u64>() + size_of::<u64>() + size_of::<i64>(),
    "CrossEntropyReduceParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for CrossEntropyReduceParams {}

const _: () = assert!(
    size_of::<DropoutFwdParams>()
        == size_of::<u64>()
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
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<f32>(),
    "DropoutFwdParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for DropoutFwdParams {}

const _: () = assert!(
    size_of::<EmbeddingLookup>() == size_of::<u64>() + size_of::<u64>() + size_of::<i64>() + size_of::<i64>(),
    "EmbeddingLookup has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for EmbeddingLookup {}

const _: () = assert!(
    size_of::<EmbeddingFwdParams>()
        == size_of::<EmbeddingLookup>()
            + size_of::<EmbeddingLookup>()
            + size_of::<EmbeddingLookup>()
            + size_of::<u64>()
            + size_of::<i64>()
            + size_of::<i64>()
            + size_of::<i64>()
            + size_of::<i64>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>(),
    "EmbeddingFwdParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for EmbeddingFwdParams {}

const _: () = assert!(
    size_of::<EmbeddingBwdParams>()
        == size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
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
            + size_of::<i64>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>(),
    "EmbeddingBwdParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for EmbeddingBwdParams {}

const _: () = assert!(
    size_of::<EmbeddingPositionsParams>()
        == size_of::<u64>()
            + size_of::<u64>()
            + size_of::<i64>()
            + size_of::<i64>()
            + size_of::<i64>()
            + size_of::<i64>()
            + size_of::<i64>()
            + size_of::<i64>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>(),
    "EmbeddingPositionsParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for EmbeddingPositionsParams {}

const _: () = assert!(
    size_of::<GeluFwdParams>()
        == size_of::<u64>() + size_of::<u64>() + size_of::<u64>() + size_of::<u64>() + size_of::<u64>(),
    "GeluFwdParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for GeluFwdParams {}

const _: () = assert!(
    size_of::<GeluBwdParams>()
        == size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>(),
    "GeluBwdParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for GeluBwdParams {}

const _: () = assert!(
    size_of::<GeluTiles>()
        == size_of::<i64>()
            + size_of::<i64>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>(),
    "GeluTiles has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for GeluTiles {}

const _: () = assert!(
    size_of::<GeluFwdGeneralParams>()
        == size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<i64>()
            + size_of::<i64>()
            + size_of::<GeluTiles>(),
    "GeluFwdGeneralParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for GeluFwdGeneralParams {}

const _: () = assert!(
    size_of::<GeluBwdGeneralParams>()
        == size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<i64>()
            + size_of::<i64>()
            + size_of::<i64>()
            + size_of::<GeluTiles>(),
    "GeluBwdGeneralParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for GeluBwdGeneralParams {}

const _: () = assert!(
    size_of::<GeluBwdReduceParams>() == size_of::<u64>() + size_of::<u64>() + size_of::<u32>() + size_of::<u32>(),
    "GeluBwdReduceParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for GeluBwdReduceParams {}

const _: () = assert!(size_of::<GradClipTensor>() == size_of::<u64>() + size_of::<u64>(), "GradClipTensor has padding");
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for GradClipTensor {}

const _: () = assert!(size_of::<GradClipChunk>() == size_of::<u32>() + size_of::<u32>(), "GradClipChunk has padding");
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for GradClipChunk {}

const _: () =
    assert!(size_of::<GradClipPartial>() == size_of::<f64>() + size_of::<u64>(), "GradClipPartial has padding");
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for GradClipPartial {}

const _: () = assert!(
    size_of::<GradClipNormParams>() == size_of::<u64>() + size_of::<u64>() + size_of::<u64>(),
    "GradClipNormParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for GradClipNormParams {}

const _: () = assert!(
    size_of::<GradClipValueParams>() == size_of::<u64>() + size_of::<u64>() + size_of::<f32>() + size_of::<u32>(),
    "GradClipValueParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for GradClipValueParams {}

const _: () = assert!(
    size_of::<GradClipFinishParams>()
        == size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u32>()
            + size_of::<f32>()
            + size_of::<f32>()
            + size_of::<f32>()
            + size_of::<f32>()
            + size_of::<u32>(),
    "GradClipFinishParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for GradClipFinishParams {}

const _: () = assert!(size_of::<LambPartial>() == size_of::<f64>() + size_of::<f64>(), "LambPartial has padding");
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for LambPartial {}

const _: () = assert!(
    size_of::<LambParams>()
        == size_of::<OptimizerList>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<f32>()
            + size_of::<f32>()
            + size_of::<f32>()
            + size_of::<f32>()
            + size_of::<u32>()
            + size_of::<u32>(),
    "LambParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for LambParams {}

const _: () = assert!(
    size_of::<LambRatesParams>()
        == size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<f32>()
            + size_of::<f32>()
            + size_of::<u32>()
            + size_of::<u32>(),
    "LambRatesParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for LambRatesParams {}

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
            + size_of::<i64>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<f32>()
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

const _: () = assert!(
    size_of::<LionParams>()
        == size_of::<OptimizerList>() + size_of::<f32>() + size_of::<f32>() + size_of::<f32>() + size_of::<f32>(),
    "LionParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for LionParams {}

const _: () = assert!(
    size_of::<MaskTokensFwdParams>()
        == size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<i64>()
            + size_of::<i64>()
            + size_of::<[i64; 8usize]>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>(),
    "MaskTokensFwdParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for MaskTokensFwdParams {}

const _: () = assert!(
    size_of::<QuantizeParams>()
        == size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>(),
    "QuantizeParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for QuantizeParams {}

const _: () = assert!(
    size_of::<RmsNormFwdParams>()
        == size_of::<u64>()
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
            + size_of::<f32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>(),
    "RmsNormFwdParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for RmsNormFwdParams {}

const _: () = assert!(
    size_of::<RmsNormBwdParams>()
        == size_of::<u64>()
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
            + size_of::<i64>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<f32>()
            + size_of::<f32>()
            + size_of::<u32>()
            + size_of::<u32>(),
    "RmsNormBwdParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for RmsNormBwdParams {}

const _: () = assert!(
    size_of::<RmsNormBwdReduceParams>() == size_of::<u64>() + size_of::<u64>() + size_of::<u32>() + size_of::<u32>(),
    "RmsNormBwdReduceParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for RmsNormBwdReduceParams {}

const _: () = assert!(
    size_of::<RotaryTensor>()
        == size_of::<u64>()
            + size_of::<u64>()
            + size_of::<[i64; 3usize]>()
            + size_of::<[i64; 3usize]>()
            + size_of::<u32>()
            + size_of::<u32>(),
    "RotaryTensor has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for RotaryTensor {}

const _: () =
    assert!(size_of::<RotaryTable>() == size_of::<u64>() + size_of::<[i64; 2usize]>(), "RotaryTable has padding");
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for RotaryTable {}

const _: () = assert!(
    size_of::<RotaryParams>()
        == size_of::<[RotaryTensor; 2usize]>()
            + size_of::<u64>()
            + size_of::<[i64; 2usize]>()
            + size_of::<i64>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<f32>()
            + size_of::<u32>()
            + size_of::<[RotaryTable; 2usize]>()
            + size_of::<i64>()
            + size_of::<[[u64; 32usize]; 4usize]>(),
    "RotaryParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for RotaryParams {}

const _: () = assert!(
    size_of::<SoftmaxFwdParams>()
        == size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<i64>()
            + size_of::<i64>()
            + size_of::<[i64; 4usize]>()
            + size_of::<i64>()
            + size_of::<i64>()
            + size_of::<[u32; 3usize]>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<f32>()
            + size_of::<u32>()
            + size_of::<u32>(),
    "SoftmaxFwdParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for SoftmaxFwdParams {}

const _: () = assert!(
    size_of::<SoftmaxBwdParams>()
        == size_of::<u64>()
            + size_of::<u64>()
            + size_of::<u64>()
            + size_of::<i64>()
            + size_of::<i64>()
            + size_of::<i64>()
            + size_of::<i64>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<u32>()
            + size_of::<f32>()
            + size_of::<u32>(),
    "SoftmaxBwdParams has padding"
);
// SAFETY: the type is `repr(C)`, and the line above shows that its fields fill it.
unsafe impl crate::device::Params for SoftmaxBwdParams {}
