//! Arithmetic, comparisons and approximate functions of floats.

use super::{DENSE, EVERY, lanes};
use crate::form::{Bound, Check, Check::Exact, Form, Format, absolute, relative};
use crate::input::Kind::{Cancelling, F32, F64, Halves, Index, Middle, None};

pub(super) fn add(all: &mut Vec<Form>) {
    arithmetic(all);
    comparisons(all);
    halves(all);
    functions(all);
}

fn arithmetic(all: &mut Vec<Form>) {
    let (two, three) = (([F32, F32, None], DENSE), ([F32, F32, Cancelling], 2 * DENSE));
    for rounding in ["rn", "rz", "rm", "rp"] {
        for ftz in ["", ".ftz"] {
            for op in ["add", "sub", "mul", "div"] {
                lanes(all, 80, two, &Exact, &[&format!("{op}.{rounding}{ftz}.f32 d, a, b")]);
            }
            lanes(all, 80, three, &Exact, &[&format!("fma.{rounding}{ftz}.f32 d, a, b, c")]);
            for op in ["rcp", "sqrt"] {
                lanes(all, 80, ([F32, None, None], 2 * DENSE), &Exact, &[&format!("{op}.{rounding}{ftz}.f32 d, a")]);
            }
        }
        for op in ["add", "sub", "mul", "div"] {
            lanes(all, 80, ([F64, F64, None], DENSE), &Exact, &[&format!("{op}.{rounding}.f64 D, A, B")]);
        }
        lanes(all, 80, ([F64, F64, F64], 2 * DENSE), &Exact, &[&format!("fma.{rounding}.f64 D, A, B, C")]);
        for op in ["rcp", "sqrt"] {
            lanes(all, 80, ([F64, None, None], DENSE), &Exact, &[&format!("{op}.{rounding}.f64 D, A")]);
        }
    }
    lanes(
        all,
        80,
        two,
        &Exact,
        &["add.sat.f32 d, a, b", "sub.ftz.sat.f32 d, a, b", "mul.sat.f32 d, a, b", "copysign.f32 d, a, b"],
    );
    lanes(
        all,
        80,
        three,
        &Exact,
        &["fma.rn.sat.f32 d, a, b, c", "fma.rn.ftz.sat.f32 d, a, b, c", "mad.rn.f32 d, a, b, c"],
    );
    lanes(
        all,
        80,
        ([F32, None, None], DENSE),
        &Exact,
        &["neg.f32 d, a", "neg.ftz.f32 d, a", "abs.f32 d, a", "abs.ftz.f32 d, a"],
    );
    lanes(
        all,
        80,
        ([F64, F64, None], DENSE),
        &Exact,
        &["min.f64 D, A, B", "max.f64 D, A, B", "neg.f64 D, A", "abs.f64 D, A"],
    );
}

fn comparisons(all: &mut Vec<Form>) {
    let two = ([F32, F32, None], DENSE);
    for op in ["min", "max"] {
        for modifiers in ["", ".ftz", ".NaN", ".ftz.NaN"] {
            lanes(all, 80, two, &Exact, &[&format!("{op}{modifiers}.f32 d, a, b")]);
        }
        for modifiers in [".xorsign.abs", ".NaN.xorsign.abs"] {
            lanes(all, 86, two, &Exact, &[&format!("{op}{modifiers}.f32 d, a, b")]);
        }
    }
    for relation in ["eq", "ne", "lt", "le", "gt", "ge", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan"] {
        lanes(
            all,
            80,
            two,
            &Exact,
            &[&format!("setp.{relation}.f32 p, a, b"), &format!("setp.{relation}.ftz.f32 p, a, b")],
        );
        lanes(all, 80, ([F64, F64, None], DENSE), &Exact, &[&format!("setp.{relation}.f64 p, A, B")]);
        lanes(all, 80, ([Halves, Halves, None], DENSE), &Exact, &[&format!("setp.{relation}.f16 p, ha, hb")]);
        lanes(all, 90, ([Halves, Halves, None], DENSE), &Exact, &[&format!("setp.{relation}.bf16 p, ha, hb")]);
    }
    for class in ["finite", "infinite", "number", "notanumber", "normal", "subnormal"] {
        lanes(all, 80, ([F32, None, None], DENSE), &Exact, &[&format!("testp.{class}.f32 p, a")]);
        lanes(all, 80, ([F64, None, None], DENSE), &Exact, &[&format!("testp.{class}.f64 p, A")]);
    }
    lanes(all, 80, ([F32, F32, F32], DENSE), &Exact, &["slct.f32.f32 d, a, b, c", "slct.ftz.f32.f32 d, a, b, c"]);
}

/// `.f16`, `.bf16` and their pairs.
fn halves(all: &mut Vec<Form>) {
    let three = ([Halves, Halves, Halves], 2 * DENSE);
    for modifiers in ["", ".ftz", ".sat", ".ftz.sat", ".relu"] {
        for (ty, d, [a, b, c]) in [("f16", "hd", ["ha", "hb", "hc"]), ("f16x2", "d", ["a", "b", "c"])] {
            lanes(all, 80, three, &Exact, &[&format!("fma.rn{modifiers}.{ty} {d}, {a}, {b}, {c}")]);
            if modifiers != ".relu" {
                for op in ["add", "sub", "mul"] {
                    lanes(all, 80, three, &Exact, &[&format!("{op}{modifiers}.{ty} {d}, {a}, {b}")]);
                }
            }
        }
    }
    for (ty, d, [a, b, c]) in [("bf16", "hd", ["ha", "hb", "hc"]), ("bf16x2", "d", ["a", "b", "c"])] {
        for modifiers in ["", ".relu"] {
            lanes(all, 80, three, &Exact, &[&format!("fma.rn{modifiers}.{ty} {d}, {a}, {b}, {c}")]);
        }
        for op in ["add", "sub", "mul"] {
            lanes(all, 90, three, &Exact, &[&format!("{op}.rn.{ty} {d}, {a}, {b}")]);
        }
        lanes(all, 80, three, &Exact, &[&format!("neg.{ty} {d}, {a}"), &format!("abs.{ty} {d}, {a}")]);
    }
    for op in ["min", "max"] {
        for (ty, d, [a, b]) in [
            ("f16", "hd", ["ha", "hb"]),
            ("f16x2", "d", ["a", "b"]),
            ("bf16", "hd", ["ha", "hb"]),
            ("bf16x2", "d", ["a", "b"]),
        ] {
            for modifiers in ["", ".NaN"] {
                lanes(all, 80, three, &Exact, &[&format!("{op}{modifiers}.{ty} {d}, {a}, {b}")]);
            }
        }
        lanes(all, 80, three, &Exact, &[&format!("{op}.ftz.f16 hd, ha, hb"), &format!("{op}.ftz.NaN.f16x2 d, a, b")]);
    }
    lanes(all, 80, three, &Exact, &["neg.f16 hd, ha", "abs.f16x2 d, a"]);
}

/// The bounds are those of the PTX ISA, section of each instruction; where it gives units in the last place, one is 2^-23 of the result.
fn functions(all: &mut Vec<Form>) {
    const UNIT: f64 = 1.0 / (1u64 << 23) as f64;
    let near = |format, bound: Bound| Check::Near(format, bound);
    let one = ([F32, None, None], 4 * DENSE);
    let middle = ([Middle, None, None], 4 * DENSE);
    for ftz in ["", ".ftz"] {
        for (op, bound) in [("rcp", UNIT), ("rsqrt", 1.277_653e-7), ("sqrt", UNIT), ("ex2", 2.0 * UNIT)] {
            for input in [one, middle] {
                let code = format!("{op}.approx{ftz}.f32 d, a");
                // The same instruction twice has two names.
                let code = if input == middle { format!("mov.b32 r, a; {}", code.replace(", a", ", r")) } else { code };
                lanes(all, 80, input, &near(Format::F32, relative(bound)), &[&code]);
            }
        }
        // Near 1 the error of a logarithm is absolute, elsewhere a part of it.
        let logarithm = Bound { relative: 2.0 * UNIT, absolute: 2.0 * UNIT };
        lanes(all, 80, middle, &near(Format::F32, logarithm), &[&format!("lg2.approx{ftz}.f32 d, a")]);
        // 2^-20.5 within two turns, 2^-14.7 in a hundred.
        for op in ["sin", "cos"] {
            let code = format!("mov.f32 r, 0f3A800000; mul.f32 r, a, r; {op}.approx{ftz}.f32 d, r");
            lanes(all, 80, middle, &near(Format::F32, absolute(6.743_496e-7)), &[&code]);
            let code = format!("mov.f32 r, 0f3D800000; mul.f32 r, a, r; {op}.approx{ftz}.f32 d, r");
            lanes(all, 80, middle, &near(Format::F32, absolute(3.757_154e-5)), &[&code]);
        }
        for op in ["div.approx", "div.full"] {
            let input = ([Middle, Middle, None], 4 * DENSE);
            lanes(all, 80, input, &near(Format::F32, relative(2.0 * UNIT)), &[&format!("{op}{ftz}.f32 d, a, b")]);
        }
        lanes(
            all,
            80,
            ([F64, None, None], DENSE),
            &near(Format::F64, relative(4.0 * 2f64.powi(-21))),
            &[&format!("rsqrt.approx{}.f64 D, A", ftz)],
        );
    }
    lanes(
        all,
        80,
        ([F64, None, None], DENSE),
        &near(Format::F64, relative(4.0 * 2f64.powi(-21))),
        &["rcp.approx.ftz.f64 D, A"],
    );
    for input in [one, middle] {
        let code = if input == one { "tanh.approx.f32 d, a" } else { "mov.b32 r, a; tanh.approx.f32 d, r" };
        lanes(all, 80, input, &near(Format::F32, relative(2f64.powi(-11))), &[code]);
    }
    let every = ([Index, None, None], EVERY);
    lanes(all, 80, every, &near(Format::F16, relative(1.046_653e-3)), &["ex2.approx.f16 hd, ha"]);
    lanes(all, 80, every, &near(Format::F16, absolute(4.927_009e-4)), &["tanh.approx.f16 hd, ha"]);
    lanes(all, 90, every, &near(Format::Bf16, relative(2f64.powi(-7))), &["ex2.approx.ftz.bf16 hd, ha"]);
    lanes(all, 90, every, &near(Format::Bf16, absolute(2f64.powi(-8))), &["tanh.approx.bf16 hd, ha"]);
}
