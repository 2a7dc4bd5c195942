//! PTX text as data: what the parser makes and the decoder reads. Names are resolved, nothing is interpreted yet.

/// Index into [`Function::registers`].
pub(crate) type RegisterId = u32;

/// A `.ptx` file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Module {
    /// `.version`, major and minor.
    pub version: (u32, u32),
    /// `.target`, such as "sm_90a".
    pub target: String,
    /// `.file` directives: number and name.
    pub files: Vec<(u32, String)>,
    /// Variables at module scope: `.global`, `.const`, `.shared`.
    pub variables: Vec<Variable>,
    /// Entries and functions with a body.
    pub functions: Vec<Function>,
}

/// A `.entry` or `.func`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Function {
    pub name: String,
    /// `.entry`, not `.func`.
    pub is_entry: bool,
    /// Return parameters of a `.func`.
    pub returns: Vec<Variable>,
    /// Parameters in order; for an entry their offsets follow C layout.
    pub params: Vec<Variable>,
    /// `.maxntid`, missing dimensions as 1.
    pub max_threads: Option<[u32; 3]>,
    /// `.reqntid`, missing dimensions as 1.
    pub required_threads: Option<[u32; 3]>,
    /// `.maxnreg`.
    pub max_registers: Option<u32>,
    /// `.minnctapersm`, or 0.
    pub min_blocks: u32,
    /// `.reqnctapercluster`, missing dimensions as 1.
    pub required_cluster: Option<[u32; 3]>,
    /// Every register of every scope. Scopes are flattened: a `%p` in two inline-asm blocks is two registers.
    pub registers: Vec<Register>,
    /// `.local`, `.shared`, `.param` variables declared inside, scopes flattened likewise.
    pub variables: Vec<Variable>,
    pub body: Vec<Instruction>,
    /// The line of the name.
    pub line: u32,
}

/// A declared register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Register {
    /// As written, such as "%r12".
    pub name: String,
    /// Declared type without the dot: "b32", "f64", "pred".
    pub ty: String,
}

/// A variable in a state space.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Variable {
    pub name: String,
    /// "global", "const", "shared", "local", "param".
    pub space: String,
    /// Element type without the dot.
    pub ty: String,
    /// Bytes; 0 for an `.extern` array of unknown size (dynamic shared memory).
    pub size: u64,
    /// `.align`, or the element's own alignment.
    pub align: u64,
    /// Declared `.extern`.
    pub is_extern: bool,
    /// Initial bytes; empty where there is no initialiser, and what a shorter one leaves out is zero.
    pub initial: Vec<u8>,
    /// Addresses inside the initialiser, whose bytes in [`Variable::initial`] are zero until the symbols have a place.
    pub references: Vec<Reference>,
}

/// The address of a variable or function as one element of an initialiser, element-sized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// Byte of the element in the variable.
    pub offset: u64,
    /// Bytes of the element.
    pub size: u64,
    pub symbol: String,
    pub addend: i64,
    /// `generic(symbol)`: the generic address, not the one in the symbol's own state space.
    pub generic: bool,
}

/// One instruction.
#[derive(Clone, Debug)]
pub(crate) struct Instruction {
    /// `@%p` or `@!%p`.
    pub guard: Option<Guard>,
    /// The part before the first dot: "ld".
    pub opcode: String,
    /// The other parts: `["global", "nc", "v4", "u32"]`. "shared::cta" is one part.
    pub modifiers: Vec<String>,
    /// Destination first, as written.
    pub operands: Vec<Operand>,
    /// Line of the PTX text, from 1.
    pub line: u32,
    /// The `.loc` in force, outermost call last; empty without `-lineinfo`.
    pub source: Vec<SourceRef>,
    /// The instruction as written, white space folded, without the semicolon.
    pub text: String,
    /// Where it stands in the PTX text, in bytes, guard included, without the semicolon.
    pub span: std::ops::Range<usize>,
}

/// A guard predicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Guard {
    pub register: RegisterId,
    pub negated: bool,
}

/// A file number of [`Module::files`] and a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SourceRef {
    pub file: u32,
    pub line: u32,
}

/// An operand.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand {
    Register(RegisterId),
    /// `!%p`, as `and.pred` and `vote` take it.
    NotRegister(RegisterId),
    /// An integer constant, sign-extended; unsigned 64-bit constants keep their bits.
    Integer(i64),
    /// `0f3F800000`: bits of an f32.
    Float32(u32),
    /// `0d3FF0000000000000`, or a decimal constant with a point: bits of an f64.
    Float64(u64),
    /// `%tid.x`, `%laneid`, `%clock64`: predefined, named without the percent sign. (`WARP_SZ` is an integer.)
    Special(String),
    /// A variable or function by name; a name declared in an inner scope carries the flattened name.
    Symbol(String),
    /// A label: index into [`Function::body`], which may be one past its end.
    Label(usize),
    /// `[base+offset]`; also `symbol+offset` without brackets, where `mov` takes an address.
    Address {
        base: Box<Operand>,
        offset: i64,
    },
    /// `{%r1, %r2}`.
    Vector(Vec<Operand>),
    /// `%r1|%p2`, the two destinations of `shfl`, `setp` and `elect`.
    Pair(Box<Operand>, Box<Operand>),
    /// `_`, a destination that is not wanted.
    Sink,
    /// `[tensorMap, {%r1, %r2}]` and other addresses with coordinates. The base is an [`Operand::Address`] if it has an offset.
    Tensor {
        base: Box<Operand>,
        coordinates: Vec<Operand>,
    },
    /// `(%r1, %r2)`, the argument and return lists of `call`; the labels of the `.branchtargets` that `brx.idx` names, the
    /// functions of the `.calltargets` that an indirect `call` names. A `.callprototype` stays a [`Operand::Symbol`].
    List(Vec<Operand>),
}
