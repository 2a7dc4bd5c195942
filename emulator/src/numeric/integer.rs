//! Integer and bit-field instructions, from section "Integer Arithmetic" and "Logic and Shift" of the PTX ISA.

/// `bfe.u32`: `len` bits from bit `pos`, zero-extended. Position and length are taken from their low 8 bits.
#[inline(always)]
pub(crate) fn bfe_u32(a: u32, pos: u32, len: u32) -> u32 {
    bfe_u64(u64::from(a), pos, len) as u32
}

/// `bfe.u64`.
#[inline(always)]
pub(crate) fn bfe_u64(a: u64, pos: u32, len: u32) -> u64 {
    let (pos, len) = (pos & 0xff, len & 0xff);
    let field = if pos < 64 { a >> pos } else { 0 };
    if len < 64 { field & ((1 << len) - 1) } else { field }
}

/// `bfe.s32`: sign-extended from the field's top bit, or from the operand's where the field reaches beyond it; 0 for length 0.
#[inline(always)]
pub(crate) fn bfe_s32(a: u32, pos: u32, len: u32) -> u32 {
    bfe_s64(a as i32 as u64, pos, len) as u32
}

/// `bfe.s64`.
#[inline(always)]
pub(crate) fn bfe_s64(a: u64, pos: u32, len: u32) -> u64 {
    let (pos, len) = (pos & 0xff, len & 0xff);
    let field = a as i64 >> pos.min(63);
    let unused = 64 - len.min(64);
    if len == 0 { 0 } else { (field << unused >> unused) as u64 }
}

/// `bfi.b32 d, a, b, pos, len`: the low `len` bits of `a` in place of those of `b` from bit `pos`.
#[inline(always)]
pub(crate) fn bfi_b32(a: u32, b: u32, pos: u32, len: u32) -> u32 {
    bfi_b64(u64::from(a), u64::from(b), pos, len) as u32
}

/// `bfi.b64`.
#[inline(always)]
pub(crate) fn bfi_b64(a: u64, b: u64, pos: u32, len: u32) -> u64 {
    let (pos, len) = (pos & 0xff, len & 0xff);
    let ones = if len < 64 { (1u64 << len) - 1 } else { u64::MAX };
    let (mask, value) = if pos < 64 { (ones << pos, a << pos) } else { (0, 0) };
    b & !mask | value & mask
}

/// `bfind.u32`: the highest set bit, or with `.shiftamt` the left shift that brings it to the top; all ones where there is none.
#[inline(always)]
pub(crate) fn bfind_u32(a: u32, shift_amount: bool) -> u32 {
    let zeros = a.leading_zeros();
    match (a, shift_amount) {
        (0, _) => u32::MAX,
        (_, true) => zeros,
        (_, false) => 31 - zeros,
    }
}

/// `bfind.s32`: the highest bit that differs from the sign.
#[inline(always)]
pub(crate) fn bfind_s32(a: u32, shift_amount: bool) -> u32 {
    bfind_u32(a ^ (a as i32 >> 31) as u32, shift_amount)
}

/// `bfind.u64`.
#[inline(always)]
pub(crate) fn bfind_u64(a: u64, shift_amount: bool) -> u32 {
    let zeros = a.leading_zeros();
    match (a, shift_amount) {
        (0, _) => u32::MAX,
        (_, true) => zeros,
        (_, false) => 63 - zeros,
    }
}

/// `bfind.s64`.
#[inline(always)]
pub(crate) fn bfind_s64(a: u64, shift_amount: bool) -> u32 {
    bfind_u64(a ^ (a as i64 >> 63) as u64, shift_amount)
}

/// How `prmt` chooses bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum PrmtMode {
    /// Four selectors of four bits, the fourth of which spreads the byte's sign.
    Index,
    /// `.f4e`: four bytes upwards from the selector.
    Forward4,
    /// `.b4e`: four bytes downwards.
    Backward4,
    /// `.rc8`: one byte four times.
    Replicate8,
    /// `.ecl`: bytes below the selector are held up to it.
    EdgeClampLeft,
    /// `.ecr`: bytes above the selector are held down to it.
    EdgeClampRight,
    /// `.rc16`: one half word twice.
    Replicate16,
}

/// `prmt.b32`: bytes of the pair `b:a`, the lowest of `a` being byte 0.
#[inline(always)]
pub(crate) fn prmt(a: u32, b: u32, c: u32, mode: PrmtMode) -> u32 {
    let pair = u64::from(b) << 32 | u64::from(a);
    let one = c & 3;
    let mut result = 0;
    for i in 0..4u32 {
        let selector = match mode {
            PrmtMode::Index => c >> (4 * i) & 15,
            PrmtMode::Forward4 => (one + i) & 7,
            PrmtMode::Backward4 => one.wrapping_sub(i) & 7,
            PrmtMode::Replicate8 => one,
            PrmtMode::EdgeClampLeft => one.max(i),
            PrmtMode::EdgeClampRight => one.min(i),
            PrmtMode::Replicate16 => (one & 1) * 2 + (i & 1),
        };
        let byte = (pair >> (8 * (selector & 7))) as u8;
        let spread = if byte & 0x80 != 0 { 0xff } else { 0 };
        let chosen = if selector & 8 != 0 { spread } else { byte };
        result |= u32::from(chosen) << (8 * i);
    }
    result
}

/// `lop3.b32`: bit `4a + 2b + c` of the table, for each bit of the operands.
#[inline(always)]
pub(crate) fn lop3(a: u32, b: u32, c: u32, table: u8) -> u32 {
    let mut result = 0;
    for row in 0..8 {
        let a_bits = if row & 4 != 0 { a } else { !a };
        let b_bits = if row & 2 != 0 { b } else { !b };
        let c_bits = if row & 1 != 0 { c } else { !c };
        let wanted = u32::from(table >> row & 1).wrapping_neg();
        result |= a_bits & b_bits & c_bits & wanted;
    }
    result
}

/// The amount of a funnel shift: `.clamp` stops at 32, `.wrap` takes 5 bits.
#[inline(always)]
fn funnel_amount(c: u32, clamp: bool) -> u32 {
    if clamp { c.min(32) } else { c & 31 }
}

/// `shf.l.b32`: the high word of `b:a` shifted left.
#[inline(always)]
pub(crate) fn shf_l(a: u32, b: u32, c: u32, clamp: bool) -> u32 {
    let pair = u64::from(b) << 32 | u64::from(a);
    ((pair << funnel_amount(c, clamp)) >> 32) as u32
}

/// `shf.r.b32`: the low word of `b:a` shifted right.
#[inline(always)]
pub(crate) fn shf_r(a: u32, b: u32, c: u32, clamp: bool) -> u32 {
    let pair = u64::from(b) << 32 | u64::from(a);
    (pair >> funnel_amount(c, clamp)) as u32
}

/// `mul.hi.u64`.
#[inline(always)]
pub(crate) fn mulhi_u64(a: u64, b: u64) -> u64 {
    ((u128::from(a) * u128::from(b)) >> 64) as u64
}

/// `mul.hi.s64`.
#[inline(always)]
pub(crate) fn mulhi_s64(a: u64, b: u64) -> u64 {
    ((i128::from(a as i64) * i128::from(b as i64)) >> 64) as u64
}

/// The 48-bit product of `mul24.u32`: `.lo` is its low 32 bits, `.hi` its bits 16 to 47.
#[inline(always)]
pub(crate) fn mul24_u32(a: u32, b: u32, high: bool) -> u32 {
    let product = u64::from(a & 0xff_ffff) * u64::from(b & 0xff_ffff);
    (if high { product >> 16 } else { product }) as u32
}

/// The 48-bit product of `mul24.s32`.
#[inline(always)]
pub(crate) fn mul24_s32(a: u32, b: u32, high: bool) -> u32 {
    let sign_extended = |x: u32| i64::from((x << 8) as i32 >> 8);
    let product = sign_extended(a) * sign_extended(b);
    (if high { product >> 16 } else { product }) as u32
}

/// `sad.u32`: `c + |a - b|`.
#[inline(always)]
pub(crate) fn sad_u32(a: u32, b: u32, c: u32) -> u32 {
    c.wrapping_add(a.abs_diff(b))
}

/// `sad.s32`.
#[inline(always)]
pub(crate) fn sad_s32(a: u32, b: u32, c: u32) -> u32 {
    c.wrapping_add((a as i32).abs_diff(b as i32))
}

/// A byte or half word of `x` as a number.
#[inline(always)]
fn part(x: u32, index: u32, bits: u32, signed: bool) -> i32 {
    let up = x << (32 - bits - index * bits);
    if signed { up as i32 >> (32 - bits) } else { (up >> (32 - bits)) as i32 }
}

/// `dp4a`: four byte products added to `c`.
#[inline(always)]
pub(crate) fn dp4a(a: u32, b: u32, c: u32, a_signed: bool, b_signed: bool) -> u32 {
    let mut sum = c;
    for i in 0..4 {
        sum = sum.wrapping_add((part(a, i, 8, a_signed) * part(b, i, 8, b_signed)) as u32);
    }
    sum
}

/// `dp2a`: the half words of `a` times the low or high two bytes of `b`, added to `c`.
#[inline(always)]
pub(crate) fn dp2a(a: u32, b: u32, c: u32, a_signed: bool, b_signed: bool, high: bool) -> u32 {
    let mut sum = c;
    for i in 0..2 {
        let byte = part(b, i + 2 * u32::from(high), 8, b_signed);
        sum = sum.wrapping_add((part(a, i, 16, a_signed) * byte) as u32);
    }
    sum
}

/// The amount of `szext` and `bmsk`: `.clamp` stops at 32, `.wrap` takes 5 bits.
#[inline(always)]
fn width(b: u32, clamp: bool) -> u32 {
    if clamp { b.min(32) } else { b & 31 }
}

/// `szext.u32`: the low `b` bits zero-extended.
#[inline(always)]
pub(crate) fn szext_u32(a: u32, b: u32, clamp: bool) -> u32 {
    bfe_u32(a, 0, width(b, clamp))
}

/// `szext.s32`: the low `b` bits sign-extended.
#[inline(always)]
pub(crate) fn szext_s32(a: u32, b: u32, clamp: bool) -> u32 {
    bfe_s32(a, 0, width(b, clamp))
}

/// `bmsk.b32`: `b` ones from bit `a`.
#[inline(always)]
pub(crate) fn bmsk(a: u32, b: u32, clamp: bool) -> u32 {
    let (pos, len) = (width(a, clamp), width(b, clamp));
    bfi_b32(u32::MAX, 0, pos, len)
}

/// `fns.b32`: the position of the `offset`-th set bit of `mask` from bit `base` on, upwards for a positive offset, downwards for
/// a negative one; offset 0 asks whether bit `base` is set. All ones where there is none.
#[inline(always)]
pub(crate) fn fns(mask: u32, base: u32, offset: i32) -> u32 {
    let base = base & 31;
    let up = mask & u32::MAX << base;
    let down = mask & u32::MAX >> (31 - base);
    match offset {
        0 if mask >> base & 1 != 0 => base,
        0 => u32::MAX,
        1.. => nth_set(up, offset as u32),
        _ => match nth_set(down.reverse_bits(), offset.unsigned_abs()) {
            u32::MAX => u32::MAX,
            position => 31 - position,
        },
    }
}

/// The position of the `n`-th set bit, counted from 1.
#[inline(always)]
fn nth_set(mut mask: u32, n: u32) -> u32 {
    if n > mask.count_ones() {
        return u32::MAX;
    }
    for _ in 1..n {
        mask &= mask - 1;
    }
    mask.trailing_zeros()
}
