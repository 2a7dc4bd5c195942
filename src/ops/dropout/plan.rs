//! From a description of the tensors to a launch: checks, the way that work is shared. Pure.

use super::{BACKWARD, BackwardDesc, FORWARD, ForwardDesc, kernels};
use crate::abi::DropoutFwdParams;
use crate::check::{address, disjoint};
use crate::device::{self, Caps, Launch};
use crate::error::{Error, Result};
use crate::ops::tiles::{Tensor, Walk, apart_or_in_place};
use crate::random::{RandomDesc, words_below};
use crate::view::TensorDesc;

/// A pass that has been checked, ready to be launched any number of times.
pub type Plan = device::Plan<Launch<DropoutFwdParams>>;

/// Checks a forward pass and decides how it runs. Dropout runs alike on every device, so `_caps` decides nothing.
///
/// # Errors
/// [`Error::Shape`], [`Error::Stride`], [`Error::DType`], [`Error::Null`], [`Error::Misaligned`], [`Error::Aliasing`] and
/// [`Error::IndexRange`] name the argument; [`Error::Unsupported`] the element type or a probability outside of 0 to 1.
pub fn plan_forward(desc: &ForwardDesc, _caps: &Caps) -> Result<Plan> {
    let names = ["input", "residual", "output"];
    let tensors = Tensors { input: &desc.input, residual: desc.residual.as_ref(), output: &desc.output };
    plan(FORWARD, names, &tensors, &desc.random, desc.probability)
}

/// Checks a backward pass and decides how it runs. Dropout runs alike on every device, so `_caps` decides nothing.
///
/// # Errors
/// Those of [`plan_forward`].
pub fn plan_backward(desc: &BackwardDesc, _caps: &Caps) -> Result<Plan> {
    let names = ["grad_output", "", "grad_input"];
    let tensors = Tensors { input: &desc.grad_output, residual: None, output: &desc.grad_input };
    plan(BACKWARD, names, &tensors, &desc.random, desc.probability)
}

/// The tensors of either pass.
struct Tensors<'a> {
    input: &'a TensorDesc,
    residual: Option<&'a TensorDesc>,
    output: &'a TensorDesc,
}

fn plan(
    op: &'static str,
    names: [&'static str; 3],
    tensors: &Tensors<'_>,
    random: &RandomDesc,
    probability: f32,
) -> Result<Plan> {
    let input = Tensor::first(op, names[0], tensors.input)?;
    let kernel = kernels::FORWARD.of(op, tensors.input.dtype)?;
    if !(0.0..=1.0).contains(&probability) {
        let what = format!("a probability of {probability}");
        return Err(Error::Unsupported { op, what, supported: "0 to 1" });
    }
    let residual = tensors.residual.map(|residual| input.like(names[1], residual)).transpose()?;
    let output = input.like(names[2], tensors.output)?;
    let state = random.check(op)?;
    apart_or_in_place(&[output], &[input, residual.unwrap_or(input)])?;
    disjoint(&[output.arg], &[state])?;

    let walk = Walk::over(&[input, residual.unwrap_or(input), output])?;
    // A vector has whole blocks of words where it begins at a multiple of four elements of the whole.
    let on_blocks = walk.tiling.rows == 1 || walk.tiling.width.is_multiple_of(4);
    let (random_words, threshold, scale) = match probability {
        0.0 => (false, 0, 1.0),
        1.0 => (false, 1, 0.0),
        p => (true, words_below(p.into()) as u32, (1.0 / (1.0 - f64::from(p))) as f32),
    };
    let params = DropoutFwdParams {
        input: tensors.input.address,
        residual: address(residual.map(|residual| residual.arg)),
        output: tensors.output.address,
        state: state.tensor.address,
        random_offset: random.offset,
        input_stride: walk.stride(input),
        residual_stride: residual.map_or(0, |residual| walk.stride(residual)),
        output_stride: walk.stride(output),
        rows: walk.tiling.rows as i64,
        rows_per_block: walk.rows_per_block as i64,
        width: walk.tiling.width as u32,
        threads_per_row: walk.tiling.threads_per_row as u32,
        vectorised: (walk.vectorised && on_blocks).into(),
        random: random_words.into(),
        threshold,
        scale,
    };
    Ok(Plan::new(Launch { kernel, shape: walk.tiling.shape(walk.rows_per_block), params }))
}
