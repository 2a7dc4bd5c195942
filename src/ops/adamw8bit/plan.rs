//! From a list of parameters to the table that kernels read, and from the table to launches: checks, and how the work is cut. Pure.

use super::kernels::{ADVANCE, STEP};
use super::tables::tables;
use super::{BLOCK, Desc, OP, Options, ParameterDesc, ScalarsDesc};
use crate::abi::{
    ADAMW8BIT_WARPS, AdamW8bitAdvanceParams, AdamW8bitChunk, AdamW8bitParams, AdamW8bitProgress, AdamW8bitTables,
    AdamW8bitTensor,
};
use crate::check::Arg;
use crate::device::{self, Caps, Kernel, Launch, LaunchShape, Params, Queue};
use crate::element::DType;
use crate::error::{Error, Result};
use crate::view::TensorDesc;

const THREADS: u32 = 32 * ADAMW8BIT_WARPS;
/// Blocks of elements of a chunk: each chunk fills shared memory with the tables, 24,848 bytes, which is 3 bytes an element of the
/// smallest chunk and 0.2 of the largest. They come from L2.
const LEAST_CHUNK: u64 = 32;
const MOST_CHUNK: u64 = 512;
/// Chunks of a list that is long enough for them: so many that the last ones to run leave little of a device idle.
const CHUNKS: u64 = 4096;
/// Chunks are blocks of threads along the first dimension of a grid.
const MAX_CHUNKS: u64 = i32::MAX as u64;
/// Elements of a parameter, whose blocks a kernel counts in 32 bits.
const MAX_ELEMENTS: u64 = (1 << 32) * BLOCK as u64;

/// A list of parameters that has been checked, and how its kernels are launched.
#[derive(Clone, Debug)]
pub struct Plan {
    places: Vec<Place>,
    dtype: DType,
    advance: Launch<AdamW8bitAdvanceParams>,
    update: Launch<AdamW8bitParams>,
}

/// Where a parameter and its gradient lie.
#[derive(Clone, Copy, Debug)]
struct Place {
    parameter: u64,
    gradient: u64,
    elements: usize,
}

/// A step that has been checked, ready to be launched any number of times.
pub type StepPlan = device::Plan<(Launch<AdamW8bitAdvanceParams>, Launch<AdamW8bitParams>)>;

/// Bytes of the progress record.
pub const fn progress_bytes() -> usize {
    size_of::<AdamW8bitProgress>()
}

/// The progress record after so many steps: what the memory of `progress` holds before the first launch.
pub fn progress(steps: u64, options: &Options) -> Vec<u8> {
    let mut progress = AdamW8bitProgress { steps, power1: 1.0, power2: 1.0, ..AdamW8bitProgress::default() };
    // As the kernel does it, so that a run that was interrupted goes on with the same bits.
    for _ in 0..steps {
        progress.power1 *= f64::from(options.beta1);
        progress.power2 *= f64::from(options.beta2);
    }
    progress.as_bytes().to_vec()
}

/// The steps that a progress record has counted.
pub(super) fn steps(progress: &[u8]) -> u64 {
    progress.first_chunk().map_or(0, |steps| u64::from_le_bytes(*steps))
}

/// Blocks of so many elements.
pub(super) fn blocks(elements: usize) -> u64 {
    (elements as u64).div_ceil(BLOCK as u64)
}

/// How a list is cut into chunks.
struct Cut {
    /// Blocks of elements of a chunk; a parameter's last chunk may have fewer.
    blocks: u64,
    /// Chunks of all parameters.
    chunks: u64,
}

impl Cut {
    fn of(parameters: &[ParameterDesc]) -> Result<Self> {
        let each = || parameters.iter().map(|parameter| blocks(parameter.parameter.shape.elements()));
        let chunk = (each().sum::<u64>() / CHUNKS).clamp(LEAST_CHUNK, MOST_CHUNK);
        let chunk = chunk.next_multiple_of(u64::from(ADAMW8BIT_WARPS));
        let chunks = each().map(|blocks| blocks.div_ceil(chunk)).sum();
        if chunks > MAX_CHUNKS {
            let what = "the number of chunks of blocks";
            return Err(Error::IndexRange { op: OP, argument: "parameters", what, limit: MAX_CHUNKS, got: chunks });
        }
        Ok(Self { blocks: chunk, chunks })
    }

    fn table_bytes(&self, parameters: usize) -> u64 {
        (size_of::<AdamW8bitTables>() + parameters * size_of::<AdamW8bitTensor>()) as u64
            + self.chunks * size_of::<AdamW8bitChunk>() as u64
    }
}

/// What the memory of `table` holds before the first launch: the tables of the code maps, everybody's addresses, and who does what.
///
/// # Errors
/// Those of [`plan`] that concern the parameters.
pub fn table(parameters: &[ParameterDesc]) -> Result<Vec<u8>> {
    check_parameters(parameters)?;
    let cut = Cut::of(parameters)?;
    let mut table = Vec::with_capacity(cut.table_bytes(parameters.len()) as usize);
    table.extend_from_slice(tables().as_bytes());
    parameters.iter().for_each(|parameter| table.extend_from_slice(record_of(parameter).as_bytes()));
    for (tensor, parameter) in (0..).zip(parameters) {
        for first in (0..blocks(parameter.parameter.shape.elements())).step_by(cut.blocks as usize) {
            table.extend_from_slice(AdamW8bitChunk { tensor, first: first as u32 }.as_bytes());
        }
    }
    Ok(table)
}

/// Checks a list of parameters and decides how it is launched. Every device runs the same kernels, so `_caps` decides nothing.
///
/// # Errors
/// [`Error::Unsupported`] for an empty list, an element type without a kernel and options out of their range; [`Error::Entry`]
/// names the parameter for which [`Error::Shape`], [`Error::Stride`], [`Error::DType`], [`Error::Null`], [`Error::Misaligned`],
/// [`Error::Aliasing`] or [`Error::IndexRange`] names the tensor; [`Error::WorkspaceTooSmall`] for a table or a progress record that is.
pub fn plan(desc: &Desc<'_>, _caps: &Caps) -> Result<Plan> {
    check_options(&desc.options)?;
    let (kernel, dtype) = check_parameters(desc.parameters)?;
    let cut = Cut::of(desc.parameters)?;
    record("table", &desc.table, cut.table_bytes(desc.parameters.len()))?;
    record("progress", &desc.progress, progress_bytes() as u64)?;
    apart(desc)?;

    let Options { beta1, beta2, epsilon } = desc.options;
    let tensors = desc.table.address + size_of::<AdamW8bitTables>() as u64;
    let update = AdamW8bitParams {
        progress: desc.progress.address,
        tables: desc.table.address,
        tensors,
        chunks: tensors + (desc.parameters.len() * size_of::<AdamW8bitTensor>()) as u64,
        beta1,
        beta2,
        rest1: 1.0 - beta1,
        rest2: 1.0 - beta2,
        blocks_per_chunk: cut.blocks as u32,
        reserved: 0,
    };
    let advance =
        AdamW8bitAdvanceParams { progress: desc.progress.address, beta1, beta2, epsilon, ..Default::default() };
    let place = |parameter: &ParameterDesc| Place {
        parameter: parameter.parameter.address,
        gradient: parameter.gradient.address,
        elements: parameter.parameter.shape.elements(),
    };
    Ok(Plan {
        places: desc.parameters.iter().map(place).collect(),
        dtype,
        advance: Launch { kernel: &ADVANCE, shape: LaunchShape::linear(1, 1), params: advance },
        update: Launch { kernel, shape: LaunchShape::linear(cut.chunks as u32, THREADS), params: update },
    })
}

impl Plan {
    /// The number of parameters.
    pub fn parameters(&self) -> usize {
        self.places.len()
    }

    /// Loads the kernels ahead of the first launch.
    ///
    /// # Errors
    /// Those of loading a kernel.
    pub fn preload(&self, queue: &impl Queue) -> Result<()> {
        self.advance.preload(queue)?;
        self.update.preload(queue)
    }

    /// Checks the scalars of a step.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::DType`], [`Error::Null`] and [`Error::Misaligned`] name the scalar.
    pub fn step(&self, scalars: &ScalarsDesc) -> Result<StepPlan> {
        let scalar = |name, tensor: &TensorDesc| {
            let arg = Arg::new(OP, name, tensor).sound()?.dtype(DType::F32)?;
            if tensor.shape.elements() == 1 { Ok(tensor.address) } else { arg.shape([1]).map(|_| tensor.address) }
        };
        let optional = |name, tensor: &Option<TensorDesc>| tensor.as_ref().map_or(Ok(0), |tensor| scalar(name, tensor));
        let mut advance = self.advance;
        advance.params.learning_rate = scalar("learning_rate", &scalars.learning_rate)?;
        advance.params.gradient_scale = optional("gradient_scale", &scalars.gradient_scale)?;
        advance.params.found_inf = optional("found_inf", &scalars.found_inf)?;
        Ok(device::Plan::new((advance, self.update)))
    }

    /// Whether a parameter and its gradient are those for which the table was made.
    pub(super) fn check_place(&self, index: usize, parameter: &TensorDesc, gradient: &TensorDesc) -> Result<()> {
        let place = &self.places[index];
        let in_place = |name, tensor: &TensorDesc, expected: u64| {
            let arg = Arg::new(OP, name, tensor).dtype(self.dtype)?.contiguous()?;
            if tensor.shape.elements() != place.elements {
                return arg.shape([place.elements]).map(drop);
            }
            let moved = Error::Moved { op: OP, argument: name, expected, got: tensor.address };
            if tensor.address == expected { Ok(()) } else { Err(moved) }
        };
        in_place("parameter", parameter, place.parameter)?;
        in_place("gradient", gradient, place.gradient)
    }
}

fn check_options(options: &Options) -> Result<()> {
    let Options { beta1, beta2, epsilon } = *options;
    let rate = |name, beta: f32| match (0.0..1.0).contains(&beta) {
        true => Ok(()),
        false => Err(Error::Unsupported { op: OP, what: format!("{name} {beta}"), supported: "from 0 to below 1" }),
    };
    rate("beta1", beta1)?;
    rate("beta2", beta2)?;
    finite("epsilon", epsilon)
}

fn finite(name: &str, value: f32) -> Result<()> {
    if value >= 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(Error::Unsupported {
        op: OP,
        what: format!("{name} {value}"),
        supported: "finite numbers that are not negative",
    })
}

/// The tensors of a parameter, with their names.
fn tensors(parameter: &ParameterDesc) -> [(&'static str, &TensorDesc); 6] {
    [
        ("parameter", &parameter.parameter),
        ("gradient", &parameter.gradient),
        ("state1", &parameter.state1),
        ("state2", &parameter.state2),
        ("absmax1", &parameter.absmax1),
        ("absmax2", &parameter.absmax2),
    ]
}

pub(super) fn empty_list() -> Error {
    Error::Unsupported { op: OP, what: "an empty list".into(), supported: "at least one parameter" }
}

/// The kernel of the list, and its element type.
fn check_parameters(parameters: &[ParameterDesc]) -> Result<(&'static Kernel<AdamW8bitParams>, DType)> {
    let dtype = parameters.first().ok_or_else(empty_list)?.parameter.dtype;
    let kernel = STEP.of(OP, dtype)?;
    for (index, parameter) in parameters.iter().enumerate() {
        check_parameter(parameter, dtype).map_err(|error| error.of_entry(index))?;
    }
    Ok((kernel, dtype))
}

fn check_parameter(desc: &ParameterDesc, dtype: DType) -> Result<()> {
    let elements = desc.parameter.shape.elements();
    let types = [dtype, dtype, DType::U8, DType::U8, DType::F32, DType::F32];
    let lengths = [elements, elements, elements, elements, blocks(elements) as usize, blocks(elements) as usize];
    for (((name, tensor), dtype), length) in tensors(desc).into_iter().zip(types).zip(lengths) {
        let arg = Arg::new(OP, name, tensor).sound()?.dtype(dtype)?.contiguous()?;
        if tensor.shape.elements() != length {
            arg.shape([length])?;
        }
        arg.elements_at_most(MAX_ELEMENTS)?;
    }
    finite("weight decay", desc.weight_decay)
}

/// Memory for a record that kernels read 16 bytes at a time.
fn record(name: &'static str, tensor: &TensorDesc, bytes: u64) -> Result<()> {
    Arg::new(OP, name, tensor).sound()?.workspace(bytes).map(drop)
}

fn record_of(desc: &ParameterDesc) -> AdamW8bitTensor {
    let vectorised =
        tensors(desc)[..4].iter().zip([16, 16, 8, 8]).all(|((_, tensor), bytes)| tensor.address % bytes == 0);
    AdamW8bitTensor {
        parameter: desc.parameter.address,
        gradient: desc.gradient.address,
        state1: desc.state1.address,
        state2: desc.state2.address,
        absmax1: desc.absmax1.address,
        absmax2: desc.absmax2.address,
        count: desc.parameter.shape.elements() as u64,
        weight_decay: desc.weight_decay,
        vectorised: vectorised.into(),
    }
}

/// No memory that is written is anything else's too. Gradients may be shared: they are read.
fn apart(desc: &Desc<'_>) -> Result<()> {
    struct Span {
        start: i128,
        end: i128,
        index: usize,
        name: &'static str,
        written: bool,
    }
    let span = |index, name, tensor: &TensorDesc, written| {
        let (low, high) = tensor.span().unwrap_or((0, 0));
        let address = i128::from(tensor.address);
        Span { start: address + low, end: address + high, index, name, written }
    };
    let of_parameter =
        |(index, parameter)| tensors(parameter).map(|(name, tensor)| span(index, name, tensor, name != "gradient"));
    let mut spans: Vec<Span> = desc.parameters.iter().enumerate().flat_map(of_parameter).collect();
    let last = desc.parameters.len() - 1;
    spans.push(span(last, "table", &desc.table, false));
    spans.push(span(last, "progress", &desc.progress, true));
    spans.sort_unstable_by_key(|span| (span.start, span.index));
    // Every span is held against the one before it that reaches farthest, and against the farthest that is written.
    let (mut farthest, mut written): (Option<&Span>, Option<&Span>) = (None, None);
    for span in &spans {
        let rival = if span.written { farthest } else { written };
        if let Some(rival) = rival.filter(|rival| rival.end > span.start) {
            let (output, other) = if span.written { (span, rival) } else { (rival, span) };
            let error = Error::Aliasing { op: OP, argument: output.name, other: other.name };
            return Err(error.of_entry(output.index));
        }
        let farther = |best: Option<&Span>| best.is_none_or(|best| best.end < span.end);
        if farther(farthest) {
            farthest = Some(span);
        }
        if span.written && farther(written) {
            written = Some(span);
        }
    }
    Ok(())
}
