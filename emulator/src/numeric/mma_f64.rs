//! `mma` on f64: the fragments of the PTX ISA, "Matrix Fragments for mma.m8n8k4 with .f64" and "mma.m16n8k4, k8, k16 with .f64".

type Lanes = [f64; 32];

/// `d = a * b + c` for `m` (8 or 16) rows, 8 columns and a depth of `k`: one rounding for each step, in ascending order.
///
/// Lane `l` has group `l / 4` and thread-in-group `l % 4`. Register `i` of `a` holds row `group + 8 * (i % (m / 8))` at depth `thread + 4 * (i / (m / 8))`,
/// of `b` the column `group` at depth `thread + 4 * i`, of the accumulators row `group + 8 * (i / 2)` and column `2 * thread + i % 2`.
#[inline(always)]
pub(crate) fn multiply((m, k): (usize, usize), a: &[Lanes], b: &[Lanes], c: &[Lanes]) -> Vec<Lanes> {
    let halves = m / 8;
    let mut d = c.to_vec();
    for (i, sums) in d.iter_mut().enumerate() {
        for (lane, sum) in sums.iter_mut().enumerate() {
            let (group, column) = (lane / 4, 2 * (lane % 4) + i % 2);
            for depth in 0..k {
                let (register, thread) = (depth / 4, depth % 4);
                let x = a[register * halves + i / 2][4 * group + thread];
                let y = b[register][4 * column + thread];
                *sum = super::convert::canonical_f64(x.mul_add(y, *sum));
            }
        }
    }
    d
}
