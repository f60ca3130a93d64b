//! The end of a recovery: where its time went, which VM is where now, and whether the truth agrees.

use super::{
    incident::{Incident, status},
    screen::{Screen, Tone, seconds},
};
use recovery::{
    HostName,
    nouns::NotificationStatus,
    seen::{Server, VmState},
};
use sim::World;

/// Whether everything that ran on the failed host runs again, once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    AllBack,
    NotAllBack,
}

/// Prints all of it.
pub(super) fn show(screen: Screen, incident: &Incident, world: &World) -> Verdict {
    let servers = world.servers();
    phases(screen, incident);
    if !incident.before.is_empty() {
        table(screen, incident, &servers);
    }
    let mut wrong: Vec<String> =
        world.check().err().map(|broken| broken.to_string()).into_iter().collect();
    wrong.extend(incident.before.iter().filter_map(|old| amiss(incident, old, world, &servers)));
    if incident.ended != Some(NotificationStatus::Finished) {
        wrong.push(format!("The recovery of {} did not succeed.", incident.host));
    }
    let verdict = if wrong.is_empty() { Verdict::AllBack } else { Verdict::NotAllBack };
    screen.heading("The truth (not what Nova says, but what runs)");
    let tone = if verdict == Verdict::AllBack { Tone::Good } else { Tone::Plain };
    screen.verdict(tone, &truth(world, &servers));
    for line in &wrong {
        screen.verdict(Tone::Bad, line);
    }
    verdict
}

fn phases(screen: Screen, incident: &Incident) {
    let moments = &incident.moments;
    let Some(ended) = moments.ended else { return };
    let whole = seconds(ended.since(incident.failed_at));
    screen.heading(&format!("Where the {whole} s went"));
    let moved = incident.home_at.len();
    let phases = [
        (
            moments.silent,
            "until Nova called the host down (4 s after its last heartbeat; by default 60 s)",
        ),
        (moments.reported, "until the monitor had seen it twice and the API had its report"),
        (moments.asked, "until the first VM: claim, proof, disable, plan"),
        (moments.home, &*format!("until the last of {moved} VMs was rebuilt on its new host")),
        (Some(ended), "until a fresh look at Nova showed that nothing is left"),
    ];
    let mut last = incident.failed_at;
    for (at, what) in phases {
        let Some(at) = at else { continue };
        screen.line(&format!("  {:>5} s  {what}", seconds(at.since(last))));
        last = last.max(at);
    }
}

fn table(screen: Screen, incident: &Incident, servers: &[Server]) {
    screen.heading("Which VM is where");
    let rows = std::iter::once(["VM", "before", "", "now", "", "back after", ""].map(Into::into))
        .chain(incident.before.iter().map(|old| row(incident, old, servers)));
    for [name, was, from, is, on, after, notes] in rows {
        let text =
            format!("  {name:<8}  {was:<8} {from:<11}  {is:<8} {on:<11}  {after:>10}  {notes}");
        screen.line(text.trim_end());
    }
}

fn row(incident: &Incident, old: &Server, servers: &[Server]) -> [String; 7] {
    let host = |server: &Server| server.host.as_ref().map_or("-", HostName::as_str).to_owned();
    let new = servers.iter().find(|server| server.id == old.id);
    let after = match incident.home_at.get(&old.id) {
        Some(_) | None if old.vm_state != VmState::Active => "-".into(),
        Some(at) => format!("{} s", seconds(at.since(incident.failed_at))),
        None => "not back".into(),
    };
    let marks = [
        (old.metadata.contains_key("HA_Enabled"), "HA_Enabled"),
        (old.locked && new.is_some_and(|new| new.locked), "locked by its owner, still"),
        (old.locked && new.is_some_and(|new| !new.locked), "its owner's lock is lost"),
        (!old.locked && new.is_some_and(|new| new.locked), "left locked"),
    ];
    let marks: Vec<&str> = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect();
    [
        old.name.clone(),
        status(old).into(),
        host(old),
        new.map_or("gone", status).into(),
        new.map_or_else(|| "-".into(), host),
        after,
        marks.join(", "),
    ]
}

/// What is not as it should be with a server that was on the failed host.
fn amiss(incident: &Incident, old: &Server, world: &World, servers: &[Server]) -> Option<String> {
    let runs_on = world.running(&old.id);
    let name = &old.name;
    let new = servers.iter().find(|server| server.id == old.id)?;
    if new.host.as_ref() == Some(&incident.host) {
        return Some(format!("{name} is still on {}.", incident.host));
    }
    let ran = old.vm_state == VmState::Active;
    match runs_on.len() {
        0 if ran => Some(format!("{name} ran and does not run.")),
        1 if !ran => Some(format!("{name} was off and runs.")),
        0 | 1 => None,
        _ => Some(format!("{name} runs twice.")),
    }
}

fn truth(world: &World, servers: &[Server]) -> String {
    let (mut once, mut twice, mut off, mut down) = (0, 0, 0, 0);
    for server in servers {
        match world.running(&server.id).len() {
            0 if server.vm_state == VmState::Stopped => off += 1,
            0 => down += 1,
            1 => once += 1,
            _ => twice += 1,
        }
    }
    let all = servers.len();
    let twice =
        if twice == 0 { "none runs twice".to_owned() } else { format!("{twice} run twice") };
    let down = if down == 0 { String::new() } else { format!(", {down} do not run but should") };
    format!("Of {all} VMs, {once} run exactly once, {twice}, {off} are off as before{down}.")
}

/// What is missing when the time is over.
pub(super) fn missing(incident: Option<&Incident>, world: &World, limit_s: u64) -> String {
    let Some(incident) = incident else {
        return format!("After {limit_s} s no host has failed.");
    };
    let host = &incident.host;
    let on_host = |server: &&Server| server.host.as_ref() == Some(host);
    let servers = world.servers();
    let mut left: Vec<&str> = servers.iter().filter(on_host).map(|server| &*server.name).collect();
    left.sort_unstable();
    let reported = match incident.notification {
        Some(_) => "its failure is reported",
        None => "its failure is not even reported",
    };
    let left = if left.is_empty() { "no VM".to_owned() } else { left.join(", ") };
    format!("After {limit_s} s {host} is not recovered: {reported}, and Nova has {left} on it.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim::{Shape, SimClock};
    use std::sync::Arc;

    #[tokio::test]
    async fn a_host_that_nobody_recovered_is_told_by_its_vms() {
        let world = World::new(1, Arc::new(SimClock::new()), Shape::default());
        let host = HostName::new("compute-02");
        let incident = Incident::new(host.clone(), world.now(), world.servers());
        world.kill_host(&host);
        assert_eq!(show(Screen::new(true), &incident, &world), Verdict::NotAllBack);
        assert_eq!(
            truth(&world, &world.servers()),
            "Of 12 VMs, 6 run exactly once, none runs twice, 3 are off as before, 3 do not run but \
             should."
        );
        assert_eq!(
            missing(Some(&incident), &world, 120),
            "After 120 s compute-02 is not recovered: its failure is not even reported, and Nova has \
             vm-0005, vm-0006, vm-0007, vm-0008 on it."
        );
    }
}
