//! Compiles `kernels/*/*.cu` to the images that the crate embeds. What happens is in `build/`.

#[path = "build/catalog.rs"]
mod catalog;
#[path = "build/env.rs"]
mod env;
#[path = "build/nvcc.rs"]
mod nvcc;
#[path = "build/ptx.rs"]
mod ptx;
#[path = "build/search.rs"]
mod search;

fn main() -> std::process::ExitCode {
    match catalog::build() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("\n{what}");
            std::process::ExitCode::FAILURE
        }
    }
}
