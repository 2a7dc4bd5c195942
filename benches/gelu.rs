//! GELU's speed: `cargo bench --bench gelu`.

mod common;
#[path = "../tests/common/data.rs"]
#[allow(dead_code)] // Shared with the tests, which use all of it.
mod data;
#[path = "workloads/gelu.rs"]
mod workload;

use std::marker::PhantomData;

use common::Workload;
use criterion::{Criterion, criterion_group, criterion_main};
use half::{bf16, f16};
use warpsmith::Float;
use warpsmith::ops::gelu::Form;
use workload::{Backward, Forward};

const SHAPES: [[usize; 2]; 3] = [[8192, 4096], [16_384, 4096], [16_384, 16_384]];

fn every_pass<T: Float>(criterion: &mut Criterion) {
    for form in Form::ALL {
        for bias in [false, true] {
            common::run(criterion, &Forward::<T> { form, bias, element: PhantomData }, &SHAPES);
            common::run(criterion, &Backward::<T> { form, bias, element: PhantomData }, &SHAPES);
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
