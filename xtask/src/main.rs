//! The doors for people and for CI: every test there is, the test cloud, the long runs, the bench.
//!
//! This is a build tool, no part of the product: nothing depends on it and it depends on nothing of
//! ours. What it starts are `cargo` and the scripts of `cloud/`.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a build tool runs programs, looks at the clock and speaks to the person who started it"
)]

mod bench;
mod cases;
mod cloud;
mod mutants;
mod places;
mod program;
#[cfg(test)]
mod shape;
mod soak;
mod suites;
mod test_run;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tests, the test cloud, long runs and measurements.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    door: Door,
}

#[derive(Subcommand)]
enum Door {
    /// Run every suite, or those named; the last line is `N passed, N failed`
    Test(test_run::Arguments),
    /// The test cloud: up, down [--wipe], status, boot N HOST, kill HOST, revive HOST, ...
    Cloud(cloud::Arguments),
    /// The long version of a suite, in pieces that a second run continues
    Soak(soak::Arguments),
    /// Deliberate faults, and which history of the simulated world catches each
    Mutants(mutants::Arguments),
    /// Measure on the test cloud
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().door {
        Door::Test(arguments) => test_run::run(&arguments),
        Door::Cloud(arguments) => cloud::run(&arguments),
        Door::Soak(arguments) => soak::run(&arguments),
        Door::Mutants(arguments) => mutants::run(&arguments),
        Door::Bench(arguments) => bench::run(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        println!("error: {error:#}");
        ExitCode::FAILURE
    })
}
