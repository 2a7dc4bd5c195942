//! Global memory as the threads of one cluster use it, page by page, and the way of an access through the detector.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::examine::Party;
use super::memory::{Cells, Moment};
use super::world::{Side, World};
use super::{Conflict, Ordering, SharedShadow, Strong, WarpAccess, lanes};

/// Bytes of a page, as a power of two.
pub(super) const PAGE: u32 = 12;
/// Words of a page.
pub(super) const WORDS: usize = 1 << (PAGE - 2);

/// A hash of page numbers, which are close to one another.
#[derive(Default)]
pub(super) struct PageHasher(u64);

impl Hasher for PageHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Things by page number.
pub(super) type ByPage<T> = HashMap<u64, T, BuildHasherDefault<PageHasher>>;

/// The pages that a cluster has touched.
#[derive(Default)]
pub(super) struct Pages {
    index: ByPage<u32>,
    list: Vec<Cells>,
    /// Those of the list that are in use; the others were other pages of earlier clusters.
    used: usize,
    /// The last one.
    hot: (u64, u32),
}

impl Pages {
    /// For another cluster. The times of earlier ones are all in order unless the clock starts again.
    pub(super) fn restart(&mut self, forget: bool) {
        self.index.clear();
        (self.used, self.hot) = (0, (u64::MAX, 0));
        if forget {
            self.list.clear();
        }
    }

    fn has_written(&self, byte: u64, since: u32) -> bool {
        let offset = (byte & ((1 << PAGE) - 1)) as usize;
        self.index.get(&(byte >> PAGE)).is_some_and(|at| self.list[*at as usize].is_written(offset, since))
    }

    fn page(&mut self, number: u64) -> &mut Cells {
        if self.hot.0 != number {
            let (list, used) = (&mut self.list, &mut self.used);
            let at = *self.index.entry(number).or_insert_with(|| {
                let at = *used;
                *used += 1;
                match list.get_mut(at) {
                    None => list.push(Cells::lazy(WORDS)),
                    Some(page) if page.bytes.is_some() => *page = Cells::lazy(WORDS),
                    Some(_) => {}
                }
                at as u32
            });
            self.hot = (number, at);
        }
        &mut self.list[self.hot.1 as usize]
    }
}

/// What an instruction does to global memory.
#[derive(Clone, Copy)]
pub(crate) enum Act<'a> {
    Load,
    /// With what says whether two lanes that address the same bytes store the same value.
    Store(&'a dyn Fn(usize, usize) -> bool),
    Strong(Strong, Ordering),
}

impl Act<'_> {
    pub(crate) fn reads(self) -> bool {
        matches!(self, Self::Load | Self::Strong(Strong::Load | Strong::Atomic, _))
    }

    pub(crate) fn writes(self) -> bool {
        !matches!(self, Self::Load | Self::Strong(Strong::Load, _))
    }
}

/// The lanes whose address lies in a page.
#[inline(always)]
fn within(addresses: &[u64; 32], number: u64) -> u32 {
    let elsewhere = addresses.iter().fold(0, |bits, address| bits | address ^ (number << PAGE));
    if elsewhere >> PAGE == 0 {
        return u32::MAX;
    }
    addresses.iter().enumerate().fold(0, |mask, (lane, address)| mask | u32::from(address >> PAGE == number) << lane)
}

impl SharedShadow {
    /// Whether a thread of the cluster has written a byte of global memory.
    pub(crate) fn has_written(&self, byte: u64) -> bool {
        self.pages.has_written(byte, self.began)
    }

    /// An access to global memory.
    pub(crate) fn global(
        &mut self,
        world: &mut World,
        access: WarpAccess<'_>,
        act: Act<'_>,
        conflicts: &mut Vec<Conflict>,
    ) {
        let now = self.tick();
        let (team, warp) = (self.team, access.warp as usize);
        if let Act::Strong(kind, ordering) = act
            && kind != Strong::Store
        {
            let mut rest = access.mask;
            while rest != 0 {
                let address = access.addresses[rest.trailing_zeros() as usize];
                let same =
                    lanes(rest).filter(|lane| access.addresses[*lane] == address).fold(0, |m, lane| m | 1 << lane);
                world.board.observe(&mut self.order, (team, warp, same), address, ordering);
                rest &= !same;
            }
        }
        let at = Moment { order: &self.order, now, checks: self.checks };
        let mut rest = access.mask;
        while rest != 0 {
            let number = access.addresses[rest.trailing_zeros() as usize] >> PAGE;
            let here = rest & within(access.addresses, number);
            rest &= !here;
            let offsets = access.addresses.map(|address| address & ((1 << PAGE) - 1));
            let part = WarpAccess { mask: here, addresses: &offsets, ..access };
            let found = conflicts.len();
            let page = self.pages.page(number);
            let side = match act {
                Act::Load => {
                    page.load(at, part, conflicts);
                    Side::Load
                }
                Act::Store(same) => {
                    page.store(at, part, same, conflicts);
                    Side::Store
                }
                Act::Strong(kind, ordering) => {
                    page.examine(at, part, Party::Strong(kind), &|_, _| true, conflicts);
                    Side::Strong(kind, ordering.wide)
                }
            };
            world.access(at, (team, number), part, side, conflicts);
            conflicts[found..].iter_mut().for_each(|conflict| conflict.address |= number << PAGE);
        }
        if let Act::Strong(kind @ (Strong::Store | Strong::Atomic), ordering) = act {
            let how = (ordering, kind == Strong::Atomic);
            for lane in lanes(access.mask) {
                let by = access.author(lane as u32, 0).lane() as usize;
                world.board.publish(&self.order, (team, warp, by), access.addresses[lane], how, now);
            }
        }
    }
}
