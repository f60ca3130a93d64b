//! The log of a recovery as Masakari's API shows it: `recovery_workflow_details`.
//!
//! The names of the tasks, their states and the sentences of the plain case are those that clients
//! of Python Masakari know. What Python has no word for (what is missing, who is waited for,
//! a second engine taking over) are further messages of the task that it delays.

use crate::capacity::{self, CapacityEntry};
use crate::certificate;
use crate::evidence::Kind;
use crate::fold::Every;
use crate::guard::GuardEntry;
use crate::hand;
use crate::log::{Act, Entry, Line, Planned, Skipped};
use crate::nouns::NotificationStatus;
use crate::state::{Outcome, Stage, State};
use crate::steps::{Failure, StepEntry, shown};
use crate::way::WayEntry;
use crate::{HostName, Millis};
use alloc::{borrow::Cow, format, string::String, vec::Vec};

const EVACUATE: &str = "EvacuateInstancesTask";
const START: &str = "Start evacuation of instances from failed host";

/// One task of the recovery.
#[derive(Clone, PartialEq, Debug)]
pub struct Task {
    pub name: Cow<'static, str>,
    /// `RUNNING`, `SUCCESS` or `FAILURE`.
    pub state: &'static str,
    /// 0 to 1.
    pub progress: f64,
    pub messages: Vec<Message>,
}

/// One line of a task's progress.
#[derive(Clone, PartialEq, Debug)]
pub struct Message {
    pub at: Millis,
    /// 0 to 1.
    pub progress: f64,
    pub text: String,
}

impl Task {
    pub(crate) fn begin(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), state: "RUNNING", progress: 0.0, messages: Vec::new() }
    }

    pub(crate) fn say(&mut self, at: Millis, progress: f64, text: String) {
        self.progress = self.progress.max(progress);
        self.messages.push(Message { at, progress, text });
    }

    pub(crate) fn succeed(&mut self) {
        self.state = "SUCCESS";
        self.progress = 1.0;
    }
}

/// The tasks that have begun, in their order.
#[must_use]
pub fn details(lines: &[Line], host: &HostName) -> Vec<Task> {
    let mut tasks: Vec<Task> = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        tell(&mut tasks, line, lines.get(..=i).unwrap_or(lines), host);
    }
    shown(tasks, lines, Failure::Host)
}

/// A report that asks for nothing has no task.
fn has_a_task(entry: &Entry) -> bool {
    !matches!(
        entry,
        Entry::Claimed { .. }
            | Entry::Ended { .. }
            | Entry::Step(StepEntry::Flow { .. })
            | Entry::Way(WayEntry::Method { .. })
            | Entry::Guard(GuardEntry::Passed { .. })
    )
}

fn begin(tasks: &mut Vec<Task>, line: &Line, host: &HostName) {
    if tasks.is_empty() && has_a_task(&line.entry) {
        let mut disable = Task::begin("DisableComputeServiceTask");
        disable.say(line.at, 0.0, format!("Disabling compute service on host: '{host}'"));
        tasks.push(disable);
    }
}

fn tell(tasks: &mut Vec<Task>, line: &Line, so_far: &[Line], host: &HostName) {
    let at = line.at;
    begin(tasks, line, host);
    let Some(task) = tasks.last_mut() else { return };
    match &line.entry {
        Entry::Claimed { owner, generation } if *generation > 1 => {
            task.say(at, task.progress, format!("Taken over by engine {owner}"));
        }
        Entry::Proven { kind, at: true_at, evidence } if *kind > Kind::MonitorSaid => {
            let by = evidence.iter().rfind(|e| certificate::decides(e, *kind, *true_at));
            let by = by.map_or("", |e| e.source.as_str());
            task.say(at, task.progress, format!("Host '{host}' is proven dead: {kind}, {by}"));
        }
        Entry::Held { why, .. } => task.say(at, task.progress, format!("Held: {why}")),
        Entry::Guard(entry) => entry.tell(task, at),
        Entry::Shadow(entry) => entry.tell(task, at),
        Entry::Fence(entry) => entry.tell(task, at, host),
        Entry::Waiting { why } => task.say(at, task.progress, format!("Waiting: {why}")),
        Entry::ForcedDown => {
            task.say(at, task.progress, format!("Forced down compute service on host: '{host}'"));
        }
        Entry::Disabled => {
            // Planning may have begun beside it.
            if let Some(disable) = tasks.first_mut() {
                disable.say(at, 1.0, format!("Disabled compute service on host: '{host}'"));
                disable.succeed();
            }
        }
        Entry::Planned { moves, .. } if task.name == EVACUATE => {
            planned_later(task, at, so_far, host, moves)
        }
        Entry::Way(entry) => way(task, at, so_far, entry),
        Entry::Hand(word) => word.tell(task, at),
        Entry::Tier(entry) => crate::tiers::tell(task, at, so_far, entry),
        Entry::Capacity(entry) => capacity(task, at, so_far, entry),
        Entry::Planned { on_host, moves, skipped } => {
            tasks.extend(prepared(at, host, *on_host, moves, skipped));
        }
        Entry::Intended { act: Act::Evacuate, servers } => asked_for(task, at, servers),
        Entry::NotMoved { server, why, again_at, .. } => {
            let next = if again_at.is_some() { "; it will be tried again" } else { "" };
            task.say(at, 0.5, format!("Instance '{server}' was not evacuated: {why}{next}"));
        }
        Entry::NotRestored { server, why } => {
            task.say(at, 0.5, format!("Instance '{server}' was evacuated, but {why}"));
        }
        Entry::Ended { status, message } => ended(tasks, at, so_far, host, *status, message),
        Entry::Claimed { .. }
        | Entry::Proven { .. }
        | Entry::ForceDownIntended
        | Entry::DisableIntended
        | Entry::Intended { .. }
        | Entry::Did { .. }
        | Entry::Refused { .. }
        | Entry::Postponed { .. }
        | Entry::Arrived { .. }
        | Entry::Stopped { .. }
        | Entry::Gone { .. }
        | Entry::Confirmed { .. }
        | Entry::Step(_)
        | Entry::Restart(_)
        | Entry::Process(_)
        | Entry::Return(_)
        | Entry::Drill(_)
        | Entry::Drain(_) => {}
    }
}

/// What happens in every recovery, in that of one server or one service: the last task tells it.
pub(crate) fn tell_every(tasks: &mut [Task], at: Millis, entry: &Every<'_>) {
    let Some(last) = tasks.last_mut() else { return };
    match entry {
        Every::Claimed { owner, generation } if *generation > 1 => {
            last.say(at, last.progress, format!("Taken over by engine {owner}"));
        }
        Every::Claimed { .. } | Every::Step(_) => {}
        Every::Waiting { why } => last.say(at, last.progress, format!("Waiting: {why}")),
        Every::Hand(word) => word.tell(last, at),
        Every::Ended { status, message } => {
            if let Some(message) = message {
                last.say(at, 1.0, (*message).clone());
            }
            let cancelled = message.is_some_and(|message| hand::was_cancelled(message));
            match status {
                NotificationStatus::Ignored if cancelled => last.state = "FAILURE",
                NotificationStatus::Finished | NotificationStatus::Ignored => last.succeed(),
                NotificationStatus::Failed
                | NotificationStatus::Error
                | NotificationStatus::New
                | NotificationStatus::Running => last.state = "FAILURE",
            }
        }
    }
}

/// Each server once for each plan.
fn asked_for(task: &mut Task, at: Millis, servers: &[crate::ServerId]) {
    for server in servers {
        let text = format!("Evacuation of instance started: '{server}'");
        let since = task.messages.iter().rev().take_while(|m| !m.text.starts_with(START));
        if !since.into_iter().any(|m| m.text == text) {
            task.say(at, 0.5, text);
        }
    }
}

/// Planning is one moment for us; clients know it as a task with five messages.
fn prepared(
    at: Millis,
    host: &HostName,
    on_host: u32,
    moves: &[Planned],
    skipped: &[Skipped],
) -> Vec<Task> {
    let mut task = Task::begin("PrepareHAEnabledInstancesTask");
    let (quarantined, moves): (Vec<_>, Vec<&Planned>) =
        moves.iter().partition(|m| m.quarantine.is_some());
    let with_key = moves.iter().filter(|m| m.ha_enabled).count();
    let without = moves.len() - with_key;
    task.say(at, 0.0, "Preparing instances for evacuation".into());
    task.say(at, 0.3, format!("Total instances running on failed host '{host}' is {on_host}"));
    for Skipped { server, why, .. } in skipped {
        task.say(at, 0.4, format!("Instance '{server}' stays: {why}"));
    }
    for (m, why) in quarantined.iter().filter_map(|m| Some((m, m.quarantine.as_ref()?))) {
        task.say(at, 0.4, format!("Instance '{}' is not evacuated: {why}", m.server));
    }
    task.say(at, 0.6, format!("Total HA Enabled instances count: '{with_key}'"));
    let only_with_key = skipped.iter().any(|s| s.left.is_none() && s.why.contains("HA_Enabled"));
    if !only_with_key {
        task.say(at, 0.7, format!("Total Non-HA Enabled instances count: '{without}'"));
        let text = "All instances (HA Enabled/Non-HA Enabled) should be considered for evacuation.";
        task.say(at, 0.8, format!("{text} Total count is: '{}'", moves.len()));
    }
    if moves.is_empty() {
        let text = "recovery as no instances needs to be evacuated";
        task.say(at, 1.0, format!("Skipped host '{host}' {text}"));
        task.succeed();
        return Vec::from([task]);
    }
    let ids = joined(moves.iter().map(|m| m.server.as_str()));
    task.say(at, 1.0, format!("Instances to be evacuated are: '{ids}'"));
    task.succeed();
    let mut evacuate = Task::begin(EVACUATE);
    evacuate.say(at, 0.0, format!("{START} '{host}', instance uuids are: '{ids}'"));
    Vec::from([task, evacuate])
}

/// What a way left behind, as Python's next attempt tells it; or what was found later.
fn planned_later(task: &mut Task, at: Millis, so_far: &[Line], host: &HostName, moves: &[Planned]) {
    // A retry lists the host anew, and may find nothing new there.
    if moves.is_empty() {
        return;
    }
    let before = so_far.split_last().map_or(&[][..], |(_, before)| before);
    let again: Vec<&str> = State::fold(before).map_or(Vec::new(), |state| {
        let known = moves.iter().filter(|m| state.moves.contains_key(&m.server));
        known.map(|m| m.server.as_str()).collect()
    });
    let ids = joined(moves.iter().map(|m| m.server.as_str()));
    if again.is_empty() {
        task.say(at, 0.5, format!("Instances found later, to be evacuated too: '{ids}'"));
        return;
    }
    let failed = joined(again.into_iter());
    task.say(at, 0.7, format!("Failed to evacuate instances '{failed}' from host '{host}'"));
    task.say(at, 0.0, format!("{START} '{host}', instance uuids are: '{ids}'"));
}

fn capacity(task: &mut Task, at: Millis, so_far: &[Line], entry: &CapacityEntry) {
    let before = so_far.split_last().map_or(&[][..], |(_, before)| before);
    if let Some(text) = capacity::detail(entry, before) {
        task.say(at, 0.5, text);
    }
}

fn way(task: &mut Task, at: Millis, so_far: &[Line], entry: &WayEntry) {
    match entry {
        WayEntry::Taken { reserve } => {
            let host = &reserve.host;
            task.say(at, 0.1, format!("Enabling reserved host: '{host}'"));
            for aggregate in &reserve.aggregates {
                let name = &aggregate.name;
                task.say(at, 0.2, format!("Add host {host} to aggregate {name}"));
            }
        }
        WayEntry::Ready { host } => {
            let mut taken = None;
            for line in so_far {
                if let Entry::Way(WayEntry::Taken { reserve }) = &line.entry {
                    taken = Some(reserve).filter(|reserve| reserve.host == *host);
                }
            }
            for aggregate in taken.iter().flat_map(|reserve| &reserve.aggregates) {
                let name = &aggregate.name;
                task.say(at, 0.3, format!("Added host {host} to aggregate {name}"));
            }
        }
        WayEntry::Passed { host, why } => {
            task.say(at, 0.1, format!("Reserved host '{host}' is passed over: {why}"));
        }
        WayEntry::HandedBack { host } => {
            let text = format!("Reserved host '{host}' took no instance and is reserved again");
            task.say(at, 0.7, text);
        }
        WayEntry::Over { why } => task.say(at, 0.7, why.clone()),
        WayEntry::Method { .. }
        | WayEntry::Within { .. }
        | WayEntry::Left { .. }
        | WayEntry::Waits => {}
    }
}

fn ended(
    tasks: &mut [Task],
    at: Millis,
    lines: &[Line],
    host: &HostName,
    status: NotificationStatus,
    message: &Option<String>,
) {
    let Some((task, before)) = tasks.split_last_mut() else { return };
    // A host without a compute service has nothing to disable.
    before.iter_mut().filter(|t| t.state == "RUNNING").for_each(Task::succeed);
    if task.name == EVACUATE {
        say_who_moved(task, at, lines, host);
    }
    match (status, message) {
        (NotificationStatus::Ignored, Some(message)) if hand::was_cancelled(message) => {
            task.state = "FAILURE";
            task.say(at, task.progress, message.clone());
        }
        (NotificationStatus::Finished | NotificationStatus::Ignored, _) => {
            if task.name == EVACUATE {
                task.say(at, 1.0, "Evacuation process completed!".into());
            }
            task.succeed();
        }
        (
            NotificationStatus::Failed
            | NotificationStatus::Error
            | NotificationStatus::New
            | NotificationStatus::Running,
            message,
        ) => {
            task.state = "FAILURE";
            if let Some(message) = message {
                task.say(at, task.progress, message.clone());
            }
        }
    }
}

fn say_who_moved(task: &mut Task, at: Millis, lines: &[Line], host: &HostName) {
    let Ok(state) = State::fold(lines) else { return };
    let ids = |wanted: fn(&Outcome) -> bool| {
        joined(state.moves.iter().filter_map(|(id, m)| match &m.stage {
            Stage::Ended { outcome } if wanted(outcome) => Some(id.as_str()),
            Stage::Ended { .. }
            | Stage::Waiting { .. }
            | Stage::Asking { .. }
            | Stage::Moving { .. }
            | Stage::Arrived { .. }
            | Stage::Stopping { .. }
            | Stage::Settling { .. } => None,
        }))
    };
    let moved = ids(|o| matches!(o, Outcome::Succeeded { .. }));
    let failed = ids(|o| matches!(o, Outcome::Failed { .. }));
    if !moved.is_empty() {
        let text = format!("Successfully evacuate instances '{moved}' from host '{host}'");
        task.say(at, 0.7, text);
    }
    if !failed.is_empty() {
        task.say(at, 0.7, format!("Failed to evacuate instances '{failed}' from host '{host}'"));
    }
}

fn joined<'a>(ids: impl Iterator<Item = &'a str>) -> String {
    ids.collect::<Vec<_>>().join(",")
}
