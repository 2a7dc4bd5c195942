//! A profile as a table that reads like a profiler's.

use std::fmt;

use crate::counters::{Class, Counters, Pipe, TensorType, WaitKind};
use crate::fault::SourceLine;
use crate::profile::{Attribution, Profile};

/// Finds the text of a line.
type Source<'a> = &'a dyn Fn(&SourceLine) -> Option<String>;

/// A [`Profile`] as text. Everything is a count of the PTX text; nothing is a time.
pub struct Report<'a> {
    profile: &'a Profile,
    floor: Option<u64>,
    lines: usize,
    attribution: Attribution,
    source: Option<Source<'a>>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(profile: &'a Profile) -> Self {
        Self { profile, floor: None, lines: 10, attribution: Attribution::Innermost, source: None }
    }

    /// The bytes that have to move to and from global memory at least, for comparison.
    pub fn floor(mut self, bytes: u64) -> Self {
        self.floor = Some(bytes);
        self
    }

    /// How many of the lines with most warp-instructions are listed, 10 if not set, and by which of their lines inlined instructions go.
    pub fn hottest(mut self, lines: usize, attribution: Attribution) -> Self {
        (self.lines, self.attribution) = (lines, attribution);
        self
    }

    /// Where to find the text of a line.
    pub fn source(mut self, text: &'a dyn Fn(&SourceLine) -> Option<String>) -> Self {
        self.source = Some(text);
        self
    }

    fn instructions(&self, f: &mut fmt::Formatter<'_>, counters: &Counters) -> fmt::Result {
        let (warps, threads) = (counters.total_warp_instructions(), counters.total_thread_instructions());
        let row = |name: &str, warp: u64, thread: u64| {
            format!("{name:<16} {:>13} {:>15} {:>7}", grouped(warp), grouped(thread), share(warp, warps))
        };
        let classes = Class::ALL.map(|class| {
            let at = class as usize;
            (class.name(), counters.warp_instructions[at], counters.thread_instructions[at])
        });
        let pipes = Pipe::ALL.map(|pipe| {
            let at = pipe as usize;
            (pipe.name(), counters.pipe_warp_instructions[at], counters.pipe_thread_instructions[at])
        });
        let table = |rows: &[(&str, u64, u64)]| {
            let mut rows: Vec<_> = rows.iter().copied().filter(|(_, warp, _)| *warp != 0).collect();
            rows.sort_by_key(|(_, warp, _)| u64::MAX - warp);
            rows.into_iter().map(|(name, warp, thread)| row(name, warp, thread)).collect::<Vec<_>>()
        };
        let (classes, pipes) = (table(&classes), table(&pipes));
        let head = |name: &str| format!("{name:<16} {:>13} {:>15} {:>7}", "warp", "thread", "share");
        writeln!(f, "  {}   {}", head("instructions"), head("by pipe"))?;
        for at in 0..classes.len().max(pipes.len()) {
            let [class, pipe] = [&classes, &pipes].map(|rows| rows.get(at).map_or("", String::as_str));
            writeln!(f, "  {}", format!("{class:<54}   {pipe}").trim_end())?;
        }
        writeln!(f, "  {}", row("all", warps, threads))?;
        writeln!(
            f,
            "  lanes of a warp-instruction: {:.2} came, {:.2} executed; divergent branches: {}",
            counters.mean_active_lanes(),
            threads as f64 / warps.max(1) as f64,
            grouped(counters.divergent_branches)
        )
    }

    fn memory(&self, f: &mut fmt::Formatter<'_>, counters: &Counters) -> fmt::Result {
        let percent = |share: Option<f64>| share.map_or_else(String::new, |share| format!("{:.1} %", 100.0 * share));
        writeln!(f, "  {:<16} {:>13} {:>15} {:>12}", "global memory", "bytes", "32-byte sectors", "efficiency")?;
        for (name, bytes, sectors, efficiency) in [
            ("loads", counters.global_load_bytes, counters.global_load_sectors, counters.load_efficiency()),
            ("stores", counters.global_store_bytes, counters.global_store_sectors, counters.store_efficiency()),
        ] {
            writeln!(f, "  {name:<16} {:>13} {:>15} {:>12}", grouped(bytes), grouped(sectors), percent(efficiency))?;
        }
        if let Some(floor) = self.floor {
            let moved = counters.global_load_bytes + counters.global_store_bytes;
            let over = moved as f64 / floor.max(1) as f64;
            writeln!(f, "  {:<16} {:>13} {:>15} {over:>8.2} over", "floor", grouped(floor), "")?;
        }
        writeln!(
            f,
            "  shared memory: {} wavefronts, {} of them ({}) for bank conflicts",
            grouped(counters.shared_wavefronts),
            grouped(counters.shared_conflicts),
            share(counters.shared_conflicts, counters.shared_wavefronts)
        )?;
        if counters.local_load_bytes + counters.local_store_bytes != 0 {
            writeln!(
                f,
                "  local memory: {} bytes loaded, {} stored (ptxas' spills are not in PTX)",
                grouped(counters.local_load_bytes),
                grouped(counters.local_store_bytes)
            )?;
        }
        if counters.async_bytes != 0 {
            writeln!(
                f,
                "  asynchronous copies: {} bytes; in flight in a block {} at most, {} on average",
                grouped(counters.async_bytes),
                grouped(counters.in_flight.peak),
                grouped(counters.in_flight.mean().round() as u64)
            )?;
        }
        Ok(())
    }

    fn work(&self, f: &mut fmt::Formatter<'_>, counters: &Counters) -> fmt::Result {
        let list = |items: Vec<(&str, u64)>| {
            let items = items.into_iter().filter(|(_, count)| *count != 0);
            items.map(|(name, count)| format!("{name} {}", grouped(count))).collect::<Vec<_>>().join(", ")
        };
        let flops = list(TensorType::ALL.map(|ty| (ty.name(), counters.tensor_flops_by_type[ty as usize])).to_vec());
        let waits = list(WaitKind::ALL.map(|kind| (kind.name(), counters.waits[kind as usize])).to_vec());
        let atomics = counters.thread_instructions[Class::Atomic as usize];
        for (name, what) in [
            ("tensor flops", flops),
            ("special functions", list(vec![("lanes", counters.special_functions)])),
            ("atomics", list(vec![("lanes", atomics)])),
            ("waits of warps", waits),
        ] {
            if !what.is_empty() {
                writeln!(f, "  {name}: {what}")?;
            }
        }
        Ok(())
    }

    fn hot_lines(&self, f: &mut fmt::Formatter<'_>, all: &Counters) -> fmt::Result {
        let lines = self.profile.lines(self.attribution);
        let shown = self.lines.min(lines.len());
        if shown == 0 {
            return Ok(());
        }
        let by = match self.attribution {
            Attribution::Innermost => "where they are written",
            Attribution::Outermost => "the kernel's own",
        };
        writeln!(f, "  the {shown} hottest of {} lines, {by}", lines.len())?;
        writeln!(
            f,
            "  {:<28} {:>11} {:>7} {:>12} {:>11} {:>11} {:>14}",
            "", "warp", "share", "global bytes", "wavefronts", "conflicts", "tensor flops"
        )?;
        let warps = all.total_warp_instructions();
        for line in &lines[..shown] {
            let counters = &line.counters;
            let executed = counters.total_warp_instructions();
            let name = line.line.as_ref().map_or_else(
                || "(no line)".to_owned(),
                |line| format!("{}:{}", line.file.rsplit('/').next().unwrap_or_default(), line.line),
            );
            writeln!(
                f,
                "  {name:<28} {:>11} {:>7} {:>12} {:>11} {:>11} {:>14}",
                grouped(executed),
                share(executed, warps),
                grouped(counters.global_load_bytes + counters.global_store_bytes),
                grouped(counters.shared_wavefronts),
                grouped(counters.shared_conflicts),
                grouped(counters.tensor_flops)
            )?;
            if let Some(text) = self.source.zip(line.line.as_ref()).and_then(|(source, line)| source(line)) {
                writeln!(f, "      {}", text.trim())?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counters = self.profile.counters();
        let shape = |shape: [u32; 3]| shape.map(|side| side.to_string()).join("x");
        let (grid, block) = (self.profile.grid(), self.profile.block());
        writeln!(f, "{}: grid {}, blocks of {} threads", self.profile.kernel().name(), shape(grid), shape(block))?;
        self.instructions(f, &counters)?;
        self.memory(f, &counters)?;
        self.work(f, &counters)?;
        self.hot_lines(f, &counters)
    }
}

/// A number in groups of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at != 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn share(part: u64, whole: u64) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64)
}
