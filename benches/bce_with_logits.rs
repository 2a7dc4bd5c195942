//! Speed of binary cross-entropy with logits: `cargo bench --bench bce_with_logits`.

mod common;
#[path = "../tests/common/data.rs"]
#[allow(dead_code)] // Shared with the tests, which use all of it.
mod data;
#[path = "workloads/bce_with_logits.rs"]
mod workload;

use std::marker::PhantomData;

use common::Workload;
use criterion::{Criterion, criterion_group, criterion_main};
use half::{bf16, f16};
use workload::Replaced;

/// Sequences by their length.
const SHAPES: [[usize; 2]; 2] = [[256, 512], [4096, 512]];

fn every_element(criterion: &mut Criterion) {
    common::run(criterion, &Replaced::<bf16> { element: PhantomData }, &SHAPES);
    common::run(criterion, &Replaced::<f16> { element: PhantomData }, &SHAPES);
    common::run(criterion, &Replaced::<f32> { element: PhantomData }, &SHAPES);
}

criterion_group! { name = benches; config = common::settings(); targets = every_element }
criterion_main!(benches);
