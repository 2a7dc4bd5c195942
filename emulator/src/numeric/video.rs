//! The SIMD video instructions on two half words or four bytes, from their pseudo-code in the PTX ISA.

/// What is done to each pair of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Add,
    Subtract,
    Average,
    Difference,
    Minimum,
    Maximum,
}

/// An instruction without masks and selectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Video {
    pub operation: Operation,
    /// Bits of a part: 8 or 16.
    pub bits: u32,
    /// Whether the result and the operands have signs.
    pub signs: [bool; 3],
    pub saturate: bool,
    /// `.add`: the parts are added to `c`, else they are put together.
    pub accumulate: bool,
}

pub(crate) fn video(a: u32, b: u32, c: u32, how: Video) -> u32 {
    let part = |x: u32, i: u32, signed: bool| {
        let top = x << (32 - how.bits * (i + 1));
        if signed { i64::from(top as i32 >> (32 - how.bits)) } else { i64::from(top >> (32 - how.bits)) }
    };
    let [to_signed, a_signed, b_signed] = how.signs;
    let mut d = if how.accumulate { c } else { 0 };
    for i in 0..32 / how.bits {
        let (a, b) = (part(a, i, a_signed), part(b, i, b_signed));
        let t = match how.operation {
            Operation::Add => a + b,
            Operation::Subtract => a - b,
            Operation::Average => (a + b + i64::from(a + b >= 0)) >> 1,
            Operation::Difference => (a - b).abs(),
            Operation::Minimum => a.min(b),
            Operation::Maximum => a.max(b),
        };
        let half = 1i64 << (how.bits - 1);
        let t = match (how.saturate, to_signed) {
            (false, _) => t,
            (true, true) => t.clamp(-half, half - 1),
            (true, false) => t.clamp(0, 2 * half - 1),
        };
        if how.accumulate {
            d = d.wrapping_add(t as u32);
        } else {
            d |= (t as u32 & (2 * half - 1) as u32) << (how.bits * i);
        }
    }
    d
}
