//! Branches, calls, barriers, fences.

use super::decoder::Decoder;
use super::moves::operands;
use super::types::{Modifiers, Type};
use crate::ast::{Instruction, Operand};
use crate::counters::Class;
use crate::exec::observe;
use crate::program::{Barrier, BarrierAction, Members, Op};

type Result<T = ()> = std::result::Result<T, String>;

pub(crate) fn control(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    decoder.class = Class::Control;
    match instruction.opcode.as_str() {
        "bra" => {
            m.take("uni");
            let [Operand::Label(label)] = operands(instruction)? else { return Err("a label is missing".to_owned()) };
            decoder.push(Op::Branch(*label as u32));
        }
        "brx" => {
            m.take("idx");
            m.take("uni");
            let [index, Operand::List(labels)] = operands(instruction)? else {
                return Err("labels are missing".to_owned());
            };
            let index = decoder.source32(index, Type::Unsigned(32))?;
            let label = |operand: &Operand| match operand {
                Operand::Label(label) => Ok(*label as u32),
                _ => Err("a branch target that is no label".to_owned()),
            };
            decoder.push(Op::BranchIndexed(index, labels.iter().map(label).collect::<Result<_>>()?));
        }
        "ret" => {
            m.take("uni");
            decoder.push(if decoder.function.is_entry { Op::Exit } else { Op::Return });
        }
        "exit" => decoder.push(Op::Exit),
        "trap" | "brkpt" => decoder.push(Op::Trap),
        "barrier" if m.take("cluster") => return super::cluster::barrier(decoder, instruction, m),
        "bar" | "barrier" => return barrier(decoder, instruction, m),
        "membar" | "fence" if m.take("proxy") => return proxy_fence(decoder, instruction, m),
        "membar" => {
            let scope = m.take_any(&["cta", "gl", "sys"]).ok_or("a scope is missing")?;
            fence(decoder, scope);
        }
        "fence" if m.take("mbarrier_init") => {
            m.take("release");
            m.take("cluster");
            decoder.class = Class::Barrier;
            decoder.simple(|_, _, _| {});
        }
        "fence" => {
            m.take_any(&["sc", "acq_rel", "acquire", "release"]);
            let scope = m.take_any(&["cta", "cluster", "gpu", "sys"]).ok_or("a scope is missing")?;
            fence(decoder, scope);
        }
        "nanosleep" => {
            let ty = m.ty()?;
            let [time] = operands(instruction)?;
            decoder.source32(time, ty)?;
            decoder.simple(|_, _, _| {});
        }
        "pmevent" => {
            m.take("mask");
            decoder.simple(|_, _, _| {});
        }
        other => return Err(format!("unknown instruction `{other}`")),
    }
    Ok(())
}

/// Memory is sequentially consistent here, so a fence matters to the detector alone.
fn fence(decoder: &mut Decoder<'_>, scope: &str) {
    decoder.class = Class::Barrier;
    let wide = !matches!(scope, "cta" | "cluster");
    decoder.simple(move |warp, env, mask| observe::fence(warp, env, mask, wide));
}

/// A fence between proxies. Of the proxies, the asynchronous one alone is modelled, in shared memory.
fn proxy_fence(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    decoder.class = Class::Barrier;
    let kind = m.take_any(&["alias", "async", "tensormap::generic", "async::generic"]).ok_or("a proxy is missing")?;
    m.take_any(&["release", "acquire"]);
    m.take_any(&["sync_restrict::shared::cta", "sync_restrict::shared::cluster"]);
    m.take_any(&["cta", "cluster", "gpu", "sys"]);
    let space = m.take_any(&["global", "shared::cta", "shared::cluster"]);
    if let Some(map) = instruction.operands.first() {
        super::memory::address(decoder, map, crate::memory::Space::Generic)?;
    }
    if kind.starts_with("async") && space != Some("global") {
        decoder.simple(|warp, env, mask| observe::proxy_fence(warp, env, mask));
    } else {
        decoder.simple(|_, _, _| {});
    }
    Ok(())
}

fn barrier(decoder: &mut Decoder<'_>, instruction: &Instruction, m: &mut Modifiers<'_>) -> Result {
    decoder.class = Class::Barrier;
    if m.take("warp") {
        if !m.take("sync") {
            return Err("unknown form of `bar.warp`".to_owned());
        }
        let [mask] = operands(instruction)?;
        let mask = decoder.source32(mask, Type::Bits(32))?;
        decoder.push(Op::WarpBarrier(Members::Mask(mask)));
        return Ok(());
    }
    m.take("cta");
    let aligned = m.take("aligned") || instruction.opcode == "bar";
    let ops = instruction.operands.as_slice();
    let kind = m.take_any(&["sync", "arrive", "red"]).ok_or("one of .sync, .arrive, .red is missing")?;
    let (action, arguments) = match (kind, ops) {
        ("sync", arguments @ ([_] | [_, _])) => (BarrierAction::Sync, arguments),
        ("arrive", arguments @ [_, _]) => (BarrierAction::Arrive, arguments),
        ("red", [to, arguments @ .., source]) if matches!(arguments.len(), 1 | 2) => {
            let operation = m.take_any(&["popc", "and", "or"]).ok_or("one of .popc, .and, .or is missing")?;
            let ty = m.ty()?;
            let source = decoder.source_pred(source)?;
            let action = match (operation, ty) {
                ("popc", Type::Unsigned(32)) => BarrierAction::Count(decoder.dest32(to, ty)?, source),
                ("and", Type::Pred) => BarrierAction::And(decoder.dest_pred(to)?, source),
                ("or", Type::Pred) => BarrierAction::Or(decoder.dest_pred(to)?, source),
                _ => return Err("this result type".to_owned()),
            };
            (action, arguments)
        }
        (_, found) => return Err(format!("{} operands", found.len())),
    };
    let id = decoder.source32(&arguments[0], Type::Unsigned(32))?;
    let threads = arguments.get(1).map(|threads| decoder.source32(threads, Type::Unsigned(32))).transpose()?;
    decoder.push(Op::Barrier(Box::new(Barrier { action, id, threads, aligned })));
    Ok(())
}
