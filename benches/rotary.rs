//! Rotary embedding's speed: `cargo bench --bench rotary`.

mod common;
#[path = "../tests/common/data.rs"]
#[allow(dead_code)] // Shared with the tests, which use all of it.
mod data;

use std::marker::PhantomData;

use common::Workload;
use criterion::{Criterion, criterion_group, criterion_main};
use data::Rng;
use half::{bf16, f16};
use warpsmith::ops::rotary::{self, Frequencies, Operand, Pairing, Positions, Rotate, Scaling};
use warpsmith::{Buffer, Device, Float};

const HEAD_DIM: usize = 128;
/// Heads of queries for each of keys.
const GROUP: usize = 4;

/// Tokens by elements of all heads of queries and keys: of Llama's sizes, with four heads of queries to one of keys.
const SHAPES: [[usize; 2]; 3] = [[16_384, 1280], [16_384, 5120], [4096, 10_240]];

/// Queries and keys in place.
struct Rotary<T> {
    pairing: Pairing,
    element: PhantomData<T>,
}

/// Heads of keys in a row.
fn key_heads(width: usize) -> usize {
    (width / HEAD_DIM / (GROUP + 1)).max(1)
}

impl<T: Float> Workload for Rotary<T> {
    fn name(&self) -> String {
        let pairing = if self.pairing == Pairing::Half { "half" } else { "interleaved" };
        format!("rotary/forward_{pairing}/{}", T::DTYPE)
    }

    fn bytes(&self, [tokens, width]: [usize; 2]) -> usize {
        2 * tokens * key_heads(width) * (GROUP + 1) * HEAD_DIM * size_of::<T>()
    }

    fn prepare<D: Device>(&self, device: &D, [tokens, width]: [usize; 2]) -> impl FnMut() {
        let (keys, pairing) = (key_heads(width), self.pairing);
        let mut rng = Rng::new(1);
        let mut random =
            |heads: usize| device.upload(&rng.normals::<T>(tokens * heads * HEAD_DIM, 0.0, 1.0)).expect("upload");
        let (mut q, mut k) = (random(GROUP * keys), random(keys));
        let frequencies = Frequencies::new(HEAD_DIM, 10_000.0, Scaling::None).expect("frequencies");
        move || {
            let tensors = Rotate {
                queries: Operand::InPlace(q.view_mut([1, tokens, GROUP * keys, HEAD_DIM]).expect("a view")),
                keys: Some(Operand::InPlace(k.view_mut([1, tokens, keys, HEAD_DIM]).expect("a view"))),
                positions: Positions::From(0),
            };
            rotary::forward(device, tensors, &frequencies, pairing).expect("rotary::forward");
        }
    }
}

fn every_pairing<T: Float>(criterion: &mut Criterion) {
    for pairing in Pairing::ALL {
        common::run(criterion, &Rotary::<T> { pairing, element: PhantomData }, &SHAPES);
    }
}

fn every_element(criterion: &mut Criterion) {
    every_pairing::<bf16>(criterion);
    every_pairing::<f16>(criterion);
    every_pairing::<f32>(criterion);
}

criterion_group! { name = benches; config = common::settings(); targets = every_element }
criterion_main!(benches);
