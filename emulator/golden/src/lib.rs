//! Golden vectors: what single PTX instructions give on a GPU, so that the emulator can be held to it.
//!
//! A [`Form`] is an instruction with inputs and the nearness that is asked for; [`all`] lists them. [`record`] runs them on a [`Device`], which is a GPU
//! through the CUDA driver ([`Cuda`]) or the emulator ([`Emulated`]), and gives a [`File`]. [`compare`] runs what a file holds on the emulator and says
//! what differs.
//!
//! The kernels around the instructions are `kernels/*.cu`; the PTX beside them is what nvcc 13.0 makes of them, without its opening comments.

mod compare;
mod cuda;
mod emulated;
mod file;
mod form;
mod forms;
mod input;
mod job;
mod tile;

pub use compare::{Comparison, compare};
pub use cuda::Cuda;
pub use emulated::Emulated;
pub use file::{Entry, File, Results};
pub use form::{Bound, Check, Form, Format, Shape};
pub use forms::all;
pub use input::{Kind, digest, input};
pub use job::{Device, Job, record};
pub use tile::Tile;
