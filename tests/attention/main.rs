//! Attention against its references, on every device.

#[path = "../common/mod.rs"]
mod common;

mod lengths;
mod problem;
mod tensor;
