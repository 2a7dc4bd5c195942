//! What there is to time of a step of 8-bit AdamW.

use std::marker::PhantomData;

use warpsmith::ops::adamw8bit::{AdamW8bit, BLOCK, Options, Scalars, Tensors};
use warpsmith::{Buffer, Device, Float};

use crate::Workload;
use crate::data::Rng;

/// A step over a list of `shape[0]` parameters of `shape[1]` elements.
pub struct Step<T>(pub PhantomData<T>);

impl<T: Float> Workload for Step<T> {
    fn name(&self) -> String {
        format!("adamw8bit/step/{}", T::DTYPE)
    }

    fn bytes(&self, [parameters, elements]: [usize; 2]) -> usize {
        let absmax = 4 * size_of::<f32>() * elements.div_ceil(BLOCK);
        parameters * (elements * (3 * size_of::<T>() + 4) + absmax)
    }

    fn prepare<D: Device>(&self, device: &D, [parameters, elements]: [usize; 2]) -> impl FnMut() {
        let mut rng = Rng::new(1);
        let mut upload = |deviation| device.upload(&rng.normals::<T>(elements, 0.0, deviation)).expect("upload");
        let mut list: Vec<_> = (0..parameters).map(|_| (upload(0.5), upload(0.01))).collect();
        let learning_rate = device.upload(&[1e-4_f32]).expect("upload");
        let mut optimizer =
            AdamW8bit::new(device, &mut tensors::<D, T>(&mut list), &vec![0.1; parameters], Options::default())
                .expect("an optimizer");
        move || {
            let learning_rate = learning_rate.view([1]).expect("a view");
            let scalars = Scalars { learning_rate, gradient_scale: None, found_inf: None };
            optimizer.step(device, &mut tensors::<D, T>(&mut list), scalars).expect("a step");
        }
    }
}

type Pair<D, T> = (<D as Device>::Buffer<T>, <D as Device>::Buffer<T>);

fn tensors<D: Device, T: Float>(list: &mut [Pair<D, T>]) -> Vec<Tensors<'_, D, T>> {
    let pairs = list.iter_mut().map(|(parameter, gradient)| {
        let len = gradient.len();
        let (parameter, gradient) = (parameter.view_mut([len]), gradient.view([len]));
        Tensors { parameter: parameter.expect("a view"), gradient: gradient.expect("a view") }
    });
    pairs.collect()
}
