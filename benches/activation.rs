//! Activations' speed: `cargo bench --bench activation`.

mod common;
#[path = "../tests/common/data.rs"]
#[allow(dead_code)] // Shared with the tests, which use all of it.
mod data;
#[path = "workloads/activation.rs"]
mod workload;

use std::marker::PhantomData;

use common::Workload;
use criterion::{Criterion, criterion_group, criterion_main};
use half::{bf16, f16};
use warpsmith::Float;
use warpsmith::ops::activation::Function;
use workload::Gated;

/// Rows by the width of a feed-forward layer's hidden part: Llama's sizes, and one of Liger-Kernel's bench.
const SHAPES: [[usize; 2]; 3] = [[8192, 11_008], [8192, 14_336], [8192, 16_384]];

fn every_pass<T: Float>(criterion: &mut Criterion) {
    for function in Function::ALL {
        for backward in [false, true] {
            common::run(criterion, &Gated::<T> { function, backward, element: PhantomData }, &SHAPES);
        }
    }
}

fn every_element(criterion: &mut Criterion) {
    every_pass::<bf16>(criterion);
    every_pass::<f16>(criterion);
    every_pass::<f32>(criterion);
}

criterion_group! { name = benches; config = common::settings(); targets = every_element }
criterion_main!(benches);
