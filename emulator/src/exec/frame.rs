//! Local memory of the threads of a warp.

use crate::lanes::LANES;

/// One frame a lane, poisoned with 0xff, and which bytes have been written.
pub(crate) struct Local {
    size: usize,
    bytes: Vec<u8>,
    written: Vec<bool>,
}

impl Local {
    pub fn new(size: u32) -> Self {
        let size = size as usize;
        Self { size, bytes: vec![0xff; size * LANES], written: vec![false; size * LANES] }
    }

    pub fn restart(&mut self) {
        self.bytes.fill(0xff);
        self.written.fill(false);
    }

    /// Whether an access lies in the frame.
    pub fn holds(&self, address: u64, bytes: usize) -> bool {
        address.checked_add(bytes as u64).is_some_and(|end| end <= self.size as u64)
    }

    /// The bytes of an access that [`Local::holds`].
    pub fn bytes(&self, lane: usize, address: u64, bytes: usize) -> &[u8] {
        let at = lane * self.size + address as usize;
        &self.bytes[at..at + bytes]
    }

    /// Whether all of them have been written.
    pub fn is_written(&self, lane: usize, address: u64, bytes: usize) -> bool {
        let at = lane * self.size + address as usize;
        self.written[at..at + bytes].iter().all(|written| *written)
    }

    /// The same bytes to write to.
    pub fn write(&mut self, lane: usize, address: u64, bytes: usize) -> &mut [u8] {
        let at = lane * self.size + address as usize;
        self.written[at..at + bytes].fill(true);
        &mut self.bytes[at..at + bytes]
    }

    /// Copies bytes within the frame of a lane, with what is known about them. An argument that the caller declares shorter than the function does may
    /// be the frame's last variable: what lies beyond is not the lane's.
    pub fn copy(&mut self, lane: usize, to: u64, from: u64, bytes: usize) {
        let bytes = bytes.min(self.size - to.max(from) as usize);
        let (to, from) = (lane * self.size + to as usize, lane * self.size + from as usize);
        self.bytes.copy_within(from..from + bytes, to);
        self.written.copy_within(from..from + bytes, to);
    }
}
