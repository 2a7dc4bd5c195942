//! What cargo is told and asked. Every variable that is read is a reason to run again, so both happen in one call.

use std::path::{Path, PathBuf};

/// The value of an environment variable, if it is set and not empty; cargo runs the script again when it changes.
pub fn var(name: &str) -> Option<String> {
    println!("cargo::rerun-if-env-changed={name}");
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// A variable that cargo always sets for a build script.
pub fn cargo(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|_| format!("cargo did not set {name}: run this script through cargo"))
}

/// `CARGO_MANIFEST_DIR`, the folder of this package.
pub fn package_dir() -> Result<PathBuf, String> {
    cargo("CARGO_MANIFEST_DIR").map(PathBuf::from)
}

/// Runs the script again when this file, or any file of this folder, changes. A path that is missing would run it every time.
pub fn watch(path: &Path) {
    if path.exists() {
        println!("cargo::rerun-if-changed={}", path.display());
    }
}

/// Shown by cargo where this package is a member of the workspace.
pub fn warn(what: &str) {
    for line in what.lines() {
        println!("cargo::warning={line}");
    }
}
