//! What a running block consists of, and what its instructions do to it.

pub(crate) mod access;
pub(crate) mod atomic;
pub(crate) mod bulk;
pub(crate) mod cluster;
pub(crate) mod copies;
mod env;
mod frame;
pub(crate) mod mbarrier;
pub(crate) mod observe;
pub(crate) mod print;
mod warp;
pub(crate) mod wgmma;

pub(crate) use copies::Copies;
pub(crate) use env::{Context, Env, FaultLog, local, location};
pub(crate) use frame::Local;
pub(crate) use warp::{Group, Wait, Warp};
