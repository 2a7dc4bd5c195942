//! From a list of gradients to the table that kernels read, and from the table to launches. Pure.

use super::kernels::{FINISH, KERNELS, Kernels};
use super::{Desc, NormDesc, OP, Rule};
use crate::abi::{
    GRAD_CLIP_CHUNK, GRAD_CLIP_THREADS, GradClipChunk, GradClipFinishParams, GradClipNormParams, GradClipPartial,
    GradClipTensor, GradClipValueParams,
};
use crate::check::{Arg, disjoint};
use crate::device::{self, Caps, Launch, LaunchShape, Params, Queue};
use crate::element::DType;
use crate::error::{Error, Result};
use crate::view::TensorDesc;

/// Chunks are blocks of threads along the first dimension of a grid.
const MAX_CHUNKS: u64 = i32::MAX as u64;

/// A list of gradients that has been checked, and how its kernels are launched.
#[derive(Clone, Debug)]
pub struct Plan {
    gradients: Vec<(u64, usize)>,
    dtype: DType,
    norm: Launch<GradClipNormParams>,
    finish: Launch<GradClipFinishParams>,
    value: Launch<GradClipValueParams>,
}

/// A norm that has been checked, ready to be launched any number of times.
pub type NormPlan = device::Plan<(Launch<GradClipNormParams>, Launch<GradClipFinishParams>)>;

fn chunks_of(gradient: &TensorDesc) -> u64 {
    (gradient.shape.elements() as u64).div_ceil(GRAD_CLIP_CHUNK.into())
}

/// The kernels of the list, its element type, and its chunks.
fn check(gradients: &[TensorDesc]) -> Result<(&'static Kernels, DType, u64)> {
    let unsupported = |what: String, supported| Error::Unsupported { op: OP, what, supported };
    let first = gradients.first().ok_or_else(|| unsupported("an empty list".into(), "at least one gradient"))?;
    let dtype = first.dtype;
    let kernels = KERNELS.of(OP, dtype)?;
    for (index, gradient) in gradients.iter().enumerate() {
        let checked = || Arg::new(OP, "gradient", gradient).sound()?.dtype(dtype)?.contiguous();
        checked().map_err(|error| error.of_entry(index))?;
    }
    let chunks = gradients.iter().map(chunks_of).fold(0_u64, u64::saturating_add);
    if chunks > MAX_CHUNKS {
        let what = "the number of chunks";
        return Err(Error::IndexRange { op: OP, argument: "gradients", what, limit: MAX_CHUNKS, got: chunks });
    }
    Ok((kernels, dtype, chunks))
}

/// What the memory of `table` holds before the first launch: addresses, and who does what.
///
/// # Errors
/// Those of [`plan`] that concern the gradients.
pub fn table(gradients: &[TensorDesc]) -> Result<Vec<u8>> {
    check(gradients)?;
    let mut table = Vec::new();
    for gradient in gradients {
        let count = gradient.shape.elements() as u64;
        table.extend_from_slice(GradClipTensor { gradient: gradient.address, count }.as_bytes());
    }
    for (tensor, gradient) in (0..).zip(gradients) {
        for chunk in 0..chunks_of(gradient) as u32 {
            table.extend_from_slice(GradClipChunk { tensor, chunk }.as_bytes());
        }
    }
    Ok(table)
}

/// Bytes of scratch memory for these gradients.
///
/// # Errors
/// Those of [`plan`] that concern the gradients.
pub fn workspace_bytes(gradients: &[TensorDesc]) -> Result<usize> {
    check(gradients).map(|(_, _, chunks)| chunks as usize * size_of::<GradClipPartial>())
}

/// Checks a list of gradients and decides how it is launched. Every device runs the same kernels, so `_caps` decides nothing.
///
/// # Errors
/// [`Error::Unsupported`] for an empty list and an element type without a kernel; [`Error::Entry`] names the gradient that has
/// [`Error::Shape`], [`Error::Stride`], [`Error::DType`], [`Error::Null`] or [`Error::Misaligned`]; [`Error::Aliasing`] for gradients that share
/// memory; [`Error::IndexRange`]; [`Error::WorkspaceTooSmall`] for a table or a workspace that is.
pub fn plan(desc: &Desc<'_>, _caps: &Caps) -> Result<Plan> {
    let (kernels, dtype, chunks) = check(desc.gradients)?;
    apart(desc.gradients)?;
    let tensors = (desc.gradients.len() * size_of::<GradClipTensor>()) as u64;
    let table = Arg::new(OP, "table", &desc.table).sound()?;
    table.workspace(tensors + chunks * size_of::<GradClipChunk>() as u64)?;
    let workspace = Arg::new(OP, "workspace", &desc.workspace).sound()?;
    let workspace = workspace.workspace(chunks * size_of::<GradClipPartial>() as u64)?;
    for gradient in desc.gradients {
        disjoint(&[workspace], &[table, Arg::new(OP, "gradient", gradient)])?;
    }
    let (tensors, chunk_table) = (desc.table.address, desc.table.address + tensors);
    let shape = LaunchShape::linear(chunks as u32, GRAD_CLIP_THREADS);
    let norm = GradClipNormParams { tensors, chunks: chunk_table, partials: desc.workspace.address };
    let value = GradClipValueParams { tensors, chunks: chunk_table, ..Default::default() };
    let finish = GradClipFinishParams { partials: desc.workspace.address, chunks: chunks as u32, ..Default::default() };
    Ok(Plan {
        gradients: desc.gradients.iter().map(|gradient| (gradient.address, gradient.shape.elements())).collect(),
        dtype,
        norm: Launch { kernel: &kernels.norm, shape, params: norm },
        finish: Launch { kernel: &FINISH, shape: LaunchShape::linear(1, GRAD_CLIP_THREADS), params: finish },
        value: Launch { kernel: &kernels.value, shape, params: value },
    })
}

/// No two gradients share memory: by value they are written.
fn apart(gradients: &[TensorDesc]) -> Result<()> {
    let span = |(index, gradient): (usize, &TensorDesc)| {
        let (low, high) = gradient.span().unwrap_or((0, 0));
        (i128::from(gradient.address) + low, i128::from(gradient.address) + high, index)
    };
    let mut spans: Vec<_> = gradients.iter().enumerate().map(span).collect();
    spans.sort_unstable();
    match spans.windows(2).find(|pair| pair[0].1 > pair[1].0) {
        Some(pair) => {
            let error = Error::Aliasing { op: OP, argument: "gradient", other: "gradient" };
            Err(error.of_entry(pair[1].2.max(pair[0].2)))
        }
        None => Ok(()),
    }
}

impl Plan {
    /// The number of gradients.
    pub fn gradients(&self) -> usize {
        self.gradients.len()
    }

    /// Checks the scalars of a norm.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::DType`], [`Error::Null`], [`Error::Misaligned`] and [`Error::Aliasing`] name the scalar;
    /// [`Error::Unsupported`] a limit or a rule that is out of its range.
    pub fn norm(&self, desc: &NormDesc) -> Result<NormPlan> {
        if desc.max_norm.is_nan() || desc.max_norm < 0.0 {
            let (what, supported) = (format!("max_norm {}", desc.max_norm), "numbers that are not negative");
            return Err(Error::Unsupported { op: OP, what, supported });
        }
        let scalar = |name, tensor| {
            let arg = Arg::new(OP, name, tensor).sound()?.dtype(DType::F32)?;
            if tensor.shape.elements() == 1 { Ok(arg) } else { arg.shape([1]) }
        };
        let (norm, factor) = (scalar("norm", &desc.norm)?, scalar("factor", &desc.factor)?);
        let mut scalars = [norm, factor, scalar("found_inf", &desc.found_inf)?, norm, norm];
        let mut count = 3;
        let mut finish = self.finish;
        if let Some(scale) = &desc.loss_scale {
            check_rule(&scale.rule)?;
            scalars[3] = scalar("loss_scale", &scale.scale)?;
            scalars[4] = scalar("good_steps", &scale.good_steps)?;
            count = 5;
            (finish.params.loss_scale, finish.params.good_steps) = (scale.scale.address, scale.good_steps.address);
            let Rule { growth, backoff, interval } = scale.rule;
            (finish.params.growth, finish.params.backoff) = (growth, backoff);
            finish.params.interval = interval as f32;
        }
        disjoint(&scalars[..count], &[])?;
        finish.params.norm = desc.norm.address;
        finish.params.factor = desc.factor.address;
        finish.params.found_inf = desc.found_inf.address;
        finish.params.max_norm = desc.max_norm;
        Ok(device::Plan::new((self.norm, finish)))
    }

    /// The launch that clamps every gradient to `[-limit, limit]`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a limit that is negative or NaN.
    pub fn value(&self, limit: f32) -> Result<Launch<GradClipValueParams>> {
        if limit.is_nan() || limit < 0.0 {
            let (what, supported) = (format!("limit {limit}"), "numbers that are not negative");
            return Err(Error::Unsupported { op: OP, what, supported });
        }
        let mut value = self.value;
        value.params.limit = limit;
        Ok(value)
    }

    /// Loads the kernels ahead of the first launch.
    ///
    /// # Errors
    /// Those of loading a kernel.
    pub fn preload(&self, queue: &impl Queue) -> Result<()> {
        self.norm.preload(queue)?;
        self.finish.preload(queue)?;
        self.value.preload(queue)
    }

    /// Whether a gradient is the one for which the table was made.
    pub(super) fn check_place(&self, index: usize, gradient: &TensorDesc) -> Result<()> {
        let (expected, elements) = self.gradients[index];
        let arg = Arg::new(OP, "gradient", gradient).dtype(self.dtype)?.contiguous()?;
        if gradient.shape.elements() != elements {
            return arg.shape([elements]).map(drop);
        }
        let moved = Error::Moved { op: OP, argument: "gradient", expected, got: gradient.address };
        if gradient.address == expected { Ok(()) } else { Err(moved) }
    }
}

fn check_rule(rule: &Rule) -> Result<()> {
    let Rule { growth, backoff, interval } = *rule;
    let sound = growth >= 1.0 && growth.is_finite() && backoff > 0.0 && backoff <= 1.0;
    if sound && (1..=1 << 24).contains(&interval) {
        return Ok(());
    }
    let supported = "growth from 1, backoff above 0 and up to 1, interval from 1 to 2^24";
    Err(Error::Unsupported { op: OP, what: format!("{rule:?}"), supported })
}
