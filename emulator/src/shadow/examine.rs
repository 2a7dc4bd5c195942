//! The exact look at the cells of one access, where the quick one does not settle it.

use super::cells::{BYTEWISE, IN_FLIGHT, Kind, LAST, Lanes, Layer, OPAQUE, THREAD, UNWRITTEN, WRITTEN, Writer};
use super::memory::{Cells, Moment};
use super::order::Order;
use super::{Conflict, Earlier, Hazard, Strong, WarpAccess, lanes};

/// What an access does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Party {
    Load,
    Store,
    /// `cp.async`, at its issue.
    Copy,
    Strong(Strong),
}

impl Party {
    fn reads(self) -> bool {
        matches!(self, Self::Load | Self::Strong(Strong::Load | Strong::Atomic))
    }

    fn writes(self) -> bool {
        !matches!(self, Self::Load | Self::Strong(Strong::Load))
    }

    fn is_strong(self) -> bool {
        matches!(self, Self::Strong(_))
    }

    /// The hazard after an earlier write.
    fn after_write(self) -> Hazard {
        if self.writes() { Hazard::WriteAfterWrite } else { Hazard::ReadAfterWrite }
    }
}

/// One lane's access to one cell.
pub(super) struct Look<'a> {
    pub(super) order: &'a Order,
    pub(super) party: Party,
    /// The lane, and where its instruction stands.
    pub(super) by: Writer,
    pub(super) now: u32,
    /// Whether two lanes of a store write the same value.
    pub(super) same: &'a dyn Fn(usize, usize) -> bool,
    /// Every read and every strong access so far is ordered before this access, so only plain writes need a look.
    pub(super) settled: bool,
}

impl Order {
    /// Whether a plain write of this time by this author is ordered before the next access of a lane. Marks are not.
    #[inline(always)]
    pub(super) fn is_ordered(&self, by: Writer, time: u32, who: u32) -> bool {
        let author = Writer(who);
        let (warp, other) = (by.warp() as usize, author.warp() as usize);
        if time > LAST {
            return false;
        }
        if other >= self.warps() {
            return self.knows_copy(by.place(), other - self.warps(), time);
        }
        let [lane, author] = [by, author].map(|thread| thread.lane() as usize);
        time <= self.known(warp, other)
            || by.0 & THREAD == who & THREAD
            || time <= self.known_thread((warp, lane), (other, author))
    }

    /// Whether a plain write of this time by this author is ordered before the next access of every lane of a warp.
    pub(super) fn is_common(&self, warp: usize, time: u32, who: u32) -> bool {
        let other = Writer(who).warp() as usize;
        let is_known = match other.checked_sub(self.warps()) {
            Some(column) => self.copies[warp].get(column).is_some_and(|known| time <= *known),
            None => time <= self.known(warp, other),
        };
        (UNWRITTEN + 1..=LAST).contains(&time) && is_known
    }

    /// Who stands behind the author of a write: of a bulk copy, who issued it.
    pub(super) fn earlier(&self, author: Writer) -> Earlier {
        let (warp, lane, pc) = (author.warp(), author.lane(), author.pc());
        match self.columns.get((warp as usize).wrapping_sub(self.warps())) {
            Some(column) => Earlier { team: None, warp: column.issuer >> 5, lane: column.issuer & 31, pc },
            None => Earlier { team: None, warp, lane, pc },
        }
    }
}

impl Look<'_> {
    /// The conflict with what happened to a cell before.
    fn conflict(&self, layer: &Layer, cell: usize) -> Option<(Hazard, Option<Earlier>)> {
        self.with_write(layer, cell).or_else(|| {
            if self.settled {
                return None;
            }
            let unordered = |kind: Kind, hazard: Hazard| {
                layer.tracks(kind).iter().enumerate().find_map(|(warp, track)| {
                    let (time, who) = (*track.time.get(cell)?, *track.who.get(cell)?);
                    let hazard = if time == IN_FLIGHT { Hazard::InFlight } else { hazard };
                    self.unordered_lane(warp, time, Lanes(who)).map(|earlier| (hazard, Some(earlier)))
                })
            };
            let by_reads = || {
                let strong =
                    || if self.party.is_strong() { None } else { unordered(Kind::StrongRead, Hazard::WriteAfterRead) };
                let bulk = || unordered(Kind::BulkRead, Hazard::WriteAfterRead);
                let plain = || unordered(Kind::Read, Hazard::WriteAfterRead);
                self.party.writes().then(|| plain().or_else(strong).or_else(bulk)).flatten()
            };
            let by_writes = || {
                let hazard = self.party.after_write();
                (!self.party.is_strong()).then(|| unordered(Kind::StrongWrite, hazard)).flatten()
            };
            by_writes().or_else(by_reads)
        })
    }

    fn with_write(&self, layer: &Layer, cell: usize) -> Option<(Hazard, Option<Earlier>)> {
        let (time, who) = (*layer.write.time.get(cell)?, Writer(*layer.write.who.get(cell)?));
        let earlier = self.order.earlier(who);
        let is_copy = who.warp() as usize >= self.order.warps();
        match time {
            UNWRITTEN => self.party.reads().then_some((Hazard::Uninitialised, None)),
            WRITTEN => None,
            OPAQUE => Some((Hazard::Object, Some(earlier))),
            IN_FLIGHT => Some((Hazard::InFlight, Some(earlier))),
            _ if self.order.is_ordered(self.by, time, who.0) => None,
            // Another lane of the same store.
            _ if time == self.now && (self.same)(self.by.lane() as usize, who.lane() as usize) => None,
            // Complete, but this lane has not waited for it.
            _ if is_copy => Some((Hazard::InFlight, Some(earlier))),
            _ => Some((self.party.after_write(), Some(earlier))),
        }
    }

    /// The lane of a warp whose access to a cell is not ordered before this one.
    pub(super) fn unordered_lane(&self, warp: usize, time: u32, lanes: Lanes) -> Option<Earlier> {
        let own = self.by.warp() as usize;
        let me = self.by.lane();
        let known = |lane: u32| self.order.known_thread((own, me as usize), (warp, lane as usize));
        if time == IN_FLIGHT {
            return Some(Earlier { team: None, warp: warp as u32, lane: lanes.latest(), pc: lanes.pc() });
        }
        let lane = if warp != own {
            let common = self.order.known(own, warp);
            // As below: of the other lane nothing is claimed if more is known of it than of its warp.
            let met = self.order.known(warp, warp);
            let is_unknown = |lane: u32| {
                let by = (own, me as usize);
                common <= met && time > met && self.order.known_alone(by, (warp, lane as usize)) <= common
            };
            let other = (lanes.other() != lanes.latest() && is_unknown(lanes.other())).then_some(lanes.other());
            match time {
                _ if time <= common => None,
                _ if time > known(lanes.latest()) => Some(lanes.latest()),
                _ => other,
            }
        } else {
            // The time is the latest lane's. The other one's is not kept, but it lies after the last meeting of all lanes;
            // if the two have met apart from the rest since then, nothing is claimed.
            let met = self.order.known(own, own);
            let latest = lanes.latest() != me && time > known(lanes.latest());
            let other = lanes.other() != me && time > met && known(lanes.other()) == met;
            if latest { Some(lanes.latest()) } else { other.then_some(lanes.other()) }
        };
        lane.map(|lane| Earlier { team: None, warp: warp as u32, lane, pc: lanes.pc() })
    }

    /// Remembers the access.
    fn record(&self, layer: &mut Layer, cell: usize) {
        let (warp, lane, pc) = (self.by.warp() as usize, self.by.lane(), self.by.pc());
        let met = self.order.known(warp, warp);
        let mut touch = |kind: Kind| {
            let track = layer.track(kind, warp);
            let (Some(time), Some(who)) = (track.time.get_mut(cell), track.who.get_mut(cell)) else { return };
            *who = if *time <= met { Lanes::new(lane, pc).0 } else { Lanes(*who).and_then(lane, pc).0 };
            *time = self.now;
            track.latest = self.now;
        };
        match self.party {
            Party::Load => touch(Kind::Read),
            Party::Strong(Strong::Load) => touch(Kind::StrongRead),
            Party::Strong(Strong::Store | Strong::Atomic) => {
                touch(Kind::StrongWrite);
                // No plain write to be ordered with, but initialised.
                if let Some(time) = layer.write.time.get_mut(cell)
                    && *time == UNWRITTEN
                {
                    *time = WRITTEN;
                }
            }
            Party::Store | Party::Copy => {
                let (Some(time), Some(who)) = (layer.write.time.get_mut(cell), layer.write.who.get_mut(cell)) else {
                    return;
                };
                *time = if self.party == Party::Copy { IN_FLIGHT } else { self.now };
                *who = self.by.0;
                layer.write.latest = self.now;
            }
        }
    }
}

impl Cells {
    /// Checks and records an access, lane by lane and cell by cell.
    #[cold]
    #[inline(never)]
    pub(super) fn examine(
        &mut self,
        at: Moment<'_>,
        access: WarpAccess<'_>,
        party: Party,
        same: &dyn Fn(usize, usize) -> bool,
        conflicts: &mut Vec<Conflict>,
    ) {
        self.words.settle();
        let settled = matches!(party, Party::Store | Party::Copy) && self.is_settled(at.order, access.warp as usize);
        for lane in lanes(access.mask) {
            let (address, end) = (access.addresses[lane], access.addresses[lane] + u64::from(access.bytes));
            let mut found = None;
            let mut here = address;
            while here < end {
                let word = (here >> 2) as usize;
                let stop = end.min((here & !3) + 4);
                let is_whole = stop - here == 4;
                let is_bytewise = self.words.write.time.get(word) == Some(&BYTEWISE);
                if !is_whole && !is_bytewise {
                    self.split(at.order, word);
                }
                let by = access.author(lane as u32, (here - address) as u32 / 4);
                let look = Look { order: at.order, party, by, now: at.now, same, settled };
                match &mut self.bytes {
                    Some(bytes) if !is_whole || is_bytewise => {
                        let look = Look { settled: false, ..look };
                        for byte in here..stop {
                            let conflict = look.conflict(bytes, byte as usize);
                            found = found.or(conflict.map(|conflict| (byte, by.lane(), conflict)));
                            look.record(bytes, byte as usize);
                        }
                        // A write of the whole word makes it one again.
                        if is_whole && matches!(party, Party::Store | Party::Copy) {
                            look.record(&mut self.words, word);
                        }
                    }
                    _ => {
                        found = found.or(look.conflict(&self.words, word).map(|conflict| (here, by.lane(), conflict)));
                        look.record(&mut self.words, word);
                    }
                }
                here = stop;
            }
            if let Some((address, lane, (hazard, earlier))) = found {
                let is_wanted = if hazard == Hazard::Uninitialised { at.checks.uninitialised } else { at.checks.races };
                if is_wanted {
                    conflicts.push(Conflict { lane, address, hazard, earlier });
                }
            }
        }
    }

    /// Whether a warp knows of all reads and strong accesses to whole words: the usual case behind a barrier of the block.
    fn is_settled(&self, order: &Order, warp: usize) -> bool {
        Kind::ALL.iter().all(|kind| {
            let tracks = self.words.tracks(*kind).iter().enumerate();
            tracks.into_iter().all(|(other, track)| track.latest <= order.known(warp, other))
        })
    }

    /// Makes cells of their own of the bytes of all words that an access touches.
    #[inline]
    pub(super) fn split_all(&mut self, order: &Order, access: WarpAccess<'_>) {
        self.words.settle();
        for lane in lanes(access.mask) {
            let word = (access.addresses[lane] >> 2) as usize;
            if self.words.write.time.get(word) != Some(&BYTEWISE) {
                self.split(order, word);
            }
        }
    }

    /// Makes the bytes of a word cells of their own.
    fn split(&mut self, order: &Order, word: usize) {
        let words = &mut self.words;
        let bytes = self.bytes.get_or_insert_with(|| Box::new(Layer::new(words.write.time.len() * 4)));
        let (Some(&time), Some(&who)) = (words.write.time.get(word), words.write.who.get(word)) else { return };
        bytes.write.time[word * 4..][..4].fill(time);
        bytes.write.who[word * 4..][..4].fill(who);
        words.write.time[word] = BYTEWISE;
        // What every warp knows needs no place in the bytes.
        let settled = order.settled();
        for kind in Kind::ALL {
            for warp in 0..words.tracks(kind).len() {
                let from = &words.tracks(kind)[warp];
                if from.latest <= settled || from.time[word] <= settled {
                    continue;
                }
                let (time, who) = (from.time[word], from.who[word]);
                let to = bytes.track(kind, warp);
                to.latest = to.latest.max(time);
                to.time[word * 4..][..4].fill(time);
                to.who[word * 4..][..4].fill(who);
            }
        }
    }
}
