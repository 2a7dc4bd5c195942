//! Launches of the example's own kernels, `kernels/train_gpt.cu`. An application adds kernels to the crate's like this.

use half::bf16;
use warpsmith::device::{Kernel, LaunchShape, Params};
use warpsmith::{Args, Device, Queue, TensorDesc, View, ViewMut};

use crate::Outcome;
use crate::ops::Product;

mod image {
    use warpsmith::device::*;
    include!(concat!(env!("OUT_DIR"), "/images/train_gpt.rs"));
}

static GEMM: Kernel<GemmParams> = Kernel::new(&image::TRAIN_GPT, "train_gpt_gemm");
static TO_BF16: Kernel<ConvertParams> = Kernel::new(&image::TRAIN_GPT, "train_gpt_to_bf16");
static TO_F32: Kernel<ConvertParams> = Kernel::new(&image::TRAIN_GPT, "train_gpt_to_f32");

/// Threads of a block of every kernel.
const THREADS: u32 = 128;
/// Rows and columns of the result that a block of the product makes.
const TILE: usize = 64;
/// Elements that a conversion moves at a time.
const VECTOR: usize = 4;

#[repr(C)]
#[derive(Clone, Copy)]
struct GemmParams {
    a: u64,
    b: u64,
    c: u64,
    strides: [[i64; 2]; 2],
    m: u32,
    n: u32,
    k: u32,
    reserved: u32,
}

// SAFETY: `repr(C)`, and 3 * 8 + 4 * 8 + 4 * 4 = 72 bytes without padding.
unsafe impl Params for GemmParams {}

#[repr(C)]
#[derive(Clone, Copy)]
struct ConvertParams {
    source: u64,
    target: u64,
    source_stride: i64,
    target_stride: i64,
    rows: u32,
    width: u32,
}

// SAFETY: `repr(C)`, and 4 * 8 + 2 * 4 = 40 bytes without padding.
unsafe impl Params for ConvertParams {}

/// `c = a b`, with factors rounded to tf32 and sums in f32. The views are the matrices of `product`, one after the other element.
pub fn gemm<D: Device>(
    device: &D,
    product: Product,
    a: View<'_, D, f32>,
    b: View<'_, D, f32>,
    mut c: ViewMut<'_, D, f32>,
) -> Outcome {
    let Product { m, n, k, .. } = product;
    let lengths = [a.shape().elements(), b.shape().elements(), c.shape().elements()];
    if lengths != [m * k, k * n, m * n] {
        return Err(format!("{product:?} of {lengths:?} elements").into());
    }
    let mut args = Args::new(device, "train_gpt::gemm")?;
    let params = GemmParams {
        a: args.read("a", &a)?.address,
        b: args.read("b", &b)?.address,
        c: args.write("c", &mut c)?.address,
        strides: product.strides().map(|strides| strides.map(|stride| stride as i64)),
        m: m.try_into()?,
        n: n.try_into()?,
        k: k.try_into()?,
        reserved: 0,
    };
    let grid = [n.div_ceil(TILE).try_into()?, m.div_ceil(TILE).try_into()?, 1];
    let shape = LaunchShape { grid, ..LaunchShape::linear(1, THREADS) };
    // SAFETY: the matrices have the lengths that their strides reach, which were checked, and whole buffers are without gaps; `args` borrows
    // them until the launch is queued, the written one alone.
    unsafe { args.launch(&GEMM, &shape, &params)? };
    Ok(())
}

/// Rounds rows of f32 to bf16.
pub fn to_bf16<D: Device>(device: &D, source: View<'_, D, f32>, target: ViewMut<'_, D, bf16>) -> Outcome {
    convert(device, &TO_BF16, source, target)
}

/// Widens rows of bf16 to f32.
pub fn to_f32<D: Device>(device: &D, source: View<'_, D, bf16>, target: ViewMut<'_, D, f32>) -> Outcome {
    convert(device, &TO_F32, source, target)
}

fn convert<D: Device, S: warpsmith::Element, T: warpsmith::Element>(
    device: &D,
    kernel: &'static Kernel<ConvertParams>,
    source: View<'_, D, S>,
    mut target: ViewMut<'_, D, T>,
) -> Outcome {
    let mut args = Args::new(device, kernel.name())?;
    let (source, target) = (args.read("source", &source)?, args.write("target", &mut target)?);
    let (source_stride, target_stride) = (row_stride(&source)?, row_stride(&target)?);
    if source.shape != target.shape {
        return Err(format!("{}: {:?} to {:?}", kernel.name(), source.shape, target.shape).into());
    }
    let (rows, width) = (source.shape[0].try_into()?, source.shape[1].try_into()?);
    let params =
        ConvertParams { source: source.address, target: target.address, source_stride, target_stride, rows, width };
    let shape = LaunchShape::linear(rows.div_ceil(THREADS / 32), THREADS);
    // SAFETY: both tensors are `rows` rows of `width` elements, a multiple of four as their strides and addresses are; views lie inside their
    // buffers, which `args` borrows until the launch is queued.
    unsafe { args.launch(kernel, &shape, &params)? };
    Ok(())
}

/// The distance of rows of neighbouring elements, which can be moved four at a time.
fn row_stride(tensor: &TensorDesc) -> Outcome<i64> {
    let vector = (VECTOR * tensor.dtype.size()) as u64;
    match (&*tensor.shape, &*tensor.strides) {
        ([_, width], [stride, 1])
            if width % VECTOR == 0 && stride % VECTOR as i64 == 0 && tensor.address.is_multiple_of(vector) =>
        {
            Ok(*stride)
        }
        _ => Err(format!("{tensor:?} is not rows of vectors of {VECTOR}").into()),
    }
}
