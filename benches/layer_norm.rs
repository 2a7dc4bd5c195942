//! Layer norm's speed: `cargo bench --bench layer_norm`.

mod common;
#[path = "../tests/common/data.rs"]
#[allow(dead_code)] // Shared with the tests, which use all of it.
mod data;
#[path = "workloads/layer_norm.rs"]
mod workload;

use std::marker::PhantomData;

use common::Workload;
use criterion::{Criterion, criterion_group, criterion_main};
use half::{bf16, f16};
use warpsmith::Float;
use workload::{Backward, Forward};

/// The widths of GPT-2 and of larger models, at about as many rows as a step has tokens.
const SHAPES: [[usize; 2]; 5] = [[16_384, 768], [8192, 1024], [16_384, 1024], [16_384, 4096], [4096, 16_384]];

fn every_pass<T: Float>(criterion: &mut Criterion) {
    for residual in [false, true] {
        common::run(criterion, &Forward::<T> { residual, element: PhantomData }, &SHAPES);
        common::run(criterion, &Backward::<T> { residual, element: PhantomData }, &SHAPES);
    }
}

fn every_element(criterion: &mut Criterion) {
    every_pass::<bf16>(criterion);
    every_pass::<f16>(criterion);
    every_pass::<f32>(criterion);
}

criterion_group! { name = benches; config = common::settings(); targets = every_element }
criterion_main!(benches);
