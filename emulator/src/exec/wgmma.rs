//! `wgmma` on one warp's registers: the operands that a warpgroup reads from shared memory, and the registers in use.

use super::access::out_of_bounds;
use super::{Env, Warp};
use crate::fault::FaultKind;
use crate::lanes::{FULL, LANES, R32, Slot};
use crate::memory::Space;
use crate::numeric::wgmma::{DEPTH, Descriptor, Form, Lines, fragment, multiply_quarter};
use crate::program::Wgmma;

/// The product in hand: what the warps of a group share.
#[derive(Default)]
pub(crate) struct Product {
    /// Rows of `a`, if it lies in shared memory.
    a: Lines,
    /// Columns of `b`.
    b: Lines,
    /// The running warp's number in its group.
    pub slot: usize,
    /// Add to what the accumulators hold.
    pub accumulate: bool,
    /// The accumulators.
    d: Vec<[u32; LANES]>,
}

/// What a warp does with a register that `wgmma` uses.
#[derive(Clone, Copy, Default)]
pub(crate) struct Guard {
    /// Products that have been issued with it and not been waited for, and the latest of them.
    in_flight: u32,
    latest: u32,
    /// Something else than a product of the same shape has touched it since the last `wgmma.fence`.
    touched: bool,
    /// The columns of the latest product that used it as an accumulator.
    shape: usize,
}

impl Guard {
    /// As a thread begins: there has to be a fence before the first product.
    pub const FRESH: Self = Self { in_flight: 0, latest: 0, touched: true, shape: 0 };
}

/// The 16-byte chunks of a matrix of `lines` lines, in the order in which [`fetch`] reads them.
pub(crate) fn chunks(descriptor: Descriptor, lines: usize, across: bool) -> Vec<u32> {
    if across {
        (0..lines / 8).flat_map(|chunk| (0..DEPTH / 2).map(move |k| descriptor.across(chunk, k))).collect()
    } else {
        (0..lines).flat_map(|line| (0..DEPTH / 16).map(move |chunk| descriptor.along(line, chunk))).collect()
    }
}

/// Runs of bytes, from the addresses of 16-byte chunks.
pub(crate) fn ranges(mut chunks: Vec<u32>) -> Vec<(u32, u32)> {
    chunks.sort_unstable();
    chunks.dedup();
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for chunk in chunks {
        match ranges.last_mut() {
            Some((first, bytes)) if *first + *bytes == chunk => *bytes += 16,
            _ => ranges.push((chunk, 16)),
        }
    }
    ranges
}

/// Reads a matrix: its lines, 32 bytes each. What lies outside of shared memory is reported and reads as ones.
fn fetch(warp: &Warp, env: &mut Env<'_>, descriptor: u64, lines: usize, across: bool) -> Lines {
    let chunks = chunks(Descriptor::decode(descriptor), lines, across);
    let inside = |chunk: &u32| u64::from(*chunk) + 16 <= env.shared.len() as u64;
    if let Some(outside) = chunks.iter().copied().find(|chunk| !inside(chunk)) {
        out_of_bounds(warp, env, 0, Space::Shared, outside.into(), 16);
    }
    let mut out = vec![[u8::MAX; DEPTH]; lines];
    for (at, chunk) in chunks.into_iter().enumerate() {
        let Some(bytes) = env.shared.get(chunk as usize..).and_then(|bytes| bytes.first_chunk::<16>()) else {
            continue;
        };
        if across {
            // Eight lines' elements of 16 bits at one depth.
            let (first, k) = (at / (DEPTH / 2) * 8, at % (DEPTH / 2));
            for (line, element) in out[first..first + 8].iter_mut().zip(bytes.as_chunks::<2>().0) {
                line[2 * k..2 * k + 2].copy_from_slice(element);
            }
        } else {
            out[at / 2][at % 2 * 16..][..16].copy_from_slice(bytes);
        }
    }
    out
}

/// Reads the operands of a product from shared memory.
pub(crate) fn fetch_operands(warp: &Warp, env: &mut Env<'_>, wgmma: &Wgmma, (a, b): (u64, u64)) {
    env.wgmma.a.clear();
    if let Some(matrix) = wgmma.a {
        env.wgmma.a = fetch(warp, env, a, 64, matrix.across);
    }
    env.wgmma.b = fetch(warp, env, b, wgmma.form.n, wgmma.b.across);
}

/// A warp's quarter of the product in hand.
#[inline(always)]
pub(crate) fn multiply(warp: &mut Warp, env: &mut Env<'_>, form: &Form, d: &[R32], a: Option<[R32; 4]>) {
    let mut product = std::mem::take(&mut env.wgmma);
    let a = match a {
        Some(registers) => registers.map(|register| register.load(warp)),
        None => fragment(&product.a[16 * product.slot..][..16]),
    };
    product.d.clear();
    product.d.extend(d.iter().map(|register| if product.accumulate { register.load(warp) } else { [0; LANES] }));
    multiply_quarter(form, &mut product.d, &a, &product.b, env.context.perturbation);
    for (register, values) in d.iter().zip(&product.d) {
        register.store(warp, FULL, *values);
    }
    env.wgmma = product;
}

/// A product is issued: its registers have to be fenced from earlier accesses, and are in use from now on.
pub(crate) fn guard_issue(warp: &mut Warp, env: &mut Env<'_>, wgmma: &Wgmma) {
    let mut unfenced = None;
    let uses = wgmma.accumulators.iter().map(|guard| (*guard, wgmma.form.n));
    for (number, shape) in uses.chain(wgmma.fragments.iter().map(|guard| (*guard, 0))) {
        let guard = &mut warp.guards[number as usize];
        let is_other = guard.shape != 0 && guard.shape != shape;
        if guard.touched || is_other {
            unfenced = unfenced.or(Some(number));
        }
        *guard = Guard { in_flight: guard.in_flight + 1, latest: env.pc, touched: false, shape };
    }
    if let Some(number) = unfenced {
        let register = env.context.program.guarded[number as usize].to_string();
        env.fault(warp, 0, FaultKind::Unfenced { register });
    }
}

/// A product has been waited for.
pub(crate) fn guard_wait(warp: &mut Warp, wgmma: &Wgmma) {
    for number in wgmma.accumulators.iter().chain(&wgmma.fragments) {
        let guard = &mut warp.guards[*number as usize];
        guard.in_flight = guard.in_flight.saturating_sub(1);
    }
}

/// `wgmma.fence`.
pub(crate) fn guard_fence(warp: &mut Warp) {
    for guard in &mut warp.guards {
        (guard.touched, guard.shape) = (false, 0);
    }
}

/// Another instruction reads or writes registers that products use.
#[inline(never)]
pub(crate) fn guard_touch(warp: &mut Warp, env: &mut Env<'_>, numbers: &[u32], lanes: u32) {
    let mut pending = None;
    for number in numbers {
        let guard = &mut warp.guards[*number as usize];
        guard.touched = true;
        if guard.in_flight != 0 {
            pending = pending.or(Some((*number, guard.latest)));
        }
    }
    if let Some((number, issue)) = pending {
        let register = env.context.program.guarded[number as usize].to_string();
        let product = Box::new(env.access(warp.index, 0, issue));
        env.fault(warp, lanes.trailing_zeros() as usize, FaultKind::RegisterInFlight { register, product });
    }
}
