//! The speed of a step of 8-bit AdamW: `cargo bench --bench adamw8bit`.

mod common;
#[path = "../tests/common/data.rs"]
#[allow(dead_code)] // Shared with the tests, which use all of it.
mod data;
#[path = "workloads/adamw8bit.rs"]
mod workload;

use std::marker::PhantomData;

use common::Workload;
use criterion::{Criterion, criterion_group, criterion_main};
use half::{bf16, f16};
use workload::Step;

/// Sixteen parameters each: 16 million elements and 268 million.
const SHAPES: [[usize; 2]; 2] = [[16, 1 << 20], [16, 1 << 24]];

fn every_element(criterion: &mut Criterion) {
    common::run(criterion, &Step::<bf16>(PhantomData), &SHAPES);
    common::run(criterion, &Step::<f16>(PhantomData), &SHAPES);
    common::run(criterion, &Step::<f32>(PhantomData), &SHAPES);
}

criterion_group! { name = benches; config = common::settings(); targets = every_element }
criterion_main!(benches);
