//! Which bytes of an allocation have been written since it was made.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// A bit for each byte.
type Bits = Box<[AtomicU64]>;

/// What has been written before the launch in hand, and during it. The two are apart because blocks on other threads of the host
/// change the latter at any moment.
#[derive(Debug)]
pub(super) struct Written {
    before: Bits,
    during: OnceLock<Bits>,
    /// Every byte had been written when the last launch began.
    whole: AtomicBool,
    /// Something has changed since that was found out.
    changed: AtomicBool,
}

/// The words of a range of bits, with the bits of each that are in the range.
fn words(first: u64, count: u64) -> impl Iterator<Item = (usize, u64)> {
    let end = first + count;
    (first / 64..end.div_ceil(64)).map(move |word| {
        let (from, to) = (first.max(64 * word) - 64 * word, end.min(64 * (word + 1)) - 64 * word);
        (word as usize, (u64::MAX >> (64 - (to - from))) << from)
    })
}

/// No bit is set. Of large allocations the pages come from the system when they are needed.
fn none(words: usize) -> Bits {
    let zeros = Box::into_raw(vec![0u64; words].into_boxed_slice());
    // SAFETY: the box was just made and is owned by nobody else, and an `AtomicU64` has the size, the alignment on every host that has 64-bit
    // addresses, and the bits of a `u64`.
    unsafe { Box::from_raw(zeros as *mut [AtomicU64]) }
}

impl Written {
    pub fn new(bytes: u64) -> Self {
        let (before, during) = (none(bytes.div_ceil(64) as usize), OnceLock::new());
        Self { before, during, whole: AtomicBool::new(bytes == 0), changed: AtomicBool::new(false) }
    }

    /// A launch begins.
    pub fn begin(&self, bytes: u64) {
        if self.changed.swap(false, Relaxed) {
            for (before, during) in self.before.iter().zip(self.during.get().into_iter().flatten()) {
                if during.load(Relaxed) != 0 {
                    before.fetch_or(during.swap(0, Relaxed), Relaxed);
                }
            }
            self.whole.store(Self::holds(&self.before, 0, bytes), Relaxed);
        }
    }

    fn holds(bits: &Bits, first: u64, count: u64) -> bool {
        words(first, count).all(|(word, mask)| bits[word].load(Relaxed) & mask == mask)
    }

    pub fn is_whole(&self) -> bool {
        self.whole.load(Relaxed)
    }

    /// Whether all of some bytes had been written before the launch.
    #[inline]
    pub fn was(&self, first: u64, count: u64) -> bool {
        self.is_whole() || Self::holds(&self.before, first, count)
    }

    /// Whether a byte has been written by now.
    pub fn is(&self, byte: u64) -> bool {
        let (word, bit) = (byte as usize / 64, byte % 64);
        let during = self.during.get().map_or(0, |during| during[word].load(Relaxed));
        (self.before[word].load(Relaxed) | during) >> bit & 1 == 1
    }

    /// A kernel writes some bytes.
    #[inline]
    pub fn mark(&self, first: u64, count: u64) {
        if self.is_whole() {
            return;
        }
        let during = self.during.get_or_init(|| none(self.before.len()));
        for (word, mask) in words(first, count) {
            // Most are marked already in a loop over the same bytes, and a load is cheaper than an exchange.
            if during[word].load(Relaxed) & mask != mask {
                during[word].fetch_or(mask, Relaxed);
                self.changed.store(true, Relaxed);
            }
        }
    }

    /// The host writes some bytes.
    pub fn set(&self, first: u64, count: u64) {
        for (word, mask) in words(first, count) {
            self.before[word].fetch_or(mask, Relaxed);
        }
        self.changed.store(true, Relaxed);
    }

    /// The host has copied a byte that nothing had written.
    pub fn clear(&self, byte: u64) {
        let (word, mask) = (byte as usize / 64, !(1 << (byte % 64)));
        self.before[word].fetch_and(mask, Relaxed);
        if let Some(during) = self.during.get() {
            during[word].fetch_and(mask, Relaxed);
        }
        self.changed.store(true, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{Written, words};

    #[test]
    fn ranges_cover_each_bit_once() {
        assert_eq!(words(0, 64).collect::<Vec<_>>(), [(0, u64::MAX)]);
        assert_eq!(words(3, 2).collect::<Vec<_>>(), [(0, 0b11000)]);
        assert_eq!(words(62, 4).collect::<Vec<_>>(), [(0, 0b11 << 62), (1, 0b11)]);
        assert_eq!(words(64, 0).count(), 0);
    }

    #[test]
    fn what_a_kernel_writes_counts_as_before_from_the_next_launch_on() {
        let written = Written::new(100);
        written.set(0, 40);
        written.begin(100);
        assert!(written.was(8, 32) && !written.was(8, 33) && !written.is_whole());
        written.mark(40, 60);
        assert!(!written.was(40, 1) && written.is(40) && written.is(99));
        written.begin(100);
        assert!(written.is_whole() && written.was(0, 100));
        written.clear(50);
        written.begin(100);
        assert!(!written.is_whole() && !written.was(50, 1) && written.was(51, 49));
    }
}
