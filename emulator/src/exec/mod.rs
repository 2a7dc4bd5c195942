//! What a running block consists of, and what its instructions do to it.

pub(crate) mod access;
pub(crate) mod atomic;
pub(crate) mod copies;
mod env;
mod local;
pub(crate) mod observe;
mod warp;
pub(crate) mod wgmma;

pub(crate) use copies::Copies;
pub(crate) use env::{Context, Env, FaultLog, location};
pub(crate) use local::Local;
pub(crate) use warp::{Group, Wait, Warp};
