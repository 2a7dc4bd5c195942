//! From a description of the tensors to chunks of launches and products. Pure.

use super::{ForwardDesc, MatMul, OP, Operand, Options};
use crate::abi::{CrossEntropyFwdParams, CrossEntropyReduceParams, CrossEntropyTotalsParams};
use crate::check::{Arg, address, disjoint_present};
use crate::device::{Caps, Launch, Queue};
use crate::element::DType;
use crate::error::Result;
use crate::ops::cross_entropy::kernels::ROWS;
use crate::ops::cross_entropy::pass::{
    MAX_ROWS, Needs, Pass, check_options, chunk, optional_vector, targets, teams, unsupported, vector,
};
use crate::ops::cross_entropy::{MAX_WIDTH, Reduction};
use crate::ops::resident::Resident;
use crate::view::{Shape, TensorDesc};

#[cfg(doc)]
use crate::error::Error;

/// Bytes at whose multiples the logits and their rows begin.
const ALIGNMENT: usize = 16;

/// A pass that has been checked, ready to be launched any number of times.
#[derive(Clone, Copy, Debug)]
pub struct ForwardPlan {
    totals: Option<Launch<CrossEntropyTotalsParams>>,
    rows: Launch<CrossEntropyFwdParams>,
    reduce: Option<Launch<CrossEntropyReduceParams>>,
    teams: Resident,
    /// `[chunk rows, V]`.
    logits: TensorDesc,
    desc: ForwardDesc,
}

/// The rows of a chunk as Liger chooses them (`fused_linear_cross_entropy.py`): so many that the logits of a chunk are about as large as
/// `hidden`, that is `N` over `V / D` rounded up, as a power of two; at most `N`.
pub fn chunk_rows([rows, depth]: [usize; 2], classes: usize) -> usize {
    let shares = classes.div_ceil(depth.max(1)).max(1);
    rows.div_ceil(shares).checked_next_power_of_two().map_or(rows, |chunk| chunk.min(rows))
}

/// Bytes of workspace for `hidden` of this shape in this type and so many classes: one chunk of logits, its rows padded to 16 bytes, and
/// before them 16 bytes and, but for [`Reduction::None`], 4 bytes a row.
pub fn workspace_bytes(hidden: [usize; 2], classes: usize, dtype: DType, options: &Options) -> usize {
    let chunk = rows_of_chunk(hidden, classes, options);
    let logits = pitch(classes, dtype).saturating_mul(dtype.size()).saturating_mul(chunk);
    sums_bytes(hidden[0], options).saturating_add(logits)
}

/// Bytes of workspace ahead of the logits.
fn sums_bytes(rows: usize, options: &Options) -> usize {
    let needs = Needs { totals: true, losses: options.loss.reduction != Reduction::None };
    let bytes = usize::try_from(needs.bytes(rows as u64)).unwrap_or(usize::MAX);
    bytes.checked_next_multiple_of(ALIGNMENT).unwrap_or(usize::MAX)
}

fn rows_of_chunk(hidden: [usize; 2], classes: usize, options: &Options) -> usize {
    options.chunk_rows.unwrap_or_else(|| chunk_rows(hidden, classes)).min(hidden[0])
}

/// The distance of two rows of logits, in elements.
fn pitch(classes: usize, dtype: DType) -> usize {
    classes.checked_next_multiple_of(ALIGNMENT / dtype.size()).unwrap_or(usize::MAX)
}

/// Checks a pass and decides how it runs.
///
/// # Errors
/// [`Error::Shape`], [`Error::Stride`], [`Error::DType`], [`Error::Null`], [`Error::Misaligned`], [`Error::Aliasing`],
/// [`Error::IndexRange`] and [`Error::WorkspaceTooSmall`] name the argument; [`Error::Unsupported`] an element type, an option, or a
/// call without any result.
pub fn plan_forward(desc: &ForwardDesc, caps: &Caps) -> Result<ForwardPlan> {
    let dtype = desc.hidden.dtype;
    let kernel = ROWS.of(OP, dtype)?;
    let hidden = matrix("hidden", &desc.hidden, dtype)?.extent_at_most(0, "the number of rows", MAX_ROWS)?;
    let weight = matrix("weight", &desc.weight, dtype)?;
    let weight = weight.extent_at_most(0, "the number of classes", MAX_WIDTH as u64)?;
    let (&[rows, depth], &[classes, _]) = (&*desc.hidden.shape, &*desc.weight.shape) else {
        return Err(unsupported(OP, "tensors of other dimensions".into(), "matrices"));
    };
    let weight = weight.shape([classes, depth])?;
    check_options(OP, &desc.options.loss)?;
    if desc.options.chunk_rows == Some(0) {
        return Err(unsupported(OP, "chunks of 0 rows".into(), "at least one"));
    }
    let chunk_rows = rows_of_chunk([rows, depth], classes, &desc.options);

    let of_type = |name, tensor, len| vector(OP, name, tensor, dtype, Shape::from([len]));
    let f32_vector = |name, tensor, len| optional_vector(OP, name, tensor, DType::F32, Shape::from([len]));
    let bias = desc.bias.as_ref().map(|bias| of_type("bias", &bias.bias, classes)).transpose()?;
    let ones = desc.bias.as_ref().map(|bias| of_type("ones", &bias.ones, chunk_rows)).transpose()?;
    let grad_bias = desc.bias.as_ref().and_then(|bias| bias.grad_bias.as_ref());
    let grad_bias = f32_vector("grad_bias", grad_bias, classes)?;
    let gradient = |name, tensor: Option<_>, dtype, shape: [usize; 2]| {
        tensor.map(|tensor| matrix(name, tensor, dtype)?.shape(shape)).transpose()
    };
    let grad_hidden = gradient("grad_hidden", desc.grad_hidden.as_ref(), dtype, [rows, depth])?;
    let grad_weight = gradient("grad_weight", desc.grad_weight.as_ref(), DType::F32, [classes, depth])?;
    let of_loss = if desc.options.loss.reduction == Reduction::None { rows } else { 1 };
    let targets = targets(OP, &desc.targets, [rows].into())?;
    let class_weight = f32_vector("class_weight", desc.class_weight.as_ref(), classes)?;
    let grad_loss = f32_vector("grad_loss", desc.grad_loss.as_ref(), of_loss)?;
    let loss = f32_vector("loss", desc.loss.as_ref(), of_loss)?;
    let lse = f32_vector("lse", desc.lse.as_ref(), rows)?;
    let kept = f32_vector("totals", desc.totals.as_ref(), 2)?;
    let wants_gradient = grad_hidden.or(grad_weight).or(grad_bias).is_some();
    if loss.or(lse).is_none() && !wants_gradient {
        return Err(unsupported(OP, "a call without any result".into(), "`loss`, `lse` or a gradient"));
    }
    let required = workspace_bytes([rows, depth], classes, dtype, &desc.options);
    let workspace = Arg::new(OP, "workspace", &desc.workspace).sound()?.dtype(DType::U8)?.workspace(required as u64)?;
    disjoint_present(
        &[grad_hidden, grad_weight, grad_bias, loss, lse, kept, Some(workspace)],
        &[Some(hidden), Some(weight), bias, ones, Some(targets), class_weight, grad_loss],
    )?;

    let logits = TensorDesc {
        address: desc.workspace.address + sums_bytes(rows, &desc.options) as u64,
        shape: [chunk_rows, classes].into(),
        strides: [pitch(classes, dtype) as i64, 1].into(),
        dtype,
    };
    let pass = Pass {
        logits: (logits.address, logits.strides[0]),
        gradient: if wants_gradient { (logits.address, logits.strides[0]) } else { (0, 0) },
        targets: desc.targets.address,
        target_type: desc.targets.dtype,
        weight: address(class_weight),
        grad_loss: address(grad_loss),
        loss: address(loss),
        lse: address(lse),
        kept: address(kept),
        workspace: desc.workspace.address,
        rows: rows as i64,
        width: classes as u32,
        options: desc.options.loss,
    };
    let teams = teams(dtype, pass.width, caps);
    let all = pass.rows(kernel, &teams);
    Ok(ForwardPlan { totals: pass.totals(), rows: all, reduce: pass.reduce(), teams, logits, desc: *desc })
}

/// Rows of neighbouring elements.
fn matrix<'a>(name: &'static str, tensor: &'a TensorDesc, dtype: DType) -> Result<Arg<'a>> {
    let arg = Arg::new(OP, name, tensor).sound()?.dtype(dtype)?.rank(2)?;
    arg.rows()?;
    Ok(arg)
}

impl ForwardPlan {
    /// Queues the launches and, through `multiply`, the products, in the order in which they depend on one another. Where one of the
    /// kernels cannot be loaded, nothing is queued.
    ///
    /// # Safety
    /// The memory that the description named is alive until everything has run, and nothing else touches it in a conflicting way
    /// meanwhile. `multiply` queues on the same stream, or in the same order.
    ///
    /// # Errors
    /// Those of loading and launching a kernel, and those of `multiply`.
    pub unsafe fn launch(&self, queue: &impl Queue, mut multiply: impl FnMut(&MatMul) -> Result<()>) -> Result<()> {
        self.preload(queue)?;
        if let Some(totals) = &self.totals {
            // SAFETY: the plan keeps the kernel inside the tensors, whose memory is the caller's promise.
            unsafe { totals.queue(queue)? };
        }
        for first in (0..self.desc.hidden.shape[0]).step_by(self.chunk_rows()) {
            let rows = self.chunk_rows().min(self.desc.hidden.shape[0] - first);
            self.forward_products(first, rows).into_iter().flatten().try_for_each(|product| multiply(&product))?;
            let chunk = chunk(&self.rows, &self.teams, first as i64, rows as i64);
            // SAFETY: as above; the rows of the chunk are some of those that were checked, and their logits lie in the workspace.
            unsafe { chunk.queue(queue)? };
            self.backward_products(first, rows).into_iter().flatten().try_for_each(|product| multiply(&product))?;
        }
        match &self.reduce {
            // SAFETY: as above; every chunk has written its losses.
            Some(reduce) => unsafe { reduce.queue(queue) },
            None => Ok(()),
        }
    }

    /// Loads the kernels ahead of the first launch, as before the capture of a stream.
    ///
    /// # Errors
    /// Those of loading a kernel.
    pub fn preload(&self, queue: &impl Queue) -> Result<()> {
        self.totals.iter().try_for_each(|launch| launch.preload(queue))?;
        self.rows.preload(queue)?;
        self.reduce.iter().try_for_each(|launch| launch.preload(queue))
    }

    /// Rows of a chunk; the last may have fewer.
    pub fn chunk_rows(&self) -> usize {
        self.logits.shape[0]
    }

    /// The logits of a chunk.
    fn forward_products(&self, first: usize, rows: usize) -> [Option<MatMul>; 2] {
        let output = some_rows(&self.logits, 0, rows);
        let bias = self.desc.bias.as_ref().map(|bias| MatMul {
            a: Operand::plain(reshaped(&bias.ones, [rows, 1])),
            b: Operand::plain(reshaped(&bias.bias, [1, self.logits.shape[1]])),
            output,
            accumulate: false,
        });
        let logits = MatMul {
            a: Operand::plain(some_rows(&self.desc.hidden, first, rows)),
            b: Operand::transposed(self.desc.weight),
            output,
            accumulate: bias.is_some(),
        };
        [bias, Some(logits)]
    }

    /// What the gradient of a chunk's logits gives.
    fn backward_products(&self, first: usize, rows: usize) -> [Option<MatMul>; 3] {
        let gradient = some_rows(&self.logits, 0, rows);
        let accumulate = self.desc.options.accumulate || first > 0;
        let hidden = self.desc.grad_hidden.map(|grad_hidden| MatMul {
            a: Operand::plain(gradient),
            b: Operand::plain(self.desc.weight),
            output: some_rows(&grad_hidden, first, rows),
            accumulate: false,
        });
        let weight = self.desc.grad_weight.map(|output| MatMul {
            a: Operand::transposed(gradient),
            b: Operand::plain(some_rows(&self.desc.hidden, first, rows)),
            output,
            accumulate,
        });
        let bias = self.desc.bias.and_then(|bias| {
            let output = reshaped(&bias.grad_bias?, [1, self.logits.shape[1]]);
            let a = Operand::plain(reshaped(&bias.ones, [1, rows]));
            Some(MatMul { a, b: Operand::plain(gradient), output, accumulate })
        });
        [hidden, weight, bias]
    }
}

/// `rows` rows of a matrix from `first` on.
fn some_rows(matrix: &TensorDesc, first: usize, rows: usize) -> TensorDesc {
    let TensorDesc { address, shape, strides, dtype } = *matrix;
    let skipped = first as u64 * strides[0] as u64 * dtype.size() as u64;
    TensorDesc { address: address + skipped, shape: [rows, shape[1]].into(), strides, dtype }
}

/// The first elements of a vector as a matrix.
fn reshaped(vector: &TensorDesc, shape: [usize; 2]) -> TensorDesc {
    TensorDesc::contiguous(vector.address, shape, vector.dtype)
}
