//! `masakari doctor`: what an operator should look at before the night in which it matters, each with what to type.
//!
//! It asks nobody but the API, which tells what engines have found, and changes nothing.

use crate::{ask::Cloud, output};
use anyhow::Context;
use clap::Args;
use openstack::instance_ha::{Fencing, Guard, Return};
use std::process::ExitCode;

#[derive(Args, Debug)]
pub(crate) struct Doctor {
    #[command(flatten)]
    cloud: Cloud,
}

impl Doctor {
    /// Exit code 1: there is something to look at.
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let told = self.cloud.ask(async |client| {
            Ok::<_, openstack::AskError>((
                client.fencing().await?,
                client.guard().await?,
                client.returns().await?,
            ))
        })?;
        let (fencing, guard, away) = told.context("this Masakari cannot be looked at")?;
        let found = found(&fencing, &guard, &away);
        if found.is_empty() {
            output::say("nothing to look at");
            return Ok(ExitCode::SUCCESS);
        }
        found.iter().for_each(|line| output::say(line));
        Ok(ExitCode::FAILURE)
    }
}

/// The most urgent first.
fn found(fencing: &[Fencing], guard: &Guard, away: &[Return]) -> Vec<String> {
    let mut found = Vec::new();
    if !guard.armed {
        let by = guard.history.first().map(|turn| format!(" by {} at {}", turn.by, turn.at));
        let by = by.unwrap_or_default();
        found.push(format!("disarmed{by}: nothing is recovered; `masakari arm` ends that"));
    }
    for lost in guard.lost.iter().filter(|lost| lost.open && lost.begun_at.is_none()) {
        let (host, id) = (&lost.host, &lost.notification);
        let at = &lost.reported_at;
        found.push(format!(
            "host {host}, reported at {at}, waits; `masakari explain {id}` tells for what"
        ));
    }
    found.extend(fencing.iter().filter_map(unfenced));
    let unknown = fencing.iter().filter(|host| !is_looked_at(host)).count();
    if unknown > 0 {
        let all = fencing.len();
        found.push(format!(
            "{unknown} of {all} hosts: whether they could be fenced was never looked at; engines with [fencing] \
             devices_file and check_interval do that"
        ));
    }
    for host in away {
        let (name, since, why) = (&host.host, &host.since, &host.why);
        found.push(format!("host {name} is out of service since {since}: {why}"));
    }
    found
}

fn is_looked_at(host: &Fencing) -> bool {
    matches!(host.state.as_str(), "ready" | "impaired" | "not_ready")
}

fn unfenced(host: &Fencing) -> Option<String> {
    let Fencing { host: name, segment, state, .. } = host;
    let what = match state.as_str() {
        "not_ready" => "could not be fenced",
        "impaired" => "has a fence device to be repaired",
        _ => return None,
    };
    let since = host.since.as_deref().unwrap_or("?");
    let why = host.why.as_deref().unwrap_or("no reason was told");
    Some(format!(
        "host {name} ({segment}) {what} since {since}: {why}; `masakari fence check {name}` asks its devices again"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fencing(state: &str) -> Fencing {
        let why = (state != "ready").then_some("bmc (redfish): no answer");
        serde_json::from_value(json!({
            "host": "c1", "segment": "rack1", "state": state, "why": why,
            "since": "2026-11-22T13:10:00", "checked_at": "2026-11-22T14:00:00",
        }))
        .unwrap()
    }

    fn guard(armed: bool, begun_at: Option<&str>) -> Guard {
        serde_json::from_value(json!({
            "armed": armed, "storm_at": null,
            "lost": [{
                "host": "c2", "segment": "rack1", "notification": "n1", "open": true,
                "reported_at": "2026-11-22T14:00:00", "begun_at": begun_at,
            }],
            "history": [{ "armed": armed, "at": "2026-11-22T13:00:00", "by": "ann (a1)", "reason": null }],
        }))
        .unwrap()
    }

    #[test]
    fn what_is_well_is_not_told() {
        let well = guard(true, Some("2026-11-22T14:00:10"));
        assert_eq!(found(&[fencing("ready")], &well, &[]), Vec::<String>::new());
    }

    #[test]
    fn a_host_that_could_not_be_fenced_is_a_line_with_the_devices_word_and_what_to_type() {
        let well = guard(true, Some("2026-11-22T14:00:10"));
        let hosts = ["not_ready", "impaired", "unknown"].map(fencing);
        assert_eq!(
            found(&hosts, &well, &[]),
            [
                "host c1 (rack1) could not be fenced since 2026-11-22T13:10:00: bmc (redfish): no answer; \
                 `masakari fence check c1` asks its devices again",
                "host c1 (rack1) has a fence device to be repaired since 2026-11-22T13:10:00: bmc (redfish): no \
                 answer; `masakari fence check c1` asks its devices again",
                "1 of 3 hosts: whether they could be fenced was never looked at; engines with [fencing] devices_file \
                 and check_interval do that",
            ]
        );
    }

    #[test]
    fn what_stands_still_and_who_is_away_is_told() {
        let away: Return = serde_json::from_value(json!({
            "host": "c3", "state": "heard", "why": "on probation", "since": "2026-11-22T12:00:00",
            "lost_at": "2026-11-22T11:00:00", "notifications": ["n0"], "asked_by": null,
        }))
        .unwrap();
        assert_eq!(
            found(&[], &guard(false, None), &[away]),
            [
                "disarmed by ann (a1) at 2026-11-22T13:00:00: nothing is recovered; `masakari arm` ends that",
                "host c2, reported at 2026-11-22T14:00:00, waits; `masakari explain n1` tells for what",
                "host c3 is out of service since 2026-11-22T12:00:00: on probation",
            ]
        );
    }
}
