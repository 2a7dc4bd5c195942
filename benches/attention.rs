//! Attention's speed: `cargo bench --bench attention`.

mod common;
#[path = "../tests/common/data.rs"]
#[allow(dead_code)] // Shared with the tests, which use all of it.
mod data;
#[path = "workloads/attention.rs"]
mod workload;

use std::marker::PhantomData;

use common::Workload;
use criterion::{Criterion, criterion_group, criterion_main};
use half::{bf16, f16};
use warpsmith::Float;
use workload::{Backward, Forward};

/// Length and head dimension. All have 16,384 positions of 2,048 elements, as the published curves of FlashAttention do.
const SHAPES: [[usize; 2]; 8] =
    [[512, 64], [2048, 64], [8192, 64], [16_384, 64], [512, 128], [2048, 128], [8192, 128], [16_384, 128]];

fn every_pass<T: Float>(criterion: &mut Criterion) {
    for causal in [false, true] {
        common::run(criterion, &Forward::<T> { causal, batch_and_heads: None, element: PhantomData }, &SHAPES);
        common::run(criterion, &Backward::<T> { causal, batch_and_heads: None, element: PhantomData }, &SHAPES);
    }
}

fn every_element(criterion: &mut Criterion) {
    every_pass::<bf16>(criterion);
    every_pass::<f16>(criterion);
}

criterion_group! { name = benches; config = common::settings(); targets = every_element }
criterion_main!(benches);
