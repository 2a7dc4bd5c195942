//! What there is to time of activations.

use std::marker::PhantomData;

use warpsmith::ops::activation::{self, Backward, Forward, Function, Input, InputMut};
use warpsmith::{Buffer, Device, Float};

use crate::Workload;
use crate::data::Rng;

/// A pass of a gated unit whose inputs lie in one tensor.
pub struct Gated<T> {
    pub function: Function,
    pub backward: bool,
    pub element: PhantomData<T>,
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
