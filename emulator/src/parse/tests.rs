//! The parser against PTX written by hand. `tests/parse_nvcc.rs` does the same with what nvcc writes.

use super::parse;
use crate::ast::{Function, Guard, Instruction, Module, Operand, Reference, SourceRef};

const HEAD: &str = ".version 7.0\n.target sm_80\n.address_size 64\n";

fn module(text: &str) -> Module {
    parse(&format!("{HEAD}{text}")).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The function of a module that has one entry with this body.
fn entry(body: &str) -> Function {
    let mut module = module(&format!(".visible .entry k(.param .u64 p)\n{{\n{body}\n}}"));
    assert_eq!(module.functions.len(), 1);
    module.functions.remove(0)
}

fn failure(text: &str) -> (u32, String) {
    let error = parse(text).expect_err("must not load");
    (error.line, error.what)
}

fn operands(body: &str) -> Vec<Operand> {
    entry(body).body.remove(0).operands
}

fn integer(text: &str) -> i64 {
    match operands(&format!(".reg .b64 %r; mov.b64 %r, {text};"))[1] {
        Operand::Integer(value) => value,
        ref other => panic!("{text} became {other:?}"),
    }
}

fn symbol(name: &str) -> Box<Operand> {
    Box::new(Operand::Symbol(name.to_owned()))
}

#[test]
fn head_of_the_file() {
    let module = module(".file 1 \"a b.cu\", 1700000000, 123\n.file 2 \"c\\\"d\"\n");
    assert_eq!((module.version, module.target.as_str()), ((7, 0), "sm_80"));
    assert_eq!(module.files, [(1, "a b.cu".to_owned()), (2, "c\"d".to_owned())]);
    assert_eq!(parse(".version 8.3\n.target sm_90a, debug\n").unwrap().target, "sm_90a");
    assert_eq!(failure(".target sm_80").1, "the text has no .version, so it is not PTX");
    assert_eq!(failure(".version 7.0\n.address_size 32"), (2, "32-bit addresses are not supported".to_owned()));
}

#[test]
fn entry_head_and_parameters() {
    let text = "/* two\nlines */ .visible .entry k(\n .param .align 8 .b8 a[48], // a struct\n .param .u64 .ptr .global .align 16 b,\n .param .f32 c)\n\
                .maxntid 128, 1, 1\n.minnctapersm 2\n.maxnreg 64\n.reqntid 32, 4\n.reqnctapercluster 2, 1, 1 .explicitcluster .maxclusterrank 8 .noreturn\n\
                .pragma \"nounroll\";\n{ ret; }";
    let module = module(text);
    let function = &module.functions[0];
    assert!(function.is_entry && function.returns.is_empty());
    assert_eq!((function.name.as_str(), function.line), ("k", 5));
    assert_eq!(function.max_threads, Some([128, 1, 1]));
    assert_eq!(function.required_threads, Some([32, 4, 1]));
    let found: Vec<_> = function.params.iter().map(|p| (p.name.as_str(), p.size, p.align)).collect();
    assert_eq!(found, [("a", 48, 8), ("b", 8, 8), ("c", 4, 4)]);
}

#[test]
fn functions_declarations_and_calls() {
    let text = ".extern .func (.param .b32 r) vprintf (.param .b64 a, .param .b64 b) ;\n\
        .func (.param .b32 r) f(.param .b32 x);\n\
        .func (.param .b32 r) f(.param .b32 x) { st.param.b32 [r+0], 1; ret; }\n\
        .visible .entry k() {\n .reg .b64 %rd<2>;\n .reg .b32 %r<3>;\n\
        { // callseq 0, 0\n .param .b32 param0;\n st.param.b32 [param0+0], %r1;\n .param .b32 retval0;\n\
        call.uni (retval0),\n f,\n (\n param0\n );\n ld.param.b32 %r2, [retval0+0];\n } // callseq 0\n\
        { .param .b32 param0; .param .b32 retval0;\n\
        proto : .callprototype (.param .b32 _) _ (.param .b32 _);\n\
        call (retval0), %rd1, (param0), proto; }\n\
        targets: .calltargets f, vprintf;\n call %rd1, targets;\n ret; }";
    let module = module(text);
    assert_eq!(module.functions.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["f", "k"]);
    let f = &module.functions[0];
    assert_eq!((f.is_entry, f.returns[0].name.as_str(), f.returns[0].size), (false, "r", 4));
    let k = &module.functions[1];
    let names: Vec<_> = k.variables.iter().map(|v| v.name.as_str()).collect();
    assert_eq!(names, ["param0@1", "retval0@1", "param0@2", "retval0@2"]);
    let list = |name: &str| Operand::List(vec![Operand::Symbol(name.to_owned())]);
    assert_eq!(k.body[0].operands[0], Operand::Address { base: symbol("param0@1"), offset: 0 });
    assert_eq!(k.body[1].modifiers, ["uni"]);
    assert_eq!(k.body[1].operands, [list("retval0@1"), *symbol("f"), list("param0@1")]);
    assert_eq!(k.body[1].text, "call.uni (retval0), f, ( param0 )");
    let prototype = *symbol("proto@2");
    assert_eq!(k.body[3].operands, [list("retval0@2"), Operand::Register(1), list("param0@2"), prototype]);
    assert_eq!(k.body[4].operands[1], Operand::List(vec![*symbol("f"), *symbol("vprintf")]));
}

#[test]
fn registers_of_every_form() {
    let function = entry(
        ".reg .pred %p<2>, q; .reg .b32 %r<10>; .reg .f64 %fd1; .reg .v2 .f32 %v;\n mov.b32 %r9, %r0; mov.f32 %v.y, %v.x; mov.b64 %fd1, %v;",
    );
    let found: Vec<_> = function.registers.iter().map(|r| format!("{}:{}", r.name, r.ty)).collect();
    assert_eq!(found[..4], ["%p0:pred", "%p1:pred", "q:pred", "%r0:b32"]);
    assert_eq!(found[12..], ["%r9:b32", "%fd1:f64", "%v.x:f32", "%v.y:f32"]);
    assert_eq!(function.body[0].operands, [Operand::Register(12), Operand::Register(3)]);
    assert_eq!(function.body[1].operands, [Operand::Register(15), Operand::Register(14)]);
    assert_eq!(function.body[2].operands[1], Operand::Vector(vec![Operand::Register(14), Operand::Register(15)]));
    for (body, what) in [
        ("mov.b32 %r1, 0;", "unknown register '%r1'"),
        (".reg .b32 %r<2>;\nmov.b32 %r2, 0;", "unknown register '%r2'"),
        (".reg .b32 %r<2>;\nmov.b32 %r01, 0;", "unknown register '%r01'"),
        (".reg .b32 a; .reg .b32 a;", "'a' is declared twice"),
        (".reg .b32 %r<2000000>;", "more than 1048576 registers in one function"),
        (".reg .b33 a;", "unknown type or qualifier '.b33'"),
        (".reg .b32 %r<2>;\n@%r5 ret;", "the guard '%r5' is not a register"),
    ] {
        assert_eq!(failure(&format!("{HEAD}.entry k() {{ {body} }}")).1, what);
    }
}

#[test]
fn inline_asm_scopes_are_flattened() {
    let scope = "{ .reg .pred p; .reg .f32 t; setp.gt.f32 p, %f0, 0f00000000; @p bra L1; mov.f32 t, %f0; bra L2;\n\
                 L1: add.f32 t, %f0, 0f3f800000; L2: ex2.approx.ftz.f32 %f1, t; }";
    let function = entry(&format!(".reg .f32 %f<2>;\n{scope}\n{scope}\nret;"));
    let names: Vec<_> = function.registers.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(names, ["%f0", "%f1", "p@1", "t@1", "p@2", "t@2"]);
    let guards: Vec<_> = function.body.iter().filter_map(|i| i.guard).collect();
    assert_eq!(guards, [2, 4].map(|register| Guard { register, negated: false }));
    let targets: Vec<_> = function.body.iter().filter(|i| i.opcode == "bra").map(|i| &i.operands[0]).collect();
    assert_eq!(targets, [&Operand::Label(4), &Operand::Label(5), &Operand::Label(10), &Operand::Label(11)]);
    // An inner scope sees the outer names, hides them where it declares its own, and takes its own with it.
    let text = ".reg .b32 a, b;\n{ .reg .b32 a; mov.b32 a, b; } mov.b32 a, b;";
    assert_eq!(entry(text).body[0].operands, [Operand::Register(2), Operand::Register(1)]);
    assert_eq!(entry(text).body[1].operands, [Operand::Register(0), Operand::Register(1)]);
    assert_eq!(failure(&format!("{HEAD}.entry k() {{\n{{ .reg .b32 a; }}\n{{ mov.b32\n a, 0;\n}} bra a; }}")).0, 6);
}

#[test]
fn labels() {
    let function = entry(".reg .pred q;\nbra.uni $L_end;\n$L__BB0_1: // back\n@!q bra $L__BB0_1;\n$L_end:\n");
    let targets: Vec<_> = function.body.iter().map(|i| &i.operands[0]).collect();
    assert_eq!(targets, [&Operand::Label(2), &Operand::Label(1)]);
    let error = failure(&format!("{HEAD}.entry k() {{\nbra a;\n}}"));
    assert_eq!(error, (5, "unknown name 'a'".to_owned()));
}

#[test]
fn branch_targets_become_labels() {
    let function = entry(".reg .u32 %r<1>;\nts: .branchtargets a, b, a;\nbrx.idx %r0, ts;\na: ret;\nb: ret;");
    let labels = [1, 2, 1].map(Operand::Label).to_vec();
    assert_eq!(function.body[0].operands, [Operand::Register(0), Operand::List(labels)]);
}

#[test]
fn operands_of_every_form() {
    let declare = ".reg .pred %p<2>; .reg .b32 %r<4>; .reg .b64 %rd<2>; .shared .align 4 .b8 s[64];\n";
    let get = |text: &str| operands(&format!("{declare}{text};"));
    let r = |n: u32| Operand::Register(2 + n);
    let at = |base: Operand, offset| Operand::Address { base: Box::new(base), offset };
    assert_eq!(
        get("shfl.sync.bfly.b32 %r0|%p1, %r1, 31, -1")[0],
        Operand::Pair(Box::new(r(0)), Box::new(Operand::Register(1)))
    );
    assert_eq!(
        get("setp.eq.u32 %p0|_, %r1, 31")[0],
        Operand::Pair(Box::new(Operand::Register(0)), Box::new(Operand::Sink))
    );
    assert_eq!(get("vote.sync.any.pred %p0, !%p1, -1")[1], Operand::NotRegister(1));
    assert_eq!(
        get("ld.global.v2.b32 {%r0, _}, [%rd1]"),
        [Operand::Vector(vec![r(0), Operand::Sink]), at(Operand::Register(7), 0)]
    );
    assert_eq!(get("ld.shared.b32 %r0, [s+4]")[1], at(*symbol("s"), 4));
    assert_eq!(get("ld.shared.b32 %r0, [%r1+-4]")[1], at(r(1), -4));
    assert_eq!(get("ld.shared.b32 %r0, [%r1-4]")[1], at(r(1), -4));
    assert_eq!(get("ld.shared.b32 %r0, [ %r1 + 2*8 ]")[1], at(r(1), 16));
    assert_eq!(get("ld.shared.b32 %r0, [16]")[1], at(Operand::Integer(16), 0));
    assert_eq!(get("ld.param.b64 %rd0, [p]")[1], at(*symbol("p"), 0));
    assert_eq!(get("mov.b32 %r0, s")[1], *symbol("s"));
    assert_eq!(get("mov.b32 %r0, s+8")[1], at(*symbol("s"), 8));
    assert_eq!(get("mov.u32 %r0, %tid.x")[1], Operand::Special("tid.x".to_owned()));
    assert_eq!(get("mov.u32 %r0, %laneid")[1], Operand::Special("laneid".to_owned()));
    assert_eq!(get("mov.u32 %r0, %envreg31")[1], Operand::Special("envreg31".to_owned()));
    assert_eq!(get("mov.u32 %r0, WARP_SZ")[1], Operand::Integer(32));
    assert_eq!(get("mov.f32 %r0, 0f3F800000")[1], Operand::Float32(0x3f80_0000));
    assert_eq!(get("mov.f32 %r0, -0f3f800000")[1], Operand::Float32(0xbf80_0000));
    assert_eq!(get("mov.f64 %rd0, 0d3FF0000000000000")[1], Operand::Float64(1f64.to_bits()));
    assert_eq!(get("mov.f64 %rd0, -2.5e-1")[1], Operand::Float64((-0.25f64).to_bits()));
    assert_eq!(get("mov.f64 %rd0, 3e2")[1], Operand::Float64(300f64.to_bits()));
    let coordinates = vec![r(0), Operand::Integer(3)];
    let tensor = Operand::Tensor { base: Box::new(Operand::Register(6)), coordinates };
    let copy =
        "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [s], [%rd0, {%r0, 3}], [%r1]";
    assert_eq!(get(copy), [at(*symbol("s"), 0), tensor, at(r(1), 0)]);
    let instruction = &entry(&format!("{declare}{copy};")).body[0];
    assert_eq!(instruction.opcode, "cp");
    assert_eq!(
        instruction.modifiers,
        ["async", "bulk", "tensor", "2d", "shared::cluster", "global", "mbarrier::complete_tx::bytes"]
    );
    for text in [
        "mov.b32 %r0, %tid",
        "mov.b32 %r0, %tid.q",
        "mov.b32 %r0, s.x",
        "ld.b32 %r0, [%p0",
        "ld.b32 %r0, [nothing]",
        "mov.b32 %r0, !s",
    ] {
        failure(&format!("{HEAD}.entry k() {{ {declare} {text}; }}"));
    }
}

#[test]
fn integer_constants() {
    for (text, value) in [
        ("42", 42),
        ("-42", -42),
        ("42U", 42),
        ("0x7FffU", 0x7fff),
        ("-0x10", -16),
        ("0b101", 5),
        ("0b101U", 5),
        ("017", 15),
        ("0", 0),
        ("18446744073709551615", -1),
        ("0xFFFFFFFFFFFFFFFF", -1),
        ("-9223372036854775808", i64::MIN),
        ("(1 << 4) | 3", 19),
        ("2 + 3 * 4 - 1", 13),
        ("~0 & 0xff", 255),
        ("!3", 0),
        ("7 % 4 / 2", 1),
        ("1 < 2 && 3 >= 4 || 5 == 5 && 6 != 7", 1),
        ("1 ? 2 : 3", 2),
        ("(0 ? 2 : 3) ^ 1", 2),
        ("(.s64) 5", 5),
        ("-16 >> 2", -4),
        ("WARP_SZ", 32),
        ("(WARP_SZ * 4)", 128),
    ] {
        assert_eq!(integer(text), value, "{text}");
    }
    for text in [
        "0x",
        "09",
        "0b2",
        "18446744073709551616",
        "1 / 0",
        "1 << 64",
        "0f3F80",
        "1 +",
        "(1",
        "1.5.5",
        "0f3f800000 + 1",
    ] {
        failure(&format!("{HEAD}.entry k() {{ .reg .b64 %r; mov.b64 %r, {text}; }}"));
    }
}

#[test]
fn variables_and_initialisers() {
    let text = ".global .align 4 .u32 a = 7, a2;\n.const .align 2 .b8 b[6] = {1, 0xff, -1};\n.global .s16 c[2][3] = {{1, 2}, {3}};\n\
        .global .f32 d[] = {0f3F800000, 2.0, 3};\n.global .f64 e = 0.5;\n.global .v2 .f32 f = {1.0, 2.0};\n.extern .shared .align 16 .b8 g[];\n\
        .global .u64 h[3] = {generic(a)+4, 5, c-2};\n.visible .global .attribute(.managed) .b32 i[2*4];\n.global .b8 j[2][2] = {{}, {9}};\n";
    let module = module(text);
    let get = |name: &str| module.variables.iter().find(|v| v.name == name).unwrap();
    assert_eq!(get("a").initial, [7, 0, 0, 0]);
    assert_eq!((get("a2").size, get("a2").initial.len()), (4, 0));
    let b = get("b");
    assert_eq!((b.space.as_str(), b.align, b.size, &b.initial[..]), ("const", 2, 6, &[1, 255, 255][..]));
    let c = get("c");
    assert_eq!((c.size, c.align, &c.initial[..]), (12, 2, &[1, 0, 2, 0, 0, 0, 3, 0][..]));
    let d: Vec<_> = get("d").initial.chunks(4).map(|x| f32::from_le_bytes(x.try_into().unwrap())).collect();
    assert_eq!((d, get("d").size), (vec![1.0, 2.0, 3.0], 12));
    assert_eq!(get("e").initial, 0.5f64.to_le_bytes());
    assert_eq!((get("f").size, get("f").align, &get("f").initial[4..]), (8, 8, &2f32.to_le_bytes()[..]));
    let g = get("g");
    assert!(g.is_extern && !get("a").is_extern);
    assert_eq!((g.size, g.align, g.space.as_str()), (0, 16, "shared"));
    let h = get("h");
    assert_eq!(h.initial[8..16], 5u64.to_le_bytes());
    let reference =
        |offset, symbol: &str, addend, generic| Reference { offset, size: 8, symbol: symbol.into(), addend, generic };
    assert_eq!(h.references, [reference(0, "a", 4, true), reference(16, "c", -2, false)]);
    assert_eq!(get("i").size, 32);
    assert_eq!(get("j").initial, [0, 0, 9]);
    for text in [
        ".global .b8 a[2] = {1, 2, 3};",
        ".global .b8 a = {1};",
        ".global .pred p;",
        ".global .align 3 .b8 a;",
        ".global .b32 a[-1];",
        ".global .b8 a[4][] = {1};",
        ".global .b32 a[4611686018427387904][8];",
        ".global .b32 a = 1.5;",
    ] {
        assert_eq!(failure(&format!("{HEAD}{text}")).0, 4, "{text}");
    }
}

#[test]
fn source_lines_follow_the_chain_of_calls() {
    let function = entry(
        "ret;\n.loc 1 31 48\n.loc 5 212 70, function_name $L__info_string6, inlined_at 1 31 48\n\
         .loc 5 1017 1, function_name $L__info_string7, inlined_at 5 212 70\nret;\n\
         .loc 5 212 70, function_name $L__info_string6, inlined_at 1 31 48\nret;\n.loc 1 33 1\nret;\n.loc 2 1 1, inlined_at 2 1 1\nret;",
    );
    let lines = |i: &Instruction| i.source.iter().map(|&SourceRef { file, line }| (file, line)).collect::<Vec<_>>();
    assert_eq!(lines(&function.body[0]), []);
    assert_eq!(lines(&function.body[1]), [(5, 1017), (5, 212), (1, 31)]);
    assert_eq!(lines(&function.body[2]), [(5, 212), (1, 31)]);
    assert_eq!(lines(&function.body[3]), [(1, 33)]);
    // A place that is its own caller is nonsense, and must not hang.
    assert_eq!(function.body[4].source.len(), 64);
    assert_eq!((function.body[0].line, function.body[1].line), (6, 10));
}

#[test]
fn text_and_guards() {
    let function = entry(
        ".reg .pred %p<2>; .reg .b32 %r<2>;\n@!%p1  add.s32 \t%r1, // why\n  %r1, 1;\n  @ %p0 ld .global .b32 %r0, [0];",
    );
    assert_eq!(function.body[0].text, "@!%p1 add.s32 %r1, %r1, 1");
    assert_eq!(function.body[0].guard, Some(Guard { register: 1, negated: true }));
    assert_eq!(function.body[1].guard, Some(Guard { register: 0, negated: false }));
    assert_eq!(
        (function.body[1].opcode.as_str(), &function.body[1].modifiers[..]),
        ("ld", &["global".to_owned(), "b32".to_owned()][..])
    );
}

#[test]
fn debug_sections_are_skipped() {
    let module = module(
        ".section .debug_str {\n$L__info_string0:\n.b8 95,90,0\n}\n.section\t.debug_loc\n{\n}\n.visible .entry k() { ret; }",
    );
    assert_eq!(module.functions.len(), 1);
}

#[test]
fn errors_name_their_line_and_word() {
    assert_eq!(
        failure(&format!("{HEAD}\n.entry k() {{\n add.s32 @;\n}}")),
        (6, "expected a constant, found '@;'".to_owned())
    );
    assert_eq!(failure(&format!("{HEAD}.frobnicate 1")), (4, "unknown directive '.frobnicate'".to_owned()));
    assert_eq!(
        failure(&format!("{HEAD}.entry k() {{\n ret")),
        (5, "expected a constant, found the end of the text".to_owned())
    );
    assert_eq!(
        failure(&format!("{HEAD}.entry k() {{ /* never ends\n")),
        (5, "expected an instruction, found the end of the text".to_owned())
    );
    assert_eq!(failure("hello").1, "expected a directive, found 'hello'");
    assert_eq!(
        failure(&format!("{HEAD}.func f(.reg .b32 x) {{ }}")).1,
        "a parameter in '.reg' is not supported, only '.param'"
    );
}

#[test]
fn deep_nesting_is_refused() {
    for open in ["(", "-", "[", "{", "!(", "1 ? "] {
        let text = format!("{HEAD}.entry k() {{ .reg .b32 a; mov.b32 a, {}; }}", open.repeat(100_000));
        failure(&text);
    }
    failure(&format!("{HEAD}.global .b8 a[2] = {}", "{".repeat(100_000)));
}
