//! What the kernel looks up: the maps, and cells by which the code of a number is found (kernels/common/codes.cuh).

use super::{Map, signed_map, unsigned_map};
use crate::abi::{
    CODES_SIGNED_CELLS, CODES_SIGNED_FIRST, CODES_SIGNED_SHIFT, CODES_UNSIGNED_CELLS, CODES_UNSIGNED_FIRST,
    CODES_UNSIGNED_SHIFT, CodeTables,
};

/// The code of zero in the signed map; the code of the value `k` steps above it is `ZERO + k`.
const SIGNED_ZERO: u32 = 127;

/// All tables.
pub(in crate::ops) fn tables() -> CodeTables {
    let (signed_values, unsigned_values) = (signed_map(), unsigned_map());
    let signed = Steps::of(&signed_values, SIGNED_ZERO);
    let unsigned = Steps::of(&unsigned_values, 0);
    let (mut negative, mut positive) = ([0; SIGNED_CELLS], [0; SIGNED_CELLS]);
    for cell in 0..CODES_SIGNED_CELLS {
        let first = (CODES_SIGNED_FIRST + cell) << CODES_SIGNED_SHIFT;
        let (below, at) = signed.in_cell(first, CODES_SIGNED_SHIFT);
        positive[cell as usize] = signed_entry(cell as i32, SIGNED_ZERO + below, at);
        negative[SIGNED_CELLS - 1 - cell as usize] = negative_entry(cell as i32, below, at);
    }
    let mut unsigned_cells = [0; CODES_UNSIGNED_CELLS as usize];
    for (cell, entry) in (0..).zip(&mut unsigned_cells) {
        let first = (CODES_UNSIGNED_FIRST + cell) << CODES_UNSIGNED_SHIFT;
        let (below, at) = unsigned.in_cell(first, CODES_UNSIGNED_SHIFT);
        *entry = entry_of(first, below, at, CODES_UNSIGNED_SHIFT);
    }
    CodeTables { signed_values, unsigned_values, negative, positive, unsigned_cells }
}

const SIGNED_CELLS: usize = CODES_SIGNED_CELLS as usize;

/// `e` such that `e + bits = code << shift` for the least `bits` of a cell, and carries into the code from `first + at` on.
fn entry_of(first: u32, code: u32, at: Option<u32>, shift: u32) -> u32 {
    let missing = at.map_or(0, |at| (1 << shift) - at);
    (code << shift).wrapping_add(missing).wrapping_sub(first)
}

/// The same for a place `cell << shift` that counts from the first cell and may be negative, with the code in the highest byte.
fn signed_entry(cell: i32, code: u32, at: Option<u32>) -> u32 {
    let first = (cell << CODES_SIGNED_SHIFT) as u32;
    entry_of(first, code, at, CODES_SIGNED_SHIFT) << (24 - CODES_SIGNED_SHIFT)
}

/// The entry for the negative numbers of a cell. Their places run backwards, from the last of the cell to its first, and their codes
/// fall as |x| rises. None is nearer to zero than the first negative code, nor farther than the last.
fn negative_entry(cell: i32, below: u32, at: Option<u32>) -> u32 {
    let code = |steps: u32| SIGNED_ZERO - steps.clamp(1, SIGNED_ZERO);
    let at = at.filter(|_| code(below) != code(below + 1));
    let lowest = code(below + u32::from(at.is_some()));
    signed_entry(-1 - cell, lowest, at.map(|at| (1 << CODES_SIGNED_SHIFT) - at))
}

/// The bit patterns from which on |x| is nearer to the next value than to the one before, for the values from zero up.
struct Steps(Vec<u32>);

impl Steps {
    /// Half-way, as f32 has it, the even code is the nearest. (Below zero the codes have the same parities.)
    fn of(map: &Map, zero: u32) -> Self {
        let pairs = map[zero as usize..].windows(2).zip(zero..);
        Self(pairs.map(|(pair, code)| ((pair[0] + pair[1]) * 0.5).to_bits() + u32::from(code % 2 == 0)).collect())
    }

    /// How many steps are made before or at the first bit pattern of a cell, and the place inside the cell of the step that is made there.
    fn in_cell(&self, first: u32, shift: u32) -> (u32, Option<u32>) {
        let below = self.0.partition_point(|&step| step <= first);
        let inside = self.0[below..].iter().map(|step| step - first).take_while(|&at| at < 1 << shift);
        debug_assert!(inside.clone().count() <= 1, "a cell with two steps");
        (below as u32, inside.take(1).next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::adamw8bit::nearest;

    /// The kernel's way to a code, in the words of codes.cuh.
    struct Lookup(Box<CodeTables>);

    impl Lookup {
        fn signed(&self, x: f32) -> u8 {
            let least = CODES_SIGNED_FIRST << CODES_SIGNED_SHIFT;
            let above = (x.to_bits() & 0x7fff_ffff).saturating_sub(least) as i32;
            let place = above ^ (x.to_bits() as i32 >> 31);
            let cell = place >> CODES_SIGNED_SHIFT;
            let entry = match usize::try_from(cell) {
                Ok(cell) => self.0.positive[cell],
                Err(_) => self.0.negative[(SIGNED_CELLS as i32 + cell) as usize],
            };
            (((place << (24 - CODES_SIGNED_SHIFT)) as u32).wrapping_add(entry) >> 24) as u8
        }

        fn unsigned(&self, x: f32) -> u8 {
            let bits = x.to_bits().max(CODES_UNSIGNED_FIRST << CODES_UNSIGNED_SHIFT);
            let entry = self.0.unsigned_cells[(bits >> CODES_UNSIGNED_SHIFT) as usize - CODES_UNSIGNED_FIRST as usize];
            (bits.wrapping_add(entry) >> CODES_UNSIGNED_SHIFT) as u8
        }
    }

    /// The nearest code with the sign of x: a negative x never gets the code of zero.
    fn nearest_signed(map: &Map, x: f32) -> u8 {
        let code = nearest(map, x);
        if x.is_sign_negative() && code == 127 { 126 } else { code }
    }

    /// A little above 1, which is as far as `s * (1 / absmax)` goes.
    const MOST: u32 = 0x3f80_0000 + 4;

    fn agree(lookup: &Lookup, maps: &(Map, Map), bits: u32) {
        let x = f32::from_bits(bits);
        assert_eq!(lookup.unsigned(x), nearest(&maps.1, x), "{x:e}");
        assert_eq!(lookup.signed(x), nearest_signed(&maps.0, x), "{x:e}");
        assert_eq!(lookup.signed(-x), nearest_signed(&maps.0, -x), "{:e}", -x);
    }

    /// Every f32 within 2000 of every midpoint and of every cell's first, and every 1009th from 0 to 1.
    #[test]
    fn cells_give_the_nearest_code() {
        let lookup = Lookup(Box::new(tables()));
        let maps = (signed_map(), unsigned_map());
        (0..=MOST).step_by(1009).for_each(|bits| agree(&lookup, &maps, bits));
        for map in [&maps.0[127..], &maps.1[..]] {
            for pair in map.windows(2) {
                let midpoint = ((pair[0] + pair[1]) * 0.5).to_bits();
                (midpoint - 2000..=(midpoint + 2000).min(MOST)).for_each(|bits| agree(&lookup, &maps, bits));
            }
        }
        let first = CODES_UNSIGNED_FIRST << CODES_UNSIGNED_SHIFT;
        for cell in (first..MOST).step_by(1 << CODES_UNSIGNED_SHIFT) {
            (cell - 20..=(cell + 20).min(MOST)).for_each(|bits| agree(&lookup, &maps, bits));
        }
    }

    /// Every single f32 from 0 to a little above 1, of both signs: a minute.
    #[test]
    #[ignore = "a minute of release code; the test above takes every 1009th and all near the midpoints"]
    fn cells_give_the_nearest_code_of_every_number() {
        let lookup = Lookup(Box::new(tables()));
        let maps = (signed_map(), unsigned_map());
        (0..=MOST).for_each(|bits| agree(&lookup, &maps, bits));
    }
}
