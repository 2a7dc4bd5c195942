//! A workload: what benches time and `examples/profile` counts.

use warpsmith::Device;

/// One thing to time.
pub trait Workload {
    /// The bench's id without the shape: `gelu/forward_tanh/bf16`.
    fn name(&self) -> String;
    /// The shape that stands in for all others on the emulator.
    const EMULATED_SHAPE: [usize; 2] = [64, 256];

    /// Bytes that have to move to and from memory for `[rows, width]`: every tensor read or written once.
    fn bytes(&self, shape: [usize; 2]) -> usize;
    /// Operations of tensor cores, where they and not memory set the pace.
    fn flops(&self, _shape: [usize; 2]) -> Option<f64> {
        None
    }
    /// Uploads the tensors; what is returned queues the operation once.
    fn prepare<D: Device>(&self, device: &D, shape: [usize; 2]) -> impl FnMut();
}
