//! Global memory: an allocation table with gaps, so that an access past the end of a buffer is seen.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};

use super::written::Written;

/// Alignment of every allocation, as of `cudaMalloc`.
const ALIGNMENT: u64 = 256;
/// Unmapped bytes after each allocation.
const GAP: u64 = 1 << 20;
/// Fresh allocations up to this size are filled with 0xff bytes (NaN in every float format); larger ones stay lazily zero.
const POISONED_BELOW: u64 = 64 << 20;
/// Each device has a range of this many addresses.
const RANGE: u64 = 1 << 40;

/// What was wrong with a call that handles global memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// The host has not that much memory, or the device not that many addresses.
    #[error("{bytes} bytes of global memory cannot be allocated")]
    OutOfMemory {
        /// Bytes asked for.
        bytes: u64,
    },
    /// The address is not the start of an allocation.
    #[error("{address:#x} is not the address of an allocation")]
    NotAllocated {
        /// The address.
        address: u64,
    },
    /// The range is not within one allocation.
    #[error("{bytes} bytes at {address:#x} are out of bounds{}", nearest.as_ref().map(|n| format!(" ({n})")).unwrap_or_default())]
    OutOfBounds {
        /// First byte.
        address: u64,
        /// Bytes asked for.
        bytes: u64,
        /// The nearest allocation at or below the address.
        nearest: Option<String>,
    },
    /// A fill whose address or size is not a multiple of its element, or whose element is not 1, 2 or 4 bytes.
    #[error("a fill of {bytes} bytes at {address:#x} with elements of {width} bytes")]
    Fill {
        /// First byte.
        address: u64,
        /// Bytes asked for.
        bytes: u64,
        /// Bytes of an element.
        width: u32,
    },
}

/// One allocation. Its bytes are only ever touched by relaxed atomic accesses, so blocks that run on different threads of the
/// host may race on them as the blocks of a grid may: the values can be wrong, the emulator stays sound.
#[derive(Debug)]
struct Allocation {
    base: u64,
    bytes: u64,
    name: String,
    read_only: bool,
    data: NonNull<u8>,
    layout: Layout,
    written: Written,
}

// SAFETY: `data` is owned by this value until drop and accessed by atomic operations alone.
unsafe impl Send for Allocation {}
// SAFETY: as above.
unsafe impl Sync for Allocation {}

impl Allocation {
    fn new(base: u64, bytes: u64, name: &str, read_only: bool) -> Option<Self> {
        // An alignment of 16 is what the C allocator gives anyway, so large zeroed allocations come straight from the system, lazily.
        let layout = Layout::from_size_align(usize::try_from(bytes.max(16).next_multiple_of(16)).ok()?, 16).ok()?;
        // SAFETY: the size is at least 16.
        let data = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        let written = Written::new(bytes);
        let made = Self { base, bytes, name: name.to_owned(), read_only, data, layout, written };
        if bytes <= POISONED_BELOW {
            // SAFETY: the allocation is `layout.size()` bytes long and nobody else knows it yet.
            unsafe { data.write_bytes(0xff, layout.size()) };
        }
        Some(made)
    }

    fn place(&self) -> Place<'_> {
        Place { data: self.data, _owner: std::marker::PhantomData }
    }

    fn at(&self, address: u64) -> Place<'_> {
        assert!(address >= self.base && address - self.base <= self.bytes);
        // SAFETY: the offset is within the allocation, or one past it, as just asserted.
        unsafe { self.place().add((address - self.base) as usize) }
    }
}

impl Drop for Allocation {
    fn drop(&mut self) {
        // SAFETY: `data` came from `alloc_zeroed` with this layout and is freed once.
        unsafe { dealloc(self.data.as_ptr(), self.layout) }
    }
}

/// Where a checked access goes.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    data: NonNull<u8>,
    _owner: std::marker::PhantomData<&'a Allocation>,
}

impl Place<'_> {
    /// SAFETY: the offset must stay within the allocation.
    #[inline(always)]
    unsafe fn add(self, offset: usize) -> Self {
        // SAFETY: by the contract above.
        Self { data: unsafe { self.data.add(offset) }, ..self }
    }

    /// Loads `W` bytes (1, 2, 4 or 8).
    ///
    /// # Safety
    /// `W` bytes at `offset` from this place must lie within the allocation, at a multiple of `W`.
    #[inline(always)]
    pub unsafe fn load<const W: usize>(self, offset: usize) -> u64 {
        // SAFETY: in bounds and aligned by the contract; every access to these bytes is atomic.
        unsafe {
            let data = self.data.add(offset).as_ptr();
            match W {
                1 => u64::from(AtomicU8::from_ptr(data).load(Relaxed)),
                2 => u64::from(AtomicU16::from_ptr(data.cast()).load(Relaxed)),
                4 => u64::from(AtomicU32::from_ptr(data.cast()).load(Relaxed)),
                _ => AtomicU64::from_ptr(data.cast()).load(Relaxed),
            }
        }
    }

    /// Stores the low `W` bytes (1, 2, 4 or 8) of a value.
    ///
    /// # Safety
    /// As for [`Place::load`].
    #[inline(always)]
    pub unsafe fn store<const W: usize>(self, offset: usize, value: u64) {
        // SAFETY: in bounds and aligned by the contract; every access to these bytes is atomic.
        unsafe {
            let data = self.data.add(offset).as_ptr();
            match W {
                1 => AtomicU8::from_ptr(data).store(value as u8, Relaxed),
                2 => AtomicU16::from_ptr(data.cast()).store(value as u16, Relaxed),
                4 => AtomicU32::from_ptr(data.cast()).store(value as u32, Relaxed),
                _ => AtomicU64::from_ptr(data.cast()).store(value, Relaxed),
            }
        }
    }
}

impl Place<'_> {
    /// Replaces `W` bytes (2, 4 or 8) by a function of them, atomically. Returns the old value.
    ///
    /// # Safety
    /// As for [`Place::load`].
    pub unsafe fn update<const W: usize>(self, offset: usize, f: impl Fn(u64) -> u64) -> u64 {
        // SAFETY: in bounds and aligned by the contract; every access to these bytes is atomic.
        unsafe {
            let data = self.data.add(offset).as_ptr();
            match W {
                2 => u64::from(AtomicU16::from_ptr(data.cast()).update(Relaxed, Relaxed, |old| f(old.into()) as u16)),
                4 => u64::from(AtomicU32::from_ptr(data.cast()).update(Relaxed, Relaxed, |old| f(old.into()) as u32)),
                _ => AtomicU64::from_ptr(data.cast()).update(Relaxed, Relaxed, f),
            }
        }
    }
}

/// The global memory of one device.
#[derive(Debug)]
pub(crate) struct Global {
    table: RwLock<Table>,
}

#[derive(Debug)]
struct Table {
    next: u64,
    end: u64,
    allocations: BTreeMap<u64, Arc<Allocation>>,
}

impl Global {
    /// An empty memory with a range of addresses that no other device of this process has.
    pub fn new() -> Self {
        static DEVICES: AtomicU64 = AtomicU64::new(1);
        let base = (DEVICES.fetch_add(1, Relaxed) & 0x7f_ffff).max(1) * RANGE;
        Self { table: RwLock::new(Table { next: base, end: base + RANGE, allocations: BTreeMap::new() }) }
    }

    fn table(&self) -> std::sync::RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes an allocation of its own, followed by a gap.
    pub fn alloc(&self, bytes: u64, name: &str, read_only: bool) -> Result<u64, MemoryError> {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let base = table.next;
        let refused = MemoryError::OutOfMemory { bytes };
        let span = bytes.checked_next_multiple_of(ALIGNMENT).and_then(|b| b.checked_add(GAP)).ok_or(refused.clone())?;
        let next = base.checked_add(span).filter(|next| *next <= table.end).ok_or(refused.clone())?;
        let made = Allocation::new(base, bytes, name, read_only).ok_or(refused)?;
        table.next = next;
        table.allocations.insert(base, Arc::new(made));
        Ok(base)
    }

    /// Makes an allocation that holds zeros, and touches only those that are not zero already.
    pub fn alloc_zeroed(&self, bytes: u64, name: &str, read_only: bool) -> Result<u64, MemoryError> {
        let address = self.alloc(bytes, name, read_only)?;
        if bytes <= POISONED_BELOW {
            self.fill(address, bytes, 0, 1)?;
        } else {
            self.range(address, bytes)?.written.set(0, bytes);
        }
        Ok(address)
    }

    pub fn free(&self, address: u64) -> Result<(), MemoryError> {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        table.allocations.remove(&address).map(drop).ok_or(MemoryError::NotAllocated { address })
    }

    /// The allocation around an address.
    pub fn allocation(&self, address: u64) -> Option<(u64, u64)> {
        let table = self.table();
        let (_, found) = table.allocations.range(..=address).next_back()?;
        (address - found.base < found.bytes.max(1)).then_some((found.base, found.bytes))
    }

    fn range(&self, address: u64, bytes: u64) -> Result<Arc<Allocation>, MemoryError> {
        let table = self.table();
        let below = table.allocations.range(..=address).next_back().map(|(_, allocation)| allocation);
        match below {
            Some(found) if address - found.base <= found.bytes && bytes <= found.bytes - (address - found.base) => {
                Ok(found.clone())
            }
            below => {
                let nearest = below.map(|found| describe(&found.name, found.base, found.bytes, address));
                Err(MemoryError::OutOfBounds { address, bytes, nearest })
            }
        }
    }

    pub fn read(&self, address: u64, out: &mut [u8]) -> Result<(), MemoryError> {
        let allocation = self.range(address, out.len() as u64)?;
        let place = allocation.at(address);
        for (at, width) in steps(address, out.len()) {
            // SAFETY: `range` found the bytes in bounds, and `steps` aligns each access to its width.
            unsafe {
                match width {
                    8 => out[at..at + 8].copy_from_slice(&place.load::<8>(at).to_le_bytes()),
                    _ => out[at] = place.load::<1>(at) as u8,
                }
            }
        }
        Ok(())
    }

    pub fn write(&self, address: u64, data: &[u8]) -> Result<(), MemoryError> {
        let allocation = self.range(address, data.len() as u64)?;
        let place = allocation.at(address);
        allocation.written.set(address - allocation.base, data.len() as u64);
        for (at, width) in steps(address, data.len()) {
            // SAFETY: as in `read`.
            unsafe {
                match width {
                    8 => {
                        place.store::<8>(at, data[at..at + 8].iter().rev().fold(0, |word, b| word << 8 | u64::from(*b)))
                    }
                    _ => place.store::<1>(at, u64::from(data[at])),
                }
            }
        }
        Ok(())
    }

    pub fn fill(&self, address: u64, bytes: u64, pattern: u32, width: u32) -> Result<(), MemoryError> {
        let allocation = self.range(address, bytes)?;
        let whole = matches!(width, 1 | 2 | 4)
            && bytes.is_multiple_of(width.max(1).into())
            && address.is_multiple_of(width.max(1).into());
        if !whole {
            return Err(MemoryError::Fill { address, bytes, width });
        }
        let pattern = u64::from(pattern);
        let word = match width {
            1 => (pattern & 0xff) * 0x0101_0101_0101_0101,
            2 => (pattern & 0xffff) * 0x0001_0001_0001_0001,
            _ => pattern * 0x0000_0001_0000_0001,
        };
        let place = allocation.at(address);
        allocation.written.set(address - allocation.base, bytes);
        for (at, step) in steps(address, bytes as usize) {
            // SAFETY: as in `read`. A byte step at distance `at` from the start takes the pattern's byte of that phase.
            unsafe {
                match step {
                    8 => place.store::<8>(at, word.rotate_right(8 * (at as u32 % width))),
                    _ => place.store::<1>(at, word >> (8 * (at as u32 % width))),
                }
            }
        }
        Ok(())
    }

    pub fn copy(&self, to: u64, from: u64, bytes: u64) -> Result<(), MemoryError> {
        let mut buffer = vec![0; bytes.min(1 << 20) as usize];
        let (source, target) = (self.range(from, bytes)?, self.range(to, bytes)?);
        // Overlapping ranges: the end that would be overwritten first is copied first.
        let backwards = Arc::ptr_eq(&source, &target) && to > from;
        let is_written = |at: &u64| source.written.is(from - source.base + at);
        let chunks = bytes.div_ceil(1 << 20);
        for chunk in 0..chunks {
            let at = (if backwards { chunks - 1 - chunk } else { chunk }) << 20;
            let part = &mut buffer[..(bytes - at).min(1 << 20) as usize];
            // What nothing has written is no better as a copy.
            let unwritten: Vec<u64> = (at..at + part.len() as u64).filter(|at| !is_written(at)).collect();
            self.read(from + at, part)?;
            self.write(to + at, part)?;
            unwritten.iter().for_each(|at| target.written.clear(to - target.base + at));
        }
        Ok(())
    }

    /// The allocations as they are now, at the begin of a launch. They live as long as the view does.
    pub fn view(&self) -> View {
        let regions: Vec<_> = self.table().allocations.values().cloned().collect();
        regions.iter().for_each(|region| region.written.begin(region.bytes));
        View { regions }
    }
}

/// Splits a range into aligned steps of 8 bytes and single bytes around them: offsets and widths.
fn steps(address: u64, bytes: usize) -> impl Iterator<Item = (usize, usize)> {
    let head = (address.next_multiple_of(8) - address).min(bytes as u64) as usize;
    let words = (bytes - head) / 8;
    let tail = head + words * 8;
    (0..head)
        .map(|at| (at, 1))
        .chain((0..words).map(move |word| (head + word * 8, 8)))
        .chain((tail..bytes).map(|at| (at, 1)))
}

fn describe(name: &str, base: u64, bytes: u64, address: u64) -> String {
    format!("byte {} of `{name}`, which has {bytes} bytes", address - base)
}

/// The allocations that a launch sees.
#[derive(Debug)]
pub(crate) struct View {
    regions: Vec<Arc<Allocation>>,
}

/// An allocation as a load or store sees it.
#[derive(Clone, Copy)]
pub(crate) struct Region<'a> {
    /// First address.
    pub base: u64,
    /// Size.
    pub bytes: u64,
    /// Only loads are allowed.
    pub read_only: bool,
    place: Place<'a>,
    written: &'a Written,
}

impl<'a> Region<'a> {
    /// Whether `bytes` at `address` lie inside.
    #[inline(always)]
    pub fn holds(&self, address: u64, bytes: u64) -> bool {
        let offset = address.wrapping_sub(self.base);
        bytes <= self.bytes && offset <= self.bytes - bytes
    }

    /// Whether every byte had been written before the launch.
    #[inline(always)]
    pub fn is_whole(&self) -> bool {
        self.written.is_whole()
    }

    /// Whether all bytes of an access had been written before the launch.
    pub fn was_written(&self, address: u64, bytes: u64) -> bool {
        self.written.was(address - self.base, bytes)
    }

    /// Whether a byte has been written by now.
    pub fn is_written(&self, address: u64) -> bool {
        self.written.is(address - self.base)
    }

    /// An access writes bytes.
    pub fn mark_written(&self, address: u64, bytes: u64) {
        self.written.mark(address - self.base, bytes);
    }

    /// The place of the first byte.
    #[inline(always)]
    pub fn place(&self) -> Place<'a> {
        self.place
    }
}

impl View {
    /// The last allocation at or below an address, by index. Empty memory has none.
    pub fn below(&self, address: u64) -> Option<usize> {
        self.regions.partition_point(|region| region.base <= address).checked_sub(1)
    }

    /// An allocation by index.
    #[inline(always)]
    pub fn region(&self, index: usize) -> Option<Region<'_>> {
        let found = self.regions.get(index)?;
        let (base, bytes, read_only) = (found.base, found.bytes, found.read_only);
        Some(Region { base, bytes, read_only, place: found.place(), written: &found.written })
    }

    /// The nearest allocation at or below an address in words.
    pub fn nearest(&self, address: u64) -> Option<String> {
        let found = &self.regions[self.below(address)?];
        Some(describe(&found.name, found.base, found.bytes, address))
    }
}
