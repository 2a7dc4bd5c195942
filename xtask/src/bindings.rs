//! `cargo xtask bindings`: `src/abi.rs` from `kernels/abi.h`. It is committed, so that no user of the crate needs libclang.

#[cfg(feature = "bindings")]
mod generate;

use crate::shell::Outcome;
#[cfg(feature = "bindings")]
use crate::shell::{at, root};
#[cfg(not(feature = "bindings"))]
use crate::shell::{cargo, run};

/// Writes `src/abi.rs`.
#[cfg(feature = "bindings")]
pub fn write() -> Outcome {
    let path = root().join("src").join("abi.rs");
    at(&path, std::fs::write(&path, generate::text()?))
}

/// Says whether `src/abi.rs` is what `write` would write.
#[cfg(feature = "bindings")]
pub fn check() -> Outcome {
    let path = root().join("src").join("abi.rs");
    let fresh = generate::text()? == at(&path, std::fs::read_to_string(&path))?;
    if fresh {
        Ok(())
    } else {
        Err("src/abi.rs is not what kernels/abi.h gives: run `cargo xtask bindings`".to_owned())
    }
}

/// Runs this task again with bindgen compiled in.
#[cfg(not(feature = "bindings"))]
pub fn write() -> Outcome {
    run(&mut cargo(&["run", "--quiet", "--package", "xtask", "--features", "bindings", "--", "bindings"]))
}

/// Runs this task again with bindgen compiled in.
#[cfg(not(feature = "bindings"))]
pub fn check() -> Outcome {
    run(&mut cargo(&["run", "--quiet", "--package", "xtask", "--features", "bindings", "--", "bindings", "--check"]))
}
