//! `masakari host`: planned stops. A host that will be away is no failure until its time is over.

use crate::{ask::Cloud, output};
use anyhow::Context;
use clap::{Args, Subcommand};
use openstack::instance_ha::{Client, PlannedStop};
use ports::{Clock, SystemClock};
use recovery::HostName;
use std::{process::ExitCode, time::Duration};

#[derive(Args, Debug)]
pub(crate) struct Host {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// You will work on the host: for a while it is no failure that it is away (2h)
    Maintenance(Plan),
    /// The host is being shut down or rebooted: for a while that is no failure (30m)
    StopAnnounced(Plan),
    /// Have Nova move its servers away first; when none is left, it is no failure that the host is away (2h)
    Drain(Drain),
    /// Which hosts are away as planned, how long, and what waits for them
    Status(Status),
    /// End what is planned of a host: from now on its failure is one
    Resume(Resume),
}

#[derive(Args, Debug)]
struct Plan {
    /// The host, as Nova's compute service is called
    host: String,
    /// How long, as in 30m, 2h or 1d; a host that is away after that is recovered
    #[arg(long = "for", value_name = "TIME")]
    span: Option<String>,
    /// Why; it is kept with your name
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    cloud: Cloud,
}

#[derive(Args, Debug)]
struct Drain {
    #[command(flatten)]
    plan: Plan,
    /// Migrate servers that are off, too
    #[arg(long)]
    cold: bool,
    /// Do not wait for its end
    #[arg(long)]
    no_wait: bool,
}

#[derive(Args, Debug)]
struct Status {
    /// Only this one
    host: Option<String>,
    #[command(flatten)]
    cloud: Cloud,
}

#[derive(Args, Debug)]
struct Resume {
    /// The host, as Nova's compute service is called
    host: String,
    #[command(flatten)]
    cloud: Cloud,
}

impl Host {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        match &self.what {
            What::Maintenance(plan) => plan.run("maintenance"),
            What::StopAnnounced(plan) => plan.run("stop-announced"),
            What::Drain(drain) => drain.run(),
            What::Status(status) => status.run(),
            What::Resume(resume) => resume.run(),
        }
    }
}

impl Plan {
    fn run(&self, kind: &str) -> anyhow::Result<ExitCode> {
        let host = HostName::new(&self.host);
        let (span, reason) = (self.span.as_deref(), self.reason.as_deref());
        let asked =
            self.cloud.ask(async |client| client.plan_stop(&host, kind, span, reason).await)?;
        let stop = asked.with_context(|| format!("no stop of host {host} is planned"))?;
        output::say(&format!(
            "until {} it is no failure that host {host} is away ({kind}); if it is away then, it is recovered",
            stop.until
        ));
        if let Some(id) =
            stop.notification.filter(|_| stop.notification_status.as_deref() == Some("running"))
        {
            output::say(&format!(
                "but a recovery of it has begun and goes on: notification {id}; `masakari cancel {id}` stops it"
            ));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// How often it is asked how far it is.
const FOLLOW_EVERY: Duration = Duration::from_secs(3);

impl Drain {
    /// Exit code 1: servers are left on it.
    fn run(&self) -> anyhow::Result<ExitCode> {
        self.plan.cloud.ask(async |client| self.follow(&client).await)?
    }

    async fn follow(&self, client: &Client) -> anyhow::Result<ExitCode> {
        let host = HostName::new(&self.plan.host);
        let (span, reason) = (self.plan.span.as_deref(), self.plan.reason.as_deref());
        let planned = client.drain(&host, self.cold, span, reason).await;
        let stop = planned.with_context(|| format!("host {host} is not drained"))?;
        output::say(&begun(&stop));
        if self.no_wait {
            return Ok(ExitCode::SUCCESS);
        }
        let mut before = String::new();
        loop {
            let told = client.drained(&stop.id).await.context("nobody tells how far it is")?;
            if told.text != before {
                output::say(told.text.trim_end());
            }
            if told.facts.get("over").and_then(serde_json::Value::as_bool) == Some(true) {
                let empty = told.facts.get("end").and_then(|end| end.as_str()) == Some("empty");
                return Ok(if empty { ExitCode::SUCCESS } else { ExitCode::FAILURE });
            }
            before = told.text;
            SystemClock.sleep(FOLLOW_EVERY).await;
        }
    }
}

fn begun(stop: &PlannedStop) -> String {
    let PlannedStop { host, id, until, .. } = stop;
    format!(
        "host {host} is being drained, until {until} at most (drain {id}); you may leave this: the drain goes on, and \
         `masakari host resume {host}` ends it"
    )
}

impl Status {
    fn run(&self) -> anyhow::Result<ExitCode> {
        let stops = self.cloud.ask(async |client| client.planned_stops().await)?;
        let mut stops = stops.context("nobody tells what is planned")?;
        stops.retain(|stop| self.host.as_ref().is_none_or(|host| *host == stop.host));
        if stops.is_empty() {
            output::say(&match &self.host {
                Some(host) => format!("no stop of host {host} is planned"),
                None => "no stop is planned".to_owned(),
            });
        }
        stops.iter().for_each(|stop| output::say(&line(stop)));
        Ok(ExitCode::SUCCESS)
    }
}

fn line(stop: &PlannedStop) -> String {
    let PlannedStop { host, kind, by, at, until, .. } = stop;
    let why = stop.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let waits = match (&stop.notification, &stop.notification_status) {
        (Some(id), Some(status)) => format!("; reported away, notification {id} ({status})"),
        _ => String::new(),
    };
    format!("{host}: {kind} by {by} since {at} until {until}{why}{waits}")
}

impl Resume {
    fn run(&self) -> anyhow::Result<ExitCode> {
        let host = HostName::new(&self.host);
        let asked = self.cloud.ask(async |client| client.resume(&host).await)?;
        let stop = asked.with_context(|| format!("nothing planned of host {host} is ended"))?;
        output::say(&match stop.notification {
            Some(id) => format!(
                "the planned stop of host {host} is over; it was reported away: notification {id} is recovered if it \
                 still is"
            ),
            None => format!("the planned stop of host {host} is over"),
        });
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_is_told_in_one_line() {
        let stop = PlannedStop {
            id: "s1".into(),
            host: "compute01".into(),
            kind: "maintenance".into(),
            by: "ann (a1)".into(),
            reason: Some("new RAM".into()),
            at: "2026-11-22T10:00:00Z".into(),
            until: "2026-11-22T12:00:00Z".into(),
            notification: Some("n1".into()),
            notification_status: Some("new".into()),
        };
        assert_eq!(
            line(&stop),
            "compute01: maintenance by ann (a1) since 2026-11-22T10:00:00Z until 2026-11-22T12:00:00Z: new RAM; reported \
             away, notification n1 (new)"
        );
        assert_eq!(
            begun(&stop),
            "host compute01 is being drained, until 2026-11-22T12:00:00Z at most (drain s1); you may leave this: the drain \
             goes on, and `masakari host resume compute01` ends it"
        );
        let quiet = PlannedStop { reason: None, notification: None, ..stop };
        assert!(line(&quiet).ends_with("until 2026-11-22T12:00:00Z"));
    }
}
