//! Rotary embedding's speed: `cargo bench --bench rotary`.

mod common;
#[path = "../tests/common/data.rs"]
#[allow(dead_code)] // Shared with the tests, which use all of it.
mod data;
#[path = "workloads/rotary.rs"]
mod workload;

use std::marker::PhantomData;

use common::Workload;
use criterion::{Criterion, criterion_group, criterion_main};
use half::{bf16, f16};
use warpsmith::Float;
use warpsmith::ops::rotary::Pairing;
use workload::Rotary;

/// Tokens by elements of all heads of queries and keys: of Llama's sizes, with four heads of queries to one of keys.
const SHAPES: [[usize; 2]; 3] = [[16_384, 1280], [16_384, 5120], [4096, 10_240]];

fn every_pairing<T: Float>(criterion: &mut Criterion) {
    for pairing in Pairing::ALL {
        common::run(criterion, &Rotary::<T> { pairing, element: PhantomData }, &SHAPES);
    }
}

fn every_element(criterion: &mut Criterion) {
    every_pairing::<bf16>(criterion);
    every_pairing::<f16>(criterion);
    every_pairing::<f32>(criterion);
}

criterion_group! { name = benches; config = common::settings(); targets = every_element }
criterion_main!(benches);
