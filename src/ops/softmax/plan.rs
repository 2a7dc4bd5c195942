//! From a description of the tensors to launches: checks, the choice of the kernel, the way that work is shared. Pure.

use super::{BACKWARD, BackwardDesc, FORWARD, ForwardDesc, MAX_WIDTH, MaskDesc, kernels};
use crate::abi::{SOFTMAX_THREADS, SOFTMAX_VECTORS, SoftmaxBwdParams, SoftmaxFwdParams};
use crate::check::{Arg, Rows, address, disjoint_present};
use crate::device::{Caps, Launch, Plan};
use crate::element::DType;
use crate::error::{Error, Result};
use crate::ops::resident::{Bounds, Resident};
use crate::view::{Shape, TensorDesc};

const MAX_ROWS: u64 = i32::MAX as u64;
/// The most leading dimensions: a tensor has one more.
const LEADING: usize = 4;

/// A forward pass that has been checked, ready to be launched any number of times.
pub type ForwardPlan = Plan<Launch<SoftmaxFwdParams>>;

/// A backward pass that has been checked, ready to be launched any number of times.
pub type BackwardPlan = Plan<Launch<SoftmaxBwdParams>>;

/// Checks a forward pass and decides how it runs.
///
/// # Errors
/// [`Error::Shape`], [`Error::Stride`], [`Error::DType`], [`Error::Null`], [`Error::Misaligned`], [`Error::Aliasing`] and
/// [`Error::IndexRange`] name the argument; [`Error::Unsupported`] the element type or the scale.
pub fn plan_forward(desc: &ForwardDesc, caps: &Caps) -> Result<ForwardPlan> {
    let TensorDesc { shape, dtype, .. } = desc.input;
    let (input, rows) = first(FORWARD, "input", &desc.input)?;
    let kernel = kernels::FORWARD.of(FORWARD, dtype)?;
    let scale = check_scale(FORWARD, desc.options.scale)?;
    let (output, output_rows) = like(FORWARD, "output", &desc.output, shape, dtype)?;
    let (mask, mask_adds) = match &desc.mask {
        Some(MaskDesc::Keep(tensor)) => (Some(check_mask(tensor, shape, DType::U8)?), false),
        Some(MaskDesc::Add(tensor)) => (Some(check_mask(tensor, shape, dtype)?), true),
        None => (None, false),
    };
    let in_place = desc.output == desc.input;
    let other = mask.map(|(mask, _)| mask);
    disjoint_present(&[Some(output)], &[(!in_place).then_some(input), other])?;

    let teams = Resident::of(rows.width as u32, dtype, &bounds(1), caps);
    let leading = &shape[..shape.len().saturating_sub(1)];
    // Extents of the last three leading dimensions, where there are fewer: ones.
    let mut extents = [1; 3];
    for (extent, &n) in extents.iter_mut().rev().zip(leading.iter().rev()) {
        *extent = n as u32;
    }
    let params = SoftmaxFwdParams {
        input: desc.input.address,
        mask: address(other),
        output: desc.output.address,
        input_stride: rows.stride,
        output_stride: output_rows.stride,
        mask_strides: mask.map_or([0; LEADING], |(_, strides)| strides),
        rows: rows.rows,
        diagonal: desc.options.causal.unwrap_or(0),
        extents,
        width: rows.width as u32,
        threads_per_row: teams.threads,
        batches: teams.batches,
        shared_vectors: teams.shared_vectors,
        mask_adds: mask_adds.into(),
        causal: desc.options.causal.is_some().into(),
        scale,
        logarithm: desc.options.logarithm.into(),
        reserved: 0,
    };
    Ok(Plan::new(Launch { kernel, shape: teams.shape(rows.rows as u64), params }))
}

/// Checks a backward pass and decides how it runs.
///
/// # Errors
/// Those of [`plan_forward`].
pub fn plan_backward(desc: &BackwardDesc, caps: &Caps) -> Result<BackwardPlan> {
    let TensorDesc { shape, dtype, .. } = desc.output;
    let (output, rows) = first(BACKWARD, "output", &desc.output)?;
    let kernel = kernels::BACKWARD.of(BACKWARD, dtype)?;
    let scale = check_scale(BACKWARD, desc.options.scale)?;
    let (grad_output, grad_output_rows) = like(BACKWARD, "grad_output", &desc.grad_output, shape, dtype)?;
    let (grad_input, grad_input_rows) = like(BACKWARD, "grad_input", &desc.grad_input, shape, dtype)?;
    let in_place = desc.grad_input == desc.grad_output;
    disjoint_present(&[Some(grad_input)], &[Some(output), (!in_place).then_some(grad_output)])?;

    let teams = Resident::of(rows.width as u32, dtype, &bounds(2), caps);
    let params = SoftmaxBwdParams {
        output: desc.output.address,
        grad_output: desc.grad_output.address,
        grad_input: desc.grad_input.address,
        output_stride: rows.stride,
        grad_output_stride: grad_output_rows.stride,
        grad_input_stride: grad_input_rows.stride,
        rows: rows.rows,
        width: rows.width as u32,
        threads_per_row: teams.threads,
        batches: teams.batches,
        shared_vectors: teams.shared_vectors,
        scale,
        logarithm: desc.options.logarithm.into(),
    };
    Ok(Plan::new(Launch { kernel, shape: teams.shape(rows.rows as u64), params }))
}

/// What the kernels keep on chip.
const fn bounds(arrays: u32) -> Bounds {
    Bounds { vectors: SOFTMAX_VECTORS, threads: SOFTMAX_THREADS, arrays }
}

/// The tensor that all others follow.
fn first<'a>(op: &'static str, name: &'static str, tensor: &'a TensorDesc) -> Result<(Arg<'a>, Rows)> {
    let arg = Arg::new(op, name, tensor).sound()?;
    let rows = arg.rows()?;
    let limits = [("the width", rows.width, MAX_WIDTH as u64), ("the number of rows", rows.rows as u64, MAX_ROWS)];
    match limits.into_iter().find(|&(_, got, limit)| got > limit) {
        Some((what, got, limit)) => Err(Error::IndexRange { op, argument: name, what, limit, got }),
        None => Ok((arg, rows)),
    }
}

fn like<'a>(
    op: &'static str,
    name: &'static str,
    tensor: &'a TensorDesc,
    shape: Shape,
    dtype: DType,
) -> Result<(Arg<'a>, Rows)> {
    let arg = Arg::new(op, name, tensor).sound()?.dtype(dtype)?.shape(shape)?;
    Ok((arg, arg.rows()?))
}

/// A mask, and its strides along the leading dimensions: 0 along those in which it has one element.
fn check_mask(tensor: &TensorDesc, shape: Shape, dtype: DType) -> Result<(Arg<'_>, [i64; LEADING])> {
    let arg = Arg::new(FORWARD, "mask", tensor).sound()?.dtype(dtype)?;
    let leading = shape.len().saturating_sub(1);
    let repeats = |d: usize| tensor.shape.get(d) == Some(&1);
    let mut expected = [1; LEADING + 1];
    for (d, extent) in expected.iter_mut().enumerate().take(shape.len()) {
        *extent = if d < leading && repeats(d) { 1 } else { shape[d] };
    }
    let arg = arg.shape(Shape::try_from(&expected[..shape.len()])?)?.unit_inner_stride()?;
    let mut strides = [0; LEADING];
    for (stride, d) in strides.iter_mut().rev().zip((0..leading).rev()) {
        *stride = if repeats(d) { 0 } else { tensor.strides[d] };
    }
    Ok((arg, strides))
}

fn check_scale(op: &'static str, scale: f32) -> Result<f32> {
    if scale.is_finite() {
        return Ok(scale);
    }
    Err(Error::Unsupported { op, what: format!("a scale of {scale}"), supported: "finite ones" })
}
