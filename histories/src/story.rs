//! What happened, in order: as it was written down, and for people.

use crate::{coverage, tale::Stage, whole::Whole};
use recovery::{
    Millis, NotificationId,
    log::{Entry, Line},
};
use sim::Process;

impl Stage {
    /// The logs of the hosts, and of the recoveries.
    #[must_use]
    pub fn logs(&self) -> Vec<(NotificationId, Vec<Line>)> {
        let hosts = self.world.hosts().into_iter().map(|host| format!("id-{host}"));
        let reports = self.memory.all_notifications().into_iter().map(|n| n.uuid);
        let logs = hosts.map(NotificationId::new).chain(reports);
        logs.map(|log| (log.clone(), self.memory.lines(&log))).collect()
    }

    /// Something happened.
    pub fn note(&self, what: String) {
        self.notes.lock().unwrap().push((self.clock.wall(), what));
    }

    /// It is noted where.
    pub fn died(&self, process: &Process) {
        let place = process.died_at().map_or_else(String::new, |(place, when)| {
            format!(", {} '{place}'", format!("{when:?}").to_lowercase())
        });
        self.note(format!("{} dies{place}", process.id()));
    }

    fn in_the_world(&self) -> Vec<(i64, String)> {
        let told = |line: String| {
            let (at, what) = line.split_once(' ').unwrap_or(("0", &line));
            (at.parse().unwrap_or(0), what.to_owned())
        };
        self.world.story().into_iter().map(told).collect()
    }

    /// The scene, and what the world and the logs tell.
    #[must_use]
    pub fn story(&self) -> String {
        let mut lines = self.in_the_world();
        for (log, entries) in self.logs() {
            for line in entries {
                let entry = serde_json::to_string(&line.entry).unwrap_or_default();
                lines.push((line.at.0, format!("{log} #{} {entry}", line.seq)));
            }
        }
        lines.sort_by_key(|(at, _)| *at);
        let began = self.began.0;
        let shown = lines.iter().map(|(at, what)| format!("  {:>8} {what}", at - began));
        format!("{:?}\n{}", self.scene, shown.collect::<Vec<_>>().join("\n"))
    }

    /// The same for people, with how it ended.
    #[must_use]
    pub fn for_people(&self) -> String {
        let mut lines = self.in_the_world();
        for (log, entries) in self.logs() {
            lines.extend(entries.iter().map(|line| (line.at.0, format!("{log}: {}", said(line)))));
        }
        let notes = self.notes.lock().unwrap().clone();
        lines.extend(notes.iter().map(|(at, what)| (at.0, format!("* {what}"))));
        lines.sort_by_key(|(at, _)| *at);
        let mut told = self.plot();
        told.extend(lines.iter().map(|(at, what)| format!("{} {what}", self.after(Millis(*at)))));
        for report in self.memory.all_notifications() {
            let why = report.message.map(|why| format!(": {why}")).unwrap_or_default();
            told.push(format!("The report of {} ended {}{why}", report.source_host, report.status));
        }
        told.push(format!("{} events", coverage::events(self)));
        told.join("\n")
    }

    fn after(&self, at: Millis) -> String {
        let ms = at.since(self.began).max(0);
        format!("{:>6}.{:03} s", ms / 1_000, ms % 1_000)
    }

    /// What is meant to happen.
    fn plot(&self) -> Vec<String> {
        let scene = &self.scene;
        let (shape, engines) = (&scene.shape, scene.engines.len());
        let mut plot = vec![format!(
            "Seed {}: {} hosts with {} VMs each, {engines} engines.",
            scene.seed, shape.hosts, shape.vms_per_host
        )];
        if let Some(faults) = &scene.faults {
            plot.push(format!("Fails for a while: {faults:?}"));
        }
        if let Some(fence) = &scene.fence {
            plot.push(format!("Hosts have BMCs: {:?}, and hang: {}", fence.bmc, fence.hangs));
        }
        for (n, engine) in scene.engines.iter().enumerate() {
            plot.push(format!("engine-{n}: {engine:?}"));
        }
        if let Some(Whole { api_deaths, repeats, .. }) = &scene.whole {
            plot.push(format!("API processes die at {api_deaths:?}; repeated {repeats} times"));
        }
        plot
    }
}

/// A line of a log, in words.
fn said(line: &Line) -> String {
    let (_, name) = coverage::named(&line.entry);
    let why = match &line.entry {
        Entry::Held { why, .. } | Entry::Waiting { why } | Entry::Refused { why, .. } => {
            Some(why.clone())
        }
        Entry::Ended { message, .. } => message.clone(),
        Entry::Intended { servers, .. } | Entry::Did { servers, .. } => {
            Some(format!("{} VMs", servers.len()))
        }
        Entry::Arrived { servers } => Some(format!("{} VMs", servers.len())),
        _ => None,
    };
    name + &why.map(|why| format!(" ({why})")).unwrap_or_default()
}
