//! What the driver knows: contexts and the tables behind the handles.

use std::cell::RefCell;
use std::collections::HashMap;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::ThreadId;

use ptx_emulator::{Config, Emulator};

use crate::abi::{Handle, STREAM_LEGACY, STREAM_NON_BLOCKING, STREAM_PER_THREAD};
use crate::capture::Capture;
use crate::error::{CudaError, Outcome};
use crate::event::Event;
use crate::forms::Forms;
use crate::graph::{Graph, GraphExec};
use crate::inject::Failures;
use crate::library::{Function, KernelCode, Library, Module};
use crate::memory::HostBlock;
use crate::pool::Pool;
use crate::record::Record;
use crate::settings::Settings;
use crate::stream::Stream;

/// The driver of this process.
pub struct Driver {
    /// What the environment said.
    pub settings: Settings,
    /// Why the environment could not be followed; `cuInit` fails then.
    refused: Option<String>,
    /// The record of calls.
    pub record: Record,
    /// Executed forms of instruction.
    pub forms: Forms,
    /// Failures that the environment armed.
    pub failures: Failures,
    initialised: AtomicBool,
    state: Mutex<State>,
}

impl Driver {
    /// The one instance, made at the first call.
    pub fn get() -> &'static Self {
        static DRIVER: OnceLock<Driver> = OnceLock::new();
        DRIVER.get_or_init(|| match Settings::read(|name| std::env::var(name).ok()) {
            Ok(settings) => Self::new(settings, None),
            Err(wrong) => Self::new(Settings::default(), Some(wrong)),
        })
    }

    fn new(settings: Settings, refused: Option<String>) -> Self {
        let (record, refused) = match Record::new(settings.record.as_deref()) {
            Ok(record) => (record, refused),
            Err(error) => (Record::in_memory(), Some(format!("PTX_EMULATOR_RECORD: {error}"))),
        };
        let (forms, refused) = match Forms::new(settings.forms.as_deref()) {
            Ok(forms) => (forms, refused),
            Err(error) => (Forms::nowhere(), Some(format!("PTX_EMULATOR_FORMS: {error}"))),
        };
        let failures = Failures::new(settings.failures.clone());
        let state =
            State { primaries: settings.devices.iter().map(|_| Primary::default()).collect(), ..State::default() };
        Self {
            settings,
            refused,
            record,
            forms,
            failures,
            initialised: AtomicBool::new(false),
            state: Mutex::new(state),
        }
    }

    /// `cuInit`.
    pub fn init(&self) -> Outcome {
        if let Some(wrong) = &self.refused {
            self.record.remark(wrong);
            return Err(CudaError::INVALID_VALUE);
        }
        if self.settings.devices.is_empty() {
            return Err(CudaError::NO_DEVICE);
        }
        self.initialised.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// The check that every other function starts with.
    pub fn require_init(&self) -> Outcome {
        if self.initialised.load(Ordering::Relaxed) { Ok(()) } else { Err(CudaError::NOT_INITIALIZED) }
    }

    /// The tables. Nothing that runs for long holds them.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        // A panic is caught at the C boundary; every change of the tables is a single step, so they stay whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The current context of this thread.
    pub fn current(&self) -> Outcome<Arc<Context>> {
        self.lock().current()
    }

    /// A device by its ordinal.
    pub fn device(&self, device: i32) -> Outcome<&Config> {
        usize::try_from(device)
            .ok()
            .and_then(|device| self.settings.devices.get(device))
            .ok_or(CudaError::INVALID_DEVICE)
    }
}

/// A context: one emulator, and so one address space.
pub struct Context {
    /// Its own handle.
    pub handle: Handle,
    /// The ordinal of its device.
    pub device: usize,
    /// Whether it is its device's primary context.
    pub primary: bool,
    /// Creation flags; they change nothing here.
    pub flags: AtomicU32,
    /// The device.
    pub emulator: Emulator,
    /// Bytes allocated.
    pub used: AtomicU64,
    /// `CUlimit` by number.
    pub limits: [AtomicUsize; 11],
    /// The legacy default stream.
    pub legacy: Handle,
    /// Held while the device works: one operation at a time, as if all work were in one stream.
    pub turn: Mutex<()>,
    fault: AtomicI32,
}

impl Context {
    /// The fault that has ended this context, if one has: nothing works in it any more.
    pub fn check(&self) -> Outcome {
        match self.fault.load(Ordering::Relaxed) {
            0 => Ok(()),
            code => Err(CudaError(code)),
        }
    }

    /// Ends the context with a fault; the first one stays.
    pub fn end_with(&self, error: CudaError) {
        let _ = self.fault.compare_exchange(0, error.0, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// The primary context of a device.
#[derive(Default)]
pub struct Primary {
    /// The context, while anybody retains it.
    pub context: Option<Handle>,
    /// How many do.
    pub retained: u32,
    /// Flags for the next creation.
    pub flags: u32,
}

/// The tables.
#[derive(Default)]
pub struct State {
    pub primaries: Vec<Primary>,
    pub contexts: Table<Arc<Context>>,
    pub streams: Table<Stream>,
    pub events: Table<Event>,
    pub modules: Table<Module>,
    pub functions: Table<Function>,
    pub libraries: Table<Library>,
    pub kernels: Table<Arc<KernelCode>>,
    pub captures: Table<Capture>,
    pub graphs: Table<Graph>,
    pub execs: Table<GraphExec>,
    pub pools: Table<Pool>,
    /// The pool that a device allocates from, where it is not the default one.
    pub current_pools: HashMap<usize, Handle>,
    /// Page-locked host memory by address.
    pub host: HashMap<usize, HostBlock>,
    per_thread: HashMap<(Handle, ThreadId), Handle>,
}

thread_local! {
    /// The stack of current contexts; the last is current. Never dropped, so that it is there for programs that release their contexts while a thread ends.
    static CURRENT: RefCell<ManuallyDrop<Vec<Handle>>> = const { RefCell::new(ManuallyDrop::new(Vec::new())) };
}

/// Reads or changes this thread's stack of current contexts.
pub fn with_stack<R>(f: impl FnOnce(&mut Vec<Handle>) -> R) -> R {
    CURRENT.with_borrow_mut(|stack| f(stack))
}

impl State {
    /// The current context of this thread, which has to be without a fault.
    pub fn current(&self) -> Outcome<Arc<Context>> {
        let handle = with_stack(|stack| stack.last().copied()).filter(|handle| *handle != 0);
        let handle = handle.ok_or(CudaError::INVALID_CONTEXT)?;
        let context = self.contexts.get(handle).map_err(|_| CudaError::CONTEXT_IS_DESTROYED)?;
        context.check()?;
        Ok(Arc::clone(context))
    }

    /// A new context with its default stream.
    pub fn create_context(&mut self, device: usize, config: &Config, primary: bool, flags: u32) -> Arc<Context> {
        let handle = new_handle();
        let legacy = self.streams.insert(Stream { context: handle, flags: 0, priority: 0, capture: None });
        let context = Arc::new(Context {
            handle,
            device,
            primary,
            flags: AtomicU32::new(flags),
            emulator: Emulator::new(config.clone()),
            used: AtomicU64::new(0),
            limits: Default::default(),
            legacy,
            turn: Mutex::new(()),
            fault: AtomicI32::new(0),
        });
        self.contexts.put(handle, Arc::clone(&context));
        context
    }

    /// Destroys a context and everything that belongs to it; libraries belong to none.
    pub fn destroy_context(&mut self, handle: Handle) -> Outcome {
        self.contexts.remove(handle)?;
        self.streams.retain(|stream| stream.context != handle);
        self.events.retain(|event| event.context != handle);
        self.modules.retain(|module| module.context != handle);
        self.functions.retain(|function| function.context != handle);
        self.captures.retain(|capture| capture.context != handle);
        self.per_thread.retain(|(context, _), _| *context != handle);
        Ok(())
    }

    /// A stream handle's entry in the table, the default streams included, and its context, which has to be without a fault.
    pub fn stream(&mut self, stream: Handle) -> Outcome<(Handle, Arc<Context>)> {
        match stream {
            0 | STREAM_LEGACY => self.current().map(|context| (context.legacy, context)),
            STREAM_PER_THREAD => {
                let context = self.current()?;
                let own = || Stream { context: context.handle, flags: STREAM_NON_BLOCKING, priority: 0, capture: None };
                let streams = &mut self.streams;
                let thread = (context.handle, std::thread::current().id());
                let key = *self.per_thread.entry(thread).or_insert_with(|| streams.insert(own()));
                Ok((key, context))
            }
            key => {
                let context = self.contexts.get(self.streams.get(key)?.context)?;
                context.check()?;
                Ok((key, Arc::clone(context)))
            }
        }
    }

    /// The context that owns a device address.
    pub fn owner(&self, address: u64) -> Option<Arc<Context>> {
        self.contexts.values().find(|context| context.emulator.allocation(address).is_some()).cloned()
    }
}

/// Objects by handle. A handle is never given twice, in this table or another, so a stale one is always recognised.
pub struct Table<T>(HashMap<Handle, T>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> Table<T> {
    /// Takes in an object and gives its handle.
    pub fn insert(&mut self, object: T) -> Handle {
        let handle = new_handle();
        self.put(handle, object);
        handle
    }

    /// Takes in an object under a handle of [`new_handle`].
    pub fn put(&mut self, handle: Handle, object: T) {
        self.0.insert(handle, object);
    }

    pub fn get(&self, handle: Handle) -> Outcome<&T> {
        self.0.get(&handle).ok_or(CudaError::INVALID_HANDLE)
    }

    pub fn get_mut(&mut self, handle: Handle) -> Outcome<&mut T> {
        self.0.get_mut(&handle).ok_or(CudaError::INVALID_HANDLE)
    }

    pub fn remove(&mut self, handle: Handle) -> Outcome<T> {
        self.0.remove(&handle).ok_or(CudaError::INVALID_HANDLE)
    }

    /// The handle of an object.
    pub fn find(&self, is_it: impl Fn(&T) -> bool) -> Option<Handle> {
        self.0.iter().find(|(_, object)| is_it(object)).map(|(handle, _)| *handle)
    }

    pub fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.0.retain(|_, object| keep(object));
    }

    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.0.values()
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.values_mut()
    }
}

/// A handle that no object has had: large enough not to be taken for a small number, and no address of this process.
pub fn new_handle() -> Handle {
    static NEXT: AtomicUsize = AtomicUsize::new(0x7e00_0000_0000_0010);
    NEXT.fetch_add(0x10, Ordering::Relaxed)
}
