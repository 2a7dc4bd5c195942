//! Loads and stores, for all lanes of a mask at once. Bounds and alignment are checked before any byte is touched; a lane that
//! fails is reported and left out: it loads 0xff bytes and stores nothing.

use super::cluster::each_block;
use super::{Env, Warp, observe};
use crate::fault::FaultKind;
use crate::lanes::{FULL, LANES, R32, R64, Slot, lanes_of};
use crate::memory::{Region, Space};
use crate::shadow::{Act, Ordering, Strong};

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

/// The elements of each lane of one access, as bits: at most eight.
pub(crate) type Elements = [[u64; LANES]; 8];

/// How many elements of how many bytes a lane accesses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub count: usize,
    pub bytes: usize,
    /// What a volatile, relaxed, acquire or release access orders; `None` for a plain one.
    pub strong: Option<Ordering>,
}

impl Shape {
    fn size(self) -> usize {
        self.count * self.bytes
    }

    /// The elements among the bytes of an access.
    fn unpack(self, bytes: &[u8], lane: usize, elements: &mut Elements) {
        for (element, word) in elements.iter_mut().zip(bytes.chunks_exact(self.bytes)) {
            let mut wide = [0; 8];
            wide[..self.bytes].copy_from_slice(word);
            element[lane] = u64::from_le_bytes(wide);
        }
    }

    /// The bytes of an access.
    fn pack(self, elements: &Elements, lane: usize, bytes: &mut [u8]) {
        for (element, word) in elements.iter().zip(bytes.chunks_exact_mut(self.bytes)) {
            word.copy_from_slice(&element[lane].to_le_bytes()[..self.bytes]);
        }
    }
}

/// Loads from any space. Global and shared memory have faster ways, which this one takes for generic addresses.
pub(crate) fn load(
    warp: &mut Warp,
    env: &mut Env<'_>,
    mask: u32,
    space: Space,
    addresses: &[u64; LANES],
    shape: Shape,
) -> Elements {
    let mut elements = [[u64::MAX; LANES]; 8];
    let mut rest = mask;
    if shape.strong.is_some() {
        warp.hurry();
    }
    while rest != 0 {
        let (space, lanes, offsets) = one_space(&mut rest, space, addresses);
        match space {
            Space::Shared => load_from_block(warp, env, lanes, &offsets, shape, &mut elements),
            Space::Cluster => each_block(warp, env, lanes, &offsets, &mut |warp, env, lanes, offsets| {
                load_from_block(warp, env, lanes, offsets, shape, &mut elements);
            }),
            Space::Local => load_local(warp, env, lanes, &offsets, shape, &mut elements),
            Space::Param => load_param(warp, env, lanes, &offsets, shape, &mut elements),
            _ => {
                let size = shape.size() as u64;
                observe::global_load(env, lanes, &offsets, size);
                each_region(warp, env, (lanes, &offsets, size), &mut |warp, env, region, lanes| {
                    let act = shape.strong.map_or(Act::Load, |ordering| Act::Strong(Strong::Load, ordering));
                    observe::global(warp, env, region, (lanes, &offsets, size), act);
                    for lane in lanes_of(lanes) {
                        let offset = (offsets[lane] - region.base) as usize;
                        let mut bytes = [0; 32];
                        for (at, byte) in bytes[..shape.size()].iter_mut().enumerate() {
                            // SAFETY: `each_region` found the bytes inside the region.
                            *byte = unsafe { region.place().load::<1>(offset + at) } as u8;
                        }
                        shape.unpack(&bytes[..shape.size()], lane, &mut elements);
                    }
                });
            }
        }
    }
    elements
}

/// Stores to any space.
pub(crate) fn store(
    warp: &mut Warp,
    env: &mut Env<'_>,
    mask: u32,
    space: Space,
    addresses: &[u64; LANES],
    (shape, elements): (Shape, &Elements),
) {
    let mut rest = mask;
    while rest != 0 {
        let (space, lanes, offsets) = one_space(&mut rest, space, addresses);
        match space {
            Space::Shared => store_to_block(warp, env, lanes, &offsets, (shape, elements)),
            Space::Cluster => each_block(warp, env, lanes, &offsets, &mut |warp, env, lanes, offsets| {
                store_to_block(warp, env, lanes, offsets, (shape, elements));
            }),
            Space::Local => {
                observe::local(env, lanes, shape.size(), true);
                for lane in lanes_of(local_lanes(warp, env, lanes, &offsets, shape.size())) {
                    shape.pack(elements, lane, warp.local.write(lane, offsets[lane], shape.size()));
                }
            }
            Space::Param => read_only(warp, env, lanes, &offsets),
            _ => {
                let size = shape.size() as u64;
                let equal = |one: usize, two: usize| elements[..shape.count].iter().all(|e| e[one] == e[two]);
                observe::global_store(env, lanes, &offsets, size);
                each_region(warp, env, (lanes, &offsets, size), &mut |warp, env, region, lanes| {
                    if region.read_only {
                        return read_only(warp, env, lanes, &offsets);
                    }
                    let act = shape.strong.map_or(Act::Store(&equal), |order| Act::Strong(Strong::Store, order));
                    observe::global(warp, env, region, (lanes, &offsets, size), act);
                    for lane in lanes_of(lanes) {
                        let offset = (offsets[lane] - region.base) as usize;
                        let mut bytes = [0; 32];
                        shape.pack(elements, lane, &mut bytes[..shape.size()]);
                        for (at, byte) in bytes[..shape.size()].iter().enumerate() {
                            // SAFETY: `each_region` found the bytes inside the region.
                            unsafe { region.place().store::<1>(offset + at, u64::from(*byte)) };
                        }
                    }
                });
            }
        }
    }
}

fn load_from_block(
    warp: &mut Warp,
    env: &mut Env<'_>,
    lanes: u32,
    offsets: &[u64; LANES],
    shape: Shape,
    elements: &mut Elements,
) {
    let lanes = shared_lanes(warp, env, lanes, offsets, shape.size());
    match shape.strong {
        None => observe::shared_load(warp, env, lanes, offsets, shape.size() as u32),
        Some(ordering) => {
            let kind = (Strong::Load, ordering);
            observe::shared_strong(warp, env, lanes, offsets, shape.size() as u32, kind);
        }
    }
    for lane in lanes_of(lanes) {
        shape.unpack(&env.shared[offsets[lane] as usize..][..shape.size()], lane, elements);
    }
}

fn store_to_block(
    warp: &mut Warp,
    env: &mut Env<'_>,
    lanes: u32,
    offsets: &[u64; LANES],
    (shape, elements): (Shape, &Elements),
) {
    let lanes = shared_lanes(warp, env, lanes, offsets, shape.size());
    let equal = |one: usize, two: usize| elements[..shape.count].iter().all(|e| e[one] == e[two]);
    match shape.strong {
        None => {
            let held = |lane: usize, bytes: &[u8]| {
                let mut stored = bytes.to_vec();
                shape.pack(elements, lane, &mut stored);
                stored == bytes
            };
            observe::shared_store(warp, env, lanes, offsets, shape.size() as u32, equal, held);
        }
        Some(ordering) => {
            let kind = (Strong::Store, ordering);
            observe::shared_strong(warp, env, lanes, offsets, shape.size() as u32, kind);
        }
    }
    for lane in lanes_of(lanes) {
        shape.pack(elements, lane, &mut env.shared[offsets[lane] as usize..][..shape.size()]);
    }
}

/// What to do with the lanes of an access whose bytes lie in one allocation.
type InRegion<'f> = &'f mut dyn FnMut(&Warp, &mut Env<'_>, &Region<'_>, u32);

/// Calls `f` for the lanes of each allocation. Lanes whose access is not allowed are reported and left out.
pub(crate) fn each_region(
    warp: &Warp,
    env: &mut Env<'_>,
    (mask, addresses, size): (u32, &[u64; LANES], u64),
    f: InRegion<'_>,
) {
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
        f(warp, env, &region, lanes);
    }
}

/// Takes from `rest` the lanes whose address lies in the space of the first lane's: that space, the lanes, their addresses in
/// it. Only a generic address can be in more than one; one in shared memory may be in any block's of the cluster.
pub(crate) fn one_space(rest: &mut u32, space: Space, addresses: &[u64; LANES]) -> (Space, u32, [u64; LANES]) {
    if space != Space::Generic {
        return (space, std::mem::take(rest), *addresses);
    }
    let space = Space::of(addresses[rest.trailing_zeros() as usize % LANES]);
    let lanes =
        lanes_of(*rest).filter(|lane| Space::of(addresses[*lane]) == space).fold(0, |mask, lane| mask | 1 << lane);
    *rest &= !lanes;
    let window = space.window();
    let space = if space == Space::Shared { Space::Cluster } else { space };
    (space, lanes, std::array::from_fn(|lane| addresses[lane].wrapping_sub(window)))
}

/// The lanes of `mask` whose access lies within `bytes` bytes at `base` and is aligned to its size.
#[inline(never)]
fn fitting(mask: u32, addresses: &[u64; LANES], base: u64, bytes: u64, size: u64) -> u32 {
    if size > bytes {
        return 0;
    }
    let last = bytes - size;
    // No comparisons, so that it is vector code on every host: an offset that is too large has a sign, or the distance to it.
    let (mut high, mut low) = (0, 0);
    for address in addresses {
        let offset = address.wrapping_sub(base);
        high |= offset | last.wrapping_sub(offset);
        low |= address;
    }
    if high >> 63 == 0 && low & (size - 1) == 0 {
        return mask;
    }
    let fits = |lane: usize| addresses[lane].wrapping_sub(base) <= last && addresses[lane] & (size - 1) == 0;
    lanes_of(mask).filter(|lane| fits(*lane)).fold(0, |mask, lane| mask | 1 << lane)
}

#[inline(always)]
pub(crate) fn load_global<D: Element, const W: usize, const N: usize>(
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
        observe::global(warp, env, &region, (lanes, addresses, size), Act::Load);
        let place = region.place();
        let mut load = |lane: usize| {
            let offset = (addresses[lane] - region.base) as usize;
            for (n, value) in values.iter_mut().enumerate() {
                // SAFETY: `fitting` found the lane's `size` bytes inside the region, at a multiple of `size`.
                value[lane] = D::from_bits(unsafe { place.load::<W>(offset + n * W) });
            }
        };
        // The most frequent load of all is worth a loop without a mask.
        if N == 1 && lanes == FULL {
            (0..LANES).for_each(load);
        } else {
            lanes_of(lanes).for_each(&mut load);
        }
        rest &= !lanes;
    }
}

#[inline(always)]
pub(crate) fn store_global<S: Element, const W: usize, const N: usize>(
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
        let equal =
            |one: usize, two: usize| values.iter().all(|value| S::to_bits(value[one]) == S::to_bits(value[two]));
        observe::global(warp, env, &region, (lanes, addresses, size), Act::Store(&equal));
        let place = region.place();
        for lane in lanes_of(lanes) {
            let offset = (addresses[lane] - region.base) as usize;
            for (n, value) in values.iter().enumerate() {
                // SAFETY: `fitting` found the lane's `size` bytes inside the region, at a multiple of `size`.
                unsafe { place.store::<W>(offset + n * W, S::to_bits(value[lane])) };
            }
        }
    }
}

#[inline(always)]
pub(crate) fn load_shared<D: Element, const W: usize, const N: usize>(
    warp: &mut Warp,
    env: &mut Env<'_>,
    mask: u32,
    addresses: &[u64; LANES],
    values: &mut [[D::Value; LANES]; N],
) {
    let lanes = shared_lanes(warp, env, mask, addresses, W * N);
    observe::shared_load(warp, env, lanes, addresses, (W * N) as u32);
    let shared = &env.shared;
    for lane in lanes_of(lanes) {
        let bytes = &shared[addresses[lane] as usize..][..W * N];
        for (n, value) in values.iter_mut().enumerate() {
            value[lane] = D::from_bits(word::<W>(&bytes[n * W..]));
        }
    }
}

#[inline(always)]
pub(crate) fn store_shared<S: Element, const W: usize, const N: usize>(
    warp: &mut Warp,
    env: &mut Env<'_>,
    mask: u32,
    addresses: &[u64; LANES],
    values: &[[S::Value; LANES]; N],
) {
    let lanes = shared_lanes(warp, env, mask, addresses, W * N);
    let equal = |one: usize, two: usize| values.iter().all(|value| S::to_bits(value[one]) == S::to_bits(value[two]));
    let held = |lane: usize, bytes: &[u8]| {
        let word = |value: &[S::Value; LANES]| S::to_bits(value[lane]).to_le_bytes();
        bytes.chunks_exact(W).zip(values).all(|(bytes, value)| bytes == &word(value)[..W])
    };
    observe::shared_store(warp, env, lanes, addresses, (W * N) as u32, equal, held);
    let shared = &mut env.shared;
    for lane in lanes_of(lanes) {
        let bytes = &mut shared[addresses[lane] as usize..][..W * N];
        for (n, value) in values.iter().enumerate() {
            bytes[n * W..][..W].copy_from_slice(&S::to_bits(value[lane]).to_le_bytes()[..W]);
        }
    }
}

/// The lanes whose access to shared memory is allowed; the others are reported.
#[inline(never)]
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

fn load_local(
    warp: &Warp,
    env: &mut Env<'_>,
    mask: u32,
    addresses: &[u64; LANES],
    shape: Shape,
    elements: &mut Elements,
) {
    observe::local(env, mask, shape.size(), false);
    for lane in lanes_of(local_lanes(warp, env, mask, addresses, shape.size())) {
        let address = addresses[lane];
        if env.context.config.checks.uninitialised && !warp.local.is_written(lane, address, shape.size()) {
            env.fault(warp, lane, FaultKind::Uninitialised { space: Space::Local.name(), address, nearest: None });
        }
        shape.unpack(warp.local.bytes(lane, address, shape.size()), lane, elements);
    }
}

fn local_lanes(warp: &Warp, env: &mut Env<'_>, mask: u32, addresses: &[u64; LANES], size: usize) -> u32 {
    let mut fit = 0;
    for lane in lanes_of(mask) {
        let address = addresses[lane];
        if !warp.local.holds(address, size) {
            out_of_bounds(warp, env, lane, Space::Local, address, size as u64);
        } else if !address.is_multiple_of(size as u64) {
            misaligned(warp, env, lane, Space::Local, address, size as u64);
        } else {
            fit |= 1 << lane;
        }
    }
    fit
}

fn load_param(
    warp: &Warp,
    env: &mut Env<'_>,
    mask: u32,
    addresses: &[u64; LANES],
    shape: Shape,
    elements: &mut Elements,
) {
    let params = env.context.params;
    let size = shape.size() as u64;
    let lanes = fitting(mask, addresses, 0, params.len() as u64, size);
    for lane in lanes_of(lanes) {
        shape.unpack(&params[addresses[lane] as usize..][..shape.size()], lane, elements);
    }
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
