//! The speed of a step of LAMB with states of either kind: `cargo bench --bench lamb`.

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
use warpsmith::ops::lamb::{Options, Rule, States};
use workload::Step;

/// Sixteen parameters each: 16 million elements and 134 million.
const SHAPES: [[usize; 2]; 2] = [[16, 1 << 20], [16, 1 << 23]];

fn every_element(criterion: &mut Criterion) {
    let options = Options::default();
    let codes = Options { states: States::Codes, ..options };
    let half =
        |variant, options, bytes| Step::<Rule, bf16> { variant, options, master: false, bytes, element: PhantomData };
    common::run(criterion, &half("step", options, 32), &SHAPES);
    common::run(criterion, &half("step8", codes, 16), &SHAPES);
    let single = Step::<Rule, f32> { variant: "step", options, master: false, bytes: 40, element: PhantomData };
    common::run(criterion, &single, &SHAPES);
}

criterion_group! { name = benches; config = common::settings(); targets = every_element }
criterion_main!(benches);
