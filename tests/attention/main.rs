//! Attention against its references, on every device.

#[path = "../common/mod.rs"]
mod common;

mod accuracy;
mod backward;
mod backward_counts;
mod backward_determinism;
mod counts;
mod determinism;
mod gradient_rule;
mod gradients;
mod layouts;
mod lengths;
mod problem;
mod tensor;
