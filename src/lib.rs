//! Hand-written CUDA kernels for training and running transformers.

pub mod abi;
mod check;
pub mod device;
mod element;
mod error;
pub mod ops;
pub mod raw;
pub mod reference;
mod view;

#[cfg(feature = "emulator")]
pub use ptx_emulator as emulator;

pub use cudarc;
pub use device::{Args, Buffer, CudaDevice, Device, Queue};
pub use element::{DType, Element, Float};
pub use error::{Error, Result};
pub use view::{Dims, MAX_RANK, Shape, Strides, TensorDesc, View, ViewMut};
