//! What threads release and acquire.

use super::tests::{ALL, Block, RELAXED, strided};
use super::{Authors, Ordering, Strong, WarpAccess};

/// Lane 0 of warp 0 writes 32 words and sets a flag at 1024, lane 0 of warp 1 sees the flag and reads each word.
fn message(fences: (bool, bool), set: (Strong, Ordering), get: (Strong, Ordering)) -> usize {
    let mut block = Block::written(2);
    (0..32).for_each(|word| assert_eq!(block.store(0, 1, [4 * word; 32], 4), []));
    if fences.0 {
        block.shadow.fence(0, 1, true);
    }
    assert_eq!(block.strong(0, 1024, set.0, set.1), []);
    assert_eq!(block.strong(1, 1024, get.0, get.1), []);
    if fences.1 {
        block.shadow.fence(1, 1, true);
    }
    (0..32).map(|word| block.load(1, 1, [4 * word; 32], 4).len()).sum()
}

const RELEASE: Ordering = Ordering { acquire: false, release: true, wide: true };
const ACQUIRE: Ordering = Ordering { acquire: true, release: false, wide: true };

#[test]
fn release_and_acquire_order() {
    use Strong::{Atomic, Load, Store};
    assert_eq!(message((true, true), (Atomic, RELAXED), (Atomic, RELAXED)), 0);
    assert_eq!(message((true, true), (Store, RELAXED), (Load, RELAXED)), 0);
    assert_eq!(message((false, false), (Store, RELEASE), (Load, ACQUIRE)), 0);
    assert_eq!(message((false, true), (Atomic, RELEASE), (Load, RELAXED)), 0);
    // Half a pattern orders nothing.
    assert_eq!(message((true, false), (Store, RELAXED), (Load, RELAXED)), 32);
    assert_eq!(message((false, true), (Store, RELAXED), (Load, RELAXED)), 32);
    assert_eq!(message((false, false), (Store, RELEASE), (Load, RELAXED)), 32);
    assert_eq!(message((false, false), (Atomic, RELAXED), (Atomic, ACQUIRE)), 32);
}

#[test]
fn a_thread_releases_what_its_sisters_did_before_they_met() {
    // All lanes of warp 0 write, lane 0 sets the flag, lane 0 of warp 1 acquires and reads word 0 and word 9.
    for (meets, races) in [(false, [0, 1]), (true, [0, 0])] {
        let mut block = Block::written(2);
        assert_eq!(block.store(0, ALL, strided(0, 4), 4), []);
        if meets {
            block.shadow.warp_sync(0, ALL);
        }
        block.strong(0, 1024, Strong::Store, RELEASE);
        block.strong(1, 1024, Strong::Load, ACQUIRE);
        assert_eq!([0, 36].map(|at| block.load(1, 1, [at; 32], 4).len()), races, "{meets}");
    }
    // A fence by a sister does not help.
    let mut block = Block::written(2);
    block.store(0, ALL, strided(0, 4), 4);
    block.shadow.fence(0, ALL & !1, true);
    block.strong(0, 1024, Strong::Store, RELAXED);
    block.strong(1, 1024, Strong::Load, ACQUIRE);
    assert_eq!(block.load(1, 1, [0; 32], 4).len(), 1);
}

#[test]
fn a_thread_acquires_for_itself_until_its_warp_meets() {
    // Lane 0 of warp 1 acquires; lane 5 reads.
    for (meets, races) in [(0, 1), (0b100_0001, 1), (0b10_0001, 0), (ALL, 0)] {
        let mut block = Block::written(2);
        block.store(0, 1, [0; 32], 4);
        block.strong(0, 1024, Strong::Store, RELEASE);
        block.strong(1, 1024, Strong::Load, ACQUIRE);
        if meets != 0 {
            block.shadow.warp_sync(1, meets);
        }
        assert_eq!(block.load(1, 1 << 5, [0; 32], 4).len(), races, "{meets:#x}");
    }
    // What one thread learned goes on through a barrier of the block.
    let mut block = Block::written(3);
    block.store(0, 1, [0; 32], 4);
    block.strong(0, 1024, Strong::Store, RELEASE);
    block.strong(1, 1024, Strong::Load, ACQUIRE);
    block.barrier(1, 1..3, 1..3);
    assert_eq!(block.load(2, ALL, [0; 32], 4), []);
}

#[test]
fn threads_that_all_release_make_a_warp() {
    // Each lane of warp 0 releases its own word at a flag of its own; warp 1 acquires them all, lane by lane and together.
    let mut block = Block::written(2);
    block.store(0, ALL, strided(0, 4), 4);
    let flags = strided(1024, 0);
    for (warp, kind, ordering) in [(0, Strong::Atomic, RELEASE), (1, Strong::Load, ACQUIRE)] {
        let found = block.event(|shadow, pc, out| {
            let access = WarpAccess { warp, pc, mask: ALL, addresses: &flags, bytes: 4, authors: Authors::Lanes };
            shadow.strong(access, kind, ordering, out);
        });
        assert_eq!(found, []);
    }
    assert_eq!(block.load(1, ALL, std::array::from_fn(|lane| 4 * (31 - lane as u64)), 4), []);
    assert_eq!(block.store(1, ALL, strided(0, 4), 4).len(), 32, "lane 31 - l has read");
}

#[test]
fn a_relaxed_store_ends_what_the_flag_told_and_an_atomic_keeps_it() {
    for (between, races) in [(Strong::Store, 1), (Strong::Atomic, 0)] {
        let mut block = Block::written(3);
        block.store(0, 1, [0; 32], 4);
        block.strong(0, 1024, Strong::Store, RELEASE);
        block.strong(2, 1024, between, RELAXED);
        block.strong(1, 1024, Strong::Load, ACQUIRE);
        assert_eq!(block.load(1, 1, [0; 32], 4).len(), races);
    }
}
