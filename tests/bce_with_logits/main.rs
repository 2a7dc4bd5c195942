//! Binary cross-entropy with logits against its reference, on every device.

#[path = "../common/mod.rs"]
mod common;

mod accuracy;
mod counts;
mod problem;
