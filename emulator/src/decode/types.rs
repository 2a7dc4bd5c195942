//! Modifiers and the types among them.

use crate::numeric::Rounding;

/// A type of the PTX language, as far as instructions on registers know them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Pred,
    Bits(u32),
    Unsigned(u32),
    Signed(u32),
    F16,
    F16x2,
    Bf16,
    Bf16x2,
    Tf32,
    F32,
    F64,
    E4m3,
    E5m2,
    E4m3x2,
    E5m2x2,
}

impl Type {
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "pred" => Self::Pred,
            "b8" => Self::Bits(8),
            "b16" => Self::Bits(16),
            "b32" => Self::Bits(32),
            "b64" => Self::Bits(64),
            "u8" => Self::Unsigned(8),
            "u16" => Self::Unsigned(16),
            "u32" => Self::Unsigned(32),
            "u64" => Self::Unsigned(64),
            "s8" => Self::Signed(8),
            "s16" => Self::Signed(16),
            "s32" => Self::Signed(32),
            "s64" => Self::Signed(64),
            "f16" => Self::F16,
            "f16x2" => Self::F16x2,
            "bf16" => Self::Bf16,
            "bf16x2" => Self::Bf16x2,
            "tf32" => Self::Tf32,
            "f32" => Self::F32,
            "f64" => Self::F64,
            "e4m3" => Self::E4m3,
            "e5m2" => Self::E5m2,
            "e4m3x2" => Self::E4m3x2,
            "e5m2x2" => Self::E5m2x2,
            _ => return None,
        })
    }

    pub fn bits(self) -> u32 {
        match self {
            Self::Pred => 1,
            Self::Bits(bits) | Self::Unsigned(bits) | Self::Signed(bits) => bits,
            Self::E4m3 | Self::E5m2 => 8,
            Self::F16 | Self::Bf16 | Self::E4m3x2 | Self::E5m2x2 => 16,
            Self::F16x2 | Self::Bf16x2 | Self::Tf32 | Self::F32 => 32,
            Self::F64 => 64,
        }
    }

    pub fn is_signed(self) -> bool {
        matches!(self, Self::Signed(_))
    }

    pub fn is_integer(self) -> bool {
        matches!(self, Self::Bits(_) | Self::Unsigned(_) | Self::Signed(_))
    }

    pub fn is_wide(self) -> bool {
        self.bits() == 64
    }
}

/// The modifiers of an instruction. Each family takes those that it knows; whatever is left over is an error at load.
pub(crate) struct Modifiers<'a> {
    rest: Vec<&'a str>,
}

impl<'a> Modifiers<'a> {
    pub fn new(modifiers: &'a [String]) -> Self {
        Self { rest: modifiers.iter().map(String::as_str).collect() }
    }

    /// Takes the first modifier of this name.
    pub fn take(&mut self, name: &str) -> bool {
        self.position(|modifier| modifier == name).is_some()
    }

    /// Takes the first modifier that is one of `names`.
    pub fn take_any(&mut self, names: &[&str]) -> Option<&'a str> {
        self.position(|modifier| names.contains(&modifier))
    }

    /// Takes the first modifier that begins with `prefix`.
    pub fn take_prefix(&mut self, prefix: &str) -> Option<&'a str> {
        self.position(|modifier| modifier.starts_with(prefix))
    }

    /// Takes the first modifier for which `parse` gives a value.
    pub fn take_map<T>(&mut self, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let at = self.rest.iter().position(|modifier| parse(modifier).is_some())?;
        parse(self.rest.remove(at))
    }

    /// Takes the first type.
    pub fn ty(&mut self) -> Result<Type, String> {
        self.take_map(Type::parse).ok_or_else(|| "a type is missing".to_owned())
    }

    /// Whether there is a modifier of this name.
    pub fn has(&self, name: &str) -> bool {
        self.rest.contains(&name)
    }

    /// Whether the first type passes a test.
    pub fn has_type(&self, test: impl Fn(Type) -> bool) -> bool {
        self.rest.iter().find_map(|modifier| Type::parse(modifier)).is_some_and(test)
    }

    /// Takes a floating-point rounding.
    pub fn rounding(&mut self) -> Option<Rounding> {
        self.take_map(|name| match name {
            "rn" => Some(Rounding::NearestEven),
            "rna" => Some(Rounding::NearestAway),
            "rz" => Some(Rounding::Zero),
            "rm" => Some(Rounding::Down),
            "rp" => Some(Rounding::Up),
            _ => None,
        })
    }

    /// Fails if a modifier was not understood.
    pub fn finish(&self) -> Result<(), String> {
        match self.rest.first() {
            None => Ok(()),
            Some(modifier) => Err(format!("unknown modifier `.{modifier}`")),
        }
    }

    fn position(&mut self, test: impl Fn(&str) -> bool) -> Option<&'a str> {
        let at = self.rest.iter().position(|modifier| test(modifier))?;
        Some(self.rest.remove(at))
    }
}
