//! The memory half of Hopper: `mbarrier`, bulk copies, tensor maps, clusters (PTX ISA, the sections of these names). Expectations are
//! worked out by hand.

mod bulk;
mod cluster;
mod common;
mod mbarrier;
mod pipeline;
mod tensor;
