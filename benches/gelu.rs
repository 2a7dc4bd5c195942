//! GELU's speed: `cargo bench --bench gelu`.

mod common;
#[path = "../tests/common/data.rs"]
#[allow(dead_code)] // Shared with the tests, which use all of it.
mod data;

use std::marker::PhantomData;

use common::Workload;
use criterion::{Criterion, criterion_group, criterion_main};
use data::Rng;
use half::{bf16, f16};
use warpsmith::ops::gelu::{self, Form};
use warpsmith::{Buffer, Device, Float};

const SHAPES: [[usize; 2]; 3] = [[8192, 4096], [16_384, 4096], [16_384, 16_384]];

/// A forward pass.
struct Forward<T> {
    form: Form,
    bias: bool,
    element: PhantomData<T>,
}

/// A backward pass.
struct Backward<T> {
    form: Form,
    bias: bool,
    element: PhantomData<T>,
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

fn every_pass<T: Float>(criterion: &mut Criterion) {
    for form in Form::ALL {
        for bias in [false, true] {
            common::run(criterion, &Forward::<T> { form, bias, element: PhantomData }, &SHAPES);
            common::run(criterion, &Backward::<T> { form, bias, element: PhantomData }, &SHAPES);
        }
    }
}

fn every_element(criterion: &mut Criterion) {
    every_pass::<bf16>(criterion);
    every_pass::<f16>(criterion);
    every_pass::<f32>(criterion);
}

criterion_group! { name = benches; config = common::settings(); targets = every_element }
criterion_main!(benches);
