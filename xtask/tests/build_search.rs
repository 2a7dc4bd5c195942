//! Which nvcc the build script takes, and what it does without one.

mod common;

use std::path::Path;

use common::{Package, fresh, pretended, script, toolkit_installed};

fn path(folders: &[&Path]) -> std::ffi::OsString {
    std::env::join_paths(folders.iter().copied().chain(["/usr/bin".as_ref(), "/bin".as_ref()])).expect("a PATH")
}

#[test]
fn fails_without_nvcc_and_says_how_to_get_one() {
    if toolkit_installed() {
        return;
    }
    let empty = fresh("search_no_nvcc_path");
    let message = Package::new("search_no_nvcc").without("NVCC").with("PATH", &empty).refused();
    for cure in [
        "found no nvcc 12.0 or newer",
        "\n    cargo xtask setup\n",
        "\n    python3 -m pip install --target .cuda --no-deps 'nvidia-cuda-nvcc==13.0.*'",
        "\n    export NVCC=\"$PWD/.cuda/nvidia/cu13/bin/nvcc\"\n",
        "\n    [env]\n    NVCC = { value = \".cuda/nvidia/cu13/bin/nvcc\", relative = true }\n",
        "WARPSMITH_SKIP_NVCC=1",
    ] {
        assert!(message.contains(cure), "{cure:?} is not in:\n{message}");
    }
}

#[test]
fn skips_an_old_nvcc_aloud() {
    let (old, new) = (pretended("search_11_8", "11.8"), pretended("search_beside_11_8", "13.0"));
    let package = Package::new("search_old").without("NVCC").with("PATH", path(&[&old, &new]));
    let said = package.built().stdout;
    let warning =
        format!("cargo::warning=skipped {}/nvcc: it is 11.8, and the oldest that serves is 12.0", old.display());
    assert!(said.contains(&warning), "{said}");
    assert!(said.contains(&format!("cargo::rerun-if-changed={}/nvcc", new.display())), "{said}");
    assert!(package.image("probe.rs").contains("include_str!(\"probe/sm_80.ptx\")"));
}

#[test]
fn an_old_nvcc_alone_is_as_good_as_none() {
    if toolkit_installed() {
        return;
    }
    let old = pretended("search_11_8_alone", "11.8");
    let message = Package::new("search_old_alone").without("NVCC").with("PATH", &old).refused();
    assert!(message.contains("it is 11.8, and the oldest that serves is 12.0"), "{message}");
    assert!(message.contains("cargo xtask setup"), "{message}");
}

#[test]
fn takes_an_nvcc_newer_than_any_that_was_tried() {
    let new = pretended("search_13_5", "13.5");
    let package = Package::new("search_new").without("NVCC").with("PATH", path(&[&new]));
    let said = package.built().stdout;
    assert!(!said.contains("cargo::warning"), "{said}");
    assert!(package.image("probe/sm_80.ptx").contains("probe"));
}

#[test]
fn nvcc_wins_over_the_workspace_and_the_workspace_over_home_and_path() {
    let home = fresh("search_order_home");
    let places = ["NVCC", ".cuda", "CUDA_HOME", "PATH"];
    let package = Package::new("search_order");
    let named = pretended("search_order_named", "13.1").join("nvcc");
    let local = package.folder.join(".cuda/nvidia/cu13/bin");
    for (from, to) in [
        (pretended("search_order_local", "13.2"), local.clone()),
        (pretended("search_order_in_home", "13.3"), home.join("bin")),
    ] {
        std::fs::create_dir_all(to.parent().expect("a parent")).expect("a folder");
        std::fs::rename(from, to).expect("moved");
    }
    let on_path = pretended("search_order_path", "13.4");
    let expected = [named.clone(), local.join("nvcc"), home.join("bin/nvcc"), on_path.join("nvcc")];
    let mut package = package.with("NVCC", &named).with("CUDA_HOME", &home).with("PATH", path(&[&on_path]));
    for (place, nvcc) in places.iter().zip(expected) {
        let said = package.built().stdout;
        assert!(said.contains(&format!("cargo::rerun-if-changed={}\n", nvcc.display())), "{place}: {said}");
        package = match *place {
            ".cuda" => {
                std::fs::remove_dir_all(package.folder.join(".cuda")).expect("removed");
                package
            }
            variable => package.without(variable),
        };
    }
}

#[test]
fn the_wheels_of_the_active_python_are_found() {
    let package = Package::new("search_python").without("NVCC");
    let site = package.folder.join("site-packages");
    std::fs::create_dir_all(site.join("nvidia/cu13")).expect("a folder");
    std::fs::rename(pretended("search_wheel", "13.0"), site.join("nvidia/cu13/bin")).expect("moved");
    let tools = package.folder.join("tools");
    script(&tools.join("python3"), &format!("echo '{}'", site.display()));
    let said = package.with("PATH", path(&[&tools])).built().stdout;
    let found = site.join("nvidia/cu13/bin/nvcc");
    assert!(said.contains(&format!("cargo::rerun-if-changed={}\n", found.display())), "{said}");
}

#[test]
fn stubs_only_where_they_were_asked_for_or_cuda_cannot_be() {
    let stub = |package: Package| {
        let said = package.without("NVCC").with("PATH", "/nowhere");
        let run = said.built();
        let image = said.image("probe.rs");
        assert!(image.contains("ptx: &[\n    ],\n    cubins: &[\n    ],"), "not a stub:\n{image}");
        run.stdout
    };
    stub(Package::new("stub_skip").with("WARPSMITH_SKIP_NVCC", "1"));
    stub(Package::new("stub_docs").with("DOCS_RS", "1"));
    let said = stub(Package::new("stub_macos").with("CARGO_CFG_TARGET_OS", "macos"));
    assert!(said.contains("cargo::warning=warpsmith has no kernels on macos"), "{said}");

    let message = Package::new("stub_typo").with("WARPSMITH_SKIP_NVCC", "yes").refused();
    assert!(message.contains("WARPSMITH_SKIP_NVCC is 0 or 1, not 'yes'"), "{message}");
    let kept = Package::new("stub_zero").with("WARPSMITH_SKIP_NVCC", "0");
    kept.built();
    assert!(kept.image("probe.rs").contains("sm_80.ptx"));
}

#[test]
fn kernels_come_back_after_a_stub_build() {
    let package = Package::new("stub_then_kernels");
    package.built();
    let package = package.with("WARPSMITH_SKIP_NVCC", "1");
    package.built();
    assert!(!package.image("probe.rs").contains("sm_80.ptx"));
    let package = package.without("WARPSMITH_SKIP_NVCC");
    package.built();
    assert!(package.image("probe.rs").contains("sm_80.ptx"));
}
