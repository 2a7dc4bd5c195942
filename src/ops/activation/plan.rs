//! From a description of the tensors to a launch: checks, the way that work is shared. Pure.

use super::{BACKWARD, BackwardDesc, FORWARD, ForwardDesc, GateDesc, kernels};
use crate::abi::{ActivationBwdParams, ActivationFwdParams};
use crate::check::address;
use crate::device::{Caps, Launch, Plan};
use crate::error::Result;
use crate::ops::tiles::{Tensor, Walk, apart_or_in_place};

/// A forward pass that has been checked, ready to be launched any number of times.
pub type ForwardPlan = Plan<Launch<ActivationFwdParams>>;

/// A backward pass that has been checked, ready to be launched any number of times.
pub type BackwardPlan = Plan<Launch<ActivationBwdParams>>;

/// Checks a forward pass and decides how it runs. Activations run alike on every device, so `_caps` decides nothing.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape), [`Error::Stride`](crate::Error::Stride), [`Error::DType`](crate::Error::DType),
/// [`Error::Null`](crate::Error::Null), [`Error::Misaligned`](crate::Error::Misaligned),
/// [`Error::Aliasing`](crate::Error::Aliasing) and [`Error::IndexRange`](crate::Error::IndexRange) name the argument;
/// [`Error::Unsupported`](crate::Error::Unsupported) the element type.
pub fn plan_forward(desc: &ForwardDesc, _caps: &Caps) -> Result<ForwardPlan> {
    let input = Tensor::first(FORWARD, name("input", "gate", desc.up.is_some()), &desc.input)?;
    let kernel = kernels::FORWARD.of(FORWARD, desc.input.dtype)?;
    let up = desc.up.as_ref().map(|up| input.like("up", up)).transpose()?;
    let output = input.like("output", &desc.output)?;
    apart_or_in_place(&[output], &[input, up.unwrap_or(input)])?;

    let walk = Walk::over(&[input, up.unwrap_or(input), output])?;
    let params = ActivationFwdParams {
        input: desc.input.address,
        up: address(up.map(|up| up.arg)),
        output: desc.output.address,
        input_stride: walk.stride(input),
        up_stride: up.map_or(0, |up| walk.stride(up)),
        output_stride: walk.stride(output),
        rows: walk.tiling.rows as i64,
        rows_per_block: walk.rows_per_block as i64,
        width: walk.tiling.width as u32,
        threads_per_row: walk.tiling.threads_per_row as u32,
        vectorised: walk.vectorised.into(),
        function: desc.function.code(),
    };
    Ok(Plan::new(Launch { kernel, shape: walk.tiling.shape(walk.rows_per_block), params }))
}

/// Checks a backward pass and decides how it runs. Activations run alike on every device, so `_caps` decides nothing.
///
/// # Errors
/// Those of [`plan_forward`].
pub fn plan_backward(desc: &BackwardDesc, _caps: &Caps) -> Result<BackwardPlan> {
    let gated = desc.gate.is_some();
    let input = Tensor::first(BACKWARD, name("input", "gate", gated), &desc.input)?;
    let kernel = kernels::BACKWARD.of(BACKWARD, desc.input.dtype)?;
    let grad_output = input.like("grad_output", &desc.grad_output)?;
    let grad_input = input.like(name("grad_input", "grad_gate", gated), &desc.grad_input)?;
    let gate = match &desc.gate {
        Some(GateDesc { up, grad_up }) => Some((input.like("up", up)?, input.like("grad_up", grad_up)?)),
        None => None,
    };
    let (up, grad_up) = (gate.map(|(up, _)| up), gate.map(|(_, grad_up)| grad_up));
    let outputs = [grad_input, grad_up.unwrap_or(grad_input)];
    apart_or_in_place(&outputs[..1 + usize::from(gated)], &[grad_output, input, up.unwrap_or(input)])?;

    let walk = Walk::over(&[input, grad_output, up.unwrap_or(input), grad_input, grad_up.unwrap_or(grad_input)])?;
    let params = ActivationBwdParams {
        grad_output: desc.grad_output.address,
        input: desc.input.address,
        up: address(up.map(|up| up.arg)),
        grad_input: desc.grad_input.address,
        grad_up: address(grad_up.map(|grad_up| grad_up.arg)),
        grad_output_stride: walk.stride(grad_output),
        input_stride: walk.stride(input),
        up_stride: up.map_or(0, |up| walk.stride(up)),
        grad_input_stride: walk.stride(grad_input),
        grad_up_stride: grad_up.map_or(0, |grad_up| walk.stride(grad_up)),
        rows: walk.tiling.rows as i64,
        rows_per_block: walk.rows_per_block as i64,
        width: walk.tiling.width as u32,
        threads_per_row: walk.tiling.threads_per_row as u32,
        vectorised: walk.vectorised.into(),
        function: desc.function.code(),
    };
    Ok(Plan::new(Launch { kernel, shape: walk.tiling.shape(walk.rows_per_block), params }))
}

const fn name(plain: &'static str, gated: &'static str, is_gated: bool) -> &'static str {
    if is_gated { gated } else { plain }
}
