//! Activations' speed: `cargo bench --bench activation`.

mod common;
#[path = "../tests/common/data.rs"]
#[allow(dead_code)] // Shared with the tests, which use all of it.
mod data;

use std::marker::PhantomData;

use common::Workload;
use criterion::{Criterion, criterion_group, criterion_main};
use data::Rng;
use half::{bf16, f16};
use warpsmith::ops::activation::{self, Backward, Forward, Function, Input, InputMut};
use warpsmith::{Buffer, Device, Float};

/// Rows by the width of a feed-forward layer's hidden part: Llama's sizes, and one of Liger-Kernel's bench.
const SHAPES: [[usize; 2]; 3] = [[8192, 11_008], [8192, 14_336], [8192, 16_384]];

/// A pass of a gated unit whose inputs lie in one tensor.
struct Gated<T> {
    function: Function,
    backward: bool,
    element: PhantomData<T>,
}

impl<T: Float> Workload for Gated<T> {
    fn name(&self) -> String {
        let pass = if self.backward { "backward" } else { "forward" };
        format!("activation/{pass}_gated_{}/{}", self.function.name(), T::DTYPE)
    }

    fn bytes(&self, [rows, width]: [usize; 2]) -> usize {
        (if self.backward { 5 } else { 3 }) * rows * width * size_of::<T>()
    }

    fn prepare<D: Device>(&self, device: &D, [rows, width]: [usize; 2]) -> impl FnMut() {
        let (function, backward) = (self.function, self.backward);
        let mut rng = Rng::new(1);
        let mut random = |width: usize| device.upload(&rng.normals::<T>(rows * width, 0.0, 1.0)).expect("upload");
        let (input, grad_output) = (random(2 * width), random(width));
        let mut output = device.alloc::<T>(rows * width).expect("alloc");
        let mut grad_input = backward.then(|| device.alloc::<T>(2 * rows * width).expect("alloc"));
        move || {
            let input = Input::Packed(input.view([rows, 2 * width]).expect("a view"));
            match &mut grad_input {
                Some(grad_input) => {
                    let grad_output = grad_output.view([rows, width]).expect("a view");
                    let grad_input = InputMut::Packed(grad_input.view_mut([rows, 2 * width]).expect("a view"));
                    let tensors = Backward { grad_output, input, grad_input };
                    activation::backward(device, tensors, function).expect("activation::backward");
                }
                None => {
                    let output = output.view_mut([rows, width]).expect("a view");
                    activation::forward(device, Forward { input, output }, function).expect("activation::forward");
                }
            }
        }
    }
}

fn every_pass<T: Float>(criterion: &mut Criterion) {
    for function in Function::ALL {
        for backward in [false, true] {
            common::run(criterion, &Gated::<T> { function, backward, element: PhantomData }, &SHAPES);
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
