//! Graphs: what a capture kept, and its launches.

use std::ffi::c_char;
use std::sync::Arc;

use crate::abi::{CuResult, Handle, put, put_if_wanted};
use crate::entry::entry;
use crate::error::{CudaError, Outcome};
use crate::operation::Operation;
use crate::state::Driver;

/// A graph: operations in an order that their dependencies allow.
pub struct Graph {
    pub context: Handle,
    pub operations: Arc<Vec<Operation>>,
}

/// A graph that can be launched. It shares the operations, which nothing changes any more.
pub struct GraphExec {
    context: Handle,
    operations: Arc<Vec<Operation>>,
}

/// `CUDA_GRAPH_INSTANTIATE_FLAG_...`.
const AUTO_FREE_ON_LAUNCH: u64 = 1;
const DEVICE_LAUNCH: u64 = 4;
const ALL_FLAGS: u64 = 15;

/// `cuGraphInstantiateWithFlags`.
///
/// # Safety
/// `exec` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphInstantiateWithFlags(exec: *mut Handle, graph: Handle, flags: u64) -> CuResult {
    entry("cuGraphInstantiateWithFlags", &[("graph", graph as u64), ("flags", flags)], |driver| {
        // SAFETY: `exec` as in this function's contract.
        unsafe { instantiate(driver, exec, graph, flags) }
    })
}

/// `cuGraphInstantiate_v2`: nothing is ever written to the log, and there is no failing node.
///
/// # Safety
/// `exec` and `error_node` are null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphInstantiate_v2(
    exec: *mut Handle,
    graph: Handle,
    error_node: *mut Handle,
    _log: *mut c_char,
    _log_bytes: usize,
) -> CuResult {
    entry("cuGraphInstantiate_v2", &[("graph", graph as u64)], |driver| {
        // SAFETY: `exec` and `error_node` as in this function's contract.
        unsafe {
            put_if_wanted(error_node, 0);
            instantiate(driver, exec, graph, 0)
        }
    })
}

/// # Safety
/// `exec` is null or valid for a write.
unsafe fn instantiate(driver: &Driver, exec: *mut Handle, graph: Handle, flags: u64) -> Outcome<Handle> {
    let both = AUTO_FREE_ON_LAUNCH | DEVICE_LAUNCH;
    if exec.is_null() || flags & !ALL_FLAGS != 0 || flags & both == both {
        return Err(CudaError::INVALID_VALUE);
    }
    if flags & DEVICE_LAUNCH != 0 {
        return Err(CudaError::NOT_SUPPORTED);
    }
    let mut state = driver.lock();
    let graph = state.graphs.get(graph).map_err(|_| CudaError::INVALID_VALUE)?;
    let instance = GraphExec { context: graph.context, operations: Arc::clone(&graph.operations) };
    let handle = state.execs.insert(instance);
    // SAFETY: `exec` as in this function's contract.
    unsafe { put(exec, handle) }
}

/// `cuGraphLaunch`: runs the operations in order; in a capturing stream they become part of that capture.
///
/// # Safety
/// What the operations of the graph were queued with (host memory, host functions) is still valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphLaunch(exec: Handle, stream: Handle) -> CuResult {
    entry("cuGraphLaunch", &[("exec", exec as u64), ("stream", stream as u64)], |driver| {
        let operations = in_stream(driver, exec, stream)?;
        operations.iter().try_for_each(|operation| driver.submit(stream, operation.clone()))
    })
}

/// `cuGraphUpload`: nothing to prepare.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphUpload(exec: Handle, stream: Handle) -> CuResult {
    let arguments = [("exec", exec as u64), ("stream", stream as u64)];
    entry("cuGraphUpload", &arguments, |driver| in_stream(driver, exec, stream).map(|_| ()))
}

/// The operations of a graph, if it may be launched in this stream.
fn in_stream(driver: &Driver, exec: Handle, stream: Handle) -> Outcome<Arc<Vec<Operation>>> {
    let mut state = driver.lock();
    let (_, context) = state.stream(stream)?;
    let exec = state.execs.get(exec).map_err(|_| CudaError::INVALID_VALUE)?;
    if exec.context != context.handle {
        return Err(CudaError::INVALID_CONTEXT);
    }
    Ok(Arc::clone(&exec.operations))
}

/// `cuGraphGetNodes`: the number of operations alone.
///
/// # Safety
/// `count` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphGetNodes(graph: Handle, nodes: *mut Handle, count: *mut usize) -> CuResult {
    entry("cuGraphGetNodes", &[("graph", graph as u64)], |driver| {
        if !nodes.is_null() {
            return Err(CudaError::NOT_SUPPORTED);
        }
        let operations = driver.lock().graphs.get(graph).map_err(|_| CudaError::INVALID_VALUE)?.operations.len();
        // SAFETY: `count` as in this function's contract.
        unsafe { put(count, operations) }
    })
}

/// `cuGraphExecDestroy`.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphExecDestroy(exec: Handle) -> CuResult {
    entry("cuGraphExecDestroy", &[("exec", exec as u64)], |driver| {
        driver.lock().execs.remove(exec).map(|_| ()).map_err(|_| CudaError::INVALID_VALUE)
    })
}

/// `cuGraphDestroy`.
///
/// # Safety
/// Follows no pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphDestroy(graph: Handle) -> CuResult {
    entry("cuGraphDestroy", &[("graph", graph as u64)], |driver| {
        driver.lock().graphs.remove(graph).map(|_| ()).map_err(|_| CudaError::INVALID_VALUE)
    })
}
