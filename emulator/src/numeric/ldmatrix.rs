//! How `ldmatrix`, `stmatrix` and `movmatrix` spread an 8x8 matrix of 16-bit elements over a warp.
//!
//! Lane `l` holds, of row `l / 4`, the elements `2 * (l % 4)` in its low half and the next one in its high half; with `.trans`
//! rows and columns change places. (PTX ISA, "ldmatrix": one register per matrix.)

/// The lane whose address operand points at row `row` of matrix `matrix` of up to four.
#[inline(always)]
pub(crate) fn row_lane(matrix: usize, row: usize) -> usize {
    8 * matrix + row
}

/// One matrix as the register that `ldmatrix` writes.
#[inline(always)]
pub(crate) fn distribute(rows: &[[u16; 8]; 8], trans: bool) -> [u32; 32] {
    let mut register = [0; 32];
    for (lane, value) in register.iter_mut().enumerate() {
        let (row, column) = (lane / 4, 2 * (lane % 4));
        let (low, high) =
            if trans { (rows[column][row], rows[column + 1][row]) } else { (rows[row][column], rows[row][column + 1]) };
        *value = u32::from(low) | u32::from(high) << 16;
    }
    register
}

/// The matrix that `stmatrix` writes from one register.
#[inline(always)]
pub(crate) fn collect(register: &[u32; 32], trans: bool) -> [[u16; 8]; 8] {
    let mut rows = [[0; 8]; 8];
    for (lane, &value) in register.iter().enumerate() {
        let (row, column) = (lane / 4, 2 * (lane % 4));
        let (low, high) = (value as u16, (value >> 16) as u16);
        if trans {
            (rows[column][row], rows[column + 1][row]) = (low, high);
        } else {
            (rows[row][column], rows[row][column + 1]) = (low, high);
        }
    }
    rows
}

/// `movmatrix.trans`.
#[inline(always)]
pub(crate) fn transpose(register: &[u32; 32]) -> [u32; 32] {
    distribute(&collect(register, false), true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Element (row, column) is 8 * row + column.
    fn numbered() -> [[u16; 8]; 8] {
        std::array::from_fn(|row| std::array::from_fn(|column| (8 * row + column) as u16))
    }

    #[test]
    fn lanes_hold_pairs_of_a_row_or_of_a_column() {
        let plain = distribute(&numbered(), false);
        // Lane 6 is in row 1, columns 4 and 5: elements 12 and 13.
        assert_eq!(plain[6], 12 | 13 << 16);
        assert_eq!(plain[31], 62 | 63 << 16);
        let trans = distribute(&numbered(), true);
        // Lane 6 holds column 1, rows 4 and 5: elements 33 and 41.
        assert_eq!(trans[6], 33 | 41 << 16);
    }

    #[test]
    fn stores_undo_loads() {
        for trans in [false, true] {
            assert_eq!(collect(&distribute(&numbered(), trans), trans), numbered());
        }
        assert_eq!(transpose(&distribute(&numbered(), false)), distribute(&numbered(), true));
        assert_eq!(row_lane(3, 7), 31);
    }
}
