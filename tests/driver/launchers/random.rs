//! The launchers of what draws random numbers.

use warpsmith::ops::{dropout, mask_tokens};
use warpsmith::random::{self, Random};
use warpsmith::{Buffer as _, CudaDevice, Device, Result};

use super::{Launcher, ROWS, WIDTH, ones};

/// All of them.
pub fn all(device: &CudaDevice) -> Result<Vec<Launcher>> {
    Ok(vec![dropout(device)?, dropout_onto(device)?, dropout_backward(device)?, masking(device)?])
}

fn dropout(device: &CudaDevice) -> Result<Launcher> {
    let (x, residual, mut y) = (ones(device, ROWS * WIDTH)?, ones(device, ROWS * WIDTH)?, ones(device, ROWS * WIDTH)?);
    let (device, state) = (device.clone(), device.upload(&random::state(1, 2))?);
    let call = move || {
        let residual = Some(residual.view([ROWS, WIDTH])?);
        let tensors = dropout::Forward { input: x.view([ROWS, WIDTH])?, residual, output: y.view_mut([ROWS, WIDTH])? };
        dropout::forward(&device, tensors, Random { state: state.view([2])?, offset: 3 }, 0.5)
    };
    Ok(Launcher { name: "dropout::forward", reads: 3, writes: 1, kernels: 1, call: Box::new(call) })
}

fn dropout_onto(device: &CudaDevice) -> Result<Launcher> {
    let (x, mut stream) = (ones(device, ROWS * WIDTH)?, ones(device, ROWS * WIDTH)?);
    let (device, state) = (device.clone(), device.upload(&random::state(1, 2))?);
    let call = move || {
        let random = Random { state: state.view([2])?, offset: 0 };
        dropout::forward_onto(&device, x.view([ROWS, WIDTH])?, stream.view_mut([ROWS, WIDTH])?, random, 0.1)
    };
    Ok(Launcher { name: "dropout::forward_onto", reads: 2, writes: 1, kernels: 1, call: Box::new(call) })
}

fn dropout_backward(device: &CudaDevice) -> Result<Launcher> {
    let (device, mut gradient, state) =
        (device.clone(), ones(device, ROWS * WIDTH)?, device.upload(&random::state(1, 2))?);
    let call = move || {
        let random = Random { state: state.view([2])?, offset: 0 };
        dropout::backward_in_place(&device, gradient.view_mut([ROWS, WIDTH])?, random, 0.1)
    };
    Ok(Launcher { name: "dropout::backward", reads: 1, writes: 1, kernels: 1, call: Box::new(call) })
}

fn masking(device: &CudaDevice) -> Result<Launcher> {
    let (mut tokens, special) = (device.upload(&[7_i64; ROWS])?, device.upload(&[0_u8; ROWS])?);
    let (mut labels, state) = (device.alloc::<i64>(ROWS)?, device.upload(&random::state(1, 2))?);
    let device = device.clone();
    let call = move || {
        let tensors = mask_tokens::Forward {
            tokens: mask_tokens::Tokens::InPlace(tokens.view_mut([ROWS])?),
            special: Some(special.view([ROWS])?),
            labels: labels.view_mut([ROWS])?,
            random: Random { state: state.view([2])?, offset: 0 },
        };
        mask_tokens::forward(&device, tensors, &mask_tokens::Options::new(103, 30_522))
    };
    Ok(Launcher { name: "mask_tokens::forward", reads: 2, writes: 2, kernels: 1, call: Box::new(call) })
}
