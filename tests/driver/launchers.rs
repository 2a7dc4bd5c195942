//! Every launcher of the crate, each with its tensors at hand.

use half::bf16;
use warpsmith::ops::gelu;
use warpsmith::{Buffer, CudaDevice, DType, Device, Result};

/// A launcher that can be called again and again.
pub struct Launcher {
    /// Its path under `warpsmith::ops`.
    pub name: &'static str,
    /// Tensors that it reads.
    pub reads: usize,
    /// Tensors that it writes, the workspace included.
    pub writes: usize,
    /// Kernels that it queues.
    pub kernels: usize,
    /// Calls it.
    pub call: Box<dyn FnMut() -> Result<()>>,
}

const ROWS: usize = 3;
const WIDTH: usize = 40;

/// All of them on one device. Nothing is loaded yet.
pub fn all(device: &CudaDevice) -> Result<Vec<Launcher>> {
    Ok(vec![gelu_forward(device)?, gelu_forward_biased(device)?, gelu_backward(device)?, gelu_backward_biased(device)?])
}

fn ones(device: &CudaDevice, len: usize) -> Result<<CudaDevice as Device>::Buffer<bf16>> {
    device.upload(&vec![bf16::ONE; len])
}

/// GELU without a bias.
pub fn gelu_forward(device: &CudaDevice) -> Result<Launcher> {
    let (device, x, mut y) = (device.clone(), ones(device, ROWS * WIDTH)?, ones(device, ROWS * WIDTH)?);
    let call = move || {
        let tensors = gelu::Forward { input: x.view([ROWS, WIDTH])?, bias: None, output: y.view_mut([ROWS, WIDTH])? };
        gelu::forward(&device, tensors, gelu::Form::Tanh)
    };
    Ok(Launcher { name: "gelu::forward", reads: 1, writes: 1, kernels: 1, call: Box::new(call) })
}

fn gelu_forward_biased(device: &CudaDevice) -> Result<Launcher> {
    let (x, bias) = (ones(device, ROWS * WIDTH)?, ones(device, WIDTH)?);
    let (device, mut y) = (device.clone(), ones(device, ROWS * WIDTH)?);
    let call = move || {
        let bias = Some(bias.view([WIDTH])?);
        let tensors = gelu::Forward { input: x.view([ROWS, WIDTH])?, bias, output: y.view_mut([ROWS, WIDTH])? };
        gelu::forward(&device, tensors, gelu::Form::Erf)
    };
    Ok(Launcher { name: "gelu::forward with bias", reads: 2, writes: 1, kernels: 1, call: Box::new(call) })
}

fn gelu_backward(device: &CudaDevice) -> Result<Launcher> {
    let (dy, x) = (ones(device, ROWS * WIDTH)?, ones(device, ROWS * WIDTH)?);
    let (device, mut dx) = (device.clone(), ones(device, ROWS * WIDTH)?);
    let call = move || {
        let tensors = gelu::Backward {
            grad_output: dy.view([ROWS, WIDTH])?,
            input: x.view([ROWS, WIDTH])?,
            bias: None,
            grad_input: dx.view_mut([ROWS, WIDTH])?,
            grad_bias: None,
            workspace: None,
        };
        gelu::backward(&device, tensors, gelu::Form::Tanh)
    };
    Ok(Launcher { name: "gelu::backward", reads: 2, writes: 1, kernels: 1, call: Box::new(call) })
}

fn gelu_backward_biased(device: &CudaDevice) -> Result<Launcher> {
    let (dy, x, bias) = (ones(device, ROWS * WIDTH)?, ones(device, ROWS * WIDTH)?, ones(device, WIDTH)?);
    let (mut dx, mut dbias) = (ones(device, ROWS * WIDTH)?, ones(device, WIDTH)?);
    let bytes = gelu::backward_workspace_bytes([ROWS, WIDTH], DType::Bf16);
    let (device, mut workspace) = (device.clone(), device.upload(&vec![0u8; bytes])?);
    let call = move || {
        let tensors = gelu::Backward {
            grad_output: dy.view([ROWS, WIDTH])?,
            input: x.view([ROWS, WIDTH])?,
            bias: Some(bias.view([WIDTH])?),
            grad_input: dx.view_mut([ROWS, WIDTH])?,
            grad_bias: Some(dbias.view_mut([WIDTH])?),
            workspace: Some(workspace.view_mut([bytes])?),
        };
        gelu::backward(&device, tensors, gelu::Form::Erf)
    };
    Ok(Launcher { name: "gelu::backward with bias", reads: 3, writes: 3, kernels: 2, call: Box::new(call) })
}
