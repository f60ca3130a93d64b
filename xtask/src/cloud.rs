//! `cargo xtask cloud VERB`: the scripts of `cloud/` by one name.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::program::{Ended, Program};

#[derive(Args, Debug)]
#[command(after_help = "verbs:
  up                           bring it up; what runs is kept
  status                       services, memory, what Nova thinks of its hosts
  down [--wipe]                stop everything; remove its data too
  boot N HOST [FLAVOR]         servers on a host, as in: boot 10 compute01
  kill HOST, revive HOST       a host fails, and comes back
  servers, clean               count the servers, delete them
  masakari-up [PROFILE]        ours on port 15868: the debug build, or that of PROFILE
  masakari-down [--wipe]
  masakari-py-up [tuned]       Python Masakari on port 15868
  masakari-py-down [--wipe]
  e2e [CASE...]                cases of the end-to-end suite; it must be up")]
pub(crate) struct Arguments {
    /// What to do, see below
    #[arg(value_parser = VERBS.map(|(verb, _)| verb))]
    verb: String,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

/// Each verb and the script, with its first words, that does it.
const VERBS: [(&str, &str); 13] = [
    ("up", "up"),
    ("status", "status"),
    ("down", "down"),
    ("boot", "ctl boot"),
    ("kill", "ctl kill"),
    ("revive", "ctl revive"),
    ("servers", "ctl servers"),
    ("clean", "ctl clean"),
    ("masakari-up", "masakari-up"),
    ("masakari-down", "masakari-down"),
    ("masakari-py-up", "masakari-py-up"),
    ("masakari-py-down", "masakari-py-down"),
    ("e2e", "e2e/run"),
];

/// A script of `cloud/`, with its first words.
pub(crate) fn script(line: &str) -> Program {
    Program::new(&format!("cloud/{line}"))
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let found = VERBS.iter().find(|(verb, _)| *verb == arguments.verb);
    let line = found.map_or("status", |(_, line)| line);
    let ended = script(line).and(&arguments.rest).show()?;
    Ok(if ended == Ended::Well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::places;

    #[test]
    fn the_script_of_each_verb_is_there() {
        for (verb, line) in VERBS {
            let name = line.split(' ').next().unwrap();
            assert!(places::root().join("cloud").join(name).is_file(), "{verb}: no cloud/{name}");
        }
    }
}
