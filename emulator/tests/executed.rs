//! `Kernel::executed`: the forms that some thread has executed, with the layouts that data decide.

use ptx_emulator::{Checks, Config, DeviceModel, Emulator, Launch, Module};

/// Runs one block of a kernel with these instructions, and gives its forms.
fn forms(target: &str, threads: u32, body: &str) -> Vec<String> {
    let text = format!(
        ".version 8.0\n.target {target}\n.address_size 64\n.visible .entry k() {{\n.reg .b32 %r<9>;\n.reg .b64 %rd<9>;\n\
         .reg .pred %p<3>;\n.shared .align 1024 .b8 tile[16384];\n{body}\nret;\n}}"
    );
    let kernel = Module::load(&text).expect("known instructions").kernel("k").expect("it is there");
    assert!(kernel.executed().is_empty(), "nothing has run");
    let model = if target == "sm_90a" { DeviceModel::Sm90 } else { DeviceModel::Sm80 };
    let device = Emulator::new(Config { checks: Checks::NONE, ..Config::new(model) });
    let launch =
        Launch { kernel: &kernel, grid: [1; 3], block: [threads, 1, 1], dynamic_shared: 0, params: &[], config: None };
    device.launch(&launch).expect("no fault");
    kernel.executed().into_iter().collect()
}

#[test]
fn what_no_thread_executes_is_not_there() {
    let body = "
        mov.u32 %r0, %tid.x;
        setp.gt.u32 %p0, %r0, 40;
        @%p0 add.u32 %r1, %r0, %r0;
        setp.gt.u32 %p1, %r0, 30;
        @%p1 sub.u32 %r1, %r0, %r0;
        bra.uni end;
        mul.lo.u32 %r1, %r0, %r0;
    end:";
    assert_eq!(forms("sm_80", 32, body), ["bra.uni", "mov.u32", "ret", "setp.gt.u32", "sub.u32"]);
}

/// The descriptor's bits 62 and 63 name the swizzle (PTX ISA, "Matrix Descriptor Format"): 0 none, 1 128 bytes, 2 64 bytes, 3 32 bytes; the last
/// two operands say which matrices are transposed, which is the major mode.
#[test]
fn products_are_told_apart_by_swizzle_and_major_mode() {
    let product = |a: u64, b: u64, modes: &str| {
        format!(
            "mov.b64 %rd0, {};\nmov.b64 %rd1, {};\nwgmma.fence.sync.aligned;\n\
             wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {{%r0, %r1, %r2, %r3}}, %rd0, %rd1, 0, 1, 1, {modes};\n\
             wgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;\n",
            a << 62 | 64 << 32 | 1 << 16,
            b << 62 | 64 << 32 | 1 << 16,
        )
    };
    let body = ["mov.u32 %r8, tile;\n".to_owned(), product(1, 1, "0, 0"), product(2, 3, "0, 1"), product(0, 1, "1, 0")]
        .concat();
    let products = forms("sm_90a", 128, &body).into_iter().filter(|form| form.starts_with("wgmma.mma_async"));
    let opcode = "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16";
    let expected =
        ["a=k/128B b=k/128B", "a=k/64B b=mn/32B", "a=mn/none b=k/128B"].map(|mode| format!("{opcode} {mode}"));
    assert_eq!(products.collect::<Vec<_>>(), expected);
}
