//! The emulated driver under unmodified cudarc and under the driver API itself. Every test runs in a process of its own.

mod api;
mod capture;
mod client;
mod common;
mod fuzz;
mod hopper;
