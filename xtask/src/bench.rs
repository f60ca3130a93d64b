//! `cargo xtask bench NAME`: what is measured on the test cloud, ours in turn with what it is compared
//! with, so that whatever else the machine does hits both.

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
    /// Rates and times of the API, Python's and ours, and of MariaDB alone
    Api {
        /// How often each is measured, in turn: Python's, ours, MariaDB alone
        #[arg(long, default_value_t = 5)]
        pairs: u32,
        /// How long each is measured, in seconds
        #[arg(long, default_value_t = 4)]
        seconds: u32,
    },
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let commit = places::commit()?;
    let out = |name: &str| -> Result<String> {
        Ok(places::results()?.join(format!("{name}-{commit}.json")).display().to_string())
    };
    let build = Program::new("cargo build --release -p masakari");
    let programs = match &arguments.what {
        What::Evacuate { vms, pairs, python } => {
            let bench = cloud::script("bench").and(["--vms", &vms.to_string()]);
            let bench = bench.and(["--pairs", &pairs.to_string(), "--commit", &commit]);
            let bench = bench.and(["--out", &out("evacuate")?]);
            let bench = if *python { bench.and(["--python"]) } else { bench };
            [build, cloud::script("up"), bench]
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
