//! `cargo xtask bench NAME`: what is measured on the test cloud, ours in turn with what it is compared
//! with, so that whatever else the machine does hits both.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::program::{Ended, Program};
use crate::{cloud, places};

/// Of four sources; its build is before it.
const DIGEST_BUDGET: Duration = Duration::from_secs(5 * 60);
/// Two fillings of a million rows, and what is measured.
const HISTORY_BUDGET: Duration = Duration::from_secs(30 * 60);

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// From the report of a dead host until all its servers are back
    Evacuate {
        /// Servers on each host
        #[arg(long, default_value_t = 100)]
        vms: u32,
        /// So many hosts fail together
        #[arg(long, default_value_t = 1)]
        hosts: u32,
        /// How often each is measured, in turn: Nova alone, ours
        #[arg(long, default_value_t = 5)]
        pairs: u32,
        /// Python Masakari too, as released and tuned, once each
        #[arg(long)]
        python: bool,
    },
    /// Rates and times of the API, Python's and ours, and of MariaDB alone
    Api {
        /// How often each is measured, in turn: Python's, ours, MariaDB alone
        #[arg(long, default_value_t = 5)]
        pairs: u32,
        /// How long each is measured, in seconds
        #[arg(long, default_value_t = 4)]
        seconds: u32,
    },
    /// Many simulated hosts fail within a minute: CPU and memory of the engine for each server
    Scale,
    /// From the report of a dead host to its proof by Redfish BMCs of 0.5, 2 and 8 s; ten hosts side by side
    Fence,
    /// A page of 1000 notifications among a million and among ten thousand, and `db purge`
    History,
    /// An answer about 500 hosts, from its bytes to what is decided by: of Pacemaker, Kubernetes, Consul and the leases
    Digest,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let commit = places::commit()?;
    let out = |name: &str| -> Result<String> {
        Ok(places::results()?.join(format!("{name}-{commit}.json")).display().to_string())
    };
    let build = Program::new("cargo build --release -p masakari");
    let programs = match &arguments.what {
        What::Evacuate { vms, hosts, pairs, python } => {
            let bench = cloud::script("bench").and(["--vms", &vms.to_string()]);
            let bench = bench.and(["--hosts", &hosts.to_string()]);
            let bench = bench.and(["--pairs", &pairs.to_string(), "--commit", &commit]);
            let bench = bench.and(["--out", &out(&format!("evacuate-{hosts}x{vms}"))?]);
            let bench = if *python { bench.and(["--python"]) } else { bench };
            [build, cloud::script("up"), bench]
        }
        What::History => return history(),
        What::Digest => return digest(),
        What::Scale => {
            let bench = Program::new("store/tests/on-databases.sh mariadb -- python3");
            let bench = bench.and(["sim/bench_scale.py", "--commit", &commit]);
            let cloud = Program::new("cargo build --release -p sim --example failing_cloud");
            [build, cloud, bench.and(["--out", &out("scale")?])]
        }
        What::Fence => {
            let bench = Program::new("python3 sim/bench_fence.py").and(["--commit", &commit]);
            let cloud = Program::new("cargo build --release -p sim --example failing_cloud");
            [build, cloud, bench.and(["--out", &out("fence")?])]
        }
        What::Api { pairs, seconds } => {
            let bench = cloud::script("bench-api").and(["--pairs", &pairs.to_string()]);
            let bench = bench.and(["--seconds", &seconds.to_string(), "--commit", &commit]);
            // Without Nova: its services use some of the machine even when idle.
            [build, cloud::script("up identity"), bench.and(["--out", &out("api")?])]
        }
    };
    for program in programs {
        if program.show()? != Ended::Well {
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn history() -> Result<ExitCode> {
    let build = Program::new("cargo test --release -p store --test conformance --no-run");
    let all = "store/tests/on-databases.sh mariadb postgresql -- cargo test --release -p store";
    let program = Program::new(all)
        .with("BUFFER_POOL", "512M")
        .and(["--test", "conformance", "long_history", "--", "--ignored", "--nocapture"])
        .and(["--test-threads=1"]);
    let tests = Measured { name: "history", build, program, budget: HISTORY_BUDGET };
    tests.run("databases", 2)
}

fn digest() -> Result<ExitCode> {
    let tests = "cargo test --release -p monitor --test hosts";
    let build = Program::new(tests).and(["--no-run"]);
    let program = Program::new(tests).and(["how_long", "--", "--ignored", "--nocapture"]);
    Measured { name: "digest", build, program, budget: DIGEST_BUDGET }.run("sources", 4)
}

/// A test that prints a line for each thing that it measures that begins with `RESULT`; the rest of that line is JSON.
struct Measured {
    name: &'static str,
    build: Program,
    program: Program,
    budget: Duration,
}

impl Measured {
    /// It measures so many of `things`.
    fn run(self, things: &str, many: usize) -> Result<ExitCode> {
        let (name, commit) = (self.name, places::commit()?);
        let log = places::logs()?.join(format!("bench-{name}.log"));
        std::fs::write(&log, "")?;
        if self.build.show()? != Ended::Well {
            return Ok(ExitCode::FAILURE);
        }
        let ended = self.program.run_into(&log, Instant::now() + self.budget)?;
        let output = std::fs::read_to_string(&log)?;
        let results = output.lines().filter_map(|line| line.strip_prefix("RESULT "));
        let results = results.map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
        for line in output.lines().filter(|line| line.contains("ratio") || line.contains("median"))
        {
            if !line.starts_with("RESULT") {
                println!("{line}");
            }
        }
        let out = places::results()?.join(format!("{name}-{commit}.json"));
        let is_whole = results.len() == many;
        let text = json!({ "bench": name, "commit": commit, things: results });
        std::fs::write(&out, format!("{text:#}\n"))?;
        println!("{}; output: {}", out.display(), log.display());
        let well = ended == Ended::Well && is_whole;
        Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
