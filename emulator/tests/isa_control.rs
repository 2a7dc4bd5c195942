//! Control flow (PTX ISA, "Control Flow Instructions", "Predicated Execution", "Divergence of Threads in Control Constructs").

mod common;
use common::*;
use ptx_emulator::{FaultKind, LaunchError, Schedule};

/// Runs a body over 64 threads; the thread is `t0`, `d` is stored at the end, which the label `end` marks.
fn threads(outside: &str, body: &str) -> Vec<u32> {
    let body = format!(
        "mov.u32 t0, %tid.x;\nmul.wide.u32 T0, t0, 4;\nadd.u64 out, out, T0;\nmov.u32 d, 0;\n{body}\nend:\nst.global.u32 [out], d;"
    );
    let ptx = module(outside, &body);
    let results = [Schedule::RoundRobin, Schedule::Random, Schedule::Greedy].map(|schedule| {
        let mut setup = Setup::block(64);
        setup.config.schedule = schedule;
        launch(&ptx, &setup, &[0], 64).unwrap_or_else(|error| panic!("{error}\n{ptx}"))
    });
    assert!(results[0] == results[1] && results[0] == results[2], "schedules differ");
    results[0].clone()
}

fn expect(outside: &str, body: &str, expected: impl Fn(u32) -> u32) {
    assert_eq!(threads(outside, body), (0..64).map(expected).collect::<Vec<u32>>(), "{body}");
}

#[test]
fn guards_and_their_negation() {
    expect("", "setp.lt.u32 p, t0, 20;\n@p mov.u32 d, 1;\n@!p mov.u32 d, 2;", |t| if t < 20 { 1 } else { 2 });
}

#[test]
fn loops_of_different_length() {
    let body = "mov.u32 t1, 0;\nloop:\nsetp.ge.u32 p, t1, t0;\n@p bra end;\nadd.u32 t1, t1, 1;\nadd.u32 d, d, t1;\nbra.uni loop;";
    expect("", body, |t| t * (t + 1) / 2);
}

#[test]
fn nested_branches_with_break_and_continue() {
    // for i in 0..20: if i == t % 16 break; if i is odd continue; d += i.
    let body = "and.b32 t2, t0, 15;\nmov.u32 t1, 0;\nhead:\nsetp.eq.u32 p, t1, 20;\n@p bra end;\nsetp.eq.u32 p, t1, t2;\n@p bra end;\nand.b32 t3, t1, 1;\n\
                setp.ne.u32 q, t3, 0;\n@q bra next;\nadd.u32 d, d, t1;\nnext:\nadd.u32 t1, t1, 1;\nbra head;";
    expect("", body, |t| (0..t % 16).filter(|i| i % 2 == 0).sum());
}

#[test]
fn lanes_meet_again_before_a_warp_wide_instruction() {
    // After a divergent branch every lane takes part in the vote.
    let body = "and.b32 t1, t0, 3;\nsetp.eq.u32 p, t1, 0;\n@p bra even;\nmov.u32 d, 100;\nbra join;\neven:\nmov.u32 d, 200;\njoin:\nvote.sync.ballot.b32 t2, p, -1;\nadd.u32 d, d, t2;";
    expect("", body, |t| 0x1111_1111u32.wrapping_add(if t % 4 == 0 { 200 } else { 100 }));
}

#[test]
fn exits_leave_the_others_running() {
    // Lanes below 10 exit first and store nothing; the barrier and the vote are for those that live.
    let body = "setp.lt.u32 p, t0, 10;\n@p exit;\nbar.sync 0;\nsetp.ge.u32 q, t0, 0;\nmov.u32 d, 7;";
    expect("", body, |t| if t < 10 { u32::MAX } else { 7 });
    let body = "setp.lt.u32 p, t0, 10;\n@p ret;\nmov.u32 d, 8;";
    expect("", body, |t| if t < 10 { u32::MAX } else { 8 });
}

#[test]
fn indexed_branches() {
    let body = "targets: .branchtargets first, second, third;\nrem.u32 t1, t0, 3;\nbrx.idx t1, targets;\nfirst:\nmov.u32 d, 10;\nbra end;\nsecond:\nmov.u32 d, 20;\n\
                bra end;\nthird:\nmov.u32 d, 30;";
    expect("", body, |t| 10 * (t % 3 + 1));
}

const SQUARE: &str = ".func (.param .b32 result) square(.param .b32 x)\n{\n.reg .b32 %v;\nld.param.b32 %v, [x];\nmul.lo.u32 %v, %v, %v;\nst.param.b32 [result], %v;\nret;\n}\n";

#[test]
fn calls_with_parameters_and_result() {
    let body = "{\n.param .b32 arg;\n.param .b32 res;\nst.param.b32 [arg], t0;\ncall.uni (res), square, (arg);\nld.param.b32 d, [res];\n}";
    expect(SQUARE, body, |t| t * t);
    // A call by some lanes only, and twice.
    let body = "setp.gt.u32 p, t0, 30;\n@p bra end;\n{\n.param .b32 arg;\n.param .b32 res;\nst.param.b32 [arg], t0;\ncall (res), square, (arg);\nld.param.b32 t1, [res];\n}\n\
                {\n.param .b32 arg;\n.param .b32 res;\nadd.u32 t1, t1, 1;\nst.param.b32 [arg], t1;\ncall (res), square, (arg);\nld.param.b32 d, [res];\n}";
    expect(SQUARE, body, |t| if t > 30 { 0 } else { (t * t + 1) * (t * t + 1) });
}

#[test]
fn recursion_is_refused() {
    // A function has one frame, so a recursive one must not be run.
    let outside = ".func recurse()\n{\ncall recurse;\nret;\n}\n";
    let error = ptx_emulator::Module::load(&module(outside, "call recurse;")).unwrap_err();
    assert!(error.what.contains("`recurse` calls itself"), "{error}");
}

#[test]
fn special_registers_of_the_launch() {
    let body = "mov.u32 a, %ctaid.x;\nmov.u32 b, %nctaid.x;\nmov.u32 c, %ntid.x;\nmov.u32 e, %tid.x;\nmad.lo.u32 t0, a, c, e;\nmul.wide.u32 T0, t0, 4;\nadd.u64 out, out, T0;\n\
                mov.u32 t1, %tid.y;\nmov.u32 t2, %ctaid.z;\nadd.u32 b, b, t1;\nadd.u32 b, b, t2;\nmad.lo.u32 d, b, 1000, t0;\nst.global.u32 [out], d;";
    let mut setup = Setup::block(48);
    setup.grid = 3;
    assert_eq!(run(body, &setup, &[0], 144), (0..144).map(|t| 3000 + t).collect::<Vec<u32>>());
}

#[test]
fn traps_and_endless_loops_are_faults() {
    let kind = |body: &str| {
        let mut setup = Setup::block(32);
        setup.config.instruction_limit = 100_000;
        match launch(&module("", body), &setup, &[0], 1) {
            Err(LaunchError::Faults(faults)) => faults.faults[0].kind.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(kind("trap;"), FaultKind::Trap);
    assert!(matches!(kind("forever:\nbra forever;"), FaultKind::InstructionLimit { limit: 100_000 }));
}

#[test]
fn unknown_instructions_are_named_at_load_with_their_line() {
    let error = ptx_emulator::Module::load(&module("", "frobnicate.u32 d, a;")).unwrap_err();
    assert!(error.what.contains("frobnicate"), "{error}");
    assert_eq!(module("", "frobnicate.u32 d, a;").lines().nth(error.line as usize - 1), Some("frobnicate.u32 d, a;"));
    let error = ptx_emulator::Module::load(&module("", "add.fast.u32 d, a, b;")).unwrap_err();
    assert!(error.what.contains("fast"), "{error}");
}

#[test]
fn the_end_of_the_text_ends_every_lane() {
    // Whatever the last instruction's guard says: lanes that do not take the branch back fall off the end.
    let entry = |body: &str| {
        format!(
            ".version 8.6\n.target sm_90\n.address_size 64\n.visible .entry test(.param .u64 input, .param .u64 output)\n{{\n\
             .reg .pred p;\n.reg .b32 t, n;\n.reg .b64 out, T;\n{body}}}\n"
        )
    };
    let ptx = entry(
        "ld.param.u64 out, [output];\nmov.u32 t, %tid.x;\nmul.wide.u32 T, t, 4;\nadd.u64 out, out, T;\nmov.u32 n, 0;\nagain:\nadd.u32 n, n, 1;\n\
         st.global.u32 [out], n;\nsetp.le.u32 p, n, t;\n@p bra again;\n",
    );
    assert_eq!(launch(&ptx, &Setup::block(32), &[0], 32).unwrap(), (1..=32).collect::<Vec<u32>>());
    launch(&entry(""), &Setup::block(32), &[0], 1).expect("an empty body does nothing");
}

#[test]
fn an_unwritten_guard_is_reported() {
    for guard in ["@p", "@!p"] {
        match launch(&module("", &format!("{guard} st.global.u32 [out], 1;")), &Setup::block(32), &[0], 1) {
            Err(LaunchError::Faults(faults)) => {
                let expected = FaultKind::Uninitialised { space: "register", address: 0, nearest: None };
                assert_eq!((&faults.faults[0].kind, faults.total), (&expected, 32), "{guard}");
            }
            other => panic!("{guard}: {other:?}"),
        }
    }
}

const POINTED: &str = ".func (.param .b32 result) twice(.param .b32 x)\n{\n.reg .b32 %v;\nld.param.b32 %v, [x];\nadd.u32 %v, %v, %v;\nst.param.b32 [result], %v;\nret;\n}\n\
     .func (.param .b32 result) negative(.param .b32 x)\n{\n.reg .b32 %v;\nld.param.b32 %v, [x];\nneg.s32 %v, %v;\nst.param.b32 [result], %v;\nret;\n}\n\
     .func other(.param .b64 x)\n{\nret;\n}\n\
     .global .align 8 .u64 table[3] = {square, negative, other};\n";

/// A call of the function whose address is in `T2`, with the thread's number; `d` is the result.
fn call_through(list: &str) -> String {
    format!(
        "{{\n.param .b32 arg;\n.param .b32 res;\nst.param.b32 [arg], t0;\nproto: .callprototype (.param .b32 _) _ (.param .b32 _);\n\
         targets: .calltargets twice, negative;\ncall (res), T2, (arg), {list};\nld.param.b32 d, [res];\n}}"
    )
}

#[test]
fn calls_of_addresses() {
    let outside = format!("{SQUARE}{POINTED}");
    // Each lane picks one of two functions, by their names or from a table in memory.
    let named =
        "mov.u64 T2, twice;\nmov.u64 T3, negative;\nand.b32 t1, t0, 1;\nsetp.eq.u32 p, t1, 1;\n@p mov.u64 T2, T3;\n";
    expect(
        &outside,
        &format!("{named}{}", call_through("targets")),
        |t| if t % 2 == 1 { t.wrapping_neg() } else { 2 * t },
    );
    let from_table = "and.b32 t1, t0, 1;\nmov.u64 T1, table;\nmul.wide.u32 T2, t1, 8;\nadd.u64 T1, T1, T2;\nld.global.u64 T2, [T1];\n";
    expect(&outside, &format!("{from_table}{}", call_through("proto")), |t| {
        if t % 2 == 1 { t.wrapping_neg() } else { t * t }
    });
    // Some lanes only; the others go on.
    let some = format!("setp.lt.u32 p, t0, 40;\n@!p bra end;\n{named}{}", call_through("proto"));
    expect(&outside, &some, |t| match t {
        40.. => 0,
        _ if t % 2 == 1 => t.wrapping_neg(),
        _ => 2 * t,
    });
    // A function that the list does not name, and one of another kind.
    for (body, list) in [("mov.u64 T2, square;\n", "targets"), ("mov.u64 T2, 4096;\n", "proto")] {
        let ptx = module(&outside, &format!("mov.u32 t0, 0;\n{body}{}", call_through(list)));
        match launch(&ptx, &Setup::block(1), &[0], 1) {
            Err(LaunchError::Faults(faults)) => {
                let is_named =
                    |kind: &FaultKind| matches!(kind, FaultKind::Invalid { what } if what.contains("no function"));
                assert!(is_named(&faults.faults[0].kind), "{faults}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_failed_assertion_is_a_trap() {
    let declare = |name: &str, result: &str| format!(".extern .func {result} {name}(.param .b64 a, .param .b64 b);\n");
    let call = |result: &str, name: &str| {
        format!(
            "{{\n.param .b64 x;\n.param .b64 y;\n.param .b32 r;\nst.param.b64 [x], 0;\nst.param.b64 [y], 0;\ncall.uni {result} {name}, (x, y);\n}}\n"
        )
    };
    let body = format!("mov.u32 t0, %tid.x;\nsetp.ne.u32 p, t0, 3;\n@p bra end;\n{}end:", call("", "__assertfail"));
    match launch(&module(&declare("__assertfail", ""), &body), &Setup::block(32), &[0], 1) {
        Err(LaunchError::Faults(faults)) => {
            assert_eq!((&faults.faults[0].kind, faults.faults[0].thread), (&FaultKind::Trap, [3, 0, 0]));
        }
        other => panic!("{other:?}"),
    }
    let unknown = module(&declare("malloc", ""), &call("", "malloc"));
    assert!(ptx_emulator::Module::load(&unknown).unwrap_err().what.contains("`malloc`"));
}

#[test]
fn printing_counts_its_arguments() {
    let outside = ".extern .func (.param .b32 r) vprintf(.param .b64 a, .param .b64 b);\n\
                   .global .align 1 .b8 text[8] = {37, 100, 32, 37, 102, 10, 0, 0};\n";
    // "%d %f\n" with the thread's number and 0.5, by thread 5 alone.
    let body = ".local .align 8 .b8 buffer[16];\nsetp.ne.u32 p, t0, 5;\n@p bra end;\nst.local.u32 [buffer], t0;\nmov.u64 T1, 0x3fe0000000000000;\n\
                st.local.u64 [buffer+8], T1;\nmov.u64 T2, text;\ncvta.global.u64 T2, T2;\nmov.u64 T3, buffer;\ncvta.local.u64 T3, T3;\n\
                {\n.param .b64 x;\n.param .b64 y;\n.param .b32 r;\nst.param.b64 [x], T2;\nst.param.b64 [y], T3;\ncall.uni (r), vprintf, (x, y);\n\
                ld.param.b32 d, [r];\n}";
    expect(outside, body, |t| if t == 5 { 2 } else { 0 });
}
