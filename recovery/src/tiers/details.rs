//! The ordered starts as `recovery_workflow_details` tells them. Python Masakari has no words for them.

use super::{Stage, Starting, Starts, Tier, TierEntry};
use crate::Millis;
use crate::details::Task;
use crate::log::{Entry, Line};
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

/// A line that names hundreds of servers is read by nobody.
const NAMED_MOST: usize = 5;

/// Tells `entry`, the last of the lines `so_far`.
pub(crate) fn tell(task: &mut Task, at: Millis, so_far: &[Line], entry: &TierEntry) {
    let starts = folded(so_far);
    match entry {
        TierEntry::Ordered { servers } => {
            let tiers: alloc::collections::BTreeSet<Tier> =
                servers.iter().map(|ordered| ordered.tier).collect();
            for tier in tiers {
                let of = servers.iter().filter(|ordered| ordered.tier == tier);
                let ids: Vec<&str> = of.map(|ordered| ordered.server.as_str()).collect();
                task.say(at, 0.1, format!("{tier}, started in order: '{}'", ids.join(",")));
            }
            for ordered in servers {
                if let Some(why) = &ordered.not_checked {
                    let name = &ordered.name;
                    let text = format!("Check of instance '{name}': {why}; it is up when active");
                    task.say(at, 0.1, text);
                }
            }
        }
        TierEntry::Impossible { why } => once(
            task,
            at,
            format!("Ordered restart is not possible, instances start as they arrive: {why}"),
        ),
        TierEntry::Began { tier } | TierEntry::Over { tier } => {
            once(task, at, standing(&starts, *tier))
        }
        TierEntry::StartIntended { servers } => {
            for server in servers {
                once(task, at, format!("Starting instance: '{server}'"));
            }
        }
        TierEntry::NotStarted { server, why } => {
            once(task, at, format!("Instance '{server}' was evacuated and not started: {why}"));
        }
        TierEntry::Elsewhere { server, host } => {
            once(task, at, format!("Instance '{server}' is on host '{host}' now"));
        }
        TierEntry::Active { servers } => {
            let tiers: alloc::collections::BTreeSet<Tier> = servers
                .iter()
                .filter_map(|id| starts.servers.get(id))
                .map(|s| s.ordered.tier)
                .collect();
            for tier in tiers {
                once(task, at, standing(&starts, tier));
            }
        }
        TierEntry::StartRefused { server, .. }
        | TierEntry::Blocked { server, .. }
        | TierEntry::NoAnswer { server, .. }
        | TierEntry::Answers { server }
        | TierEntry::Gone { server } => {
            if let Some(s) = starts.servers.get(server) {
                once(task, at, standing(&starts, s.ordered.tier));
            }
        }
        TierEntry::StartTaken { .. }
        | TierEntry::NotAsked { .. }
        | TierEntry::Unanswered { .. } => {}
    }
}

/// Only what the starts are made of.
fn folded(lines: &[Line]) -> Starts {
    let mut starts = Starts::default();
    for line in lines {
        if let Entry::Tier(entry) = &line.entry {
            // What cannot be folded was refused when it was to be written.
            let _ = starts.apply(entry, line.at);
        }
        if let Entry::Arrived { servers } = &line.entry {
            servers.iter().for_each(|arrival| starts.arrive(arrival, line.at));
        }
        if let Entry::Gone { server } = &line.entry {
            starts.gone(server);
        }
        if let Entry::Capacity(entry) = &line.entry {
            entry.deleted().into_iter().for_each(|server| starts.gone(server));
        }
    }
    starts
}

/// `Tier 1: 3 of 4 up, waits for vm-x: port 5432 does not answer`
fn standing(starts: &Starts, tier: Tier) -> String {
    let members: Vec<&Starting> =
        starts.servers.values().filter(|s| s.ordered.tier == tier).collect();
    let up = members.iter().filter(|s| s.stage == Stage::Up).count();
    let missing = || members.iter().filter(|s| s.stage != Stage::Up && s.stage != Stage::Gone);
    let mut text = format!("{tier}: {up} of {} up", members.len());
    if missing().next().is_some() {
        let over = starts.over.contains(&tier);
        text.push_str(if over { ", goes on without " } else { ", waits for " });
        let named: Vec<String> = missing().take(NAMED_MOST).map(|s| named(s)).collect();
        text.push_str(&named.join("; "));
        let more = missing().count().saturating_sub(NAMED_MOST);
        if more > 0 {
            text.push_str(&format!("; and {more} more"));
        }
    }
    text
}

fn named(s: &Starting) -> String {
    let name = if s.ordered.name.is_empty() { s.ordered.server.as_str() } else { &s.ordered.name };
    let why = match &s.stage {
        Stage::NotStarted { why } => Some(why.clone()),
        Stage::Away => Some("it has not arrived".to_string()),
        Stage::ToStart { .. }
        | Stage::Asking { .. }
        | Stage::Starting { .. }
        | Stage::Checking
        | Stage::Up
        | Stage::Unanswered
        | Stage::Gone => s.trouble.clone(),
    };
    match why {
        Some(why) => format!("{name}: {why}"),
        None => name.to_string(),
    }
}

fn once(task: &mut Task, at: Millis, text: String) {
    if !task.messages.iter().any(|m| m.text == text) {
        task.say(at, 0.8, text);
    }
}
