//! A process of a host has failed: the host goes on maintenance and, when it was `nova-compute`, its
//! service is disabled, so that Nova places nothing new there.
//!
//! Nothing is stopped, moved or started. Disabling may be done twice and late: it is a state that only
//! a person ends.

mod details;

pub use details::details;

use crate::fold::{Common, Fold, frame};
use crate::log::{Entry, Line, Summary};
use crate::nouns::NotificationStatus;
use crate::seen::ComputeService;
use crate::state::Subject;
use crate::steps::{self, Next, Place};
use crate::{HostName, Millis, ServiceId};
use alloc::{format, string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// The one process whose failure takes the host's service out of service.
pub const NOVA_COMPUTE: &str = "nova-compute";
const LOOK_EVERY_MS: i64 = 1_000;

/// What happened after a process failed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The host goes on maintenance.
    Stopped {
        process: String,
    },
    /// Somebody had disabled the service before.
    AlreadyDisabled,
    /// We are about to disable it.
    DisableIntended,
    /// Nova took that.
    DisableTaken,
    DisableRefused {
        why: String,
        again_at: Millis,
    },
    /// What was meant did not reach Nova: it is asked for at `until`, and does not count.
    NotAsked {
        until: Millis,
    },
    /// Nova shows it disabled.
    Confirmed,
}

/// What a report of a process says, parsed once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Report {
    Started,
    Stopped { process: String },
}

impl Report {
    /// Reads the words as Masakari's engine does; `None` for an event that is neither word.
    #[must_use]
    pub fn read(event: &str, process: &str) -> Option<Self> {
        if event.eq_ignore_ascii_case("STARTED") {
            Some(Self::Started)
        } else if event.eq_ignore_ascii_case("STOPPED") {
            Some(Self::Stopped { process: process.into() })
        } else {
            None
        }
    }
}

/// How long and how often things are tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    pub attempts: u32,
    /// The wait before a second attempt; doubled for each further one.
    pub retry_ms: i64,
    /// `wait_period_after_service_update`: until when a disabled service must show as disabled.
    pub confirm_ms: i64,
    /// `notifications_expired_interval`.
    pub expiry_ms: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { attempts: 4, retry_ms: 5_000, confirm_ms: 180_000, expiry_ms: 86_400_000 }
    }
}

/// How far the service is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Stage {
    /// The host is not on maintenance yet.
    #[default]
    Reported,
    ToDisable {
        not_before: Millis,
    },
    /// We meant to ask, and may have done so.
    Asking,
    Disabling {
        since: Millis,
    },
    Confirmed,
}

/// What became of one report of a process.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct State {
    pub common: Common,
    pub stage: Stage,
    pub attempts: u32,
}

/// What is to be done now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Due {
    /// Write that, and ask again.
    Note(Vec<Entry>),
    Disable(ServiceId),
    /// A step of the operator's own.
    RunStep(steps::Run),
    /// Look again then.
    Wait {
        until: Millis,
    },
}

/// What is to be done before anything is looked at; `None`: look at the host's service.
#[must_use]
pub fn at_first(state: &State, process: &str, limits: &Limits, now: Millis) -> Option<Due> {
    if state.common.expired(limits.expiry_ms, now) {
        return Some(Due::Note(Vec::from([state.common.given_up(limits.expiry_ms)])));
    }
    if state.stage == Stage::Reported {
        return Some(note(Event::Stopped { process: process.into() }));
    }
    if process != NOVA_COMPUTE {
        let why = format!("Skipping recovery for process: {process}.");
        return Some(ended(NotificationStatus::Finished, Some(why)));
    }
    None
}

/// What the look at the host's service means.
#[must_use]
pub fn judge(
    state: &State,
    limits: &Limits,
    host: &HostName,
    service: Option<&ComputeService>,
    now: Millis,
) -> Due {
    let Some(service) = service else {
        let why = format!("Nova has no {NOVA_COMPUTE} on host '{host}'");
        return ended(NotificationStatus::Failed, Some(why));
    };
    if let Some(why) = state.common.steps.failed() {
        return ended(NotificationStatus::Failed, Some(why.into()));
    }
    if let Some(due) = own_step(state, now) {
        return due;
    }
    let left_out = |task| state.common.steps.leave_out(task);
    match state.stage {
        Stage::ToDisable { not_before } if service.enabled && left_out(steps::DISABLE_NODE) => {
            until_somebody_disables_it(state, limits, not_before, now)
        }
        Stage::Disabling { .. } if left_out(steps::CONFIRM_DISABLED) => at_the_end(state, now),
        Stage::Reported => Due::Wait { until: now },
        Stage::Confirmed => ended(NotificationStatus::Finished, None),
        Stage::ToDisable { .. } if !service.enabled => note(Event::AlreadyDisabled),
        Stage::ToDisable { .. } if state.attempts >= limits.attempts => not_disabled(),
        Stage::ToDisable { not_before } if not_before > now => {
            Due::Wait { until: not_before.min(now.plus(LOOK_EVERY_MS)) }
        }
        // To ask twice does no harm.
        Stage::ToDisable { .. } => Due::Disable(service.id.clone()),
        Stage::Asking | Stage::Disabling { .. } if !service.enabled => note(Event::Confirmed),
        Stage::Asking => note(Event::NotAsked { until: now.plus(LOOK_EVERY_MS) }),
        Stage::Disabling { since } if now.since(since) >= limits.confirm_ms => not_disabled(),
        Stage::Disabling { .. } => Due::Wait { until: now.plus(LOOK_EVERY_MS) },
    }
}

/// The operator leaves it to others to disable it.
fn until_somebody_disables_it(
    state: &State,
    limits: &Limits,
    not_before: Millis,
    now: Millis,
) -> Due {
    let steps = &state.common.steps;
    if steps.leave_out(steps::CONFIRM_DISABLED) {
        return at_the_end(state, now);
    }
    let since = steps.over_at.map_or(not_before, |over| over.max(not_before));
    if let Some(next) = steps.next(Place::Second, now) {
        return of_step(next, now);
    }
    if now.since(since) >= limits.confirm_ms {
        return not_disabled();
    }
    Due::Wait { until: now.plus(LOOK_EVERY_MS) }
}

/// The operator's steps that come before what this stage is about.
fn own_step(state: &State, now: Millis) -> Option<Due> {
    let upto = match state.stage {
        Stage::ToDisable { .. } => Place::First,
        Stage::Disabling { .. } => Place::Second,
        Stage::Confirmed => Place::End,
        Stage::Reported | Stage::Asking => return None,
    };
    state.common.steps.next(upto, now).map(|next| of_step(next, now))
}

fn at_the_end(state: &State, now: Millis) -> Due {
    match state.common.steps.next(Place::End, now) {
        Some(next) => of_step(next, now),
        None => ended(NotificationStatus::Finished, None),
    }
}

fn of_step(next: Next, now: Millis) -> Due {
    match next {
        Next::Run(run) => Due::RunStep(run),
        Next::Note(entry) => Due::Note(Vec::from([entry])),
        Next::Wait { until } => Due::Wait { until: until.min(now.plus(LOOK_EVERY_MS)) },
    }
}

fn not_disabled() -> Due {
    ended(NotificationStatus::Failed, Some(format!("Failed to disable service {NOVA_COMPUTE}")))
}

fn note(event: Event) -> Due {
    Due::Note(Vec::from([Entry::Process(event)]))
}

fn ended(status: NotificationStatus, message: Option<String>) -> Due {
    Due::Note(Vec::from([Entry::Ended { status, message }]))
}

impl State {
    fn after(&self, event: &Event, at: Millis) -> Result<Stage, &'static str> {
        Ok(match (event, self.stage) {
            (Event::Stopped { .. }, Stage::Reported) => Stage::ToDisable { not_before: at },
            (Event::AlreadyDisabled, Stage::ToDisable { .. }) => Stage::Disabling { since: at },
            (Event::DisableIntended, Stage::ToDisable { .. }) => Stage::Asking,
            (Event::DisableTaken, Stage::Asking) => Stage::Disabling { since: at },
            (Event::DisableRefused { again_at, .. }, Stage::Asking) => {
                Stage::ToDisable { not_before: *again_at }
            }
            (Event::NotAsked { until }, Stage::Asking) => Stage::ToDisable { not_before: *until },
            (Event::Confirmed, Stage::Asking | Stage::Disabling { .. }) => Stage::Confirmed,
            (
                Event::Stopped { .. }
                | Event::AlreadyDisabled
                | Event::DisableIntended
                | Event::DisableTaken
                | Event::DisableRefused { .. }
                | Event::NotAsked { .. }
                | Event::Confirmed,
                _,
            ) => return Err("the service is not as far, or further"),
        })
    }
}

impl Fold for State {
    frame!(Process);

    fn happen(&mut self, event: &Event, at: Millis) -> Result<(), &'static str> {
        self.stage = self.after(event, at)?;
        match event {
            Event::DisableIntended => self.attempts += 1,
            Event::NotAsked { .. } => self.attempts = self.attempts.saturating_sub(1),
            Event::Stopped { .. }
            | Event::AlreadyDisabled
            | Event::DisableTaken
            | Event::DisableRefused { .. }
            | Event::Confirmed => {}
        }
        Ok(())
    }

    fn summaries(&self, before: &Self, lines: &[Line], of: &Subject) -> Vec<Summary> {
        let begun = |s: &Self| s.stage != Stage::Reported;
        let mut summaries: Vec<Summary> = Common::hand_summaries(lines).collect();
        if begun(self) && !begun(before) {
            summaries.push(Summary::OnMaintenanceForProcess(of.host_id.clone()));
        }
        let status = |s: &Self| s.common.status(begun(s));
        summaries.extend(self.common.status_summary(status(self), status(before)));
        summaries
    }
}
