//! The speed of a step of AdamW with states in f32: `cargo bench --bench adamw`.

mod common;
#[path = "../tests/common/data.rs"]
#[allow(dead_code)] // Shared with the tests, which use all of it.
mod data;

use std::marker::PhantomData;

use common::Workload;
use criterion::{Criterion, criterion_group, criterion_main};
use data::Rng;
use half::bf16;
use warpsmith::ops::adamw::{AdamW, Options, Rounding, Scalars, Tensors};
use warpsmith::{Buffer, Device, Float};

/// Sixteen parameters each: 16 million elements and 134 million.
const SHAPES: [[usize; 2]; 2] = [[16, 1 << 20], [16, 1 << 23]];

/// A step over a list of `shape[0]` parameters of `shape[1]` elements.
struct Step<T> {
    master: bool,
    rounding: Rounding,
    element: PhantomData<T>,
}

impl<T: Float> Workload for Step<T> {
    fn name(&self) -> String {
        let by_chance = if self.rounding == Rounding::Nearest { "" } else { "_stochastic" };
        format!("adamw/step{}{by_chance}/{}", if self.master { "_master" } else { "" }, T::DTYPE)
    }

    fn bytes(&self, [parameters, elements]: [usize; 2]) -> usize {
        let parameter = if self.master { 8 + size_of::<T>() } else { 2 * size_of::<T>() };
        parameters * elements * (16 + size_of::<T>() + parameter)
    }

    fn prepare<D: Device>(&self, device: &D, [parameters, elements]: [usize; 2]) -> impl FnMut() {
        let mut rng = Rng::new(1);
        let mut upload = |deviation| device.upload(&rng.normals::<T>(elements, 0.0, deviation)).expect("upload");
        let list: Vec<_> = (0..parameters).map(|_| (upload(0.5), upload(0.01))).collect();
        let masters =
            (0..parameters).map(|_| self.master.then(|| device.upload(&vec![0.5; elements]).expect("upload")));
        let mut list: Vec<_> = list.into_iter().zip(masters).collect();
        let learning_rate = device.upload(&[1e-4_f32]).expect("upload");
        let options = Options { rounding: self.rounding, ..Options::default() };
        let mut optimizer =
            AdamW::new(device, &mut tensors::<D, T>(&mut list), &vec![0.1; parameters], options).expect("an optimizer");
        move || {
            let learning_rate = learning_rate.view([1]).expect("a view");
            let scalars = Scalars { learning_rate, gradient_scale: None, found_inf: None };
            optimizer.step(device, &mut tensors::<D, T>(&mut list), scalars).expect("a step");
        }
    }
}

type Triple<D, T> = ((<D as Device>::Buffer<T>, <D as Device>::Buffer<T>), Option<<D as Device>::Buffer<f32>>);

fn tensors<D: Device, T: Float>(list: &mut [Triple<D, T>]) -> Vec<Tensors<'_, D, T>> {
    let triples = list.iter_mut().map(|((held, gradient), master)| {
        let len = gradient.len();
        let (parameter, gradient) = (held.view_mut([len]), gradient.view([len]));
        let master = master.as_mut().map(|master| master.view_mut([len]).expect("a view"));
        Tensors { parameter: parameter.expect("a view"), gradient: gradient.expect("a view"), master }
    });
    triples.collect()
}

fn every_element(criterion: &mut Criterion) {
    let (nearest, element) = (Rounding::Nearest, PhantomData);
    common::run(criterion, &Step::<bf16> { master: false, rounding: nearest, element }, &SHAPES);
    common::run(criterion, &Step::<bf16> { master: true, rounding: nearest, element }, &SHAPES);
    let by_chance = Rounding::Stochastic { seed: 1 };
    common::run(criterion, &Step::<bf16> { master: false, rounding: by_chance, element }, &SHAPES);
    common::run(criterion, &Step::<f32> { master: false, rounding: nearest, element: PhantomData }, &SHAPES);
}

criterion_group! { name = benches; config = common::settings(); targets = every_element }
criterion_main!(benches);
