//! Shuffles, votes, matches and reductions over the lanes of a warp.

use super::decoder::Decoder;
use super::moves::operands;
use super::types::{Modifiers, Type};
use crate::ast::{Instruction, Operand};
use crate::counters::Class;
use crate::exec::{Env, Warp};
use crate::fault::FaultKind;
use crate::isa::Action;
use crate::lanes::{FULL, LANES, Pred, R32, Slot, lanes_of};
use crate::program::{Exchange, Members, Op, Register};

use Register::{Pred as P, R32 as R};

type Result<T = ()> = std::result::Result<T, String>;

pub(crate) fn warp(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    decoder.class = Class::Shuffle;
    if instruction.opcode == "activemask" {
        let ty = m.ty()?;
        let [to] = operands(instruction)?;
        let d = decoder.dest32(to, ty)?;
        decoder.simple(move |warp, _, mask| d.store(warp, mask, [mask; LANES]));
        return Ok(());
    }
    if !m.take("sync") {
        return Err(format!("`{}` without .sync is not supported from sm_70 on", instruction.opcode));
    }
    match instruction.opcode.as_str() {
        "shfl" => shuffle(decoder, instruction, m),
        "vote" => vote(decoder, instruction, m),
        "match" => matching(decoder, instruction, m),
        "elect" => elect(decoder, instruction),
        _ => reduce(decoder, instruction, m),
    }
}

/// Adds an instruction of the lanes that `members` names, which reads the registers `sources` and writes `results`.
fn collective(
    decoder: &mut Decoder<'_>,
    instruction: &Instruction,
    members: R32,
    (sources, results): (&[Register], &[Register]),
    action: Action,
) {
    let form = format!("{}.{}", instruction.opcode, instruction.modifiers.join("."));
    let sources = sources.iter().copied().chain([Register::R32(members)]).collect();
    let exchange = Exchange { form: form.into(), sources, results: results.into() };
    decoder.push(Op::Collective(Members::Mask(members), action, Some(Box::new(exchange))));
}

/// Calls `f` for each set of lanes with one member mask: usually once, with all of them.
#[inline(always)]
fn each_team(warp: &mut Warp, members: R32, mask: u32, mut f: impl FnMut(&mut Warp, u32)) {
    let masks = members.load(warp);
    if masks == [FULL; LANES] {
        return f(warp, mask);
    }
    let mut rest = mask;
    while rest != 0 {
        let first = masks[rest.trailing_zeros() as usize];
        let team = lanes_of(rest).filter(|lane| masks[*lane] == first).fold(0, |team, lane| team | 1 << lane);
        f(warp, team);
        rest &= !team;
    }
}

/// Where a shuffle takes its value from.
#[derive(Clone, Copy)]
enum Mode {
    Up,
    Down,
    Butterfly,
    Index,
}

/// The source lane of each lane, and whether it is in range.
#[inline(always)]
fn source(mode: Mode, lane: u32, b: u32, c: u32) -> (u32, bool) {
    let (b, clamp, segment) = (b & 31, c & 31, c >> 8 & 31);
    let max = lane & segment | clamp & !segment;
    let min = lane & segment;
    let (from, valid) = match mode {
        Mode::Up => (lane.wrapping_sub(b), lane as i32 - b as i32 >= max as i32),
        Mode::Down => (lane + b, lane + b <= max),
        Mode::Butterfly => (lane ^ b, lane ^ b <= max),
        Mode::Index => (min | b & !segment, (min | b & !segment) <= max),
    };
    if valid { (from & 31, true) } else { (lane, false) }
}

fn shuffle(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    let mode = match m.take_any(&["up", "down", "bfly", "idx"]).ok_or("a shuffle mode is missing")? {
        "up" => Mode::Up,
        "down" => Mode::Down,
        "bfly" => Mode::Butterfly,
        _ => Mode::Index,
    };
    let ty = m.ty()?;
    let [to, a, b, c, members] = operands(instruction)?;
    let (to, valid) = match to {
        Operand::Pair(to, valid) => (to.as_ref(), Some(decoder.dest_pred(valid)?)),
        to => (to, None),
    };
    let d = decoder.dest32(to, ty)?;
    let a = decoder.source32(a, ty)?;
    let (b, c) = (decoder.source32(b, Type::Bits(32))?, decoder.source32(c, Type::Bits(32))?);
    let members = decoder.source32(members, Type::Bits(32))?;
    let run = move |warp: &mut Warp, env: &mut Env<'_>, mask: u32| {
        shuffle_lanes(warp, env, mask, mode, (d, valid), (a, b, c, members))
    };
    let action = decoder.isa.compile(run);
    let results: Vec<Register> = [R(d)].into_iter().chain(valid.map(P)).collect();
    collective(decoder, instruction, members, (&[R(a), R(b), R(c)], &results), action);
    Ok(())
}

#[inline(always)]
fn shuffle_lanes(
    warp: &mut Warp,
    env: &mut Env<'_>,
    mask: u32,
    mode: Mode,
    (d, valid): (R32, Option<Pred>),
    (a, b, c, members): (R32, R32, R32, R32),
) {
    let (a, b, c, members) = (a.load(warp), b.load(warp), c.load(warp), members.load(warp));
    let mut out = [0; LANES];
    let mut in_range = [false; LANES];
    let mut missing = 0;
    for lane in 0..LANES {
        let (from, ok) = source(mode, lane as u32, b[lane], c[lane]);
        out[lane] = a[from as usize & 31];
        in_range[lane] = ok;
        missing |= (!(mask & members[lane]) >> from & 1) << lane;
    }
    if missing & mask != 0 {
        for lane in lanes_of(missing & mask) {
            let (from, _) = source(mode, lane as u32, b[lane], c[lane]);
            let what = format!("lane {lane} reads from lane {from}, which does not take part");
            env.fault(warp, lane, FaultKind::Divergence { what });
        }
    }
    d.store(warp, mask, out);
    if let Some(valid) = valid {
        valid.store(warp, mask, in_range);
    }
}

fn vote(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    let mode = m.take_any(&["all", "any", "uni", "ballot"]).ok_or("a vote mode is missing")?;
    let ty = m.ty()?;
    let [to, a, members] = operands(instruction)?;
    let a = decoder.source_pred(a)?;
    let members = decoder.source32(members, Type::Bits(32))?;
    if mode == "ballot" {
        let d = decoder.dest32(to, ty)?;
        let action: Action = Box::new(move |warp, _, mask| {
            each_team(warp, members, mask, |warp, team| {
                let ballot = warp.preds[a.0 as usize] & team;
                d.store(warp, team, [ballot; LANES]);
            });
        });
        collective(decoder, instruction, members, (&[P(a)], &[R(d)]), action);
        return Ok(());
    }
    let d = decoder.dest_pred(to)?;
    let decide: fn(u32, u32) -> bool = match mode {
        "all" => |votes, team| votes == team,
        "any" => |votes, _| votes != 0,
        _ => |votes, team| votes == 0 || votes == team,
    };
    let action: Action = Box::new(move |warp, _, mask| {
        each_team(warp, members, mask, |warp, team| {
            let result = decide(warp.preds[a.0 as usize] & team, team);
            d.store(warp, team, [result; LANES]);
        });
    });
    collective(decoder, instruction, members, (&[P(a)], &[P(d)]), action);
    Ok(())
}

fn matching(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    let all = m.take_any(&["any", "all"]).ok_or("one of .any, .all is missing")? == "all";
    let ty = m.ty()?;
    let [to, a, members] = operands(instruction)?;
    let (to, agreed) = match to {
        Operand::Pair(to, agreed) if all => (to.as_ref(), Some(decoder.dest_pred(agreed)?)),
        to => (to, None),
    };
    let d = decoder.dest32(to, Type::Bits(32))?;
    let members = decoder.source32(members, Type::Bits(32))?;
    let wide = decoder.temporary64();
    if ty.is_wide() {
        let a = decoder.source64(a, ty)?;
        decoder.map1(wide, a, |x: u64| x);
    } else {
        let a = decoder.source32(a, ty)?;
        decoder.map1(wide, a, u64::from);
    }
    let action: Action = Box::new(move |warp, _, mask| {
        let values = wide.load(warp);
        each_team(warp, members, mask, |warp, team| {
            let equal =
                |to: usize| lanes_of(team).filter(|lane| values[*lane] == values[to]).fold(0, |m, lane| m | 1 << lane);
            let sets: [u32; LANES] = std::array::from_fn(equal);
            if all {
                let agrees = sets[team.trailing_zeros() as usize] == team;
                d.store(warp, team, [if agrees { team } else { 0 }; LANES]);
                if let Some(agreed) = agreed {
                    agreed.store(warp, team, [agrees; LANES]);
                }
            } else {
                d.store(warp, team, sets);
            }
        });
    });
    let results: Vec<Register> = [R(d)].into_iter().chain(agreed.map(P)).collect();
    collective(decoder, instruction, members, (&[Register::R64(wide)], &results), action);
    Ok(())
}

/// `elect.sync d|p, membermask`: the lowest lane is the leader.
fn elect(decoder: &mut Decoder<'_>, instruction: &Instruction) -> Result {
    let [to, members] = operands(instruction)?;
    let Operand::Pair(to, leads) = to else { return Err("two destinations are needed".to_owned()) };
    let (d, leads) = (decoder.dest32(to, Type::Bits(32))?, decoder.dest_pred(leads)?);
    let members = decoder.source32(members, Type::Bits(32))?;
    let action: Action = Box::new(move |warp, _, mask| {
        each_team(warp, members, mask, |warp, team| {
            let leader = team.trailing_zeros();
            d.store(warp, team, [leader; LANES]);
            leads.store(warp, team, std::array::from_fn(|lane| lane as u32 == leader));
        });
    });
    collective(decoder, instruction, members, (&[], &[R(d), P(leads)]), action);
    Ok(())
}

fn reduce(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    let operation = m.take_any(&["add", "min", "max", "and", "or", "xor"]).ok_or("an operation is missing")?;
    let ty = m.ty()?;
    let combine: fn(u32, u32) -> u32 = match (operation, ty) {
        ("add", Type::Signed(32) | Type::Unsigned(32)) => u32::wrapping_add,
        ("min", Type::Unsigned(32)) => |a, b| a.min(b),
        ("max", Type::Unsigned(32)) => |a, b| a.max(b),
        ("min", Type::Signed(32)) => |a, b| (a as i32).min(b as i32) as u32,
        ("max", Type::Signed(32)) => |a, b| (a as i32).max(b as i32) as u32,
        ("and", Type::Bits(32)) => |a, b| a & b,
        ("or", Type::Bits(32)) => |a, b| a | b,
        ("xor", Type::Bits(32)) => |a, b| a ^ b,
        _ => return Err(format!("`.{operation}` with this type")),
    };
    let [to, a, members] = operands(instruction)?;
    let (d, a) = (decoder.dest32(to, ty)?, decoder.source32(a, ty)?);
    let members = decoder.source32(members, Type::Bits(32))?;
    let action: Action = Box::new(move |warp, _, mask| {
        each_team(warp, members, mask, |warp, team| {
            let values = a.load(warp);
            let result = lanes_of(team).map(|lane| values[lane]).reduce(combine).unwrap_or(0);
            d.store(warp, team, [result; LANES]);
        });
    });
    collective(decoder, instruction, members, (&[R(a)], &[R(d)]), action);
    Ok(())
}
