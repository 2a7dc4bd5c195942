//! What one warp-instruction costs the memory system: pure functions of its addresses.

/// Bytes that global memory moves at least.
const SECTOR: u64 = 32;

/// Bytes that shared memory moves at once: one word from each of its 32 banks.
const WAVEFRONT: u64 = 128;

/// Passes through shared memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wavefronts {
    /// Passes that the instruction takes.
    pub total: u32,
    /// Those that exist because different words of one bank are asked for.
    pub conflicts: u32,
}

/// The 32-byte sectors that the accesses touch. Each access is aligned to its size of at most 32 bytes, so it touches one.
#[inline(always)]
pub(crate) fn sectors(mask: u32, addresses: &[u64; 32], bytes: u64) -> u32 {
    if mask == 0 {
        return 0;
    }
    if is_row(mask, addresses, bytes) {
        let (first, last) = (addresses[0], addresses[0].saturating_add(32 * bytes - 1));
        return (last / SECTOR - first / SECTOR + 1) as u32;
    }
    let mut seen = [0; 32];
    let mut count = 0;
    for lane in lanes(mask) {
        let sector = addresses[lane] / SECTOR;
        // Neighbours usually share a sector, so the search runs from the newest.
        if !seen[..count].iter().rev().any(|other| *other == sector) {
            seen[count] = sector;
            count += 1;
        }
    }
    count as u32
}

/// How shared memory serves accesses of 1 to 16 bytes: up to 4 bytes, all lanes at once; 8 bytes, one half-warp after the
/// other; 16 bytes, one quarter-warp after the other (so a row of an `ldmatrix` matrix is a lane of a quarter-warp). Within
/// such a phase a bank gives one of its words at a time, to as many lanes as ask for it.
#[inline(always)]
pub(crate) fn wavefronts(mask: u32, addresses: &[u64; 32], bytes: u64) -> Wavefronts {
    let unit = bytes.max(4);
    if is_row(mask, addresses, unit) {
        return Wavefronts { total: (32 * unit / WAVEFRONT) as u32, conflicts: 0 };
    }
    // Accesses are aligned, so units of the access size that share a bank share all their banks.
    let width = (WAVEFRONT / unit) as usize;
    let mut found = Wavefronts::default();
    for phase in 0..32 / width {
        let members = mask & (u32::MAX >> (32 - width)) << (phase * width);
        if members == 0 {
            continue;
        }
        let mut groups = 0u32;
        for (at, lane) in addresses.iter().zip(0..).skip(phase * width).take(width) {
            groups |= (members >> lane & 1) << (at / unit % width as u64);
        }
        // As many groups of banks as lanes: nobody waits.
        let total = if groups.count_ones() == members.count_ones() { 1 } else { passes(members, addresses, unit) };
        found.total += total;
        found.conflicts += total - 1;
    }
    found
}

/// The greatest number of different units that one group of banks has to give.
fn passes(members: u32, addresses: &[u64; 32], unit: u64) -> u32 {
    let width = WAVEFRONT / unit;
    let mut seen = [0; 32];
    let (mut count, mut asked, mut most) = (0, [0u32; 32], 0);
    for lane in lanes(members) {
        let place = addresses[lane] / unit;
        if seen[..count].contains(&place) {
            continue;
        }
        seen[count] = place;
        count += 1;
        let asked = &mut asked[(place % width) as usize];
        *asked += 1;
        most = most.max(*asked);
    }
    most
}

/// Whether all lanes access, one behind the other.
#[inline(always)]
fn is_row(mask: u32, addresses: &[u64; 32], bytes: u64) -> bool {
    let first = addresses[0];
    let off =
        addresses.iter().zip(0..).fold(0, |off, (at, lane)| off | at.wrapping_sub(first.wrapping_add(lane * bytes)));
    mask == u32::MAX && off == 0
}

fn lanes(mask: u32) -> impl Iterator<Item = usize> {
    (0..32).filter(move |lane| mask >> lane & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: impl Fn(u64) -> u64) -> [u64; 32] {
        std::array::from_fn(|lane| address(lane as u64))
    }

    fn count(bytes: u64, address: impl Fn(u64) -> u64) -> (u32, u32) {
        let found = wavefronts(u32::MAX, &at(address), bytes);
        (found.total, found.conflicts)
    }

    #[test]
    fn words_of_a_row_and_strides() {
        assert_eq!(count(4, |lane| 4 * lane), (1, 0));
        assert_eq!(count(4, |lane| 64 + 4 * lane), (1, 0));
        assert_eq!(count(4, |lane| 8 * lane), (2, 1), "stride 2: 16 banks give two words each");
        assert_eq!(count(4, |lane| 16 * lane), (4, 3));
        assert_eq!(count(4, |lane| 128 * lane), (32, 31), "stride 32: one bank");
        assert_eq!(count(4, |lane| 132 * lane), (1, 0), "stride 33: a padded column");
        assert_eq!(count(4, |lane| 12 * lane), (1, 0), "odd strides meet every bank once");
        assert_eq!(count(4, |lane| 4 * (31 - lane)), (1, 0));
    }

    #[test]
    fn lanes_that_want_the_same_word_share_a_pass() {
        assert_eq!(count(4, |_| 256), (1, 0));
        assert_eq!(count(4, |lane| 128 * (lane / 16)), (2, 1), "two words of one bank");
        assert_eq!(count(4, |lane| 4 * (lane / 4)), (1, 0));
        assert_eq!(count(2, |lane| 2 * lane), (1, 0));
        assert_eq!(count(1, |lane| lane), (1, 0));
        assert_eq!(count(2, |lane| 128 * (lane / 2) + 2 * (lane % 2)), (16, 15));
        assert_eq!(count(16, |_| 256), (4, 0), "once for each quarter-warp");
        assert_eq!(count(8, |_| 256), (2, 0));
    }

    #[test]
    fn wide_accesses_go_by_halves_and_quarters() {
        assert_eq!(count(8, |lane| 8 * lane), (2, 0));
        assert_eq!(count(8, |lane| 16 * lane), (4, 2));
        assert_eq!(count(8, |lane| 128 * lane), (32, 30));
        assert_eq!(count(8, |lane| 136 * lane), (2, 0));
        assert_eq!(count(16, |lane| 16 * lane), (4, 0));
        assert_eq!(count(16, |lane| 32 * lane), (8, 4));
        assert_eq!(count(16, |lane| 128 * lane), (32, 28), "a column of 128-byte rows");
        assert_eq!(count(16, |lane| 144 * lane), (4, 0), "rows padded by 16 bytes");
        // Lanes of different quarter-warps never conflict.
        assert_eq!(count(16, |lane| 16 * (lane % 8) + 1024 * (lane / 8)), (4, 0));
    }

    #[test]
    fn the_xor_swizzle_is_free_of_conflicts() {
        // Rows of 128 bytes; the 16-byte chunk c of row r lies at chunk c ^ (r % 8).
        for chunk in 0..8 {
            assert_eq!(count(16, |row| 128 * row + 16 * (chunk ^ (row % 8))), (4, 0));
        }
        // Rows of 64 bytes need the row's other bits: here two rows share each 128 bytes.
        assert_eq!(count(16, |row| 64 * row + 16 * (row % 4)), (8, 4));
        assert_eq!(count(16, |row| 64 * row + 16 * (row / 2 % 4)), (4, 0));
    }

    #[test]
    fn lanes_that_are_off_do_not_count() {
        let column = at(|lane| 128 * lane);
        assert_eq!(wavefronts(0, &column, 4), Wavefronts { total: 0, conflicts: 0 });
        assert_eq!(wavefronts(0b1011, &column, 4), Wavefronts { total: 3, conflicts: 2 });
        assert_eq!(wavefronts(0xff, &column, 16), Wavefronts { total: 8, conflicts: 7 });
        assert_eq!(wavefronts(0x0100_0001, &column, 16), Wavefronts { total: 2, conflicts: 0 });
        assert_eq!(wavefronts(0x7fff_ffff, &at(|lane| 4 * lane), 4), Wavefronts { total: 1, conflicts: 0 });
    }

    #[test]
    fn sectors_of_global_memory() {
        let sectors = |mask, bytes, address: &dyn Fn(u64) -> u64| super::sectors(mask, &at(address), bytes);
        assert_eq!(sectors(u32::MAX, 4, &|lane| 4 * lane), 4);
        assert_eq!(sectors(u32::MAX, 4, &|lane| 16 + 4 * lane), 5, "not on a sector's edge");
        assert_eq!(sectors(u32::MAX, 2, &|lane| 2 * lane), 2);
        assert_eq!(sectors(u32::MAX, 1, &|lane| lane), 1);
        assert_eq!(sectors(u32::MAX, 16, &|lane| 16 * lane), 16);
        assert_eq!(sectors(u32::MAX, 4, &|lane| 8 * lane), 8);
        assert_eq!(sectors(u32::MAX, 4, &|lane| 128 * lane), 32);
        assert_eq!(sectors(u32::MAX, 4, &|_| 64), 1);
        assert_eq!(sectors(u32::MAX, 4, &|lane| 4 * (lane ^ 5)), 4, "in any order");
        assert_eq!(sectors(0b1001, 4, &|lane| 4 * lane), 1);
        assert_eq!(sectors(0x8000_0001, 4, &|lane| 4 * lane), 2);
        assert_eq!(sectors(0, 4, &|lane| 4 * lane), 0);
    }
}
