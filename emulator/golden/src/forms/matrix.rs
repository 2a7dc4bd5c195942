//! Matrices of a warp: their movement, and their products by small whole numbers, which are exact in any order and tell every place from
//! every other, and by floats, where sums are rounded.

use super::warps;
use crate::form::{Check, Check::Exact, Form, Format};
use crate::input::Kind::{self, Bf16x2, Double, E4m3x4, E5m2x4, F16x2, Float, Small, Tf32, Word};

/// A shape and its types: modifiers, what elements A and B, the input C and the result are, words of A, B and C, products of a sum.
struct Product {
    modifiers: &'static str,
    needs: u32,
    operands: [Kind; 2],
    small: [Kind; 2],
    accumulator: (Format, Kind, Kind),
    words: [usize; 3],
    k: usize,
}

const HALF: Kind = Small(16, 10);
const BRAIN: Kind = Small(16, 7);
const SINGLE: Kind = Small(32, 23);

pub(super) fn add(all: &mut Vec<Form>) {
    let words = [(4, Word)];
    for (count, list) in [(1, "{y0}"), (2, "{y0, y1}"), (4, "{y0, y1, y2, y3}")] {
        for trans in ["", ".trans"] {
            let fill = "st.shared.v4.b32 [row], {x0, x1, x2, x3}; bar.warp.sync -1;";
            let load = format!("{fill} ldmatrix.sync.aligned.m8n8.x{count}{trans}.shared.b16 {list}, [row];");
            // The rows from the last to the first.
            let back = format!(
                "{fill} mad.lo.u32 r0, lane, -16, s; ldmatrix.sync.aligned.m8n8.x{count}{trans}.shared.b16 {list}, [r0+496];"
            );
            warps(all, 80, &words, &Exact, &[&load, &back]);
            let from = list.replace('y', "x");
            let store = format!(
                "st.shared.v4.b32 [row], {{lane, lane, lane, lane}}; bar.warp.sync -1; stmatrix.sync.aligned.m8n8.x{count}{trans}.shared.b16 [row], {from}; bar.warp.sync -1; ld.shared.v4.b32 {{y0, y1, y2, y3}}, [row];"
            );
            warps(all, 90, &words, &Exact, &[&store]);
        }
    }
    warps(all, 80, &words, &Exact, &["movmatrix.sync.aligned.m8n8.trans.b16 y0, x0;"]);
    integers(all);
    let single = (Format::F32, Float, SINGLE);
    let half = (Format::F16, F16x2, HALF);
    let products = [
        ("m16n8k8.row.col.f32.f16.f16.f32", 80, [F16x2; 2], [HALF; 2], single, [2, 1, 4], 8),
        ("m16n8k16.row.col.f32.f16.f16.f32", 80, [F16x2; 2], [HALF; 2], single, [4, 2, 4], 16),
        ("m16n8k8.row.col.f16.f16.f16.f16", 80, [F16x2; 2], [HALF; 2], half, [2, 1, 2], 8),
        ("m16n8k16.row.col.f16.f16.f16.f16", 80, [F16x2; 2], [HALF; 2], half, [4, 2, 2], 16),
        ("m16n8k8.row.col.f32.bf16.bf16.f32", 80, [Bf16x2; 2], [BRAIN; 2], single, [2, 1, 4], 8),
        ("m16n8k16.row.col.f32.bf16.bf16.f32", 80, [Bf16x2; 2], [BRAIN; 2], single, [4, 2, 4], 16),
        ("m16n8k4.row.col.f32.tf32.tf32.f32", 80, [Tf32; 2], [SINGLE; 2], single, [2, 1, 4], 4),
        ("m16n8k8.row.col.f32.tf32.tf32.f32", 80, [Tf32; 2], [SINGLE; 2], single, [4, 2, 4], 8),
        ("m16n8k32.row.col.f32.e4m3.e4m3.f32", 89, [E4m3x4; 2], [Small(8, 3); 2], single, [4, 2, 4], 32),
        ("m16n8k32.row.col.f32.e4m3.e5m2.f32", 89, [E4m3x4, E5m2x4], [Small(8, 3), Small(8, 2)], single, [4, 2, 4], 32),
        ("m16n8k32.row.col.f32.e5m2.e5m2.f32", 89, [E5m2x4; 2], [Small(8, 2); 2], single, [4, 2, 4], 32),
    ];
    for (modifiers, needs, operands, small, accumulator, words, k) in products {
        product(all, &Product { modifiers, needs, operands, small, accumulator, words, k });
    }
    doubles(all);
}

fn list(name: &str, from: usize, count: usize) -> String {
    let names: Vec<String> = (from..from + count).map(|at| format!("{name}{at}")).collect();
    format!("{{{}}}", names.join(", "))
}

/// The bits of a word that are signs.
fn signs(kind: Kind) -> u32 {
    match kind {
        F16x2 | Bf16x2 => 0x8000_8000,
        E4m3x4 | E5m2x4 => 0x8080_8080,
        _ => 0x8000_0000,
    }
}

/// A part of the sum of magnitudes that cut addends and another order may take: of each of `k` products and of as many partial sums a unit of the
/// precision that is kept, 2^-22 and of 8-bit floats 2^-12 (emulator/README.md names the sources); and a rounding of each partial sum to the result.
pub(super) fn part(operand: Kind, format: Format, k: usize) -> f64 {
    let kept = if matches!(operand, E4m3x4 | E5m2x4) { 12 } else { 22 };
    let rounded = if format == Format::F16 { (k / 4) as f64 * 2f64.powi(-11) } else { 0.0 };
    (2 * k) as f64 * 2f64.powi(-kept) + rounded
}

fn product(all: &mut Vec<Form>, product: &Product) {
    let [a, b, c] = product.words;
    let code = format!(
        "mma.sync.aligned.{} {}, {}, {}, {};",
        product.modifiers,
        list("y", 0, c),
        list("x", 0, a),
        list("x", a, b),
        list("x", a + b, c)
    );
    let (format, addend, small) = product.accumulator;
    let words = |kinds: [Kind; 3]| [(a, kinds[0]), (b, kinds[1]), (c, kinds[2])];
    warps(all, product.needs, &words([product.small[0], product.small[1], small]), &Exact, &[&code]);
    let kinds = [product.operands[0], product.operands[1], addend];
    let masks = words(kinds).map(|(count, kind)| (count, signs(kind))).to_vec();
    let check = Check::Sum(format, part(kinds[0], format, product.k), masks);
    // The same instruction on other numbers has another name.
    warps(all, product.needs, &words(kinds), &check, &[&format!("// floats: {code}\n{code}")]);
}

fn integers(all: &mut Vec<Form>) {
    for (k, [a, b]) in [(16, [2, 1]), (32, [4, 2])] {
        for types in ["s8.s8", "u8.u8", "s8.u8", "u8.s8"] {
            for sat in ["", ".satfinite"] {
                let code = format!(
                    "mma.sync.aligned.m16n8k{k}.row.col{sat}.s32.{types}.s32 {}, {}, {}, {};",
                    list("y", 0, 4),
                    list("x", 0, a),
                    list("x", a, b),
                    list("x", a + b, 4)
                );
                warps(all, 80, &[(a + b + 4, Word)], &Exact, &[&code]);
            }
        }
    }
}

/// Products of `f64` are fused one by one, in the order of the depth or another: the bound is that of any order.
fn doubles(all: &mut Vec<Form>) {
    let pair = |name: &str, at: usize| format!("mov.b64 X{at}, {{{name}{}, {name}{}}};", 2 * at, 2 * at + 1);
    for (shape, needs, [a, b, c], k) in [("m8n8k4", 80, [1, 1, 2], 4), ("m16n8k4", 90, [2, 1, 4], 4)] {
        let load: Vec<String> = (0..a + b + c).map(|at| pair("x", at)).collect();
        let store: Vec<String> = (0..c).map(|at| format!("mov.b64 {{y{}, y{}}}, Y{at};", 2 * at, 2 * at + 1)).collect();
        let code = format!(
            "{} mma.sync.aligned.{shape}.row.col.f64.f64.f64.f64 {}, {}, {}, {}; {}",
            load.join(" "),
            list("Y", 0, c),
            list("X", 0, a),
            list("X", a, b),
            list("X", a + b, c),
            store.join(" ")
        );
        let masks = (0..a + b + c).flat_map(|_| [(1, 0), (1, 0x8000_0000)]).collect();
        let check = Check::Sum(Format::F64, (2 * k) as f64 * 2f64.powi(-53), masks);
        warps(all, needs, &[(a + b + c, Double)], &check, &[&code]);
    }
}
