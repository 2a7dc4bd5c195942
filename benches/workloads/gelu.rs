//! What there is to time of GELU.

use std::marker::PhantomData;

use warpsmith::ops::gelu::{self, Form};
use warpsmith::{Buffer, Device, Float};

use crate::Workload;
use crate::data::Rng;

/// A forward pass.
pub struct Forward<T> {
    pub form: Form,
    pub bias: bool,
    pub element: PhantomData<T>,
}

/// A backward pass.
pub struct Backward<T> {
    pub form: Form,
    pub bias: bool,
    pub element: PhantomData<T>,
}

fn name<T: Float>(pass: &str, form: Form, bias: bool) -> String {
    format!("gelu/{pass}_{}{}/{}", form.name(), if bias { "_bias" } else { "" }, T::DTYPE)
}

impl<T: Float> Workload for Forward<T> {
    fn name(&self) -> String {
        name::<T>("forward", self.form, self.bias)
    }

    fn bytes(&self, [rows, width]: [usize; 2]) -> usize {
        (2 * rows * width + usize::from(self.bias) * width) * size_of::<T>()
    }

    fn prepare<D: Device>(&self, device: &D, shape: [usize; 2]) -> impl FnMut() {
        let count = shape[0] * shape[1];
        let mut rng = Rng::new(1);
        let input = device.upload(&rng.normals::<T>(count, 0.0, 1.0)).expect("upload");
        let bias = self.bias.then(|| device.upload(&rng.normals::<T>(shape[1], 0.0, 1.0)).expect("upload"));
        let mut output = device.alloc::<T>(count).expect("alloc");
        move || {
            let tensors = gelu::Forward {
                input: input.view(shape).expect("a view"),
                bias: bias.as_ref().map(|bias| bias.view([shape[1]]).expect("a view")),
                output: output.view_mut(shape).expect("a view"),
            };
            gelu::forward(device, tensors, self.form).expect("gelu::forward");
        }
    }
}

impl<T: Float> Workload for Backward<T> {
    fn name(&self) -> String {
        name::<T>("backward", self.form, self.bias)
    }

    fn bytes(&self, [rows, width]: [usize; 2]) -> usize {
        (3 * rows * width + 2 * usize::from(self.bias) * width) * size_of::<T>()
    }

    fn prepare<D: Device>(&self, device: &D, shape: [usize; 2]) -> impl FnMut() {
        let count = shape[0] * shape[1];
        let mut rng = Rng::new(1);
        let grad_output = device.upload(&rng.normals::<T>(count, 0.0, 1.0)).expect("upload");
        let input = device.upload(&rng.normals::<T>(count, 0.0, 1.0)).expect("upload");
        let mut grad_input = device.alloc::<T>(count).expect("alloc");
        let mut biases = self.bias.then(|| {
            let bias = device.upload(&rng.normals::<T>(shape[1], 0.0, 1.0)).expect("upload");
            let workspace = device.alloc::<u8>(gelu::backward_workspace_bytes(shape, T::DTYPE)).expect("alloc");
            (bias, device.alloc::<T>(shape[1]).expect("alloc"), workspace)
        });
        move || {
            let (bias, grad_bias, workspace) = match &mut biases {
                Some((bias, grad_bias, workspace)) => {
                    let bytes = workspace.len();
                    let (grad_bias, workspace) = (grad_bias.view_mut([shape[1]]), workspace.view_mut([bytes]));
                    let bias = bias.view([shape[1]]).expect("a view");
                    (Some(bias), Some(grad_bias.expect("a view")), Some(workspace.expect("a view")))
                }
                None => (None, None, None),
            };
            let tensors = gelu::Backward {
                grad_output: grad_output.view(shape).expect("a view"),
                input: input.view(shape).expect("a view"),
                bias,
                grad_input: grad_input.view_mut(shape).expect("a view"),
                grad_bias,
                workspace,
            };
            gelu::backward(device, tensors, self.form).expect("gelu::backward");
        }
    }
}
