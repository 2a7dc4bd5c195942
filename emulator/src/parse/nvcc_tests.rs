//! The parser against what nvcc writes, whole and damaged.

use super::parse;
use crate::ast::{Module, Operand};

/// Written by nvcc 13.0 from `tests/data/sample.cu`.
const SAMPLE: &str = include_str!("../../tests/data/sample.ptx");

fn sample() -> Module {
    parse(SAMPLE).unwrap_or_else(|error| panic!("{error}"))
}

/// The line of `sample.cu` that holds a piece of text.
fn source_line(text: &str) -> u32 {
    let source = include_str!("../../tests/data/sample.cu");
    1 + source.lines().position(|line| line.contains(text)).expect("in the source") as u32
}

#[test]
fn every_part_of_a_compiled_file() {
    let module = sample();
    assert_eq!((module.version, module.target.as_str()), ((9, 0), "sm_80"));
    assert_eq!(module.files.len(), 4);
    assert_eq!(module.files[0], (1, "/kernels/sample.cu".to_owned()));
    let names: Vec<_> = module.functions.iter().map(|function| (function.is_entry, function.name.as_str())).collect();
    assert_eq!(names, [(false, "_Z6helperfiPd"), (true, "sample"), (true, "indirect")]);
    let table = module.variables.iter().find(|variable| variable.name == "table").unwrap();
    let values: Vec<_> = table.initial.chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
    assert_eq!(values, [1.0, 2.0, 3.0, -4.5]);
    let pointer = module.variables.iter().find(|variable| variable.name == "pointer").unwrap();
    assert_eq!((pointer.references[0].symbol.as_str(), pointer.references[0].generic), ("counter", true));
    let kernel = &module.functions[1];
    assert_eq!((kernel.max_threads, kernel.params[0].size, kernel.params[1].size), (Some([128, 1, 1]), 48, 4));
    let shared: Vec<_> = kernel.variables.iter().filter(|v| v.space == "shared").map(|v| v.size).collect();
    assert_eq!(shared, [512]);
}

/// Every semicolon in a body ends an instruction or a declaration.
#[test]
fn no_instruction_is_lost() {
    let is_declaration =
        |word: &&str| matches!(*word, ".reg" | ".local" | ".shared" | ".param" | ".pragma" | ".callprototype");
    let (mut ends, mut declarations, mut in_body) = (0, 0, false);
    for line in SAMPLE.lines().map(|line| line.split("//").next().unwrap_or_default()) {
        in_body = if line == "{" { true } else { in_body && line != "}" };
        if in_body {
            ends += line.matches(';').count();
            declarations += line.split_whitespace().filter(is_declaration).count();
        }
    }
    let found: usize = sample().functions.iter().map(|function| function.body.len()).sum();
    assert_eq!(found, ends - declarations);
}

#[test]
fn inlined_code_names_every_caller() {
    let module = sample();
    let chains: Vec<Vec<u32>> = module.functions[1]
        .body
        .iter()
        .filter(|instruction| instruction.opcode == "ex2" && instruction.modifiers == ["approx", "ftz", "f32"])
        .map(|instruction| instruction.source.iter().map(|source| source.line).collect())
        .filter(|chain: &Vec<u32>| chain.len() > 1)
        .collect();
    let [asm, inner, outer] = ["\"f\"(x));", "return ex2(x)", "row[threadIdx.x] = "].map(source_line);
    assert_eq!(chains, [[asm, inner, outer], [asm, inner, outer]]);
}

#[test]
fn labels_registers_and_symbols_resolve() {
    for function in sample().functions {
        let length = function.body.len();
        for instruction in &function.body {
            for operand in &instruction.operands {
                match operand {
                    Operand::Label(target) => assert!(*target <= length),
                    Operand::Register(id) => assert!((*id as usize) < function.registers.len()),
                    _ => {}
                }
            }
            if instruction.opcode == "bra" {
                assert!(matches!(instruction.operands[..], [Operand::Label(_)]), "{}", instruction.text);
            }
        }
    }
}

/// A small generator with a fixed seed (xorshift64*).
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }
}

/// Damage of every kind to real text: the parser gives a module or an error with a line of the text, and comes to an end.
#[test]
fn damaged_text_never_panics() {
    const PIECES: [&str; 24] = [
        "{", "}", "(", ")", "[", "]", "<", ">", ";", ",", ":", "::", ".", "@", "!", "|", "%", "\"", "/*", "//", "0x",
        "0f", "-", "\u{20ac}",
    ];
    let mut draw = Draw(0x9e37_79b9_7f4a_7c15);
    let (mut loaded, mut refused) = (0, 0);
    for _ in 0..4000 {
        let mut text = SAMPLE.as_bytes().to_vec();
        for _ in 0..=draw.below(4) {
            let at = draw.below(text.len());
            let end = (at + draw.below(40)).min(text.len());
            match draw.below(6) {
                0 => drop(text.drain(at..end)),
                1 => text.truncate(at),
                2 => text[at] = draw.below(256) as u8,
                3 => drop(text.splice(at..at, PIECES[draw.below(PIECES.len())].bytes())),
                4 => {
                    let copy = text[at..end].to_vec();
                    let to = draw.below(text.len());
                    drop(text.splice(to..to, copy));
                }
                _ => {
                    let other = draw.below(text.len());
                    text.swap(at, other);
                }
            }
            if text.is_empty() {
                break;
            }
        }
        let text = String::from_utf8_lossy(&text);
        match parse(&text) {
            Ok(_) => loaded += 1,
            Err(error) => {
                refused += 1;
                assert!(error.line >= 1 && error.line as usize <= text.lines().count() + 1, "{error}");
            }
        }
    }
    // The damage is neither so slight nor so heavy that one of the two never happens.
    assert!(loaded > 200 && refused > 1000, "{loaded} loaded, {refused} refused");
}

/// Every prefix ends somewhere: inside a word, a string, a comment, an operand.
#[test]
fn cut_text_is_an_error() {
    let head = SAMPLE.find(".func").unwrap();
    let end = SAMPLE.find("\n}").unwrap();
    for cut in (head + 1..end).step_by(7) {
        assert!(parse(&SAMPLE[..cut]).is_err(), "cut at {cut}");
    }
}
