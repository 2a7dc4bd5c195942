//! Dropout's speed: `cargo bench --bench dropout`.

mod common;
#[path = "../tests/common/data.rs"]
#[allow(dead_code)] // Shared with the tests, which use all of it.
mod data;
#[path = "workloads/dropout.rs"]
mod workload;

use std::marker::PhantomData;

use common::Workload;
use criterion::{Criterion, criterion_group, criterion_main};
use half::{bf16, f16};
use warpsmith::Float;
use workload::Dropout;

/// Rows by the width of a model.
const SHAPES: [[usize; 2]; 2] = [[32_768, 1024], [16_384, 4096]];

fn every_pass<T: Float>(criterion: &mut Criterion) {
    for residual in [false, true] {
        common::run(criterion, &Dropout::<T> { residual, element: PhantomData }, &SHAPES);
    }
}

fn every_element(criterion: &mut Criterion) {
    every_pass::<bf16>(criterion);
    every_pass::<f16>(criterion);
    every_pass::<f32>(criterion);
}

criterion_group! { name = benches; config = common::settings(); targets = every_element }
criterion_main!(benches);
