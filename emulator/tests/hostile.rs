//! Texts and launches that once made the emulator panic, hang, or take memory without end.

use ptx_emulator::{Config, DeviceModel, Emulator, FaultKind, Launch, LaunchError, Module, mutate};

const HEAD: &str = ".version 8.6\n.target sm_80\n.address_size 64\n";

/// A kernel with this list of parameters and this body.
fn kernel(params: &str, body: &str) -> String {
    format!("{HEAD}.visible .entry k({params})\n{{\n.reg .b32 %r<4>;\n.reg .b64 %rd<4>;\n{body}\nret;\n}}\n")
}

#[track_caller]
fn refused(text: &str, why: &str) {
    let error = Module::load(text).expect_err("has to be refused").to_string();
    assert!(error.contains(why), "{error}");
}

#[test]
fn parameters_fit_where_a_launch_puts_them() {
    refused(
        &kernel(".param .u64 q, .param .align 1073741824 .b8 p[128]", ""),
        "bytes of parameters, more than the 32764",
    );
    refused(
        &kernel(".param .align 9223372036854775808 .b8 p[8], .param .align 9223372036854775808 .b8 q[8]", ""),
        "parameters",
    );
    refused(&kernel(".param .b8 p[32765]", ""), "32765 bytes of parameters");
    assert_eq!(Module::load(&kernel(".param .b8 p[32764]", "")).unwrap().kernel("k").unwrap().param_bytes(), 32764);
}

#[test]
fn local_memory_is_no_larger_than_a_thread_has() {
    refused(
        &kernel("", ".local .b8 l[524289];\nmov.u64 %rd0, l;"),
        "524289 bytes of local memory, more than the 524288",
    );
    refused(
        &kernel("", ".local .align 4294967296 .b8 l[4];\n.local .align 4294967296 .b8 m[4];\nmov.u64 %rd0, m;"),
        "local memory",
    );
    refused(
        &kernel(
            "",
            ".shared .b8 t[8];\n.shared .align 9223372036854775808 .b8 s[8];\nmov.u32 %r0, s;\nmov.u32 %r1, t;",
        ),
        "shared",
    );
}

#[test]
fn chains_of_calls_end() {
    let mut text = HEAD.to_owned();
    text += ".func f0() { ret; }\n";
    (1..20_000).for_each(|at| text += &format!(".func f{at}() {{ call f{}; ret; }}\n", at - 1));
    text += ".visible .entry k() { call f19999; ret; }\n";
    refused(&text, "more than 256 calls inside one another");
}

#[test]
fn an_argument_that_is_too_short_stays_in_the_frame() {
    let callee = ".func f(.param .b8 p[256]) { ret; }\n.visible";
    let ptx = kernel("", "{ .param .b8 a[8];\ncall f, (a); }").replacen(".visible", callee, 1);
    let kernel = Module::load(&ptx).unwrap().kernel("k").unwrap();
    let launch =
        Launch { kernel: &kernel, grid: [1; 3], block: [32, 1, 1], dynamic_shared: 0, params: &[], config: None };
    Emulator::new(Config::new(DeviceModel::Sm80)).launch(&launch).unwrap();
}

#[test]
fn scopes_brackets_and_signs_nest_as_deep_as_one_likes() {
    let deep = |open: &str, close: &str| {
        kernel("", &format!("{}mov.u32 %r0, 1;{}", open.repeat(100_000), close.repeat(100_000)))
    };
    assert!(Module::load(&deep("{", "}")).is_ok());
    refused(&deep("{", ""), "found the end of the text");
    for sign in ["-", "~", "(", "1?"] {
        refused(&kernel("", &format!("mov.u32 %r0, {};", sign.repeat(100_000))), "");
    }
    refused(&format!("{HEAD}.global .b32 g[2][2] = {};", "{".repeat(100_000)), "braces are nested deeper");
}

#[test]
fn a_row_at_the_end_of_all_addresses_is_out_of_bounds() {
    let ptx = kernel(
        "",
        "mov.u32 %r0, %tid.x;\nmul.wide.u32 %rd0, %r0, 4;\nadd.u64 %rd0, %rd0, -64;\nst.global.u32 [%rd0], %r0;",
    );
    let kernel = Module::load(&ptx).unwrap().kernel("k").unwrap();
    let launch =
        Launch { kernel: &kernel, grid: [1; 3], block: [32, 1, 1], dynamic_shared: 0, params: &[], config: None };
    match Emulator::new(Config::new(DeviceModel::Sm80)).launch(&launch) {
        Err(LaunchError::Faults(faults)) => {
            assert!(matches!(faults.faults[0].kind, FaultKind::OutOfBounds { .. }), "{faults}")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_large_variable_takes_memory_where_it_is_touched() {
    let data = ".global .b8 g[34359738368];\n";
    let ptx = kernel("", "mov.u64 %rd0, g;\nld.global.u32 %r0, [%rd0+34359738364];\nst.global.u32 [%rd0], %r0;")
        .replacen(".visible", &format!("{data}.visible"), 1);
    let kernel = Module::load(&ptx).unwrap().kernel("k").unwrap();
    let launch = Launch { kernel: &kernel, grid: [1; 3], block: [1; 3], dynamic_shared: 0, params: &[], config: None };
    match Emulator::new(Config::new(DeviceModel::Sm80)).launch(&launch) {
        // A host that promises no more than it has says so.
        Ok(_) | Err(LaunchError::Memory(_)) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_shuffle_by_any_number_has_sites() {
    let text = kernel("", "shfl.sync.bfly.b32 %r0, %r1, 4294967295, 31, -1;");
    let sites = mutate::sites(&text).unwrap();
    assert!(sites.iter().any(|site| site.changes().iter().any(|change| change.contains(", 30, 31"))), "{sites:?}");
}
