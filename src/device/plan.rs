//! Checked launches, ready for a stream.

use super::{Launch, Params, Queue};
use crate::error::Result;
use sealed::{Each, Visit};

/// An operation that has been checked: what it launches, in this order, any number of times.
///
/// Every `plan` function of [`ops`](crate::ops) makes one, each with a name for its own. A plan is plain data and belongs to no device.
#[derive(Clone, Copy, Debug)]
pub struct Plan<L>(L);

impl<L: Launches> Plan<L> {
    /// The launches stay inside the memory of the operation's description, and each needs only what the ones before it leave.
    pub(crate) const fn new(launches: L) -> Self {
        Self(launches)
    }

    /// Queues the launches. Where one of the kernels cannot be loaded, none of them is queued.
    ///
    /// # Safety
    /// The memory that the description named is alive until the launches have run, and nothing else touches it in a conflicting way
    /// meanwhile.
    ///
    /// # Errors
    /// Those of loading and launching a kernel.
    pub unsafe fn launch(&self, queue: &impl Queue) -> Result<()> {
        // A single launch loads its kernel itself, before it runs.
        let mut count = Count(0);
        self.0.each(&mut count)?;
        if count.0 > 1 {
            self.preload(queue)?;
        }
        self.0.each(&mut Submit(queue))
    }

    /// Loads the kernels ahead of the first launch, as before the capture of a stream.
    ///
    /// # Errors
    /// Those of loading a kernel.
    pub fn preload(&self, queue: &impl Queue) -> Result<()> {
        self.0.each(&mut Preload(queue))
    }

    /// The names of the kernels that were chosen, in the order of their launches.
    pub fn kernels(&self) -> Vec<&'static str> {
        let mut names = Names(Vec::new());
        // Naming never fails.
        let _ = self.0.each(&mut names);
        names.0
    }
}

/// Launches that follow one another: one, perhaps one, or several of these. Sealed.
pub trait Launches: Each {}
impl<L: Each> Launches for L {}

struct Count(usize);

impl Visit for Count {
    fn visit<P: Params>(&mut self, _: &Launch<P>) -> Result<()> {
        self.0 += 1;
        Ok(())
    }
}

struct Names(Vec<&'static str>);

impl Visit for Names {
    fn visit<P: Params>(&mut self, launch: &Launch<P>) -> Result<()> {
        self.0.push(launch.kernel.name());
        Ok(())
    }
}

struct Preload<'a, Q>(&'a Q);

impl<Q: Queue> Visit for Preload<'_, Q> {
    fn visit<P: Params>(&mut self, launch: &Launch<P>) -> Result<()> {
        launch.preload(self.0)
    }
}

/// Made by [`Plan::launch`] alone.
struct Submit<'a, Q>(&'a Q);

impl<Q: Queue> Visit for Submit<'_, Q> {
    fn visit<P: Params>(&mut self, launch: &Launch<P>) -> Result<()> {
        // SAFETY: the plan keeps the kernels inside the tensors, whose memory is the promise of `Plan::launch`'s caller; the stream runs
        // them in their order.
        unsafe { launch.queue(self.0) }
    }
}

mod sealed {
    use super::{Launch, Params, Result};

    /// What is done with each launch.
    pub trait Visit {
        fn visit<P: Params>(&mut self, launch: &Launch<P>) -> Result<()>;
    }

    /// Goes over launches in their order.
    pub trait Each {
        fn each(&self, visitor: &mut impl Visit) -> Result<()>;
    }

    impl<P: Params> Each for Launch<P> {
        fn each(&self, visitor: &mut impl Visit) -> Result<()> {
            visitor.visit(self)
        }
    }

    impl<L: Each> Each for Option<L> {
        fn each(&self, visitor: &mut impl Visit) -> Result<()> {
            self.iter().try_for_each(|launches| launches.each(visitor))
        }
    }

    impl<L: Each, const N: usize> Each for [L; N] {
        fn each(&self, visitor: &mut impl Visit) -> Result<()> {
            self.iter().try_for_each(|launches| launches.each(visitor))
        }
    }

    impl<A: Each, B: Each> Each for (A, B) {
        fn each(&self, visitor: &mut impl Visit) -> Result<()> {
            self.0.each(visitor)?;
            self.1.each(visitor)
        }
    }

    impl<A: Each, B: Each, C: Each> Each for (A, B, C) {
        fn each(&self, visitor: &mut impl Visit) -> Result<()> {
            self.0.each(visitor)?;
            self.1.each(visitor)?;
            self.2.each(visitor)
        }
    }
}
