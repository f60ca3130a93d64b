//! One server has failed on a host that lives: it is stopped, started and confirmed to run.
//!
//! ```text
//!             Chosen          StopIntended     StopTaken        Stopped
//!  Choosing ─────────► ToStop ───────────► AskingStop ──► Stopping ──┐
//!     │                  ▲  ▲    StopRefused   │             │       ▼
//!     │                  │  └──────────────────┴─────────────┘    ToStart ◄─┐ StartRefused
//!     └── Chosen, it is stopped already ────────────────────────►    │      │
//!                                                       AskingStart ◄┘ ──► Starting ──► Active
//! ```
//!
//! The rules are those of Python Masakari's instance recovery. Different on purpose: a server is
//! touched only while its host's nova-compute is up and nothing evacuates it. Nova does not look at
//! that: it takes a start for a dead host, keeps it in the host's queue, and the host starts
//! a second copy of the server when it comes back. And one server is not restarted for ever.
//!
//! `AskingStop` without a call in flight means: we do not know whether Nova took it. A stop that lands
//! late would stop what we have started, so the next is asked for only after `linger_ms`. A second start
//! is refused by Nova, so that one is not waited for.

mod details;
mod judge;

pub use details::details;
pub(crate) use judge::deaf;
pub use judge::{Due, Look, judge};

use crate::fold::{Common, Fold, frame};
use crate::log::{Line, Summary};
use crate::rules::Owners;
use crate::seen::VmState;
use crate::state::Subject;
use crate::{HostName, Millis, ServerId};
use alloc::{string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// What happened in the restart of a server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// It is to be restarted.
    Chosen {
        server: ServerId,
        name: String,
        host: HostName,
        vm_state: VmState,
    },
    /// It may not be touched now.
    Blocked {
        why: String,
    },
    /// It may be touched again; the time that its host took does not count.
    Freed,
    /// We are about to stop it, after its state was reset to active if Nova would refuse it.
    StopIntended {
        reset: bool,
    },
    /// Nova took the stop.
    StopTaken,
    /// Nova did not take it, or took it and did not do it: asked again at `again_at`.
    StopRefused {
        why: String,
        again_at: Millis,
    },
    /// It is stopped.
    Stopped,
    /// We are about to start it.
    StartIntended,
    StartTaken,
    StartRefused {
        why: String,
        again_at: Millis,
    },
    /// What was meant did not reach Nova: it is asked for at `until`, and does not count.
    NotAsked {
        until: Millis,
    },
    /// It runs.
    Active,
}

/// Whether libvirt's event means that the server failed; anything else is no ground to restart it.
#[must_use]
pub fn is_failure(event: &str, domain_event: &str) -> bool {
    matches!(
        (event, domain_event),
        ("LIFECYCLE" | "QEMU_GUEST_AGENT_ERROR", "STOPPED_FAILED")
            | ("IO_ERROR", "IO_ERROR_REPORT")
    )
}

/// Which servers are restarted: the options of `[instance_failure]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rules {
    /// `ha_enabled_instance_metadata_key`.
    pub ha_key: String,
    /// `process_all_instances`: also those without that key.
    pub all: bool,
    /// How often one server may be restarted within `window_ms`; zero: as often as it fails.
    pub restarts_most: u32,
    pub window_ms: i64,
    /// `[recovery_rules]`.
    pub owners: Owners,
}

impl Default for Rules {
    fn default() -> Self {
        let (restarts_most, window_ms) = (5, 3_600_000);
        let owners = Owners::default();
        Self { ha_key: "HA_Enabled".into(), all: false, restarts_most, window_ms, owners }
    }
}

/// How long and how often things are tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// How often Nova is asked to stop the server, and how often to start it.
    pub attempts: u32,
    /// The wait before a second attempt; doubled for each further one.
    pub retry_ms: i64,
    /// How long after its intent a stop may still reach Nova.
    pub linger_ms: i64,
    /// `wait_period_after_power_off`.
    pub stop_ms: i64,
    /// `wait_period_after_power_on`.
    pub start_ms: i64,
    /// How long a server may be blocked by anything but the recovery of its host.
    pub blocked_ms: i64,
    /// `notifications_expired_interval`.
    pub expiry_ms: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            attempts: 4,
            retry_ms: 5_000,
            linger_ms: 90_000,
            stop_ms: 180_000,
            start_ms: 60_000,
            blocked_ms: 600_000,
            expiry_ms: 86_400_000,
        }
    }
}

/// Where the restart stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Stage {
    #[default]
    Choosing,
    ToStop {
        not_before: Millis,
    },
    /// We meant to ask, and may have done so.
    AskingStop {
        since: Millis,
    },
    /// Nova took it.
    Stopping {
        since: Millis,
    },
    ToStart {
        not_before: Millis,
    },
    AskingStart {
        since: Millis,
    },
    Starting {
        since: Millis,
    },
    Active,
}

/// The restart of one server.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct State {
    pub common: Common,
    pub stage: Stage,
    /// The server and the host on which it failed.
    pub chosen: Option<(ServerId, HostName)>,
    /// Since when it may not be touched, and why.
    pub blocked: Option<(Millis, String)>,
    /// When the stop, or the start, was first asked for and not held up since.
    pub stage_since: Option<Millis>,
    /// How often the present act was asked for.
    pub attempts: u32,
    /// Nova was asked for something, or may have been.
    pub acted: bool,
}

impl State {
    /// The stage after an event that changes it.
    fn after(&self, event: &Event, at: Millis) -> Result<Stage, &'static str> {
        Ok(match (event, self.stage) {
            (Event::Chosen { vm_state: VmState::Stopped, .. }, Stage::Choosing) => {
                Stage::ToStart { not_before: at }
            }
            (Event::Chosen { .. }, Stage::Choosing) => Stage::ToStop { not_before: at },
            (Event::StopIntended { .. }, Stage::ToStop { .. }) => Stage::AskingStop { since: at },
            (Event::StopTaken, Stage::AskingStop { .. }) => Stage::Stopping { since: at },
            (
                Event::StopRefused { again_at, .. },
                Stage::AskingStop { .. } | Stage::Stopping { .. },
            ) => Stage::ToStop { not_before: *again_at },
            (
                Event::Stopped,
                Stage::ToStop { .. } | Stage::AskingStop { .. } | Stage::Stopping { .. },
            ) => Stage::ToStart { not_before: at },
            (Event::NotAsked { until }, Stage::AskingStop { .. }) => {
                Stage::ToStop { not_before: *until }
            }
            (Event::NotAsked { until }, Stage::AskingStart { .. }) => {
                Stage::ToStart { not_before: *until }
            }
            (Event::StartIntended, Stage::ToStart { .. }) => Stage::AskingStart { since: at },
            (Event::StartTaken, Stage::AskingStart { .. }) => Stage::Starting { since: at },
            (
                Event::StartRefused { again_at, .. },
                Stage::AskingStart { .. } | Stage::Starting { .. },
            ) => Stage::ToStart { not_before: *again_at },
            (
                Event::Active,
                Stage::ToStart { .. } | Stage::AskingStart { .. } | Stage::Starting { .. },
            ) => Stage::Active,
            (
                Event::Chosen { .. }
                | Event::Blocked { .. }
                | Event::Freed
                | Event::StopIntended { .. }
                | Event::StopTaken
                | Event::StopRefused { .. }
                | Event::Stopped
                | Event::StartIntended
                | Event::StartTaken
                | Event::StartRefused { .. }
                | Event::NotAsked { .. }
                | Event::Active,
                _,
            ) => return Err("the restart is not as far, or further"),
        })
    }
}

impl Fold for State {
    frame!(Restart);

    fn happen(&mut self, event: &Event, at: Millis) -> Result<(), &'static str> {
        match event {
            Event::Blocked { why } => {
                let since = self.blocked.as_ref().map_or(at, |(since, _)| *since);
                self.blocked = Some((since, why.clone()));
                return Ok(());
            }
            Event::Freed => {
                self.stage_since = self.stage_since.map(|_| at);
                self.blocked = None;
                return Ok(());
            }
            Event::Chosen { .. }
            | Event::StopIntended { .. }
            | Event::StopTaken
            | Event::StopRefused { .. }
            | Event::Stopped
            | Event::StartIntended
            | Event::StartTaken
            | Event::StartRefused { .. }
            | Event::NotAsked { .. }
            | Event::Active => {}
        }
        self.stage = self.after(event, at)?;
        match event {
            Event::Chosen { server, host, .. } => {
                self.chosen = Some((server.clone(), host.clone()));
            }
            Event::StopIntended { .. } | Event::StartIntended => {
                self.acted = true;
                self.attempts += 1;
                self.stage_since = self.stage_since.or(Some(at));
            }
            Event::Stopped => (self.attempts, self.stage_since) = (0, None),
            Event::NotAsked { .. } => {
                self.attempts = self.attempts.saturating_sub(1);
                self.stage_since = None;
            }
            Event::StopTaken
            | Event::StopRefused { .. }
            | Event::StartTaken
            | Event::StartRefused { .. }
            | Event::Active
            | Event::Blocked { .. }
            | Event::Freed => {}
        }
        Ok(())
    }

    fn summaries(&self, before: &Self, lines: &[Line], _of: &Subject) -> Vec<Summary> {
        let mut summaries: Vec<Summary> = Common::hand_summaries(lines).collect();
        if let (Some((server, _)), None) = (&self.chosen, &before.chosen) {
            summaries.push(Summary::Restarted { server: server.clone() });
        }
        let status = |s: &Self| s.common.status(s.chosen.is_some());
        summaries.extend(self.common.status_summary(status(self), status(before)));
        summaries
    }
}
