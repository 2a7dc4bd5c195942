//! Attention against its references, on every device.

#[path = "../common/mod.rs"]
mod common;

mod backward;
mod gradients;
mod lengths;
mod problem;
mod tensor;
