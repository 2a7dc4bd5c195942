//! Cross-entropy against its references, on every device.

#[path = "../common/mod.rs"]
mod common;

mod accuracy;
mod counts;
mod determinism;
mod edges;
mod pairs;
mod problem;
mod references;
