//! Lion against its reference, bit by bit, on every device; the reference against the paper's formula.

#[path = "../common/mod.rs"]
mod common;

mod counts;
mod formula;
mod layouts;
mod problem;
mod trajectories;
