//! Softmax against its references, on every device.

#[path = "../common/mod.rs"]
mod common;

mod accuracy;
mod counts;
mod problem;
mod references;
