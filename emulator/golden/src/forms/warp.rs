//! Instructions by which the lanes of a warp speak to one another.

use super::warps;
use crate::form::{Check::Exact, Form};
use crate::input::Kind::{Few, Lane, Word};

pub(super) fn add(all: &mut Vec<Form>) {
    let words = [(1, Word), (1, Lane), (1, Few), (1, Word)];
    for mode in ["up", "down", "bfly", "idx"] {
        for clamp in [0, 0x1f, 0x181f, 0x1c03, 0x1e1f] {
            let code = format!("shfl.sync.{mode}.b32 y0|p, x0, x1, {clamp}, -1; selp.b32 y1, 1, 0, p;");
            warps(all, 80, &words, &Exact, &[&code]);
        }
    }
    warps(
        all,
        80,
        &words,
        &Exact,
        &[
            "setp.lt.s32 p, x0, 0; vote.sync.ballot.b32 y0, p, -1;",
            "setp.lt.s32 p, x0, 0; vote.sync.any.pred q, !p, -1; selp.b32 y0, 1, 0, q;",
            "setp.ge.u32 p, lane, 0; vote.sync.all.pred q, p, -1; selp.b32 y0, 1, 0, q;",
            "setp.lt.u32 p, lane, 32; vote.sync.uni.pred q, p, -1; selp.b32 y0, 1, 0, q;",
            "match.any.sync.b32 y0, x2, -1;",
            "match.all.sync.b32 y0|p, x2, -1; selp.b32 y1, 1, 0, p;",
            "mov.b64 R0, {x2, x2}; match.any.sync.b64 y0, R0, -1;",
            "activemask.b32 y0;",
            "setp.lt.s32 p, x0, 0; bar.red.popc.u32 y0, 0, p;",
            "setp.lt.s32 p, x0, 0; bar.red.and.pred q, 0, p; selp.b32 y0, 1, 0, q;",
            "mov.u32 y0, %lanemask_lt; mov.u32 y1, %lanemask_ge; mov.u32 y2, %lanemask_eq;",
        ],
    );
    for op in ["add.u32", "min.u32", "max.u32", "add.s32", "min.s32", "max.s32", "and.b32", "or.b32", "xor.b32"] {
        // All lanes, and two halves at once.
        let halves =
            format!("setp.lt.u32 p, lane, 16; selp.b32 r0, 0xffff, 0xffff0000, p; redux.sync.{op} y0, x0, r0;");
        warps(all, 80, &words, &Exact, &[&format!("redux.sync.{op} y0, x0, -1;"), &halves]);
    }
    // Any lane may be elected; that there is one, and that all know it, is sure.
    let elect = "elect.sync r0|p, -1; selp.b32 r1, 1, 0, p; redux.sync.add.u32 y0, r1, -1; redux.sync.min.u32 r2, r0, -1; redux.sync.max.u32 r3, r0, -1; \
                 sub.u32 y1, r3, r2;";
    warps(all, 90, &words, &Exact, &[elect]);
}
