//! The way back: a host that a recovery took out of service, and that has come back, returns to service.
//!
//! ```text
//!            Lost           Seen                Intended ──► Done           Back
//!  InService ────► Away ──────────► Heard ──────────▲──────────┘  ─────────────► InService
//!                   ▲     Silent      │
//!                   └─────────────────┘        Lost: from anywhere to Away
//! ```
//!
//! Only what a recovery of ours did is undone, each thing under the host's own lease, so never while a
//! recovery of it runs. Nothing is started anywhere by it. Before anything is undone the host is heard without a
//! gap for a while, and Nova's records show that the copies of what was evacuated are destroyed: nova-compute does
//! that when it starts, and turns each record from `done` to `completed`. A host that is lost again soon waits
//! twice as long, and at its limit for a person.
//!
//! The log of a host's losses and returns is one, under the host's own id ([`log_of`]); it never ends. What Nova
//! shows says what is left to undo, so everything may be done twice. How long the host was heard is not in it:
//! an engine believes its own ears only, and begins anew where another has stopped.

mod judge;
mod losses;
mod power;
mod shown;

pub use judge::{Due, Look, judge};
pub use losses::{Did, Spare};
pub use power::Power;
pub use shown::{Standing, standing};

use crate::fold::{Common, Fold, Of, frame};
use crate::log::{Line, Summary};
use crate::seen::ComputeService;
use crate::state::{self, Subject};
use crate::{HostId, Millis, NotificationId};
use alloc::{collections::BTreeMap, format, string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// A heartbeat that is no older than this says that the host is there: Nova's own `service_down_time`.
pub const HEARD_MS: i64 = 60_000;
/// No host waits longer for being lost often.
const PROBATION_MOST_MS: i64 = 3_600_000;
/// So many losses of a host are remembered.
const LOSSES_MOST: usize = 64;

/// What is undone in Nova, in this order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Nova believes its heartbeats again.
    ForceUp,
    /// Its service takes servers again.
    Enable,
    /// Its service stays disabled, with the reason that the reserved host had whose place it takes.
    Reserve,
}

/// What happened to the host.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// This recovery of it has ended, and did this to it.
    Lost {
        recovery: NotificationId,
        did: Did,
    },
    /// It is heard again.
    Seen {
        heartbeat: Millis,
    },
    /// It is not heard any more.
    Silent,
    /// Why it does not go on.
    Waits {
        why: String,
    },
    /// A person wants it back now. `request`: the row that this answers.
    Asked {
        request: Option<String>,
        by: String,
        why: Option<String>,
        /// It is to be switched on before.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        power_on: bool,
    },
    /// Its fence device is about to be told to give it its power back.
    OnIntended,
    /// It has its power. `path`: what each device came to.
    On {
        path: Vec<String>,
    },
    NotOn {
        path: Vec<String>,
        again_at: Millis,
    },
    /// We are about to do that.
    Intended {
        act: Act,
    },
    /// Nova took it.
    Done {
        act: Act,
    },
    Refused {
        act: Act,
        why: String,
        again_at: Millis,
    },
    /// It did not reach Nova.
    NotAsked {
        act: Act,
        until: Millis,
    },
    /// It is in service, or in reserve.
    Back {
        reserved: bool,
    },
}

/// What a client of Masakari's API has said of the maintenance of a host that is away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Word {
    /// `on_maintenance` was set: it stays away until a person asks for it.
    Stay,
    /// `on_maintenance` was taken off: it comes back as soon as it can.
    Return,
}

/// `[return]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// Without it a host returns only when a person asks for that.
    pub automatic: bool,
    /// How long it is heard without a gap before it returns; doubled for each loss before within the window.
    pub probation_ms: i64,
    pub flap_window_ms: i64,
    /// After so many losses within the window it waits for a person; 0: never.
    pub flap_limit: u32,
    /// It takes the place of the reserved host that its recovery used up.
    pub refill: bool,
    /// A host that was switched off by its fence device is switched on again when its recovery has finished.
    pub power_on: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            automatic: true,
            probation_ms: 300_000,
            flap_window_ms: 86_400_000,
            flap_limit: 4,
            refill: true,
            power_on: false,
        }
    }
}

/// Under which id the log of a host stands: its own.
#[must_use]
pub fn log_of(host: &HostId) -> NotificationId {
    NotificationId::new(host.as_str())
}

/// How far the host is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Stage {
    /// Nothing is known of it, or it is back.
    #[default]
    InService,
    /// Lost, and not heard since.
    Away,
    /// It is there again.
    Heard,
}

/// A host's losses and returns, folded up.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct State {
    pub common: Common,
    pub stage: Stage,
    /// When it came there.
    pub since: Option<Millis>,
    /// What recoveries did to it since it was last in service.
    pub did: Did,
    /// The recoveries that did it.
    pub by: Vec<NotificationId>,
    /// Those and earlier ones, by the end of the last of each; a person's word forgets them.
    pub losses: BTreeMap<NotificationId, Millis>,
    /// Who wants it back now.
    pub asked: Option<String>,
    pub power: Power,
    /// What it waits for, when that was written last.
    pub why: Option<String>,
    /// What we are about to do, or may have done.
    pub asking: Option<Act>,
    attempts: u32,
    not_before: Option<Millis>,
    /// When we last changed its service: Nova shows that as its last heartbeat.
    pub wrote_at: Option<Millis>,
}

impl State {
    fn lose(&mut self, recovery: &NotificationId, did: &Did, at: Millis) {
        if self.stage == Stage::InService {
            (self.did, self.by) = (Did::default(), Vec::new());
        }
        self.did.add(did);
        if !self.by.contains(recovery) {
            self.by.push(recovery.clone());
        }
        self.losses.insert(recovery.clone(), at);
        if self.losses.len() > LOSSES_MOST {
            let oldest = self.losses.iter().min_by_key(|(_, at)| **at).map(|(id, _)| id.clone());
            oldest.map(|id| self.losses.remove(&id));
        }
        (self.asked, self.asking, self.power) = (None, None, Power::default());
        self.comes_to(Stage::Away, at);
    }

    fn comes_to(&mut self, stage: Stage, at: Millis) {
        (self.stage, self.since) = (stage, Some(at));
        (self.why, self.attempts, self.not_before) = (None, 0, None);
    }

    fn answered(&mut self, act: Act) -> Result<(), &'static str> {
        match self.asking.take() {
            Some(asking) if asking == act => Ok(()),
            Some(_) | None => Err("nobody was about to do that"),
        }
    }

    /// When something that Nova refused is tried again.
    #[must_use]
    pub fn again_at(&self, now: Millis) -> Millis {
        const RETRY_MS: i64 = 5_000;
        // Tried as long as it takes, at last every five minutes.
        crate::fold::again_at(RETRY_MS, self.attempts.min(7), now)
    }
}

impl Fold for State {
    frame!(Return);

    fn happen(&mut self, event: &Event, at: Millis) -> Result<(), &'static str> {
        match (event, self.stage) {
            (Event::Lost { recovery, did }, _) => self.lose(recovery, did, at),
            (Event::Seen { .. }, Stage::Away) => self.comes_to(Stage::Heard, at),
            (Event::Silent, Stage::Heard) => self.comes_to(Stage::Away, at),
            (Event::Waits { why }, Stage::Away | Stage::Heard) => self.why = Some(why.clone()),
            (Event::Asked { by, why, power_on, .. }, Stage::Away | Stage::Heard) => {
                self.power.wish(*power_on);
                let because = why.as_ref().map_or(String::new(), |why| format!(": {why}"));
                self.asked = Some(format!("{by}{because}"));
                self.why = None;
                self.losses.retain(|recovery, _| self.by.contains(recovery));
            }
            (Event::OnIntended, Stage::Away) => self.power.intend(),
            (Event::On { path }, Stage::Away) => self.why = Some(self.power.is_on(path)),
            (Event::NotOn { path, again_at }, Stage::Away) => {
                self.why = Some(self.power.is_not_on(path, *again_at));
            }
            (Event::Intended { act }, Stage::Heard) => {
                (self.asking, self.wrote_at) = (Some(*act), Some(at));
                self.attempts = self.attempts.saturating_add(1);
            }
            (Event::Done { act }, Stage::Heard) => {
                self.answered(*act)?;
                (self.attempts, self.not_before, self.why) = (0, None, None);
                self.wrote_at = Some(at);
            }
            (Event::Refused { act, why, again_at }, Stage::Heard) => {
                self.answered(*act)?;
                (self.not_before, self.why) = (Some(*again_at), Some(refused(*act, why)));
            }
            (Event::NotAsked { act, until }, Stage::Heard) => {
                self.answered(*act)?;
                self.attempts = self.attempts.saturating_sub(1);
                self.not_before = Some(*until);
            }
            (Event::Back { .. }, Stage::Heard) => {
                self.asked = None;
                self.comes_to(Stage::InService, at);
            }
            (
                Event::Seen { .. }
                | Event::Silent
                | Event::Waits { .. }
                | Event::Asked { .. }
                | Event::OnIntended
                | Event::On { .. }
                | Event::NotOn { .. }
                | Event::Intended { .. }
                | Event::Done { .. }
                | Event::Refused { .. }
                | Event::NotAsked { .. }
                | Event::Back { .. },
                Stage::InService | Stage::Away | Stage::Heard,
            ) => return Err("the host is not as far, or further"),
        }
        Ok(())
    }

    fn summaries(&self, before: &Self, lines: &[Line], of: &Subject) -> Vec<Summary> {
        let mut summaries = Vec::new();
        for line in lines {
            match line.entry.of() {
                Of::Return(Event::Asked { request: Some(request), power_on, .. }) => {
                    let first = if *power_on { power::GRANTED } else { "" };
                    let (request, answer) = (request.clone(), format!("{first}{GRANTED}"));
                    summaries.push(Summary::Answered { request, answer });
                }
                Of::Return(Event::Back { reserved }) => summaries.push(Summary::Returned {
                    host: of.host_id.clone(),
                    reserved: *reserved,
                    recoveries: before.by.clone(),
                }),
                Of::Return(_)
                | Of::Every(_)
                | Of::Host
                | Of::Restart(_)
                | Of::Process(_)
                | Of::Drill(_)
                | Of::Drain(_) => {}
            }
        }
        summaries
    }
}

const GRANTED: &str = "it returns to service, without probation, as soon as Nova hears it and shows that the \
                       copies of what was evacuated from it are destroyed; `masakari return --list` tells how far it is";

fn refused(act: Act, why: &str) -> String {
    let what = match act {
        Act::ForceUp => "take back that it is forced down",
        Act::Enable => "enable its compute service",
        Act::Reserve => "keep its compute service in reserve",
    };
    format!("Nova refused to {what}: {why}; it is tried again")
}

/// Whether Nova says that the host is there now.
#[must_use]
pub fn is_heard(service: &ComputeService, heartbeat: Option<Millis>, now: Millis) -> bool {
    let fresh = heartbeat.is_some_and(|at| now.since(at) <= HEARD_MS);
    fresh && (service.up || service.forced_down)
}

/// What one engine has heard of a host without a gap, by its heartbeats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heard {
    pub first: Millis,
    pub last: Millis,
}

impl Heard {
    /// What is known after a look; `None`: the host is not heard. `gap_ms`: the looks are so far apart at most.
    #[must_use]
    pub fn after(
        known: Option<Self>,
        service: Option<&ComputeService>,
        gap_ms: i64,
        now: Millis,
    ) -> Option<Self> {
        let service = service?;
        // Where Nova shows a write of ours instead, the one before counts.
        let last = service.heartbeat_at.or_else(|| known.map(|heard| heard.last));
        let last = last.filter(|last| is_heard(service, Some(*last), now))?;
        let goes_on = known.filter(|heard| last.since(heard.last) <= HEARD_MS + gap_ms);
        Some(Self { first: goes_on.map_or(last, |heard| heard.first), last })
    }

    /// For how long.
    #[must_use]
    pub fn ms(self) -> i64 {
        self.last.since(self.first)
    }
}

/// What the end of a host's recovery leaves behind: a host that is out of service.
pub(crate) fn left(now: &state::State, before: &state::State, of: &Subject) -> Option<Summary> {
    let ends = now.status().is_terminal() && !before.status().is_terminal();
    (ends && now.proven.is_some()).then(|| Summary::Away(of.host_id.clone()))
}

/// Whether the host's service is disabled for this reason; Nova shows no more of it than it has room for.
fn is_reason(shown: Option<&str>, reason: &str) -> bool {
    const KEPT_BYTES: usize = 200;
    let shown = shown.unwrap_or_default();
    shown == reason || (shown.len() > KEPT_BYTES && reason.starts_with(shown))
}

impl Spare {
    /// Why it was out of service.
    #[must_use]
    pub fn told(&self) -> &str {
        self.reason.as_deref().unwrap_or("reserved for Masakari")
    }
}
