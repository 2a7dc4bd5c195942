//! Atomics, asynchronous copies and barriers in shared memory.

use super::warps;
use crate::form::{Check::Exact, Form};
use crate::input::Kind::{Count, F32, Float, Halves, Word};

pub(super) fn add(all: &mut Vec<Form>) {
    let words = [(4, Word)];
    let mut shared = |needs, words: &[(usize, _)], op: &str, operand: &str| {
        // Each lane in its own row: the old value and the new one.
        let code = format!("st.shared.b32 [row], x0; atom.shared.{op} y0, [row], {operand}; ld.shared.b32 y1, [row];");
        warps(all, needs, words, &Exact, &[&code]);
        let code = format!("mov.b32 r0, x0; atom.global.{op} y0, [in], {operand}; ld.global.b32 y1, [in];");
        warps(all, needs, words, &Exact, &[&code]);
    };
    for op in [
        "add.u32", "min.s32", "max.s32", "min.u32", "max.u32", "inc.u32", "dec.u32", "and.b32", "or.b32", "xor.b32",
        "exch.b32",
    ] {
        shared(80, &words, op, "x1");
    }
    shared(80, &words, "cas.b32", "x0, x1");
    shared(80, &words, "cas.b32", "x1, x2");
    shared(80, &[(2, F32)], "add.f32", "x1");
    shared(80, &[(2, Halves)], "add.noftz.f16x2", "x1");
    shared(90, &[(2, Halves)], "add.noftz.bf16x2", "x1");
    warps(
        all,
        80,
        &words,
        &Exact,
        &[
            // All lanes on one word: the order is open, the sum is not.
            "st.shared.b32 [s], 0; bar.warp.sync -1; red.shared.add.u32 [s], x0; bar.warp.sync -1; ld.shared.b32 y0, [s];",
            "st.shared.b32 [s], 0; bar.warp.sync -1; red.shared.max.u32 [s], x0; bar.warp.sync -1; ld.shared.b32 y0, [s];",
            "mov.b64 R0, {x0, x1}; mov.b64 R1, {x2, x3}; st.shared.b64 [row], R0; atom.shared.add.u64 R0, [row], R1; mov.b64 {y0, y1}, R0; ld.shared.v2.b32 {y2, y3}, [row];",
            "mov.b64 R0, {x0, x1}; mov.b64 R1, {x2, x3}; st.shared.b64 [row], R0; atom.shared.cas.b64 R0, [row], R0, R1; mov.b64 {y0, y1}, R0; ld.shared.v2.b32 {y2, y3}, [row];",
            "st.shared.b32 [row], x0; mov.b32 {h0, h1}, x1; mov.b32 {h2, h3}, x0; atom.shared.cas.b16 h0, [row], h2, h1; ld.shared.b32 y1, [row];",
        ],
    );
    // Copies of 4, 8 and 16 bytes, the rest zeros; what was there before is overwritten.
    for (cache, size) in [("ca", 4), ("ca", 8), ("ca", 16), ("cg", 16)] {
        let fill = "st.shared.v4.b32 [row], {x12, x13, x14, x15};";
        let wait = "cp.async.wait_all; bar.warp.sync -1; ld.shared.v4.b32 {y0, y1, y2, y3}, [row];";
        let words = [(4, Word), (1, Count), (11, Word)];
        let whole = format!("{fill} cp.async.{cache}.shared.global [row], [in], {size}; {wait}");
        // The ISA has no more bytes read than are copied.
        let part = format!(
            "{fill} rem.u32 r0, x4, {}; cp.async.{cache}.shared.global [row], [in], {size}, r0; {wait}",
            size + 1
        );
        let ignored =
            format!("{fill} setp.lt.s32 p, x0, 0; cp.async.{cache}.shared.global [row], [in], {size}, p; {wait}");
        warps(all, 80, &words, &Exact, &[&whole, &part, &ignored]);
    }
    // Phases and their parities: before, after one arrival of two, after both, and in the next phase.
    warps(
        all,
        90,
        &[(4, Float)],
        &Exact,
        &[
            "setp.eq.u32 p, lane, 0; @p mbarrier.init.shared.b64 [bar], 2; bar.warp.sync -1; \
         mbarrier.test_wait.parity.shared.b64 q, [bar], 0; selp.b32 y0, 1, 0, q; mbarrier.test_wait.parity.shared.b64 q, [bar], 1; selp.b32 y1, 1, 0, q; \
         bar.warp.sync -1; @p mbarrier.arrive.shared.b64 _, [bar]; bar.warp.sync -1; \
         mbarrier.test_wait.parity.shared.b64 q, [bar], 0; selp.b32 y2, 1, 0, q; mbarrier.test_wait.parity.shared.b64 q, [bar], 1; selp.b32 y3, 1, 0, q; \
         bar.warp.sync -1; @p mbarrier.arrive.shared.b64 _, [bar]; bar.warp.sync -1; \
         mbarrier.test_wait.parity.shared.b64 q, [bar], 0; selp.b32 y4, 1, 0, q; mbarrier.test_wait.parity.shared.b64 q, [bar], 1; selp.b32 y5, 1, 0, q;",
            // Bytes that are expected hold a phase open after its arrivals.
            "setp.eq.u32 p, lane, 0; @p mbarrier.init.shared.b64 [bar], 1; bar.warp.sync -1; @p mbarrier.arrive.expect_tx.shared.b64 _, [bar], 16; bar.warp.sync -1; \
         mbarrier.test_wait.parity.shared.b64 q, [bar], 0; selp.b32 y0, 1, 0, q; \
         bar.warp.sync -1; @p mbarrier.complete_tx.relaxed.cta.shared::cta.b64 [bar], 16; bar.warp.sync -1; \
         mbarrier.test_wait.parity.shared.b64 q, [bar], 0; selp.b32 y1, 1, 0, q;",
        ],
    );
}
