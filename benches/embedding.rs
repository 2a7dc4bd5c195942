//! Embedding's speed: `cargo bench --bench embedding`.

mod common;
#[path = "../tests/common/data.rs"]
#[allow(dead_code)] // Shared with the tests, which use all of it.
mod data;
#[path = "workloads/embedding.rs"]
mod workload;

use std::marker::PhantomData;

use common::Workload;
use criterion::{Criterion, criterion_group, criterion_main};
use half::bf16;
use warpsmith::Float;
use workload::{Backward, Forward};

/// Tokens of a step, and the widths of GPT-2 and of larger models.
const SHAPES: [[usize; 2]; 3] = [[16_384, 768], [16_384, 2048], [65_536, 4096]];

const VOCABULARY: usize = 50_304;

fn every_pass<T: Float>(criterion: &mut Criterion) {
    common::run(criterion, &Forward::<T> { vocabulary: VOCABULARY, element: PhantomData }, &SHAPES);
    common::run(criterion, &Backward::<T> { vocabulary: VOCABULARY, element: PhantomData }, &SHAPES);
}

fn every_element(criterion: &mut Criterion) {
    every_pass::<bf16>(criterion);
    every_pass::<f32>(criterion);
}

criterion_group! { name = benches; config = common::settings(); targets = every_element }
criterion_main!(benches);
