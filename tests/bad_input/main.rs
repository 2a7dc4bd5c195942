//! Bad input gives an error that names the argument, before anything is written.
//!
//! Each case spoils one thing in a description that is right, with real tensors behind it, and goes the way of a host: plan, then launch.
//! Afterwards every output must be as it was. What descriptions cannot spoil, a tensor of another device, is tried on the typed
//! functions.

#[path = "../common/mod.rs"]
mod common;

mod activation;
mod adamw;
mod adamw8bit;
mod attention;
mod attention_backward;
mod bce_with_logits;
mod cross_entropy;
mod dropout;
mod embedding;
mod gelu;
mod grad_clip;
mod lamb;
mod layer_norm;
mod linear_cross_entropy;
mod lion;
mod mask_tokens;
mod quantize;
mod rms_norm;
mod rotary;
mod softmax;

use common::data::Rng;
use common::guard::{Guarded, Place};
use warpsmith::emulator::DeviceModel;
use warpsmith::{EmulatedDevice, Error, TensorDesc};

type Tensor = Guarded<EmulatedDevice, f32>;

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

fn device() -> EmulatedDevice {
    EmulatedDevice::new(DeviceModel::Sm80)
}

fn normals(device: &EmulatedDevice, place: Place, count: usize) -> Tensor {
    Guarded::input(device, place, &Rng::new(count as u64).normals(count, 0.0, 1.0))
}

/// The same tensor with another shape and the strides of no gaps.
fn shaped<const RANK: usize>(tensor: TensorDesc, shape: [usize; RANK]) -> TensorDesc {
    TensorDesc::contiguous(tensor.address, shape, tensor.dtype)
}

/// The same tensor with other strides.
fn strided<const RANK: usize>(tensor: TensorDesc, strides: [i64; RANK]) -> TensorDesc {
    TensorDesc { strides: strides.into(), ..tensor }
}

/// The same tensor somewhere else.
fn at(tensor: TensorDesc, address: u64) -> TensorDesc {
    TensorDesc { address, ..tensor }
}
