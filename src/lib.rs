//! Hand-written CUDA kernels for training and running transformers, with safe launchers over [`cudarc`].
//!
//! Frameworks and engines link this crate as their kernel backend. It owns no tensors, no graph and no allocator: an
//! operation takes views of memory that exists already, queues its kernels on a stream, and returns. Every forward has its
//! backward. The kernels are compiled when the crate is built, and embedded; neither a GPU nor a driver is needed to build,
//! link or start a program.
//!
//! # Example
//! The same lines run on a GPU and, with the feature `emulator`, on the CPU: there the kernels' PTX, as it ships, runs on an
//! emulator that reports races, accesses out of bounds and uninitialised reads as errors. So this example is a test.
//! ```
//! use warpsmith::ops::gelu::{self, Form};
//! use warpsmith::{Buffer, Device, EmulatedDevice, emulator::DeviceModel};
//!
//! # fn main() -> warpsmith::Result<()> {
//! let device = EmulatedDevice::new(DeviceModel::Sm80); // or CudaDevice::new(0)?
//! let x = device.upload(&[-1.0_f32, 0.0, 1.0, 2.0])?;
//! let mut y = device.alloc::<f32>(4)?;
//!
//! let tensors = gelu::Forward { input: x.view([2, 2])?, bias: None, output: y.view_mut([2, 2])? };
//! gelu::forward(&device, tensors, Form::Erf)?;
//!
//! let y = device.download(&y)?;
//! assert!((y[3] - 1.9545).abs() < 1e-4 && y[1] == 0.0);
//! # Ok(())
//! # }
//! ```
//!
//! # Operations
//! | module | forward | backward | element types |
//! |---|---|---|---|
//! | [`ops::adamw`] | a step over a list of parameters, states of 32 bits; masters in f32, rounding by chance | | f32, f16, bf16 |
//! | [`ops::adamw8bit`] | a step over a list of parameters, states of 8 bits | | f32, f16, bf16 |
//! | [`ops::bce_with_logits`] | hard or soft targets, padding, weight of positives | the gradient of the logits in the same pass, over them if wanted | f32, f16, bf16 |
//! | [`ops::cross_entropy`] | label smoothing, class weights, z-loss, softcap | the gradient of the logits in the same pass, over them if wanted | f32, f16, bf16 |
//! | [`ops::linear_cross_entropy`] | the last linear layer and `cross_entropy` in chunks, never all logits; products are the caller's | gradients of hidden, weight, bias in the same pass | f32, f16, bf16 |
//! | [`ops::dropout`] | alone or added to a residual, in place or not; the mask from seed and offset on the device | the mask made again | f32, f16, bf16 |
//! | [`ops::embedding`] | rows of token, position and segment tables, added | gradients of the tables, without floating-point atomics | f32, f16, bf16 |
//! | [`ops::gelu`] | erf and tanh forms, bias added in the same pass | gradients of input and bias | f32, f16, bf16 |
//! | [`ops::grad_clip`] | a list by its common norm, or by value; the loss scale | | f32, f16, bf16 |
//! | [`ops::lamb`] | a step over a list of parameters with a trust ratio for each, states of 32 or 8 bits | | f32, f16, bf16 |
//! | [`ops::quantize`] | to codes of 8 bits by the dynamic maps, in blocks that share an absmax; and back | | f32, f16, bf16 |
//! | [`ops::lion`] | a step over a list of parameters, states of 32 or 8 bits | | f32, f16, bf16 |
//! | [`ops::activation`] | SiLU, quick-GELU, ReLU and its square, GELU; SwiGLU, GeGLU and ReGLU of packed or separate tensors; in place or not | gradients of input, or of gate and up | f32, f16, bf16 |
//! | [`ops::layer_norm`] | saves mean and rstd, residual added in the same pass | gradients of input, weight and bias | f32, f16, bf16 |
//! | [`ops::mask_tokens`] | masked tokens and labels, 80/10/10 or other shares, in place | | i32, i64 |
//! | [`ops::rms_norm`] | saves rstd, residual added in the same pass; rounds as PyTorch, Llama or Gemma do | gradients of input and weight | f32, f16, bf16 |
//! | [`ops::rotary`] | queries and keys in one launch, in place or not, any positions, NTK, YaRN and Llama 3 scaling | the rotation back | f32, f16, bf16 |
//! | [`ops::softmax`] | scale, masks of bytes or numbers, diagonal; in place | gradient of the input, in place | f32, f16, bf16 |
//!
//! # Where what is
//! - [`device`]: [`CudaDevice`] and [`EmulatedDevice`] behind one trait, and what every launch promises (nothing allocated,
//!   nothing waited for, every check before the first write). Programs are generic over [`Device`]; nothing falls back from a
//!   GPU to the emulator by itself.
//! - [`View`] and [`ViewMut`]: a shape and strides over any device memory, that of other crates on cudarc included.
//!   [`TensorDesc`]: the same as plain data.
//! - [`ops`]: each operation as a description, a plan that can be made and looked at without any device, and a launch; over
//!   these one typed function.
//! - [`schedules`]: learning rates step by step, in plain Rust.
//! - [`random`]: what is drawn from a seed, where seed and offset lie on the device.
//! - [`raw`]: the same plans for hosts with addresses and stream handles of their own.
//! - [`Error`]: one variant for each thing that can be wrong, naming the operation and the argument.
//!
//! # What the compiler refuses
//! A tensor cannot be read and written by one operation:
//! ```compile_fail,E0502
//! # use warpsmith::{Buffer, Device, Result, ops::gelu::{self, Form}};
//! # fn misuse<D: Device>(device: &D, mut x: D::Buffer<f32>) -> Result<()> {
//! gelu::forward(device, gelu::Forward { input: x.view([4])?, bias: None, output: x.view_mut([4])? }, Form::Erf)
//! # }
//! ```
//! All tensors of an operation have one element type:
//! ```compile_fail,E0308
//! # use warpsmith::{Buffer, Device, Result, ops::gelu::{self, Form}};
//! # fn misuse<D: Device>(device: &D, x: D::Buffer<f32>, mut y: D::Buffer<half::bf16>) -> Result<()> {
//! gelu::forward(device, gelu::Forward { input: x.view([4])?, bias: None, output: y.view_mut([4])? }, Form::Erf)
//! # }
//! ```
//! Bytes are not a type to compute in:
//! ```compile_fail,E0277
//! # use warpsmith::{Buffer, Device, Result, ops::gelu::{self, Form}};
//! # fn misuse<D: Device>(device: &D, x: D::Buffer<u8>, mut y: D::Buffer<u8>) -> Result<()> {
//! gelu::forward(device, gelu::Forward { input: x.view([4])?, bias: None, output: y.view_mut([4])? }, Form::Erf)
//! # }
//! ```
//! Memory of the emulator is none of a GPU's:
//! ```compile_fail,E0308
//! # use warpsmith::{Buffer, CudaDevice, Device, EmulatedDevice, Result, ops::gelu::{self, Form}};
//! # type Emulated = <EmulatedDevice as Device>::Buffer<f32>;
//! # fn misuse(device: &CudaDevice, x: Emulated, mut y: Emulated) -> Result<()> {
//! gelu::forward(device, gelu::Forward { input: x.view([4])?, bias: None, output: y.view_mut([4])? }, Form::Erf)
//! # }
//! ```
//! A view does not outlive its buffer:
//! ```compile_fail,E0597
//! # use warpsmith::{Buffer, Device, Result};
//! # fn misuse<D: Device>(device: &D) -> Result<()> {
//! let view = {
//!     let x = device.upload(&[1.0_f32])?;
//!     x.view([1])?
//! };
//! println!("{view:?}");
//! # Ok(())
//! # }
//! ```

// Pages made without the emulator name its device all the same.
#![cfg_attr(not(feature = "emulator"), allow(rustdoc::broken_intra_doc_links))]

// A shape in brackets, as the headers of the kernels write it, is no link.
#[allow(rustdoc::broken_intra_doc_links)]
pub mod abi;
mod check;
pub mod device;
mod element;
mod error;
pub mod ops;
pub mod random;
pub mod raw;
pub mod reference;
pub mod schedules;
mod view;

#[cfg(feature = "emulator")]
pub use ptx_emulator as emulator;

pub use cudarc;
#[cfg(feature = "emulator")]
pub use device::EmulatedDevice;
pub use device::{Args, Buffer, CudaDevice, Device, Queue};
pub use element::{DType, Element, Float, Index};
pub use error::{Error, Result};
pub use view::{Dims, MAX_RANK, Shape, Strides, TensorDesc, View, ViewMut};

/// The README's example, as a test.
#[cfg(all(doctest, feature = "emulator"))]
#[doc = include_str!("../README.md")]
struct Readme;
