//! From a description of the tensors to a launch: checks, the choice of the kernel, the way that work is shared. Pure.

use super::kernels::KERNELS;
use super::{AnglesDesc, Direction, MAX_PAIRS, OperandDesc, Pairing, PositionsDesc, RotateDesc};
use crate::abi::{ROTARY_THREADS, RotaryParams, RotaryTable, RotaryTensor};
use crate::check::{Arg, disjoint_or_in_place};
use crate::device::{Caps, Launch, LaunchShape, Plan};
use crate::element::DType;
use crate::error::{Error, Result};
use crate::view::TensorDesc;

const WARP: u32 = 32;
/// Bytes of the widest access.
const VECTOR: usize = 16;
const MAX_TOKENS: u64 = 1 << 31;
const MAX_HEADS: u64 = 1 << 20;
const MAX_HEAD_DIM: u64 = 1 << 16;
/// Warps of a multiprocessor that keep its memory busy. Below that, several warps share the heads of a token.
const BUSY_WARPS: u32 = 16;

/// A rotation that has been checked, ready to be launched any number of times.
pub type RotatePlan = Plan<Launch<RotaryParams>>;

/// Checks a rotation and decides how it runs.
///
/// # Errors
/// [`Error::Shape`], [`Error::Stride`], [`Error::DType`], [`Error::Null`], [`Error::Misaligned`], [`Error::Aliasing`] and
/// [`Error::IndexRange`] name the argument; [`Error::Unsupported`] the element type.
pub fn plan(desc: &RotateDesc<'_>, direction: Direction, caps: &Caps) -> Result<RotatePlan> {
    let op = direction.op();
    let queries = Operand::of(op, ["queries", "queries_out"], &desc.queries)?;
    let keys = desc.keys.as_ref().map(|keys| Operand::of(op, ["keys", "keys_out"], keys)).transpose()?;
    let TensorDesc { shape, dtype, .. } = desc.queries.input;
    let [batch, length, head_dim] = [shape[0], shape[1], shape[3]];
    if let Some(keys) = &keys {
        keys.input.dtype(dtype)?.shape([batch, length, keys.input.tensor.shape[2], head_dim])?;
    }
    let kernels = KERNELS.of(op, dtype)?;
    let tokens = (batch as u64).saturating_mul(length as u64);
    if tokens > MAX_TOKENS {
        let what = "the number of tokens";
        return Err(Error::IndexRange { op, argument: "queries", what, limit: MAX_TOKENS, got: tokens });
    }
    let turns = Turns::of(op, desc)?;
    let rotated = 2 * turns.pairs;
    if rotated > head_dim {
        let expected = format!("heads of at least {rotated} elements, which are rotated");
        return Err(Error::Shape { op, argument: "queries", expected, got: shape });
    }
    let positions = match &desc.positions {
        PositionsDesc::From(_) => None,
        PositionsDesc::Each(tensor) => Some(check_positions(op, tensor, [batch, length])?),
    };
    let operands = [Some(&queries), keys.as_ref()];
    let rotations = [
        (queries.output, queries.input),
        keys.as_ref().map_or((queries.output, queries.input), |k| (k.output, k.input)),
    ];
    let [cosines, sines] = turns.args;
    disjoint_or_in_place(&rotations[..1 + usize::from(keys.is_some())], &[positions, cosines, sines])?;

    // Elements that are not rotated are there already where all is done in place.
    let in_place = operands.iter().flatten().all(|operand| operand.in_place());
    let rest = if in_place { 0 } else { head_dim - rotated };
    let lanes = VECTOR / dtype.size();
    let vectors = turns.pairs.is_multiple_of(lanes)
        && rest.is_multiple_of(lanes)
        && operands.iter().flatten().all(|operand| operand.on_vectors());
    let (kernel, access) = if vectors { (&kernels.plain, lanes) } else { (&kernels.general, 1) };

    let accesses = (turns.pairs + rest) / access;
    let threads_per_head = (accesses as u32).next_power_of_two().min(WARP);
    let heads_at_once = WARP / threads_per_head;
    let heads = operands.iter().flatten().map(|operand| operand.heads()).max().unwrap_or(1);
    let wanted = (u64::from(caps.multiprocessors * BUSY_WARPS) / tokens) as u32;
    let shares = wanted.clamp(1, heads.div_ceil(heads_at_once).min(u16::MAX.into()));
    let blocks = (tokens as u32).div_ceil(ROTARY_THREADS / WARP);
    let shape = LaunchShape { grid: [blocks, shares, 1], ..LaunchShape::linear(1, ROTARY_THREADS) };

    let (first_position, position_strides, wide_positions) = match (&desc.positions, positions) {
        (PositionsDesc::From(first), _) => (*first, [0, 0], false),
        (PositionsDesc::Each(tensor), _) => {
            let strides = &tensor.strides;
            let strides = if strides.len() == 1 { [0, strides[0]] } else { [strides[0], strides[1]] };
            (0, strides, tensor.dtype == DType::I64)
        }
    };
    let params = RotaryParams {
        tensors: [queries.params(), keys.as_ref().map_or(RotaryTensor::default(), Operand::params)],
        positions: positions.map_or(0, |positions| positions.tensor.address),
        position_strides,
        first_position,
        tokens: tokens as u32,
        length: length as u32,
        pairs: turns.pairs as u32,
        rest: rest as u32,
        threads_per_head,
        interleaved: (desc.pairing == Pairing::Interleaved).into(),
        wide_positions: wide_positions.into(),
        inverse: (direction == Direction::Backward).into(),
        factor: turns.factor,
        table_bytes: turns.table_bytes,
        tables: turns.tables,
        table_positions: turns.table_positions,
        turns: turns.turns,
    };
    Ok(Plan::new(Launch { kernel, shape, params }))
}

/// Positions of each token, or of each place in a text.
fn check_positions<'a>(op: &'static str, tensor: &'a TensorDesc, [batch, length]: [usize; 2]) -> Result<Arg<'a>> {
    let arg = Arg::new(op, "positions", tensor).sound()?.reachable()?;
    let arg = if tensor.shape.len() == 1 { arg.shape([length])? } else { arg.shape([batch, length])? };
    if tensor.dtype == DType::I64 { Ok(arg) } else { arg.dtype(DType::I32) }
}

/// By what the pairs are turned, as kernels take it.
struct Turns<'a> {
    pairs: usize,
    factor: f32,
    turns: [[u64; 32]; MAX_PAIRS / 32],
    /// Cosines and sines.
    args: [Option<Arg<'a>>; 2],
    tables: [RotaryTable; 2],
    table_bytes: u32,
    table_positions: i64,
}

impl<'a> Turns<'a> {
    fn of(op: &'static str, desc: &'a RotateDesc<'_>) -> Result<Self> {
        let (cosines, sines) = match &desc.angles {
            AnglesDesc::Frequencies(frequencies) => {
                return Ok(Self {
                    pairs: frequencies.pairs(),
                    factor: frequencies.attention_factor(),
                    turns: frequencies.by_thirty_two(),
                    args: [None; 2],
                    tables: [RotaryTable::default(); 2],
                    table_bytes: 0,
                    table_positions: 0,
                });
            }
            AnglesDesc::Tables { cosines, sines } => (cosines, sines),
        };
        let TensorDesc { shape, dtype, .. } = *cosines;
        let sound = |name, tensor| Arg::new(op, name, tensor).sound()?.unit_inner_stride()?.reachable();
        let cosines = sound("cosines", cosines)?;
        let queries = &desc.queries.input;
        if dtype != DType::F32 {
            cosines.dtype(queries.dtype)?;
        }
        let by_token = shape.len() == 3;
        if by_token {
            let batch = if shape[0] == 1 { 1 } else { queries.shape[0] };
            cosines.shape([batch, queries.shape[1], shape[2]])?;
        } else {
            cosines.rank(2)?;
        }
        let sines = sound("sines", sines)?.dtype(dtype)?.shape(shape)?;
        let table = |arg: Arg<'_>| {
            let TensorDesc { address, shape, strides, .. } = arg.tensor;
            let batch = if by_token && shape[0] > 1 { strides[0] } else { 0 };
            RotaryTable { table: *address, strides: [batch, strides[strides.len() - 2]] }
        };
        Ok(Self {
            pairs: shape[shape.len() - 1],
            factor: 1.0,
            turns: [[0; 32]; MAX_PAIRS / 32],
            args: [Some(cosines), Some(sines)],
            tables: [table(cosines), table(sines)],
            table_bytes: dtype.size() as u32,
            table_positions: if by_token { 0 } else { shape[0] as i64 },
        })
    }
}

/// A tensor that is rotated, with where the result goes.
struct Operand<'a> {
    input: Arg<'a>,
    output: Arg<'a>,
}

impl<'a> Operand<'a> {
    fn of(op: &'static str, [name, out]: [&'static str; 2], desc: &'a OperandDesc) -> Result<Self> {
        let sound = |name, tensor| Arg::new(op, name, tensor).sound()?.rank(4)?.unit_inner_stride()?.reachable();
        let input = sound(name, &desc.input)?;
        input.extent_at_most(2, "the number of heads", MAX_HEADS)?.extent_at_most(
            3,
            "the head dimension",
            MAX_HEAD_DIM,
        )?;
        let output = sound(out, &desc.output)?.dtype(desc.input.dtype)?.shape(desc.input.shape)?;
        Ok(Self { input, output })
    }

    fn in_place(&self) -> bool {
        self.input.tensor == self.output.tensor
    }

    fn heads(&self) -> u32 {
        self.input.tensor.shape[2] as u32
    }

    /// Whether every head begins at a multiple of 16 bytes.
    fn on_vectors(&self) -> bool {
        [self.input, self.output].iter().all(|arg| {
            let TensorDesc { address, shape, strides, dtype } = arg.tensor;
            let lanes = (VECTOR / dtype.size()) as i64;
            let steps = shape.iter().zip(strides.iter()).take(3);
            address.is_multiple_of(VECTOR as u64)
                && steps.filter(|&(&n, _)| n > 1).all(|(_, &stride)| stride % lanes == 0)
        })
    }

    fn params(&self) -> RotaryTensor {
        let strides = |arg: Arg<'_>| [0, 1, 2].map(|axis| arg.tensor.strides[axis]);
        RotaryTensor {
            input: self.input.tensor.address,
            output: self.output.tensor.address,
            input_strides: strides(self.input),
            output_strides: strides(self.output),
            heads: self.heads(),
            reserved: 0,
        }
    }
}
