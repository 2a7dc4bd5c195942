//! A linear layer and the cross-entropy of its logits in chunks, against the references and against one chunk, on every device.

#[path = "../common/mod.rs"]
mod common;

mod accuracy;
mod chunks;
mod problem;
mod products;
