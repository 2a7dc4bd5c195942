//! The smallest operation, `y = factor * x`, written as the operations of the crate are, over hand-written PTX.
#![allow(dead_code)] // Every test binary compiles this for itself and uses a part of it.

use warpsmith::device::{Image, ImageArch, Kernel, LaunchShape, Params, PtxImage};
use warpsmith::{Args, Device, Queue, Result, View, ViewMut};

pub const SM_75: ImageArch = ImageArch { major: 7, minor: 5, specific: false };
pub const SM_80: ImageArch = ImageArch { major: 8, minor: 0, specific: false };
pub const SM_90A: ImageArch = ImageArch { major: 9, minor: 0, specific: true };

/// `scale`, and `tile`, which does nothing and has 1 KiB of static shared memory.
pub const PTX: &str = include_str!("scale.ptx");

/// Arguments of both.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ScaleParams {
    pub x: u64,
    pub y: u64,
    pub count: u32,
    pub factor: f32,
}

// SAFETY: `repr(C)`, and 8 + 8 + 4 + 4 = 24 bytes without padding.
unsafe impl Params for ScaleParams {}

pub static IMAGE: Image = Image { name: "scale", ptx: &[PtxImage { arch: SM_80, text: PTX }], cubins: &[] };
pub static SCALE: Kernel<ScaleParams> = Kernel::new(&IMAGE, "scale");

/// One block of 128 threads.
pub const ONE_BLOCK: LaunchShape = LaunchShape::linear(1, 128);

/// `y = factor * x`. Both views are without gaps and of the same length.
pub fn scale<D: Device>(device: &D, x: View<'_, D, f32>, y: ViewMut<'_, D, f32>, factor: f32) -> Result<()> {
    let blocks = x.shape().elements().div_ceil(128) as u32;
    scale_by(device, &SCALE, LaunchShape::linear(blocks, 128), x, y, factor)
}

/// The same by another kernel or in another shape.
pub fn scale_by<D: Device>(
    device: &D,
    kernel: &'static Kernel<ScaleParams>,
    shape: LaunchShape,
    x: View<'_, D, f32>,
    mut y: ViewMut<'_, D, f32>,
    factor: f32,
) -> Result<()> {
    let count = x.shape().elements() as u32;
    let mut args = Args::new(device, "scale")?;
    let params = ScaleParams { x: args.read("x", &x)?.address, y: args.write("y", &mut y)?.address, count, factor };
    // SAFETY: the views have `count` elements without gaps, and `args` borrows them until the launch is queued.
    unsafe { args.launch(kernel, &shape, &params) }
}
