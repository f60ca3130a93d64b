//! `masakari fence test`: a host without servers is switched off by its own fence devices and on again, because a person
//! wants to know whether that works.
//!
//! ```text
//!  Asked ──► Begun ──► Announced ──► SwitchingOff ──► ToSwitchOn ──► the end, which answers the request
//!    │         │           │              └───────────────▲
//!  refused     └───────────┴──► the end: it is not fit any more, and nothing was switched off
//! ```
//!
//! What it finds is no evidence: the host lives on, and nothing is ever evacuated for it. Its log stands under the
//! request's own id. Before anything is switched off it is announced, as a planned stop, so that nobody takes the
//! silence for a death. Whatever switching it off came to, and whoever goes on with it, the host gets its power back:
//! only a recovery that has begun meanwhile keeps it off. Who takes over while it is switched off does not switch it
//! off again, and waits until an order that was on its way has arrived.

mod fit;

pub use fit::{Look, Rescue, Row, unfit, withheld};

use crate::fold::{Common, Fold, frame};
use crate::log::{Entry, Line, Summary};
use crate::nouns::NotificationStatus;
use crate::state::Subject;
use crate::{HostName, Millis};
use alloc::{format, string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// For so long it is no failure that the host is away: switched off, switched on, booted.
pub const STOP_MS: i64 = 30 * 60_000;
/// What Nova was about to start there when it was looked at first is shown on the host by then.
const SETTLE_MS: i64 = 15_000;
/// What an engine that stopped had ordered last has arrived by then: a call to a device takes 15 s at most.
const LINGER_MS: i64 = 30_000;
/// So often it is tried to give the host its power back.
const TRIES_MAX: u32 = 5;
const RETRY_MS: i64 = 10_000;
/// How the answer begins.
pub const PASSED: &str = "passed: ";
pub const FAILED: &str = "FAILED: ";

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    Begun {
        by: String,
        why: Option<String>,
    },
    /// Until then its silence is no failure.
    Announced {
        until: Millis,
    },
    /// It is not fit for it any more: nothing was switched off.
    Unfit {
        why: String,
    },
    /// Its ladder is about to be climbed.
    OffIntended,
    /// A device took its power away and says so. `path`: what each rung came to.
    Off {
        path: Vec<String>,
        took_ms: i64,
    },
    NotOff {
        why: String,
        path: Vec<String>,
        took_ms: i64,
    },
    /// An engine goes on with what another, or an earlier life of it, has left.
    TakenOver {
        engine: String,
    },
    OnIntended,
    On {
        path: Vec<String>,
        took_ms: i64,
    },
    NotOn {
        path: Vec<String>,
        again_at: Millis,
    },
    /// It is not given its power back.
    LeftOff {
        why: String,
    },
}

/// How far it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Stage {
    #[default]
    Asked,
    Begun,
    Announced {
        since: Millis,
    },
    SwitchingOff,
    ToSwitchOn {
        not_before: Millis,
    },
    Over,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct State {
    pub common: Common,
    stage: Stage,
    tries: u32,
    /// A device has proven that it was off.
    went_off: bool,
    announced_until: Option<Millis>,
    /// What went wrong, in order.
    faults: Vec<String>,
    /// What was done, a line for each.
    path: Vec<String>,
}

/// What is to be done now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Due {
    /// Nothing was begun, and nothing will be.
    Refuse(String),
    Begin,
    /// Plan a stop of the host.
    Announce,
    Note(Entry),
    SwitchOff,
    SwitchOn,
    Wait {
        until: Millis,
    },
}

/// What is due.
#[must_use]
pub fn judge(state: &State, look: &Look<'_>) -> Due {
    let note = |event| Due::Note(Entry::Drill(event));
    match state.stage {
        Stage::Asked => unfit(look).map_or(Due::Begin, Due::Refuse),
        Stage::Begun => unfit(look).map_or(Due::Announce, |why| note(Event::Unfit { why })),
        Stage::Announced { since } if look.now.since(since) < SETTLE_MS => {
            Due::Wait { until: since.plus(SETTLE_MS) }
        }
        Stage::Announced { .. } => {
            unfit(look).map_or(Due::SwitchOff, |why| note(Event::Unfit { why }))
        }
        // The climb ends in the log, or its engine does.
        Stage::SwitchingOff => note(Event::NotOff {
            why: "it was not seen to its end".into(),
            path: Vec::new(),
            took_ms: 0,
        }),
        Stage::ToSwitchOn { not_before } if not_before > look.now => {
            Due::Wait { until: not_before }
        }
        Stage::ToSwitchOn { .. } => match look.recovery {
            Some((recovery, Rescue::Begun)) => note(Event::LeftOff {
                why: format!("its recovery {recovery} has begun, and takes it for dead"),
            }),
            Some((_, Rescue::Waits)) | None => Due::SwitchOn,
        },
        Stage::Over => Due::Note(state.end(look.host)),
    }
}

impl State {
    /// Whether anybody has begun it.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.stage != Stage::Asked
    }

    /// When what was not done is tried again.
    #[must_use]
    pub fn again_at(&self, now: Millis) -> Millis {
        crate::fold::again_at(RETRY_MS, self.tries + 1, now)
    }

    fn end(&self, host: &HostName) -> Entry {
        let passed = self.faults.is_empty();
        let mut lines = Vec::new();
        lines.push(match passed {
            true => format!("{PASSED}host {host} was switched off and has its power back"),
            false => format!("{FAILED}{}", self.faults.join("; ")),
        });
        lines.extend(self.path.iter().cloned());
        lines.extend(self.announced_until.map(|until| {
            format!(
                "until {} its silence is no failure (a planned stop; `masakari host resume {host}` ends it)",
                until.utc()
            )
        }));
        let status = if passed { NotificationStatus::Finished } else { NotificationStatus::Failed };
        Entry::Ended { status, message: Some(lines.join("\n")) }
    }

    fn rungs(&mut self, what: &str, path: &[String]) {
        let lines = path.iter().enumerate();
        self.path.extend(lines.map(|(i, rung)| format!("{what} {}. {rung}", i + 1)));
    }

    fn took(&mut self, what: &str, took_ms: i64) {
        self.path.push(format!("{what} after {}.{} s", took_ms / 1000, took_ms % 1000 / 100));
    }

    fn not_off(&mut self, why: &str, path: &[String], at: Millis) {
        self.faults.push(why.into());
        self.rungs("off", path);
        // An order may be on its way all the same.
        self.stage = Stage::ToSwitchOn { not_before: at.plus(LINGER_MS) };
    }

    fn not_on(&mut self, path: &[String], again_at: Millis) {
        self.tries += 1;
        if self.tries < TRIES_MAX {
            self.stage = Stage::ToSwitchOn { not_before: again_at };
            return;
        }
        self.rungs("on", path);
        self.left_off("no device could give it its power back");
    }

    fn left_off(&mut self, why: &str) {
        let how = if self.went_off { "the host is OFF" } else { "the host may be OFF" };
        self.faults.push(format!("{how}: {why}"));
        self.stage = Stage::Over;
    }

    fn taken_over(&mut self, engine: &str, at: Millis) {
        self.path.push(format!("{engine} went on with it: the engine that was at it had stopped"));
        match self.stage {
            Stage::SwitchingOff => {
                let why = "the engine that switched it off stopped in the middle, so what the devices did is not known";
                self.not_off(why, &[], at);
            }
            Stage::ToSwitchOn { not_before } => {
                let not_before = not_before.max(at.plus(LINGER_MS));
                self.stage = Stage::ToSwitchOn { not_before };
            }
            Stage::Asked | Stage::Begun | Stage::Announced { .. } | Stage::Over => {}
        }
    }
}

impl Fold for State {
    frame!(Drill);

    const WHAT: &'static str = "fence test";

    fn happen(&mut self, event: &Event, at: Millis) -> Result<(), &'static str> {
        match (event, self.stage) {
            (Event::Begun { .. }, Stage::Asked) => self.stage = Stage::Begun,
            (Event::Announced { until }, Stage::Begun) => {
                self.announced_until = Some(*until);
                self.stage = Stage::Announced { since: at };
            }
            (Event::Unfit { why }, Stage::Begun | Stage::Announced { .. }) => {
                self.faults.push(why.clone());
                self.stage = Stage::Over;
            }
            (Event::OffIntended, Stage::Announced { .. }) => self.stage = Stage::SwitchingOff,
            (Event::Off { path, took_ms }, Stage::SwitchingOff) => {
                self.went_off = true;
                self.rungs("off", path);
                self.took("off", *took_ms);
                self.stage = Stage::ToSwitchOn { not_before: at };
            }
            (Event::NotOff { why, path, took_ms }, Stage::SwitchingOff) => {
                self.not_off(why, path, at);
                self.took("given up", *took_ms);
            }
            (Event::TakenOver { engine }, _) => self.taken_over(engine, at),
            (Event::OnIntended, Stage::ToSwitchOn { .. }) => {}
            (Event::On { path, took_ms }, Stage::ToSwitchOn { .. }) => {
                self.rungs("on", path);
                self.took("on", *took_ms);
                self.stage = Stage::Over;
            }
            (Event::NotOn { path, again_at }, Stage::ToSwitchOn { .. }) => {
                self.not_on(path, *again_at);
            }
            (Event::LeftOff { why }, Stage::ToSwitchOn { .. }) => self.left_off(why),
            (
                Event::Begun { .. }
                | Event::Announced { .. }
                | Event::Unfit { .. }
                | Event::OffIntended
                | Event::Off { .. }
                | Event::NotOff { .. }
                | Event::OnIntended
                | Event::On { .. }
                | Event::NotOn { .. }
                | Event::LeftOff { .. },
                Stage::Asked
                | Stage::Begun
                | Stage::Announced { .. }
                | Stage::SwitchingOff
                | Stage::ToSwitchOn { .. }
                | Stage::Over,
            ) => return Err("the test is not as far, or further"),
        }
        Ok(())
    }

    /// The end answers the request.
    fn summaries(&self, _: &Self, lines: &[Line], of: &Subject) -> Vec<Summary> {
        let answered = |line: &Line| {
            let Entry::Ended { message, .. } = &line.entry else { return None };
            let (request, answer) = (of.notification.as_str().into(), message.clone());
            Some(Summary::Answered { request, answer: answer.unwrap_or_default() })
        };
        lines.iter().filter_map(answered).collect()
    }
}
