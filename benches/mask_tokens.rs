//! Token masking's speed: `cargo bench --bench mask_tokens`.

mod common;
#[path = "workloads/mask_tokens.rs"]
mod workload;

use std::marker::PhantomData;

use common::Workload;
use criterion::{Criterion, criterion_group, criterion_main};
use workload::MaskTokens;

/// Sequences by their length.
const SHAPES: [[usize; 2]; 2] = [[256, 512], [4096, 512]];

fn every_type(criterion: &mut Criterion) {
    common::run(criterion, &MaskTokens::<i32> { ids: PhantomData }, &SHAPES);
    common::run(criterion, &MaskTokens::<i64> { ids: PhantomData }, &SHAPES);
}

criterion_group! { name = benches; config = common::settings(); targets = every_type }
criterion_main!(benches);
