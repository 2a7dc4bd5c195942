//! ONNX's node tests of the operators that the launchers compute: ONNX's inputs, attributes and outputs. `cargo xtask onnx` fetches them.

#[path = "../common/mod.rs"]
mod common;

mod cases;
mod gelu;
mod losses;
mod norms;
mod rotary;
