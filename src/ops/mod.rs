//! The operations, each in a module of its name.
//!
//! Every module has the same parts. A `Desc` is the operation as plain data: tensors and options. `plan_*` checks it and
//! decides on kernels, launch shapes and their arguments, without any device: it can be tested and inspected anywhere. A
//! plan is launched on any [`Queue`](crate::Queue), and preloads its kernels there. The typed functions, `forward` and
//! `backward`, take a device and a structure of views, and go the same way.

pub mod activation;
pub mod adamw;
pub mod adamw8bit;
pub mod attention;
pub mod bce_with_logits;
mod by_type;
mod codes;
pub mod cross_entropy;
pub mod dropout;
pub mod embedding;
pub mod gelu;
pub mod grad_clip;
pub mod lamb;
pub mod layer_norm;
pub mod linear_cross_entropy;
pub mod lion;
pub mod mask_tokens;
mod norms;
pub mod optimizer;
pub mod quantize;
mod resident;
pub mod rms_norm;
pub mod rotary;
mod rows;
pub mod softmax;
mod tiles;
