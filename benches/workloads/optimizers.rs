//! What there is to time of a step of an optimizer.

use std::marker::PhantomData;

use warpsmith::ops::optimizer::{Optimizer, Rule, Scalars, Tensors};
use warpsmith::{Buffer, Device, Float};

use crate::Workload;
use crate::data::Rng;

/// A step over a list of `shape[0]` parameters of `shape[1]` elements.
pub struct Step<R: Rule, T> {
    /// After the operation's name: `step_master`.
    pub variant: &'static str,
    pub options: R::Options,
    pub master: bool,
    /// Bytes of an element that move, to the nearest below.
    pub bytes: usize,
    pub element: PhantomData<T>,
}

impl<R: Rule, T: Float> Workload for Step<R, T> {
    fn name(&self) -> String {
        format!("{}/{}/{}", R::OP, self.variant, T::DTYPE)
    }

    fn bytes(&self, [parameters, elements]: [usize; 2]) -> usize {
        parameters * elements * self.bytes
    }

    fn prepare<D: Device>(&self, device: &D, [parameters, elements]: [usize; 2]) -> impl FnMut() {
        let mut rng = Rng::new(1);
        let mut parameter = || {
            let mut upload = |deviation| device.upload(&rng.normals::<T>(elements, 0.0, deviation)).expect("upload");
            let (held, gradient) = (upload(0.5), upload(0.01));
            let master = self.master.then(|| device.upload(&vec![0.5; elements]).expect("upload"));
            Held { held, gradient, master }
        };
        let mut list: Vec<Held<D, T>> = (0..parameters).map(|_| parameter()).collect();
        let learning_rate = device.upload(&[1e-4_f32]).expect("upload");
        let (decays, options) = (vec![0.1; parameters], self.options);
        let mut optimizer =
            Optimizer::<D, R>::new(device, &mut tensors(&mut list), &decays, options).expect("an optimizer");
        move || {
            let learning_rate = learning_rate.view([1]).expect("a view");
            let scalars = Scalars { learning_rate, gradient_scale: None, found_inf: None };
            optimizer.step(device, &mut tensors(&mut list), scalars).expect("a step");
        }
    }
}

struct Held<D: Device, T: Float> {
    held: D::Buffer<T>,
    gradient: D::Buffer<T>,
    master: Option<D::Buffer<f32>>,
}

fn tensors<D: Device, T: Float>(list: &mut [Held<D, T>]) -> Vec<Tensors<'_, D, T>> {
    let each = list.iter_mut().map(|Held { held, gradient, master }| {
        let len = gradient.len();
        let (parameter, gradient) = (held.view_mut([len]), gradient.view([len]));
        let master = master.as_mut().map(|master| master.view_mut([len]).expect("a view"));
        Tensors { parameter: parameter.expect("a view"), gradient: gradient.expect("a view"), master }
    });
    each.collect()
}
