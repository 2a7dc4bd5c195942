//! The operations, each in a module of its name.

pub mod gelu;
