//! Runs a kernel of a PTX file on raw buffers: `1,2,3` is a buffer of f32, `7` an integer of 32 bits.
//!
//! `cargo run -p ptx-emulator --example run_ptx -- emulator/examples/ptx/scale_add.ptx scale_add 2 4 1,1,1,1,1 0,1,2,3,4 10 5`

use std::error::Error;

use ptx_emulator::{Config, DeviceModel, Emulator, Launch, Module};

/// Gives the buffers as the kernel leaves them.
fn run(ptx: &str, name: &str, grid: u32, block: u32, arguments: &[String]) -> Result<Vec<Vec<f32>>, Box<dyn Error>> {
    let kernel = Module::load(ptx)?.kernel(name).ok_or("the file has no such kernel")?;
    let device = Emulator::new(Config::new(DeviceModel::Sm90));
    let (mut params, mut buffers) = (vec![0; kernel.param_bytes() as usize], Vec::new());
    for (text, param) in arguments.iter().zip(kernel.params()) {
        let value = if text.contains(',') {
            let numbers = text.split(',').map(str::parse).collect::<Result<Vec<f32>, _>>()?;
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            buffers.push((device.alloc(bytes.len() as u64, text)?, bytes));
            let (address, bytes) = buffers.last().ok_or("it was just pushed")?;
            device.write(*address, bytes)?;
            *address
        } else {
            text.parse()?
        };
        let (first, size) = (param.offset as usize, param.size.min(8) as usize);
        params[first..first + size].copy_from_slice(&value.to_le_bytes()[..size]);
    }
    let (grid, block) = ([grid, 1, 1], [block, 1, 1]);
    device.launch(&Launch { kernel: &kernel, grid, block, dynamic_shared: 0, params: &params, config: None })?;
    for (address, bytes) in &mut buffers {
        device.read(*address, bytes)?;
    }
    let floats = |bytes: Vec<u8>| bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
    Ok(buffers.into_iter().map(|(_, bytes)| floats(bytes)).collect())
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [file, name, grid, block, arguments @ ..] = words.as_slice() else {
        return Err("run_ptx FILE KERNEL BLOCKS THREADS ARGUMENT...".into());
    };
    for buffer in run(&std::fs::read_to_string(file)?, name, grid.parse()?, block.parse()?, arguments)? {
        println!("{buffer:?}");
    }
    Ok(())
}

#[test]
fn what_the_comment_above_runs() {
    let arguments = ["1,1,1,1,1", "0,1,2,3,4", "10", "5"].map(str::to_owned);
    let ptx = include_str!("ptx/scale_add.ptx");
    let buffers = run(ptx, "scale_add", 2, 4, &arguments).unwrap();
    assert_eq!(buffers, [[1.0, 11.0, 21.0, 31.0, 41.0], [0.0, 1.0, 2.0, 3.0, 4.0]]);
    // One element more than there are, and the fault names the buffer.
    let arguments = ["1,1,1,1,1", "0,1,2,3,4", "10", "6"].map(str::to_owned);
    let error = run(ptx, "scale_add", 2, 4, &arguments).unwrap_err().to_string();
    assert!(error.contains("byte 20 of `0,1,2,3,4`, which has 20 bytes"), "{error}");
}
