//! Cells of some memory, and the ways in which accesses go through them.

use super::cells::{BYTEWISE, Layer, Track};
use super::examine::Party;
use super::order::Order;
use super::{Conflict, WarpAccess, lanes, quick, readers};
use crate::config::Checks;

/// Some memory with what happened to it.
pub(super) struct Cells {
    pub(super) words: Layer,
    /// The bytes of words that are marked for it.
    pub(super) bytes: Option<Box<Layer>>,
}

/// The circumstances of an access: what is known by then, its number, and what is to be reported.
#[derive(Clone, Copy)]
pub(super) struct Moment<'a> {
    pub(super) order: &'a Order,
    pub(super) now: u32,
    pub(super) checks: Checks,
}

impl Cells {
    pub(super) fn new(words: usize) -> Self {
        Self { words: Layer::new(words), bytes: None }
    }

    /// Memory that had been written before everything else, and of which nothing else is remembered yet.
    pub(super) fn lazy(words: usize) -> Self {
        Self { words: Layer::lazy(words), bytes: None }
    }

    /// Whether a byte has been written after a time.
    pub(super) fn is_written(&self, byte: usize, since: u32) -> bool {
        let in_layer = |layer: &Layer, cell: usize| {
            let later = |track: &Track| track.time.get(cell).is_some_and(|time| *time > since);
            let is_bytewise = layer.write.time.get(cell) == Some(&BYTEWISE);
            layer.strong_writes.iter().any(later) || !is_bytewise && later(&layer.write)
        };
        in_layer(&self.words, byte / 4) || self.bytes.as_ref().is_some_and(|bytes| in_layer(bytes, byte))
    }

    /// Forgets all times, for when the clock starts again.
    pub(super) fn forget(&mut self) {
        self.words.forget();
        self.bytes = None;
    }

    /// A plain load.
    #[inline(always)]
    pub(super) fn load(&mut self, at: Moment<'_>, access: WarpAccess<'_>, conflicts: &mut Vec<Conflict>) {
        let access = WarpAccess { mask: readers(access), ..access };
        let is_quiet = !self.is_later(at, access.warp, |layer| &layer.strong_writes);
        let left = if is_quiet { self.load_quickly(at, access) } else { access.mask };
        if left != 0 {
            self.examine(at, WarpAccess { mask: left, ..access }, Party::Load, &|_, _| true, conflicts);
        }
    }

    /// A plain store.
    #[inline(always)]
    pub(super) fn store(
        &mut self,
        at: Moment<'_>,
        access: WarpAccess<'_>,
        same: impl Fn(usize, usize) -> bool,
        conflicts: &mut Vec<Conflict>,
    ) {
        self.words.settle();
        let left = if self.is_quiet(at, access.warp) { self.store_quickly(at, access) } else { access.mask };
        if left != 0 {
            self.examine(at, WarpAccess { mask: left, ..access }, Party::Store, &same, conflicts);
        }
    }

    /// The issue of `cp.async` to it.
    pub(super) fn copy(&mut self, at: Moment<'_>, access: WarpAccess<'_>, conflicts: &mut Vec<Conflict>) {
        let is_quiet = self.is_quiet(at, access.warp);
        let left = if is_quiet { quick::copy(at, &mut self.words, access) } else { access.mask };
        if left != 0 {
            self.examine(at, WarpAccess { mask: left, ..access }, Party::Copy, &|_, _| false, conflicts);
        }
    }

    /// Whether no strong access and no asynchronous read may be unordered with what this warp writes now.
    fn is_quiet(&self, at: Moment<'_>, warp: u32) -> bool {
        !self.is_later(at, warp, |layer| &layer.strong_writes)
            && !self.is_later(at, warp, |layer| &layer.strong_reads)
            && !self.is_later(at, warp, |layer| &layer.bulk_reads)
    }

    #[inline(always)]
    fn is_later(&self, at: Moment<'_>, warp: u32, tracks: impl Fn(&Layer) -> &[Track]) -> bool {
        let floor = at.order.floor(warp as usize);
        let later = |layer: &Layer| tracks(layer).iter().any(|track| track.latest > floor);
        later(&self.words) || self.bytes.as_deref().is_some_and(later)
    }

    /// The lanes all of whose words are marked to be looked at byte by byte.
    fn bytewise(&self, access: WarpAccess<'_>, mask: u32) -> u32 {
        let words = (access.bytes / 4) as usize;
        let is_bytewise = |lane: &usize| {
            let first = (access.addresses[*lane] >> 2) as usize;
            self.words.write.time.get(first..first + words).is_some_and(|time| time.iter().all(|t| *t == BYTEWISE))
        };
        lanes(mask).filter(is_bytewise).fold(0, |mask, lane| mask | 1 << lane)
    }

    /// Loads what is plainly in order; gives the lanes that are left.
    #[inline(always)]
    fn load_quickly(&mut self, at: Moment<'_>, access: WarpAccess<'_>) -> u32 {
        if access.bytes < 4 {
            self.split_all(at.order, access);
            return self.bytes.as_mut().map_or(access.mask, |bytes| quick::load::<0>(at, bytes, access));
        }
        let left = quick::load::<2>(at, &mut self.words, access);
        if left == 0 {
            return 0;
        }
        let bytewise = self.bytewise(access, left);
        let again = WarpAccess { mask: bytewise, ..access };
        match &mut self.bytes {
            Some(bytes) if bytewise != 0 => left & !bytewise | quick::load::<0>(at, bytes, again),
            _ => left,
        }
    }

    /// Stores what is plainly in order; gives the lanes that are left.
    #[inline(always)]
    fn store_quickly(&mut self, at: Moment<'_>, access: WarpAccess<'_>) -> u32 {
        if access.bytes < 4 {
            self.split_all(at.order, access);
            return self.bytes.as_mut().map_or(access.mask, |bytes| quick::store::<0>(at, bytes, access));
        }
        let left = quick::store::<2>(at, &mut self.words, access);
        if left == 0 {
            return 0;
        }
        let bytewise = self.bytewise(access, left);
        let again = WarpAccess { mask: bytewise, ..access };
        match &mut self.bytes {
            Some(bytes) if bytewise != 0 => {
                let still = quick::store::<0>(at, bytes, again);
                // A write of the whole word makes it one again.
                for lane in lanes(bytewise & !still) {
                    let first = (access.addresses[lane] >> 2) as usize;
                    for word in 0..(access.bytes / 4) as usize {
                        self.words.write.time[first + word] = at.now;
                        self.words.write.who[first + word] = access.author(lane as u32, word as u32).0;
                    }
                }
                left & !bytewise | still
            }
            _ => left,
        }
    }
}
