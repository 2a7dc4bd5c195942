//! The speed of a step of AdamW with states in f32: `cargo bench --bench adamw`.

mod common;
#[path = "../tests/common/data.rs"]
#[allow(dead_code)] // Shared with the tests, which use all of it.
mod data;
#[path = "workloads/optimizers.rs"]
mod workload;

use std::marker::PhantomData;

use common::Workload;
use criterion::{Criterion, criterion_group, criterion_main};
use half::bf16;
use warpsmith::ops::adamw::{Options, Rounding, Rule};
use workload::Step;

/// Sixteen parameters each: 16 million elements and 134 million.
const SHAPES: [[usize; 2]; 2] = [[16, 1 << 20], [16, 1 << 23]];

fn every_element(criterion: &mut Criterion) {
    let options = Options::default();
    let stochastic = Options { rounding: Rounding::Stochastic { seed: 1 }, ..options };
    let half =
        |variant, options, master, bytes| Step::<Rule, bf16> { variant, options, master, bytes, element: PhantomData };
    common::run(criterion, &half("step", options, false, 22), &SHAPES);
    common::run(criterion, &half("step_master", options, true, 28), &SHAPES);
    common::run(criterion, &half("step_stochastic", stochastic, false, 22), &SHAPES);
    let single = Step::<Rule, f32> { variant: "step", options, master: false, bytes: 28, element: PhantomData };
    common::run(criterion, &single, &SHAPES);
}

criterion_group! { name = benches; config = common::settings(); targets = every_element }
criterion_main!(benches);
