//! Integers and bits.

use super::{DENSE, lanes};
use crate::form::{Check::Exact, Form};
use crate::input::Kind::{Count, Long, None, Word};

pub(super) fn add(all: &mut Vec<Form>) {
    let two = ([Word, Word, None], DENSE);
    let three = ([Word, Word, Word], DENSE);
    for mode in ["", ".f4e", ".b4e", ".rc8", ".ecl", ".ecr", ".rc16"] {
        lanes(all, 80, three, &Exact, &[&format!("prmt.b32{mode} d, a, b, c")]);
    }
    for side in ["l", "r"] {
        for mode in ["clamp", "wrap"] {
            lanes(all, 80, ([Word, Word, Count], DENSE), &Exact, &[&format!("shf.{side}.{mode}.b32 d, a, b, c")]);
        }
    }
    for table in [0x80, 0x96, 0xca, 0xe8, 0x1b, 0x5a, 0xfe, 0x01] {
        lanes(all, 80, three, &Exact, &[&format!("lop3.b32 d, a, b, c, {table}")]);
    }
    let shifts =
        ["shl.b32 d, a, b", "shr.u32 d, a, b", "shr.s32 d, a, b", "bmsk.clamp.b32 d, b, a", "bmsk.wrap.b32 d, b, a"];
    lanes(all, 80, ([Word, Count, None], DENSE), &Exact, &shifts);
    lanes(
        all,
        80,
        ([Word, Count, None], DENSE),
        &Exact,
        &["szext.clamp.s32 d, a, b", "szext.wrap.u32 d, a, b", "fns.b32 d, a, 3, 1", "fns.b32 d, a, 16, -2"],
    );
    lanes(all, 80, ([Long, Count, None], DENSE), &Exact, &["shl.b64 D, A, b", "shr.u64 D, A, b", "shr.s64 D, A, b"]);
    lanes(
        all,
        80,
        ([Word, Count, None], DENSE),
        &Exact,
        &["shl.b16 hd, ha, b", "shr.u16 hd, ha, b", "shr.s16 hd, ha, b"],
    );
    lanes(all, 80, ([Word, Count, Count], DENSE), &Exact, &["bfe.u32 d, a, b, c", "bfe.s32 d, a, b, c"]);
    lanes(all, 80, ([Long, Count, Count], DENSE), &Exact, &["bfe.u64 D, A, b, c", "bfe.s64 D, A, b, c"]);
    lanes(all, 80, ([Word, Word, Count], DENSE), &Exact, &["bfi.b32 d, a, b, c, 7", "bfi.b32 d, a, b, 5, c"]);
    lanes(all, 80, ([Long, Long, Count], DENSE), &Exact, &["bfi.b64 D, A, B, c, 40"]);
    lanes(
        all,
        80,
        two,
        &Exact,
        &[
            "bfind.u32 d, a",
            "bfind.s32 d, a",
            "bfind.shiftamt.u32 d, a",
            "clz.b32 d, a",
            "popc.b32 d, a",
            "brev.b32 d, a",
            "cnot.b32 d, a",
            "mul.hi.u32 d, a, b",
            "mul.hi.s32 d, a, b",
            "mul.wide.u32 D, a, b",
            "mul.wide.s32 D, a, b",
            "mul24.lo.s32 d, a, b",
            "mul24.hi.u32 d, a, b",
            "mul24.hi.s32 d, a, b",
            "add.sat.s32 d, a, b",
            "sub.sat.s32 d, a, b",
            "min.s32 d, a, b",
            "max.u32 d, a, b",
            "abs.s32 d, a",
            "neg.s32 d, a",
            "add.cc.u32 d, a, b; addc.u32 d, a, 0",
            "sub.cc.u32 d, a, b; subc.u32 d, a, 0",
            "div.u32 d, a, b",
            "div.s32 d, a, b",
            "rem.u32 d, a, b",
            "rem.s32 d, a, b",
            "div.s16 hd, ha, hb",
            "rem.u16 hd, ha, hb",
        ],
    );
    lanes(
        all,
        80,
        ([Long, Long, None], DENSE),
        &Exact,
        &[
            "bfind.u64 d, A",
            "bfind.s64 d, A",
            "clz.b64 d, A",
            "popc.b64 d, A",
            "brev.b64 D, A",
            "mul.hi.u64 D, A, B",
            "mul.hi.s64 D, A, B",
            "div.u64 D, A, B",
            "div.s64 D, A, B",
            "rem.u64 D, A, B",
            "rem.s64 D, A, B",
            "add.cc.u64 D, A, B; addc.u64 D, A, 0",
        ],
    );
    lanes(
        all,
        80,
        three,
        &Exact,
        &[
            "mad.hi.u32 d, a, b, c",
            "mad.hi.s32 d, a, b, c",
            "mad.hi.sat.s32 d, a, b, c",
            "mad24.lo.s32 d, a, b, c",
            "sad.s32 d, a, b, c",
            "sad.u32 d, a, b, c",
            "mad.lo.cc.u32 d, a, b, c; madc.hi.u32 d, a, b, c",
            "slct.u32.s32 d, a, b, c",
            "dp2a.lo.s32.s32 d, a, b, c",
            "dp2a.hi.u32.u32 d, a, b, c",
            "dp4a.s32.s32 d, a, b, c",
            "dp4a.u32.u32 d, a, b, c",
            "dp4a.s32.u32 d, a, b, c",
            "vabsdiff4.u32.u32.u32 d, a, b, c",
            "vabsdiff4.u32.u32.u32.add d, a, b, c",
            "vadd4.s32.s32.s32.sat d, a, b, c",
            "vavrg4.u32.u32.u32 d, a, b, c",
            "vmax4.u32.u32.s32.add d, a, b, c",
            "vmin2.s32.s32.s32 d, a, b, c",
            "vsub4.u32.u32.u32.sat d, a, b, c",
        ],
    );
    lanes(
        all,
        90,
        two,
        &Exact,
        &[
            "min.relu.s32 d, a, b",
            "max.relu.s32 d, a, b",
            "min.s16x2 d, a, b",
            "max.u16x2 d, a, b",
            "max.s16x2.relu d, a, b",
            "add.s16x2 d, a, b",
        ],
    );
}
