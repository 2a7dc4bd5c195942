//! The speed of a step of Lion with states of either kind: `cargo bench --bench lion`.

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
use warpsmith::ops::lion::{Options, Rule, States};
use workload::Step;

/// Sixteen parameters each: 16 million elements and 134 million.
const SHAPES: [[usize; 2]; 2] = [[16, 1 << 20], [16, 1 << 23]];

fn every_element(criterion: &mut Criterion) {
    let (options, element) = (Options::default(), PhantomData);
    let codes = Options { states: States::Codes, ..options };
    let half =
        |variant, options, bytes| Step::<Rule, bf16> { variant, options, master: false, bytes, element: PhantomData };
    common::run(criterion, &half("step", options, 14), &SHAPES);
    common::run(criterion, &half("step8", codes, 8), &SHAPES);
    common::run(
        criterion,
        &Step::<Rule, f32> { variant: "step8", options: codes, master: false, bytes: 14, element },
        &SHAPES,
    );
}

criterion_group! { name = benches; config = common::settings(); targets = every_element }
criterion_main!(benches);
