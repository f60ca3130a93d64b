//! `masakari monitors`: how the monitors of this host do, as the status sockets below `state_path` tell it.

mod metrics;
mod table;

use crate::{
    cli::ConfigArgs,
    config::{Configuration, STATUS_SOCKET},
    output,
};
use clap::Args;
use monitor::standing::Shown;
use serde_json::json;
use std::{
    io::{self, Read},
    os::unix::net::UnixStream,
    path::Path,
    process::ExitCode,
    time::Duration,
};

/// For one process to tell.
const DEADLINE: Duration = Duration::from_secs(5);
/// What is longer is none of ours.
const DOCUMENT_BYTES_MAX: u64 = 1 << 20;

#[derive(Args, Debug)]
pub(crate) struct Monitors {
    #[command(flatten)]
    config: ConfigArgs,
    /// As JSON
    #[arg(long, conflicts_with = "metrics")]
    json: bool,
    /// As Prometheus reads it, for the textfile collector of its node exporter
    #[arg(long)]
    metrics: bool,
}

/// What a process said, or why it did not.
#[derive(Debug)]
struct Asked {
    program: String,
    said: Result<Shown, String>,
}

impl Monitors {
    /// Exit code 1: somebody should look.
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let configuration = Configuration::read(&self.config.0, "masakari-monitor")?;
        let folder = configuration.monitor_folder("");
        let asked = asked(&folder)?;
        if self.metrics {
            output::say(metrics::told(&asked).trim_end());
        } else if self.json {
            output::say(&serde_json::to_string_pretty(&as_json(&asked))?);
        } else if asked.is_empty() {
            output::say(&format!(
                "no monitor runs here: there is no {STATUS_SOCKET} in a folder below {}",
                folder.display()
            ));
        } else {
            table::told(&asked).iter().for_each(|line| output::say(line));
        }
        let well = !asked.is_empty() && asked.iter().all(Asked::is_well);
        Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl Asked {
    fn is_well(&self) -> bool {
        self.said.as_ref().is_ok_and(|shown| {
            let monitors = shown.monitors.iter().all(|monitor| !monitor.state.is_wrong());
            monitors && shown.sending.failing_s.is_none() && shown.sending.kept_on_disk
        })
    }
}

fn as_json(asked: &[Asked]) -> serde_json::Value {
    let processes = asked.iter().map(|one| match &one.said {
        Ok(shown) => json!({ "program": one.program, "well": one.is_well(), "status": shown }),
        Err(why) => json!({ "program": one.program, "well": false, "error": why }),
    });
    json!({ "processes": processes.collect::<Vec<_>>() })
}

/// All processes whose sockets lie below `folder`.
fn asked(folder: &Path) -> anyhow::Result<Vec<Asked>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => anyhow::bail!(
            "{}: {error}. Ask as the user of the monitors, or as root",
            folder.display()
        ),
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("masakari-")).collect();
    names.sort_unstable();
    let asked = names.into_iter().filter_map(|program| {
        let said = match ask(&folder.join(&program).join(STATUS_SOCKET)) {
            Ok(said) => said,
            // It was stopped as it should be.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => Err(refused(&error)),
        };
        Some(Asked { program, said })
    });
    Ok(asked.collect())
}

fn refused(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "it does not run, and was not stopped: it was killed".into()
        }
        io::ErrorKind::PermissionDenied => format!("{error}: ask as its user, or as root"),
        _ => format!("it does not answer: {error}"),
    }
}

fn ask(path: &Path) -> io::Result<Result<Shown, String>> {
    let asking = UnixStream::connect(path)?;
    asking.set_read_timeout(Some(DEADLINE))?;
    let mut text = String::new();
    match asking.take(DOCUMENT_BYTES_MAX).read_to_string(&mut text) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            return Ok(Err(format!("it has not answered for {} s: it hangs", DEADLINE.as_secs())));
        }
        Err(error) => return Err(error),
    }
    let read = serde_json::from_str(&text);
    Ok(read.map_err(|error| format!("what it says cannot be read: {error}")))
}

#[cfg(test)]
mod tests;
