//! What is remembered of each word or byte.

use super::Hazard;

/// A cell that nothing has written.
pub(super) const UNWRITTEN: u32 = 0;
/// The time of a cell that was written by strong accesses alone: ordered before everything.
pub(super) const WRITTEN: u32 = 1;
/// The last time that an access may have; the marks come after it.
pub(super) const LAST: u32 = u32::MAX - 3;
/// A part of an `mbarrier` object, which only the instructions for it may touch.
pub(super) const OPAQUE: u32 = u32::MAX - 2;
/// The destination of an asynchronous copy.
pub(super) const IN_FLIGHT: u32 = u32::MAX - 1;
/// A word whose bytes differ in what happened to them: see the byte layer.
pub(super) const BYTEWISE: u32 = u32::MAX;

/// Program counters above this one are reported as this one.
const PC_LIMIT: u32 = (1 << 17) - 1;

/// The bit of a [`Writer`] for what `cp.async` has written.
const COPIED: u32 = 1 << 31;

/// The bits of a [`Writer`] that name the thread.
pub(super) const THREAD: u32 = (1 << 14) - 1;

/// The author of a write: warp, lane and program counter in one word. Numbers beyond those of the warps are the columns of
/// bulk copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Writer(pub(super) u32);

impl Writer {
    #[inline(always)]
    pub(super) fn new(warp: u32, lane: u32, pc: u32) -> Self {
        Self(pc.min(PC_LIMIT) << 14 | warp << 5 | lane)
    }

    pub(super) fn warp(self) -> u32 {
        self.0 >> 5 & 511
    }

    pub(super) fn lane(self) -> u32 {
        self.0 & 31
    }

    pub(super) fn pc(self) -> u32 {
        (self.0 & !COPIED) >> 14
    }

    /// The same, by `cp.async`.
    pub(super) fn by_copy(self) -> Self {
        Self(self.0 | COPIED)
    }

    pub(super) fn is_by_copy(self) -> bool {
        self.0 & COPIED != 0
    }

    /// Warp and lane.
    pub(super) fn place(self) -> (usize, usize) {
        (self.warp() as usize, self.lane() as usize)
    }
}

/// The lanes of one warp that touched a cell since the warp's lanes last met: the latest, and some other one (or the latest
/// again). More need not be remembered, since one of two is always another lane than the one that asks. The program
/// counter is the latest's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lanes(pub(super) u32);

impl Lanes {
    #[inline(always)]
    pub(super) fn new(lane: u32, pc: u32) -> Self {
        Self(pc.min(PC_LIMIT) << 10 | lane << 5 | lane)
    }

    /// The same after an access by one more lane.
    #[inline(always)]
    pub(super) fn and_then(self, lane: u32, pc: u32) -> Self {
        let other = if self.latest() == lane { self.other() } else { self.latest() };
        Self(pc.min(PC_LIMIT) << 10 | other << 5 | lane)
    }

    /// Whether no other lane touched the cell.
    #[inline(always)]
    pub(super) fn is_alone(self, lane: u32) -> bool {
        self.latest() == lane && self.other() == lane
    }

    #[inline(always)]
    pub(super) fn latest(self) -> u32 {
        self.0 & 31
    }

    #[inline(always)]
    pub(super) fn other(self) -> u32 {
        self.0 >> 5 & 31
    }

    pub(super) fn pc(self) -> u32 {
        self.0 >> 10
    }
}

/// The last access of one kind to each cell.
#[derive(Default)]
pub(super) struct Track {
    /// When; 0 for never.
    pub(super) time: Vec<u32>,
    /// By whom: a [`Writer`] or [`Lanes`].
    pub(super) who: Vec<u32>,
    /// The greatest of the times.
    pub(super) latest: u32,
}

impl Track {
    fn new(cells: usize) -> Self {
        Self { time: vec![0; cells], who: vec![0; cells], latest: 0 }
    }
}

/// Cells of one size.
pub(super) struct Layer {
    cells: usize,
    /// The last plain write to each cell.
    pub(super) write: Track,
    /// The last accesses to each cell by each warp; missing or empty until a warp makes its first one.
    pub(super) reads: Vec<Track>,
    pub(super) strong_reads: Vec<Track>,
    pub(super) strong_writes: Vec<Track>,
    /// Reads through the asynchronous proxy, by the warp that issued them.
    pub(super) bulk_reads: Vec<Track>,
}

/// The accesses that are remembered for each warp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    StrongRead,
    StrongWrite,
    BulkRead,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Read, Self::StrongRead, Self::StrongWrite, Self::BulkRead];

    /// The hazard of a plain write after such an access of this time.
    pub(super) fn before_write(self, time: u32) -> Hazard {
        match self {
            Self::StrongWrite => Hazard::WriteAfterWrite,
            _ if time == IN_FLIGHT => Hazard::InFlight,
            _ => Hazard::WriteAfterRead,
        }
    }
}

impl Layer {
    pub(super) fn new(cells: usize) -> Self {
        let [reads, strong_reads, strong_writes, bulk_reads] = [const { Vec::new() }; 4];
        Self { cells, write: Track::new(cells), reads, strong_reads, strong_writes, bulk_reads }
    }

    /// Cells that were written before everything else, without a track of writes until [`Layer::settle`] is called.
    pub(super) fn lazy(cells: usize) -> Self {
        Self { cells, write: Track::default(), ..Self::new(0) }
    }

    /// Makes room for writes, if there is none.
    #[inline(always)]
    pub(super) fn settle(&mut self) {
        if self.write.time.len() != self.cells {
            self.write = Track::new(self.cells);
            self.write.time.fill(WRITTEN);
        }
    }

    /// Whether nothing has been written since everything began.
    #[inline(always)]
    pub(super) fn is_untouched(&self) -> bool {
        self.write.time.is_empty()
    }

    pub(super) fn tracks(&self, kind: Kind) -> &[Track] {
        match kind {
            Kind::Read => &self.reads,
            Kind::StrongRead => &self.strong_reads,
            Kind::StrongWrite => &self.strong_writes,
            Kind::BulkRead => &self.bulk_reads,
        }
    }

    /// The track of a warp, ready for its cells.
    #[inline(always)]
    pub(super) fn track(&mut self, kind: Kind, warp: usize) -> &mut Track {
        let cells = self.cells;
        let tracks = match kind {
            Kind::Read => &mut self.reads,
            Kind::StrongRead => &mut self.strong_reads,
            Kind::StrongWrite => &mut self.strong_writes,
            Kind::BulkRead => &mut self.bulk_reads,
        };
        if tracks.len() <= warp {
            tracks.resize_with(warp + 1, Track::default);
        }
        let track = &mut tracks[warp];
        if track.time.len() != cells {
            *track = Track::new(cells);
        }
        track
    }

    /// Forgets all times, for when the clock starts again.
    pub(super) fn forget(&mut self) {
        let tracks = self.reads.iter_mut().chain(&mut self.strong_reads).chain(&mut self.strong_writes);
        for track in tracks.chain(&mut self.bulk_reads).chain([&mut self.write]) {
            track.time.fill(0);
            track.latest = 0;
        }
    }
}
