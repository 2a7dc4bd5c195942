//! 8-bit AdamW.

#[path = "../common/mod.rs"]
mod common;

mod problem;
mod trajectories;
