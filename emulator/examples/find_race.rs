//! A missing barrier, found whether or not the values come out right this time: `ptx/reverse.cu` reverses 64 numbers through shared memory and forgets to wait.
//!
//! `cargo run -p ptx-emulator --example find_race`

use ptx_emulator::{Config, DeviceModel, Emulator, Launch, LaunchError, Module, Schedule};

/// The lines where the barrier belongs in the PTX that nvcc made.
const BEFORE_LOAD: &str = "\tld.shared.f32";

/// Reverses 0 to 63 with a kernel's text; gives the numbers, or the detector's report.
fn reverse(ptx: &str, schedule: Schedule) -> Result<Vec<f32>, Box<dyn std::error::Error>> {
    let kernel = Module::load(ptx)?.kernel("reverse").ok_or("the kernel is there")?;
    let device = Emulator::new(Config { schedule, ..Config::new(DeviceModel::Sm80) });
    let data = device.alloc(256, "data")?;
    let mut bytes: Vec<u8> = (0..64).flat_map(|number| (number as f32).to_le_bytes()).collect();
    device.write(data, &bytes)?;
    let (params, block) = (data.to_le_bytes(), [64, 1, 1]);
    device.launch(&Launch {
        kernel: &kernel,
        grid: [1; 3],
        block,
        dynamic_shared: 0,
        params: &params,
        config: None,
    })?;
    device.read(data, &mut bytes)?;
    Ok(bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect())
}

fn main() {
    let racy = include_str!("ptx/reverse.ptx");
    let right = racy.replace(BEFORE_LOAD, &format!("\tbar.sync 0;\n{BEFORE_LOAD}"));
    for (name, ptx) in [("without the barrier", racy), ("with it", &right)] {
        for schedule in [Schedule::RoundRobin, Schedule::Greedy] {
            match reverse(ptx, schedule) {
                Ok(numbers) => println!("{name}, {schedule:?}: {:?} ... {:?}", &numbers[..3], numbers.last()),
                Err(error) => match error.downcast_ref() {
                    Some(LaunchError::Faults(faults)) => println!("{name}, {schedule:?}: {faults}"),
                    _ => println!("{name}, {schedule:?}: {error}"),
                },
            }
        }
    }
}

#[test]
fn the_race_is_found_under_every_schedule_and_gone_with_the_barrier() {
    let racy = include_str!("ptx/reverse.ptx");
    let right = racy.replace(BEFORE_LOAD, &format!("\tbar.sync 0;\n{BEFORE_LOAD}"));
    for schedule in [Schedule::RoundRobin, Schedule::Random, Schedule::Greedy] {
        let report = reverse(racy, schedule).unwrap_err().to_string();
        let lines = ["reverse.cu:4", "reverse.cu:5"];
        assert!(report.contains("race on shared byte") && lines.iter().all(|line| report.contains(line)), "{report}");
        assert_eq!(reverse(&right, schedule).unwrap(), (0..64).rev().map(|x| x as f32).collect::<Vec<_>>());
    }
    main();
}
