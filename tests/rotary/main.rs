//! Rotary position embedding against its references, on every device.

#[path = "../common/mod.rs"]
mod common;

mod accuracy;
mod counts;
mod frequencies;
mod layouts;
mod problem;
mod references;
mod tables;
