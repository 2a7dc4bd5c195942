//! LAMB against its reference, bit by bit, on every device; the reference against the peers' formulas.

#[path = "../common/mod.rs"]
mod common;

mod counts;
mod formula;
mod layouts;
mod problem;
mod trajectories;
