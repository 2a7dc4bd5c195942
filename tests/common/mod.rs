//! What the tests of every operation share: random data, guarded buffers, devices, and the rule by which a result counts as right.
#![allow(dead_code)] // Every test binary compiles this for itself and uses a part of it.

pub mod compare;
pub mod data;
pub mod devices;
pub mod guard;
pub mod optimizers;
pub mod ptx;
