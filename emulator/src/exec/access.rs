//! Loads and stores, for all lanes of a mask at once. Bounds and alignment are checked before any byte is touched; a lane that
//! fails is reported and left out: it loads 0xff bytes and stores nothing.

use super::{Env, Warp, observe};
use crate::fault::FaultKind;
use crate::lanes::{FULL, LANES, R32, R64, Slot, lanes_of};
use crate::memory::Space;

/// A register that memory can be loaded to and stored from.
pub(crate) trait Element: Slot {
    /// The register's value for bits from memory, which are zero-extended.
    fn from_bits(bits: u64) -> Self::Value;
    /// The bits for memory.
    fn to_bits(value: Self::Value) -> u64;
}

impl Element for R32 {
    #[inline(always)]
    fn from_bits(bits: u64) -> u32 {
        bits as u32
    }

    #[inline(always)]
    fn to_bits(value: u32) -> u64 {
        u64::from(value)
    }
}

impl Element for R64 {
    #[inline(always)]
    fn from_bits(bits: u64) -> u64 {
        bits
    }

    #[inline(always)]
    fn to_bits(value: u64) -> u64 {
        value
    }
}

/// Loads `N` elements of `W` bytes for each lane.
#[inline(always)]
pub(crate) fn load<D: Element, const W: usize, const N: usize>(
    warp: &mut Warp,
    env: &mut Env<'_>,
    mask: u32,
    space: Space,
    addresses: &[u64; LANES],
) -> [[D::Value; LANES]; N] {
    let mut values = [[D::from_bits(u64::MAX); LANES]; N];
    match space {
        Space::Global => load_global::<D, W, N>(warp, env, mask, addresses, &mut values),
        Space::Shared => load_shared::<D, W, N>(warp, env, mask, addresses, &mut values),
        Space::Local => load_local::<D, W, N>(warp, env, mask, addresses, &mut values),
        Space::Param => load_param::<D, W, N>(warp, env, mask, addresses, &mut values),
        Space::Generic => {
            let mut rest = mask;
            while let Some((space, lanes, offsets)) = one_space(&mut rest, addresses) {
                match space {
                    Space::Shared => load_shared::<D, W, N>(warp, env, lanes, &offsets, &mut values),
                    Space::Local => load_local::<D, W, N>(warp, env, lanes, &offsets, &mut values),
                    Space::Param => load_param::<D, W, N>(warp, env, lanes, &offsets, &mut values),
                    _ => load_global::<D, W, N>(warp, env, lanes, &offsets, &mut values),
                }
            }
        }
    }
    values
}

/// Stores `N` elements of `W` bytes for each lane.
#[inline(always)]
pub(crate) fn store<S: Element, const W: usize, const N: usize>(
    warp: &mut Warp,
    env: &mut Env<'_>,
    mask: u32,
    space: Space,
    addresses: &[u64; LANES],
    values: &[[S::Value; LANES]; N],
) {
    match space {
        Space::Global => store_global::<S, W, N>(warp, env, mask, addresses, values),
        Space::Shared => store_shared::<S, W, N>(warp, env, mask, addresses, values),
        Space::Local => store_local::<S, W, N>(warp, env, mask, addresses, values),
        Space::Param => read_only(warp, env, mask, addresses),
        Space::Generic => {
            let mut rest = mask;
            while let Some((space, lanes, offsets)) = one_space(&mut rest, addresses) {
                match space {
                    Space::Shared => store_shared::<S, W, N>(warp, env, lanes, &offsets, values),
                    Space::Local => store_local::<S, W, N>(warp, env, lanes, &offsets, values),
                    Space::Param => read_only(warp, env, lanes, &offsets),
                    _ => store_global::<S, W, N>(warp, env, lanes, &offsets, values),
                }
            }
        }
    }
}

/// Takes the lanes whose generic address lies in the space of the first lane's: that space, the lanes, their addresses in it.
#[inline(always)]
pub(crate) fn one_space(rest: &mut u32, addresses: &[u64; LANES]) -> Option<(Space, u32, [u64; LANES])> {
    if *rest == 0 {
        return None;
    }
    let space = Space::of(addresses[rest.trailing_zeros() as usize]);
    let lanes =
        lanes_of(*rest).filter(|lane| Space::of(addresses[*lane]) == space).fold(0, |mask, lane| mask | 1 << lane);
    *rest &= !lanes;
    let window = space.window();
    Some((space, lanes, std::array::from_fn(|lane| addresses[lane].wrapping_sub(window))))
}

/// The lanes of `mask` whose access lies within `bytes` bytes at `base` and is aligned to its size.
#[inline(always)]
fn fitting(mask: u32, addresses: &[u64; LANES], base: u64, bytes: u64, size: u64) -> u32 {
    if size > bytes {
        return 0;
    }
    let last = bytes - size;
    let mut bad = 0;
    for address in addresses {
        bad |= u64::from(address.wrapping_sub(base) > last) | (address & (size - 1));
    }
    if bad == 0 {
        return mask;
    }
    let fits = |lane: usize| addresses[lane].wrapping_sub(base) <= last && addresses[lane] & (size - 1) == 0;
    lanes_of(mask).filter(|lane| fits(*lane)).fold(0, |mask, lane| mask | 1 << lane)
}

/// Calls `f` for each lane of a mask; a full mask is a plain loop.
#[inline(always)]
fn each_lane(mask: u32, mut f: impl FnMut(usize)) {
    if mask == FULL {
        for lane in 0..LANES {
            f(lane);
        }
    } else {
        for lane in lanes_of(mask) {
            f(lane);
        }
    }
}

#[inline(always)]
fn load_global<D: Element, const W: usize, const N: usize>(
    warp: &Warp,
    env: &mut Env<'_>,
    mask: u32,
    addresses: &[u64; LANES],
    values: &mut [[D::Value; LANES]; N],
) {
    let size = (W * N) as u64;
    observe::global_load(env, mask, addresses, size);
    let mut rest = mask;
    while rest != 0 {
        let first = rest.trailing_zeros() as usize;
        let Some(region) = env.region(addresses[first], size) else {
            out_of_bounds(warp, env, first, Space::Global, addresses[first], size);
            rest &= rest - 1;
            continue;
        };
        let lanes = fitting(rest, addresses, region.base, region.bytes, size);
        if lanes >> first & 1 == 0 {
            misaligned(warp, env, first, Space::Global, addresses[first], size);
            rest &= rest - 1;
            continue;
        }
        let place = region.place();
        each_lane(lanes, |lane| {
            let offset = (addresses[lane] - region.base) as usize;
            for (n, value) in values.iter_mut().enumerate() {
                // SAFETY: `fitting` found the lane's `size` bytes inside the region, at a multiple of `size`.
                value[lane] = D::from_bits(unsafe { place.load::<W>(offset + n * W) });
            }
        });
        rest &= !lanes;
    }
}

#[inline(always)]
fn store_global<S: Element, const W: usize, const N: usize>(
    warp: &Warp,
    env: &mut Env<'_>,
    mask: u32,
    addresses: &[u64; LANES],
    values: &[[S::Value; LANES]; N],
) {
    let size = (W * N) as u64;
    observe::global_store(env, mask, addresses, size);
    let mut rest = mask;
    while rest != 0 {
        let first = rest.trailing_zeros() as usize;
        let Some(region) = env.region(addresses[first], size) else {
            out_of_bounds(warp, env, first, Space::Global, addresses[first], size);
            rest &= rest - 1;
            continue;
        };
        let lanes = fitting(rest, addresses, region.base, region.bytes, size);
        if lanes >> first & 1 == 0 {
            misaligned(warp, env, first, Space::Global, addresses[first], size);
            rest &= rest - 1;
            continue;
        }
        rest &= !lanes;
        if region.read_only {
            read_only(warp, env, lanes, addresses);
            continue;
        }
        let place = region.place();
        each_lane(lanes, |lane| {
            let offset = (addresses[lane] - region.base) as usize;
            for (n, value) in values.iter().enumerate() {
                // SAFETY: `fitting` found the lane's `size` bytes inside the region, at a multiple of `size`.
                unsafe { place.store::<W>(offset + n * W, S::to_bits(value[lane])) };
            }
        });
    }
}

#[inline(always)]
fn load_shared<D: Element, const W: usize, const N: usize>(
    warp: &mut Warp,
    env: &mut Env<'_>,
    mask: u32,
    addresses: &[u64; LANES],
    values: &mut [[D::Value; LANES]; N],
) {
    let lanes = shared_lanes(warp, env, mask, addresses, W * N);
    observe::shared_load(warp, env, lanes, addresses, (W * N) as u32);
    let shared = &env.shared;
    each_lane(lanes, |lane| {
        let bytes = &shared[addresses[lane] as usize..][..W * N];
        for (n, value) in values.iter_mut().enumerate() {
            value[lane] = D::from_bits(word::<W>(&bytes[n * W..]));
        }
    });
}

#[inline(always)]
fn store_shared<S: Element, const W: usize, const N: usize>(
    warp: &mut Warp,
    env: &mut Env<'_>,
    mask: u32,
    addresses: &[u64; LANES],
    values: &[[S::Value; LANES]; N],
) {
    let lanes = shared_lanes(warp, env, mask, addresses, W * N);
    let equal = |one: usize, two: usize| values.iter().all(|value| S::to_bits(value[one]) == S::to_bits(value[two]));
    observe::shared_store(warp, env, lanes, addresses, (W * N) as u32, equal);
    let shared = &mut env.shared;
    each_lane(lanes, |lane| {
        let bytes = &mut shared[addresses[lane] as usize..][..W * N];
        for (n, value) in values.iter().enumerate() {
            bytes[n * W..][..W].copy_from_slice(&S::to_bits(value[lane]).to_le_bytes()[..W]);
        }
    });
}

/// The lanes whose access to shared memory is allowed; the others are reported.
#[inline(always)]
pub(crate) fn shared_lanes(warp: &Warp, env: &mut Env<'_>, mask: u32, addresses: &[u64; LANES], size: usize) -> u32 {
    let bytes = env.shared.len() as u64;
    let lanes = fitting(mask, addresses, 0, bytes, size as u64);
    if lanes != mask {
        for lane in lanes_of(mask & !lanes) {
            let address = addresses[lane];
            if address.checked_add(size as u64).is_none_or(|end| end > bytes) {
                out_of_bounds(warp, env, lane, Space::Shared, address, size as u64);
            } else {
                misaligned(warp, env, lane, Space::Shared, address, size as u64);
            }
        }
    }
    lanes
}

fn load_local<D: Element, const W: usize, const N: usize>(
    warp: &Warp,
    env: &mut Env<'_>,
    mask: u32,
    addresses: &[u64; LANES],
    values: &mut [[D::Value; LANES]; N],
) {
    for lane in lanes_of(local_lanes(warp, env, mask, addresses, W * N)) {
        let address = addresses[lane];
        if env.context.config.checks.uninitialised && !warp.local.is_written(lane, address, W * N) {
            env.fault(warp, lane, FaultKind::Uninitialised { space: Space::Local.name(), address });
        }
        let bytes = warp.local.bytes(lane, address, W * N);
        for (n, value) in values.iter_mut().enumerate() {
            value[lane] = D::from_bits(word::<W>(&bytes[n * W..]));
        }
    }
}

fn store_local<S: Element, const W: usize, const N: usize>(
    warp: &mut Warp,
    env: &mut Env<'_>,
    mask: u32,
    addresses: &[u64; LANES],
    values: &[[S::Value; LANES]; N],
) {
    for lane in lanes_of(local_lanes(warp, env, mask, addresses, W * N)) {
        let bytes = warp.local.write(lane, addresses[lane], W * N);
        for (n, value) in values.iter().enumerate() {
            bytes[n * W..][..W].copy_from_slice(&S::to_bits(value[lane]).to_le_bytes()[..W]);
        }
    }
}

fn local_lanes(warp: &Warp, env: &mut Env<'_>, mask: u32, addresses: &[u64; LANES], size: usize) -> u32 {
    let mut fit = 0;
    for lane in lanes_of(mask) {
        let address = addresses[lane];
        if !warp.local.holds(address, size) {
            out_of_bounds(warp, env, lane, Space::Local, address, size as u64);
        } else if address % size as u64 != 0 {
            misaligned(warp, env, lane, Space::Local, address, size as u64);
        } else {
            fit |= 1 << lane;
        }
    }
    fit
}

#[inline(always)]
fn load_param<D: Element, const W: usize, const N: usize>(
    warp: &Warp,
    env: &mut Env<'_>,
    mask: u32,
    addresses: &[u64; LANES],
    values: &mut [[D::Value; LANES]; N],
) {
    let params = env.context.params;
    let size = (W * N) as u64;
    let lanes = fitting(mask, addresses, 0, params.len() as u64, size);
    each_lane(lanes, |lane| {
        let bytes = &params[addresses[lane] as usize..][..W * N];
        for (n, value) in values.iter_mut().enumerate() {
            value[lane] = D::from_bits(word::<W>(&bytes[n * W..]));
        }
    });
    for lane in lanes_of(mask & !lanes) {
        let address = addresses[lane];
        if address.checked_add(size).is_none_or(|end| end > params.len() as u64) {
            out_of_bounds(warp, env, lane, Space::Param, address, size);
        } else {
            misaligned(warp, env, lane, Space::Param, address, size);
        }
    }
}

/// The little-endian word at the start of `bytes`.
#[inline(always)]
pub(crate) fn word<const W: usize>(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..W].copy_from_slice(&bytes[..W]);
    u64::from_le_bytes(word)
}

#[cold]
#[inline(never)]
pub(crate) fn out_of_bounds(warp: &Warp, env: &mut Env<'_>, lane: usize, space: Space, address: u64, size: u64) {
    let nearest = match space {
        Space::Global => env.context.view.nearest(address),
        Space::Shared => Some(format!("the block has {} bytes", env.shared.len())),
        _ => None,
    };
    env.fault(warp, lane, FaultKind::OutOfBounds { space: space.name(), address, bytes: size as u32, nearest });
}

#[cold]
#[inline(never)]
pub(crate) fn misaligned(warp: &Warp, env: &mut Env<'_>, lane: usize, space: Space, address: u64, size: u64) {
    env.fault(warp, lane, FaultKind::Misaligned { space: space.name(), address, required: size as u32 });
}

#[cold]
#[inline(never)]
fn read_only(warp: &Warp, env: &mut Env<'_>, mask: u32, addresses: &[u64; LANES]) {
    for lane in lanes_of(mask) {
        env.fault(warp, lane, FaultKind::ReadOnly { address: addresses[lane] });
    }
}
