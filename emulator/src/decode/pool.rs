//! The register files of a program as they fill up: registers of each function, constants, temporaries.

use std::collections::HashMap;

use crate::lanes::{Pred, R32, R64};
use crate::program::{Constant, Register, Value};

/// How wide a register file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum File {
    R32,
    R64,
    Pred,
}

impl File {
    /// The file for a declared register type.
    pub fn of(ty: &str) -> Option<Self> {
        match ty {
            "pred" => Some(Self::Pred),
            "b8" | "u8" | "s8" | "b16" | "u16" | "s16" | "f16" | "bf16" => Some(Self::R32),
            "b32" | "u32" | "s32" | "f32" | "f16x2" | "bf16x2" => Some(Self::R32),
            "b64" | "u64" | "s64" | "f64" => Some(Self::R64),
            _ => None,
        }
    }
}

/// Numbers registers of a program.
#[derive(Default)]
pub(crate) struct Pool {
    sizes: [u32; 3],
    constants: HashMap<(File, Value), Register>,
    temporaries: [Vec<Register>; 3],
    busy: [usize; 3],
    carry: Option<Register>,
}

impl Pool {
    /// A new register.
    pub fn fresh(&mut self, file: File) -> Register {
        let size = &mut self.sizes[file as usize];
        let number = *size;
        *size += 1;
        match file {
            File::R32 => Register::R32(R32(number)),
            File::R64 => Register::R64(R64(number)),
            File::Pred => Register::Pred(Pred(number)),
        }
    }

    /// The register that always holds a value.
    pub fn constant(&mut self, file: File, value: Value) -> Register {
        if let Some(known) = self.constants.get(&(file, value)) {
            return *known;
        }
        let register = self.fresh(file);
        self.constants.insert((file, value), register);
        register
    }

    /// A register for use within one instruction.
    pub fn temporary(&mut self, file: File) -> Register {
        let at = self.busy[file as usize];
        self.busy[file as usize] += 1;
        if let Some(register) = self.temporaries[file as usize].get(at) {
            return *register;
        }
        let register = self.fresh(file);
        self.temporaries[file as usize].push(register);
        register
    }

    /// `CC.CF`.
    pub fn carry(&mut self) -> Register {
        let known = self.carry;
        let register = known.unwrap_or_else(|| self.fresh(File::Pred));
        self.carry = Some(register);
        register
    }

    /// Makes every temporary free again.
    pub fn next_instruction(&mut self) {
        self.busy = [0; 3];
    }

    /// Registers of a file so far.
    pub fn size(&self, file: File) -> u32 {
        self.sizes[file as usize]
    }

    /// Every constant, in the order of registers.
    pub fn constants(&self) -> Vec<Constant> {
        let mut all: Vec<_> = self
            .constants
            .iter()
            .map(|((_, value), register)| Constant { register: *register, value: *value })
            .collect();
        all.sort_by_key(|constant| match constant.register {
            Register::R32(slot) => (0, slot.0),
            Register::R64(slot) => (1, slot.0),
            Register::Pred(slot) => (2, slot.0),
        });
        all
    }
}
