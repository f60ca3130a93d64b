//! What becomes of a guest by what is found of it: the four states of Python's machine
//! (`masakarimonitors/introspectiveinstancemonitor/qemu_utils.py`). Pure.
//!
//! ```text
//!  discovery ── alive ──► healthy ── silent ──► error ── too often ──► reported
//!    ▲    ▲                  ▲                  │                         │
//!    │    │                  └─ alive, excused ─┘                         │
//!    │    └───────────────────────────── alive ───────────────────────────┘
//!    └── the VM begins anew
//! ```

use ports::Boot;
use std::{collections::BTreeSet, time::Duration};

/// Where a guest stands.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum State {
    /// Its agent has not answered yet, and cannot be missed.
    #[default]
    Discovery,
    Healthy,
    /// It does not answer.
    Error,
    /// That was said.
    Reported,
}

/// What was found of a guest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    Alive,
    /// The agent does not answer, or not what it answered before.
    Silent,
    /// Nobody in the guest has the agent's channel open: the agent has died, or the VM is on its way down.
    Closed,
    /// The VM does not run, or is moved, or has no agent's channel: its silence says nothing, nor does that before.
    Excused,
    /// Nobody knows.
    Unknown,
}

/// How long silence is borne.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Patience {
    /// `guest_monitoring_failure_threshold`
    pub threshold: u32,
    /// For how long a channel may be closed before it is more than a VM on its way down.
    pub shutdown: Duration,
}

/// A guest in one run of its VM.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Machine {
    state: State,
    failures: u32,
    /// Once in a run of the VM, as in Python's.
    is_told: bool,
    closed_since: Option<Boot>,
    /// The commands that were answered in this run.
    able: BTreeSet<&'static str>,
}

impl Machine {
    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// How often in a row it was found silent.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// The agent has answered `command`.
    pub fn can(&mut self, command: &'static str) {
        self.able.insert(command);
    }

    /// The commands that it answered, and so is expected to answer.
    #[must_use]
    pub fn able(&self) -> &BTreeSet<&'static str> {
        &self.able
    }

    /// Takes in what was found; whether it is to be reported.
    pub fn find(&mut self, found: Found, now: Boot, patience: Patience) -> bool {
        match found {
            Found::Unknown => false,
            Found::Alive => {
                self.excuse();
                self.state = match self.state {
                    State::Discovery | State::Healthy | State::Error => State::Healthy,
                    State::Reported => State::Discovery,
                };
                false
            }
            Found::Excused => {
                self.excuse();
                false
            }
            Found::Silent => self.fail(true, patience),
            Found::Closed => {
                let since = *self.closed_since.get_or_insert(now);
                self.fail(now.since(since) >= patience.shutdown, patience)
            }
        }
    }

    /// What was counted does not count.
    fn excuse(&mut self) {
        (self.failures, self.closed_since) = (0, None);
        if self.state == State::Error {
            self.state = State::Healthy;
        }
    }

    /// In Python's order: it is looked whether there were too many before this one is counted.
    fn fail(&mut self, may_tell: bool, patience: Patience) -> bool {
        let tells = may_tell
            && self.state == State::Error
            && self.failures > patience.threshold
            && !self.is_told;
        if tells {
            (self.state, self.is_told) = (State::Reported, true);
        }
        match self.state {
            State::Discovery | State::Reported => {}
            State::Healthy | State::Error => {
                self.state = State::Error;
                self.failures = self.failures.saturating_add(1);
            }
        }
        tells
    }
}
