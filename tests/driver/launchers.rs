//! Every launcher of the crate, each with its tensors at hand.

mod attention;
mod embedding;
mod losses;
mod optimizers;
mod random;
mod softmax;

use half::bf16;
use warpsmith::ops::{activation, gelu, layer_norm, rms_norm, rotary};
use warpsmith::{Buffer as _, CudaDevice, DType, Device, Result};

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
    let mut launchers = vec![gelu_forward(device)?, gelu_forward_biased(device)?];
    launchers.extend([gelu_backward(device)?, gelu_backward_biased(device)?]);
    launchers.extend([layer_norm_forward(device)?, layer_norm_forward_residual(device)?]);
    launchers.extend([layer_norm_backward(device)?, layer_norm_backward_weighted(device)?]);
    launchers.extend([rms_norm_forward(device)?, rms_norm_backward(device)?]);
    launchers.extend(attention::all(device)?);
    launchers.extend([
        losses::cross_entropy_in_place(device)?,
        losses::cross_entropy_with_all(device)?,
        losses::bce(device)?,
        losses::linear_cross_entropy(device)?,
    ]);
    launchers.extend([rotary_in_place(device)?, rotary_backward(device)?]);
    launchers.extend([
        optimizers::adamw8bit(device)?,
        optimizers::adamw(device)?,
        optimizers::lion(device)?,
        optimizers::lamb(device)?,
    ]);
    launchers.extend([optimizers::quantize(device)?, optimizers::dequantize(device)?]);
    launchers.extend(embedding::all(device)?);
    launchers.extend([optimizers::grad_clip_norm(device)?, optimizers::grad_clip_value(device)?]);
    launchers.extend([swiglu(device)?, swiglu_backward(device)?, activation_in_place(device)?]);
    launchers.extend(softmax::all(device)?);
    launchers.extend(random::all(device)?);
    Ok(launchers)
}

type Buffer<T> = <CudaDevice as Device>::Buffer<T>;

fn ones(device: &CudaDevice, len: usize) -> Result<Buffer<bf16>> {
    device.upload(&vec![bf16::ONE; len])
}

/// A mean and a reciprocal deviation for each row.
fn statistics(device: &CudaDevice) -> Result<[Buffer<f32>; 2]> {
    Ok([device.upload(&[0.0_f32; ROWS])?, device.upload(&[1.0_f32; ROWS])?])
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

fn layer_norm_forward(device: &CudaDevice) -> Result<Launcher> {
    let (device, x, mut y) = (device.clone(), ones(device, ROWS * WIDTH)?, ones(device, ROWS * WIDTH)?);
    let call = move || {
        let tensors = layer_norm::Forward {
            input: x.view([ROWS, WIDTH])?,
            residual: None,
            weight: None,
            bias: None,
            output: y.view_mut([ROWS, WIDTH])?,
            statistics: None,
        };
        layer_norm::forward(&device, tensors, 1e-5)
    };
    Ok(Launcher { name: "layer_norm::forward", reads: 1, writes: 1, kernels: 1, call: Box::new(call) })
}

fn layer_norm_forward_residual(device: &CudaDevice) -> Result<Launcher> {
    let (x, residual) = (ones(device, ROWS * WIDTH)?, ones(device, ROWS * WIDTH)?);
    let (weight, bias) = (ones(device, WIDTH)?, ones(device, WIDTH)?);
    let (mut sum, mut y, [mut mean, mut rstd]) =
        (ones(device, ROWS * WIDTH)?, ones(device, ROWS * WIDTH)?, statistics(device)?);
    let device = device.clone();
    let call = move || {
        let (residual, sum) = (residual.view([ROWS, WIDTH])?, sum.view_mut([ROWS, WIDTH])?);
        let (mean, rstd) = (mean.view_mut([ROWS])?, rstd.view_mut([ROWS])?);
        let tensors = layer_norm::Forward {
            input: x.view([ROWS, WIDTH])?,
            residual: Some(layer_norm::Residual { residual, sum }),
            weight: Some(weight.view([WIDTH])?),
            bias: Some(bias.view([WIDTH])?),
            output: y.view_mut([ROWS, WIDTH])?,
            statistics: Some(layer_norm::Statistics { mean, rstd }),
        };
        layer_norm::forward(&device, tensors, 1e-5)
    };
    Ok(Launcher { name: "layer_norm::forward with all", reads: 4, writes: 4, kernels: 1, call: Box::new(call) })
}

fn layer_norm_backward(device: &CudaDevice) -> Result<Launcher> {
    let (dy, x, [mean, rstd]) = (ones(device, ROWS * WIDTH)?, ones(device, ROWS * WIDTH)?, statistics(device)?);
    let (device, mut dx) = (device.clone(), ones(device, ROWS * WIDTH)?);
    let call = move || {
        let (mean, rstd) = (mean.view([ROWS])?, rstd.view([ROWS])?);
        let tensors = layer_norm::Backward {
            grad_output: dy.view([ROWS, WIDTH])?,
            input: x.view([ROWS, WIDTH])?,
            weight: None,
            statistics: layer_norm::Statistics { mean, rstd },
            grad_sum: None,
            grad_input: dx.view_mut([ROWS, WIDTH])?,
            grad_weight: None,
            grad_bias: None,
            workspace: None,
        };
        layer_norm::backward(&device, tensors)
    };
    Ok(Launcher { name: "layer_norm::backward", reads: 4, writes: 1, kernels: 1, call: Box::new(call) })
}

fn layer_norm_backward_weighted(device: &CudaDevice) -> Result<Launcher> {
    let (dy, x, [mean, rstd]) = (ones(device, ROWS * WIDTH)?, ones(device, ROWS * WIDTH)?, statistics(device)?);
    let (weight, past, mut dx) = (ones(device, WIDTH)?, ones(device, ROWS * WIDTH)?, ones(device, ROWS * WIDTH)?);
    let (mut dweight, mut dbias) = (ones(device, WIDTH)?, ones(device, WIDTH)?);
    let bytes = layer_norm::backward_workspace_bytes([ROWS, WIDTH]);
    let (device, mut workspace) = (device.clone(), device.upload(&vec![0u8; bytes])?);
    let call = move || {
        let (mean, rstd) = (mean.view([ROWS])?, rstd.view([ROWS])?);
        let tensors = layer_norm::Backward {
            grad_output: dy.view([ROWS, WIDTH])?,
            input: x.view([ROWS, WIDTH])?,
            weight: Some(weight.view([WIDTH])?),
            statistics: layer_norm::Statistics { mean, rstd },
            grad_sum: Some(past.view([ROWS, WIDTH])?),
            grad_input: dx.view_mut([ROWS, WIDTH])?,
            grad_weight: Some(dweight.view_mut([WIDTH])?),
            grad_bias: Some(dbias.view_mut([WIDTH])?),
            workspace: Some(workspace.view_mut([bytes])?),
        };
        layer_norm::backward(&device, tensors)
    };
    Ok(Launcher { name: "layer_norm::backward with all", reads: 6, writes: 4, kernels: 2, call: Box::new(call) })
}

fn rms_norm_forward(device: &CudaDevice) -> Result<Launcher> {
    let (x, residual, weight) = (ones(device, ROWS * WIDTH)?, ones(device, ROWS * WIDTH)?, ones(device, WIDTH)?);
    let (mut sum, mut y) = (ones(device, ROWS * WIDTH)?, ones(device, ROWS * WIDTH)?);
    let (device, [mut rstd, _]) = (device.clone(), statistics(device)?);
    let call = move || {
        let (residual, sum) = (residual.view([ROWS, WIDTH])?, sum.view_mut([ROWS, WIDTH])?);
        let tensors = rms_norm::Forward {
            input: x.view([ROWS, WIDTH])?,
            residual: Some(rms_norm::Residual { residual, sum }),
            weight: Some(weight.view([WIDTH])?),
            output: y.view_mut([ROWS, WIDTH])?,
            rstd: Some(rstd.view_mut([ROWS])?),
        };
        rms_norm::forward(&device, tensors, 1e-5, rms_norm::Casting::Llama)
    };
    Ok(Launcher { name: "rms_norm::forward", reads: 3, writes: 3, kernels: 1, call: Box::new(call) })
}

fn rms_norm_backward(device: &CudaDevice) -> Result<Launcher> {
    let (dy, x, [rstd, _]) = (ones(device, ROWS * WIDTH)?, ones(device, ROWS * WIDTH)?, statistics(device)?);
    let (weight, past, mut dx) = (ones(device, WIDTH)?, ones(device, ROWS * WIDTH)?, ones(device, ROWS * WIDTH)?);
    let (mut dweight, bytes) = (ones(device, WIDTH)?, rms_norm::backward_workspace_bytes([ROWS, WIDTH]));
    let (device, mut workspace) = (device.clone(), device.upload(&vec![0u8; bytes])?);
    let call = move || {
        let tensors = rms_norm::Backward {
            grad_output: dy.view([ROWS, WIDTH])?,
            input: x.view([ROWS, WIDTH])?,
            weight: Some(weight.view([WIDTH])?),
            rstd: rstd.view([ROWS])?,
            grad_sum: Some(past.view([ROWS, WIDTH])?),
            grad_input: dx.view_mut([ROWS, WIDTH])?,
            grad_weight: Some(dweight.view_mut([WIDTH])?),
            workspace: Some(workspace.view_mut([bytes])?),
        };
        rms_norm::backward(&device, tensors, rms_norm::Casting::Llama)
    };
    Ok(Launcher { name: "rms_norm::backward", reads: 5, writes: 3, kernels: 2, call: Box::new(call) })
}

fn rotary_in_place(device: &CudaDevice) -> Result<Launcher> {
    let (device, mut queries) = (device.clone(), ones(device, ROWS * WIDTH)?);
    let frequencies = rotary::Frequencies::new(WIDTH, 10_000.0, rotary::Scaling::None)?;
    let call = move || {
        let queries = rotary::Operand::InPlace(queries.view_mut([1, ROWS, 1, WIDTH])?);
        let tensors = rotary::Rotate { queries, keys: None, positions: rotary::Positions::From(0) };
        rotary::forward(&device, tensors, &frequencies, rotary::Pairing::Half)
    };
    Ok(Launcher { name: "rotary::forward in place", reads: 0, writes: 1, kernels: 1, call: Box::new(call) })
}

fn rotary_backward(device: &CudaDevice) -> Result<Launcher> {
    let (dq, dk, positions) =
        (ones(device, ROWS * WIDTH)?, ones(device, ROWS * WIDTH)?, device.upload(&[0_i64; ROWS])?);
    let (mut dq_out, mut dk_out) = (ones(device, ROWS * WIDTH)?, ones(device, ROWS * WIDTH)?);
    let frequencies = rotary::Frequencies::new(WIDTH, 10_000.0, rotary::Scaling::None)?;
    let device = device.clone();
    let call = move || {
        let shape = [1, ROWS, 1, WIDTH];
        let tensors = rotary::Rotate {
            queries: rotary::Operand::Into { input: dq.view(shape)?, output: dq_out.view_mut(shape)? },
            keys: Some(rotary::Operand::Into { input: dk.view(shape)?, output: dk_out.view_mut(shape)? }),
            positions: rotary::Positions::I64(positions.view([ROWS])?),
        };
        rotary::backward(&device, tensors, &frequencies, rotary::Pairing::Half)
    };
    Ok(Launcher { name: "rotary::backward", reads: 3, writes: 2, kernels: 1, call: Box::new(call) })
}

fn swiglu(device: &CudaDevice) -> Result<Launcher> {
    let (device, x, mut y) = (device.clone(), ones(device, 2 * ROWS * WIDTH)?, ones(device, ROWS * WIDTH)?);
    let call = move || {
        let input = activation::Input::Packed(x.view([ROWS, 2 * WIDTH])?);
        let tensors = activation::Forward { input, output: y.view_mut([ROWS, WIDTH])? };
        activation::forward(&device, tensors, activation::Function::Silu)
    };
    Ok(Launcher { name: "activation::forward", reads: 1, writes: 1, kernels: 1, call: Box::new(call) })
}

fn swiglu_backward(device: &CudaDevice) -> Result<Launcher> {
    let (dy, gate, up) = (ones(device, ROWS * WIDTH)?, ones(device, ROWS * WIDTH)?, ones(device, ROWS * WIDTH)?);
    let (device, mut dx) = (device.clone(), ones(device, 2 * ROWS * WIDTH)?);
    let call = move || {
        let tensors = activation::Backward {
            grad_output: dy.view([ROWS, WIDTH])?,
            input: activation::Input::Gated { gate: gate.view([ROWS, WIDTH])?, up: up.view([ROWS, WIDTH])? },
            grad_input: activation::InputMut::Packed(dx.view_mut([ROWS, 2 * WIDTH])?),
        };
        activation::backward(&device, tensors, activation::Function::Silu)
    };
    Ok(Launcher { name: "activation::backward", reads: 3, writes: 1, kernels: 1, call: Box::new(call) })
}

fn activation_in_place(device: &CudaDevice) -> Result<Launcher> {
    let (device, mut x) = (device.clone(), ones(device, ROWS * WIDTH)?);
    let call =
        move || activation::forward_in_place(&device, x.view_mut([ROWS, WIDTH])?, activation::Function::ReluSquared);
    Ok(Launcher { name: "activation::forward in place", reads: 0, writes: 1, kernels: 1, call: Box::new(call) })
}
