//! Blockwise quantisation to 8 bits by the dynamic maps, and the way back.
//!
//! # Formula
//! The elements of a tensor, row-major, in blocks of `block`: `absmax = max |x|` of a block; the code of `x` is that of the value of the map nearest to
//! `x * (1 / absmax)`, of two equally near (by the f32 midpoint) the even one. Back: `x = map[code] * absmax`, rounded to the element type. The maps
//! are [`signed_map`] and [`unsigned_map`], bitsandbytes' `create_dynamic_map`. (Dettmers et al., "8-bit Optimizers via Block-wise
//! Quantization", 2021.) Codes are those of bitsandbytes' `quantize_blockwise` on CUDA, but for its approximate reciprocal.
//!
//! # What is not ordinary
//! NaN counts as nothing in the absmax and has code 0. A block of zeros has absmax 0 and codes 0, which are zeros again (of the signed map
//! negative ones). A block with an infinity has absmax infinity: finite elements have the code of 0 and come back as NaN (0 times
//! infinity), infinities have code 0. Negative elements have code 0 of the unsigned map.
//!
//! # Shapes, types, layout
//! `values` in f32, f16 or bf16 and `codes` in u8 have one number of elements and no gaps, at any address that is a multiple of the
//! element's size; multiples of 16 and 8 bytes are fastest. `absmax` has `ceil(elements / block)` f32; `block` is a power of two from 64 to
//! 4096. `tables` is [`tables`] on the device, once for any number of calls.
//!
//! # Accuracy and determinism
//! Every operation is rounded by itself; `reference::quantize` gives the same bits.
//!
//! # Speed
//! 3.02 bytes an element of a 2-byte type each way, 5.02 of f32, in blocks of 256. Unmeasured on a GPU; counts are in `kernels/quantize/NOTES.md`.
//!
//! # Example
//! ```
//! use warpsmith::ops::quantize::{self, Options, Quantize, Dequantize};
//! use warpsmith::{Buffer, Device};
//! # use warpsmith::{EmulatedDevice, emulator::DeviceModel};
//!
//! # fn main() -> warpsmith::Result<()> {
//! let device = EmulatedDevice::new(DeviceModel::Sm80); // or `CudaDevice::new(0)?`
//! let tables = device.upload(&quantize::tables())?;
//! let values = device.upload(&[4.0_f32, -1.0, 0.0])?;
//! let (mut codes, mut absmax, mut back) = (device.alloc::<u8>(3)?, device.alloc::<f32>(1)?, device.alloc::<f32>(3)?);
//! let view = |tables| Buffer::<u8>::view(tables, [quantize::tables_bytes()]);
//! let tensors = Quantize {
//!     values: values.view([3])?,
//!     codes: codes.view_mut([3])?,
//!     absmax: absmax.view_mut([1])?,
//!     tables: view(&tables)?,
//! };
//! quantize::quantize(&device, tensors, Options::default())?;
//! let tensors = Dequantize {
//!     codes: codes.view([3])?,
//!     absmax: absmax.view([1])?,
//!     values: back.view_mut([3])?,
//!     tables: view(&tables)?,
//! };
//! quantize::dequantize(&device, tensors, Options::default())?;
//! let back = device.download(&back)?;
//! assert!(back[0] == 4.0 && (back[1] + 1.0).abs() < 0.02 && back[2] == 0.0);
//! # Ok(())
//! # }
//! ```

mod kernels;

pub use super::codes::{CODES, Map, signed_map, unsigned_map};

use crate::abi::{CodeTables, QUANTIZE_LEAST_BLOCK, QUANTIZE_THREADS, QUANTIZE_TILE, QuantizeParams};
use crate::check::{Arg, disjoint};
use crate::device::{Args, Caps, Device, Launch, LaunchShape, Params, Plan};
use crate::element::{DType, Float};
use crate::error::{Error, Result};
use crate::view::{TensorDesc, View, ViewMut};

const QUANTIZE: &str = "quantize::quantize";
const DEQUANTIZE: &str = "quantize::dequantize";

/// Tiles of a thread block of a tensor that is long enough for them: the tables, from L2, are then 0.4 bytes an element.
const TILES: u64 = 16;
/// Thread blocks before they take more than one tile.
const LEAST_BLOCKS: u64 = 256;

/// Which map numbers are held against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// [`signed_map`].
    #[default]
    Signed,
    /// [`unsigned_map`].
    Unsigned,
}

/// How a tensor is quantised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Elements that share an absmax: a power of two from 64 to 4096.
    pub block: usize,
    /// The map.
    pub map: Kind,
}

impl Default for Options {
    fn default() -> Self {
        Self { block: 256, map: Kind::Signed }
    }
}

/// Either way as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Desc {
    /// Read, or written on the way back.
    pub values: TensorDesc,
    /// As many u8, written, or read on the way back.
    pub codes: TensorDesc,
    /// One f32 for each block, written, or read on the way back.
    pub absmax: TensorDesc,
    /// [`tables`], at a multiple of 16 bytes.
    pub tables: TensorDesc,
    /// How.
    pub options: Options,
}

/// The tensors of [`quantize()`].
#[derive(Debug)]
pub struct Quantize<'a, D: Device, T: Float> {
    /// Any shape without gaps.
    pub values: View<'a, D, T>,
    /// As many elements.
    pub codes: ViewMut<'a, D, u8>,
    /// One for each block.
    pub absmax: ViewMut<'a, D, f32>,
    /// [`tables`].
    pub tables: View<'a, D, u8>,
}

/// The tensors of [`dequantize`].
#[derive(Debug)]
pub struct Dequantize<'a, D: Device, T: Float> {
    /// Any shape without gaps.
    pub codes: View<'a, D, u8>,
    /// One for each block.
    pub absmax: View<'a, D, f32>,
    /// As many elements as codes.
    pub values: ViewMut<'a, D, T>,
    /// [`tables`].
    pub tables: View<'a, D, u8>,
}

/// A checked launch of either way.
pub type QuantizePlan = Plan<Launch<QuantizeParams>>;

/// Bytes of [`tables`].
pub const fn tables_bytes() -> usize {
    size_of::<CodeTables>()
}

/// What the memory of `tables` holds before the first launch.
pub fn tables() -> Vec<u8> {
    super::codes::tables().as_bytes().to_vec()
}

/// Checks a quantisation. Every device runs the same kernels, so `_caps` decides nothing.
///
/// # Errors
/// [`Error::Unsupported`] for an element type without a kernel and a block that is none; [`Error::Shape`], [`Error::Stride`], [`Error::DType`],
/// [`Error::Null`], [`Error::Misaligned`], [`Error::Aliasing`] and [`Error::IndexRange`] name the tensor; [`Error::WorkspaceTooSmall`] for short tables.
pub fn plan_quantize(desc: &Desc, _caps: &Caps) -> Result<QuantizePlan> {
    let [values, codes, absmax, tables] = check(QUANTIZE, desc)?;
    disjoint(&[codes, absmax], &[values, tables])?;
    let kernel = kernels::ENCODE.of(QUANTIZE, desc.values.dtype)?;
    let (shape, params) = launch(desc);
    Ok(Plan::new(Launch { kernel, shape, params }))
}

/// Checks the way back.
///
/// # Errors
/// Those of [`plan_quantize`].
pub fn plan_dequantize(desc: &Desc, _caps: &Caps) -> Result<QuantizePlan> {
    let [values, codes, absmax, tables] = check(DEQUANTIZE, desc)?;
    disjoint(&[values], &[codes, absmax, tables])?;
    let kernel = kernels::DECODE.of(DEQUANTIZE, desc.values.dtype)?;
    let (shape, params) = launch(desc);
    Ok(Plan::new(Launch { kernel, shape, params }))
}

fn check<'a>(op: &'static str, desc: &'a Desc) -> Result<[Arg<'a>; 4]> {
    let block = desc.options.block;
    if !block.is_power_of_two() || !(QUANTIZE_LEAST_BLOCK as usize..=QUANTIZE_TILE as usize).contains(&block) {
        let (what, supported) = (format!("a block of {block}"), "powers of two from 64 to 4096");
        return Err(Error::Unsupported { op, what, supported });
    }
    let values = Arg::new(op, "values", &desc.values).sound()?.contiguous()?;
    let elements = desc.values.shape.elements();
    let of_length = |name, tensor: &'a TensorDesc, dtype, length: usize| {
        let arg = Arg::new(op, name, tensor).sound()?.dtype(dtype)?.contiguous()?;
        if tensor.shape.elements() == length { Ok(arg) } else { arg.shape([length]) }
    };
    let codes = of_length("codes", &desc.codes, DType::U8, elements)?;
    let absmax = of_length("absmax", &desc.absmax, DType::F32, elements.div_ceil(block))?;
    let tables = Arg::new(op, "tables", &desc.tables).sound()?.workspace(tables_bytes() as u64)?;
    // One tile at least of each thread block of the largest grid.
    values.elements_at_most((1 << 31) * u64::from(QUANTIZE_TILE))?;
    Ok([values, codes, absmax, tables])
}

fn launch(desc: &Desc) -> (LaunchShape, QuantizeParams) {
    let count = desc.values.shape.elements() as u64;
    let all = count.div_ceil(QUANTIZE_TILE.into());
    let tiles = (all / LEAST_BLOCKS).clamp(1, TILES);
    let params = QuantizeParams {
        values: desc.values.address,
        codes: desc.codes.address,
        absmax: desc.absmax.address,
        tables: desc.tables.address,
        count,
        block: desc.options.block as u32,
        tiles: tiles as u32,
        vectorised: (desc.values.address.is_multiple_of(16) && desc.codes.address.is_multiple_of(8)).into(),
        is_signed: (desc.options.map == Kind::Signed).into(),
    };
    (LaunchShape::linear(all.div_ceil(tiles) as u32, QUANTIZE_THREADS), params)
}

/// Queues a quantisation.
///
/// # Errors
/// Those of [`plan_quantize`]; [`Error::DeviceMismatch`]; those of a launch.
pub fn quantize<D: Device, T: Float>(device: &D, mut tensors: Quantize<'_, D, T>, options: Options) -> Result<()> {
    let mut args = Args::new(device, QUANTIZE)?;
    let desc = Desc {
        values: args.read("values", &tensors.values)?,
        codes: args.write("codes", &mut tensors.codes)?,
        absmax: args.write("absmax", &mut tensors.absmax)?,
        tables: args.read("tables", &tensors.tables)?,
        options,
    };
    let plan = plan_quantize(&desc, device.caps())?;
    // SAFETY: views lie inside their buffers, which `args` keeps borrowed until the launch is queued; the plan has checked shapes and overlaps.
    unsafe { plan.launch(&args) }
}

/// Queues the way back.
///
/// # Errors
/// Those of [`quantize()`].
pub fn dequantize<D: Device, T: Float>(device: &D, mut tensors: Dequantize<'_, D, T>, options: Options) -> Result<()> {
    let mut args = Args::new(device, DEQUANTIZE)?;
    let desc = Desc {
        values: args.write("values", &mut tensors.values)?,
        codes: args.read("codes", &tensors.codes)?,
        absmax: args.read("absmax", &tensors.absmax)?,
        tables: args.read("tables", &tensors.tables)?,
        options,
    };
    let plan = plan_dequantize(&desc, device.caps())?;
    // SAFETY: as above.
    unsafe { plan.launch(&args) }
}
