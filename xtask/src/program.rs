//! One outside program: started in a process group of its own, so that all of it can be ended at the
//! deadline, with its output in a file or on the terminal.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::places;

const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Between asking a group to end and ending it.
const GRACE: Duration = Duration::from_secs(10);

/// What to run, from the root of the clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Program {
    words: Vec<String>,
    environment: Vec<(String, String)>,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Well,
    Badly,
    AtTheDeadline,
}

impl Program {
    /// The program and its arguments, separated by spaces.
    pub(crate) fn new(line: &str) -> Self {
        Self { words: line.split(' ').map(str::to_owned).collect(), environment: Vec::new() }
    }

    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.environment.push((name.to_owned(), value.to_string()));
        self
    }

    #[must_use]
    pub(crate) fn and(mut self, words: impl IntoIterator<Item = impl ToString>) -> Self {
        self.words.extend(words.into_iter().map(|w| w.to_string()));
        self
    }

    /// As a person would type it.
    pub(crate) fn line(&self) -> String {
        let set = self.environment.iter().map(|(name, value)| format!("{name}={value}"));
        set.chain(self.words.iter().cloned()).collect::<Vec<_>>().join(" ")
    }

    /// Run on the terminal, without a deadline.
    pub(crate) fn show(&self) -> Result<Ended> {
        let status = self.command()?.status().with_context(|| self.cannot_start())?;
        Ok(if status.success() { Ended::Well } else { Ended::Badly })
    }

    /// Run with its output appended to `log`, ended with its whole group at `deadline`.
    pub(crate) fn run_into(&self, log: &Path, deadline: Instant) -> Result<Ended> {
        let append = || -> Result<File> {
            let file = File::options().create(true).append(true).open(log);
            file.with_context(|| format!("cannot write {}", log.display()))
        };
        let mut child = self
            .command()?
            .stdin(Stdio::null())
            .stdout(append()?)
            .stderr(append()?)
            .process_group(0)
            .spawn()
            .with_context(|| self.cannot_start())?;
        let Some(status) = wait(&mut child, deadline)? else {
            end_group(&mut child)?;
            return Ok(Ended::AtTheDeadline);
        };
        Ok(if status.success() { Ended::Well } else { Ended::Badly })
    }

    fn command(&self) -> Result<Command> {
        let (program, arguments) = self.words.split_first().context("nothing to run")?;
        let in_clone = places::root().join(program);
        let mut command = match program.contains('/') {
            true => Command::new(in_clone),
            false => Command::new(program),
        };
        command.args(arguments).current_dir(places::root());
        // The end of a suite's output is shown: what failed, not the frames of what ran it.
        command.env("RUST_BACKTRACE", "0");
        // Nothing that is built here is built again after a change: what cargo keeps for that costs a fifth of the time.
        if std::env::var_os("CARGO_INCREMENTAL").is_none() {
            command.env("CARGO_INCREMENTAL", "0");
        }
        // What cargo says of xtask's own package: build scripts that ask for it (ring's) would run anew for each of two callers in turn.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&name);
            }
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    fn cannot_start(&self) -> String {
        format!("cannot start `{}`", self.line())
    }
}

fn wait(child: &mut Child, deadline: Instant) -> Result<Option<std::process::ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn end_group(child: &mut Child) -> Result<()> {
    let group = Pid::from_child(child);
    // An error says that the group is gone already, which is what is wanted.
    let _gone = kill_process_group(group, Signal::TERM);
    wait(child, Instant::now() + GRACE)?;
    let _gone = kill_process_group(group, Signal::KILL);
    child.wait()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &str, seconds: u64) -> (Ended, String) {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let program = Program::new("bash -c").and([line]);
        let ended = program.run_into(&log, Instant::now() + Duration::from_secs(seconds)).unwrap();
        (ended, std::fs::read_to_string(&log).unwrap())
    }

    #[test]
    fn what_a_program_says_is_in_the_log_and_its_exit_code_counts() {
        assert_eq!(run("echo out; echo err >&2", 60), (Ended::Well, "out\nerr\n".to_owned()));
        assert_eq!(run("exit 3", 60).0, Ended::Badly);
    }

    #[test]
    fn a_program_over_its_deadline_is_ended_with_its_children() {
        let (ended, said) = run("sleep 300 & echo $!; wait", 1);
        assert_eq!(ended, Ended::AtTheDeadline);
        let child = Pid::from_raw(said.trim().parse().unwrap()).unwrap();
        // Only a zombie may be left of it, and only until it is reaped.
        let state = std::fs::read_to_string(format!("/proc/{}/stat", child.as_raw_nonzero()));
        assert!(state.is_err() || state.unwrap().contains(") Z "));
    }

    #[test]
    fn a_line_tells_how_to_repeat_it_by_hand() {
        let program = Program::new("cargo test").with("SIM_SEEDS", 7).and(["histories"]);
        assert_eq!(program.line(), "SIM_SEEDS=7 cargo test histories");
    }
}
