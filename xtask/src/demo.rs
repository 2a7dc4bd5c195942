//! `cargo xtask demo`: builds `examples/train_gpt.rs` in release and runs it.

use crate::setup::ensure;
use crate::shell::{Outcome, program, root, run};

/// Runs the example in the folder where the person is, so that relative paths in `rest` mean what they seem to.
pub fn demo(rest: &[&str]) -> Outcome {
    ensure()?;
    let mut command = std::process::Command::new(program());
    command.args(["run", "--release", "--package", "warpsmith", "--example", "train_gpt", "--manifest-path"]);
    command.arg(root().join("Cargo.toml")).arg("--").args(rest);
    run(&mut command)
}
