//! `cargo xtask bench evacuate`: how long a host's recovery takes on the test cloud, ours in turn with
//! Nova's own limit, so that whatever else the machine does hits both.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::program::{Ended, Program};
use crate::{cloud, places};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// From the report of a dead host until all its servers are back
    Evacuate {
        /// Servers on the host
        #[arg(long, default_value_t = 100)]
        vms: u32,
        /// How often each is measured, in turn: Nova alone, ours
        #[arg(long, default_value_t = 5)]
        pairs: u32,
        /// Python Masakari too, as released and tuned, once each
        #[arg(long)]
        python: bool,
    },
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let What::Evacuate { vms, pairs, python } = &arguments.what;
    let commit = places::commit()?;
    let out = places::results()?.join(format!("evacuate-{commit}.json"));
    let bench = cloud::script("bench").and(["--vms", &vms.to_string()]);
    let bench = bench.and(["--pairs", &pairs.to_string(), "--commit", &commit]);
    let bench = bench.and(["--out", &out.display().to_string()]);
    let bench = if *python { bench.and(["--python"]) } else { bench };
    let build = Program::new("cargo build --release -p masakari");
    for program in [build, cloud::script("up"), bench] {
        if program.show()? != Ended::Well {
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}
