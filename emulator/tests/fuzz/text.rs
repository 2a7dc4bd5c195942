//! PTX that is nearly right: texts that compilers and the tests of this crate have, cut up and changed.

use std::ops::Range;

use ptx_emulator::Module;

/// Texts as nvcc writes them.
const COMPILED: [&str; 6] = [
    include_str!("../ptx/attention.ptx"),
    include_str!("../ptx/gemm.ptx"),
    include_str!("../ptx/intrinsics.ptx"),
    include_str!("../ptx/pipeline.ptx"),
    include_str!("../ptx/reductions.ptx"),
    include_str!("../data/sample.ptx"),
];

/// Programs whose strings are instructions of nearly every form.
const SNIPPETS: [&str; 18] = [
    include_str!("../isa_approx.rs"),
    include_str!("../isa_atomics.rs"),
    include_str!("../isa_barrier.rs"),
    include_str!("../isa_compare.rs"),
    include_str!("../isa_control.rs"),
    include_str!("../isa_convert.rs"),
    include_str!("../isa_cp_async.rs"),
    include_str!("../isa_float.rs"),
    include_str!("../isa_integer.rs"),
    include_str!("../isa_matrix.rs"),
    include_str!("../isa_memory.rs"),
    include_str!("../isa_warp.rs"),
    include_str!("../isa_wmma.rs"),
    include_str!("../hopper/bulk.rs"),
    include_str!("../hopper/cluster.rs"),
    include_str!("../hopper/mbarrier.rs"),
    include_str!("../hopper/tensor.rs"),
    include_str!("../hopper/common.rs"),
];

const NUMBERS: [&str; 20] = [
    "0",
    "1",
    "-1",
    "3",
    "16",
    "31",
    "32",
    "127",
    "128",
    "255",
    "65535",
    "65536",
    "1073741824",
    "2147483648",
    "4294967296",
    "18446744073709551615",
    "99999999999999999999",
    "0x7fffffffffffffff",
    "0f7FC00000",
    "1e999",
];

/// One change: what is done, where, and how.
pub type Step = (u8, u32, u32);

/// What a text starts from.
#[derive(Clone, Debug)]
pub enum Base {
    /// A kernel of a compiler, and all that stands before it.
    Compiled(usize),
    /// A kernel of these instructions.
    Made(Vec<usize>),
    /// Anything.
    Raw(String),
}

/// What texts are made of.
pub struct Corpus {
    /// The tokens of texts with one kernel each.
    kernels: Vec<Vec<&'static str>>,
    /// Instructions over the registers of [`HEAD`].
    instructions: Vec<String>,
    /// Every word of the texts, for one to stand in place of another.
    words: Vec<&'static str>,
}

/// The beginning of a kernel of single instructions; its registers have the names that the tests and nvcc use.
const HEAD: &str = ".version 8.7\n.target sm_90a\n.address_size 64\n.shared .align 1024 .b8 s[4096];\n.shared .align 8 .b64 bars[8];\n\
    .global .align 16 .b8 g[256];\n.func (.param .b32 y) called(.param .b32 x) { .reg .b32 v; ld.param.b32 v, [x]; st.param.b32 [y], v; ret; }\n\
    .visible .entry test(.param .u64 input, .param .u64 output, .param .align 64 .b8 map[128])\n{\n\
    .reg .b16 ha, hb, hc, he, hd, hf, h, %rs<8>;\n.reg .b32 a, b, c, d, f, t, e<8>, t<8>, %r<8>;\n.reg .f32 %f<8>;\n.reg .f64 %fd<8>;\n\
    .reg .b64 A, B, C, D, E, F, M, T<4>, in, out, %rd<8>;\n.reg .pred p, q, r, yes, %p<8>;\n.local .align 16 .b8 l[64];\n\
    ld.param.u64 in, [input];\nld.param.u64 out, [output];\nmov.u64 A, in;\nmov.u64 B, out;\nmov.u64 %rd1, in;\nmov.u64 %rd2, out;\n\
    mov.b64 M, map;\ncvta.param.u64 M, M;\nmov.u32 t, %tid.x;\nmov.u32 t0, t;\nmov.u32 a, s;\nmov.u32 b, t;\nmov.u32 c, 5;\nmov.u32 d, 7;\n\
    setp.eq.u32 p, t, 0;\nmov.u32 %r1, s;\nmov.u32 %r2, t;\nL0:\n";

/// A module whose kernel is this code.
fn module(code: &str) -> String {
    format!("{HEAD}{code}\nst.global.u32 [out], d;\nret;\n}}\n")
}

/// Splits into words, numbers, single characters and the gaps between them.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '%' | ':');
        let end = if is_word(first) || first == '.' {
            rest[1..].find(|c| !is_word(c)).map_or(rest.len(), |end| end + 1)
        } else if first.is_whitespace() {
            rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (token, left) = rest.split_at(end);
        rest = left;
        Some(token)
    })
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '$' | '%'))
}

fn is_number(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_digit())
}

impl Corpus {
    pub fn new() -> Self {
        let mut kernels = Vec::new();
        let mut instructions = Vec::new();
        for text in COMPILED {
            let starts: Vec<usize> = text.match_indices(".visible .entry").map(|(at, _)| at).collect();
            for (i, start) in starts.iter().enumerate() {
                let end = starts.get(i + 1).copied().unwrap_or(text.len());
                let before = &text[..starts[0]];
                kernels.push(tokens(before).chain(tokens(&text[*start..end])).collect());
            }
            let lines = text.lines().map(str::trim).filter(|line| line.ends_with(';') && !line.starts_with('.'));
            instructions.extend(lines.map(renamed));
        }
        for text in SNIPPETS {
            let text = text.replace("{{", "{").replace("}}", "}");
            let pieces = text.split(['"', '\n']).flat_map(|piece| piece.split("\\n"));
            let is_code = |piece: &&str| {
                piece.ends_with(';')
                    && piece.starts_with(|c: char| c == '@' || c.is_ascii_lowercase())
                    && piece.contains('.')
            };
            instructions
                .extend(pieces.map(|piece| piece.trim_end_matches('\\').trim()).filter(is_code).map(str::to_owned));
        }
        instructions.sort();
        instructions.dedup();
        // A few of each form, and those alone that load by themselves: changes make enough that do not.
        let form = |line: &str| line.split(' ').find(|word| !word.starts_with('@')).unwrap_or_default().to_owned();
        Module::load(&module("")).expect("the frame itself loads");
        let mut last = (String::new(), 0);
        instructions.retain(|line| {
            if form(line) != last.0 {
                last = (form(line), 0);
            }
            let keeps = last.1 < 4 && Module::load(&module(line)).is_ok();
            last.1 += u32::from(keeps);
            keeps
        });
        let mut words: Vec<&str> = COMPILED
            .into_iter()
            .chain(SNIPPETS)
            .flat_map(tokens)
            .filter(|token| is_name(token) || token.starts_with('.'))
            .collect();
        words.sort_unstable();
        words.dedup();
        Self { kernels, instructions, words }
    }

    pub fn kernels(&self) -> usize {
        self.kernels.len()
    }

    pub fn instructions(&self) -> usize {
        self.instructions.len()
    }

    /// The text that a base becomes.
    pub fn text(&self, base: &Base, steps: &[Step]) -> String {
        let made;
        let mut list: Vec<&str> = match base {
            Base::Raw(text) => return text.clone(),
            Base::Compiled(number) => self.kernels[*number].clone(),
            Base::Made(numbers) => {
                let code: Vec<&str> = numbers.iter().map(|number| self.instructions[*number].as_str()).collect();
                made = module(&code.join("\n"));
                tokens(&made).collect()
            }
        };
        // Changes are to the code more often than to what stands before it.
        let early = list.len() / 4;
        for (kind, place, how) in steps {
            let count = list.len().max(1);
            let at = if kind & 0x80 == 0 && count > early {
                early + *place as usize % (count - early)
            } else {
                *place as usize % count
            };
            let at = at.min(list.len());
            self.change(&mut list, kind & 0x7f, at, *how as usize);
        }
        list.concat()
    }

    fn change<'a>(&'a self, list: &mut Vec<&'a str>, kind: u8, at: usize, how: usize) {
        let range = |count: usize| -> Range<usize> { at..(at + 1 + how % count).min(list.len()) };
        let next =
            |wanted: fn(&str) -> bool| list.iter().skip(at).position(|token| wanted(token)).map(|found| at + found);
        match kind % 12 {
            0 => drop(list.drain(range(8))),
            1 => {
                let copy = list[range(64)].to_vec();
                let to = how / 64 % (list.len() + 1);
                list.splice(to..to, copy);
            }
            2 if !list.is_empty() => {
                let other = how % list.len();
                let at = at.min(list.len() - 1);
                list.swap(at, other);
            }
            3 | 4 => {
                if let Some(at) = next(is_number) {
                    list[at] = NUMBERS[how % NUMBERS.len()];
                }
            }
            5 => list.truncate(at),
            6 => {
                let opening = ["{", "(", "-", "[", "/*", "\"", "@", "!", "~(", "1?", ".section x {"][how % 11];
                list.splice(at..at, std::iter::repeat_n(opening, how / 11 % 3000));
            }
            7 | 8 => {
                if let Some(at) = next(|token| token.starts_with('.') && token.len() > 1) {
                    let dotted = self.words.partition_point(|word| *word < ".");
                    let count = self.words.partition_point(|word| *word < "/") - dotted;
                    list[at] = self.words[dotted + how % count];
                }
            }
            9 | 10 => {
                if let Some(at) = next(is_name) {
                    // Another name of this text, of which there are more that are right.
                    let other =
                        list.iter().cycle().skip(how % list.len()).take(list.len()).find(|token| is_name(token));
                    list[at] = other.copied().unwrap_or("x");
                }
            }
            _ => list.insert(at, self.words[how % self.words.len()]),
        }
    }
}

/// A compiler's line with the registers, labels and variables of [`HEAD`].
fn renamed(line: &str) -> String {
    let mut after_bracket = false;
    let rename = |token: &str| {
        let prefix = token.trim_end_matches(|c: char| c.is_ascii_digit());
        let number: Option<usize> = token[prefix.len()..].parse().ok();
        let is_symbol = after_bracket && is_name(token) && !token.starts_with('%');
        after_bracket = token == "[";
        match number {
            Some(number) if token.starts_with('%') => format!("{prefix}{}", number % 8),
            _ if token.starts_with('$') => "L0".to_owned(),
            _ if is_symbol => "s".to_owned(),
            _ => token.to_owned(),
        }
    };
    tokens(line).map(rename).collect()
}
