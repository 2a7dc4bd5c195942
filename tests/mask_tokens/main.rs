//! Token masking against its reference, on every device.

#[path = "../common/mod.rs"]
mod common;

mod counts;
mod exact;
mod problem;
mod statistics;
