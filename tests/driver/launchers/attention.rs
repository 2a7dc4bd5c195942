//! The launchers of attention.

use warpsmith::ops::attention::{self, Options};
use warpsmith::{Buffer as _, CudaDevice, Device, Result};

use super::{Launcher, ones};

/// Batch, positions, heads and head dimension.
const SHAPE: [usize; 4] = [1, 3, 2, 64];
const ROWS: [usize; 3] = [1, 2, 3];

/// All of them on one device.
pub fn all(device: &CudaDevice) -> Result<[Launcher; 2]> {
    Ok([forward(device)?, backward(device)?])
}

fn forward(device: &CudaDevice) -> Result<Launcher> {
    let len = SHAPE.iter().product();
    let tensor = || ones(device, len);
    let (q, k, v) = (tensor()?, tensor()?, tensor()?);
    let (device, mut o, mut lse) = (device.clone(), tensor()?, device.upload(&[0.0_f32; 6])?);
    let call = move || {
        let tensors = attention::Forward {
            q: q.view(SHAPE)?,
            k: k.view(SHAPE)?,
            v: v.view(SHAPE)?,
            o: o.view_mut(SHAPE)?,
            lse: Some(lse.view_mut(ROWS)?),
        };
        attention::forward(&device, tensors, Options::default())
    };
    Ok(Launcher { name: "attention::forward", reads: 3, writes: 2, kernels: 1, call: Box::new(call) })
}

fn backward(device: &CudaDevice) -> Result<Launcher> {
    let len = SHAPE.iter().product();
    let tensor = || ones(device, len);
    let (q, k, v, o, grad_o) = (tensor()?, tensor()?, tensor()?, tensor()?, tensor()?);
    let (mut grad_q, mut grad_k, mut grad_v) = (tensor()?, tensor()?, tensor()?);
    let (lse, bytes) = (device.upload(&[8.0_f32; 6])?, attention::backward_workspace_bytes(SHAPE));
    let (device, mut workspace) = (device.clone(), device.upload(&vec![0u8; bytes])?);
    let call = move || {
        let tensors = attention::Backward {
            q: q.view(SHAPE)?,
            k: k.view(SHAPE)?,
            v: v.view(SHAPE)?,
            o: o.view(SHAPE)?,
            lse: lse.view(ROWS)?,
            grad_o: grad_o.view(SHAPE)?,
            grad_q: grad_q.view_mut(SHAPE)?,
            grad_k: grad_k.view_mut(SHAPE)?,
            grad_v: grad_v.view_mut(SHAPE)?,
            workspace: workspace.view_mut([bytes])?,
        };
        attention::backward(&device, tensors, Options::default())
    };
    Ok(Launcher { name: "attention::backward", reads: 6, writes: 4, kernels: 2, call: Box::new(call) })
}
