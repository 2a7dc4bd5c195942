//! The launchers of embedding.

use warpsmith::ops::embedding::{self, Lookup, Positions};
use warpsmith::{Buffer as _, CudaDevice, Device, Result};

use super::{Launcher, ROWS, WIDTH, ones};

const VOCABULARY: usize = 5;

/// All of them.
pub fn all(device: &CudaDevice) -> Result<[Launcher; 3]> {
    Ok([forward(device)?, backward(device)?, backward_positions(device)?])
}

fn forward(device: &CudaDevice) -> Result<Launcher> {
    let (table, positions) = (ones(device, VOCABULARY * WIDTH)?, ones(device, ROWS * WIDTH)?);
    let (ids, mut y, device) = (device.upload(&[1_i32; ROWS])?, ones(device, ROWS * WIDTH)?, device.clone());
    let call = move || {
        let token = Lookup { table: table.view([VOCABULARY, WIDTH])?, ids: ids.view([ROWS])? };
        let tensors = embedding::Forward {
            token,
            position: Some(Positions::Counted { table: positions.view([ROWS, WIDTH])?, offset: 0 }),
            segment: Some(token),
            output: y.view_mut([ROWS, WIDTH])?,
        };
        embedding::forward(&device, tensors)
    };
    Ok(Launcher { name: "embedding::forward", reads: 5, writes: 1, kernels: 1, call: Box::new(call) })
}

fn backward(device: &CudaDevice) -> Result<Launcher> {
    let (dy, mut dtable) = (ones(device, ROWS * WIDTH)?, ones(device, VOCABULARY * WIDTH)?);
    let bytes = embedding::backward_workspace_bytes([ROWS], [VOCABULARY, WIDTH]);
    let (ids, mut workspace) = (device.upload(&[1_i64; ROWS])?, device.upload(&vec![0u8; bytes])?);
    let device = device.clone();
    let call = move || {
        let tensors = embedding::Backward {
            grad_output: dy.view([ROWS, WIDTH])?,
            ids: ids.view([ROWS])?,
            grad_table: dtable.view_mut([VOCABULARY, WIDTH])?,
            workspace: workspace.view_mut([bytes])?,
        };
        embedding::backward(&device, tensors, &embedding::Options::default())
    };
    Ok(Launcher { name: "embedding::backward", reads: 2, writes: 2, kernels: 5, call: Box::new(call) })
}

fn backward_positions(device: &CudaDevice) -> Result<Launcher> {
    let (dy, mut dtable) = (ones(device, ROWS * WIDTH)?, ones(device, ROWS * WIDTH)?);
    let device = device.clone();
    let call = move || {
        let (grad_output, grad_table) = (dy.view([ROWS, WIDTH])?, dtable.view_mut([ROWS, WIDTH])?);
        let tensors = embedding::PositionsBackward { grad_output, grad_table };
        embedding::backward_positions(&device, tensors, 0, true)
    };
    Ok(Launcher { name: "embedding::backward_positions", reads: 1, writes: 1, kernels: 1, call: Box::new(call) })
}
