//! `cp.async` and its groups.

use super::decoder::Decoder;
use super::memory::address;
use super::moves::space;
use super::types::{Modifiers, Type};
use super::{bulk, mbarrier};
use crate::ast::{Instruction, Operand};
use crate::counters::Class;
use crate::exec::{copies, observe};
use crate::lanes::{LANES, Slot};
use crate::memory::Space;

type Result<T = ()> = std::result::Result<T, String>;

pub(crate) fn copy(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    decoder.class = Class::AsyncCopy;
    let reduces = m.take("reduce");
    if !m.take("async") {
        return Err("unknown form of `cp`".to_owned());
    }
    if m.take("bulk") {
        return bulk::bulk(decoder, instruction, m, reduces);
    }
    if m.take("mbarrier") {
        return mbarrier::arrive_later(decoder, instruction, m);
    }
    match m.take_any(&["commit_group", "wait_group", "wait_all"]) {
        Some("commit_group") => decoder.simple(|warp, _, mask| warp.copies.commit(mask)),
        Some("wait_all") => decoder.simple(|warp, env, mask| {
            observe::waited(env);
            copies::wait_all(warp, env, mask);
        }),
        Some(_) => {
            let [Operand::Integer(newest)] = instruction.operands.as_slice() else {
                return Err("a constant number of groups is missing".to_owned());
            };
            let newest = *newest as u32;
            decoder.simple(move |warp, env, mask| copies::wait(warp, env, mask, newest));
        }
        None => return issue(decoder, instruction, m),
    }
    Ok(())
}

/// `cp.async.{ca,cg}.shared.global [to], [from], size{, source size or ignore}{, cache policy}`.
fn issue(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    let level = m.take_any(&["ca", "cg"]).ok_or("one of .ca, .cg is missing")?;
    let to_space = m.take_map(space).ok_or("the destination's space is missing")?;
    let from_space = m.take_map(space).ok_or("the source's space is missing")?;
    let has_policy = m.take("L2::cache_hint");
    while m.take_prefix("L2::").is_some() {}
    if (to_space, from_space) != (Space::Shared, Space::Global) {
        return Err("only copies from .global to .shared exist".to_owned());
    }
    let ops = instruction.operands.as_slice();
    let ops = if has_policy { &ops[..ops.len().saturating_sub(1)] } else { ops };
    let [to, from, Operand::Integer(size), rest @ ..] = ops else {
        return Err("a constant size is missing".to_owned());
    };
    let size = match (level, *size) {
        ("ca", 4 | 8 | 16) | ("cg", 16) => *size as u8,
        (level, size) => return Err(format!("{size} bytes with .{level}")),
    };
    let (to, _) = address(decoder, to, to_space)?;
    let (from, _) = address(decoder, from, from_space)?;
    let (source, ignore) = match rest {
        [] => (None, None),
        // A constant is a size: only a register can be the predicate.
        [operand] => match decoder.source32(operand, Type::Unsigned(32)) {
            Ok(size) => (Some(size), None),
            Err(_) => (None, Some(decoder.source_pred(operand)?)),
        },
        found => return Err(format!("{} operands", found.len() + 3)),
    };
    decoder.simple(move |warp, env, mask| {
        let (to, from) = (to.lanes(warp), from.lanes(warp));
        let bytes = match (source, ignore) {
            // More than the size is undefined; the size is the most that is ever read.
            (Some(register), _) => register.load(warp).map(|bytes| bytes.min(size.into()) as u8),
            (_, Some(ignore)) => ignore.load(warp).map(|ignore| if ignore { 0 } else { size }),
            _ => [size; LANES],
        };
        copies::issue(warp, env, mask, to, from, size, bytes);
    });
    Ok(())
}
