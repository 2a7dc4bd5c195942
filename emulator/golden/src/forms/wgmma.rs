//! Products of a warpgroup: every layout of shared memory by small whole numbers, whose sums are exact; every type; sums of floats.

use super::matrix::part;
use crate::form::{Check, Check::Exact, Form, Format, Shape};
use crate::input::Kind::{self, Bf16x2, E4m3x4, E5m2x4, F16x2, Small, Tf32, Word};

/// Where B begins; A begins at 0.
const B: u64 = 8192;

/// A matrix of so many lines in the tightest layout: the swizzle's bytes (16 for none), whether its lines are contiguous (else its depth).
fn descriptor(start: u64, width: u64, across: bool, lines: u64) -> u64 {
    let (leading, stride) = match (across, width) {
        (_, 16) => (lines * 16, 128),
        (false, width) => (16, 8 * width),
        (true, width) => (16 * width, 8 * width),
    };
    let mode = match width {
        16 => 0u64,
        32 => 3,
        64 => 2,
        _ => 1,
    };
    start >> 4 | leading >> 4 << 16 | (stride >> 4) << 32 | mode << 62
}

/// One product and the stores of its accumulators.
struct Product {
    types: &'static str,
    k: usize,
    n: usize,
    /// A's descriptor, or its registers.
    a: Option<u64>,
    b: u64,
    /// What follows the predicate.
    constants: &'static str,
    elements: Kind,
    check: Check,
}

fn push(all: &mut Vec<Form>, product: Product) {
    let Product { types, k, n, a, b, constants, elements, check } = product;
    let registers = if types.starts_with("f16") { n / 4 } else { n / 2 };
    let names: Vec<String> = (0..registers).map(|at| format!("d{at}")).collect();
    let a_place = a.map_or("registers".to_owned(), |a| format!("{a:#x}"));
    let title = format!("// wgmma m64n{n}k{k}.{types}{constants}, {elements:?}, A in {a_place}, B in {b:#x}");
    let mut code = format!("{title}\n.reg .b32 d<{registers}>; ");
    let operand = match a {
        Some(a) => {
            code += &format!("add.u64 A, S, {}; ", a as i64);
            "A".to_owned()
        }
        None => "{f0, f1, f2, f3}".to_owned(),
    };
    code += &format!("add.u64 B, S, {}; setp.ne.b64 p, S, S; ", b as i64);
    names.iter().for_each(|name| code += &format!("mov.b32 {name}, 0; "));
    code += &format!(
        "wgmma.fence.sync.aligned; wgmma.mma_async.sync.aligned.m64n{n}k{k}.{types} {{{}}}, {operand}, B, p{constants}; \
         wgmma.commit_group.sync.aligned; wgmma.wait_group.sync.aligned 0;",
        names.join(", ")
    );
    names.iter().enumerate().for_each(|(at, name)| code += &format!(" st.global.b32 [out+{}], {name};", 4 * at));
    all.push(Form { code, needs: 900, shape: Shape::Group(elements, 4 * registers), check });
}

pub(super) fn add(all: &mut Vec<Form>) {
    let brain = Small(16, 7);
    // Layouts: both operands in each order of each swizzle.
    for width in [16, 32, 64, 128] {
        for (a_across, b_across, constants) in [
            (false, false, ", 1, 1, 0, 0"),
            (false, true, ", 1, 1, 0, 1"),
            (true, false, ", 1, 1, 1, 0"),
            (true, true, ", 1, 1, 1, 1"),
        ] {
            let (a, b) = (Some(descriptor(0, width, a_across, 64)), descriptor(B, width, b_across, 64));
            let types = "f32.bf16.bf16";
            push(all, Product { types, k: 16, n: 64, a, b, constants, elements: brain, check: Exact });
        }
        // A in registers, as many columns as fit; the second half of a swizzle's pattern; a pattern that begins off its boundary.
        let (constants, types) = (", 1, 1, 0", "f32.bf16.bf16");
        let n = (16384 / width).min(256) as usize;
        let b = descriptor(0, width, false, n as u64);
        push(all, Product { types, k: 16, n, a: None, b, constants, elements: brain, check: Exact });
        let b = descriptor(B + width / 2, width.max(32), false, 64);
        push(all, Product { types, k: 16, n: 64, a: None, b, constants, elements: brain, check: Exact });
        let b = descriptor(B + 384, width, false, 64) | 3 << 49;
        push(all, Product { types, k: 16, n: 16, a: None, b, constants, elements: brain, check: Exact });
    }
    // Types, widths and signs.
    let types = [
        ("f32.f16.f16", 16, Small(16, 10), ", 1, 1, 0, 0"),
        ("f16.f16.f16", 16, Small(16, 10), ", 1, -1, 0, 0"),
        ("f32.bf16.bf16", 16, brain, ", -1, 1, 0, 0"),
        ("f32.tf32.tf32", 8, Small(32, 23), ", 1, 1"),
        ("f32.e4m3.e4m3", 32, Small(8, 3), ", 1, 1"),
        ("f16.e5m2.e5m2", 32, Small(8, 2), ", 1, 1"),
        ("s32.s8.s8", 32, Word, ""),
        ("s32.u8.s8", 32, Word, ""),
        ("s32.u8.u8", 32, Word, ""),
    ];
    for (types, k, elements, constants) in types {
        for n in [8, 24, 96] {
            let (a, b) = (Some(descriptor(0, 32, false, 64)), descriptor(B, 32, false, n as u64));
            push(all, Product { types, k, n, a, b, constants, elements, check: Exact });
        }
    }
    // Sums of floats.
    let floats = [
        ("f32.f16.f16", 16, F16x2, Format::F32, ", 1, 1, 0, 0", 0x8000_8000),
        ("f16.f16.f16", 16, F16x2, Format::F16, ", 1, 1, 0, 0", 0x8000_8000),
        ("f32.bf16.bf16", 16, Bf16x2, Format::F32, ", 1, 1, 0, 0", 0x8000_8000),
        ("f32.tf32.tf32", 8, Tf32, Format::F32, ", 1, 1", 0x8000_0000),
        ("f32.e4m3.e4m3", 32, E4m3x4, Format::F32, ", 1, 1", 0x8080_8080),
        ("f32.e5m2.e5m2", 32, E5m2x4, Format::F32, ", 1, 1", 0x8080_8080),
    ];
    for (types, k, elements, format, constants, mask) in floats {
        let (a, b) = (Some(descriptor(0, 32, false, 64)), descriptor(B, 32, false, 32));
        let check = Check::Sum(format, part(elements, format, k), vec![((16384 + 2048) / 4, mask)]);
        push(all, Product { types, k, n: 32, a, b, constants, elements, check });
    }
}
