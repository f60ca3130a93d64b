//! `masakari fence`: what is wrong with the file of fence devices, and whether a host could be fenced now.
//!
//! Nothing here orders anything of a device: a power state is read, and which machine it belongs to. Without a host it is
//! told what the engines found when they looked last. A test is an engine's: here it is only asked for.

mod let_in;
mod metrics;

use crate::{
    ask::{Cloud, Word, told},
    cli::ConfigArgs,
    config,
    config::Configuration,
    output,
};
use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use fence::build::SystemNetwork;
use fence::file::FileError;
use fence::secret::Secrets;
use fence::survey::survey;
use fence::{FencingFile, Tools};
use openstack::{
    AskError,
    instance_ha::{Client, Fencing, PlannedStop, RequestAnswer, RequestState},
};
use ports::{Clock, NetworkEars, SystemClock, SystemExec};
use recovery::{HostName, drill};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

/// How often it is asked how far a test is, and for how long.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const LOOKS_MOST: usize = 900;
/// The engines begin none that is older than its own deadline, which the first answer waits for.
const LOOKS_UNBEGUN_MOST: usize = 15;

/// Fence devices: what is wrong with their file, and with them
#[derive(Args, Debug)]
pub(crate) struct Fence {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// A file: everything that is wrong in it. A host: everything that keeps it from being fenced now
    Check(Asked),
    /// What every device of a host's ladder says now; without a host, which hosts could be fenced when the engines looked last
    Status(Box<Status>),
    /// Switch a host off and on again on which nothing runs (reserved or on maintenance, disabled, empty), to see whether it could be fenced
    Test(Box<Test>),
    /// Let a host in again that a storage has shut out, once it was booted since
    LetIn(Box<let_in::LetIn>),
}

#[derive(Args, Debug)]
struct Test {
    /// The host, as Nova's compute service is called
    host: String,
    #[command(flatten)]
    word: Word,
}

#[derive(Args, Debug)]
struct Status {
    #[command(flatten)]
    asked: Asked,
    /// All hosts as Prometheus reads it, for the textfile collector of its node exporter
    #[arg(long, conflicts_with = "what")]
    metrics: bool,
    #[command(flatten)]
    cloud: Cloud,
}

#[derive(Args, Debug)]
struct Asked {
    /// A fencing.yaml (with a `/` or ending in .yaml or .yml), or the name of a host
    #[arg(value_name = "FILE|HOST")]
    what: Option<String>,
    /// What Masakari has as the host's control_attributes: `ladder:NAME`, `KIND:DEVICE` or a `KIND`
    #[arg(long, value_name = "TEXT")]
    control_attributes: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

impl Fence {
    /// Exit code 0: all is well; 1: something is wrong.
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let (asked, checks) = match &self.what {
            What::Check(asked) => (asked, true),
            What::Test(test) => return test.run(),
            What::LetIn(let_in) => return let_in.run(),
            What::Status(of) if of.asked.what.is_none() => return of.listed(),
            What::Status(of) => (&of.asked, false),
        };
        let named_file = asked.what.as_ref().filter(|what| is_file(what)).map(PathBuf::from);
        let path = match (&named_file, checks) {
            (Some(_), false) => return Err(anyhow!("`masakari fence status` wants a host's name")),
            (Some(path), true) => path.clone(),
            (None, _) => configured(&asked.config)?,
        };
        let file = match FencingFile::read(&path) {
            Ok(file) => file,
            Err(FileError::Faults(faults)) => {
                output::say(&faults.to_string());
                return Ok(ExitCode::FAILURE);
            }
            Err(e @ FileError::Unreadable { .. }) => return Err(e.into()),
        };
        match (named_file, &asked.what) {
            (None, Some(host)) => look_at(&file, host, asked.control_attributes.as_deref(), checks),
            (Some(_), _) | (None, None) if checks => {
                output::say(&summary(&path, &file));
                Ok(ExitCode::SUCCESS)
            }
            (Some(_), _) | (None, None) => {
                Err(anyhow!("`masakari fence status` wants a host's name"))
            }
        }
    }
}

impl Test {
    /// Exit code 0: it went off and came on again.
    fn run(&self) -> anyhow::Result<ExitCode> {
        let host = HostName::new(&self.host);
        let reason = self.word.reason.as_deref();
        let answered = self.word.cloud.ask(async |client| follow(&client, &host, reason).await)?;
        let answer = answered.with_context(|| format!("host {host} is not tested"))?;
        let passed = answer.answer.as_ref().is_some_and(|said| said.starts_with(drill::PASSED));
        let told = told(answer);
        Ok(if passed { told } else { ExitCode::FAILURE })
    }
}

/// Until it is over, or nobody begins it.
async fn follow(
    client: &Client,
    host: &HostName,
    reason: Option<&str>,
) -> Result<RequestAnswer, AskError> {
    let mut answer = client.fence_test(host, reason).await?;
    let mut begun = false;
    for look in 0..LOOKS_MOST {
        if answer.state != RequestState::Pending {
            break;
        }
        if !begun {
            // It is a planned stop under its own id from its first step on.
            let stops = client.planned_stops().await?;
            let stop = stops.into_iter().find(|stop| stop.id == answer.id);
            begun = stop.is_some();
            let Some(said) = waiting(stop, look, host) else { break };
            said.iter().for_each(|said| output::note(said));
        }
        SystemClock.sleep(LOOK_EVERY).await;
        answer = client.request(&answer.id).await?;
    }
    Ok(answer)
}

/// What is said of one that is not over at this look; `None`: it is not waited for any more.
fn waiting(stop: Option<PlannedStop>, look: usize, host: &HostName) -> Option<Option<String>> {
    match (stop, look) {
        (Some(PlannedStop { until, .. }), _) => Some(Some(format!(
            "the test has begun; until {until} it is no failure that host {host} is away; waiting for its end"
        ))),
        (None, 0) => Some(Some(
            "no engine has begun it yet (is one running, and does Nova answer?); waiting"
                .to_owned(),
        )),
        (None, LOOKS_UNBEGUN_MOST..) => None,
        (None, _) => Some(None),
    }
}

/// A host's name has no slash and does not end like a file of YAML.
fn is_file(what: &str) -> bool {
    what.contains('/') || what.ends_with(".yaml") || what.ends_with(".yml")
}

fn configured(args: &ConfigArgs) -> anyhow::Result<PathBuf> {
    let configuration = Configuration::read(&args.0, "masakari-engine")?;
    let none = "[fencing] devices_file names no file; name one on the command line, or set it";
    configuration.fence_devices().context(none)
}

fn summary(path: &Path, file: &FencingFile) -> String {
    let count =
        |number: usize, one: &str| format!("{number} {one}{}", if number == 1 { "" } else { "s" });
    format!(
        "{}: {}, {}, {}; nothing is wrong in it",
        path.display(),
        count(file.devices.len(), "device"),
        count(file.ladders.len(), "ladder"),
        count(file.hosts.len(), "host"),
    )
}

impl Status {
    /// All hosts. Exit code 1: one of them could not be fenced, or a device is to be repaired.
    fn listed(&self) -> anyhow::Result<ExitCode> {
        let hosts = self.cloud.ask(async |client| client.fencing().await)?;
        let hosts = hosts.context("nobody tells which hosts could be fenced")?;
        let count = |state: &str| hosts.iter().filter(|host| host.state == state).count();
        let [ready, impaired, not] = ["ready", "impaired", "not_ready"].map(count);
        if self.metrics {
            output::say(metrics::told(&hosts).trim_end());
        } else {
            hosts.iter().for_each(|host| output::say(&line(host)));
            output::say(&summed(hosts.len(), ready, impaired, not));
        }
        let faulty = impaired + not;
        Ok(if faulty == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn summed(all: usize, ready: usize, impaired: usize, not: usize) -> String {
    let unknown = all - ready - impaired - not;
    let repair = match impaired {
        0 => String::new(),
        some => format!(" ({some} with a device to be repaired)"),
    };
    format!(
        "{} of {all} hosts could be fenced{repair}; {not} could not; {unknown} were not looked at yet",
        ready + impaired
    )
}

fn line(host: &Fencing) -> String {
    let (name, segment) = (&host.host, &host.segment);
    let said = |text: &Option<String>| text.clone().unwrap_or_default();
    let (since, why, at) = (said(&host.since), said(&host.why), said(&host.checked_at));
    match host.state.as_str() {
        "ready" => format!("{name} ({segment}): could be fenced at {at}"),
        "impaired" => {
            format!(
                "{name} ({segment}): could be fenced at {at}; to be repaired since {since}: {why}"
            )
        }
        "not_ready" => {
            format!(
                "{name} ({segment}): COULD NOT BE FENCED since {since}, asked again at {at}: {why}"
            )
        }
        _ => format!(
            "{name} ({segment}): not looked at yet; engines with [fencing] devices_file and check_interval do that"
        ),
    }
}

/// Asks the devices of one host. `checks`: only what is wrong is a reason to fail; otherwise nothing is.
fn look_at(
    file: &FencingFile,
    host: &str,
    control_attributes: Option<&str>,
    checks: bool,
) -> anyhow::Result<ExitCode> {
    let ladder = file
        .ladder_of(host, control_attributes)
        .with_context(|| format!("the host '{host}' could not be fenced"))?;
    let tools = tools(Arc::new(SystemClock));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let found = runtime.block_on(survey(&tools, &ladder));
    for (i, (device, surveyed)) in found.iter().enumerate() {
        output::say(&format!("{}. {device}: {surveyed}", i + 1));
    }
    let (ready, faults) = (
        found.iter().filter(|(_, s)| s.could_prove()).count(),
        found.iter().filter(|(_, s)| s.is_fault()).count(),
    );
    output::say(&match (ready, faults) {
        (0, _) => format!("no rung could prove now that '{host}' is off"),
        (ready, 0) => format!("'{host}' could be fenced now, by {ready} of {} rungs", found.len()),
        (ready, faults) => format!(
            "'{host}' could be fenced now, by {ready} of {} rungs; {faults} to be repaired",
            found.len()
        ),
    });
    let well = !checks || ready > 0 && faults == 0;
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the machine's own devices are reached with.
pub(crate) fn tools(clock: Arc<dyn Clock>) -> Tools {
    Tools {
        clock,
        exec: Arc::new(SystemExec),
        network: Arc::new(SystemNetwork),
        ears: Arc::new(NetworkEars),
        secrets: Arc::new(secrets()),
    }
}

fn secrets() -> Secrets {
    let environment: std::collections::BTreeMap<_, _> = config::environment().into_iter().collect();
    let credentials = environment.get("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    Secrets { environment, credentials }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_with_a_device_to_be_repaired_counts_as_one_that_could_be_fenced() {
        assert_eq!(
            summed(7, 1, 1, 4),
            "2 of 7 hosts could be fenced (1 with a device to be repaired); 4 could not; 1 were not looked at yet"
        );
        assert_eq!(
            summed(2, 2, 0, 0),
            "2 of 2 hosts could be fenced; 0 could not; 0 were not looked at yet"
        );
    }

    #[test]
    fn a_test_that_nobody_begins_is_said_to_be_so_and_not_waited_for_to_its_end() {
        let host = HostName::new("c9");
        let said = |stop, look| waiting(stop, look, &host);
        assert!(said(None, 0).flatten().unwrap().starts_with("no engine has begun it yet"));
        assert_eq!(said(None, LOOKS_UNBEGUN_MOST - 1), Some(None));
        assert_eq!(said(None, LOOKS_UNBEGUN_MOST), None);
        let stop = PlannedStop {
            id: "s1".into(),
            host: "c9".into(),
            kind: "stop-announced".into(),
            by: "ann (a1)".into(),
            reason: None,
            at: "2026-11-22T10:00:00Z".into(),
            until: "2026-11-22T10:30:00Z".into(),
            notification: None,
            notification_status: None,
        };
        let begun = said(Some(stop), LOOKS_UNBEGUN_MOST).flatten().unwrap();
        assert!(begun.starts_with("the test has begun; until 2026-11-22T10:30:00Z"), "{begun}");
    }
}
