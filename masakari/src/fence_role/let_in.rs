//! `masakari fence let-in`: a host that a storage has shut out may write again, once it was started anew.
//!
//! One that only hung still has what it meant to write, to volumes that other hosts write by now. So a person says when it was
//! booted, and it is let in only if that was after it was shut out.

use super::{configured, tools};
use crate::{cli::ConfigArgs, output};
use anyhow::{Context, anyhow};
use chrono::{DateTime, Utc};
use clap::Args;
use fence::{FencingFile, let_in::let_in, storage::StartedAnew};
use ports::SystemClock;
use recovery::Millis;
use std::{process::ExitCode, sync::Arc};

#[derive(Args, Debug)]
pub(super) struct LetIn {
    /// The host, as Nova's compute service is called
    host: String,
    /// When the storage shut it out, as `masakari certificate` tells it: 2026-11-22T14:00:05Z
    #[arg(long, value_name = "TIME")]
    shut_out_at: DateTime<Utc>,
    /// When it was booted, as it tells itself (`uptime -s`, with its zone): 2026-11-22T14:10:00Z
    #[arg(long, value_name = "TIME")]
    booted_at: DateTime<Utc>,
    /// What Masakari has as the host's control_attributes
    #[arg(long, value_name = "TEXT")]
    control_attributes: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

impl LetIn {
    /// Exit code 0: each storage of its ladder has let it in.
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let host = &self.host;
        let anew = started_anew(self.shut_out_at, self.booted_at)?;
        let file = FencingFile::read(&configured(&self.config)?)?;
        let ladder = file
            .ladder_of(host, self.control_attributes.as_deref())
            .with_context(|| format!("the host '{host}' has no ladder"))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let came = runtime.block_on(let_in(&tools(Arc::new(SystemClock)), &ladder, &anew));
        for (device, let_in) in &came {
            output::say(&match let_in {
                Ok(()) => {
                    format!("{device}: '{host}' is let in again, and stands in its list no more")
                }
                Err(failure) => format!("{device}: '{host}' is NOT let in: {failure}"),
            });
        }
        if came.is_empty() {
            output::say(&format!("no device of the ladder of '{host}' shuts anybody out"));
        }
        let well = !came.is_empty() && came.iter().all(|(_, let_in)| let_in.is_ok());
        Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn started_anew(shut_out: DateTime<Utc>, booted: DateTime<Utc>) -> anyhow::Result<StartedAnew> {
    let at = |time: DateTime<Utc>| Millis(time.timestamp_millis());
    StartedAnew::since(at(shut_out), at(booted)).ok_or_else(|| {
        anyhow!(
            "it was not booted after it was shut out ({shut_out}), so it still has what it meant to write: reboot it first"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_was_not_booted_since_is_not_let_in() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let shut = at("2026-11-22T14:00:05Z");
        assert!(started_anew(shut, at("2026-11-22T15:10:00+01:00")).is_ok());
        let error = started_anew(shut, at("2026-11-20T08:00:00Z")).unwrap_err().to_string();
        assert!(error.contains("reboot it first"), "{error}");
    }
}
