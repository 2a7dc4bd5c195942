//! Launches of the examples' own kernels, `kernels/nn.cu`. An application adds kernels to the crate's like this.

use half::bf16;
use warpsmith::device::{Kernel, LaunchShape, Params};
use warpsmith::{Args, Buffer, Device, Element, Queue, TensorDesc, View, ViewMut};

use super::Outcome;
use super::ops::Rows;
use super::product::Product;

mod image {
    use warpsmith::device::*;
    include!(concat!(env!("OUT_DIR"), "/images/nn.rs"));
}

static GEMM: Kernel<GemmParams> = Kernel::new(&image::NN, "nn_gemm");
static TO_BF16: Kernel<ConvertParams> = Kernel::new(&image::NN, "nn_to_bf16");
static TO_F32: Kernel<ConvertParams> = Kernel::new(&image::NN, "nn_to_f32");
static COPY: Kernel<ConvertParams> = Kernel::new(&image::NN, "nn_copy");

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
    c_row: i64,
    m: u32,
    n: u32,
    k: u32,
    add: u32,
    scale: f32,
    reserved: u32,
}

// SAFETY: `repr(C)`, and 3 * 8 + 5 * 8 + 6 * 4 = 88 bytes without padding.
unsafe impl Params for GemmParams {}

#[repr(C)]
#[derive(Clone, Copy)]
struct ConvertParams {
    source: u64,
    target: u64,
    groups_apart: [i64; 2],
    rows_apart: [i64; 2],
    groups: u32,
    rows: u32,
    width: u32,
    reserved: u32,
}

// SAFETY: `repr(C)`, and 6 * 8 + 4 * 4 = 64 bytes without padding.
unsafe impl Params for ConvertParams {}

/// `c = scale a b`, or `c += scale a b`, with factors rounded to tf32 and sums in f32. The views are the tensors that hold the matrices,
/// one element after the other.
pub fn gemm<D: Device>(
    device: &D,
    product: &Product,
    a: View<'_, D, f32>,
    b: View<'_, D, f32>,
    mut c: ViewMut<'_, D, f32>,
) -> Outcome {
    product.check([a.shape().elements(), b.shape().elements(), c.shape().elements()])?;
    let Product { m, n, k, .. } = *product;
    let mut args = Args::new(device, "nn::gemm")?;
    let at = |tensor: TensorDesc, first: usize| tensor.address + (first * size_of::<f32>()) as u64;
    let strides = [&product.a, &product.b].map(|matrix| matrix.strides().map(|stride| stride as i64));
    let params = GemmParams {
        a: at(args.read("a", &a)?, product.a.first),
        b: at(args.read("b", &b)?, product.b.first),
        c: at(args.write("c", &mut c)?, product.c.first),
        strides,
        c_row: product.c.stride as i64,
        m: m.try_into()?,
        n: n.try_into()?,
        k: k.try_into()?,
        add: product.add.into(),
        scale: product.scale,
        reserved: 0,
    };
    let grid = [n.div_ceil(TILE).try_into()?, m.div_ceil(TILE).try_into()?, 1];
    let shape = LaunchShape { grid, ..LaunchShape::linear(1, THREADS) };
    // SAFETY: the tensors hold the matrices, which was checked, and whole buffers are without gaps; `args` borrows them until the launch is
    // queued, the written one alone.
    unsafe { args.launch(&GEMM, &shape, &params)? };
    Ok(())
}

/// Rounds rows of f32 to bf16: `[groups, rows, width]` from one place to another.
pub fn to_bf16<D: Device>(
    device: &D,
    shape: [usize; 3],
    from: (&D::Buffer<f32>, Rows),
    to: (&mut D::Buffer<bf16>, Rows),
) -> Outcome {
    convert(device, &TO_BF16, shape, from, to)
}

/// Widens rows of bf16 to f32.
pub fn to_f32<D: Device>(
    device: &D,
    shape: [usize; 3],
    from: (&D::Buffer<bf16>, Rows),
    to: (&mut D::Buffer<f32>, Rows),
) -> Outcome {
    convert(device, &TO_F32, shape, from, to)
}

/// Copies rows of f32.
pub fn copy<D: Device>(
    device: &D,
    shape: [usize; 3],
    from: (&D::Buffer<f32>, Rows),
    to: (&mut D::Buffer<f32>, Rows),
) -> Outcome {
    convert(device, &COPY, shape, from, to)
}

fn convert<D: Device, S: Element, T: Element>(
    device: &D,
    kernel: &'static Kernel<ConvertParams>,
    shape: [usize; 3],
    (source, from): (&D::Buffer<S>, Rows),
    (target, to): (&mut D::Buffer<T>, Rows),
) -> Outcome {
    let strides = |rows: Rows| [rows.group as i64, rows.row as i64, 1];
    // Views lie inside their buffers.
    let source = source.strided(from.first, shape, strides(from))?;
    let mut target = target.strided_mut(to.first, shape, strides(to))?;
    let mut args = Args::new(device, kernel.name())?;
    let (source, target) = (args.read("source", &source)?, args.write("target", &mut target)?);
    let [groups, rows, width] = shape;
    let by_vectors = |tensor: &TensorDesc, rows: Rows| {
        let bytes = (VECTOR * tensor.dtype.size()) as u64;
        tensor.address.is_multiple_of(bytes) && [rows.group, rows.row, width].iter().all(|n| n % VECTOR == 0)
    };
    let apart = to.row >= width && (groups == 1 || to.group >= (rows - 1) * to.row + width);
    if !(by_vectors(&source, from) && by_vectors(&target, to) && apart) {
        return Err(format!("{}: {shape:?} from {from:?} to {to:?}", kernel.name()).into());
    }
    let params = ConvertParams {
        source: source.address,
        target: target.address,
        groups_apart: [from.group as i64, to.group as i64],
        rows_apart: [from.row as i64, to.row as i64],
        groups: groups.try_into()?,
        rows: rows.try_into()?,
        width: width.try_into()?,
        reserved: 0,
    };
    let launch = LaunchShape::linear((groups * rows).div_ceil(THREADS as usize / 32).try_into()?, THREADS);
    // SAFETY: both tensors are rows of a multiple of four elements, as their strides and addresses are; those of the target are apart from
    // one another. Views lie inside their buffers, which `args` borrows until the launch is queued.
    unsafe { args.launch(kernel, &launch, &params)? };
    Ok(())
}
