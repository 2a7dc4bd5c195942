//! The speed of blockwise quantisation, and of the way back: `cargo bench --bench quantize`.

mod common;
#[path = "../tests/common/data.rs"]
#[allow(dead_code)] // Shared with the tests, which use all of it.
mod data;
#[path = "workloads/quantize.rs"]
mod workload;

use std::marker::PhantomData;

use common::Workload;
use criterion::{Criterion, criterion_group, criterion_main};
use half::bf16;
use workload::Way;

/// 16 million elements and 268 million.
const SHAPES: [[usize; 2]; 2] = [[4096, 4096], [16_384, 16_384]];

fn every_element(criterion: &mut Criterion) {
    for back in [false, true] {
        common::run(criterion, &Way::<bf16> { back, element: PhantomData }, &SHAPES);
        common::run(criterion, &Way::<f32> { back, element: PhantomData }, &SHAPES);
    }
}

criterion_group! { name = benches; config = common::settings(); targets = every_element }
criterion_main!(benches);
