//! What there is to time of rotary embedding.

use std::marker::PhantomData;

use warpsmith::ops::rotary::{self, Frequencies, Operand, Pairing, Positions, Rotate, Scaling};
use warpsmith::{Buffer, Device, Float};

use crate::Workload;
use crate::data::Rng;

const HEAD_DIM: usize = 128;
/// Heads of queries for each of keys.
const GROUP: usize = 4;

/// Queries and keys in place.
pub struct Rotary<T> {
    pub pairing: Pairing,
    pub element: PhantomData<T>,
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
