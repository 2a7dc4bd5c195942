//! What there is to time of softmax.

use std::marker::PhantomData;

use warpsmith::ops::softmax::{self, Io, Options};
use warpsmith::{Buffer, Device, Float};

use crate::Workload;
use crate::data::Rng;

/// A forward pass, from one tensor to another.
pub struct Forward<T>(pub PhantomData<T>);
/// A backward pass, likewise.
pub struct Backward<T>(pub PhantomData<T>);

impl<T: Float> Workload for Forward<T> {
    fn name(&self) -> String {
        format!("softmax/forward/{}", T::DTYPE)
    }

    fn bytes(&self, [rows, width]: [usize; 2]) -> usize {
        2 * rows * width * size_of::<T>()
    }

    fn prepare<D: Device>(&self, device: &D, shape: [usize; 2]) -> impl FnMut() {
        let count = shape[0] * shape[1];
        let input = device.upload(&Rng::new(1).normals::<T>(count, 0.0, 1.0)).expect("upload");
        let mut output = device.alloc::<T>(count).expect("alloc");
        move || {
            let (from, to) = (input.view(shape).expect("a view"), output.view_mut(shape).expect("a view"));
            let tensors = softmax::Forward { io: Io::Apart { from, to }, mask: None };
            softmax::forward(device, tensors, &Options::default()).expect("softmax::forward");
        }
    }
}

impl<T: Float> Workload for Backward<T> {
    fn name(&self) -> String {
        format!("softmax/backward/{}", T::DTYPE)
    }

    fn bytes(&self, [rows, width]: [usize; 2]) -> usize {
        3 * rows * width * size_of::<T>()
    }

    fn prepare<D: Device>(&self, device: &D, shape: [usize; 2]) -> impl FnMut() {
        let (mut rng, count) = (Rng::new(1), shape[0] * shape[1]);
        let mut random = || device.upload(&rng.uniforms::<T>(count, 0.0, 1.0)).expect("upload");
        let (y, dy) = (random(), random());
        let mut dx = device.alloc::<T>(count).expect("alloc");
        move || {
            let io = Io::Apart { from: dy.view(shape).expect("a view"), to: dx.view_mut(shape).expect("a view") };
            let tensors = softmax::Backward { output: y.view(shape).expect("a view"), io };
            softmax::backward(device, tensors, &Options::default()).expect("softmax::backward");
        }
    }
}
