//! Attention against its references, on every device.

#[path = "../common/mod.rs"]
mod common;

mod accuracy;
mod backward;
mod counts;
mod determinism;
mod gradients;
mod layouts;
mod lengths;
mod problem;
mod tensor;
