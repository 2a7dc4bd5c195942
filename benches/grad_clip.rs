//! The speed of clipping gradients by their norm and by value: `cargo bench --bench grad_clip`.

mod common;
#[path = "../tests/common/data.rs"]
#[allow(dead_code)] // Shared with the tests, which use all of it.
mod data;
#[path = "workloads/grad_clip.rs"]
mod workload;

use std::marker::PhantomData;

use common::Workload;
use criterion::{Criterion, criterion_group, criterion_main};
use half::bf16;
use workload::Clip;

/// Sixteen gradients of a million and of sixteen million elements.
const SHAPES: [[usize; 2]; 2] = [[16, 1 << 20], [16, 1 << 24]];

fn every_element(criterion: &mut Criterion) {
    for by_value in [false, true] {
        common::run(criterion, &Clip::<bf16> { by_value, element: PhantomData }, &SHAPES);
        common::run(criterion, &Clip::<f32> { by_value, element: PhantomData }, &SHAPES);
    }
}

criterion_group! { name = benches; config = common::settings(); targets = every_element }
criterion_main!(benches);
