//! Rules of the detector, by hand-made sequences of events.

use super::{Authors, Conflict, Earlier, Hazard, Ordering, SharedShadow, Strong, WarpAccess};
use crate::config::Checks;

/// A block whose events get program counters 1, 2, 3...
pub(super) struct Block {
    pub(super) shadow: SharedShadow,
    pc: u32,
}

pub(super) const ALL: u32 = u32::MAX;
pub(super) const RELAXED: Ordering = Ordering { acquire: false, release: false, wide: true };

/// Lane `l` of any access at `base + l * stride`.
pub(super) fn strided(base: u64, stride: u64) -> [u64; 32] {
    std::array::from_fn(|lane| base + lane as u64 * stride)
}

impl Block {
    fn new(warps: u32) -> Self {
        Self { shadow: SharedShadow::new(16 * 1024, warps, (0, 1), Checks::ALL), pc: 0 }
    }

    /// A block in which every byte has been written and everything is ordered.
    pub(super) fn written(warps: u32) -> Self {
        let mut block = Self::new(warps);
        for base in (0..16 * 1024).step_by(512) {
            assert_eq!(block.store(0, ALL, strided(base, 16), 16), []);
        }
        block.sync(warps);
        block.pc = 0;
        block
    }

    pub(super) fn event(&mut self, run: impl FnOnce(&mut SharedShadow, u32, &mut Vec<Conflict>)) -> Vec<Conflict> {
        self.pc += 1;
        let mut conflicts = Vec::new();
        run(&mut self.shadow, self.pc, &mut conflicts);
        conflicts
    }

    pub(super) fn load(&mut self, warp: u32, mask: u32, addresses: [u64; 32], bytes: u32) -> Vec<Conflict> {
        self.event(|shadow, pc, out| {
            shadow.load(WarpAccess { warp, pc, mask, addresses: &addresses, bytes, authors: Authors::Lanes }, out)
        })
    }

    /// A store of a different value by each lane.
    pub(super) fn store(&mut self, warp: u32, mask: u32, addresses: [u64; 32], bytes: u32) -> Vec<Conflict> {
        self.event(|shadow, pc, out| {
            shadow.store(
                WarpAccess { warp, pc, mask, addresses: &addresses, bytes, authors: Authors::Lanes },
                |_, _| false,
                out,
            );
        })
    }

    pub(super) fn strong(&mut self, warp: u32, address: u64, kind: Strong, ordering: Ordering) -> Vec<Conflict> {
        let addresses = [address; 32];
        self.event(|shadow, pc, out| {
            shadow.strong(
                WarpAccess { warp, pc, mask: 1, addresses: &addresses, bytes: 4, authors: Authors::Lanes },
                kind,
                ordering,
                out,
            );
        })
    }

    fn copy(&mut self, warp: u32, mask: u32, addresses: [u64; 32], bytes: u32) -> Vec<Conflict> {
        self.event(|shadow, pc, out| {
            shadow
                .copy_issued(WarpAccess { warp, pc, mask, addresses: &addresses, bytes, authors: Authors::Lanes }, out)
        })
    }

    /// `bar.sync 0` by all warps.
    fn sync(&mut self, warps: u32) {
        self.barrier(0, 0..warps, 0..warps);
    }

    pub(super) fn barrier(&mut self, id: u32, arriving: std::ops::Range<u32>, waiting: std::ops::Range<u32>) {
        arriving.for_each(|warp| self.shadow.barrier_arrive(id, warp));
        self.shadow.barrier_complete(id, waiting.map(|warp| 1 << warp).sum());
    }
}

fn conflict(lane: u32, address: u64, hazard: Hazard, (warp, by, pc): (u32, u32, u32)) -> Conflict {
    Conflict { lane, address, hazard, earlier: Some(Earlier { team: None, warp, lane: by, pc }) }
}

#[test]
fn barriers_order_warps() {
    for bytes in [1, 2, 4, 8, 16] {
        let row = strided(0, bytes);
        let width = bytes as u32;
        let mut block = Block::written(4);
        assert_eq!(block.store(0, ALL, row, width), []);
        block.sync(4);
        (0..4).for_each(|warp| assert_eq!(block.load(warp, ALL, row, width), []));
        block.sync(4);
        assert_eq!(block.store(3, ALL, row, width), []);
        block.sync(4);
        assert_eq!(block.load(1, ALL, row, width), []);
    }
}

#[test]
fn read_after_write_between_warps() {
    for bytes in [1, 2, 4, 8, 16] {
        let mut block = Block::written(2);
        block.store(0, ALL, strided(0, bytes), bytes as u32);
        let found = block.load(1, 0b100, strided(0, bytes), bytes as u32);
        assert_eq!(found, [conflict(2, 2 * bytes, Hazard::ReadAfterWrite, (0, 2, 1))]);
        // Its own bytes, and bytes that nobody touched, are fine.
        assert_eq!(block.load(0, ALL, strided(0, bytes), bytes as u32), []);
        assert_eq!(block.load(1, ALL, strided(1024, bytes), bytes as u32), []);
    }
}

#[test]
fn write_after_read_between_warps() {
    for bytes in [1, 2, 4, 8, 16] {
        let mut block = Block::written(3);
        block.load(0, ALL, strided(0, bytes), bytes as u32);
        block.load(2, ALL, strided(0, bytes), bytes as u32);
        let found = block.store(1, 0b10, strided(0, bytes), bytes as u32);
        assert_eq!(found, [conflict(1, bytes, Hazard::WriteAfterRead, (0, 1, 1))]);
        // A barrier with warp 0 alone leaves warp 2.
        let mut block = Block::written(3);
        block.load(0, ALL, strided(0, bytes), bytes as u32);
        block.load(2, ALL, strided(0, bytes), bytes as u32);
        block.barrier(1, 0..2, 0..2);
        let found = block.store(1, 0b10, strided(0, bytes), bytes as u32);
        assert_eq!(found, [conflict(1, bytes, Hazard::WriteAfterRead, (2, 1, 2))]);
    }
}

#[test]
fn write_after_write_between_warps() {
    for bytes in [1, 2, 4, 8, 16] {
        let mut block = Block::written(2);
        block.store(0, ALL, strided(0, bytes), bytes as u32);
        let found = block.store(1, 1 << 31, strided(0, bytes), bytes as u32);
        assert_eq!(found, [conflict(31, 31 * bytes, Hazard::WriteAfterWrite, (0, 31, 1))]);
    }
}

#[test]
fn a_barrier_orders_what_came_before_it_alone() {
    let mut block = Block::written(2);
    block.sync(2);
    block.store(0, ALL, strided(0, 4), 4);
    assert_eq!(block.load(1, 1, strided(0, 4), 4).len(), 1);
}

#[test]
fn arrive_releases_and_sync_acquires() {
    // Warp 0 produces and only arrives; warp 1 waits.
    let mut block = Block::written(2);
    block.store(0, ALL, strided(0, 4), 4);
    block.load(1, ALL, strided(512, 4), 4);
    block.barrier(3, 0..2, 1..2);
    assert_eq!(block.load(1, ALL, strided(0, 4), 4), []);
    // The arrival taught warp 0 nothing of what warp 1 had done.
    let found = block.store(0, 1, strided(512, 4), 4);
    assert_eq!(found, [conflict(0, 512, Hazard::WriteAfterRead, (1, 0, 2))]);
    // Its lanes have not met either.
    let found = block.load(0, 1, strided(4, 4), 4);
    assert_eq!(found, [conflict(0, 4, Hazard::ReadAfterWrite, (0, 1, 1))]);
}

#[test]
fn order_is_transitive_over_barriers() {
    let mut block = Block::written(3);
    block.store(0, ALL, strided(0, 16), 16);
    block.barrier(1, 0..2, 0..2);
    block.barrier(2, 1..3, 1..3);
    assert_eq!(block.load(2, ALL, strided(0, 16), 16), []);
    // The other way round, warp 2 knows only what warp 1 knew at that time.
    let mut block = Block::written(3);
    block.store(0, ALL, strided(0, 16), 16);
    block.barrier(2, 1..3, 1..3);
    block.barrier(1, 0..2, 0..2);
    assert_eq!(block.load(2, ALL, strided(0, 16), 16).len(), 32);
}

#[test]
fn work_between_arrival_and_completion_is_not_released() {
    let mut block = Block::written(2);
    block.shadow.barrier_arrive(1, 0);
    block.store(0, ALL, strided(0, 4), 4);
    block.shadow.barrier_arrive(1, 1);
    block.shadow.barrier_complete(1, 0b10);
    assert_eq!(block.load(1, 1, strided(0, 4), 4), [conflict(0, 0, Hazard::ReadAfterWrite, (0, 0, 1))]);
}

#[test]
fn lanes_of_a_warp_need_a_warp_barrier() {
    for bytes in [1, 2, 4, 8, 16] {
        let (row, reversed) = (strided(0, bytes), std::array::from_fn(|lane| (31 - lane as u64) * bytes));
        let mut block = Block::written(1);
        block.store(0, ALL, row, bytes as u32);
        assert_eq!(block.load(0, ALL, row, bytes as u32), [], "each lane its own");
        let found = block.load(0, ALL, reversed, bytes as u32);
        assert_eq!(found.len(), 32);
        assert_eq!(found[1], conflict(1, 30 * bytes, Hazard::ReadAfterWrite, (0, 30, 1)));
        block.shadow.warp_sync(0, ALL);
        assert_eq!(block.load(0, ALL, reversed, bytes as u32), []);
        let found = block.store(0, 1, row, bytes as u32);
        assert_eq!(found, [conflict(0, 0, Hazard::WriteAfterRead, (0, 31, 4))]);
    }
}

#[test]
fn a_lane_may_use_its_own_cells_without_a_barrier() {
    for bytes in [1, 2, 4, 8, 16] {
        let mut block = Block::written(2);
        for _ in 0..3 {
            for warp in 0..2 {
                let row = strided(u64::from(warp) * 1024, bytes);
                assert_eq!(block.load(warp, ALL, row, bytes as u32), []);
                assert_eq!(block.store(warp, ALL, row, bytes as u32), []);
            }
        }
    }
}

#[test]
fn broadcast_readers_are_all_remembered() {
    for bytes in [2, 4, 16] {
        for lane in [0, 5, 31] {
            let mut block = Block::written(1);
            block.load(0, ALL, [64; 32], bytes);
            let found = block.store(0, 1 << lane, [64; 32], bytes);
            assert_eq!(found.len(), 1, "{bytes} bytes, lane {lane}");
            assert_eq!((found[0].hazard, found[0].earlier.unwrap().pc), (Hazard::WriteAfterRead, 1));
            assert_ne!(found[0].earlier.unwrap().lane, lane);
        }
    }
}

#[test]
fn warp_barrier_of_some_lanes() {
    let halves = |lane: usize| (lane as u64 ^ 1) * 4;
    let mut block = Block::written(1);
    block.store(0, ALL, strided(0, 4), 4);
    block.shadow.warp_sync(0, 0xffff);
    assert_eq!(block.load(0, 0xffff, std::array::from_fn(halves), 4), []);
    assert_eq!(block.load(0, 0xffff_0000, std::array::from_fn(halves), 4).len(), 16);
    // Lanes 15 and 16 meet: through 15, lane 16 knows of lane 0, but lane 17 does not.
    block.shadow.warp_sync(0, 0x1_8000);
    assert_eq!(block.load(0, 1 << 16, [0; 32], 4), []);
    assert_eq!(block.load(0, 1 << 17, [0; 32], 4), [conflict(17, 0, Hazard::ReadAfterWrite, (0, 0, 1))]);
    block.shadow.warp_sync(0, ALL);
    assert_eq!(block.load(0, ALL, [0; 32], 4), []);
}

#[test]
fn a_reader_that_has_met_the_writer_apart_raises_no_alarm() {
    // Lane 0 reads, meets lane 1; then lane 2 reads, and meets lane 1 as well.
    let mut block = Block::written(1);
    block.load(0, 1, [0; 32], 4);
    block.shadow.warp_sync(0, 0b011);
    block.load(0, 1 << 2, [0; 32], 4);
    block.shadow.warp_sync(0, 0b110);
    assert_eq!(block.store(0, 1 << 1, [0; 32], 4), []);
}

#[test]
fn same_store_to_one_address() {
    let access = |addresses| WarpAccess { warp: 0, pc: 9, mask: 0b11, addresses, bytes: 4, authors: Authors::Lanes };
    for same in [true, false] {
        let mut block = Block::written(1);
        let mut found = Vec::new();
        block.shadow.store(access(&[8; 32]), |_, _| same, &mut found);
        let expected = [conflict(1, 8, Hazard::WriteAfterWrite, (0, 0, 9))];
        assert_eq!(found, if same { &[][..] } else { &expected[..] });
    }
}

#[test]
fn neighbouring_bytes_are_no_race() {
    // Halves of one word by two warps, then by two lanes.
    let mut block = Block::written(2);
    assert_eq!(block.store(0, ALL, strided(0, 4), 2), []);
    assert_eq!(block.store(1, ALL, strided(2, 4), 2), []);
    assert_eq!(block.load(0, ALL, strided(0, 4), 2), []);
    let found = block.load(0, 1, [0; 32], 4);
    assert_eq!(found, [conflict(0, 2, Hazard::ReadAfterWrite, (1, 0, 2))]);
    block.sync(2);
    assert_eq!(block.load(0, ALL, strided(0, 4), 4), []);
    block.sync(2);
    // A whole word, and bytes of it again.
    assert_eq!(block.store(1, ALL, strided(0, 16), 16), []);
    let found = block.load(0, 0b10, strided(4, 1), 1);
    assert_eq!(found, [conflict(1, 5, Hazard::ReadAfterWrite, (1, 0, 6))]);
}

#[test]
fn uninitialised_reads() {
    let mut block = Block::new(1);
    block.store(0, 0b1, [16; 32], 4);
    block.store(0, 0b1, [20; 32], 1);
    assert_eq!(block.load(0, 0b1, [16; 32], 4), []);
    let at = |address| [Conflict { lane: 0, address, hazard: Hazard::Uninitialised, earlier: None }];
    assert_eq!(block.load(0, 0b1, [24; 32], 4), at(24));
    assert_eq!(block.load(0, 0b1, [20; 32], 4), at(21));
    assert_eq!(block.load(0, 0b1, [16; 32], 16), at(21));
    assert_eq!(block.load(0, 0b1, [20; 32], 1), []);
    assert_eq!(block.strong(0, 32, Strong::Atomic, RELAXED), at(32));
    assert_eq!(block.strong(0, 32, Strong::Atomic, RELAXED), []);
}

#[test]
fn another_block_starts_afresh() {
    let mut block = Block::written(2);
    block.store(0, ALL, strided(0, 16), 16);
    block.load(0, ALL, strided(1024, 16), 16);
    block.copy(0, ALL, strided(2048, 16), 16);
    block.store(0, ALL, strided(4096, 1), 1);
    block.shadow.restart(0);
    for base in [0, 1024, 2048, 4096] {
        let found = block.load(1, 1, strided(base, 4), 4);
        assert_eq!(found, [Conflict { lane: 0, address: base, hazard: Hazard::Uninitialised, earlier: None }]);
        assert_eq!(block.store(1, 1, strided(base, 4), 4), []);
        assert_eq!(block.load(1, 1, strided(base, 4), 4), []);
    }
}

#[test]
fn checks_can_be_switched_off() {
    for (checks, expected) in [
        (Checks { races: false, ..Checks::ALL }, vec![Hazard::Uninitialised]),
        (Checks { uninitialised: false, ..Checks::ALL }, vec![Hazard::WriteAfterRead]),
        (Checks::NONE, vec![]),
    ] {
        let mut block = Block { shadow: SharedShadow::new(64, 2, (0, 1), checks), pc: 0 };
        let mut found = block.load(0, 1, [0; 32], 4);
        found.extend(block.store(1, 1, [0; 32], 4));
        assert_eq!(found.iter().map(|conflict| conflict.hazard).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn copies_are_in_flight_until_their_wait() {
    let mut block = Block::written(2);
    let row = strided(0, 16);
    assert_eq!(block.copy(0, ALL, row, 16), []);
    let in_flight = |lane, address| [conflict(lane, address, Hazard::InFlight, (0, lane, 1))];
    assert_eq!(block.load(0, 0b10, row, 16), in_flight(1, 16), "the issuer's own read");
    assert_eq!(block.load(1, 0b10, row, 4), in_flight(1, 16));
    assert_eq!(block.load(1, 0b10, row, 1), in_flight(1, 16));
    // A barrier does not help.
    block.sync(2);
    assert_eq!(block.load(1, 0b100, row, 16), in_flight(2, 32));
    assert_eq!(block.load(0, 1, strided(512, 16), 16), [], "elsewhere");
}

#[test]
fn copies_count_as_written_at_their_wait() {
    let row = strided(0, 16);
    // Issue, barrier, wait: the barrier came too early.
    let mut block = Block::written(2);
    block.copy(0, ALL, row, 16);
    block.sync(2);
    block.shadow.copy_completed(0, ALL, &row, 16);
    assert_eq!(block.load(0, ALL, row, 16), [], "the issuer needs no barrier");
    assert_eq!(block.load(1, 1, row, 16), [conflict(0, 0, Hazard::ReadAfterWrite, (0, 0, 1))]);
    let other_lane = std::array::from_fn(|lane| 16 * (lane as u64 ^ 1));
    assert_eq!(block.load(0, 1, other_lane, 16), [conflict(0, 16, Hazard::ReadAfterWrite, (0, 1, 1))]);
    // Issue, wait, barrier.
    let mut block = Block::written(2);
    block.copy(0, ALL, row, 16);
    block.shadow.copy_completed(0, ALL, &row, 16);
    block.sync(2);
    assert_eq!(block.load(1, ALL, row, 16), []);
}

#[test]
fn a_copy_conflicts_with_earlier_accesses_at_its_issue() {
    let row = strided(0, 16);
    let mut block = Block::written(2);
    block.load(1, ALL, row, 16);
    assert_eq!(block.copy(0, 1, row, 16), [conflict(0, 0, Hazard::WriteAfterRead, (1, 0, 1))]);
    let mut block = Block::written(2);
    block.store(1, ALL, row, 16);
    assert_eq!(block.copy(0, 1, row, 16), [conflict(0, 0, Hazard::WriteAfterWrite, (1, 0, 1))]);
    let mut block = Block::written(2);
    block.copy(1, 1, row, 16);
    assert_eq!(block.copy(0, 1, row, 16), [conflict(0, 0, Hazard::InFlight, (1, 0, 1))]);
    let mut block = Block::written(2);
    block.load(0, ALL, row, 16);
    assert_eq!(block.copy(0, ALL, row, 16), [], "after the thread's own read");
}

#[test]
fn double_buffered_copies_raise_no_alarm() {
    // Two stages, one barrier each iteration: wait, barrier, copy into the stage that was read before the barrier, compute.
    let stage = |n: u64| strided(n % 2 * 512, 16);
    let mut block = Block::new(4);
    let quarter = |warp: u32| 0xff << (8 * warp);
    for warp in 0..4 {
        assert_eq!(block.copy(warp, quarter(warp), stage(0), 16), []);
    }
    for n in 0..6 {
        for warp in 0..4 {
            block.shadow.copy_completed(warp, quarter(warp), &stage(n), 16);
        }
        block.sync(4);
        for warp in 0..4 {
            assert_eq!(block.copy(warp, quarter(warp), stage(n + 1), 16), [], "iteration {n}");
            assert_eq!(block.load(warp, ALL, stage(n), 16), [], "iteration {n}");
        }
    }
    // Without the barrier, both the copy and the read are wrong.
    for warp in 0..4 {
        block.shadow.copy_completed(warp, quarter(warp), &stage(6), 16);
    }
    assert_eq!(block.copy(0, 1, stage(7), 16)[0].hazard, Hazard::WriteAfterRead);
    assert_eq!(block.load(1, ALL, stage(6), 16).len(), 24);
}

#[test]
fn atomics_do_not_race_with_each_other_but_with_plain_accesses() {
    let mut block = Block::written(3);
    for warp in 0..3 {
        assert_eq!(block.strong(warp, 0, Strong::Atomic, RELAXED), []);
        assert_eq!(block.strong(warp, 0, Strong::Load, RELAXED), []);
        assert_eq!(block.strong(warp, 0, Strong::Store, RELAXED), []);
    }
    assert_eq!(block.load(0, 1, [0; 32], 4), [conflict(0, 0, Hazard::ReadAfterWrite, (1, 0, 6))]);
    assert_eq!(block.store(2, 1, [0; 32], 4)[0].hazard, Hazard::WriteAfterWrite);
    let mut block = Block::written(2);
    block.load(0, 1, [0; 32], 4);
    assert_eq!(block.strong(1, 0, Strong::Atomic, RELAXED)[0].hazard, Hazard::WriteAfterRead);
    let mut block = Block::written(2);
    block.strong(0, 0, Strong::Load, RELAXED);
    assert_eq!(block.strong(1, 0, Strong::Store, RELAXED), []);
    assert_eq!(block.store(1, 1, [4; 32], 4), []);
    assert_eq!(block.load(0, 1, [0; 32], 4)[0].hazard, Hazard::ReadAfterWrite);
    let mut block = Block::written(2);
    block.strong(0, 0, Strong::Load, RELAXED);
    assert_eq!(block.store(1, 1, [0; 32], 4), [conflict(0, 0, Hazard::WriteAfterRead, (0, 0, 1))]);
    // The barrier between is enough.
    let mut block = Block::written(3);
    (0..3).for_each(|warp| assert_eq!(block.strong(warp, 0, Strong::Atomic, RELAXED), []));
    block.sync(3);
    assert_eq!(block.load(1, ALL, [0; 32], 4), []);
}

#[test]
fn strong_accesses_of_parts_of_a_word_are_remembered() {
    for kind in [Strong::Atomic, Strong::Store] {
        let mut block = Block::written(2);
        let addresses = [6; 32];
        let found = block.event(|shadow, pc, out| {
            shadow.strong(
                WarpAccess { warp: 0, pc, mask: 1, addresses: &addresses, bytes: 2, authors: Authors::Lanes },
                kind,
                RELAXED,
                out,
            );
        });
        assert_eq!(found, []);
        assert_eq!(block.load(1, 1, [4; 32], 2), [], "the other half");
        assert_eq!(block.load(1, 1, [6; 32], 2), [conflict(0, 6, Hazard::ReadAfterWrite, (0, 0, 1))]);
        assert_eq!(block.store(1, 1, [4; 32], 4)[0].hazard, Hazard::WriteAfterWrite);
    }
}

#[test]
fn rows_of_matrices_belong_to_the_lanes_that_receive_them() {
    let rows = |block: &mut Block, store: bool| {
        let addresses = strided(0, 16);
        block.event(|shadow, pc, out| {
            let access =
                WarpAccess { warp: 0, pc, mask: ALL, addresses: &addresses, bytes: 16, authors: Authors::Rows };
            if store { shadow.store(access, |_, _| false, out) } else { shadow.load(access, out) }
        })
    };
    // Lane l writes the 16 bytes of row l and gives their address: lanes 4r to 4r + 3 read them.
    let mut block = Block::written(1);
    assert_eq!(block.store(0, ALL, strided(0, 16), 16), []);
    let races = rows(&mut block, false);
    assert_eq!(races.len(), 32);
    // Row 0 is lane 0's own in its first word alone.
    assert_eq!(races[0], conflict(1, 4, Hazard::ReadAfterWrite, (0, 0, 1)));
    let mut block = Block::written(1);
    block.store(0, ALL, strided(0, 16), 16);
    block.shadow.warp_sync(0, ALL);
    assert_eq!(rows(&mut block, false), []);
    assert_eq!(block.store(0, 0b1000, [12; 32], 4), [], "word 3 of row 0 was read by lane 3");
    assert_eq!(block.store(0, 0b1000, [8; 32], 4)[0].hazard, Hazard::WriteAfterRead);
    let mut block = Block::written(1);
    assert_eq!(rows(&mut block, true), []);
    assert_eq!(block.load(0, 1 << 5, [16 + 4; 32], 4), [], "word 1 of row 1 comes from lane 5");
    assert_eq!(block.load(0, 1 << 5, [16; 32], 4), [conflict(5, 16, Hazard::ReadAfterWrite, (0, 4, 1))]);
}

#[test]
fn the_clock_starts_again_before_it_runs_down() {
    let mut block = Block::written(2);
    block.store(0, ALL, strided(0, 4), 4);
    block.load(1, ALL, strided(512, 4), 4);
    block.shadow.now = u32::MAX - 5;
    block.shadow.restart(0);
    assert!(block.shadow.now < 10);
    assert_eq!(block.store(1, ALL, strided(0, 4), 4), []);
    assert_eq!(block.store(0, ALL, strided(512, 4), 4), []);
    assert_eq!(block.load(0, 1, strided(0, 4), 4)[0].hazard, Hazard::ReadAfterWrite);
}
