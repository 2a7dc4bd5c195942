//! `cargo xtask demo`: builds an example in release and runs it.

use crate::setup::ensure;
use crate::shell::{Outcome, program, root, run};

/// Names of demos, and the examples behind them. Without a name it is the first.
const DEMOS: [(&str, &str); 3] = [("gpt", "train_gpt"), ("finetune", "finetune"), ("mlm", "train_mlm")];

/// Runs the example in the folder where the person is, so that relative paths in `rest` mean what they seem to.
pub fn demo(rest: &[&str]) -> Outcome {
    ensure()?;
    let named = rest.first().and_then(|word| DEMOS.iter().find(|(name, _)| name == word));
    let (example, rest) = match named {
        Some((_, example)) => (*example, &rest[1..]),
        None => (DEMOS[0].1, rest),
    };
    let mut command = std::process::Command::new(program());
    command.args(["run", "--release", "--package", "warpsmith", "--example", example, "--manifest-path"]);
    command.arg(root().join("Cargo.toml")).arg("--").args(rest);
    run(&mut command)
}
