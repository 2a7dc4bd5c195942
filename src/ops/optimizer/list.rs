//! From a list of parameters to the table that kernels read: checks, and how the work is cut. Pure.

use super::{BLOCK, MomentDesc, ParameterDesc, States};
use crate::abi::{CodeTables, OPTIMIZER_WARPS, OptimizerChunk, OptimizerList, OptimizerTensor};
use crate::check::Arg;
use crate::device::{LaunchShape, Params};
use crate::element::DType;
use crate::error::{Error, Result};
use crate::ops::codes::tables;
use crate::view::TensorDesc;

const THREADS: u32 = 32 * OPTIMIZER_WARPS;
/// Blocks of elements of a chunk. With codes each chunk fills shared memory with tables, from L2: a few bytes an element of the smallest
/// chunk, a fraction of one of the largest.
const LEAST_CHUNK: u64 = 32;
const MOST_CHUNK: u64 = 512;
/// Chunks of a list that is long enough for them: so many that the last ones to run leave little of a device idle.
const CHUNKS: u64 = 4096;
/// Chunks are blocks of threads along the first dimension of a grid.
const MAX_CHUNKS: u64 = i32::MAX as u64;
/// Elements of a parameter, whose blocks a kernel counts in 32 bits.
const MAX_ELEMENTS: u64 = (1 << 32) * BLOCK as u64;

/// What an optimizer takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::ops) struct Form {
    /// The operation's name.
    pub op: &'static str,
    /// 1 or 2.
    pub moments: usize,
    /// How they are kept.
    pub states: States,
}

/// A list that has been checked.
#[derive(Clone, Debug)]
pub(in crate::ops) struct List {
    pub op: &'static str,
    places: Vec<Place>,
    /// Of the parameters.
    pub dtype: DType,
    gradient: DType,
    /// Chunks of all parameters: blocks of threads.
    pub chunks: u32,
    kernels: OptimizerList,
}

/// Where a parameter and what belongs to it lie.
#[derive(Clone, Copy, Debug)]
struct Place {
    parameter: u64,
    gradient: u64,
    master: Option<u64>,
    elements: usize,
}

/// Blocks of so many elements.
pub(super) fn blocks(elements: usize) -> u64 {
    (elements as u64).div_ceil(BLOCK as u64)
}

/// Blocks of all parameters.
pub(super) fn all_blocks(parameters: &[ParameterDesc]) -> u64 {
    parameters.iter().map(|parameter| blocks(parameter.parameter.shape.elements())).sum()
}

/// How a list is cut into chunks.
struct Cut {
    /// Blocks of elements of a chunk; a parameter's last chunk may have fewer.
    blocks: u64,
    /// Chunks of all parameters.
    chunks: u64,
}

/// Chunks of all parameters.
pub(in crate::ops) fn chunks(parameters: &[ParameterDesc]) -> u64 {
    Cut::unchecked(parameters).chunks
}

impl Cut {
    fn unchecked(parameters: &[ParameterDesc]) -> Self {
        let chunk = (all_blocks(parameters) / CHUNKS).clamp(LEAST_CHUNK, MOST_CHUNK);
        let chunk = chunk.next_multiple_of(u64::from(OPTIMIZER_WARPS));
        let chunks = parameters.iter().map(|p| blocks(p.parameter.shape.elements()).div_ceil(chunk)).sum();
        Self { blocks: chunk, chunks }
    }

    fn of(form: &Form, parameters: &[ParameterDesc]) -> Result<Self> {
        let cut = Self::unchecked(parameters);
        let chunks = cut.chunks;
        if chunks > MAX_CHUNKS {
            let what = "the number of chunks of blocks";
            return Err(Error::IndexRange {
                op: form.op,
                argument: "parameters",
                what,
                limit: MAX_CHUNKS,
                got: chunks,
            });
        }
        Ok(cut)
    }

    fn table_bytes(&self, form: &Form, parameters: usize) -> u64 {
        let records = (parameters * size_of::<OptimizerTensor>()) as u64;
        code_tables_bytes(form) + records + self.chunks * size_of::<OptimizerChunk>() as u64
    }
}

/// Bytes of the code tables, with which the table begins.
fn code_tables_bytes(form: &Form) -> u64 {
    if form.states == States::Codes { size_of::<CodeTables>() as u64 } else { 0 }
}

/// What the memory of `table` holds before the first launch: code tables where there are codes, everybody's addresses, and who does what.
pub(in crate::ops) fn table(form: &Form, parameters: &[ParameterDesc]) -> Result<Vec<u8>> {
    check(form, parameters)?;
    let cut = Cut::of(form, parameters)?;
    let mut table = Vec::with_capacity(cut.table_bytes(form, parameters.len()) as usize);
    if form.states == States::Codes {
        table.extend_from_slice(tables().as_bytes());
    }
    let (mut blocks_before, mut first_chunk) = (0, 0);
    for parameter in parameters {
        let blocks = blocks(parameter.parameter.shape.elements());
        let chunks = blocks.div_ceil(cut.blocks) as u32;
        let record = OptimizerTensor { blocks_before, first_chunk, chunks, ..record_of(parameter) };
        table.extend_from_slice(record.as_bytes());
        blocks_before += blocks;
        first_chunk += chunks;
    }
    for (tensor, parameter) in (0..).zip(parameters) {
        for first in (0..blocks(parameter.parameter.shape.elements())).step_by(cut.blocks as usize) {
            table.extend_from_slice(OptimizerChunk { tensor, first: first as u32 }.as_bytes());
        }
    }
    Ok(table)
}

impl List {
    /// Checks a list and the memory that its kernels share.
    pub(in crate::ops) fn new<O>(form: &Form, desc: &super::Desc<'_, O>, progress_bytes: u64) -> Result<Self> {
        let [dtype, gradient] = check(form, desc.parameters)?;
        let cut = Cut::of(form, desc.parameters)?;
        let record = |name, tensor, bytes| Arg::new(form.op, name, tensor).sound()?.workspace(bytes);
        record("table", &desc.table, cut.table_bytes(form, desc.parameters.len()))?;
        record("progress", &desc.progress, progress_bytes)?;
        apart(form.op, desc.parameters, &desc.table, &desc.progress)?;
        let place = |desc: &ParameterDesc| Place {
            parameter: desc.parameter.address,
            gradient: desc.gradient.address,
            master: desc.master.map(|master| master.address),
            elements: desc.parameter.shape.elements(),
        };
        let tensors = desc.table.address + code_tables_bytes(form);
        let kernels = OptimizerList {
            progress: desc.progress.address,
            tensors,
            chunks: tensors + (desc.parameters.len() * size_of::<OptimizerTensor>()) as u64,
            tables: if form.states == States::Codes { desc.table.address } else { 0 },
            blocks_per_chunk: cut.blocks as u32,
            wide_gradients: (gradient != dtype).into(),
        };
        let places = desc.parameters.iter().map(place).collect();
        Ok(Self { op: form.op, places, dtype, gradient, chunks: cut.chunks as u32, kernels })
    }

    /// The number of parameters.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// The list as kernels take it.
    pub(in crate::ops) fn for_kernels(&self) -> OptimizerList {
        self.kernels
    }

    /// A thread block for each chunk.
    pub(in crate::ops) fn shape(&self) -> LaunchShape {
        LaunchShape::linear(self.chunks, THREADS)
    }

    /// Whether a parameter and what belongs to it are those for which the table was made.
    pub(super) fn check_place(&self, index: usize, got: &super::Described) -> Result<()> {
        let place = &self.places[index];
        let in_place = |name, tensor: &TensorDesc, dtype, expected: u64| {
            let arg = Arg::new(self.op, name, tensor).dtype(dtype)?.contiguous()?;
            if tensor.shape.elements() != place.elements {
                return arg.shape([place.elements]).map(drop);
            }
            let moved = Error::Moved { op: self.op, argument: name, expected, got: tensor.address };
            if tensor.address == expected { Ok(()) } else { Err(moved) }
        };
        in_place("parameter", &got.parameter, self.dtype, place.parameter)?;
        in_place("gradient", &got.gradient, self.gradient, place.gradient)?;
        match (&got.master, place.master) {
            (Some(master), Some(expected)) => in_place("master", master, DType::F32, expected),
            (None, None) => Ok(()),
            (got, expected) => {
                let address = |master: Option<u64>| master.unwrap_or(0);
                let (expected, got) = (address(expected), address(got.map(|master| master.address)));
                Err(Error::Moved { op: self.op, argument: "master", expected, got })
            }
        }
    }
}

/// A decay rate.
pub(in crate::ops) fn rate(op: &'static str, name: &str, beta: f32) -> Result<()> {
    match (0.0..1.0).contains(&beta) {
        true => Ok(()),
        false => Err(Error::Unsupported { op, what: format!("{name} {beta}"), supported: "from 0 to below 1" }),
    }
}

/// A number that is finite and not negative.
pub(in crate::ops) fn finite(op: &'static str, name: &str, value: f32) -> Result<()> {
    if value >= 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(Error::Unsupported { op, what: format!("{name} {value}"), supported: "finite numbers that are not negative" })
}

pub(super) fn empty_list(op: &'static str) -> Error {
    Error::Unsupported { op, what: "an empty list".into(), supported: "at least one parameter" }
}

impl MomentDesc {
    /// Values or codes, and the absmax that codes have.
    fn tensors(&self) -> [Option<&TensorDesc>; 2] {
        match self {
            Self::Floats(values) => [Some(values), None],
            Self::Codes { codes, absmax } => [Some(codes), Some(absmax)],
        }
    }
}

/// The tensors of a parameter, with their names.
fn tensors(desc: &ParameterDesc) -> [(&'static str, Option<&TensorDesc>); 7] {
    let [state1, absmax1] = desc.first.tensors();
    let [state2, absmax2] = desc.second.as_ref().map_or([None; 2], MomentDesc::tensors);
    [
        ("parameter", Some(&desc.parameter)),
        ("gradient", Some(&desc.gradient)),
        ("master", desc.master.as_ref()),
        ("state1", state1),
        ("state2", state2),
        ("absmax1", absmax1),
        ("absmax2", absmax2),
    ]
}

/// The types of parameters and gradients.
fn check(form: &Form, parameters: &[ParameterDesc]) -> Result<[DType; 2]> {
    let first = parameters.first().ok_or_else(|| empty_list(form.op))?;
    let dtype = first.parameter.dtype;
    if ![DType::F32, DType::F16, DType::Bf16].contains(&dtype) {
        let (what, supported) = (format!("a tensor of {dtype}"), "f32, f16 and bf16");
        return Err(Error::Unsupported { op: form.op, what, supported });
    }
    let wide = form.states == States::Floats && first.gradient.dtype == DType::F32;
    let gradient = if wide { DType::F32 } else { dtype };
    for (index, parameter) in parameters.iter().enumerate() {
        check_parameter(form, parameter, dtype, gradient).map_err(|error| error.of_entry(index))?;
    }
    Ok([dtype, gradient])
}

fn check_parameter(form: &Form, desc: &ParameterDesc, dtype: DType, gradient: DType) -> Result<()> {
    let unsupported = |what: &str, supported| Error::Unsupported { op: form.op, what: what.into(), supported };
    if desc.second.is_some() != (form.moments == 2) {
        return Err(unsupported("another number of moments", "two of AdamW and LAMB, one of Lion"));
    }
    let state = match form.states {
        States::Floats => DType::F32,
        States::Codes => DType::U8,
    };
    let of_form = |moment: &MomentDesc| matches!(moment, MomentDesc::Floats(_)) == (form.states == States::Floats);
    if !of_form(&desc.first) || desc.second.as_ref().is_some_and(|second| !of_form(second)) {
        return Err(unsupported("moments that are not as the options say", "all f32, or all codes"));
    }
    if desc.master.is_some() && (dtype == DType::F32 || form.states == States::Codes) {
        return Err(unsupported("a master", "with parameters of 16 bits and states in f32"));
    }
    let elements = desc.parameter.shape.elements();
    let types = [dtype, gradient, DType::F32, state, state, DType::F32, DType::F32];
    for (index, ((name, tensor), dtype)) in tensors(desc).into_iter().zip(types).enumerate() {
        let Some(tensor) = tensor else { continue };
        let length = if index < 5 { elements } else { blocks(elements) as usize };
        let arg = Arg::new(form.op, name, tensor).sound()?.dtype(dtype)?.contiguous()?;
        if tensor.shape.elements() != length {
            arg.shape([length])?;
        }
        arg.elements_at_most(MAX_ELEMENTS)?;
    }
    finite(form.op, "weight decay", desc.weight_decay)
}

fn record_of(desc: &ParameterDesc) -> OptimizerTensor {
    let tensors = tensors(desc);
    let addresses = tensors.map(|(_, tensor)| tensor.map_or(0, |tensor| tensor.address));
    // Four elements at a time, or eight codes.
    let is_vector = |(_, tensor): &(&str, Option<&TensorDesc>)| {
        tensor.is_none_or(|tensor| {
            let bytes = if tensor.dtype == DType::U8 { 8 } else { 16 };
            tensor.address % bytes == 0
        })
    };
    let [parameter, gradient, master, state1, state2, absmax1, absmax2] = addresses;
    OptimizerTensor {
        parameter,
        gradient,
        master,
        state1,
        state2,
        absmax1,
        absmax2,
        count: desc.parameter.shape.elements() as u64,
        weight_decay: desc.weight_decay,
        vectorised: tensors[..5].iter().all(is_vector).into(),
        ..OptimizerTensor::default()
    }
}

/// No memory that is written is anything else's too. Gradients may be shared: they are read.
fn apart(op: &'static str, parameters: &[ParameterDesc], table: &TensorDesc, progress: &TensorDesc) -> Result<()> {
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
    let mut spans = Vec::with_capacity(7 * parameters.len() + 2);
    for (index, parameter) in parameters.iter().enumerate() {
        let present = tensors(parameter).into_iter().filter_map(|(name, tensor)| Some((name, tensor?)));
        spans.extend(present.map(|(name, tensor)| span(index, name, tensor, name != "gradient")));
    }
    let last = parameters.len() - 1;
    spans.push(span(last, "table", table, false));
    spans.push(span(last, "progress", progress, true));
    spans.sort_unstable_by_key(|span| (span.start, span.index));
    // Every span is held against the one before it that reaches farthest, and against the farthest that is written.
    let (mut farthest, mut written): (Option<&Span>, Option<&Span>) = (None, None);
    for span in &spans {
        let rival = if span.written { farthest } else { written };
        if let Some(rival) = rival.filter(|rival| rival.end > span.start) {
            let (output, other) = if span.written { (span, rival) } else { (rival, span) };
            let error = Error::Aliasing { op, argument: output.name, other: other.name };
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
