//! Boxes of tensors, for the copies by tensor map.

use ptx_emulator::{OutOfBoundsFill, Swizzle, TensorElement, TensorMap};

/// A tensor and a box of it. The tensor lies in the input behind what fills shared memory, or in the output behind what shared memory is left with.
#[derive(Clone, Debug)]
pub struct Tile {
    /// The elements.
    pub element: TensorElement,
    /// The tensor's sides, the innermost first; it is dense, its rows at multiples of 16 bytes.
    pub dims: Vec<u64>,
    /// The box's sides.
    pub sides: Vec<u32>,
    /// Elements from one of the box to the next.
    pub steps: Vec<u32>,
    /// The box's origin.
    pub at: Vec<i32>,
    /// How shared memory is permuted.
    pub swizzle: Swizzle,
    /// What stands outside.
    pub fill: OutOfBoundsFill,
    /// Whether the copy goes to the tensor.
    pub stores: bool,
}

impl Tile {
    /// Bytes of shared memory.
    pub const SHARED: usize = 4096;
    /// Bytes of the tensor at most.
    pub const TENSOR: usize = 4096;
    /// Bytes of input.
    pub const INPUT: usize = Self::SHARED + Self::TENSOR;
    /// Bytes of output.
    pub const OUTPUT: usize = Self::SHARED + Self::TENSOR;

    /// A dense tensor, and a box at its origin.
    pub fn new(element: TensorElement, dims: &[u64], sides: &[u32]) -> Self {
        Self {
            element,
            dims: dims.to_vec(),
            sides: sides.to_vec(),
            steps: vec![1; dims.len()],
            at: vec![0; dims.len()],
            swizzle: Swizzle::None,
            fill: OutOfBoundsFill::Zero,
            stores: false,
        }
    }

    /// Where the tensor lies, from the addresses of input and output.
    pub fn address(&self, input: u64, output: u64) -> u64 {
        if self.stores { output + Self::SHARED as u64 } else { input + Self::SHARED as u64 }
    }

    /// The map, for a tensor at this address.
    pub fn map(&self, address: u64) -> TensorMap {
        TensorMap {
            element_strides: self.steps.clone(),
            fill: self.fill,
            ..TensorMap::dense(self.element, address, &self.dims, &self.sides).swizzled(self.swizzle)
        }
    }

    /// Bytes of the box.
    pub fn bytes(&self) -> u32 {
        let along = self.sides.iter().zip(&self.steps).map(|(side, step)| side.div_ceil(*step));
        along.product::<u32>() * self.element.bytes()
    }
}
