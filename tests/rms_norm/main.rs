//! RMS norm against its references, on every device.

#[path = "../common/mod.rs"]
mod common;

mod accuracy;
mod counts;
mod determinism;
mod layouts;
mod problem;
mod references;
