//! `cargo xtask check`: what must hold before a change is merged, besides the tests.

use crate::bindings;
use crate::setup::cargo_with_nvcc;
use crate::shell::{Outcome, cargo, run};

/// Formatting, lints, documentation, generated code.
pub fn check() -> Outcome {
    run(&mut cargo(&["fmt", "--all", "--check"]))?;
    run(&mut cargo_with_nvcc(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--features",
        "xtask/bindings",
        "--",
        "-D",
        "warnings",
    ])?)?;
    run(cargo_with_nvcc(&["doc", "--workspace", "--no-deps", "--features", "warpsmith/emulator"])?
        .env("RUSTDOCFLAGS", "-D warnings"))?;
    bindings::check()
}
