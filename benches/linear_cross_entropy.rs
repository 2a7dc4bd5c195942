//! Speed of the kernels between the products of the chunked linear layer and cross-entropy: `cargo bench --bench linear_cross_entropy`.

mod common;
#[path = "../tests/common/data.rs"]
#[allow(dead_code)] // Shared with the tests, which use all of it.
mod data;
#[path = "workloads/linear_cross_entropy.rs"]
mod workload;

use std::marker::PhantomData;

use common::Workload;
use criterion::{Criterion, criterion_group, criterion_main};
use half::{bf16, f16};
use workload::Chunks;

/// The vocabularies of GPT-2 (padded to 64) and Llama 2.
const SHAPES: [[usize; 2]; 2] = [[8192, 50_304], [8192, 32_000]];

fn every_element(criterion: &mut Criterion) {
    common::run(criterion, &Chunks::<bf16> { element: PhantomData }, &SHAPES);
    common::run(criterion, &Chunks::<f16> { element: PhantomData }, &SHAPES);
    common::run(criterion, &Chunks::<f32> { element: PhantomData }, &SHAPES);
}

criterion_group! { name = benches; config = common::settings(); targets = every_element }
criterion_main!(benches);
