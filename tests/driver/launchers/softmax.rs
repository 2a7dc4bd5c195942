//! The launchers of softmax.

use warpsmith::ops::softmax::{self, Io, Mask, Options};
use warpsmith::{Buffer as _, CudaDevice, Device, Result};

use super::{Launcher, ROWS, WIDTH, ones};

/// All of them.
pub fn all(device: &CudaDevice) -> Result<[Launcher; 2]> {
    Ok([forward(device)?, backward(device)?])
}

fn forward(device: &CudaDevice) -> Result<Launcher> {
    let (mut x, mask) = (ones(device, ROWS * WIDTH)?, device.upload(&[1_u8; WIDTH])?);
    let device = device.clone();
    let call = move || {
        let mask = Some(Mask::Keep(mask.view([1, WIDTH])?));
        let tensors = softmax::Forward { io: Io::InPlace(x.view_mut([ROWS, WIDTH])?), mask };
        softmax::forward(&device, tensors, &Options { scale: 0.5, causal: Some(7), logarithm: false })
    };
    Ok(Launcher { name: "softmax::forward", reads: 1, writes: 1, kernels: 1, call: Box::new(call) })
}

fn backward(device: &CudaDevice) -> Result<Launcher> {
    let (y, dy, mut dx) = (ones(device, ROWS * WIDTH)?, ones(device, ROWS * WIDTH)?, ones(device, ROWS * WIDTH)?);
    let device = device.clone();
    let call = move || {
        let io = Io::Apart { from: dy.view([ROWS, WIDTH])?, to: dx.view_mut([ROWS, WIDTH])? };
        softmax::backward(&device, softmax::Backward { output: y.view([ROWS, WIDTH])?, io }, &Options::default())
    };
    Ok(Launcher { name: "softmax::backward", reads: 2, writes: 1, kernels: 1, call: Box::new(call) })
}
