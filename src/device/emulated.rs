//! The PTX emulator as a device: the shipped kernels on the CPU, with every check that hardware lacks.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, RwLock};

use ptx_emulator::{
    Approximation, Asynchrony, Checks, Config, Counters, DeviceModel, Emulator, LaunchError, MemoryError, Module,
    Profile, Residency, Schedule,
};

use super::{Buffer, Caps, ComputeCapability, Device, Image, Kernel, LaunchShape, Params, Queue, sealed};
use crate::element::Element;
use crate::error::{Error, Result};
use crate::view::{Layout, Shape, Strides, View, ViewMut};

/// A GPU played by `ptx-emulator`, with the limits of a named model and memory of its own.
///
/// The kernels are the PTX that ships, chosen as the driver would choose it. A launch runs to its end before it returns,
/// and a fault in the kernel is [`Error::Fault`]. Times mean nothing for a GPU; [`EmulatedDevice::take_counters`] counts
/// what a profiler would.
#[derive(Clone)]
pub struct EmulatedDevice(Arc<Inner>);

struct Inner {
    emulator: Emulator,
    caps: Caps,
    substitutes: HashMap<String, String>,
    /// By the address of the [`Kernel`].
    kernels: RwLock<HashMap<usize, (ptx_emulator::Kernel, LoadedKernel)>>,
    counters: Mutex<Counters>,
    /// The launches of a call of [`EmulatedDevice::profile`].
    profiles: Mutex<Option<Vec<Profile>>>,
}

/// A kernel that an [`EmulatedDevice`] has loaded, and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadedKernel {
    /// The kernel's symbol.
    pub kernel: &'static str,
    /// The name of its image, which is that of its `.cu` file.
    pub image: &'static str,
    /// The embedded PTX of the image that fits the device; empty in a build without kernels.
    pub ptx: &'static str,
}

/// Chooses what an [`EmulatedDevice`] plays. Everything not chosen is as in [`Config::new`].
#[derive(Clone, Debug)]
pub struct EmulatedDeviceBuilder {
    config: Config,
    substitutes: HashMap<String, String>,
}

impl EmulatedDevice {
    /// A device of this model, otherwise as in [`Config::new`]: every check on, asynchronous copies late.
    pub fn new(model: DeviceModel) -> Self {
        Self::builder(model).build()
    }

    /// A device of this model, of which more is to be chosen.
    pub fn builder(model: DeviceModel) -> EmulatedDeviceBuilder {
        EmulatedDeviceBuilder { config: Config::new(model), substitutes: HashMap::new() }
    }

    /// What the device plays.
    pub fn config(&self) -> &Config {
        self.0.emulator.config()
    }

    /// What was counted in all launches since the last call, or since the device was made.
    pub fn take_counters(&self) -> Counters {
        std::mem::take(&mut self.0.counters.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs `f` and gives, with its result, what was counted in each launch on this device meanwhile, whoever made it: in the order of
    /// the launches, for each instruction and each line of the kernels' sources. A call within `f` keeps its launches to itself.
    ///
    /// ```
    /// use warpsmith::emulator::{Attribution, DeviceModel};
    /// use warpsmith::ops::gelu::{self, Form};
    /// use warpsmith::{Buffer, Device, EmulatedDevice};
    ///
    /// let device = EmulatedDevice::new(DeviceModel::Sm80);
    /// let x = device.upload(&[1.0_f32; 1024])?;
    /// let mut y = device.alloc::<f32>(1024)?;
    /// let tensors = gelu::Forward { input: x.view([8, 128])?, bias: None, output: y.view_mut([8, 128])? };
    /// let (result, profiles) = device.profile(|| gelu::forward(&device, tensors, Form::Tanh));
    /// result?;
    /// assert_eq!(profiles[0].counters().global_load_bytes, 4096);
    /// let hottest = &profiles[0].lines(Attribution::Outermost)[0];
    /// println!("{:?}: {} warp-instructions", hottest.line, hottest.counters.total_warp_instructions());
    /// println!("{}", profiles[0].report().floor(2 * 4096));
    /// # Ok::<(), warpsmith::Error>(())
    /// ```
    pub fn profile<R>(&self, f: impl FnOnce() -> R) -> (R, Vec<Profile>) {
        let exchange =
            |list| std::mem::replace(&mut *self.0.profiles.lock().unwrap_or_else(PoisonError::into_inner), list);
        let outer = exchange(Some(Vec::new()));
        let result = f();
        (result, exchange(outer).unwrap_or_default())
    }

    /// The kernels that were launched or preloaded so far, by name.
    pub fn loaded_kernels(&self) -> Vec<LoadedKernel> {
        let kernels = self.0.kernels.read().unwrap_or_else(PoisonError::into_inner);
        let mut loaded: Vec<_> = kernels.values().map(|(_, from)| *from).collect();
        loaded.sort_by_key(|from| from.kernel);
        loaded
    }

    fn kernel<P: Params>(&self, kernel: &'static Kernel<P>) -> Result<ptx_emulator::Kernel> {
        let key = std::ptr::from_ref(kernel).addr();
        if let Some((loaded, _)) = self.0.kernels.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(loaded.clone());
        }
        let image = kernel.image();
        let loaded = self.load(image, kernel.name())?;
        let ptx = image.ptx_for(self.0.caps.compute_capability).first().map_or("", |ptx| ptx.text);
        let from = LoadedKernel { kernel: kernel.name(), image: image.name, ptx };
        self.0.kernels.write().unwrap_or_else(PoisonError::into_inner).insert(key, (loaded.clone(), from));
        Ok(loaded)
    }

    fn load(&self, image: &'static Image, name: &'static str) -> Result<ptx_emulator::Kernel> {
        let refused = |what: String| Error::ImageRefused { image: image.name, what };
        let module = if let Some(text) = self.0.substitutes.get(image.name) {
            Arc::new(Module::load(text).map_err(|error| refused(error.to_string()))?)
        } else if image.is_stub() {
            return Err(Error::KernelsNotBuilt { kernel: name });
        } else {
            let device = self.0.caps.compute_capability;
            let Some(ptx) = image.ptx_for(device).into_iter().next() else {
                return Err(Error::NoKernelImage { kernel: name, device, built: image.architectures(), refused: None });
            };
            shared_module(ptx.text).map_err(|error| refused(error.to_string()))?
        };
        module.kernel(name).ok_or_else(|| refused(format!("it has no kernel `{name}`")))
    }
}

/// The module of an embedded text, which all devices of the process share.
fn shared_module(text: &'static str) -> Result<Arc<Module>, ptx_emulator::LoadError> {
    /// By the address of the text.
    static MODULES: LazyLock<Mutex<HashMap<usize, Arc<Module>>>> = LazyLock::new(Mutex::default);
    let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(module) = modules.get(&text.as_ptr().addr()) {
        return Ok(module.clone());
    }
    let module = Arc::new(Module::load(text)?);
    modules.insert(text.as_ptr().addr(), module.clone());
    Ok(module)
}

impl EmulatedDeviceBuilder {
    /// The order in which warps take their turns.
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.config.schedule = schedule;
        self
    }

    /// When asynchronous copies land.
    pub fn asynchrony(mut self, asynchrony: Asynchrony) -> Self {
        self.config.asynchrony = asynchrony;
        self
    }

    /// How approximate functions and tensor-core sums are rounded.
    pub fn approximation(mut self, approximation: Approximation) -> Self {
        self.config.approximation = approximation;
        self
    }

    /// The checks that cost time.
    pub fn checks(mut self, checks: Checks) -> Self {
        self.config.checks = checks;
        self
    }

    /// How many blocks run at once, and in which order they start.
    pub fn residency(mut self, residency: Residency) -> Self {
        self.config.residency = residency;
        self
    }

    /// Seeds every random choice.
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// Operating-system threads; 0 means one per core.
    pub fn workers(mut self, workers: usize) -> Self {
        self.config.workers = workers;
        self
    }

    /// Executed warp-instructions after which a launch counts as hung.
    pub fn instruction_limit(mut self, limit: u64) -> Self {
        self.config.instruction_limit = limit;
        self
    }

    /// A testing aid: runs `ptx` in place of the embedded image of this name, the name of its `.cu` file. Tests plant bugs
    /// with it and see whether they are caught.
    pub fn substitute_ptx(mut self, image: impl Into<String>, ptx: impl Into<String>) -> Self {
        self.substitutes.insert(image.into(), ptx.into());
        self
    }

    /// The device.
    pub fn build(self) -> EmulatedDevice {
        let model = self.config.model;
        let (major, minor) = model.compute_capability();
        let caps = Caps {
            compute_capability: ComputeCapability { major, minor },
            shared_memory_per_block: model.shared_memory_per_block_optin(),
            multiprocessors: model.multiprocessors(),
        };
        EmulatedDevice(Arc::new(Inner {
            emulator: Emulator::new(self.config),
            caps,
            substitutes: self.substitutes,
            kernels: RwLock::default(),
            counters: Mutex::default(),
            profiles: Mutex::default(),
        }))
    }
}

impl fmt::Debug for EmulatedDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EmulatedDevice").field(self.config()).finish()
    }
}

impl sealed::Sealed for EmulatedDevice {}

impl Queue for EmulatedDevice {
    fn caps(&self) -> &Caps {
        &self.0.caps
    }

    fn preload<P: Params>(&self, kernel: &'static Kernel<P>) -> Result<()> {
        self.kernel(kernel).map(drop)
    }

    unsafe fn launch<P: Params>(&self, kernel: &'static Kernel<P>, shape: &LaunchShape, params: &P) -> Result<()> {
        let name = kernel.name();
        shape.check(name, &self.0.caps)?;
        if shape.cluster.is_some() {
            let what = "a launch in clusters".into();
            return Err(Error::Unsupported { op: name, what, supported: "single blocks on the emulated device" });
        }
        // A cooperative launch promises that all blocks are resident, whatever the configuration says.
        let cooperative = shape.cooperative.then(|| {
            let mut config = self.config().clone();
            config.residency.resident_blocks = shape.grid.iter().map(|&blocks| blocks as usize).product();
            config
        });
        let launch = ptx_emulator::Launch {
            kernel: &self.kernel(kernel)?,
            grid: shape.grid,
            block: shape.block,
            dynamic_shared: shape.dynamic_shared,
            params: params.as_bytes(),
            config: cooperative.as_ref(),
        };
        let profile = self.0.emulator.profile(&launch, None).map_err(|error| match error {
            LaunchError::Faults(faults) => Error::Fault(Box::new(faults)),
            LaunchError::SharedMemory { got, limit } => {
                let what = "the number of bytes of static and dynamic shared memory";
                Error::LaunchLimit { kernel: name, what, limit, got }
            }
            refusal => Error::LaunchRefused { kernel: name, what: refusal.to_string() },
        })?;
        *self.0.counters.lock().unwrap_or_else(PoisonError::into_inner) += &profile.counters();
        if let Some(profiles) = self.0.profiles.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            profiles.push(profile);
        }
        Ok(())
    }
}

impl Device for EmulatedDevice {
    type Buffer<T: Element> = EmulatedBuffer<T>;

    fn alloc<T: Element>(&self, len: usize) -> Result<EmulatedBuffer<T>> {
        super::check_len::<T>(len)?;
        let address = self.0.emulator.alloc((len * size_of::<T>()) as u64, T::DTYPE.name()).map_err(memory("alloc"))?;
        Ok(EmulatedBuffer { device: self.clone(), address, len, elements: PhantomData })
    }

    fn upload<T: Element>(&self, data: &[T]) -> Result<EmulatedBuffer<T>> {
        let mut buffer = self.alloc(data.len())?;
        self.write(&mut buffer, data)?;
        Ok(buffer)
    }

    fn write<T: Element>(&self, buffer: &mut EmulatedBuffer<T>, data: &[T]) -> Result<()> {
        if !self.owns(buffer) {
            return Err(Error::DeviceMismatch { op: "write", argument: "buffer" });
        }
        super::check_write(buffer, data)?;
        // SAFETY: an `Element` is plain data without padding, so all its bytes are initialised.
        let bytes = unsafe { std::slice::from_raw_parts(data.as_ptr().cast(), size_of_val(data)) };
        self.0.emulator.write(buffer.address, bytes).map_err(memory("write"))
    }

    fn download<T: Element>(&self, buffer: &EmulatedBuffer<T>) -> Result<Vec<T>> {
        if !self.owns(buffer) {
            return Err(Error::DeviceMismatch { op: "download", argument: "buffer" });
        }
        let mut data = vec![T::default(); buffer.len];
        // SAFETY: every bit pattern is a value of an `Element`, so its bytes may be written freely.
        let bytes = unsafe { std::slice::from_raw_parts_mut(data.as_mut_ptr().cast(), size_of_val(&*data)) };
        self.0.emulator.read(buffer.address, bytes).map_err(memory("download"))?;
        Ok(data)
    }

    fn synchronize(&self) -> Result<()> {
        Ok(())
    }
}

impl EmulatedDevice {
    /// Reads memory by its address, for `op`.
    pub(crate) fn read_at(&self, op: &'static str, address: u64, out: &mut [u8]) -> Result<()> {
        self.0.emulator.read(address, out).map_err(memory(op))
    }

    /// Writes memory by its address, for `op`.
    pub(crate) fn write_at(&self, op: &'static str, address: u64, bytes: &[u8]) -> Result<()> {
        self.0.emulator.write(address, bytes).map_err(memory(op))
    }

    fn owns<T: Element>(&self, buffer: &EmulatedBuffer<T>) -> bool {
        Arc::ptr_eq(&self.0, &buffer.device.0)
    }
}

/// An error of the emulator's memory as ours.
fn memory(op: &'static str) -> impl Fn(MemoryError) -> Error {
    move |error| Error::Memory { op, what: error.to_string() }
}

impl sealed::Memory for EmulatedDevice {
    type Source<T: Element> = EmulatedBuffer<T>;
    type Target<T: Element> = EmulatedBuffer<T>;
    type Guard<'a> = ();

    fn before_arguments(&self, _op: &'static str) -> Result<()> {
        Ok(())
    }

    fn address<'a, T: Element>(&'a self, memory: &'a EmulatedBuffer<T>) -> Option<(u64, ())> {
        self.owns(memory).then_some((memory.address, ()))
    }

    fn address_mut<'a, T: Element>(&'a self, memory: &'a mut EmulatedBuffer<T>) -> Option<(u64, ())> {
        self.owns(memory).then_some((memory.address, ()))
    }

    fn after_arguments(&self) -> Result<()> {
        Ok(())
    }
}

/// Memory of an [`EmulatedDevice`], freed when dropped.
pub struct EmulatedBuffer<T> {
    device: EmulatedDevice,
    address: u64,
    len: usize,
    elements: PhantomData<fn() -> T>,
}

impl<T> EmulatedBuffer<T> {
    /// The device address of the first element, for descriptions that are written by hand.
    pub fn address(&self) -> u64 {
        self.address
    }
}

impl<T> Drop for EmulatedBuffer<T> {
    fn drop(&mut self) {
        // The emulator only refuses an address that it did not give out, and this one it did.
        let _ = self.device.0.emulator.free(self.address);
    }
}

impl<T: Element> fmt::Debug for EmulatedBuffer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EmulatedBuffer<{}>({} elements at {:#x})", T::DTYPE, self.len, self.address)
    }
}

impl<T: Element> sealed::Sealed for EmulatedBuffer<T> {}

impl<T: Element> Buffer<T> for EmulatedBuffer<T> {
    type Device = EmulatedDevice;

    fn len(&self) -> usize {
        self.len
    }

    fn view(&self, shape: impl Into<Shape>) -> Result<View<'_, EmulatedDevice, T>> {
        Ok(View { memory: self, layout: Layout::whole(self.len, shape.into())? })
    }

    fn view_mut(&mut self, shape: impl Into<Shape>) -> Result<ViewMut<'_, EmulatedDevice, T>> {
        let layout = Layout::whole(self.len, shape.into())?;
        Ok(ViewMut { memory: self, layout })
    }

    fn strided(
        &self,
        offset: usize,
        shape: impl Into<Shape>,
        strides: impl Into<Strides>,
    ) -> Result<View<'_, EmulatedDevice, T>> {
        Ok(View { memory: self, layout: Layout::strided(self.len, offset, shape.into(), strides.into())? })
    }

    fn strided_mut(
        &mut self,
        offset: usize,
        shape: impl Into<Shape>,
        strides: impl Into<Strides>,
    ) -> Result<ViewMut<'_, EmulatedDevice, T>> {
        let layout = Layout::strided(self.len, offset, shape.into(), strides.into())?;
        Ok(ViewMut { memory: self, layout })
    }
}
