//! PTX modules and the kernels in them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::ast::{Function, Reference, Variable};
use crate::decode::{Linker, code_address, variables};
use crate::error::LoadError;
use crate::executed::forms;
use crate::isa::Isa;
use crate::parse::parse;
use crate::program::{KernelParam, Program};

/// A loaded PTX module.
pub struct Module {
    target: String,
    kernels: Vec<Kernel>,
    refused: Vec<(String, LoadError)>,
}

/// What the kernels of a module share.
pub(crate) struct Shared {
    /// Tells modules apart; each device keeps one instance of a module's variables.
    pub id: u64,
    pub target: String,
    pub variables: Vec<GlobalVariable>,
}

/// A variable at module scope.
pub(crate) struct GlobalVariable {
    pub name: String,
    pub size: u64,
    pub initial: Vec<u8>,
    pub references: Vec<Pointer>,
    pub read_only: bool,
}

/// An address in an initial value.
pub(crate) struct Pointer {
    /// Where it stands in its variable, and its bytes.
    pub offset: u64,
    pub size: u64,
    /// The variable that it points to, and how far beyond its beginning.
    pub to: usize,
    pub addend: i64,
}

impl GlobalVariable {
    /// From its declaration, given the names of all such variables and the functions.
    fn new(variable: &Variable, names: &[&str], functions: &[Function]) -> Result<Self, LoadError> {
        let code = |reference: &Reference| {
            let number = functions.iter().position(|function| function.name == reference.symbol)?;
            Some(code_address(number).wrapping_add_signed(reference.addend))
        };
        let mut initial = variable.initial.clone();
        for (reference, address) in
            variable.references.iter().filter_map(|reference| Some((reference, code(reference)?)))
        {
            let (first, size) = (reference.offset as usize, reference.size as usize);
            initial.resize(initial.len().max(first + size), 0);
            initial[first..first + size].copy_from_slice(&address.to_le_bytes()[..size]);
        }
        let pointer = |reference: &Reference| {
            let to = names.iter().position(|name| *name == reference.symbol).ok_or_else(|| {
                let what = "whose address is not known at load";
                LoadError::new(1, format!("`{}` is initialised with `{}`, {what}", variable.name, reference.symbol))
            })?;
            Ok(Pointer { offset: reference.offset, size: reference.size, to, addend: reference.addend })
        };
        Ok(Self {
            name: variable.name.clone(),
            size: variable.size,
            initial,
            references: variable
                .references
                .iter()
                .filter(|r| code(r).is_none())
                .map(pointer)
                .collect::<Result<_, _>>()?,
            read_only: variable.space == "const",
        })
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Module").field("target", &self.target).field("kernels", &self.kernels).finish_non_exhaustive()
    }
}

impl Module {
    /// Parses and decodes PTX text.
    ///
    /// # Errors
    /// Text that is not PTX, and any instruction, modifier or operand of any kernel that the emulator does not know, with its
    /// line. [`Module::load_lenient`] keeps the kernels that it does know.
    pub fn load(ptx: &str) -> Result<Self, LoadError> {
        Self::load_for(ptx, Isa::detect()).and_then(|module| match module.refused.into_iter().next() {
            Some((_, error)) => Err(error),
            None => Ok(Self { refused: Vec::new(), ..module }),
        })
    }

    /// Like [`Module::load`], but kernels that cannot be decoded are left out; [`Module::refused`] lists them.
    ///
    /// # Errors
    /// Text that is not PTX.
    pub fn load_lenient(ptx: &str) -> Result<Self, LoadError> {
        Self::load_for(ptx, Isa::detect())
    }

    pub(crate) fn load_for(ptx: &str, isa: Isa) -> Result<Self, LoadError> {
        static MODULES: AtomicU64 = AtomicU64::new(0);
        let ast = parse(ptx)?;
        let names: Vec<&str> = variables(&ast).map(|variable| variable.name.as_str()).collect();
        let variables = variables(&ast).map(|variable| GlobalVariable::new(variable, &names, &ast.functions));
        let shared = Arc::new(Shared {
            id: MODULES.fetch_add(1, Relaxed),
            target: ast.target.clone(),
            variables: variables.collect::<Result<_, _>>()?,
        });
        let linker = Linker::new(&ast, isa);
        let (mut kernels, mut refused) = (Vec::new(), Vec::new());
        for entry in ast.functions.iter().filter(|function| function.is_entry) {
            match linker.program(entry) {
                Ok(program) => kernels.push(Kernel { program: Arc::new(program), shared: shared.clone() }),
                Err(error) => refused.push((entry.name.clone(), error)),
            }
        }
        Ok(Self { target: ast.target, kernels, refused })
    }

    /// The kernel of this name.
    pub fn kernel(&self, name: &str) -> Option<Kernel> {
        self.kernels.iter().find(|kernel| kernel.name() == name).cloned()
    }

    /// Every kernel, in the order of the text.
    pub fn kernels(&self) -> impl Iterator<Item = Kernel> + '_ {
        self.kernels.iter().cloned()
    }

    /// The kernels that [`Module::load_lenient`] left out, and why.
    pub fn refused(&self) -> impl Iterator<Item = (&str, &LoadError)> + '_ {
        self.refused.iter().map(|(name, error)| (name.as_str(), error))
    }

    /// `.target`, such as "sm_80".
    pub fn target(&self) -> &str {
        &self.target
    }
}

/// A kernel that is ready to be launched. Clones share everything.
#[derive(Clone)]
pub struct Kernel {
    pub(crate) program: Arc<Program>,
    pub(crate) shared: Arc<Shared>,
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Kernel").field(&self.name()).finish()
    }
}

impl Kernel {
    /// The name in the PTX text.
    pub fn name(&self) -> &str {
        &self.program.name
    }

    /// The parameters, in order, at the offsets where [`crate::Launch::params`] has them.
    pub fn params(&self) -> &[KernelParam] {
        &self.program.params
    }

    /// Bytes of the packed parameters.
    pub fn param_bytes(&self) -> u32 {
        self.program.param_bytes
    }

    /// Bytes of statically sized shared memory.
    pub fn static_shared(&self) -> u32 {
        self.program.static_shared
    }

    /// `.maxntid`: the most threads of a block along each axis.
    pub fn max_threads(&self) -> Option<[u32; 3]> {
        self.program.max_threads
    }

    /// `.reqntid`: the threads that a block must have along each axis.
    pub fn required_threads(&self) -> Option<[u32; 3]> {
        self.program.required_threads
    }

    /// The forms of the instructions that some thread has executed since the module was loaded: opcode and modifiers, and where it
    /// matters the layout in shared memory: `swizzle=128B` of a tensor map, `a=k/128B b=mn/64B` of the matrices of a `wgmma`, with
    /// their major dimension.
    pub fn executed(&self) -> BTreeSet<String> {
        forms(&self.program)
    }

    /// Bytes of local memory of each thread.
    pub fn local_bytes(&self) -> u32 {
        self.program.local_bytes
    }
}
