//! From a description of the tensors to a launch: checks, the way that work is shared. Pure.

use super::{BACKWARD, BackwardDesc, FORWARD, ForwardDesc, GateDesc, kernels};
use crate::abi::{ActivationBwdParams, ActivationFwdParams};
use crate::check::{Arg, Rows, disjoint};
use crate::device::{Caps, Launch, Plan};
use crate::error::{Error, Result};
use crate::ops::tiles::{MAX_WIDTH, Tiling, lanes};
use crate::view::TensorDesc;

/// The longest row that tensors without gaps are cut into.
const FOLD: u64 = 4096;

/// A forward pass that has been checked, ready to be launched any number of times.
pub type ForwardPlan = Plan<Launch<ActivationFwdParams>>;

/// A backward pass that has been checked, ready to be launched any number of times.
pub type BackwardPlan = Plan<Launch<ActivationBwdParams>>;

/// Checks a forward pass and decides how it runs. Activations run alike on every device, so `_caps` decides nothing.
///
/// # Errors
/// [`Error::Shape`], [`Error::Stride`], [`Error::DType`], [`Error::Null`], [`Error::Misaligned`], [`Error::Aliasing`] and
/// [`Error::IndexRange`] name the argument; [`Error::Unsupported`] the element type.
pub fn plan_forward(desc: &ForwardDesc, _caps: &Caps) -> Result<ForwardPlan> {
    let input = Tensor::first(FORWARD, name("input", "gate", desc.up.is_some()), &desc.input)?;
    let kernel = kernels::FORWARD.of(FORWARD, desc.input.dtype)?;
    let up = desc.up.as_ref().map(|up| input.like("up", up)).transpose()?;
    let output = input.like("output", &desc.output)?;
    apart_or_in_place(&[output], &[input, up.unwrap_or(input)])?;

    let walk = Walk::over(&[input, up.unwrap_or(input), output])?;
    let params = ActivationFwdParams {
        input: desc.input.address,
        up: address(up),
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
        up: address(up),
        grad_input: desc.grad_input.address,
        grad_up: address(grad_up),
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

fn address(tensor: Option<Tensor<'_>>) -> u64 {
    tensor.map_or(0, |tensor| tensor.arg.tensor.address)
}

/// A tensor with its rows.
#[derive(Clone, Copy)]
struct Tensor<'a> {
    arg: Arg<'a>,
    rows: Rows,
}

impl<'a> Tensor<'a> {
    fn first(op: &'static str, name: &'static str, tensor: &'a TensorDesc) -> Result<Self> {
        let arg = Arg::new(op, name, tensor).sound()?;
        Ok(Self { arg, rows: arg.rows()? })
    }

    /// Another tensor of the same shape and type.
    fn like(&self, name: &'static str, tensor: &'a TensorDesc) -> Result<Self> {
        let TensorDesc { shape, dtype, .. } = *self.arg.tensor;
        let arg = Arg::new(self.arg.op, name, tensor).sound()?.dtype(dtype)?.shape(shape)?;
        Ok(Self { arg, rows: arg.rows()? })
    }
}

/// Each output is exactly the memory of one of the inputs or apart from it, and apart from the other outputs. A thread reads an element of
/// every input before it writes that of any output.
fn apart_or_in_place(outputs: &[Tensor<'_>], inputs: &[Tensor<'_>]) -> Result<()> {
    for (i, output) in outputs.iter().enumerate() {
        disjoint(&[output.arg], &[])?;
        outputs[..i].iter().try_for_each(|earlier| disjoint(&[output.arg], &[earlier.arg]))?;
        let others = inputs.iter().filter(|input| input.arg.tensor != output.arg.tensor);
        others.into_iter().try_for_each(|input| disjoint(&[output.arg], &[input.arg]))?;
    }
    Ok(())
}

/// How the kernel walks over the tensors of a call.
struct Walk {
    tiling: Tiling,
    rows_per_block: u64,
    vectorised: bool,
    /// Whether all tensors are taken as rows of another length, which nothing lies between.
    folded: bool,
}

impl Walk {
    fn over(tensors: &[Tensor<'_>]) -> Result<Self> {
        let Tensor { arg, mut rows } = tensors[0];
        let dtype = arg.tensor.dtype;
        let lanes = lanes(dtype);
        // Without gaps, rows can be of any length that divides the whole: of whole vectors, and not so long that each thread has only one.
        let count = rows.rows as u64 * rows.width;
        let length = FOLD.min(1 << count.trailing_zeros());
        let better = length >= FOLD / 8 || (length >= lanes && !rows.width.is_multiple_of(lanes));
        let folded = better && tensors.iter().all(|tensor| tensor.rows.is_contiguous());
        if folded {
            rows = Rows { rows: (count / length) as i64, width: length, stride: length as i64 };
        }
        if rows.width > MAX_WIDTH {
            let what = "the number of elements in a row";
            return Err(Error::IndexRange { op: arg.op, argument: arg.name, what, limit: MAX_WIDTH, got: rows.width });
        }
        let tiling = Tiling::of(rows, dtype);
        let rows_per_block = tiling.short_blocks();
        let vectorised = tensors.iter().all(|Tensor { arg, rows: own }| {
            let stride = if folded { rows.stride } else { own.stride };
            arg.tensor.address.is_multiple_of(16) && (rows.rows == 1 || (stride as u64).is_multiple_of(lanes))
        });
        Ok(Self { tiling, rows_per_block, vectorised, folded })
    }

    fn stride(&self, tensor: Tensor<'_>) -> i64 {
        if self.folded { self.tiling.width as i64 } else { tensor.rows.stride }
    }
}
