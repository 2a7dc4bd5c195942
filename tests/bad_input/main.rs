//! Bad input gives an error that names the argument, before anything is written.
//!
//! Each case spoils one thing in a description that is right, with real tensors behind it, and goes the way of a host: plan, then launch.
//! Afterwards every output must be as it was. What descriptions cannot spoil, a tensor of another device, is tried on the typed
//! functions.

#[path = "../common/mod.rs"]
mod common;

mod gelu;
mod layer_norm;

use warpsmith::Error;

/// The kind of an error and the argument that it names.
fn kind(error: &Error) -> (&'static str, &'static str) {
    match *error {
        Error::Shape { argument, .. } => ("shape", argument),
        Error::Stride { argument, .. } => ("stride", argument),
        Error::DType { argument, .. } => ("dtype", argument),
        Error::Misaligned { argument, .. } => ("misaligned", argument),
        Error::Null { argument, .. } => ("null", argument),
        Error::Aliasing { argument, .. } => ("aliasing", argument),
        Error::IndexRange { argument, .. } => ("range", argument),
        Error::DeviceMismatch { argument, .. } => ("device", argument),
        Error::WorkspaceTooSmall { .. } => ("size", "workspace"),
        _ => ("other", ""),
    }
}

/// Asserts that an error is of a kind, and that it names the operation and the argument in its text, too.
fn assert_error(case: &str, op: &str, expected: (&str, &str), result: warpsmith::Result<()>) {
    let error = result.expect_err(case);
    assert_eq!(kind(&error), expected, "{case}: {error}");
    let text = error.to_string();
    assert!(text.contains(op) && text.contains(expected.1), "{case}: {text}");
}
