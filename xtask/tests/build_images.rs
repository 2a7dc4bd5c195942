//! What the build script makes of a kernel.

mod common;

use std::fs;

use common::{Package, copy, nvcc, script};

#[test]
fn machine_code_is_the_same_in_another_folder() {
    let [a, b] = ["cubin_here", "cubin_in_another_place"].map(|folder| {
        let package = Package::new(folder).with("WARPSMITH_CUDA_ARCHS", "90");
        package.built();
        fs::read(package.folder.join("out/images/probe/sm_90.cubin")).expect("machine code")
    });
    assert_eq!(a, b);
}

#[test]
fn the_place_of_the_toolkit_does_not_show() {
    let elsewhere = Package::new("toolkit_elsewhere");
    elsewhere.built();
    let inside = Package::new("toolkit_inside");
    let toolkit = nvcc().ancestors().nth(2).expect("a folder around bin/nvcc").to_owned();
    std::os::unix::fs::symlink(toolkit, inside.folder.join(".cuda")).expect("a link");
    let own = inside.folder.join(".cuda/bin/nvcc");
    let inside = inside.with("NVCC", own.to_str().expect("a path in UTF-8"));
    inside.built();
    assert_eq!(elsewhere.image("probe/sm_80.ptx"), inside.image("probe/sm_80.ptx"));
}

/// `ld.global.L1::no_allocate` came with PTX ISA 7.4, everything else in the kernel with 7.0 (PTX ISA, ld, "PTX ISA Notes").
#[test]
fn the_ptx_version_is_the_least_that_its_instructions_need() {
    let package = Package::new("least_version");
    let hint = |level: &str| {
        format!(
            "extern \"C\" __global__ void __launch_bounds__(32) hint(float *x) {{ float y; \
             asm volatile(\"ld.global{level}.f32 %0, [%1];\" : \"=f\"(y) : \"l\"(x)); x[1] = y; }}"
        )
    };
    package.kernel("probe/hint.cu", &hint(".L1::no_allocate"));
    package.kernel("probe/plain.cu", &hint("").replace("hint(", "plain("));
    package.built();
    assert!(package.image("hint/sm_80.ptx").contains("\n.version 7.4\n"), "{}", package.image("hint/sm_80.ptx"));
    assert!(package.image("plain/sm_80.ptx").contains("\n.version 7.0\n"), "{}", package.image("plain/sm_80.ptx"));
}

#[test]
fn architectures_are_those_asked_for() {
    let files = |name: &str, variables: &[(&str, &str)]| {
        let package = Package::new(name).without("WARPSMITH_CUDA_ARCHS");
        let package = variables.iter().fold(package, |package, (name, value)| package.with(name, *value));
        package.built();
        let cubins = package.files("probe").into_iter().filter(|f| f.ends_with(".cubin"));
        assert!(package.files("probe").contains(&"sm_80.ptx".to_owned()), "PTX is always there");
        cubins.map(|f| f.trim_start_matches("sm_").trim_end_matches(".cubin").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(files("archs_default", &[]), ["100", "120", "80", "90"]);
    assert_eq!(files("archs_list", &[("WARPSMITH_CUDA_ARCHS", "9.0, sm_86")]), ["86", "90"]);
    assert_eq!(files("archs_cap", &[("CUDA_COMPUTE_CAP", "90a")]), ["90"]);
    assert_eq!(files("archs_both", &[("CUDA_COMPUTE_CAP", "90"), ("WARPSMITH_CUDA_ARCHS", "80")]), ["80"]);
    assert_eq!(files("archs_none", &[("WARPSMITH_CUDA_ARCHS", "none")]), [""; 0]);

    let refused = |name: &str, list: &str| Package::new(name).with("WARPSMITH_CUDA_ARCHS", list).refused();
    let message = refused("archs_old", "7.5");
    assert!(message.contains("need compute capability 8.0 or newer, not 7.5"), "{message}");
    let message = refused("archs_unknown", "80,999");
    assert!(message.contains("does not know 999; it knows ") && message.contains("sm_90"), "{message}");
}

#[test]
fn an_sm90_file_is_built_for_sm_90a_alone() {
    let package = Package::empty("sm90").with("WARPSMITH_CUDA_ARCHS", "80,90,120");
    package.kernel(
        "probe/probe_sm90.cu",
        "extern \"C\" __global__ void __launch_bounds__(128) probe_sm90() { asm volatile(\"wgmma.fence.sync.aligned;\"); }",
    );
    package.built();
    assert_eq!(package.files("probe_sm90"), ["built", "sm_90a.cubin", "sm_90a.ptx", "sources"]);
    let image = package.image("probe_sm90.rs");
    assert!(image.contains("arch: ImageArch { major: 9, minor: 0, specific: true }, text:"), "{image}");
    assert!(package.image("probe_sm90/sm_90a.ptx").contains("\n.version 8.0\n.target sm_90a\n"));
}

#[test]
fn a_warning_fails_the_build() {
    let refused = |file: &str, body: &str| {
        let package = Package::empty(&format!("warning_{}", file.replace('.', "_")));
        package.kernel(
            &format!("probe/{file}"),
            &format!("extern \"C\" __global__ void k(float *x, unsigned long a) {{ {body} }}"),
        );
        let message = package.refused();
        assert!(message.contains(&format!("kernels/probe/{file} does not compile")), "{message}");
        message
    };
    let message = refused("unused.cu", "int unused;");
    assert!(message.contains("\"unused\" was declared but never referenced"), "{message}");
    let message = refused("ignored_sm90.cu", "asm volatile(\"setmaxnreg.dec.sync.aligned.u32 24;\"); x[0] = 1;");
    assert!(message.contains("'setmaxnreg' ignored"), "{message}");
    let multiply = "{ .reg .pred p; setp.ne.b32 p, 1, 0; wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 \
                    {%0, %1, %2, %3}, %4, %4, p, 1, 1, 0, 0; }";
    let operands = (0..4).map(|i| format!("\"+f\"(d[{i}])")).collect::<Vec<_>>().join(", ");
    let body = format!(
        "float d[4] = {{}}; for (int i = 0; i < 4; i++) {{ asm volatile(\"{multiply}\" : {operands} : \"l\"(a)); d[0] += x[i]; }} x[0] = d[0];"
    );
    let message = refused("serialised_sm90.cu", &body);
    assert!(message.contains("wgmma.mma_async instructions are serialized"), "{message}");
}

#[test]
fn names_and_includes_are_checked() {
    let package = Package::new("names_twice");
    package.kernel("other/probe.cu", common::PROBE);
    let message = package.refused();
    assert!(message.contains("kernels/other/probe.cu") && message.contains("have the same name"), "{message}");

    let package = Package::new("names_outside");
    package.kernel("probe/probe.cu", "#include \"elsewhere.cuh\"\n");
    let message = package.refused();
    assert!(
        message.contains("kernels/probe/probe.cu includes \"elsewhere.cuh\", which is not in kernels/"),
        "{message}"
    );
}

/// A package whose nvcc and ptxas write a line to a file for each compilation.
fn counted(name: &str) -> (Package, impl Fn() -> usize) {
    let package = Package::new(name);
    let (tools, log) = (package.folder.join("tools"), package.folder.join("log"));
    for tool in ["nvcc", "ptxas"] {
        let real = nvcc().with_file_name(tool);
        let count = format!("case \"$1\" in --*) ;; *) echo {tool} >> '{}';; esac", log.display());
        script(&tools.join(tool), &format!("{count}\nexec '{}' \"$@\"", real.display()));
    }
    let count = move || fs::read_to_string(&log).map_or(0, |text| text.lines().filter(|line| *line == "nvcc").count());
    (package.with("NVCC", tools.join("nvcc")), count)
}

#[test]
fn unchanged_kernels_run_no_nvcc() {
    let (package, count) = counted("cache");
    package.kernel("other/other.cu", "extern \"C\" __global__ void other() {}");
    package.built();
    assert_eq!(count(), 2, "two files");
    package.built();
    assert_eq!(count(), 2, "nothing changed");
    package.kernel("common/unused.cuh", "// nobody includes this");
    package.built();
    assert_eq!(count(), 2, "a header that nobody includes");
    package.kernel("common/twice.cuh", "#pragma once\n__device__ inline float twice(float x) { return x + x; }\n");
    package.built();
    assert_eq!(count(), 3, "the one file that includes the header");
    let package = package.with("WARPSMITH_CUDA_ARCHS", "80");
    package.built();
    assert_eq!(count(), 5, "other architectures");
}

#[test]
fn an_interrupted_build_starts_over() {
    let package = Package::new("interrupted");
    package.built();
    let whole = package.image("probe/sm_80.ptx");
    // What is there when the machine stops between nvcc and the stamp: a text that is cut off.
    fs::write(package.folder.join("out/images/probe/sm_80.ptx"), &whole[..whole.len() / 2]).expect("a file");
    fs::remove_file(package.folder.join("out/images/probe/built")).expect("the stamp");
    package.built();
    assert_eq!(package.image("probe/sm_80.ptx"), whole);
}

#[test]
fn prebuilt_images_need_no_nvcc_and_the_same_sources() {
    let maker = Package::new("prebuilt_maker").with("WARPSMITH_CUDA_ARCHS", "90");
    maker.built();
    let images = maker.folder.join("out/images");

    let user =
        Package::new("prebuilt_user").without("NVCC").with("PATH", "/nowhere").with("WARPSMITH_PTX_DIR", &images);
    user.built();
    assert_eq!(user.image("probe/sm_80.ptx"), maker.image("probe/sm_80.ptx"));
    assert_eq!(user.image("probe.rs"), maker.image("probe.rs"));

    user.kernel("common/twice.cuh", "#pragma once\n__device__ inline float twice(float x) { return 3 * x; }\n");
    let message = user.refused();
    assert!(message.contains("was not built from this kernels/probe/probe.cu and its headers"), "{message}");

    let archive = Package::new("prebuilt_archive").without("NVCC").with("PATH", "/nowhere");
    copy(&images, &archive.folder.join("kernels/prebuilt"));
    archive.built();
    assert_eq!(archive.image("probe.rs"), maker.image("probe.rs"));
    archive.kernel("new/new.cu", "extern \"C\" __global__ void fresh() {}");
    let message = archive.refused();
    assert!(message.contains("has no image of kernels/new/new.cu"), "{message}");
}
