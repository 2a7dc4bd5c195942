//! The operations, each in a module of its name.

pub mod gelu;
pub mod layer_norm;
