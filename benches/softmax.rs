//! Softmax's speed: `cargo bench --bench softmax`.

mod common;
#[path = "../tests/common/data.rs"]
#[allow(dead_code)] // Shared with the tests, which use all of it.
mod data;

use std::marker::PhantomData;

use common::Workload;
use criterion::{Criterion, criterion_group, criterion_main};
use data::Rng;
use half::bf16;
use warpsmith::ops::softmax::{self, Io, Options};
use warpsmith::{Buffer, Device, Float};

/// Rows of attention's scores and of vocabularies.
const SHAPES: [[usize; 2]; 4] = [[65_536, 1024], [32_768, 4096], [8192, 32_000], [4096, 128_256]];

struct Forward<T>(PhantomData<T>);
struct Backward<T>(PhantomData<T>);

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
            softmax::backward(device, tensors, 1.0).expect("softmax::backward");
        }
    }
}

fn every_pass<T: Float>(criterion: &mut Criterion) {
    common::run(criterion, &Forward::<T>(PhantomData), &SHAPES);
    common::run(criterion, &Backward::<T>(PhantomData), &SHAPES);
}

fn every_element(criterion: &mut Criterion) {
    every_pass::<bf16>(criterion);
    every_pass::<f32>(criterion);
}

criterion_group! { name = benches; config = common::settings(); targets = every_element }
criterion_main!(benches);
