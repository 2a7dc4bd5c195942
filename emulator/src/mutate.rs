//! Bugs to plant: the places of a PTX text where one small change makes a kernel wrong, and the changes.
//!
//! A test-suite is worth what it catches. So one takes a kernel that passes, plants one bug at a time, and counts how many make
//! the suite fail. The places are those that decide whether a parallel program is right: synchronisation, shuffles and votes,
//! predicates, addresses.
//!
//! ```
//! use ptx_emulator::mutate;
//!
//! let ptx = ".version 7.0\n.target sm_80\n.entry k() {\n .reg .pred %p;\n bar.sync 0;\n @%p ret;\n}\n";
//! let sites = mutate::sites(ptx)?;
//! assert_eq!(sites[0].to_string(), "k: PTX line 5 (bar.sync 0): synchronisation");
//! assert_eq!(sites[0].changes(), [""]);
//! assert_eq!(sites[1].changes(), ["@!%p ret", "ret"]);
//! assert!(sites[1].apply(ptx, 0).contains("@!%p ret;"));
//! # Ok::<(), ptx_emulator::LoadError>(())
//! ```

use std::fmt;
use std::ops::Range;

use crate::ast::{Function, Instruction, Module};
use crate::error::LoadError;
use crate::fault::{Location, SourceLine};
use crate::parse::parse;

/// What a site decides about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SiteKind {
    /// Barriers, fences, the commits and waits of asynchronous copies. They are removed.
    Synchronisation,
    /// Shuffles, votes and their like: another mode, another lane, a mask that lacks a lane.
    Shuffle,
    /// The guard of an instruction, branches included: negated or removed.
    Guard,
    /// `setp`: the opposite comparison.
    Comparison,
    /// An address in memory: one access further, or one back.
    Address,
}

impl SiteKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Synchronisation, Self::Shuffle, Self::Guard, Self::Comparison, Self::Address];

    /// For tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Synchronisation => "synchronisation",
            Self::Shuffle => "shuffle",
            Self::Guard => "guard",
            Self::Comparison => "comparison",
            Self::Address => "address",
        }
    }
}

/// One place where a bug can be planted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    kernel: String,
    kind: SiteKind,
    location: Location,
    span: Range<usize>,
    changes: Vec<String>,
}

impl Site {
    /// The kernel or function that the site lies in.
    pub fn kernel(&self) -> &str {
        &self.kernel
    }

    /// What it decides about.
    pub fn kind(&self) -> SiteKind {
        self.kind
    }

    /// The instruction.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// What can stand there in place of the instruction: at least one text, the empty one where it is removed.
    pub fn changes(&self) -> &[String] {
        &self.changes
    }

    /// The PTX text with one of the changes made; `ptx` is the text that [`sites`] was asked about. Line numbers stay as they
    /// are. There is no change with a greater number than there are: the text comes back as it is.
    pub fn apply(&self, ptx: &str, change: usize) -> String {
        self.changes.get(change).map_or_else(|| ptx.to_owned(), |change| self.replace(ptx, change))
    }

    /// The PTX text with `trap` in place of the instruction: it runs without a fault if the instruction is never reached.
    pub fn trap(&self, ptx: &str) -> String {
        self.replace(ptx, "trap")
    }

    fn replace(&self, ptx: &str, text: &str) -> String {
        let Range { start, end } = self.span;
        let (Some(before), Some(inside), Some(after)) = (ptx.get(..start), ptx.get(start..end), ptx.get(end..)) else {
            return ptx.to_owned();
        };
        let lines = "\n".repeat(inside.matches('\n').count());
        format!("{before}{text}{lines}{after}")
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.kernel, self.location, self.kind.name())
    }
}

/// Every site of a PTX text, in the order of the text. An instruction may have several: its guard and its address.
///
/// # Errors
/// The text is not PTX.
pub fn sites(ptx: &str) -> Result<Vec<Site>, LoadError> {
    let module = parse(ptx)?;
    let mut found = Vec::new();
    for function in &module.functions {
        for instruction in &function.body {
            sites_of(&module, function, instruction, &mut found);
        }
    }
    Ok(found)
}

fn sites_of(module: &Module, function: &Function, instruction: &Instruction, found: &mut Vec<Site>) {
    let words = Words::of(instruction);
    let mut add = |kind: SiteKind, changes: Vec<String>| {
        if !changes.is_empty() {
            let kernel = function.name.clone();
            let (location, span) = (location(module, instruction), instruction.span.clone());
            found.push(Site { kernel, kind, location, span, changes });
        }
    };
    add(SiteKind::Guard, words.guards());
    match words.opcode {
        "bar" | "barrier" | "membar" | "fence" => add(SiteKind::Synchronisation, words.removal()),
        "cp" if words.is_copy_group() => add(SiteKind::Synchronisation, words.removal()),
        "shfl" | "vote" | "match" | "redux" => add(SiteKind::Shuffle, words.shuffles()),
        "setp" | "set" => add(SiteKind::Comparison, words.comparisons()),
        "ld" | "st" | "atom" | "red" | "cp" | "ldmatrix" | "stmatrix" => {
            for operand in 0..words.operands.len() {
                add(SiteKind::Address, words.addresses(operand));
            }
        }
        _ => {}
    }
}

fn location(module: &Module, instruction: &Instruction) -> Location {
    let mut lines = instruction.source.iter().map(|source| SourceLine {
        file: module
            .files
            .iter()
            .find(|(number, _)| *number == source.file)
            .map_or_else(String::new, |(_, name)| name.clone()),
        line: source.line,
    });
    let source = lines.next();
    Location { ptx_line: instruction.line, instruction: instruction.text.clone(), source, inlined_at: lines.collect() }
}

/// An instruction's text in parts.
struct Words<'a> {
    /// `%p1` or `!%p1`.
    guard: Option<&'a str>,
    opcode: &'a str,
    modifiers: &'a [String],
    operands: Vec<&'a str>,
}

impl<'a> Words<'a> {
    fn of(instruction: &'a Instruction) -> Self {
        let text = instruction.text.as_str();
        let (guard, rest) = match text.strip_prefix('@') {
            Some(guarded) => guarded.split_once(' ').map_or((Some(guarded), ""), |(guard, rest)| (Some(guard), rest)),
            None => (None, text),
        };
        let operands = rest.split_once(' ').map_or("", |(_, operands)| operands);
        Self {
            guard,
            opcode: &instruction.opcode,
            modifiers: &instruction.modifiers,
            operands: split_operands(operands),
        }
    }

    /// The instruction again, with these parts.
    fn text(&self, guard: Option<&str>, modifiers: &[&str], operands: &[String]) -> String {
        let guard = guard.map(|guard| format!("@{guard} ")).unwrap_or_default();
        let modifiers: String = modifiers.iter().map(|modifier| format!(".{modifier}")).collect();
        format!("{guard}{}{modifiers} {}", self.opcode, operands.join(", ")).trim_end().to_owned()
    }

    fn modifiers(&self) -> Vec<&str> {
        self.modifiers.iter().map(String::as_str).collect()
    }

    fn operands(&self) -> Vec<String> {
        self.operands.iter().map(|operand| (*operand).to_owned()).collect()
    }

    fn with_operand(&self, index: usize, operand: String) -> String {
        let mut operands = self.operands();
        operands[index] = operand;
        self.text(self.guard, &self.modifiers(), &operands)
    }

    fn with_modifier(&self, from: &str, to: &str) -> String {
        let modifiers: Vec<_> = self.modifiers().into_iter().map(|word| if word == from { to } else { word }).collect();
        self.text(self.guard, &modifiers, &self.operands())
    }

    fn has(&self, modifier: &str) -> bool {
        self.modifiers.iter().any(|word| word == modifier)
    }

    fn guards(&self) -> Vec<String> {
        let Some(guard) = self.guard else { return Vec::new() };
        let negated = guard.strip_prefix('!').map_or_else(|| format!("!{guard}"), str::to_owned);
        [Some(negated.as_str()), None].map(|guard| self.text(guard, &self.modifiers(), &self.operands())).to_vec()
    }

    /// Without it, unless it also computes something.
    fn removal(&self) -> Vec<String> {
        if self.has("red") { Vec::new() } else { vec![String::new()] }
    }

    fn is_copy_group(&self) -> bool {
        self.has("commit_group") || self.has("wait_group") || self.has("wait_all")
    }

    fn shuffles(&self) -> Vec<String> {
        const MODES: [(&str, &str); 10] = [
            ("bfly", "down"),
            ("down", "bfly"),
            ("up", "down"),
            ("idx", "bfly"),
            ("any", "all"),
            ("all", "any"),
            ("uni", "all"),
            ("min", "max"),
            ("max", "min"),
            ("add", "max"),
        ];
        let mode = MODES.iter().find(|(from, _)| self.has(from));
        let mut changes: Vec<_> = mode.iter().map(|(from, to)| self.with_modifier(from, to)).collect();
        // The lane or the distance of a shuffle: twice as far, or the neighbour.
        if let ("shfl", Some(lane)) = (self.opcode, self.operands.get(2)) {
            // A register holds the distance of a step, which may be 1, so there it is the lane itself.
            let itself = if self.has("idx") { "1" } else { "0" };
            let other =
                lane.parse::<u32>().map_or(itself.to_owned(), |lane| (lane.wrapping_mul(2) % 32).max(1).to_string());
            if other != *lane {
                changes.push(self.with_operand(2, other));
            }
        }
        // Without the highest lane.
        if let Some(mask) = self.operands.len().checked_sub(1)
            && self.has("sync")
        {
            changes.push(self.with_operand(mask, "0x7fffffff".to_owned()));
        }
        changes
    }

    /// The opposite. (`lt` for `le` and its like would be no bug at all where the operands are never equal, as in the guards of
    /// unrolled loops.)
    fn comparisons(&self) -> Vec<String> {
        const INTEGER: [(&str, &str); 10] = [
            ("eq", "ne"),
            ("ne", "eq"),
            ("lt", "ge"),
            ("le", "gt"),
            ("gt", "le"),
            ("ge", "lt"),
            ("lo", "hs"),
            ("ls", "hi"),
            ("hi", "ls"),
            ("hs", "lo"),
        ];
        const FLOAT: [(&str, &str); 14] = [
            ("eq", "neu"),
            ("ne", "equ"),
            ("lt", "geu"),
            ("le", "gtu"),
            ("gt", "leu"),
            ("ge", "ltu"),
            ("equ", "ne"),
            ("neu", "eq"),
            ("ltu", "ge"),
            ("leu", "gt"),
            ("gtu", "le"),
            ("geu", "lt"),
            ("num", "nan"),
            ("nan", "num"),
        ];
        let is_float = self.modifiers.last().is_some_and(|ty| ty.starts_with('f') || ty.starts_with("bf"));
        let table = if is_float { &FLOAT[..] } else { &INTEGER[..] };
        let Some(comparison) = self.modifiers.first() else { return Vec::new() };
        let change = table.iter().find(|(from, _)| from == comparison);
        change.map(|(from, to)| self.with_modifier(from, to)).into_iter().collect()
    }

    /// The address in an operand, one access further and one back.
    fn addresses(&self, operand: usize) -> Vec<String> {
        let Some(inside) = self.operands[operand].strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
            return Vec::new();
        };
        // Coordinates of a tensor are no bytes.
        if inside.contains('{') {
            return Vec::new();
        }
        let size = self.access_size();
        ["+", "+-"].map(|sign| self.with_operand(operand, format!("[{inside}{sign}{size}]"))).to_vec()
    }

    /// Bytes of one lane's access.
    fn access_size(&self) -> u64 {
        if self.opcode == "cp" {
            return self.operands.get(2).and_then(|size| size.parse().ok()).unwrap_or(16);
        }
        if self.opcode.ends_with("matrix") {
            return 16;
        }
        let vector = self.modifiers.iter().find_map(|word| word.strip_prefix('v')?.parse().ok()).unwrap_or(1);
        let bits = |word: &String| word.trim_start_matches(|c: char| c.is_ascii_lowercase()).parse::<u64>().ok();
        self.modifiers.last().and_then(bits).map_or(4, |bits| vector * bits / 8)
    }
}

/// Operands between the commas that stand outside all brackets.
fn split_operands(text: &str) -> Vec<&str> {
    let (mut operands, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in text.char_indices() {
        match c {
            '[' | '{' | '(' => depth += 1,
            ']' | '}' | ')' => depth -= 1,
            ',' if depth == 0 => {
                operands.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    let last = text[start..].trim();
    operands.extend((!last.is_empty()).then_some(last));
    operands
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECLARE: &str = ".reg .pred %p<3>; .reg .b32 %r<8>; .reg .b64 %rd<3>; .reg .f32 %f<4>;";

    /// Kinds and changes of one instruction.
    fn changes(instruction: &str) -> Vec<(SiteKind, Vec<String>)> {
        let ptx = format!(".version 7.0\n.target sm_80\n.entry k() {{\n{DECLARE}\n{instruction};\nL: ret;\n}}\n");
        sites(&ptx).unwrap().into_iter().map(|site| (site.kind, site.changes)).collect()
    }

    fn one(instruction: &str) -> Vec<String> {
        let mut found = changes(instruction);
        assert_eq!(found.len(), 1, "{instruction}");
        found.remove(0).1
    }

    #[test]
    fn synchronisation_is_removed() {
        for instruction in [
            "bar.sync 0",
            "bar.arrive 1, 64",
            "barrier.sync 0",
            "bar.warp.sync 0xffffffff",
            "membar.gl",
            "fence.acq_rel.gpu",
            "cp.async.commit_group",
            "cp.async.wait_group 1",
            "cp.async.wait_all",
        ] {
            assert_eq!(changes(instruction), [(SiteKind::Synchronisation, vec![String::new()])], "{instruction}");
        }
        // It gives a value: without it the kernel would be wrong in another way.
        assert_eq!(changes("bar.red.popc.u32 %r0, 0, %p0"), []);
    }

    #[test]
    fn shuffles_get_another_mode_lane_and_mask() {
        assert_eq!(
            one("shfl.sync.bfly.b32 %r0|%p1, %r1, 16, 31, -1"),
            [
                "shfl.sync.down.b32 %r0|%p1, %r1, 16, 31, -1",
                "shfl.sync.bfly.b32 %r0|%p1, %r1, 1, 31, -1",
                "shfl.sync.bfly.b32 %r0|%p1, %r1, 16, 31, 0x7fffffff",
            ]
        );
        assert_eq!(one("shfl.sync.idx.b32 %r0, %r1, 0, 31, %r2")[1], "shfl.sync.idx.b32 %r0, %r1, 1, 31, %r2");
        assert_eq!(one("shfl.sync.up.b32 %r0, %r1, 4, 0, %r2")[1], "shfl.sync.up.b32 %r0, %r1, 8, 0, %r2");
        assert_eq!(
            one("vote.sync.any.pred %p1, !%p0, %r1"),
            ["vote.sync.all.pred %p1, !%p0, %r1", "vote.sync.any.pred %p1, !%p0, 0x7fffffff"]
        );
        assert_eq!(one("vote.sync.ballot.b32 %r0, %p0, -1"), ["vote.sync.ballot.b32 %r0, %p0, 0x7fffffff"]);
    }

    #[test]
    fn guards_are_negated_and_removed() {
        assert_eq!(one("@%p1 bra L"), ["@!%p1 bra L", "bra L"]);
        assert_eq!(one("@!%p1 bra.uni L"), ["@%p1 bra.uni L", "bra.uni L"]);
        let found = changes("@%p1 st.global.f32 [%rd1], %f1");
        assert_eq!(
            found[0],
            (SiteKind::Guard, vec!["@!%p1 st.global.f32 [%rd1], %f1".into(), "st.global.f32 [%rd1], %f1".into()])
        );
        assert_eq!(found[1].1[0], "@%p1 st.global.f32 [%rd1+4], %f1");
    }

    #[test]
    fn comparisons_turn_round() {
        assert_eq!(one("setp.lt.s32 %p1, %r1, 5"), ["setp.ge.s32 %p1, %r1, 5"]);
        assert_eq!(one("setp.ne.and.b32 %p1|%p2, %r1, 5, %p0"), ["setp.eq.and.b32 %p1|%p2, %r1, 5, %p0"]);
        assert_eq!(one("setp.gtu.ftz.f32 %p1, %f1, %f2"), ["setp.le.ftz.f32 %p1, %f1, %f2"]);
    }

    #[test]
    fn addresses_move_by_one_access() {
        let vector = "ld.global.nc.v4.f32 {%f0, %f1, %f2, %f3}, [%rd1+16]";
        assert_eq!(one(vector), [16, -16].map(|step| vector.replace("+16]", &format!("+16+{step}]"))),);
        assert_eq!(one("st.shared.b16 [%r1], %r2")[0], "st.shared.b16 [%r1+2], %r2");
        assert_eq!(one("ld.global.v2.b64 {%rd0, %rd1}, [%rd2]")[0], "ld.global.v2.b64 {%rd0, %rd1}, [%rd2+16]");
        assert_eq!(one("atom.shared.add.u32 %r0, [%r1], 1")[1], "atom.shared.add.u32 %r0, [%r1+-4], 1");
        let copy = changes("cp.async.cg.shared.global [%r1], [%rd1], 16");
        assert_eq!(copy[0].1[0], "cp.async.cg.shared.global [%r1+16], [%rd1], 16");
        assert_eq!(copy[1].1[0], "cp.async.cg.shared.global [%r1], [%rd1+16], 16");
        let matrix = "ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r0, %r1}, [%r2]";
        assert_eq!(one(matrix)[0], matrix.replace("[%r2]", "[%r2+16]"));
    }

    #[test]
    fn a_change_keeps_the_rest_of_the_text_and_its_lines() {
        let head = ".version 7.0\n.target sm_80\n.entry k() {\n.reg .b32 %r<4>;\n";
        let ptx =
            format!("{head}add.s32 %r1, %r1, 1; shfl.sync.bfly.b32 %r0,\n  %r1, 1, 31, -1; // why\nbar.sync 0;\n}}\n");
        let found = sites(&ptx).unwrap();
        let changed = found[0].apply(&ptx, 0);
        assert_eq!(
            changed,
            format!("{head}add.s32 %r1, %r1, 1; shfl.sync.down.b32 %r0, %r1, 1, 31, -1\n; // why\nbar.sync 0;\n}}\n")
        );
        assert_eq!(found[1].apply(&ptx, 0), ptx.replace("bar.sync 0", ""));
        assert_eq!(found[1].apply(&ptx, 1), ptx);
        assert_eq!(found[1].trap(&ptx), ptx.replace("bar.sync 0", "trap"));
        // Every change of compiled code parses again, to the same number of sites or one less (what was removed).
        let sample = include_str!("../tests/data/sample.ptx");
        let all = sites(sample).unwrap();
        for site in &all {
            for change in 0..site.changes().len() {
                let left = sites(&site.apply(sample, change)).unwrap().len();
                assert!(left == all.len() || left == all.len() - 1, "{site}");
            }
        }
    }
}
