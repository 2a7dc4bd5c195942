//! 8-bit AdamW against its reference, bit by bit, on every device.

#[path = "../common/mod.rs"]
mod common;

mod codes;
mod counts;
mod formula;
mod layouts;
mod problem;
mod trajectories;
