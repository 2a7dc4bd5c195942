//! Attention against its references.

#[path = "../common/mod.rs"]
mod common;
mod problem;

use common::devices::{Body, on_one_model};
use problem::{Case, both};
use warpsmith::Device;

struct Lengths;

impl Body for Lengths {
    fn run<D: Device>(&self, device: &D, name: &str) {
        for (queries, keys) in [(1, 1), (64, 64), (128, 128), (113, 203), (200, 65), (257, 129)] {
            for causal in [false, true] {
                for head_dim in [64, 128] {
                    both(device, name, Case { batch: 1, queries, keys, heads: 2, kv_heads: 1, head_dim, causal });
                }
            }
        }
    }
}

#[test]
fn forward_matches_reference() {
    on_one_model(&Lengths);
}
