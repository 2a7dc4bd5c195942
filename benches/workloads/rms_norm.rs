//! What there is to time of RMS norm.

use std::marker::PhantomData;

use warpsmith::ops::rms_norm::{self, Casting, Residual};
use warpsmith::{Buffer, Device, Float};

use crate::Workload;
use crate::data::Rng;

/// A forward pass with weight and rstd.
pub struct Forward<T> {
    pub residual: bool,
    pub element: PhantomData<T>,
}

/// A backward pass with all gradients.
pub struct Backward<T> {
    pub residual: bool,
    pub element: PhantomData<T>,
}

fn name<T: Float>(pass: &str, residual: bool) -> String {
    format!("rms_norm/{pass}{}/{}", if residual { "_residual" } else { "" }, T::DTYPE)
}

/// Bytes of `matrices` tensors of rows, `vectors` of columns, and rstd.
fn bytes<T>([rows, width]: [usize; 2], matrices: usize, vectors: usize) -> usize {
    (matrices * rows + vectors) * width * size_of::<T>() + rows * size_of::<f32>()
}

impl<T: Float> Workload for Forward<T> {
    fn name(&self) -> String {
        name::<T>("forward", self.residual)
    }

    fn bytes(&self, shape: [usize; 2]) -> usize {
        bytes::<T>(shape, if self.residual { 4 } else { 2 }, 1)
    }

    fn prepare<D: Device>(&self, device: &D, shape: [usize; 2]) -> impl FnMut() {
        let [rows, width] = shape;
        let mut rng = Rng::new(1);
        let mut random = |count, mean| device.upload(&rng.normals::<T>(count, mean, 1.0)).expect("upload");
        let (input, weight) = (random(rows * width, 0.0), random(width, 1.0));
        let mut residual = self.residual.then(|| (random(rows * width, 0.0), random(rows * width, 0.0)));
        let mut output = device.alloc::<T>(rows * width).expect("alloc");
        let mut rstd = device.alloc(rows).expect("alloc");
        move || {
            let residual = residual.as_mut().map(|(residual, sum)| Residual {
                residual: residual.view(shape).expect("a view"),
                sum: sum.view_mut(shape).expect("a view"),
            });
            let tensors = rms_norm::Forward {
                input: input.view(shape).expect("a view"),
                residual,
                weight: Some(weight.view([width]).expect("a view")),
                output: output.view_mut(shape).expect("a view"),
                rstd: Some(rstd.view_mut([rows]).expect("a view")),
            };
            rms_norm::forward(device, tensors, 1e-5, Casting::Llama).expect("rms_norm::forward");
        }
    }
}

impl<T: Float> Workload for Backward<T> {
    fn name(&self) -> String {
        name::<T>("backward", self.residual)
    }

    fn bytes(&self, shape: [usize; 2]) -> usize {
        bytes::<T>(shape, if self.residual { 4 } else { 3 }, 2)
    }

    fn prepare<D: Device>(&self, device: &D, shape: [usize; 2]) -> impl FnMut() {
        let [rows, width] = shape;
        let mut rng = Rng::new(1);
        let mut random = |count, mean| device.upload(&rng.normals::<T>(count, mean, 1.0)).expect("upload");
        let (grad_output, input, weight) = (random(rows * width, 0.0), random(rows * width, 0.0), random(width, 1.0));
        let grad_sum = self.residual.then(|| random(rows * width, 0.0));
        let rstd = device.upload(&rng.normals::<f32>(rows, 1.0, 0.01)).expect("upload");
        let mut grad_input = device.alloc::<T>(rows * width).expect("alloc");
        let mut grad_weight = device.alloc::<T>(width).expect("alloc");
        let mut workspace = device.alloc::<u8>(rms_norm::backward_workspace_bytes(shape)).expect("alloc");
        move || {
            let workspace_bytes = workspace.len();
            let tensors = rms_norm::Backward {
                grad_output: grad_output.view(shape).expect("a view"),
                input: input.view(shape).expect("a view"),
                weight: Some(weight.view([width]).expect("a view")),
                rstd: rstd.view([rows]).expect("a view"),
                grad_sum: grad_sum.as_ref().map(|grad_sum| grad_sum.view(shape).expect("a view")),
                grad_input: grad_input.view_mut(shape).expect("a view"),
                grad_weight: Some(grad_weight.view_mut([width]).expect("a view")),
                workspace: Some(workspace.view_mut([workspace_bytes]).expect("a view")),
            };
            rms_norm::backward(device, tensors, Casting::Llama).expect("rms_norm::backward");
        }
    }
}
