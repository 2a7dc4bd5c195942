//! `mbarrier`, `cp.async.mbarrier.arrive`.

use super::decoder::Decoder;
use super::memory::address;
use super::moves::{operands, space};
use super::types::{Modifiers, Type};
use crate::ast::{Instruction, Operand};
use crate::counters::Class;
use crate::exec::copies;
use crate::exec::mbarrier::{self, Change};
use crate::lanes::{LANES, Slot};
use crate::memory::Space;
use crate::program::{MbarrierWait, Op, WaitFor};

type Result<T = ()> = std::result::Result<T, String>;

pub(crate) fn mbarrier(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    decoder.class = Class::Barrier;
    let kinds = [
        "init",
        "inval",
        "arrive",
        "arrive_drop",
        "expect_tx",
        "complete_tx",
        "test_wait",
        "try_wait",
        "pending_count",
    ];
    let kind = m.take_any(&kinds).ok_or("unknown form of `mbarrier`")?;
    let is_parity = m.take("parity");
    // The kind of `mbarrier.arrive.expect_tx` is taken, so what is left is its second half.
    let expects = kind.starts_with("arrive") && m.take("expect_tx");
    let is_within = m.take("noComplete");
    let is_relaxed = m.take_any(&["release", "acquire", "relaxed"]) == Some("relaxed");
    m.take_any(&["cta", "cluster"]);
    let to_space = m.take_map(space).unwrap_or(Space::Generic);
    if m.ty()? != Type::Bits(64) {
        return Err("a type other than .b64".to_owned());
    }
    match (kind, instruction.operands.as_slice()) {
        ("init", [to, count]) => {
            let (to, space) = address(decoder, to, to_space)?;
            let count = decoder.source32(count, Type::Unsigned(32))?;
            decoder.simple(move |warp, env, mask| {
                let (to, counts) = (to.lanes(warp), count.load(warp));
                mbarrier::init(warp, env, mask, (space, &to), &counts);
            });
        }
        ("inval", [to]) => {
            let (to, space) = address(decoder, to, to_space)?;
            decoder.simple(move |warp, env, mask| {
                let to = to.lanes(warp);
                mbarrier::inval(warp, env, mask, (space, &to));
            });
        }
        ("expect_tx" | "complete_tx", [to, bytes]) => {
            let (to, space) = address(decoder, to, to_space)?;
            let bytes = decoder.source32(bytes, Type::Unsigned(32))?;
            let is_expect = kind == "expect_tx";
            decoder.simple(move |warp, env, mask| {
                let (to, bytes) = (to.lanes(warp), bytes.load(warp));
                let change = |lane: usize| match is_expect {
                    true => Change::Expect { bytes: bytes[lane] },
                    false => Change::Complete { bytes: bytes[lane] },
                };
                mbarrier::change(warp, env, mask, (space, &to), &change, false);
            });
        }
        ("arrive" | "arrive_drop", ops) => {
            // The state may be left out where the object is another block's.
            let (result, rest) = match ops {
                [Operand::Address { .. }, ..] => (None, ops),
                [result, rest @ ..] => (Some(result), rest),
                [] => return Err("an address is missing".to_owned()),
            };
            let [to, values @ ..] = rest else { return Err("an address is missing".to_owned()) };
            if values.len() > 1 || (values.is_empty() && (expects || is_within)) {
                return Err(format!("{} operands", ops.len()));
            }
            let (to, space) = address(decoder, to, to_space)?;
            let value = values.first().unwrap_or(&Operand::Integer(1));
            let value = decoder.source32(value, Type::Unsigned(32))?;
            let result = result.map(|result| decoder.dest64(result)).transpose()?;
            let is_drop = kind == "arrive_drop";
            decoder.simple(move |warp, env, mask| {
                let (to, values) = (to.lanes(warp), value.load(warp));
                let change = |lane: usize| {
                    let (count, bytes) = if expects { (1, values[lane]) } else { (values[lane], 0) };
                    match (is_within, is_drop) {
                        (true, drop) => Change::ArriveWithin { count, drop },
                        (false, true) => Change::Drop { count, bytes },
                        (false, false) => Change::Arrive { count, bytes },
                    }
                };
                let states = mbarrier::change(warp, env, mask, (space, &to), &change, !is_relaxed);
                if let Some(result) = result {
                    result.store(warp, mask, states);
                }
            });
        }
        ("test_wait" | "try_wait", [result, from, phase, ..]) => {
            let (address, space) = address(decoder, from, to_space)?;
            let phase = if is_parity {
                WaitFor::Parity(decoder.source32(phase, Type::Unsigned(32))?)
            } else {
                WaitFor::State(decoder.source64(phase, Type::Bits(64))?)
            };
            let result = decoder.dest_pred(result)?;
            let (acquires, waits) = (!is_relaxed, kind == "try_wait");
            decoder.push(Op::MbarrierWait(Box::new(MbarrierWait { result, space, address, phase, acquires, waits })));
        }
        ("pending_count", [to, state]) => {
            let (d, a) = (decoder.dest32(to, Type::Unsigned(32))?, decoder.source64(state, Type::Bits(64))?);
            decoder.rare1(d, a, mbarrier::pending);
        }
        (_, found) => return Err(format!("{} operands", found.len())),
    }
    Ok(())
}

/// `cp.async.mbarrier.arrive{.noinc}{.shared}.b64 [object]`.
pub(crate) fn arrive_later(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    if !m.take("arrive") {
        return Err("unknown form of `cp.async.mbarrier`".to_owned());
    }
    let awaits = !m.take("noinc");
    let space = m.take_map(space).unwrap_or(Space::Generic);
    m.ty()?;
    let [to] = operands(instruction)?;
    let (to, space) = address(decoder, to, space)?;
    decoder.simple(move |warp, env, mask| {
        let to: [u64; LANES] = to.lanes(warp);
        copies::arrive_later(warp, env, mask, (space, &to), awaits);
    });
    Ok(())
}
