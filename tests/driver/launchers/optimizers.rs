//! The launchers of optimizers, and of what goes with them.

use half::bf16;
use warpsmith::ops::adamw8bit::{AdamW8bit, Options, Scalars, Tensors};
use warpsmith::ops::grad_clip::{GradClip, LossScale, Norm, Rule};
use warpsmith::ops::optimizer::{self, Optimizer, States};
use warpsmith::ops::{adamw, lamb, lion, quantize};
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

/// AdamW.
pub fn adamw(device: &CudaDevice) -> Result<Launcher> {
    // Reads the table, two gradients and the scalars; writes two parameters, a master, states and progress.
    let options = adamw::Options::default();
    Ok(Launcher {
        name: "adamw::step",
        reads: 6,
        writes: 5,
        kernels: 2,
        call: step::<adamw::Rule>(device, options, true)?,
    })
}

/// Lion with codes.
pub fn lion(device: &CudaDevice) -> Result<Launcher> {
    // The same without a master, and with absmax.
    let options = lion::Options { states: States::Codes, ..lion::Options::default() };
    Ok(Launcher {
        name: "lion::step",
        reads: 6,
        writes: 5,
        kernels: 2,
        call: step::<lion::Rule>(device, options, false)?,
    })
}

/// LAMB.
pub fn lamb(device: &CudaDevice) -> Result<Launcher> {
    let call = step::<lamb::Rule>(device, lamb::Options::default(), true)?;
    Ok(Launcher { name: "lamb::step", reads: 6, writes: 5, kernels: 4, call })
}

/// To codes.
pub fn quantize(device: &CudaDevice) -> Result<Launcher> {
    let (values, tables) = (ones(device, ROWS * WIDTH)?, device.upload(&quantize::tables())?);
    let (mut codes, mut absmax, device) =
        (device.upload(&[0_u8; ROWS * WIDTH])?, device.upload(&[0.0_f32])?, device.clone());
    let call = move || {
        let tensors = quantize::Quantize {
            values: values.view([ROWS, WIDTH])?,
            codes: codes.view_mut([ROWS * WIDTH])?,
            absmax: absmax.view_mut([1])?,
            tables: tables.view([quantize::tables_bytes()])?,
        };
        quantize::quantize(&device, tensors, quantize::Options::default())
    };
    Ok(Launcher { name: "quantize::quantize", reads: 2, writes: 2, kernels: 1, call: Box::new(call) })
}

/// And back.
pub fn dequantize(device: &CudaDevice) -> Result<Launcher> {
    let (mut values, tables) = (ones(device, ROWS * WIDTH)?, device.upload(&quantize::tables())?);
    let (codes, absmax, device) = (device.upload(&[9_u8; ROWS * WIDTH])?, device.upload(&[1.0_f32])?, device.clone());
    let call = move || {
        let tensors = quantize::Dequantize {
            codes: codes.view([ROWS * WIDTH])?,
            absmax: absmax.view([1])?,
            values: values.view_mut([ROWS, WIDTH])?,
            tables: tables.view([quantize::tables_bytes()])?,
        };
        quantize::dequantize(&device, tensors, quantize::Options::default())
    };
    Ok(Launcher { name: "quantize::dequantize", reads: 3, writes: 1, kernels: 1, call: Box::new(call) })
}

/// What is done with a list and its scalars.
type Call<'a> = dyn FnMut(&mut [optimizer::Tensors<'_, CudaDevice, bf16>], Scalars<'_, CudaDevice>) -> Result<()> + 'a;

/// A step of two parameters, the second with a master if wanted, with all scalars.
fn step<R: optimizer::Rule<Options: 'static> + 'static>(
    device: &CudaDevice,
    options: R::Options,
    with_master: bool,
) -> Result<Box<dyn FnMut() -> Result<()>>> {
    let (mut a, mut b) = (ones(device, ROWS * WIDTH)?, ones(device, WIDTH)?);
    let (of_a, of_b) = (ones(device, ROWS * WIDTH)?, ones(device, WIDTH)?);
    let mut master = device.upload(&[1.0_f32; WIDTH])?;
    let [learning_rate, scale, found] = [0.1_f32, 0.5, 0.0].map(|value| device.upload(&[value]));
    let (learning_rate, scale, found, device) = (learning_rate?, scale?, found?, device.clone());
    let mut tensors = move |with: &mut Call<'_>| {
        let master = if with_master { Some(master.view_mut([WIDTH])?) } else { None };
        let (parameter, gradient) = (b.view_mut([WIDTH])?, of_b.view([WIDTH])?);
        let first = optimizer::Tensors {
            parameter: a.view_mut([ROWS, WIDTH])?,
            gradient: of_a.view([ROWS, WIDTH])?,
            master: None,
        };
        let scalars = Scalars {
            learning_rate: learning_rate.view([1])?,
            gradient_scale: Some(scale.view([1])?),
            found_inf: Some(found.view([1])?),
        };
        with(&mut [first, optimizer::Tensors { parameter, gradient, master }], scalars)
    };
    let mut made = None;
    tensors(&mut |tensors, _| {
        made = Some(Optimizer::<CudaDevice, R>::new(&device, tensors, &[0.1, 0.0], options)?);
        Ok(())
    })?;
    let mut optimizer = made.expect("it was made");
    Ok(Box::new(move || tensors(&mut |tensors, scalars| optimizer.step(&device, tensors, scalars))))
}

/// The norm of two gradients with a loss scale.
pub fn grad_clip_norm(device: &CudaDevice) -> Result<Launcher> {
    let (mut a, mut b) = (ones(device, ROWS * WIDTH)?, ones(device, WIDTH)?);
    let mut clip = GradClip::new(device, &mut [a.view_mut([ROWS * WIDTH])?, b.view_mut([WIDTH])?])?;
    let [norm, factor, found_inf, scale, steps] = [0.0_f32, 0.0, 0.0, 8.0, 0.0].map(|value| device.upload(&[value]));
    let (mut norm, mut factor, mut found_inf, mut scale, mut steps) = (norm?, factor?, found_inf?, scale?, steps?);
    let device = device.clone();
    let call = move || {
        let (scale, good_steps) = (scale.view_mut([1])?, steps.view_mut([1])?);
        let scalars = Norm {
            norm: norm.view_mut([1])?,
            factor: factor.view_mut([1])?,
            found_inf: found_inf.view_mut([1])?,
            loss_scale: Some(LossScale { scale, good_steps, rule: Rule::default() }),
        };
        clip.norm(&device, &[a.view([ROWS * WIDTH])?, b.view([WIDTH])?], scalars, 1.0)
    };
    // Reads the table and two gradients; writes the workspace and five scalars.
    Ok(Launcher { name: "grad_clip::norm", reads: 3, writes: 6, kernels: 2, call: Box::new(call) })
}

/// The same gradients by value.
pub fn grad_clip_value(device: &CudaDevice) -> Result<Launcher> {
    let (mut a, mut b) = (ones(device, ROWS * WIDTH)?, ones(device, WIDTH)?);
    let mut clip = GradClip::new(device, &mut [a.view_mut([ROWS * WIDTH])?, b.view_mut([WIDTH])?])?;
    let device = device.clone();
    let call = move || clip.value(&device, &mut [a.view_mut([ROWS * WIDTH])?, b.view_mut([WIDTH])?], 0.5);
    Ok(Launcher { name: "grad_clip::value", reads: 1, writes: 2, kernels: 1, call: Box::new(call) })
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
