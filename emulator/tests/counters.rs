//! The counters from outside: kernels whose traffic can be counted by hand.

use ptx_emulator::{Checks, Class, Config, Counters, DeviceModel, Emulator, Launch, Module};

/// Runs a body in 2 blocks of 64 threads, 4 warps in all. %r1 is the thread's number in its block, %rd1 a buffer of 64 KiB, %r2 the
/// address of 8 KiB of shared memory.
fn count(body: &str) -> Counters {
    let ptx = format!(
        ".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 buffer) {{\n\
         .reg .pred %p<4>; .reg .b32 %r<16>; .reg .b64 %rd<8>; .reg .f32 %f<8>;\n.shared .align 16 .b8 s[8192];\n\
         mov.u32 %r1, %tid.x;\nmov.u32 %r2, s;\nld.param.u64 %rd1, [buffer];\n{body}\nret;\n}}\n"
    );
    let module = Module::load(&ptx).unwrap_or_else(|error| panic!("{error}\n{ptx}"));
    // What is counted does not depend on what is checked.
    let run = |checks: Checks| {
        let emulator = Emulator::new(Config { checks, ..Config::new(DeviceModel::Sm80) });
        let buffer = emulator.alloc(65_536, "buffer").unwrap();
        emulator.fill(buffer, 65_536, 0, 4).unwrap();
        let kernel = module.kernel("k").unwrap();
        let params = buffer.to_le_bytes();
        let (grid, block) = ([2, 1, 1], [64, 1, 1]);
        let launch = Launch { kernel: &kernel, grid, block, dynamic_shared: 0, params: &params, config: None };
        emulator.launch(&launch).unwrap()
    };
    // The blocks do the same to the same bytes.
    let counters = run(Checks { races: false, ..Checks::ALL });
    assert_eq!(counters, run(Checks::NONE));
    counters
}

/// `%rd2 = %rd1 + %r1 * stride`.
fn global(stride: u32) -> String {
    format!("mul.wide.u32 %rd2, %r1, {stride};\nadd.s64 %rd2, %rd1, %rd2;\n")
}

/// `%r3 = %r2 + %r1 * stride`.
fn shared(stride: u32) -> String {
    format!("mad.lo.s32 %r3, %r1, {stride}, %r2;\n")
}

#[test]
fn bytes_and_sectors() {
    let found = count(&(global(4) + "ld.global.b32 %r4, [%rd2];\nst.global.b32 [%rd2], %r4;"));
    assert_eq!((found.global_load_bytes, found.global_load_sectors), (4 * 128, 4 * 4));
    assert_eq!((found.global_store_bytes, found.global_store_sectors), (4 * 128, 4 * 4));
    let found = count(&(global(16) + "ld.global.v4.b32 {%r4, %r5, %r6, %r7}, [%rd2];"));
    assert_eq!((found.global_load_bytes, found.global_load_sectors), (4 * 512, 4 * 16));
    let found = count(&(global(128) + "ld.global.b32 %r4, [%rd2];"));
    assert_eq!((found.global_load_bytes, found.global_load_sectors), (4 * 128, 4 * 32));
    // Two bytes off a sector's edge, five sectors for 128 bytes; and the lower half-warp alone.
    let found = count(&(global(4) + "ld.global.b32 %r4, [%rd2+16];"));
    assert_eq!(found.global_load_sectors, 4 * 5);
    let half = "and.b32 %r8, %r1, 31;\nsetp.lt.u32 %p1, %r8, 16;\n@%p1 ld.global.b32 %r4, [%rd2];";
    let found = count(&(global(4) + half));
    assert_eq!((found.global_load_bytes, found.global_load_sectors), (4 * 64, 4 * 2));
}

#[test]
fn wavefronts_and_conflicts() {
    for (stride, width, passes, conflicts) in [
        (4, "b32 [%r3], %r1", 1, 0),
        (8, "b32 [%r3], %r1", 2, 1),
        (128, "b32 [%r3], %r1", 32, 31),
        (0, "b32 [%r3], 5", 1, 0),
        (8, "v2.b32 [%r3], {%r1, %r1}", 2, 0),
        (16, "v4.b32 [%r3], {%r1, %r1, %r1, %r1}", 4, 0),
        (32, "v4.b32 [%r3], {%r1, %r1, %r1, %r1}", 8, 4),
    ] {
        // Each warp writes where it alone reads.
        let body = if stride == 0 {
            "setp.ge.u32 %p1, %r1, 32;\nmov.b32 %r3, %r2;\n@%p1 add.s32 %r3, %r3, 4;\n".to_owned()
        } else {
            shared(stride)
        };
        let found = count(&(body + &format!("st.shared.{width};")));
        assert_eq!(
            (found.shared_wavefronts, found.shared_conflicts),
            (4 * passes, 4 * conflicts),
            "stride {stride}: {width}"
        );
    }
}

#[test]
fn asynchronous_copies_count_on_both_sides() {
    let copy = "mul.wide.u32 %rd2, %r1, 16;\nadd.s64 %rd2, %rd1, %rd2;\nmad.lo.s32 %r3, %r1, 16, %r2;\n\
                cp.async.cg.shared.global [%r3], [%rd2], 16;\ncp.async.wait_all;";
    let found = count(copy);
    assert_eq!((found.global_load_bytes, found.global_load_sectors), (4 * 512, 4 * 16));
    assert_eq!((found.shared_wavefronts, found.shared_conflicts), (4 * 4, 0));
    // Zeros instead: nothing is read, and as much is written.
    let found = count(&copy.replace("16;\ncp.async.wait_all", "16, 0;\ncp.async.wait_all"));
    assert_eq!((found.global_load_bytes, found.global_load_sectors, found.shared_wavefronts), (0, 0, 4 * 4));
}

#[test]
fn instructions_by_class() {
    let body = "cvt.rn.f32.u32 %f1, %r1;\nadd.f32 %f2, %f1, %f1;\nmul.f32 %f2, %f2, %f1;\nex2.approx.ftz.f32 %f3, %f2;\n\
                setp.lt.u32 %p1, %r1, 8;\n@%p1 add.f32 %f2, %f2, %f3;\nshfl.sync.bfly.b32 %r4, %r1, 1, 31, -1;\nbar.sync 0;";
    let found = count(body);
    let of = |class: Class| (found.warp_instructions[class as usize], found.thread_instructions[class as usize]);
    assert_eq!(of(Class::Conversion), (4, 128));
    // The guarded addition runs in 8 threads of the first warp of each block, and is issued in all.
    assert_eq!(of(Class::Float), (4 * 3, 128 * 2 + 16));
    assert_eq!(of(Class::SpecialFunction), (4, 128));
    assert_eq!(of(Class::Shuffle), (4, 128));
    assert_eq!(of(Class::Barrier), (4, 128));
    assert_eq!(found.waits, 4);
}
