//! Conversions.

use super::{DENSE, EVERY, lanes};
use crate::form::{Check::Exact, Form};
use crate::input::Kind::{F64, Halves, Index, Long, None, Tie, Tie64, Word};

/// Values at ties, for all formats that are shorter.
const TIES: usize = 1 << 14;

pub(super) fn add(all: &mut Vec<Form>) {
    let tie = ([Tie, Tie, None], TIES);
    for rounding in ["rn", "rz"] {
        for (to, relu) in [("f16", ""), ("bf16", ""), ("f16", ".relu"), ("bf16", ".relu")] {
            lanes(all, 80, tie, &Exact, &[&format!("cvt.{rounding}{relu}.{to}.f32 hd, a")]);
            lanes(all, 80, tie, &Exact, &[&format!("cvt.{rounding}{relu}.{to}x2.f32 d, a, b")]);
        }
        lanes(all, 90, tie, &Exact, &[&format!("cvt.{rounding}.tf32.f32 d, a")]);
        lanes(all, 90, tie, &Exact, &[&format!("cvt.{rounding}.relu.tf32.f32 d, a")]);
    }
    lanes(all, 80, tie, &Exact, &["cvt.rna.tf32.f32 d, a"]);
    for to in ["e4m3x2", "e5m2x2"] {
        for relu in ["", ".relu"] {
            lanes(all, 89, tie, &Exact, &[&format!("cvt.rn.satfinite{relu}.{to}.f32 hd, a, b")]);
            lanes(
                all,
                89,
                ([Halves, None, None], TIES),
                &Exact,
                &[&format!("cvt.rn.satfinite{relu}.{to}.f16x2 hd, a")],
            );
            lanes(all, 89, ([Index, None, None], EVERY), &Exact, &[&format!("cvt.rn{relu}.f16x2.{to} d, ha")]);
        }
    }
    lanes(
        all,
        80,
        ([Index, None, None], EVERY),
        &Exact,
        &["cvt.f32.f16 d, ha", "cvt.f64.f16 D, ha", "cvt.sat.f32.f16 d, ha"],
    );
    lanes(all, 90, ([Index, None, None], EVERY), &Exact, &["cvt.f32.bf16 d, ha"]);
    for rounding in ["rni", "rzi", "rmi", "rpi"] {
        lanes(all, 80, ([Index, None, None], EVERY), &Exact, &[&format!("cvt.{rounding}.f16.f16 hd, ha")]);
        for to in ["s16", "u16"] {
            lanes(all, 80, ([Index, None, None], EVERY), &Exact, &[&format!("cvt.{rounding}.{to}.f16 hd, ha")]);
        }
        for ftz in ["", ".ftz"] {
            lanes(all, 80, tie, &Exact, &[&format!("cvt.{rounding}{ftz}.f32.f32 d, a")]);
            for (to, register) in [("s32", "d"), ("u32", "d"), ("s64", "D"), ("u64", "D"), ("s16", "hd"), ("u16", "hd")]
            {
                lanes(all, 80, tie, &Exact, &[&format!("cvt.{rounding}{ftz}.{to}.f32 {register}, a")]);
            }
        }
        for (to, register) in [("s32", "d"), ("u32", "d"), ("s64", "D"), ("u64", "D"), ("f64", "D")] {
            lanes(all, 80, ([Tie64, None, None], 4096), &Exact, &[&format!("cvt.{rounding}.{to}.f64 {register}, A")]);
        }
    }
    for rounding in ["rn", "rz", "rm", "rp"] {
        for (from, register, kind) in [("s32", "a", Word), ("u32", "a", Word), ("s64", "A", Long), ("u64", "A", Long)] {
            let input = ([kind, None, None], 4096);
            lanes(all, 80, input, &Exact, &[&format!("cvt.{rounding}.f32.{from} d, {register}")]);
            lanes(all, 80, input, &Exact, &[&format!("cvt.{rounding}.f64.{from} D, {register}")]);
            lanes(all, 80, input, &Exact, &[&format!("cvt.{rounding}.f16.{from} hd, {register}")]);
        }
        for ftz in ["", ".ftz", ".sat"] {
            lanes(all, 80, ([Tie64, None, None], TIES), &Exact, &[&format!("cvt.{rounding}{ftz}.f32.f64 d, A")]);
        }
        lanes(all, 80, ([Tie64, None, None], TIES), &Exact, &[&format!("cvt.{rounding}.f16.f64 hd, A")]);
    }
    lanes(
        all,
        80,
        tie,
        &Exact,
        &["cvt.f64.f32 D, a", "cvt.ftz.f64.f32 D, a", "cvt.sat.f32.f32 d, a", "cvt.ftz.f32.f32 d, a"],
    );
    lanes(all, 80, ([F64, None, None], DENSE), &Exact, &["cvt.sat.f64.f64 D, A"]);
    let saturating = [
        "cvt.sat.s8.s32 d, a",
        "cvt.sat.u8.s32 d, a",
        "cvt.sat.s16.s32 hd, a",
        "cvt.sat.u16.u32 hd, a",
        "cvt.sat.u32.s32 d, a",
    ];
    lanes(all, 80, ([Word, None, None], DENSE), &Exact, &saturating);
    lanes(
        all,
        80,
        ([Long, None, None], DENSE),
        &Exact,
        &["cvt.sat.s32.s64 d, A", "cvt.sat.s32.u64 d, A", "cvt.sat.u32.s64 d, A"],
    );
}
