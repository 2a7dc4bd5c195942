//! Lengths around the edges of tiles, shared key-value heads, batches, on every device model.

use half::{bf16, f16};
use warpsmith::Device;

use crate::common::devices::{Body, on_every_device, on_one_model};
use crate::problem::{Case, Every, Problem, Real, Sizes, check_one, sizes};

/// As many queries as keys: 40 cases, each type with each head dimension and mask.
struct Square;

impl Body for Square {
    fn run<D: Device>(&self, device: &D, name: &str) {
        let lengths = [1, 2, 63, 64, 65, 113, 128, 200, 257, 384];
        for (i, length) in lengths.into_iter().enumerate() {
            for (j, (head_dim, causal)) in [(64, false), (128, false), (64, true), (128, true)].into_iter().enumerate()
            {
                check_one(device, name, Sizes { causal, ..sizes(length, length, head_dim) }, i + j / 2 + j);
            }
        }
    }
}

#[test]
fn as_many_queries_as_keys() {
    on_one_model(&Square);
}

/// Fewer queries than keys, and more: with a causal mask the first queries then have none.
struct Oblong;

impl Body for Oblong {
    fn run<D: Device>(&self, device: &D, name: &str) {
        let lengths = [
            (1, 257),
            (2, 384),
            (64, 200),
            (65, 113),
            (113, 203),
            (128, 65),
            (200, 63),
            (257, 128),
            (384, 1),
            (140, 2),
        ];
        for (i, (queries, keys)) in lengths.into_iter().enumerate() {
            for causal in [false, true] {
                let head_dim = [64, 128][i / 2 % 2];
                check_one(device, name, Sizes { causal, ..sizes(queries, keys, head_dim) }, i);
            }
        }
    }
}

#[test]
fn fewer_and_more_queries_than_keys() {
    on_one_model(&Oblong);
}

/// Groups of 1, 2, 3 and 6 query heads for each of 1 to 3 key-value heads, in batches of 1 to 3.
struct Groups;

impl Body for Groups {
    fn run<D: Device>(&self, device: &D, name: &str) {
        let heads = [(2, 2), (2, 1), (4, 2), (3, 1), (6, 2), (6, 1), (3, 3)];
        for (i, (heads, kv_heads)) in heads.into_iter().enumerate() {
            let (batch, causal) = (1 + i % 3, i % 2 == 1);
            let few = sizes(70 + i, 90 - i, [64, 128][i / 2 % 2]);
            check_one(device, name, Sizes { batch, heads, kv_heads, causal, ..few }, i);
        }
    }
}

#[test]
fn groups_of_heads_and_batches() {
    on_one_model(&Groups);
}

/// What differs from model to model is the kernel for head dimension 128: whole blocks of keys, masked ones, the first and the last.
struct EveryModel;

impl Case for EveryModel {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for (queries, keys, head_dim, causal) in [
            (130, 33, 128, false),
            (5, 96, 128, false),
            (131, 131, 128, true),
            (40, 70, 128, true),
            (129, 129, 64, true),
        ] {
            let sizes = Sizes { causal, heads: 2, ..sizes(queries, keys, head_dim) };
            Problem::<T>::new(sizes, keys as u64).check(device, name);
        }
    }
}

#[test]
fn every_device_model() {
    on_every_device(&Every(EveryModel));
}

/// Scales other than the usual one, down to one that makes all probabilities alike.
struct Scales;

impl Body for Scales {
    fn run<D: Device>(&self, device: &D, name: &str) {
        for scale in [1.0, 0.5, 1e-3, 1e-30] {
            let sizes = Sizes { scale: f64::from(scale as f32), ..sizes(33, 70, 64) };
            Problem::<bf16>::new(sizes, 1).check(device, name);
            Problem::<f16>::new(sizes, 2).check(device, name);
        }
    }
}

#[test]
fn other_scales() {
    on_one_model(&Scales);
}
