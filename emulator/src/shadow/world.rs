//! Global memory between clusters of a grid (without clusters, between blocks).
//!
//! * Where blocks cannot influence each other while they run ([`crate::program::Program::communicates`]), nothing orders them: bytes that
//!   one of them writes must not be touched by another. Of each word the two lowest clusters that write it and the two lowest
//!   that read it are remembered, and looked at when the launch is over: what is found depends on neither the order of the
//!   blocks nor the threads of the host that run them.
//! * Elsewhere the last write and the last reads by two clusters that are not ordered are remembered, with their times, and every access
//!   is looked at as it comes. Strong accesses whose scopes include each other do not race with one another.
//! * A page has words as its cells, until something smaller is accessed in it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use super::cells::Writer;
use super::global::{ByPage, PAGE};
use super::memory::Moment;
use super::outside::Board;
use super::{Conflict, Earlier, Hazard, Strong, WarpAccess, lanes, readers};

/// Some accesses to each cell: the cluster's number plus one (0 for none), the thread with its instruction, and the time.
#[derive(Default)]
struct Trace {
    team: Vec<u32>,
    who: Vec<u32>,
    time: Vec<u32>,
}

impl Trace {
    fn fit(&mut self, cells: usize, timed: bool) {
        if self.team.is_empty() {
            (self.team, self.who) = (vec![0; cells], vec![0; cells]);
            self.time = if timed { vec![0; cells] } else { Vec::new() };
        }
    }

    fn set(&mut self, cell: usize, team: u32, who: u32, time: u32) {
        (self.team[cell], self.who[cell]) = (team, who);
        if let Some(at) = self.time.get_mut(cell) {
            *at = time;
        }
    }

    /// Whether each of some cells has this cluster. Here and below no cell makes a branch, so that many are looked at at once.
    #[inline(always)]
    fn is_all(&self, cells: &Range<usize>, me: u32) -> bool {
        self.team.get(cells.clone()).is_some_and(|teams| teams.iter().fold(0, |other, team| other | team ^ me) == 0)
    }

    /// Whether each of some cells has a cluster with a number from 1 to `most`, which all are below 2^31.
    #[inline(always)]
    fn is_below(&self, cells: &Range<usize>, most: u32) -> bool {
        let outside = |signs, team: &u32| signs | team.wrapping_sub(1) | most.wrapping_sub(*team);
        self.team.get(cells.clone()).is_some_and(|teams| teams.iter().fold(0, outside) >> 31 == 0)
    }

    /// Makes `copies` cells of each.
    fn refine(&mut self, copies: usize) {
        for cells in [&mut self.team, &mut self.who, &mut self.time] {
            *cells = cells.iter().flat_map(|cell| std::iter::repeat_n(*cell, copies)).collect();
        }
    }

    fn at(&self, cell: usize) -> Option<(u32, u32)> {
        self.team.get(cell).filter(|team| **team != 0).map(|team| (*team, self.who[cell]))
    }
}

/// A page of global memory.
struct Page {
    number: u64,
    /// Bytes of a cell, as a power of two.
    shift: u32,
    writes: [Trace; 2],
    reads: [Trace; 2],
    /// Some strong access has touched it.
    has_strong: bool,
}

/// A strong access by a thread of a cluster to a word.
struct Touch {
    team: u32,
    who: Writer,
    time: u32,
    kind: Strong,
    wide: bool,
    /// Its place among the accesses to the word, and the number of strong stores up to it.
    place: u32,
    chain: u32,
}

/// The strong accesses to a word, by cluster and thread.
#[derive(Default)]
struct Touches {
    list: Vec<Touch>,
    count: u32,
    stores: u32,
}

impl Touch {
    fn writes(&self) -> bool {
        self.kind != Strong::Load
    }
}

impl Touches {
    /// Of one thread the last access of each kind is enough.
    fn remember(&mut self, touch: Touch) {
        self.count += 1;
        self.stores += u32::from(touch.kind == Strong::Store);
        let touch = Touch { place: self.count, chain: self.stores, ..touch };
        let name = |touch: &Touch| (touch.team, touch.who.place(), touch.kind as u8);
        match self.list.binary_search_by_key(&name(&touch), name) {
            Ok(at) => self.list[at] = touch,
            Err(at) => self.list.insert(at, touch),
        }
    }

    /// The access of another cluster that a lane's next one conflicts with. What was observed is ordered before what follows the
    /// observation, without any fence: atomic operations on one another, and a load on the last store and the atomic operations
    /// since then (PTX ISA, "Causality Order").
    fn unordered(&self, at: Moment<'_>, (team, by): (u32, Writer), side: Side) -> Option<&Touch> {
        let is_before = |touch: &Touch| match touch.team {
            own if own == team => at.order.is_ordered(by, touch.time, touch.who.0),
            other => at.order.is_ordered_outside(by.place(), other, (touch.who, touch.time)),
        };
        let conflicts = |touch: &&Touch| {
            let excused = matches!(side, Side::Strong(_, true)) && touch.wide;
            touch.team != team && !excused && (touch.writes() || side.writes()) && !is_before(touch)
        };
        self.list.iter().filter(conflicts).find(|touch| {
            let observes = |later: &&Touch| {
                later.kind != Strong::Store
                    && later.chain == touch.chain
                    && later.place > touch.place
                    && is_before(later)
            };
            !touch.writes() || !self.list.iter().any(|later| observes(&later))
        })
    }
}

/// What is done to global memory.
#[derive(Clone, Copy)]
pub(super) enum Side {
    Load,
    Store,
    /// And whether its scope goes beyond the cluster.
    Strong(Strong, bool),
}

impl Side {
    fn writes(self) -> bool {
        !matches!(self, Self::Load | Self::Strong(Strong::Load, _))
    }

    fn after_write(self) -> Hazard {
        if self.writes() { Hazard::WriteAfterWrite } else { Hazard::ReadAfterWrite }
    }
}

/// What one worker's blocks did to global memory.
pub(crate) struct World {
    communicates: bool,
    index: ByPage<u32>,
    pages: Vec<Page>,
    /// The last one.
    hot: (u64, usize),
    pub(super) board: Board,
    /// Strong accesses to each word.
    strong: HashMap<u64, Touches>,
}

/// A conflict between two clusters that nothing can have ordered.
pub(crate) struct Clash {
    pub address: u64,
    pub hazard: Hazard,
    /// The one with the higher number, and the other one.
    pub later: Earlier,
    pub earlier: Earlier,
}

impl World {
    /// For the blocks of one worker, which may or may not influence each other.
    pub(crate) fn new(communicates: bool) -> Self {
        let (index, pages, hot) = (ByPage::default(), Vec::new(), (u64::MAX, 0));
        Self { communicates, index, pages, hot, board: Board::default(), strong: HashMap::new() }
    }

    /// Another cluster starts. Where clusters cannot influence each other, they leave no messages.
    pub(crate) fn restart(&mut self) {
        if !self.communicates {
            self.board.clear();
        }
    }

    fn page(&mut self, number: u64) -> usize {
        if self.hot.0 != number {
            let pages = &mut self.pages;
            let at = *self.index.entry(number).or_insert_with(|| {
                pages.push(Page::new(number));
                pages.len() as u32 - 1
            });
            self.hot = (number, at as usize);
        }
        self.hot.1
    }

    /// An access to a page, with offsets there as addresses.
    pub(super) fn access(
        &mut self,
        at: Moment<'_>,
        (team, number): (u32, u64),
        access: WarpAccess<'_>,
        side: Side,
        conflicts: &mut Vec<Conflict>,
    ) {
        let index = self.page(number);
        let page = &mut self.pages[index];
        page.fit(access.bytes);
        if self.communicates {
            self.look(at, (team, index), access, side, conflicts);
        } else {
            page.note(team + 1, WarpAccess { mask: readers(access), ..access }, side);
        }
    }

    /// Checks an access against those of other clusters, and remembers it.
    fn look(
        &mut self,
        at: Moment<'_>,
        (team, index): (u32, usize),
        access: WarpAccess<'_>,
        side: Side,
        conflicts: &mut Vec<Conflict>,
    ) {
        let Self { pages, strong, .. } = self;
        let page = &mut pages[index];
        let is_strong = matches!(side, Side::Strong(..));
        let number = page.number;
        let key = |offset: u64| (number << PAGE | offset) >> 2;
        for lane in lanes(access.mask) {
            let by = access.author(lane as u32, 0);
            let offset = access.addresses[lane];
            let words = key(offset)..key(offset + u64::from(access.bytes).max(4) - 1) + 1;
            let mut found = page.unordered(at, team + 1, page.cells(offset, access.bytes), by, side);
            if page.has_strong || is_strong {
                found = found.or_else(|| {
                    let mut touches = words.clone().filter_map(|word| strong.get(&word));
                    let touch = touches.find_map(|touches| touches.unordered(at, (team, by), side))?;
                    let hazard = if touch.writes() { side.after_write() } else { Hazard::WriteAfterRead };
                    Some((offset, hazard, touch.team, touch.who))
                });
            }
            if let Some((address, hazard, other, who)) = found.filter(|_| at.checks.races) {
                let earlier = Some(earlier(other, who));
                conflicts.push(Conflict { lane: by.lane(), address, hazard, earlier });
            }
            match side {
                Side::Strong(kind, wide) => {
                    page.has_strong = true;
                    for word in words {
                        let touch = Touch { team, who: by, time: at.now, kind, wide, place: 0, chain: 0 };
                        strong.entry(word).or_default().remember(touch);
                    }
                }
                Side::Load => page.read(at, team + 1, access, lane),
                Side::Store => {
                    page.write(at, team + 1, access, lane);
                    if page.has_strong {
                        words.for_each(|word| drop(strong.remove(&word)));
                    }
                }
            }
        }
    }
}

fn earlier(team: u32, who: Writer) -> Earlier {
    Earlier { team: Some(team), warp: who.warp(), lane: who.lane(), pc: who.pc() }
}

/// Whether each of some cells has this cluster alone, or two clusters that are not higher.
#[inline(always)]
fn is_noted(lowest: &Trace, second: &Trace, me: u32, cells: &Range<usize>) -> bool {
    lowest.is_all(cells, me) || lowest.is_below(cells, me - 1) && second.is_below(cells, me)
}

impl Page {
    fn new(number: u64) -> Self {
        let [writes, reads] = std::array::from_fn(|_| Default::default());
        Self { number, shift: 2, writes, reads, has_strong: false }
    }

    /// Whether each cell has one cluster alone, or was only read.
    fn is_peaceful(&self) -> bool {
        let [writes, reads] =
            [&self.writes, &self.reads].map(|[lowest, second]| (&lowest.team, second.team.is_empty()));
        writes.1
            && (reads.0.is_empty()
                || reads.1
                    && writes.0.iter().zip(reads.0).all(|(write, read)| *write == 0 || *read == 0 || write == read))
    }

    fn count(&self) -> usize {
        1 << (PAGE - self.shift)
    }

    fn cells(&self, offset: u64, bytes: u32) -> Range<usize> {
        let first = (offset >> self.shift) as usize;
        first..first + (bytes >> self.shift) as usize
    }

    /// Makes the cells small enough for an access.
    fn fit(&mut self, bytes: u32) {
        let shift = bytes.trailing_zeros().min(2);
        if shift < self.shift {
            let copies = 1 << (self.shift - shift);
            self.writes.iter_mut().chain(&mut self.reads).for_each(|trace| trace.refine(copies));
            self.shift = shift;
        }
    }

    /// Remembers an access among the two lowest clusters.
    fn note(&mut self, me: u32, access: WarpAccess<'_>, side: Side) {
        let (count, each) = (self.count(), (access.bytes >> self.shift) as usize);
        let shift = self.shift;
        let [lowest, second] = if side.writes() { &mut self.writes } else { &mut self.reads };
        lowest.fit(count, false);
        let step = u64::from(access.bytes);
        let mut rest = access.mask;
        while rest != 0 {
            // Lanes whose bytes follow one another.
            let first = rest.trailing_zeros() as usize;
            let address = |lane: usize| access.addresses[lane];
            let gap = |gaps, (at, lane): (&u64, u64)| gaps | at ^ (address(0) + lane * step);
            let end = if rest == u32::MAX && access.addresses.iter().zip(0..).fold(0, gap) == 0 {
                32
            } else {
                let follows = |lane: usize| rest >> lane & 1 == 1 && address(lane) == address(lane - 1) + step;
                (first + 1..32).find(|lane| !follows(*lane)).unwrap_or(32)
            };
            rest &= u32::MAX.checked_shl(end as u32).unwrap_or(0);
            let start = (address(first) >> shift) as usize;
            let cells = start..start + (end - first) * each;
            if is_noted(lowest, second, me, &cells) {
                continue;
            }
            // Nothing but fresh cells need no look at each of them.
            let is_fresh = lowest.is_all(&cells, 0);
            for lane in first..end {
                let who = access.author(lane as u32, 0).0;
                let start = start + (lane - first) * each;
                if is_fresh {
                    lowest.team[start..start + each].fill(me);
                    lowest.who[start..start + each].fill(who);
                    continue;
                }
                for cell in start..start + each {
                    let team = lowest.team[cell];
                    if team == me {
                        continue;
                    }
                    if team == 0 {
                        lowest.set(cell, me, who, 0);
                        continue;
                    }
                    second.fit(count, false);
                    if me < team {
                        second.set(cell, team, lowest.who[cell], 0);
                        lowest.set(cell, me, who, 0);
                    } else if second.team[cell] == 0 || me < second.team[cell] {
                        second.set(cell, me, who, 0);
                    }
                }
            }
        }
    }

    /// The access of another cluster that is not ordered before this one: where, and whose.
    fn unordered(
        &self,
        at: Moment<'_>,
        me: u32,
        cells: Range<usize>,
        by: Writer,
        side: Side,
    ) -> Option<(u64, Hazard, u32, Writer)> {
        let [last, _] = &self.writes;
        let traces = [(last, side.after_write(), true)];
        let reads = self.reads.each_ref().map(|trace| (trace, Hazard::WriteAfterRead, side.writes()));
        let wanted = traces.into_iter().chain(reads).filter(|(trace, _, wanted)| *wanted && !trace.team.is_empty());
        for (trace, hazard, _) in wanted {
            if trace.team[cells.clone()].iter().all(|team| *team == 0 || *team == me) {
                continue;
            }
            let mut settled = None;
            for cell in cells.clone() {
                let (team, who, time) = (trace.team[cell], trace.who[cell], trace.time[cell]);
                if team == 0 || team == me || settled == Some((team, who, time)) {
                    continue;
                }
                if !at.order.is_ordered_outside(by.place(), team - 1, (Writer(who), time)) {
                    return Some(((cell as u64) << self.shift, hazard, team - 1, Writer(who)));
                }
                settled = Some((team, who, time));
            }
        }
        None
    }

    fn write(&mut self, at: Moment<'_>, me: u32, access: WarpAccess<'_>, lane: usize) {
        let (count, cells) = (self.count(), self.cells(access.addresses[lane], access.bytes));
        let [last, _] = &mut self.writes;
        last.fit(count, true);
        last.team[cells.clone()].fill(me);
        last.who[cells.clone()].fill(access.author(lane as u32, 0).0);
        last.time[cells.clone()].fill(at.now);
        // What has been read before is in order.
        for reads in self.reads.iter_mut().filter(|reads| !reads.team.is_empty()) {
            reads.team[cells.clone()].fill(0);
        }
    }

    fn read(&mut self, at: Moment<'_>, me: u32, access: WarpAccess<'_>, lane: usize) {
        let (count, cells) = (self.count(), self.cells(access.addresses[lane], access.bytes));
        let by = access.author(lane as u32, 0);
        let [one, two] = &mut self.reads;
        one.fit(count, true);
        if one.team[cells.clone()].iter().all(|team| *team == 0 || *team == me) {
            one.team[cells.clone()].fill(me);
            one.who[cells.clone()].fill(by.0);
            one.time[cells].fill(at.now);
            return;
        }
        two.fit(count, true);
        for cell in cells {
            let is_free = |trace: &Trace| trace.team[cell] == 0 || trace.team[cell] == me;
            let is_over = |trace: &Trace| {
                let (team, who) = (trace.team[cell] - 1, Writer(trace.who[cell]));
                at.order.is_ordered_outside(by.place(), team, (who, trace.time[cell]))
            };
            let place = if is_free(one) {
                &mut *one
            } else if is_free(two) || !is_over(one) {
                &mut *two
            } else {
                &mut *one
            };
            place.set(cell, me, by.0, at.now);
        }
    }
}

/// The conflicts between clusters that cannot have been ordered, one for each pair of instructions, and how many there are.
pub(crate) fn clashes(worlds: Vec<World>) -> (Vec<Clash>, u64) {
    let mut pages: BTreeMap<u64, Vec<Page>> = BTreeMap::new();
    let is_alone = worlds.len() == 1;
    for page in worlds.into_iter().filter(|world| !world.communicates).flat_map(|world| world.pages) {
        if !is_alone || !page.writes[0].team.is_empty() && !page.is_peaceful() {
            pages.entry(page.number).or_default().push(page);
        }
    }
    let (mut found, mut total, mut known) = (Vec::new(), 0, HashSet::new());
    for (number, mut parts) in pages {
        if parts.iter().all(|page| page.writes[0].team.is_empty()) {
            continue;
        }
        let least = parts.iter().map(|page| page.shift).min().unwrap_or(0);
        parts.iter_mut().for_each(|page| page.fit(1 << least));
        for cell in 0..1usize << (PAGE - least) {
            let lowest = |traces: fn(&Page) -> &[Trace; 2]| {
                let mut all: Vec<_> = parts.iter().flat_map(traces).filter_map(|trace| trace.at(cell)).collect();
                all.sort_unstable();
                all.dedup_by_key(|(team, _)| *team);
                all
            };
            if parts.iter().all(|page| page.writes[0].at(cell).is_none()) {
                continue;
            }
            let (writes, reads) = (lowest(|page| &page.writes), lowest(|page| &page.reads));
            let Some(&write) = writes.first() else { continue };
            let address = number << PAGE | (cell as u64) << least;
            let mut report = |one: (u32, u32), two: (u32, u32), hazard: Hazard| {
                let side = |(team, who): (u32, u32)| earlier(team - 1, Writer(who));
                let (earlier, later) = (side(one), side(two));
                total += 1;
                if known.insert((earlier.pc, later.pc, hazard)) {
                    found.push(Clash { address, hazard, later, earlier });
                }
            };
            if let Some(&other) = writes.get(1) {
                report(write, other, Hazard::WriteAfterWrite);
            }
            match reads.iter().find(|read| read.0 != write.0) {
                Some(&read) if read.0 > write.0 => report(write, read, Hazard::ReadAfterWrite),
                Some(&read) => report(read, write, Hazard::WriteAfterRead),
                None => {}
            }
        }
    }
    (found, total)
}
