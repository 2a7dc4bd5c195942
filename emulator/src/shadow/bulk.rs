//! The asynchronous proxy: bulk copies, and whatever else reads or writes shared memory behind the threads' backs.
//!
//! * What a bulk copy writes is in flight from its issue until a thread has seen the phase complete that the copy completes: for
//!   every thread by itself, or by what others tell it.
//! * What it reads must not be written from its issue to the wait for it.
//! * What threads wrote before must have been made visible by a fence between the proxies, somewhere on the way from the write to
//!   the issue. What they read before needs no such fence. Neither does what `cp.async` wrote: the ISA asks for one, but compilers
//!   leave it out.

use super::cells::{BYTEWISE, IN_FLIGHT, Kind, LAST, Lanes, OPAQUE, UNWRITTEN, WRITTEN, Writer};
use super::clock::thread;
use super::examine::{Look, Party};
use super::{Conflict, Earlier, Hazard, SharedShadow};
use std::ops::Range;

/// The cluster's barrier, among the keys of `mbarrier` objects.
const CLUSTER: u64 = u64::MAX;

/// The thread that issues an asynchronous access, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Issuer {
    /// Its warp's number in the cluster.
    pub party: u32,
    pub lane: u32,
    pub pc: u32,
}

impl Issuer {
    fn writer(self) -> Writer {
        Writer::new(self.party, self.lane, self.pc)
    }

    fn place(self) -> (usize, usize) {
        (self.party as usize, self.lane as usize)
    }
}

impl SharedShadow {
    /// The name of an `mbarrier` object among all of the cluster.
    pub(super) fn key(&self, address: u64) -> u64 {
        u64::from(self.rank) << 32 | address
    }

    /// `mbarrier.init`: its 8 bytes are no ordinary memory any more.
    pub(crate) fn mbarrier_init(&mut self, by: Issuer, address: u64, conflicts: &mut Vec<Conflict>) {
        self.tick();
        let (range, address_key) = (address as u32..address as u32 + 8, self.key(address));
        self.issue(by, range.clone(), Access::Object, conflicts);
        self.order.phases_start(address_key, by.place(), self.now);
        self.mark(range, OPAQUE, by.writer());
    }

    /// `mbarrier.inval`: ordinary memory again, written by this thread.
    pub(crate) fn mbarrier_inval(&mut self, by: Issuer, address: u64) {
        let now = self.tick();
        self.mark(address as u32..address as u32 + 8, now, by.writer());
    }

    /// Any use of an object by lanes of a warp, or by copies that they issue: after the initialisation. A fence between the proxies
    /// is not asked for: compilers leave it out.
    pub(crate) fn mbarrier_use(&mut self, by: Issuer, lanes: u32, address: u64, conflicts: &mut Vec<Conflict>) {
        let key = self.key(address);
        if !self.checks.races || self.order.is_init_common(key, by.party as usize) {
            return;
        }
        for lane in super::lanes(lanes) {
            let Some(author) = self.order.unordered_init(key, (by.party as usize, lane)) else { continue };
            let pc = Writer(self.cells.words.write.who[(address >> 2) as usize]).pc();
            let earlier = Some(Earlier { team: None, warp: author >> 5, lane: author & 31, pc });
            conflicts.push(Conflict { lane: lane as u32, address, hazard: Hazard::ReadAfterWrite, earlier });
        }
    }

    /// Lanes of a warp arrive; `is_whole` says that they are all that the warp has.
    pub(crate) fn mbarrier_arrive(&mut self, party: u32, lanes: u32, is_whole: bool, address: u64) {
        self.order.phases_arrive(self.key(address), party as usize, lanes, is_whole, self.now);
    }

    pub(crate) fn mbarrier_complete(&mut self, address: u64) {
        self.order.phases_complete(self.key(address));
    }

    /// Lanes of a warp have seen that a phase is complete.
    pub(crate) fn mbarrier_observe(&mut self, party: u32, lanes: u32, is_whole: bool, address: u64) {
        self.order.phases_observe(self.key(address), party as usize, lanes, is_whole);
    }

    /// Lanes of a warp arrive at the cluster's barrier.
    pub(crate) fn cluster_arrive(&mut self, party: u32, lanes: u32, is_whole: bool) {
        self.order.phases_arrive(CLUSTER, party as usize, lanes, is_whole, self.now);
    }

    pub(crate) fn cluster_complete(&mut self) {
        self.order.phases_complete(CLUSTER);
    }

    pub(crate) fn cluster_observe(&mut self, party: u32, lanes: u32, is_whole: bool) {
        self.order.phases_observe(CLUSTER, party as usize, lanes, is_whole);
    }

    /// `fence.proxy.async`.
    pub(crate) fn proxy_fence(&mut self, party: u32, lanes: u32) {
        let now = self.tick();
        self.order.proxy_fence(party as usize, lanes, now);
    }

    /// A bulk copy will write these bytes.
    pub(crate) fn bulk_write_issued(&mut self, by: Issuer, range: Range<u32>, conflicts: &mut Vec<Conflict>) {
        self.tick();
        self.issue(by, range.clone(), Access::Write, conflicts);
        self.mark(range, IN_FLIGHT, by.writer());
    }

    /// They are written, and the `mbarrier` object at `address` tells of it. The same for the destination of a `cp.async`.
    pub(crate) fn bulk_write_completed(&mut self, by: Issuer, range: Range<u32>, address: u64) {
        let now = self.tick();
        let column = self.order.copy_complete(self.key(address), thread(by.party as usize, by.lane as usize), now);
        let column = (self.order.warps() + column) as u32;
        let write = &mut self.cells.words.write;
        write.latest = now;
        for word in words(&range) {
            // Only its own: a faulty kernel may have issued another copy to the same place.
            let who = Writer(write.who[word]);
            if write.time[word] == IN_FLIGHT && who.place() == by.place() {
                (write.time[word], write.who[word]) = (now, Writer::new(column, by.lane, who.pc()).0);
            }
        }
    }

    /// Something reads these bytes through the asynchronous proxy until [`SharedShadow::bulk_read_completed`].
    pub(crate) fn bulk_read_issued(&mut self, by: Issuer, ranges: &[Range<u32>], conflicts: &mut Vec<Conflict>) {
        self.tick();
        let settled = self.settled(by.party as usize, Access::Read);
        ranges.iter().for_each(|range| self.issue_after(by, range, Access::Read, &settled, conflicts));
        self.has_bulk_reads = true;
        for (is_words, layer) in [(true, Some(&mut self.cells.words)), (false, self.cells.bytes.as_deref_mut())] {
            let Some(track) = layer.map(|layer| layer.track(Kind::BulkRead, by.party as usize)) else { continue };
            track.latest = IN_FLIGHT;
            for range in ranges {
                let cells = if is_words { words(range) } else { range.start as usize..range.end as usize };
                track.time[cells.clone()].fill(IN_FLIGHT);
                track.who[cells].fill(Lanes::new(by.lane, by.pc).0);
            }
        }
    }

    /// The issuing thread has waited for it: it has read these bytes now.
    pub(crate) fn bulk_read_completed(&mut self, by: Issuer, range: Range<u32>) {
        let now = self.tick();
        let bytes = range.start as usize..range.end as usize;
        let layers = [(Some(&mut self.cells.words), words(&range)), (self.cells.bytes.as_deref_mut(), bytes)];
        for (layer, cells) in layers {
            let Some(track) = layer.map(|layer| layer.track(Kind::BulkRead, by.party as usize)) else { continue };
            track.time[cells].fill(now);
            let is_busy = track.time.contains(&IN_FLIGHT);
            track.latest = if is_busy { IN_FLIGHT } else { now };
        }
    }

    /// Warps that read bytes together have, and one of them has waited for that: each of their threads can tell of the reads, as of what
    /// all of them knew already. Of the same bytes, `pending` are still being read.
    pub(crate) fn joint_read_completed(&mut self, parties: Range<u32>, ranges: &[Range<u32>], pending: &[Range<u32>]) {
        for party in parties.clone() {
            let known = parties.clone().map(|by| self.order.known(by as usize, party as usize)).min().unwrap_or(0);
            for (is_words, layer) in [(true, Some(&mut self.cells.words)), (false, self.cells.bytes.as_deref_mut())] {
                let Some(track) = layer.map(|layer| layer.track(Kind::BulkRead, party as usize)) else { continue };
                let cells = |range: &Range<u32>| {
                    if is_words { words(range) } else { range.start as usize..range.end as usize }
                };
                ranges.iter().for_each(|range| track.time[cells(range)].fill(known));
                pending.iter().for_each(|range| track.time[cells(range)].fill(IN_FLIGHT));
                track.latest = if track.time.contains(&IN_FLIGHT) { IN_FLIGHT } else { self.now };
            }
        }
    }

    fn mark(&mut self, range: Range<u32>, time: u32, who: Writer) {
        let write = &mut self.cells.words.write;
        write.time[words(&range)].fill(time);
        write.who[words(&range)].fill(who.0);
        write.latest = self.now;
    }

    /// Checks an access to whole words; the first conflict is enough.
    fn issue(&mut self, by: Issuer, range: Range<u32>, access: Access, conflicts: &mut Vec<Conflict>) {
        self.issue_after(by, &range, access, &self.settled(by.party as usize, access), conflicts);
    }

    fn issue_after(
        &self,
        by: Issuer,
        range: &Range<u32>,
        access: Access,
        settled: &[u32],
        conflicts: &mut Vec<Conflict>,
    ) {
        let conflict = self.with_writes(by, range, access, settled);
        let conflict = conflict.or_else(|| if access == Access::Read { None } else { self.with_reads(by, range) });
        if let Some((word, hazard, earlier)) = conflict {
            let is_wanted = if hazard == Hazard::Uninitialised { self.checks.uninitialised } else { self.checks.races };
            if is_wanted {
                conflicts.push(Conflict { lane: by.lane, address: 4 * word as u64, hazard, earlier });
            }
        }
    }

    /// Up to when the writes of each warp are in order for all lanes of one, and have been made visible: mostly all are.
    fn settled(&self, party: usize, access: Access) -> Vec<u32> {
        let settled = |other: usize| {
            let known = self.order.known(party, other);
            if access == Access::Object { known } else { known.min(self.order.visible_up_to(party, other)) }
        };
        (0..self.order.warps()).map(settled).collect()
    }

    /// A write that the access would come too early for.
    fn with_writes(
        &self,
        by: Issuer,
        range: &Range<u32>,
        access: Access,
        settled: &[u32],
    ) -> Option<(usize, Hazard, Option<Earlier>)> {
        let write = &self.cells.words.write;
        let is_settled = |time: u32, who: u32| {
            let other = Writer(who).warp() as usize;
            settled.get(other).is_some_and(|known| (WRITTEN..=*known).contains(&time))
        };
        // The words of a copy follow one another: what was said of one holds for its equals.
        let mut last = None;
        let mut look = |word: usize, cell: (u32, u32)| {
            let is_fine = last.replace(cell) == Some(cell) || is_settled(cell.0, cell.1);
            if is_fine { None } else { self.verdict(by, word, cell, access) }
        };
        words(range).find_map(|word| match (write.time[word], self.cells.bytes.as_deref()) {
            (BYTEWISE, Some(bytes)) => {
                let mut cells = bytes.write.time[4 * word..].iter().zip(&bytes.write.who[4 * word..]).take(4);
                cells.find_map(|(time, who)| look(word, (*time, *who)))
            }
            (time, _) => look(word, (time, write.who[word])),
        })
    }

    fn verdict(
        &self,
        by: Issuer,
        word: usize,
        (time, who): (u32, u32),
        access: Access,
    ) -> Option<(usize, Hazard, Option<Earlier>)> {
        let author = Writer(who);
        let hazard = match time {
            UNWRITTEN if access == Access::Read => return Some((word, Hazard::Uninitialised, None)),
            UNWRITTEN | WRITTEN => return None,
            OPAQUE if access == Access::Object => return None,
            OPAQUE => Hazard::Object,
            IN_FLIGHT => Hazard::InFlight,
            _ if !self.order.is_ordered(by.writer(), time, who) => {
                if self.is_copy(author) {
                    Hazard::InFlight
                } else if access == Access::Read {
                    Hazard::ReadAfterWrite
                } else {
                    Hazard::WriteAfterWrite
                }
            }
            _ if access != Access::Object
                && !self.is_copy(author)
                && !author.is_by_copy()
                && time <= LAST
                && !self.order.is_visible(by.place(), author.place(), time) =>
            {
                Hazard::Proxy
            }
            _ => return None,
        };
        Some((word, hazard, Some(self.earlier(author))))
    }

    /// A read that a write would come too early for.
    fn with_reads(&self, by: Issuer, range: &Range<u32>) -> Option<(usize, Hazard, Option<Earlier>)> {
        let look = Look {
            order: &self.order,
            party: Party::Copy,
            by: by.writer(),
            now: self.now,
            same: &|_, _| false,
            settled: false,
        };
        let own = self.order.own(by.party as usize, by.lane as usize);
        let bytes = range.start as usize..range.end as usize;
        let layers = [(Some(&self.cells.words), words(range), 1), (self.cells.bytes.as_deref(), bytes, 4)];
        for (layer, cells, per_word) in layers.into_iter().filter_map(|(layer, cells, n)| Some((layer?, cells, n))) {
            for kind in Kind::ALL {
                for (party, track) in layer.tracks(kind).iter().enumerate() {
                    let known = self.order.known(by.party as usize, party);
                    let known = own.map_or(known, |own| known.max(own.warps[party]));
                    if track.latest <= known
                        || track.time.is_empty()
                        || track.time[cells.clone()].iter().all(|time| *time <= known)
                    {
                        continue;
                    }
                    let conflict = cells.clone().find_map(|cell| {
                        let earlier = look.unordered_lane(party, track.time[cell], Lanes(track.who[cell]))?;
                        Some((cell, earlier))
                    });
                    if let Some((cell, earlier)) = conflict {
                        return Some((cell / per_word, kind.before_write(track.time[cell]), Some(earlier)));
                    }
                }
            }
        }
        None
    }

    /// Whether the author of a write is a copy that is complete.
    pub(super) fn is_copy(&self, author: Writer) -> bool {
        author.warp() as usize >= self.order.warps()
    }

    /// Who stands behind the author of a write.
    pub(super) fn earlier(&self, author: Writer) -> Earlier {
        self.order.earlier(author)
    }
}

/// What an asynchronous access does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Read,
    Write,
    /// The making of an `mbarrier` object, which is a thread's own write.
    Object,
}

fn words(range: &Range<u32>) -> Range<usize> {
    (range.start >> 2) as usize..(range.end as usize).div_ceil(4)
}
