//! Cross-entropy's speed: `cargo bench --bench cross_entropy`.

mod common;
#[path = "../tests/common/data.rs"]
#[allow(dead_code)] // Shared with the tests, which use all of it.
mod data;
#[path = "workloads/cross_entropy.rs"]
mod workload;

use std::marker::PhantomData;

use common::Workload;
use criterion::{Criterion, criterion_group, criterion_main};
use half::{bf16, f16};
use warpsmith::Float;
use warpsmith::ops::cross_entropy::Options;
use workload::Fused;

/// The vocabularies of Llama 2, GPT-2 (padded to 64 and not), Llama 3 and Gemma.
const SHAPES: [[usize; 2]; 5] = [[8192, 32_000], [8192, 50_304], [8192, 50_257], [4096, 128_256], [2048, 262_144]];

fn of_element<T: Float>(criterion: &mut Criterion) {
    let plain = Options::default();
    for (name, options) in
        [("fused", plain), ("fused_softcap_smoothing", Options { label_smoothing: 0.1, softcap: Some(30.0), ..plain })]
    {
        common::run(criterion, &Fused::<T> { options, name, element: PhantomData }, &SHAPES);
    }
}

fn every_element(criterion: &mut Criterion) {
    of_element::<bf16>(criterion);
    of_element::<f16>(criterion);
    of_element::<f32>(criterion);
}

criterion_group! { name = benches; config = common::settings(); targets = every_element }
criterion_main!(benches);
