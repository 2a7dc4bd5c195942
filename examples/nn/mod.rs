//! A small library of transformers over the crate's launchers, shared by the examples: parameters, layers with their backward passes
//! written out, optimizers, checkpoints, texts, and what a person sees of a run.
//!
//! The model is written once over the trait [`ops::Ops`]. The launchers on a device implement it ([`launchers`]), and for the tests so
//! do the crate's references ([`reference`]), so that one can be held against the other. From the embedding to the optimizer every
//! step is a kernel of the crate; matrix products are not its job ([`product`]).

pub mod block;
pub mod checkpoint;
pub mod config;
pub mod console;
#[path = "../../tests/common/data.rs"]
pub mod data;
pub mod kernels;
pub mod launchers;
pub mod layers;
pub mod model;
pub mod ops;
pub mod optimizer;
pub mod parameters;
pub mod plot;
pub mod product;
#[cfg(test)]
pub mod reference;
pub mod run;
pub mod start;
pub mod text;
pub mod tuning;

/// What can go wrong here is told to the person who started the program.
pub type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
