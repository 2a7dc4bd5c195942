//! A form as a launch, and the devices that can run one.

use crate::file::{Entry, File, Results};
use crate::form::{Form, Shape};
use crate::input::{digest, input};
use crate::tile::Tile;

/// A launch of a kernel `golden` over fresh memory.
#[derive(Clone, Debug)]
pub struct Job<'a> {
    /// The module.
    pub ptx: String,
    /// Blocks of the grid.
    pub blocks: u32,
    /// Threads of a block.
    pub threads: u32,
    /// What the first parameter points to.
    pub input: Vec<u8>,
    /// Bytes, zeros at first, that the second parameter points to.
    pub output: usize,
    /// The tensor map that is the third parameter.
    pub tile: Option<&'a Tile>,
}

/// What runs jobs.
pub trait Device {
    /// Major and minor compute capability.
    fn capability(&self) -> (u32, u32);

    /// Runs a job and gives the output's bytes.
    ///
    /// # Errors
    /// In the device's words: the text does not load, or the kernel does not end well.
    fn run(&self, job: &Job<'_>) -> Result<Vec<u8>, String>;
}

impl Form {
    /// Whether a device of this compute capability has the instruction.
    pub fn runs_on(&self, (major, minor): (u32, u32)) -> bool {
        match self.needs {
            900 => (major, minor) == (9, 0),
            needs => needs <= 10 * major + minor,
        }
    }

    /// The module's text.
    pub fn ptx(&self) -> String {
        let around = match &self.shape {
            Shape::Lanes(..) => include_str!("../kernels/lanes.ptx"),
            Shape::Warp(..) => include_str!("../kernels/warp.ptx"),
            Shape::Group(..) => include_str!("../kernels/group.ptx"),
            Shape::Tile(_) => include_str!("../kernels/tile.ptx"),
        };
        let target = if self.needs == 900 { "sm_90a".to_owned() } else { format!("sm_{}", self.needs) };
        // Of the versions that know every form, the oldest: older drivers take it.
        let head = format!(".version 8.4\n.target {target}\n");
        let rest = around.split_once(".address_size").map_or("", |(_, rest)| rest);
        format!("{head}.address_size{}", rest.replacen("// *", &self.code, 1))
    }

    /// The launch, with other input than the form's own if one is given.
    pub fn job(&self, other: Option<Vec<u8>>) -> Job<'_> {
        let cases = self.cases();
        let (blocks, threads, output) = match &self.shape {
            Shape::Lanes(..) => (cases / 128, 128, 8 * cases),
            Shape::Warp(..) => (cases / 32, 32, 32 * cases),
            Shape::Group(..) => (1, 128, 512 * cases),
            Shape::Tile(_) => (1, 32, Tile::OUTPUT),
        };
        let tile = match &self.shape {
            Shape::Tile(tile) => Some(tile),
            _ => None,
        };
        let input = other.unwrap_or_else(|| input(self));
        Job { ptx: self.ptx(), blocks: blocks as u32, threads, input, output, tile }
    }

    /// Runs the form and gives the results of its cases, one after the other.
    ///
    /// # Errors
    /// As [`Device::run`].
    pub fn run(&self, device: &dyn Device, other: Option<Vec<u8>>) -> Result<Vec<u8>, String> {
        let job = self.job(other);
        let output = device.run(&job)?;
        let (stride, bytes) = (job.output / self.cases(), self.result_bytes());
        Ok(output.chunks_exact(stride).flat_map(|case| &case[..bytes]).copied().collect())
    }
}

/// Runs every form that the device has. What fails is left out of the file, and comes back by name with the device's words.
pub fn record(device: &dyn Device, forms: &[Form], about: Vec<(String, String)>) -> (File, Vec<(String, String)>) {
    let (mut entries, mut failures) = (Vec::new(), Vec::new());
    for form in forms.iter().filter(|form| form.runs_on(device.capability())) {
        match form.run(device, None) {
            Ok(results) => {
                entries.push(Entry { name: form.name(), inputs: digest(&input(form)), results: Results::Raw(results) })
            }
            Err(why) => failures.push((form.name(), why)),
        }
    }
    (File { capability: device.capability(), about, entries }, failures)
}
