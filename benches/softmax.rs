//! Softmax's speed: `cargo bench --bench softmax`.

mod common;
#[path = "../tests/common/data.rs"]
#[allow(dead_code)] // Shared with the tests, which use all of it.
mod data;
#[path = "workloads/softmax.rs"]
mod workload;

use std::marker::PhantomData;

use common::Workload;
use criterion::{Criterion, criterion_group, criterion_main};
use half::bf16;
use warpsmith::Float;
use workload::{Backward, Forward};

/// Rows of attention's scores and of vocabularies.
const SHAPES: [[usize; 2]; 4] = [[65_536, 1024], [32_768, 4096], [8192, 32_000], [4096, 128_256]];

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
