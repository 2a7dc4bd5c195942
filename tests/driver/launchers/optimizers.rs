//! The launchers of optimizers.

use half::bf16;
use warpsmith::ops::adamw8bit::{AdamW8bit, Options, Scalars, Tensors};
use warpsmith::{Buffer as _, CudaDevice, Device, Result};

use super::{Launcher, ROWS, WIDTH, ones};

/// Two parameters with all scalars.
pub fn adamw8bit(device: &CudaDevice) -> Result<Launcher> {
    let (mut a, mut b) = (ones(device, ROWS * WIDTH)?, ones(device, WIDTH)?);
    let (of_a, of_b) = (ones(device, ROWS * WIDTH)?, ones(device, WIDTH)?);
    let [learning_rate, scale, found] = [0.1_f32, 0.5, 0.0].map(|value| device.upload(&[value]));
    let (learning_rate, scale, found, device) = (learning_rate?, scale?, found?, device.clone());
    let mut optimizer =
        AdamW8bit::new(&device, &mut tensors([&mut a, &mut b], [&of_a, &of_b])?, &[0.1, 0.0], Options::default())?;
    let call = move || {
        let tensors = &mut tensors([&mut a, &mut b], [&of_a, &of_b])?;
        let scalars = Scalars {
            learning_rate: learning_rate.view([1])?,
            gradient_scale: Some(scale.view([1])?),
            found_inf: Some(found.view([1])?),
        };
        optimizer.step(&device, tensors, scalars)
    };
    // Reads the table, two gradients and the scalars; writes two parameters, codes, absmax and progress.
    Ok(Launcher { name: "adamw8bit::step", reads: 6, writes: 5, kernels: 2, call: Box::new(call) })
}

type Buffer = super::Buffer<bf16>;

fn tensors<'a>(
    [a, b]: [&'a mut Buffer; 2],
    [of_a, of_b]: [&'a Buffer; 2],
) -> Result<[Tensors<'a, CudaDevice, bf16>; 2]> {
    Ok([
        Tensors { parameter: a.view_mut([ROWS, WIDTH])?, gradient: of_a.view([ROWS, WIDTH])? },
        Tensors { parameter: b.view_mut([WIDTH])?, gradient: of_b.view([WIDTH])? },
    ])
}
