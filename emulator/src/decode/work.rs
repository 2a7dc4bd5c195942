//! What the text of an instruction says about the work of one execution: see [`Pipe`] for the sources.

use crate::ast::Instruction;
use crate::counters::{Class, Pipe, TensorType, WaitKind};
use crate::program::Work;

/// The work of an instruction of a class; `flops` of a warp's execution of a product.
pub(super) fn of(instruction: &Instruction, class: Class, flops: u32) -> Work {
    let text = Text(instruction);
    Work {
        class,
        pipe: text.pipe(class),
        special_functions: text.special_functions(class),
        flops,
        tensor_type: text.tensor_type(),
        wait: text.wait(),
        counts: true,
    }
}

struct Text<'a>(&'a Instruction);

impl Text<'_> {
    fn opcode(&self) -> &str {
        &self.0.opcode
    }

    fn has(&self, modifier: &str) -> bool {
        self.0.modifiers.iter().any(|known| known == modifier)
    }

    fn has_any(&self, modifiers: &[&str]) -> bool {
        modifiers.iter().any(|modifier| self.has(modifier))
    }

    fn is_packed(&self) -> bool {
        self.has_any(&["f16x2", "bf16x2"])
    }

    fn pipe(&self, class: Class) -> Pipe {
        let is_double = self.has("f64");
        let is_half = self.is_packed() || self.has_any(&["f16", "bf16"]);
        match class {
            Class::GlobalLoad | Class::GlobalStore | Class::SharedLoad | Class::SharedStore => Pipe::Lsu,
            Class::Local | Class::Atomic => Pipe::Lsu,
            Class::Param => Pipe::Adu,
            Class::Tensor => Pipe::Tensor,
            Class::SpecialFunction => Pipe::Xu,
            Class::Control => Pipe::Cbu,
            Class::Conversion => self.conversion(),
            Class::AsyncCopy if self.has("bulk") || self.opcode() == "st" => Pipe::Tma,
            Class::AsyncCopy => Pipe::Lsu,
            Class::Shuffle if matches!(self.opcode(), "vote" | "activemask" | "elect") => Pipe::Alu,
            Class::Shuffle => Pipe::Lsu,
            Class::Barrier => match self.opcode() {
                "bar" | "barrier" if self.has("warp") => Pipe::Cbu,
                "bar" | "barrier" => Pipe::Adu,
                "wgmma" => Pipe::Tensor,
                _ => Pipe::Lsu,
            },
            Class::Float if is_double => Pipe::Double,
            Class::Float => match self.opcode() {
                "min" | "max" | "abs" | "neg" | "copysign" | "testp" => Pipe::Alu,
                _ if is_half => Pipe::Half,
                _ => Pipe::Fma,
            },
            Class::Integer => match self.opcode() {
                "set" | "setp" if is_double => Pipe::Double,
                "set" | "setp" if is_half => Pipe::Half,
                "mul" | "mad" | "mul24" | "mad24" | "madc" | "dp4a" | "dp2a" => Pipe::Fma,
                "popc" | "clz" | "bfind" | "brev" | "fns" => Pipe::Xu,
                _ => Pipe::Alu,
            },
        }
    }

    /// `cvt.….to.from`.
    fn conversion(&self) -> Pipe {
        let is_float = |ty: &&str| ["f", "bf", "tf", "e"].iter().any(|prefix| ty.starts_with(prefix));
        let is_integer = |ty: &&str| ty.starts_with(['s', 'u', 'b']) && ty[1..].parse::<u32>().is_ok();
        // "ftz" is no type; those of floats have digits.
        let is_type = |ty: &&str| is_integer(ty) || is_float(ty) && ty.contains(|c: char| c.is_ascii_digit());
        let mut types = self.0.modifiers.iter().map(String::as_str).filter(is_type);
        let (Some(to), Some(from)) = (types.next(), types.next_back()) else { return Pipe::Alu };
        if is_integer(&to) != is_integer(&from) || [to, from].contains(&"f64") {
            Pipe::Xu
        } else if matches!(from, "f16" | "f16x2") {
            Pipe::Half
        } else {
            Pipe::Alu
        }
    }

    /// Results of each lane.
    fn special_functions(&self, class: Class) -> u8 {
        let divides = class == Class::Float && self.opcode() == "div";
        match class {
            Class::SpecialFunction => 1 + u8::from(self.is_packed()),
            _ => u8::from(divides),
        }
    }

    fn tensor_type(&self) -> TensorType {
        if self.has("bf16") {
            TensorType::Bf16
        } else if self.has("tf32") {
            TensorType::Tf32
        } else if self.has("f64") {
            TensorType::F64
        } else if self.has_any(&["e4m3", "e5m2"]) {
            TensorType::F8
        } else if self.has_any(&["s8", "u8"]) {
            TensorType::I8
        } else {
            TensorType::F16
        }
    }

    fn wait(&self) -> WaitKind {
        match self.opcode() {
            "mbarrier" => WaitKind::Mbarrier,
            "wgmma" => WaitKind::Warpgroup,
            "cp" if self.has("bulk") => WaitKind::Bulk,
            "cp" => WaitKind::Copy,
            _ if self.has("cluster") => WaitKind::Cluster,
            _ => WaitKind::Barrier,
        }
    }
}
