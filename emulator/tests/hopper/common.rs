//! Runs bodies of PTX on a Hopper device under every schedule.
//!
//! A body finds in `t` its thread, in `c` its block, `in` and `out` (global addresses), `M` (the generic address of a tensor map), `s`
//! (32 KiB of shared memory at a multiple of 1024) and `bars` (eight `mbarrier` objects' worth). `a` to `d` and `e0` to `e7` are
//! 32-bit registers, `A` to `D` 64-bit ones, `p` and `q` predicates.

use ptx_emulator::{
    Asynchrony, Config, Counters, DeviceModel, Emulator, Fault, FaultKind, Launch, LaunchError, Module, Schedule,
    TENSOR_MAP_BYTES, TensorMap,
};

pub struct Case<'a> {
    pub body: String,
    pub threads: u32,
    pub grid: u32,
    pub cluster: Option<u32>,
    pub input: Vec<u32>,
    /// Words of output, which start as all ones.
    pub output: usize,
    /// The tensor map, for the addresses of input and output.
    pub map: Option<&'a dyn Fn(u64, u64) -> TensorMap>,
}

/// What one run gave: the output and the counters, or the faults.
pub type Outcome = Result<(Vec<u32>, Counters), LaunchError>;

pub fn case(threads: u32, body: &str) -> Case<'static> {
    Case { body: body.to_owned(), threads, grid: 1, cluster: None, input: (0..4096).collect(), output: 0, map: None }
}

pub fn module(body: &str) -> String {
    format!(
        ".version 8.6\n.target sm_90a\n.address_size 64\n.shared .align 1024 .b8 s[32768];\n.shared .align 8 .b64 bars[8];\n\
         .visible .entry test(.param .u64 input, .param .u64 output, .param .align 64 .b8 map[128])\n{{\n\
         .reg .b32 t, c, a, b, d, e<8>;\n.reg .b64 in, out, M, A, B, C, D, E;\n.reg .b16 h;\n.reg .pred p, q;\n\
         ld.param.u64 in, [input];\nld.param.u64 out, [output];\nmov.b64 M, map;\ncvta.param.u64 M, M;\n\
         mov.u32 t, %tid.x;\nmov.u32 c, %ctaid.x;\n{body}\nret;\n}}\n"
    )
}

/// A loop that waits for a phase.
pub fn wait(object: &str, parity: &str) -> String {
    format!("{{\n.reg .pred P;\nL: mbarrier.try_wait.parity.shared.b64 P, [{object}], {parity};\n@!P bra L;\n}}\n")
}

/// Thread 0 initialises an object; everybody knows, the asynchronous proxy too.
pub fn init(object: &str, count: u32) -> String {
    format!("setp.eq.u32 p, t, 0;\n@p mbarrier.init.shared.b64 [{object}], {count};\nfence.proxy.async;\nbar.sync 0;\n")
}

/// Every order of warps with every moment of completion.
pub fn orders() -> Vec<Config> {
    let mut configs = Vec::new();
    for schedule in [Schedule::RoundRobin, Schedule::Greedy, Schedule::Random] {
        for asynchrony in [Asynchrony::Eager, Asynchrony::Late, Asynchrony::Random] {
            let seed = configs.len() as u64;
            configs.push(Config { schedule, asynchrony, seed, ..Config::new(DeviceModel::Sm90) });
        }
    }
    configs
}

impl Case<'_> {
    pub fn run(&self, config: &Config) -> Outcome {
        let ptx = module(&self.body);
        if let Some(folder) = std::env::var_os("PTX_EMULATOR_DUMP") {
            let name =
                format!("hopper-{:016x}.ptx", ptx.bytes().fold(7u64, |sum, b| sum.wrapping_mul(31) + u64::from(b)));
            std::fs::write(std::path::Path::new(&folder).join(name), &ptx).unwrap();
        }
        let kernel = Module::load(&ptx).unwrap_or_else(|error| panic!("{error}\n{ptx}")).kernel("test").unwrap();
        let device = Emulator::new(config.clone());
        let from = device.alloc(4 * self.input.len() as u64, "input").unwrap();
        let bytes: Vec<u8> = self.input.iter().flat_map(|word| word.to_le_bytes()).collect();
        device.write(from, &bytes).unwrap();
        let to = device.alloc(4 * self.output.max(4) as u64, "output").unwrap();
        let map = self.map.map_or([0; TENSOR_MAP_BYTES], |map| map(from, to).encode().unwrap());
        let mut params: Vec<u8> = [from, to].iter().flat_map(|address| address.to_le_bytes()).collect();
        params.resize(64, 0);
        params.extend(map);
        let (grid, block) = ([self.grid, 1, 1], [self.threads, 1, 1]);
        let launch = Launch { kernel: &kernel, grid, block, dynamic_shared: 0, params: &params, config: None };
        let counters = match self.cluster {
            Some(blocks) => device.launch_cluster(&launch, [blocks, 1, 1])?,
            None => device.launch(&launch)?,
        };
        let mut result = vec![0; 4 * self.output];
        device.read(to, &mut result).unwrap();
        let words = result.chunks_exact(4).map(|chunk| u32::from_le_bytes(chunk.try_into().unwrap())).collect();
        Ok((words, counters))
    }

    /// Runs without a fault in every order, and gives this output.
    #[track_caller]
    pub fn gives(&self, expected: &[u32]) {
        for config in orders() {
            match self.run(&config) {
                Ok((output, _)) => assert_eq!(output, expected, "{config:?}"),
                Err(error) => panic!("{config:?}: {error}\n{}", self.body),
            }
        }
    }

    /// Has, in every order, a first fault that passes a test.
    #[track_caller]
    pub fn faults(&self, is_expected: impl Fn(&FaultKind) -> bool) -> Fault {
        let mut last = None;
        for config in orders() {
            let fault = match self.run(&Config { instruction_limit: 1_000_000, ..config.clone() }) {
                Err(LaunchError::Faults(faults)) => faults.faults[0].clone(),
                other => panic!("{config:?}: {other:?}\n{}", self.body),
            };
            assert!(is_expected(&fault.kind), "{config:?}: {fault}\n{}", self.body);
            last = Some(fault);
        }
        last.unwrap()
    }

    /// Has, in every order, a fault whose text has these words.
    #[track_caller]
    pub fn says(&self, words: &str) {
        self.faults(|kind| {
            let text = kind.to_string();
            assert!(text.contains(words), "{text}");
            true
        });
    }
}
