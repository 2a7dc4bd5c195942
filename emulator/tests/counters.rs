//! The counters from outside: kernels whose traffic can be counted by hand.

use ptx_emulator::{
    Checks, Class, Config, Counters, DeviceModel, Emulator, Launch, Module, Pipe, TensorType, WaitKind,
};

/// Runs a body in 2 blocks of 64 threads, 4 warps in all. %r1 is the thread's number in its block, %rd1 a buffer of 64 KiB, %r2 the
/// address of 8 KiB of shared memory.
fn count(body: &str) -> Counters {
    let ptx = format!(
        ".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 buffer) {{\n\
         .reg .pred %p<4>; .reg .b16 %h<4>; .reg .b32 %r<32>; .reg .b64 %rd<8>; .reg .f32 %f<8>; .reg .f64 %fd<4>;\n\
         .local .align 4 .b8 l[16];\n.shared .align 16 .b8 s[8192];\n\
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
    assert_eq!(found.waits[WaitKind::Barrier as usize], 4);
    // Lanes that the guard kept off: 24 of the first warp of each block, 32 of the second.
    assert_eq!(found.predicated_off, 2 * (24 + 32));
}

#[test]
fn efficiency_of_sectors() {
    for (stride, offset, sectors, efficiency) in
        [(4, 0, 4, 1.0), (4, 4, 5, 0.8), (8, 0, 8, 0.5), (32, 0, 32, 0.125), (0, 0, 1, 4.0)]
    {
        let load = count(&(global(stride) + &format!("ld.global.b32 %r4, [%rd2+{offset}];")));
        let store = count(&(global(stride) + &format!("st.global.b32 [%rd2+{offset}], 7;")));
        assert_eq!(
            (load.global_load_sectors, load.load_efficiency(), load.store_efficiency()),
            (4 * sectors, Some(efficiency), None),
            "stride {stride}, offset {offset}"
        );
        assert_eq!((store.global_store_sectors, store.store_efficiency()), (4 * sectors, Some(efficiency)));
    }
}

/// Each warp fills 1024 bytes of its own, rows of 128 bytes; `%r4` is their address, `%r5` the lane, `%r6` and `%r7` the row and the
/// 16-byte chunk that `ldmatrix` asks this lane for.
const TILE: &str = "and.b32 %r5, %r1, 31;\nshr.u32 %r6, %r1, 5;\nshl.b32 %r6, %r6, 10;\nadd.s32 %r4, %r2, %r6;\n\
                    shl.b32 %r6, %r5, 4;\nadd.s32 %r6, %r4, %r6;\nst.shared.v4.b32 [%r6], {%r1, %r1, %r1, %r1};\n\
                    st.shared.v4.b32 [%r6+512], {%r1, %r1, %r1, %r1};\nbar.warp.sync -1;\n\
                    and.b32 %r6, %r5, 7;\nshr.u32 %r7, %r5, 3;\n";
const MATRICES: &str = "mad.lo.s32 %r8, %r6, 128, %r4;\nmad.lo.s32 %r8, %r7, 16, %r8;\n\
                        ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r10, %r11, %r12, %r13}, [%r8];";

#[test]
fn matrices_with_and_without_swizzle() {
    // Four matrices of eight rows; without the swizzle all rows of one lie in the same banks. Filling takes eight passes.
    let plain = count(&[TILE, MATRICES].concat());
    assert_eq!((plain.shared_wavefronts, plain.shared_conflicts), (4 * (8 + 32), 4 * 28));
    let swizzled = count(&[TILE, "xor.b32 %r7, %r7, %r6;\n", MATRICES].concat());
    assert_eq!((swizzled.shared_wavefronts, swizzled.shared_conflicts), (4 * (8 + 4), 0));
}

#[test]
fn lanes_that_part() {
    // Eight lanes of each warp execute two instructions, the others three with their branch.
    let found = count(
        "and.b32 %r5, %r1, 31;\nsetp.lt.u32 %p1, %r5, 8;\n@%p1 bra FEW;\nadd.s32 %r6, %r1, 1;\nadd.s32 %r6, %r6, 1;\n\
         bra END;\nFEW: sub.s32 %r6, %r1, 1;\nsub.s32 %r6, %r6, 1;\nEND: add.s32 %r7, %r6, 1;",
    );
    assert_eq!(found.divergent_branches, 4);
    // Before: three moves and loads of the frame, two more and the branch; behind it the addition and the return.
    assert_eq!(found.total_warp_instructions(), 4 * (3 + 3 + 3 + 2 + 2));
    assert_eq!(found.total_thread_instructions(), 4 * (32 * 5 + 8 + 24 * 3 + 8 * 2 + 32 * 2));
    assert_eq!(found.predicated_off, 4 * 24, "the lanes that did not branch");
    assert_eq!(found.mean_active_lanes(), (32 * 8 + 24 * 3 + 8 * 2) as f64 / 13.0);
    // A branch that all lanes take, or none, is not divergent.
    let whole = count("setp.lt.u32 %p1, %r1, 32;\n@%p1 bra END;\nadd.s32 %r6, %r1, 1;\nEND: add.s32 %r7, %r1, 1;");
    assert_eq!((whole.divergent_branches, whole.mean_active_lanes()), (0, 32.0));
}

#[test]
fn products_by_type() {
    let zeros = (8..20).map(|number| format!("mov.b32 %r{number}, 0;\n")).collect::<String>();
    let fragments = "{%f1, %f2, %f3, %f4}, {%r8, %r9, %r10, %r11}, {%r12, %r13}, {%f1, %f2, %f3, %f4};\n";
    let floats = (1..5).map(|number| format!("mov.f32 %f{number}, 0f00000000;\n")).collect::<String>();
    let integers = "{%r16, %r17, %r18, %r19}, {%r8, %r9, %r10, %r11}, {%r12, %r13}, {%r16, %r17, %r18, %r19};\n";
    let body = [
        &zeros,
        &floats,
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 ",
        fragments,
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 ",
        fragments,
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 ",
        fragments,
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 ",
        fragments,
        "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 ",
        integers,
    ];
    let found = count(&body.concat());
    let of = |ty: TensorType| found.tensor_flops_by_type[ty as usize];
    assert_eq!(of(TensorType::Bf16), 4 * 2 * 2 * 16 * 8 * 16);
    assert_eq!(of(TensorType::F16), 4 * 2 * 16 * 8 * 16);
    assert_eq!(of(TensorType::Tf32), 4 * 2 * 16 * 8 * 8);
    assert_eq!(of(TensorType::I8), 4 * 2 * 16 * 8 * 32);
    assert_eq!(found.tensor_flops, found.tensor_flops_by_type.iter().sum());
    assert_eq!(found.pipe_warp_instructions[Pipe::Tensor as usize], 4 * 5);
}

#[test]
fn bytes_in_flight() {
    let copy = |step: u32| format!("cp.async.cg.shared.global [%r3+{step}], [%rd2], 16;\ncp.async.commit_group;\n");
    let body = [
        "mul.wide.u32 %rd2, %r1, 16;\nadd.s64 %rd2, %rd1, %rd2;\nmad.lo.s32 %r3, %r1, 16, %r2;\n",
        &copy(0),
        &copy(1024),
        "cp.async.wait_group 1;\ncp.async.wait_group 0;",
    ];
    let found = count(&body.concat());
    assert_eq!(found.async_bytes, 4 * 2 * 512);
    assert_eq!(found.waits[WaitKind::Copy as usize], 4 * 2);
    // A warp has 512 bytes in flight for two instructions, 1024 for two, and 512 for one, of its 13; warps run one after the other.
    assert_eq!(found.in_flight.peak, 1024);
    assert_eq!(found.in_flight.mean(), (512 * 2 + 1024 * 2 + 512) as f64 / 13.0);
    assert_eq!(found.total_warp_instructions(), 4 * 13);
}

#[test]
fn local_memory_and_atomics() {
    let found = count(
        "mov.u32 %r3, l;\nst.local.b32 [%r3], %r1;\nst.local.b32 [%r3+4], %r1;\nld.local.b32 %r4, [%r3];\n\
         atom.global.add.u32 %r5, [%rd1], 1;\nsetp.lt.u32 %p1, %r1, 4;\n@%p1 red.global.add.u32 [%rd1+4], 1;",
    );
    assert_eq!((found.local_store_bytes, found.local_load_bytes), (2 * 4 * 128, 4 * 128));
    assert_eq!(found.thread_instructions[Class::Atomic as usize], 128 + 2 * 4);
    assert_eq!((found.global_store_bytes, found.global_store_sectors), (4 * 128 + 2 * 4 * 4, 4 + 2));
}

#[test]
fn special_functions_by_lane() {
    for (instruction, results) in [
        ("ex2.approx.ftz.f32 %f2, %f1", 1),
        ("rcp.rn.f32 %f2, %f1", 1),
        ("div.rn.f32 %f2, %f1, %f1", 1),
        ("div.full.f32 %f2, %f1, %f1", 1),
        ("ex2.approx.f16x2 %r4, %r1", 2),
        ("tanh.approx.bf16x2 %r4, %r1", 2),
        ("mul.f32 %f2, %f1, %f1", 0),
        ("div.u32 %r4, %r1, 3", 0),
    ] {
        let found = count(&format!("mov.f32 %f1, 0f3F800000;\n{instruction};"));
        assert_eq!(found.special_functions, 128 * results, "{instruction}");
    }
}

#[test]
fn pipes_of_instructions() {
    let (start, one) = ("mov.f32 %f1, 0f3F800000;\nmov.f64 %fd1, 0d3FF0000000000000;\nmov.b16 %h1, 0;\n", 4);
    let frame = count(start);
    for (instruction, pipe) in [
        ("add.s32 %r4, %r1, 1", Pipe::Alu),
        ("lop3.b32 %r4, %r1, %r1, %r1, 0x96", Pipe::Alu),
        ("setp.lt.f32 %p1, %f1, %f1", Pipe::Alu),
        ("max.f32 %f2, %f1, %f1", Pipe::Alu),
        ("vote.sync.any.pred %p1, 1, -1", Pipe::Alu),
        ("cvt.rn.bf16x2.f32 %r4, %f1, %f1", Pipe::Alu),
        ("cvt.u64.u32 %rd2, %r1", Pipe::Alu),
        ("mad.lo.s32 %r4, %r1, %r1, %r1", Pipe::Fma),
        ("mul.wide.u32 %rd2, %r1, 4", Pipe::Fma),
        ("dp4a.u32.u32 %r4, %r1, %r1, %r1", Pipe::Fma),
        ("fma.rn.f32 %f2, %f1, %f1, %f1", Pipe::Fma),
        ("fma.rn.f16x2 %r4, %r1, %r1, %r1", Pipe::Half),
        ("cvt.f32.f16 %f2, %h1", Pipe::Half),
        ("fma.rn.f64 %fd2, %fd1, %fd1, %fd1", Pipe::Double),
        ("setp.lt.f64 %p1, %fd1, %fd1", Pipe::Double),
        ("lg2.approx.f32 %f2, %f1", Pipe::Xu),
        ("cvt.rn.f32.u32 %f2, %r1", Pipe::Xu),
        ("cvt.rzi.s32.f32 %r4, %f1", Pipe::Xu),
        ("cvt.f64.f32 %fd2, %f1", Pipe::Xu),
        ("popc.b32 %r4, %r1", Pipe::Xu),
        ("ld.global.u8 %r4, [%rd1]", Pipe::Lsu),
        ("st.shared.u32 [%r2], 0", Pipe::Lsu),
        ("red.shared.add.u32 [%r2], 0", Pipe::Lsu),
        ("shfl.sync.bfly.b32 %r4, %r1, 1, 31, -1", Pipe::Lsu),
        ("membar.gl", Pipe::Lsu),
        ("cp.async.commit_group", Pipe::Lsu),
        ("bar.sync 0", Pipe::Adu),
        ("ld.param.u64 %rd2, [buffer]", Pipe::Adu),
        ("bar.warp.sync -1", Pipe::Cbu),
        ("bra NEXT;\nNEXT:", Pipe::Cbu),
    ] {
        // Nothing has been written to shared memory, and all would write the same word: no lane does.
        let guard = if instruction.contains(".shared") { "@!%p0 " } else { "" };
        let body = format!("{start}setp.ge.u32 %p0, %r1, 0;\n{guard}{instruction};");
        let found = count(&body);
        for other in Pipe::ALL {
            let at = other as usize;
            let expected = one * (u64::from(other == pipe) + u64::from(other == Pipe::Alu));
            assert_eq!(
                found.pipe_warp_instructions[at] - frame.pipe_warp_instructions[at],
                expected,
                "{instruction}: {other:?}"
            );
        }
    }
}

#[test]
fn an_instruction_counts_once_whatever_it_became() {
    // Narrow results in wide registers, wide sources of narrow operands.
    let frame = count("").total_warp_instructions();
    for instruction in
        ["ld.global.u8 %rd2, [%rd1]", "cvt.u16.u32 %r4, %r1", "cvt.u8.u64 %rd2, %rd1", "cvt.u32.u64 %r4, %rd1"]
    {
        assert_eq!(count(&format!("{instruction};")).total_warp_instructions() - frame, 4, "{instruction}");
    }
}
