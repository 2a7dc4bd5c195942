//! The launchers of losses.

use warpsmith::ops::{bce_with_logits, cross_entropy, linear_cross_entropy};
use warpsmith::{Buffer as _, CudaDevice, Device, Result};

use super::{Launcher, ROWS, WIDTH, ones};

/// The mean, the gradient over the logits.
pub fn cross_entropy_in_place(device: &CudaDevice) -> Result<Launcher> {
    let (mut x, targets, mut loss) = (ones(device, ROWS * WIDTH)?, device.upload(&[1_i32; ROWS])?, device.alloc(1)?);
    let bytes = cross_entropy::workspace_bytes([ROWS, WIDTH], cross_entropy::Reduction::Mean);
    let (device, mut workspace) = (device.clone(), device.upload(&vec![0u8; bytes])?);
    let call = move || {
        let tensors = cross_entropy::Forward {
            logits: cross_entropy::Logits::InPlace(x.view_mut([ROWS, WIDTH])?),
            targets: targets.view([ROWS])?,
            weight: None,
            loss: Some(loss.view_mut([1])?),
            lse: None,
            totals: None,
            grad_loss: None,
            workspace: Some(workspace.view_mut([bytes])?),
        };
        cross_entropy::forward(&device, tensors, &cross_entropy::Options::default())
    };
    Ok(Launcher { name: "cross_entropy::forward", reads: 1, writes: 3, kernels: 3, call: Box::new(call) })
}

/// With everything that is optional, a loss for each row.
pub fn cross_entropy_with_all(device: &CudaDevice) -> Result<Launcher> {
    let (x, mut dx, targets) =
        (ones(device, ROWS * WIDTH)?, ones(device, ROWS * WIDTH)?, device.upload(&[1_i64; ROWS])?);
    let (weight, grad_loss) = (device.upload(&[1.0_f32; WIDTH])?, device.upload(&[1.0_f32; ROWS])?);
    let (mut loss, mut lse, mut totals) = (device.alloc(ROWS)?, device.alloc(ROWS)?, device.alloc(2)?);
    let bytes = cross_entropy::workspace_bytes([ROWS, WIDTH], cross_entropy::Reduction::None);
    let (device, mut workspace) = (device.clone(), device.upload(&vec![0u8; bytes])?);
    let call = move || {
        let gradient = Some(dx.view_mut([ROWS, WIDTH])?);
        let tensors = cross_entropy::Forward {
            logits: cross_entropy::Logits::Apart { logits: x.view([ROWS, WIDTH])?, gradient },
            targets: targets.view([ROWS])?,
            weight: Some(weight.view([WIDTH])?),
            loss: Some(loss.view_mut([ROWS])?),
            lse: Some(lse.view_mut([ROWS])?),
            totals: Some(totals.view_mut([2])?),
            grad_loss: Some(grad_loss.view([ROWS])?),
            workspace: Some(workspace.view_mut([bytes])?),
        };
        let options = cross_entropy::Options { reduction: cross_entropy::Reduction::None, ..Default::default() };
        cross_entropy::forward(&device, tensors, &options)
    };
    Ok(Launcher { name: "cross_entropy::forward with all", reads: 4, writes: 5, kernels: 2, call: Box::new(call) })
}

/// The mean, the gradient over the logits.
pub fn bce(device: &CudaDevice) -> Result<Launcher> {
    let (mut x, targets, mut loss) = (ones(device, ROWS)?, device.upload(&[1_i64; ROWS])?, device.alloc(1)?);
    let bytes = bce_with_logits::workspace_bytes(ROWS, warpsmith::DType::Bf16, bce_with_logits::Reduction::Mean);
    let (device, mut workspace) = (device.clone(), device.upload(&vec![0u8; bytes])?);
    let call = move || {
        let tensors = bce_with_logits::Forward {
            logits: bce_with_logits::Logits::InPlace(x.view_mut([ROWS])?),
            targets: targets.view([ROWS])?,
            mask: None,
            loss: Some(loss.view_mut([1])?),
            grad_loss: None,
            workspace: Some(workspace.view_mut([bytes])?),
        };
        bce_with_logits::forward(&device, tensors, &bce_with_logits::Options::default())
    };
    Ok(Launcher { name: "bce_with_logits::forward", reads: 1, writes: 3, kernels: 3, call: Box::new(call) })
}

/// The mean and all gradients in two chunks, with products that somebody else queues.
pub fn linear_cross_entropy(device: &CudaDevice) -> Result<Launcher> {
    const DEPTH: usize = 8;
    let (hidden, weight, targets) =
        (ones(device, ROWS * DEPTH)?, ones(device, WIDTH * DEPTH)?, device.upload(&[1_i32; ROWS])?);
    let (mut grad_hidden, mut grad_weight, mut loss) =
        (ones(device, ROWS * DEPTH)?, device.alloc(WIDTH * DEPTH)?, device.alloc(1)?);
    let options = linear_cross_entropy::Options { chunk_rows: Some(2), ..Default::default() };
    let bytes = linear_cross_entropy::workspace_bytes([ROWS, DEPTH], WIDTH, warpsmith::DType::Bf16, &options);
    let (device, mut workspace) = (device.clone(), device.upload(&vec![0u8; bytes])?);
    let call = move || {
        let tensors = linear_cross_entropy::Forward {
            hidden: hidden.view([ROWS, DEPTH])?,
            weight: weight.view([WIDTH, DEPTH])?,
            bias: None,
            targets: targets.view([ROWS])?,
            class_weight: None,
            grad_loss: None,
            grad_hidden: Some(grad_hidden.view_mut([ROWS, DEPTH])?),
            grad_weight: Some(grad_weight.view_mut([WIDTH, DEPTH])?),
            loss: Some(loss.view_mut([1])?),
            lse: None,
            totals: None,
            workspace: workspace.view_mut([bytes])?,
        };
        linear_cross_entropy::forward(&device, tensors, &options, |_| Ok(()))
    };
    Ok(Launcher { name: "linear_cross_entropy::forward", reads: 3, writes: 4, kernels: 4, call: Box::new(call) })
}
