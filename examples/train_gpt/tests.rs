//! What the examples' library promises: gradients that are right, losses that are those of the references, results that repeat bit for
//! bit and go on bit for bit, and a model that needs its attention.

#[path = "../../tests/common/devices.rs"]
#[allow(dead_code)] // Shared with the crate's tests, which use all of it.
mod devices;

#[path = "tests/gradients.rs"]
mod gradients;
#[path = "tests/optimizers.rs"]
mod optimizers;
#[path = "tests/parts.rs"]
mod parts;
#[path = "tests/runs.rs"]
mod runs;
