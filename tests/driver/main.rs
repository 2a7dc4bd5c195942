//! What the CUDA driver sees of a launch, and what a launch makes of the driver's failures: over the emulated driver, which records its calls and fails on
//! demand. Every test runs in a process of its own that finds that driver, or says that it is skipped.

mod failures;
mod graphs;
mod launchers;
mod order;
