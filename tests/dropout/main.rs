//! Dropout against its reference, on every device.

#[path = "../common/mod.rs"]
mod common;

mod accuracy;
mod counts;
mod layouts;
mod problem;
mod randomness;
