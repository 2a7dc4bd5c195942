//! Activations and gated linear units against their references, on every device.

#[path = "../common/mod.rs"]
mod common;

mod accuracy;
mod counts;
mod layouts;
mod problem;
mod references;
