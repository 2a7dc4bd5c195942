//! Exchange within a warp (PTX ISA, `shfl.sync`, `vote.sync`, `match.sync`, `redux.sync`, `activemask`, `elect.sync`).

mod common;
use common::*;
use ptx_emulator::{FaultKind, LaunchError};

#[test]
fn shuffle_modes_and_their_predicate() {
    let code = |rest: &str| format!("shfl.sync.{rest}, 0xffffffff;\nselp.u32 f, 1, 0, p;");
    let lanes = |rest: &str| warp(&code(rest), |lane| [100 + lane, 0]);
    // Down by 3: the last three lanes keep their own value and get false.
    for (lane, [d, f]) in lanes("down.b32 d|p, a, 3, 31").into_iter().enumerate() {
        let expected = if lane < 29 { [103 + lane as u32, 1] } else { [100 + lane as u32, 0] };
        assert_eq!([d, f], expected, "lane {lane}");
    }
    // Up by 3: the clamp is 0.
    for (lane, [d, f]) in lanes("up.b32 d|p, a, 3, 0").into_iter().enumerate() {
        let expected = if lane >= 3 { [97 + lane as u32, 1] } else { [100 + lane as u32, 0] };
        assert_eq!([d, f], expected, "lane {lane}");
    }
    for (lane, [d, f]) in lanes("bfly.b32 d|p, a, 5, 31").into_iter().enumerate() {
        assert_eq!([d, f], [100 + (lane as u32 ^ 5), 1]);
    }
    for [d, f] in lanes("idx.b32 d|p, a, 9, 31") {
        assert_eq!([d, f], [109, 1]);
    }
}

#[test]
fn shuffle_segments() {
    let lanes =
        |rest: &str| warp(&format!("shfl.sync.{rest}, 0xffffffff;\nselp.u32 f, 1, 0, p;"), |lane| [100 + lane, 0]);
    // Segments of 8: mask 0x18 in bits 8 to 12, so c = 0x181f (clamp 31) or 0x1800 for up.
    for (lane, result) in lanes("down.b32 d|p, a, 3, 0x181f").into_iter().enumerate() {
        let lane = lane as u32;
        assert_eq!(result, if lane % 8 < 5 { [103 + lane, 1] } else { [100 + lane, 0] });
    }
    for (lane, result) in lanes("up.b32 d|p, a, 3, 0x1800").into_iter().enumerate() {
        let lane = lane as u32;
        assert_eq!(result, if lane % 8 >= 3 { [97 + lane, 1] } else { [100 + lane, 0] });
    }
    // The index counts within the segment.
    for (lane, result) in lanes("idx.b32 d|p, a, 10, 0x181f").into_iter().enumerate() {
        assert_eq!(result, [100 + (lane as u32 & 24) + 2, 1]);
    }
    // A butterfly across segments reads above its segment's end from the lower one: out of range there.
    for (lane, result) in lanes("bfly.b32 d|p, a, 8, 0x181f").into_iter().enumerate() {
        let lane = lane as u32;
        assert_eq!(result, if lane & 8 != 0 { [100 + (lane ^ 8), 1] } else { [100 + lane, 0] });
    }
}

#[test]
fn shuffle_takes_its_lane_from_a_register_and_needs_no_predicate() {
    for (lane, [d, _]) in
        warp("shfl.sync.idx.b32 d, a, b, 31, -1;", |lane| [lane * lane, 31 - lane]).into_iter().enumerate()
    {
        assert_eq!(d, (31 - lane as u32) * (31 - lane as u32));
    }
}

#[test]
fn shuffle_among_half_a_warp() {
    let code = "setp.lt.u32 q, a, 16;\n@q shfl.sync.bfly.b32 d, b, 1, 31, 0xffff;";
    for (lane, [d, _]) in warp(code, |lane| [lane, 50 + lane]).into_iter().enumerate() {
        assert_eq!(d, if lane < 16 { 50 + (lane as u32 ^ 1) } else { 0 });
    }
}

#[test]
fn votes() {
    let votes = |mode: &str, limit: u32| {
        warp(
            &format!("setp.lt.u32 p, a, {limit};\nvote.sync.{mode}.pred q, p, 0xffffffff;\nselp.u32 d, 1, 0, q;"),
            |lane| [lane, 0],
        )
    };
    for (mode, limits) in
        [("all", [(0, 0), (5, 0), (32, 1)]), ("any", [(0, 0), (5, 1), (32, 1)]), ("uni", [(0, 1), (5, 0), (32, 1)])]
    {
        for (limit, expected) in limits {
            assert!(votes(mode, limit).iter().all(|[d, _]| *d == expected), "{mode} {limit}");
        }
    }
    let ballot =
        warp("setp.lt.u32 p, a, 5;\nvote.sync.ballot.b32 d, p, -1;\nvote.sync.ballot.b32 f, !p, -1;", |lane| [lane, 0]);
    assert!(ballot.iter().all(|result| *result == [0x1f, 0xffff_ffe0]));
    // Only members count; lanes that are not named do not take part.
    let some =
        warp("setp.gt.u32 q, a, 23;\nsetp.gt.u32 p, a, 27;\n@q vote.sync.ballot.b32 d, p, 0xff000000;", |lane| {
            [lane, 0]
        });
    assert_eq!((some[31][0], some[0][0]), (0xf000_0000, 0));
}

#[test]
fn matches() {
    let any = warp("match.any.sync.b32 d, a, -1;", |lane| [lane % 3, 0]);
    for (lane, [d, _]) in any.iter().enumerate() {
        let expected = (0..32).filter(|other| other % 3 == lane % 3).fold(0, |mask, other| mask | 1 << other);
        assert_eq!(*d, expected);
    }
    let all = |value: fn(u32) -> u32| {
        warp("match.all.sync.b32 d|p, a, -1;\nselp.u32 f, 1, 0, p;", move |lane| [value(lane), 0])
    };
    assert!(all(|_| 7).iter().all(|result| *result == [u32::MAX, 1]));
    assert!(all(|lane| lane / 31).iter().all(|result| *result == [0, 0]));
    let wide = warp("mov.b64 A, {b, a};\nmatch.any.sync.b64 d, A, -1;", |lane| [lane % 2, 9]);
    assert_eq!((wide[0][0], wide[1][0]), (0x5555_5555, 0xaaaa_aaaa));
}

#[test]
fn reductions() {
    let reduce = |operation: &str, input: fn(u32) -> u32| {
        let results = warp(&format!("redux.sync.{operation} d, a, -1;"), move |lane| [input(lane), 0]);
        assert!(results.iter().all(|result| result[0] == results[0][0]), "{operation}");
        results[0][0]
    };
    assert_eq!(reduce("add.u32", |lane| lane), 496);
    assert_eq!(reduce("add.s32", |lane| 5u32.wrapping_sub(lane)), (32 * 5u32).wrapping_sub(496));
    assert_eq!(reduce("min.s32", |lane| 10u32.wrapping_sub(lane)), 21u32.wrapping_neg());
    assert_eq!(reduce("min.u32", |lane| 10u32.wrapping_sub(lane)), 0);
    assert_eq!(reduce("max.s32", |lane| 10u32.wrapping_sub(lane)), 10);
    assert_eq!(reduce("max.u32", |lane| 10u32.wrapping_sub(lane)), u32::MAX);
    assert_eq!(reduce("and.b32", |lane| lane | 0x60), 0x60);
    assert_eq!(reduce("or.b32", |lane| lane | 0x60), 0x7f);
    assert_eq!(reduce("xor.b32", |lane| 1 << lane), u32::MAX);
}

#[test]
fn active_lanes_and_election() {
    assert!(warp("activemask.b32 d;", |_| [0, 0]).iter().all(|[d, _]| *d == u32::MAX));
    let guarded = warp("setp.lt.u32 p, a, 4;\n@p activemask.b32 d;", |lane| [lane, 0]);
    assert_eq!((guarded[3][0], guarded[4][0]), (0xf, 0));
    let elected = warp("elect.sync d|p, 0xffffffff;\nselp.u32 f, 1, 0, p;", |_| [0, 0]);
    let leaders: Vec<_> = (0..32).filter(|lane| elected[*lane as usize][1] == 1).collect();
    assert_eq!(leaders.len(), 1);
    assert!(elected.iter().all(|[d, _]| *d == leaders[0]));
}

#[test]
fn special_registers_of_a_warp() {
    let code = "mov.u32 d, %laneid;\nmov.u32 f, %lanemask_lt;";
    for (lane, [d, f]) in warp(code, |_| [0, 0]).into_iter().enumerate() {
        assert_eq!((d, f), (lane as u32, (1 << lane) - 1));
    }
    let masks = warp("mov.u32 d, %lanemask_ge;\nmov.u32 f, %lanemask_eq;", |_| [0, 0]);
    assert_eq!(masks[4], [0xffff_fff0, 0x10]);
    let masks = warp("mov.u32 d, %lanemask_gt;\nmov.u32 f, %lanemask_le;", |_| [0, 0]);
    assert_eq!((masks[31], masks[4]), ([0, u32::MAX], [0xffff_ffe0, 0x1f]));
    assert_eq!(warp("mov.u32 d, WARP_SZ;\nmov.u32 f, %ntid.x;", |_| [0, 0])[7], [32, 32]);
}

/// Whether a body in one warp, with the lane in `t0`, is reported as divergent.
fn diverges(body: &str) -> bool {
    match launch(&module("", &format!("mov.u32 t0, %tid.x;\n{body}")), &Setup::block(32), &[0], 32) {
        Ok(_) => false,
        Err(LaunchError::Faults(faults)) => {
            assert!(matches!(faults.faults[0].kind, FaultKind::Divergence { .. }), "{faults:?}");
            true
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_shuffle_reads_from_its_own_members_alone() {
    // Two halves, each with its own mask. A lane across the border executes, but is no member.
    let halves = "setp.lt.u32 p, t0, 16;\nselp.b32 t1, 0xffff, 0xffff0000, p;\n";
    assert!(!diverges(&format!("{halves}shfl.sync.bfly.b32 d, t0, 8, 31, t1;")));
    assert!(diverges(&format!("{halves}shfl.sync.bfly.b32 d, t0, 16, 31, t1;")));
}

#[test]
fn members_have_to_name_one_another_with_the_same_mask() {
    // The lower half names all lanes, the upper half itself.
    let unequal = "setp.lt.u32 p, t0, 16;\nselp.b32 t1, 0xffffffff, 0xffff0000, p;\n";
    for instruction in ["shfl.sync.idx.b32 d, t0, 20, 31, t1;", "vote.sync.ballot.b32 d, p, t1;", "bar.warp.sync t1;"] {
        assert!(diverges(&format!("{unequal}{instruction}")), "{instruction}");
    }
}

#[test]
fn an_inverted_predicate_stays_with_its_lanes() {
    // The lower half waits at the vote with its own `!p`, false, while the upper half inverts another predicate and leaves.
    let body = "mov.u32 t0, %tid.x;\nsetp.lt.u32 p, t0, 16;\nsetp.gt.u32 q, t0, 99;\n@!p bra upper;\nvote.sync.ballot.b32 d, !p, -1;\n\
                mul.wide.u32 T0, t0, 4;\nadd.u64 out, out, T0;\nst.global.u32 [out], d;\nret;\nupper:\nand.pred r, q, !q;\nexit;";
    assert_eq!(run(body, &Setup::block(32), &[0], 16), [0; 16]);
}

#[test]
fn lanes_may_execute_the_same_exchange_at_different_places() {
    // "until all non-exited threads in membermask have executed the same instruction with the same qualifiers and mask": the lower half comes to
    // one `shfl.sync`, the upper half to another one, with other registers.
    let apart = |lower: &str, upper: &str| {
        format!(
            "setp.lt.u32 p, a, 16;\n@!p bra upper;\n{lower}\nbra done;\nupper:\nadd.u32 c, b, 1000;\n{upper}\ndone:"
        )
    };
    let code = apart("shfl.sync.idx.b32 d|q, b, 20, 31, -1;", "shfl.sync.idx.b32 f|r, c, 3, 31, -1;");
    for (lane, [d, f]) in warp(&code, |lane| [lane, 100 + lane]).into_iter().enumerate() {
        // Lane 20 gives what it has at its own place, and so does lane 3.
        assert_eq!([d, f], if lane < 16 { [1120, 0] } else { [0, 103] }, "lane {lane}");
    }
    // The destination is the source at one of the places.
    let code = apart("shfl.sync.bfly.b32 b, b, 16, 31, -1;\nmov.u32 d, b;", "shfl.sync.bfly.b32 d, c, 16, 31, -1;");
    for (lane, [d, _]) in warp(&code, |lane| [lane, 100 + lane]).into_iter().enumerate() {
        assert_eq!(d, (100 + (lane as u32 ^ 16)) + if lane < 16 { 1000 } else { 0 });
    }
    let code = apart(
        "setp.eq.u32 q, a, 5;\nvote.sync.ballot.b32 d, q, -1;\nredux.sync.add.u32 f, a, -1;",
        "setp.eq.u32 r, a, 25;\nvote.sync.ballot.b32 d, r, -1;\nredux.sync.add.u32 f, b, -1;",
    );
    for [d, f] in warp(&code, |lane| [lane, 0]) {
        assert_eq!([d, f], [1 << 5 | 1 << 25, 120]);
    }
    // Another mode is another instruction.
    let body = apart("shfl.sync.idx.b32 d, a, 0, 31, -1;", "shfl.sync.up.b32 d, a, 0, 31, -1;");
    assert!(diverges(&format!("mov.u32 a, t0;\nmov.u32 b, t0;\n{body}")));
}
