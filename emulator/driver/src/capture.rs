//! Stream capture: what is queued between begin and end becomes a graph and does not run.
//!
//! The rules are those of the CUDA driver API's chapter on stream capture. The operations stand in the graph in the order of their calls, which is an
//! order that their dependencies allow; the dependencies themselves are kept to tell forks that were not joined.

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::thread::ThreadId;
use std::time::Instant;

use crate::abi::{Handle, STREAM_NON_BLOCKING};
use crate::error::{CudaError, Outcome};
use crate::event::Last;
use crate::graph::Graph;
use crate::operation::Operation;
use crate::state::State;

const GLOBAL: u32 = 0;
const THREAD_LOCAL: u32 = 1;
const RELAXED: u32 = 2;

/// `CUstreamCaptureStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not capturing.
    None = 0,
    /// Capturing.
    Active = 1,
    /// Capturing, but something that may not happen has happened.
    Invalidated = 2,
}

/// A capture in progress.
pub struct Capture {
    /// The context of its streams.
    pub context: Handle,
    /// The stream in which it began and has to end.
    origin: Handle,
    mode: u32,
    thread: ThreadId,
    operations: Vec<Operation>,
    invalidated: bool,
    /// For each stream in it, the operations that come before its next one.
    before: HashMap<Handle, BTreeSet<usize>>,
}

thread_local! {
    /// How this thread regards captures: `cuThreadExchangeStreamCaptureMode`.
    static THREAD_MODE: Cell<u32> = const { Cell::new(GLOBAL) };
}

/// Sets this thread's mode and gives the old one.
pub fn exchange_mode(mode: u32) -> Outcome<u32> {
    if mode > RELAXED {
        return Err(CudaError::INVALID_VALUE);
    }
    Ok(THREAD_MODE.replace(mode))
}

impl State {
    /// Starts a capture in a stream; the legacy default stream cannot be captured.
    pub fn begin_capture(&mut self, stream: Handle, mode: u32) -> Outcome {
        let (key, context) = self.stream(stream)?;
        if key == context.legacy {
            return Err(CudaError::STREAM_CAPTURE_UNSUPPORTED);
        }
        if mode > RELAXED {
            return Err(CudaError::INVALID_VALUE);
        }
        if self.streams.get(key)?.capture.is_some() {
            return Err(CudaError::ILLEGAL_STATE);
        }
        let capture = self.captures.insert(Capture {
            context: context.handle,
            origin: key,
            mode,
            thread: std::thread::current().id(),
            operations: Vec::new(),
            invalidated: false,
            before: HashMap::from([(key, BTreeSet::new())]),
        });
        self.streams.get_mut(key)?.capture = Some(capture);
        Ok(())
    }

    /// Ends a capture and gives its graph.
    pub fn end_capture(&mut self, stream: Handle) -> Outcome<Handle> {
        let (key, _) = self.stream(stream)?;
        let handle = self.streams.get(key)?.capture.ok_or(CudaError::ILLEGAL_STATE)?;
        let capture = self.captures.get(handle)?;
        if capture.mode != RELAXED && capture.thread != std::thread::current().id() {
            return Err(CudaError::STREAM_CAPTURE_WRONG_THREAD);
        }
        if capture.origin != key {
            return Err(CudaError::STREAM_CAPTURE_UNMATCHED);
        }
        let joined = capture.before.get(&key).is_some_and(|before| before.len() == capture.operations.len());
        let (invalidated, context) = (capture.invalidated, capture.context);
        let operations = self.drop_capture(handle);
        if invalidated {
            return Err(CudaError::STREAM_CAPTURE_INVALIDATED);
        }
        if !joined {
            return Err(CudaError::STREAM_CAPTURE_UNJOINED);
        }
        Ok(self.graphs.insert(Graph { context, operations: Arc::new(operations) }))
    }

    /// Forgets a capture; its streams go back to running.
    pub fn drop_capture(&mut self, capture: Handle) -> Vec<Operation> {
        for stream in self.streams.values_mut() {
            stream.capture.take_if(|own| *own == capture);
        }
        self.captures.remove(capture).map_or(Vec::new(), |capture| capture.operations)
    }

    /// A stream's status, and its capture's handle or 0.
    pub fn capture_status(&self, key: Handle) -> Outcome<(Status, Handle)> {
        let Some(handle) = self.streams.get(key)?.capture else { return Ok((Status::None, 0)) };
        let status = if self.captures.get(handle)?.invalidated { Status::Invalidated } else { Status::Active };
        Ok((status, handle))
    }

    /// Takes in an operation if the stream is capturing; gives it back to be run otherwise.
    pub fn capture_operation(&mut self, key: Handle, operation: Operation) -> Outcome<Option<Operation>> {
        self.forbid_implicit(key)?;
        let Some(handle) = self.streams.get(key)?.capture else { return Ok(Some(operation)) };
        let capture = self.captures.get_mut(handle)?;
        if capture.invalidated {
            return Err(CudaError::STREAM_CAPTURE_INVALIDATED);
        }
        let number = capture.operations.len();
        capture.operations.push(operation);
        capture.before.entry(key).or_default().insert(number);
        Ok(None)
    }

    /// `cuEventRecord`.
    pub fn record_event(&mut self, event: Handle, stream: Handle) -> Outcome {
        let (key, context) = self.stream(stream)?;
        if self.events.get(event)?.context != context.handle {
            return Err(CudaError::INVALID_HANDLE);
        }
        self.forbid_implicit(key)?;
        let last = match self.streams.get(key)?.capture {
            None => Last::Ran(Instant::now()),
            Some(handle) => {
                let capture = self.captures.get(handle)?;
                if capture.invalidated {
                    return Err(CudaError::STREAM_CAPTURE_INVALIDATED);
                }
                Last::Captured { capture: handle, after: capture.before.get(&key).cloned().unwrap_or_default() }
            }
        };
        self.events.get_mut(event)?.last = last;
        Ok(())
    }

    /// `cuStreamWaitEvent`: a captured event draws the stream into its capture; an event from outside does not belong in one.
    pub fn wait_event(&mut self, key: Handle, event: Handle) -> Outcome {
        let own = self.streams.get(key)?.capture;
        let captured = match &self.events.get(event)?.last {
            Last::Never => return Ok(()),
            Last::Ran(_) => None,
            Last::Captured { capture, after } => Some((*capture, after.clone())),
        };
        let Some((theirs, after)) = captured else {
            return own.map_or(Ok(()), |own| self.invalidate(own, CudaError::STREAM_CAPTURE_ISOLATION));
        };
        let Ok(capture) = self.captures.get(theirs) else {
            // The event's capture has ended: its place in that graph means nothing elsewhere.
            let error = CudaError::STREAM_CAPTURE_ISOLATION;
            return own.map_or(Err(error), |own| self.invalidate(own, error));
        };
        if own.is_some_and(|own| own != theirs) {
            return self.invalidate(theirs, CudaError::STREAM_CAPTURE_MERGE);
        }
        if capture.invalidated {
            return Err(CudaError::STREAM_CAPTURE_INVALIDATED);
        }
        if capture.context != self.streams.get(key)?.context {
            return self.invalidate(theirs, CudaError::STREAM_CAPTURE_ISOLATION);
        }
        self.captures.get_mut(theirs)?.before.entry(key).or_default().extend(after);
        self.streams.get_mut(key)?.capture = Some(theirs);
        Ok(())
    }

    /// Refuses a call that may not be made for a capturing stream.
    pub fn forbid_capture(&mut self, key: Handle) -> Outcome {
        match self.streams.get(key)?.capture {
            None => Ok(()),
            Some(capture) => self.invalidate(capture, CudaError::STREAM_CAPTURE_UNSUPPORTED),
        }
    }

    /// Refuses a call that may not be made while any stream of the context is capturing.
    pub fn forbid_capture_in(&mut self, context: Handle) -> Outcome {
        self.forbid_where(|capture| capture.context == context)
    }

    /// Refuses a call that may wait for the device, or change what a capture relies on, if the modes of this thread and of the captures forbid it.
    pub fn forbid_unsafe(&mut self) -> Outcome {
        let (thread, mode) = (std::thread::current().id(), THREAD_MODE.get());
        self.forbid_where(|capture| match mode {
            RELAXED => false,
            THREAD_LOCAL => capture.thread == thread && capture.mode != RELAXED,
            _ => capture.mode == GLOBAL || (capture.thread == thread && capture.mode != RELAXED),
        })
    }

    /// Refuses work in the legacy default stream while a stream that synchronises with it is capturing.
    pub fn forbid_implicit(&mut self, key: Handle) -> Outcome {
        let stream = self.streams.get(key)?;
        let is_legacy = self.contexts.get(stream.context)?.legacy == key;
        if !is_legacy {
            return Ok(());
        }
        let context = stream.context;
        let blocking =
            |stream: &&crate::stream::Stream| stream.context == context && stream.flags & STREAM_NON_BLOCKING == 0;
        let capturing = self.streams.values().filter(blocking).find_map(|stream| stream.capture);
        capturing.map_or(Ok(()), |capture| self.invalidate(capture, CudaError::STREAM_CAPTURE_IMPLICIT))
    }

    fn forbid_where(&mut self, forbidden: impl Fn(&Capture) -> bool) -> Outcome {
        let mut outcome = Ok(());
        for capture in self.captures.values_mut().filter(|capture| forbidden(capture)) {
            capture.invalidated = true;
            outcome = Err(CudaError::STREAM_CAPTURE_UNSUPPORTED);
        }
        outcome
    }

    fn invalidate(&mut self, capture: Handle, error: CudaError) -> Outcome {
        self.captures.get_mut(capture)?.invalidated = true;
        Err(error)
    }
}
