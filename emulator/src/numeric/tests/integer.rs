//! Integer instructions against the ISA's pseudo-code, bit by bit, and by hand.

use super::Random;
use crate::numeric::integer::*;

/// `bfe` as the ISA writes it, for a word of `bits` bits.
fn bfe_by_bits(a: u64, pos: u32, len: u32, bits: u32, signed: bool) -> u64 {
    let (pos, len, top) = (pos & 0xff, len & 0xff, bits - 1);
    let bit = |i: u32| a >> i & 1;
    let sign = if !signed || len == 0 { 0 } else { bit((pos + len - 1).min(top)) };
    (0..bits).map(|i| if i < len && pos + i <= top { bit(pos + i) << i } else { sign << i }).sum()
}

#[test]
fn bit_fields() {
    let mut random = Random(1);
    for _ in 0..100_000 {
        let (a, b) = (random.bits(), random.bits());
        let (pos, len) = (random.word() % 300, random.word() % 300);
        for (pos, len) in [(pos, len), (pos % 64, len % 70)] {
            assert_eq!(u64::from(bfe_u32(a as u32, pos, len)), bfe_by_bits(a & 0xffff_ffff, pos, len, 32, false));
            assert_eq!(u64::from(bfe_s32(a as u32, pos, len)), bfe_by_bits(a & 0xffff_ffff, pos, len, 32, true));
            assert_eq!(bfe_u64(a, pos, len), bfe_by_bits(a, pos, len, 64, false));
            assert_eq!(bfe_s64(a, pos, len), bfe_by_bits(a, pos, len, 64, true), "{a:#x} {pos} {len}");
            // The ISA's loop: for i < len and pos + i <= msb, bit pos + i of the result is bit i of a.
            let insert = |bits: u32| {
                let mut f = b;
                for i in 0..len & 0xff {
                    let place = (pos & 0xff) + i;
                    if place < bits {
                        f = f & !(1 << place) | (a >> i & 1) << place;
                    }
                }
                f
            };
            assert_eq!(u64::from(bfi_b32(a as u32, b as u32, pos, len)), insert(32) & 0xffff_ffff);
            assert_eq!(bfi_b64(a, b, pos, len), insert(64));
        }
    }
}

#[test]
fn highest_bits() {
    assert_eq!([0, 1, 0x8000_0000].map(|a| bfind_u32(a, false)), [u32::MAX, 0, 31]);
    assert_eq!([0, 1, 0x8000_0000].map(|a| bfind_u32(a, true)), [u32::MAX, 31, 0]);
    // -1 has no bit that differs from its sign; -2 has bit 0.
    assert_eq!([u32::MAX, u32::MAX - 1, 4].map(|a| bfind_s32(a, false)), [u32::MAX, 0, 2]);
    assert_eq!([0, 1 << 40].map(|a| bfind_u64(a, false)), [u32::MAX, 40]);
    assert_eq!([1 << 40, !(1 << 40)].map(|a| bfind_s64(a, true)), [23, 23]);
}

#[test]
fn byte_permutations() {
    let (a, b) = (0x3322_1100, 0xf766_5544);
    assert_eq!(prmt(a, b, 0x7310, PrmtMode::Index), 0xf733_1100);
    // Selector 15 spreads the sign of byte 7 (0xf7), selector 8 that of byte 0.
    assert_eq!(prmt(a, b, 0x008f, PrmtMode::Index), 0x0000_00ff);
    // Tables of the ISA, as bytes 3, 2, 1, 0 for c = 0 to 3.
    let table = |mode| [0, 1, 2, 3].map(|c| prmt(0x0302_0100, 0x0706_0504, c, mode));
    assert_eq!(table(PrmtMode::Forward4), [0x0302_0100, 0x0403_0201, 0x0504_0302, 0x0605_0403]);
    assert_eq!(table(PrmtMode::Backward4), [0x0506_0700, 0x0607_0001, 0x0700_0102, 0x0001_0203]);
    assert_eq!(table(PrmtMode::Replicate8), [0x0000_0000, 0x0101_0101, 0x0202_0202, 0x0303_0303]);
    assert_eq!(table(PrmtMode::EdgeClampLeft), [0x0302_0100, 0x0302_0101, 0x0302_0202, 0x0303_0303]);
    assert_eq!(table(PrmtMode::EdgeClampRight), [0x0000_0000, 0x0101_0100, 0x0202_0100, 0x0302_0100]);
    assert_eq!(table(PrmtMode::Replicate16), [0x0100_0100, 0x0302_0302, 0x0100_0100, 0x0302_0302]);
}

#[test]
fn logic_tables() {
    let (a, b, c) = (0xf0, 0xcc, 0xaa);
    for table in 0..=255u8 {
        // The ISA builds a table by applying the function to these three constants.
        assert_eq!(lop3(a, b, c, table) & 0xff, u32::from(table));
    }
    assert_eq!(lop3(0x1234, 0x5678, 0x9abc, 0x96), 0x1234 ^ 0x5678 ^ 0x9abc);
}

#[test]
fn funnel_shifts() {
    let (low, high) = (0x8000_0001, 0x4000_0002);
    assert_eq!([0, 1, 31, 32, 33].map(|n| shf_l(low, high, n, true)), [high, 0x8000_0005, 0x4000_0000, low, low]);
    assert_eq!([32, 33].map(|n| shf_l(low, high, n, false)), [high, 0x8000_0005]);
    assert_eq!([0, 1, 31, 32, 33].map(|n| shf_r(low, high, n, true)), [low, 0x4000_0000, 0x8000_0005, high, high]);
    assert_eq!([32, 33].map(|n| shf_r(low, high, n, false)), [low, 0x4000_0000]);
}

#[test]
fn products_and_sums() {
    assert_eq!(mulhi_u64(u64::MAX, u64::MAX), u64::MAX - 1);
    assert_eq!(mulhi_s64(u64::MAX, u64::MAX), 0);
    assert_eq!(mulhi_s64(1 << 63, 2), u64::MAX);
    assert_eq!(mul24_u32(0xff80_0000, 2, false), 0x0100_0000);
    assert_eq!(mul24_u32(0xff80_0000, 0x20_0000, true), 0x1000_0000);
    assert_eq!(mul24_s32(0x0080_0000, 2, false), 0xff00_0000);
    assert_eq!(mul24_s32(0x0080_0000, 2, true), 0xffff_ff00);
    assert_eq!((sad_u32(3, 10, 100), sad_u32(u32::MAX, 0, 2)), (107, 1));
    assert_eq!(sad_s32(-3i32 as u32, 4, 1), 8);
    // Bytes 1, 2, 3, -1 times 4, 5, 6, 127.
    let (a, b) = (0xff03_0201, 0x7f06_0504);
    assert_eq!(dp4a(a, b, 10, true, true), (10 + 4 + 10 + 18 - 127i32) as u32);
    assert_eq!(dp4a(a, b, 10, false, false), 10 + 4 + 10 + 18 + 255 * 127);
    // Half words 0x0201, 0xff03 times bytes 4, 5 or 6, 127.
    assert_eq!(dp2a(a, b, 1, false, false, false), 1 + 0x201 * 4 + 0xff03 * 5);
    assert_eq!(dp2a(a, b, 1, true, true, true), (1 + 0x201 * 6 + (0xff03 - 0x10000) * 127) as u32);
}

#[test]
fn masks_and_extensions() {
    assert_eq!(
        [0, 4, 31, 32, 40].map(|b| szext_u32(0xabcd_1238, b, true)),
        [0, 8, 0x2bcd_1238, 0xabcd_1238, 0xabcd_1238]
    );
    assert_eq!([0, 4, 32, 40].map(|b| szext_s32(0xabcd_1238, b, false)), [0, 0xffff_fff8, 0, 0x38]);
    assert_eq!([(4, 8), (0, 32), (28, 8), (32, 1)].map(|(a, b)| bmsk(a, b, true)), [0xff0, u32::MAX, 0xf000_0000, 0]);
    assert_eq!(bmsk(33, 33, false), 2);
    let mask = 0b1001_0110;
    assert_eq!([0, 1, 2, 3, 4, 5].map(|n| fns(mask, 1, n)), [1, 1, 2, 4, 7, u32::MAX]);
    assert_eq!([0, -1, -2, -3].map(|n| fns(mask, 3, n)), [u32::MAX, 2, 1, u32::MAX]);
}
