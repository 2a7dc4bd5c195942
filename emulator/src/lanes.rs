//! A register of a warp: one value for each of its 32 lanes.

use crate::exec::Warp;

/// Lanes of a warp.
pub(crate) const LANES: usize = 32;

/// The mask of all lanes.
pub(crate) const FULL: u32 = u32::MAX;

/// One value a lane, aligned to a cache line.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
pub(crate) struct Lanes<T>(pub [T; LANES]);

/// A place in one of a warp's register files.
pub(crate) trait Slot: Copy + Send + Sync + 'static {
    /// What a lane of it holds.
    type Value: Copy + Default;

    /// The value of every lane.
    fn load(self, warp: &Warp) -> [Self::Value; LANES];

    /// The value of one lane.
    fn lane(self, warp: &Warp, lane: usize) -> Self::Value;

    /// Replaces the lanes of `mask`.
    fn store(self, warp: &mut Warp, mask: u32, values: [Self::Value; LANES]);
}

/// A register of at most 32 bits. Registers of 8 and 16 bits leave the upper bits unspecified: whoever reads them truncates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct R32(pub u32);

/// A 64-bit register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct R64(pub u32);

/// A predicate register: one bit a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pred(pub u32);

#[inline(always)]
fn merge<T: Copy>(old: &mut [T; LANES], mask: u32, new: [T; LANES]) {
    if mask == FULL {
        *old = new;
    } else {
        merge_some(old, mask, &new);
    }
}

/// Out of line, since it would be half the code of every lane operation.
#[inline(never)]
fn merge_some<T: Copy>(old: &mut [T; LANES], mask: u32, new: &[T; LANES]) {
    for lane in 0..LANES {
        old[lane] = if mask >> lane & 1 != 0 { new[lane] } else { old[lane] };
    }
}

impl Slot for R32 {
    type Value = u32;

    #[inline(always)]
    fn load(self, warp: &Warp) -> [u32; LANES] {
        warp.r32[self.0 as usize].0
    }

    #[inline(always)]
    fn lane(self, warp: &Warp, lane: usize) -> u32 {
        warp.r32[self.0 as usize].0[lane]
    }

    #[inline(always)]
    fn store(self, warp: &mut Warp, mask: u32, values: [u32; LANES]) {
        merge(&mut warp.r32[self.0 as usize].0, mask, values);
    }
}

impl Slot for R64 {
    type Value = u64;

    #[inline(always)]
    fn load(self, warp: &Warp) -> [u64; LANES] {
        warp.r64[self.0 as usize].0
    }

    #[inline(always)]
    fn lane(self, warp: &Warp, lane: usize) -> u64 {
        warp.r64[self.0 as usize].0[lane]
    }

    #[inline(always)]
    fn store(self, warp: &mut Warp, mask: u32, values: [u64; LANES]) {
        merge(&mut warp.r64[self.0 as usize].0, mask, values);
    }
}

impl Slot for Pred {
    type Value = bool;

    #[inline(always)]
    fn load(self, warp: &Warp) -> [bool; LANES] {
        let bits = warp.preds[self.0 as usize];
        std::array::from_fn(|lane| bits >> lane & 1 != 0)
    }

    #[inline(always)]
    fn lane(self, warp: &Warp, lane: usize) -> bool {
        warp.preds[self.0 as usize] >> lane & 1 != 0
    }

    #[inline(always)]
    fn store(self, warp: &mut Warp, mask: u32, values: [bool; LANES]) {
        let mut bits = 0;
        for (chunk, byte) in values.as_chunks::<8>().0.iter().enumerate() {
            // The product gathers the lowest bit of each byte in the highest byte.
            let word = u64::from_le_bytes(byte.map(u8::from));
            bits |= (word.wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32 * (1 << (8 * chunk));
        }
        let old = &mut warp.preds[self.0 as usize];
        *old = *old & !mask | bits & mask;
    }
}

/// The set lanes of a mask, lowest first.
#[inline(always)]
pub(crate) fn lanes_of(mut mask: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        (mask != 0).then(|| {
            let lane = mask.trailing_zeros() as usize;
            mask &= mask - 1;
            lane
        })
    })
}
