//! What the board shows: one document, as ages, for programs and for people.

use super::{Board, Monitor, Said, Sending};
use ports::Boot;
use serde::{Deserialize, Serialize};
use std::{sync::PoisonError, time::Duration};

/// All that there is to know of the monitors of one process.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Shown {
    /// The program's name, and the host's as Masakari calls it.
    pub program: String,
    pub host: String,
    pub pid: u32,
    /// Seconds that the process runs.
    pub running_s: u64,
    pub monitors: Vec<ShownMonitor>,
    pub sending: ShownSending,
}

/// One monitor.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ShownMonitor {
    pub name: String,
    pub state: State,
    /// Since when it is in this state.
    pub since_s: u64,
    /// Why it is not well.
    pub why: Option<String>,
    /// When its loop turned last.
    pub turned_s: u64,
    pub events: u64,
    pub last_event: Option<Ago>,
    /// Its reports that the API has not answered, and how old the eldest is.
    pub waiting: u64,
    pub oldest_s: Option<u64>,
}

/// How a monitor does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Starting,
    Well,
    /// Its source does not answer; it is asked again.
    Troubled,
    /// Its loop does not turn.
    Stuck,
    /// It ended, or cannot begin; it is begun again.
    Down,
}

/// Something, and how long ago.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ago {
    pub what: String,
    pub ago_s: u64,
}

/// What is sent for all of them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ShownSending {
    pub waiting: u64,
    pub oldest_s: Option<u64>,
    /// Whether what waits would outlive this process.
    pub kept_on_disk: bool,
    /// Reports that the API answered for good, that held no more, that were given up, that there was no room for.
    pub answered: u64,
    pub withdrawn: u64,
    pub given_up: u64,
    pub lost: u64,
    /// What the API said last.
    pub last_answer: Option<Ago>,
    /// How long it has failed; none: it has not.
    pub failing_s: Option<u64>,
}

impl State {
    /// As people read it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Well => "well",
            Self::Troubled => "troubled",
            Self::Stuck => "stuck",
            Self::Down => "down",
        }
    }

    /// Whether somebody should look.
    #[must_use]
    pub fn is_wrong(self) -> bool {
        match self {
            Self::Starting | Self::Well => false,
            Self::Troubled | Self::Stuck | Self::Down => true,
        }
    }
}

impl Board {
    /// How everything stands now.
    #[must_use]
    pub fn shown(&self, program: &str, host: &str, pid: u32) -> Shown {
        let now = self.clock.boot();
        let sending = self.sending.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let monitors = self.monitors();
        let monitors = monitors.iter().map(|(name, monitor)| monitor.shown(name, &sending, now));
        Shown {
            program: program.to_owned(),
            host: host.to_owned(),
            pid,
            running_s: now.since(self.began).as_secs(),
            monitors: monitors.collect(),
            sending: sending.shown(now),
        }
    }
}

impl Monitor {
    fn shown(&self, name: &str, sending: &Sending, now: Boot) -> ShownMonitor {
        let turned_s = now.since(self.turned).as_secs();
        let stuck = || (State::Stuck, Some(format!("its loop has not turned for {turned_s} s")));
        let (state, why) = match &self.said {
            Said::Rests(why) => (State::Down, Some(why.clone())),
            Said::Starting | Said::Well | Said::Troubled(_) if self.is_stuck(now) => stuck(),
            Said::Starting => (State::Starting, None),
            Said::Well => (State::Well, None),
            Said::Troubled(why) => (State::Troubled, Some(why.clone())),
        };
        let waiting = self.watched.and_then(|watched| sending.waiting.get(&watched));
        ShownMonitor {
            name: name.to_owned(),
            state,
            since_s: now.since(self.since).as_secs(),
            why,
            turned_s,
            events: self.events,
            last_event: self.last_event.as_ref().map(|event| ago(event, now)),
            waiting: waiting.map_or(0, |(count, _)| *count),
            oldest_s: waiting.map(|(_, age)| age.as_secs()),
        }
    }
}

impl Sending {
    fn shown(&self, now: Boot) -> ShownSending {
        let Self { waiting, keeps, answered, withdrawn, given_up, lost, .. } = self;
        let oldest: Option<Duration> = waiting.values().map(|(_, age)| *age).max();
        ShownSending {
            waiting: waiting.values().map(|(count, _)| count).sum(),
            oldest_s: oldest.map(|age| age.as_secs()),
            kept_on_disk: *keeps,
            answered: *answered,
            withdrawn: *withdrawn,
            given_up: *given_up,
            lost: *lost,
            last_answer: self.last_answer.as_ref().map(|answer| ago(answer, now)),
            failing_s: self.failing_since.map(|since| now.since(since).as_secs()),
        }
    }
}

fn ago((what, at): &(String, Boot), now: Boot) -> Ago {
    Ago { what: what.clone(), ago_s: now.since(*at).as_secs() }
}
