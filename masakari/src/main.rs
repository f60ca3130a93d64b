//! The door: one program that is `masakari`, and `masakari-api`, `masakari-engine`, `masakari-manage`,
//! `masakari-status`, `masakari-monitor` or the name of one of the monitors when it is called by one of these names.
//!
//! Here is only what a process needs: arguments, configuration, logging, signals, exit codes. One
//! file per role puts the rooms together.

mod api_role;
mod ask;
mod cli;
mod config;
mod configure;
#[cfg(feature = "demo")]
mod demo;
mod doctor;
mod engine_role;
mod fence_role;
mod guard_role;
mod leases;
mod logging;
mod manage;
mod monitor_role;
mod monitors;
mod output;
mod policy;
mod ports_of;
mod prometheus;
mod reload;
mod report_role;
mod shadow_role;
mod signals;
#[cfg(feature = "demo")]
mod simulate;
mod status;
mod stop_role;
mod told;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let role = match cli::parse(arguments) {
        Ok(role) => role,
        Err(asked) => return output::usage(&asked),
    };
    match role.run() {
        Ok(code) => code,
        Err(error) => {
            output::error(&error);
            ExitCode::FAILURE
        }
    }
}
