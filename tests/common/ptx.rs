//! What can be read off the PTX of kernels.

use warpsmith::EmulatedDevice;

/// Nothing approximate, nothing flushed to zero, and no addition or multiplication whose rounding, and so whose fusion, is left open.
pub fn assert_arithmetic_is_laid_down(device: &EmulatedDevice, image: &str) {
    let kernels = device.loaded_kernels();
    let text = kernels.iter().find(|kernel| kernel.image == image).expect("the kernels are loaded").ptx;
    let instructions = text.lines().map(str::trim).filter(|line| !line.starts_with("//") && !line.starts_with('.'));
    let opcodes: Vec<&str> = instructions
        .map(|line| line.trim_start_matches(['@', '!']).split_whitespace())
        .filter_map(|mut words| {
            let first = words.next()?;
            if first.starts_with("%p") { words.next() } else { Some(first) }
        })
        .collect();
    let is_open = |opcode: &&&str| {
        let parts: Vec<&str> = opcode.split('.').collect();
        let float = parts.iter().any(|part| ["f32", "f64"].contains(part));
        let rounds = ["add", "sub", "mul", "fma", "mad", "div", "sqrt", "rcp"].contains(&parts[0]);
        parts.contains(&"approx") || parts.contains(&"ftz") || (float && rounds && !parts.contains(&"rn"))
    };
    let open: Vec<_> = opcodes.iter().filter(is_open).collect();
    assert!(open.is_empty(), "{open:?}");
    for expected in ["fma.rn.f32", "mul.rn.f32"] {
        assert!(opcodes.contains(&expected), "the search finds no {expected}");
    }
}
