//! The quick look: what is plainly in order is recorded without a call, the rest is left to [`super::examine`].

use std::ops::Range;

use super::cells::{IN_FLIGHT, Kind, Lanes, Layer, Track, UNWRITTEN, WRITTEN as UNTOUCHED, Writer};
use super::memory::Moment;
use super::order::Order;
use super::{WarpAccess, lanes};

/// A plain load. `SHIFT` is the layer's: 2 for words, 0 for bytes. Gives the lanes that need a closer look.
#[inline(always)]
pub(super) fn load<const SHIFT: u32>(at: Moment<'_>, layer: &mut Layer, access: WarpAccess<'_>) -> u32 {
    match access.bytes >> SHIFT {
        1 => load_cells::<SHIFT, 1>(at, layer, access),
        2 => load_cells::<SHIFT, 2>(at, layer, access),
        4 => load_cells::<SHIFT, 4>(at, layer, access),
        8 => load_cells::<SHIFT, 8>(at, layer, access),
        16 => load_cells::<SHIFT, 16>(at, layer, access),
        _ => access.mask,
    }
}

/// A plain store, where no strong access is near.
#[inline(always)]
pub(super) fn store<const SHIFT: u32>(at: Moment<'_>, layer: &mut Layer, access: WarpAccess<'_>) -> u32 {
    write::<SHIFT>(at, at.now, layer, access)
}

/// The issue of an asynchronous copy of whole words, where no strong access is near.
pub(super) fn copy(at: Moment<'_>, layer: &mut Layer, access: WarpAccess<'_>) -> u32 {
    write::<2>(at, IN_FLIGHT, layer, access)
}

/// A write now, after which the cells have the time `mark`.
#[inline(always)]
fn write<const SHIFT: u32>(at: Moment<'_>, mark: u32, layer: &mut Layer, access: WarpAccess<'_>) -> u32 {
    match access.bytes >> SHIFT {
        1 => write_cells::<SHIFT, 1>(at, mark, layer, access),
        2 => write_cells::<SHIFT, 2>(at, mark, layer, access),
        4 => write_cells::<SHIFT, 4>(at, mark, layer, access),
        8 => write_cells::<SHIFT, 8>(at, mark, layer, access),
        16 => write_cells::<SHIFT, 16>(at, mark, layer, access),
        _ => access.mask,
    }
}

#[inline(always)]
fn load_cells<const SHIFT: u32, const N: usize>(
    Moment { order, now, .. }: Moment<'_>,
    layer: &mut Layer,
    access: WarpAccess<'_>,
) -> u32 {
    let WarpAccess { warp, pc, mask, addresses, .. } = access;
    let (floor, met) = (order.floor(warp as usize), order.known(warp as usize, warp as usize));
    layer.track(Kind::Read, warp as usize).latest = now;
    let is_untouched = layer.is_untouched();
    let Layer { write, reads, .. } = layer;
    let reads = &mut reads[warp as usize];
    if let Some(first) = row::<SHIFT, N>(access) {
        let cells = first..first + 32 * N;
        let is_settled = is_untouched
            || write.time.get(cells.clone()).is_some_and(|written| all(written, |time| time.wrapping_sub(1) < floor))
            || is_one_in_order(order, warp as usize, write, &cells);
        if is_settled
            && let (Some(time), Some(who)) = (reads.time.get_mut(cells.clone()), reads.who.get_mut(cells))
            && all(time, |time| time <= met)
        {
            time.fill(now);
            for (lane, who) in who.chunks_exact_mut(N).enumerate() {
                who.copy_from_slice(&authors::<SHIFT, N>(access, lane).map(|by| Lanes::new(by.lane(), pc).0));
            }
            return 0;
        }
    }
    let mut left = 0;
    for lane in lanes(mask) {
        let first = (addresses[lane] >> SHIFT) as usize;
        let authors = authors::<SHIFT, N>(access, lane);
        let written = if is_untouched { Some(&[UNTOUCHED; N]) } else { chunk::<N>(&write.time, first) };
        let (Some(written), Some(time), Some(who)) =
            (written, chunk_mut::<N>(&mut reads.time, first), chunk_mut::<N>(&mut reads.who, first))
        else {
            continue;
        };
        // Written, and not after what everyone is known to have done. Marks are greater than any time, and 0 becomes so.
        if !all(written, |time| time.wrapping_sub(1) < floor) {
            let in_order = |who: &[u32; N]| {
                let mut cells = written.iter().zip(who).zip(authors);
                cells.all(|((time, who), by)| *time != UNWRITTEN && order.is_ordered(by, *time, *who))
            };
            if !chunk::<N>(&write.who, first).is_some_and(in_order) {
                left |= 1 << lane;
                continue;
            }
        }
        if all(time, |time| time <= met) {
            *who = authors.map(|by| Lanes::new(by.lane(), pc).0);
        } else {
            for ((who, time), by) in who.iter_mut().zip(time.iter()).zip(authors) {
                let lane = by.lane();
                *who = if *time <= met { Lanes::new(lane, pc).0 } else { Lanes(*who).and_then(lane, pc).0 };
            }
        }
        *time = [now; N];
    }
    left
}

#[inline(always)]
fn write_cells<const SHIFT: u32, const N: usize>(
    Moment { order, now, .. }: Moment<'_>,
    mark: u32,
    layer: &mut Layer,
    access: WarpAccess<'_>,
) -> u32 {
    let WarpAccess { warp, mask, addresses, .. } = access;
    let row = row::<SHIFT, N>(access);
    let mut left = 0;
    for (other, reads) in layer.reads.iter().enumerate() {
        let known = order.known(warp as usize, other);
        if reads.latest <= known {
            continue;
        }
        if row.is_some_and(|first| reads.time.get(first..first + 32 * N).is_some_and(|time| all(time, |t| t <= known)))
        {
            continue;
        }
        for lane in lanes(mask) {
            let first = (addresses[lane] >> SHIFT) as usize;
            let (Some(time), Some(who)) = (chunk::<N>(&reads.time, first), chunk::<N>(&reads.who, first)) else {
                continue;
            };
            if all(time, |time| time <= known) {
                continue;
            }
            // A thread may write what it alone has read.
            let authors = authors::<SHIFT, N>(access, lane);
            let alone = |((time, who), by): ((&u32, &u32), &Writer)| *time <= known || Lanes(*who).is_alone(by.lane());
            if other != warp as usize || !time.iter().zip(who).zip(&authors).all(alone) {
                left |= 1 << lane;
            }
        }
    }
    let floor = order.floor(warp as usize);
    let write = &mut layer.write;
    write.latest = now;
    if let (0, Some(first)) = (left, row) {
        let cells = first..first + 32 * N;
        if let (Some(time), Some(who)) = (write.time.get_mut(cells.clone()), write.who.get_mut(cells))
            && all(time, |time| time <= floor)
        {
            time.fill(mark);
            for (lane, who) in who.chunks_exact_mut(N).enumerate() {
                who.copy_from_slice(&authors::<SHIFT, N>(access, lane).map(|by| by.0));
            }
            return 0;
        }
    }
    for lane in lanes(mask & !left) {
        let first = (addresses[lane] >> SHIFT) as usize;
        let (Some(time), Some(who)) = (chunk_mut::<N>(&mut write.time, first), chunk_mut::<N>(&mut write.who, first))
        else {
            continue;
        };
        let authors = authors::<SHIFT, N>(access, lane);
        let in_order =
            |((time, who), by): ((&u32, &u32), &Writer)| *time == UNWRITTEN || order.is_ordered(*by, *time, *who);
        if all(time, |time| time <= floor) || time.iter().zip(who.iter()).zip(&authors).all(in_order) {
            *time = [mark; N];
            *who = authors.map(|by| by.0);
        } else {
            left |= 1 << lane;
        }
    }
    left
}

/// Whether one write by one thread, or one copy, has made all of some cells, and every lane of a warp knows of it.
fn is_one_in_order(order: &Order, warp: usize, write: &Track, cells: &Range<usize>) -> bool {
    let (Some(times), Some(authors)) = (write.time.get(cells.clone()), write.who.get(cells.clone())) else {
        return false;
    };
    let (time, author) = (times[0], authors[0]);
    all(times, |other| other == time) && all(authors, |other| other == author) && order.is_common(warp, time, author)
}

/// Who accesses the cells of a lane's access.
#[inline(always)]
fn authors<const SHIFT: u32, const N: usize>(access: WarpAccess<'_>, lane: usize) -> [Writer; N] {
    std::array::from_fn(|cell| access.author(lane as u32, (cell as u32) >> (2 - SHIFT)))
}

/// The first cell if all lanes access, one behind the other.
#[inline(always)]
fn row<const SHIFT: u32, const N: usize>(access: WarpAccess<'_>) -> Option<usize> {
    let first = access.addresses[0];
    let step = (N as u64) << SHIFT;
    let in_row = access.addresses.iter().zip(0..).fold(true, |fine, (at, lane)| fine & (*at == first + lane * step));
    (access.mask == u32::MAX && in_row).then_some((first >> SHIFT) as usize)
}

/// Without a branch for each cell, so that it can be done for many at once.
#[inline(always)]
fn all(times: &[u32], holds: impl Fn(u32) -> bool) -> bool {
    times.iter().fold(true, |fine, time| fine & holds(*time))
}

#[inline(always)]
fn chunk<const N: usize>(cells: &[u32], first: usize) -> Option<&[u32; N]> {
    cells.get(first..first + N)?.try_into().ok()
}

#[inline(always)]
fn chunk_mut<const N: usize>(cells: &mut [u32], first: usize) -> Option<&mut [u32; N]> {
    cells.get_mut(first..first + N)?.try_into().ok()
}
