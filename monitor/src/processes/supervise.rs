//! What is due for one entry. Pure: time, what was seen and how commands ended come in, acts go out.
//!
//! ```text
//!  New ──► Here ──── gone ────► Waits ──── its time ────► Runs: pre, main, post ──── all well ───► Settles ─┐
//!   ▲       ▲                    ▲  ▲                        │ one fails                             │      │
//!   │       └── seen here ───────┘  └── not the last try ────┤                     not here in time ─┴► Waits
//!   │                                                        └── the last ──► Last ── not here ──► GaveUp (reported)
//!   └── start commands, once                           more restarts than the window allows ────► Flaps  (reported)
//! ```
//!
//! As for Python's processmonitor: a try is pre, main and post; after one that fails the next comes `interval` later,
//! `retries` times; what could not be restarted is reported and left alone until it is seen again. Unlike it: what is
//! there after all is neither restarted nor reported, two restarts have `interval` between them, and what dies again and
//! again is reported, and then restarted no more often than the window allows.

use super::{Entry, Seen, Watched};
use ports::Boot;
use std::{collections::VecDeque, time::Duration};

/// How often, how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Further tries after one that failed.
    pub retries: u32,
    /// Between two tries.
    pub interval: Duration,
    /// In which what was started must be seen.
    pub settle: Duration,
    /// Restarts within `window` that are no flapping.
    pub flap_restarts: usize,
    pub flap_window: Duration,
}

/// Which command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    Pre,
    Main,
    Post,
}

/// What a command belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Series {
    Start,
    Restart,
}

/// What is to be done now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Act {
    /// Run this command, and tell how it ended.
    Run(Series, Part),
    Report(Why),
    Say(News),
}

/// Why it is reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// No try to restart it went through.
    NoRestart,
    /// It ended again and again.
    Flaps,
    /// systemd starts it no more.
    StartLimit,
}

/// What is worth a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum News {
    Missing,
    /// It is here again, after it was missing.
    Back,
    Stopped,
}

/// Whether a report about it still holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    Unknown,
    Here,
    Stopped,
    Failed,
    /// It is missing, and something is done about it.
    Missing,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    New,
    Here,
    Stopped,
    /// `is_owed`: even if it is seen, because Python tries again when a post command fails.
    Waits {
        at: Boot,
        is_owed: bool,
    },
    Runs(Series, Part),
    Settles {
        until: Boot,
    },
    /// The last try failed; a look decides.
    Last {
        until: Boot,
        is_owed: bool,
    },
    GaveUp,
    Flaps,
}

/// One entry, and how it goes with it.
#[derive(Clone, Debug)]
pub struct Supervised {
    pub entry: Entry,
    limits: Limits,
    stage: Stage,
    /// Tries of this series that failed.
    failures: u32,
    tried_at: Option<Boot>,
    /// When it was begun to restart it, within the window.
    restarts: VecDeque<Boot>,
    reported: Option<Why>,
    is_busy: bool,
    is_missing: bool,
}

impl Supervised {
    /// Something of which nothing is known yet.
    #[must_use]
    pub fn new(entry: Entry, limits: Limits) -> Self {
        Self {
            entry,
            limits,
            stage: Stage::New,
            failures: 0,
            tried_at: None,
            restarts: VecDeque::new(),
            reported: None,
            is_busy: false,
            is_missing: false,
        }
    }

    /// The monitor begins: its start commands are run. systemd itself starts the units that are to run.
    pub fn begin(&mut self, now: Boot) -> Vec<Act> {
        match self.entry.watched {
            Watched::Process(_) if self.entry.start.main.is_some() => {
                self.run_from(Series::Start, Part::Pre, now)
            }
            Watched::Process(_) | Watched::Unit(_) => Vec::new(),
        }
    }

    /// It was looked at.
    pub fn saw(&mut self, seen: &Seen, now: Boot) -> Vec<Act> {
        self.is_busy = *seen == Seen::Busy;
        self.forget_old_restarts(now);
        if matches!(self.stage, Stage::Runs(..)) {
            return Vec::new();
        }
        let mut acts = match seen {
            Seen::Here => self.is_here(),
            Seen::Gone => self.is_gone(now),
            Seen::Stopped => self.is_stopped(),
            Seen::Refused => self.is_refused(),
            Seen::Busy | Seen::Unknown(_) => Vec::new(),
        };
        acts.extend(self.due(now));
        acts
    }

    /// A command that was to be run has ended.
    pub fn ended(&mut self, went_well: bool, now: Boot) -> Vec<Act> {
        let Stage::Runs(series, part) = self.stage else { return Vec::new() };
        match (series, part) {
            // Whether the start went well shows in a look.
            (_, Part::Pre) if went_well => self.run_from(series, Part::Main, now),
            (Series::Start, Part::Main) => self.run_from(series, Part::Post, now),
            (Series::Start, Part::Pre | Part::Post) => self.settle(now),
            (Series::Restart, Part::Main) if went_well => self.run_from(series, Part::Post, now),
            (Series::Restart, Part::Post) if went_well => self.settle(now),
            (Series::Restart, Part::Pre | Part::Main | Part::Post) => self.failed(part, now),
        }
    }

    /// What is due by time alone.
    pub fn due(&mut self, now: Boot) -> Vec<Act> {
        match self.stage {
            Stage::Waits { at, .. } if at <= now && !self.is_busy => {
                if self.failures == 0 {
                    self.restarts.push_back(now);
                }
                self.tried_at = Some(now);
                self.run_from(Series::Restart, Part::Pre, now)
            }
            Stage::Last { until, .. } if until <= now && !self.is_busy => {
                self.give_up(Why::NoRestart)
            }
            Stage::New
            | Stage::Here
            | Stage::Stopped
            | Stage::Waits { .. }
            | Stage::Runs(..)
            | Stage::Settles { .. }
            | Stage::Last { .. }
            | Stage::GaveUp
            | Stage::Flaps => Vec::new(),
        }
    }

    /// When something is due by time alone; `None`: not before something happens.
    #[must_use]
    pub fn due_at(&self) -> Option<Boot> {
        match self.stage {
            Stage::Waits { at, .. } if !self.is_busy => Some(at),
            Stage::Settles { until } | Stage::Last { until, .. } if !self.is_busy => Some(until),
            Stage::New
            | Stage::Here
            | Stage::Stopped
            | Stage::Waits { .. }
            | Stage::Runs(..)
            | Stage::Settles { .. }
            | Stage::Last { .. }
            | Stage::GaveUp
            | Stage::Flaps => None,
        }
    }

    /// Whether it may appear any moment, so that it is worth looking again soon.
    #[must_use]
    pub fn is_settling(&self) -> bool {
        matches!(self.stage, Stage::Settles { .. } | Stage::Last { .. })
    }

    /// Whether its start commands are under way.
    #[must_use]
    pub fn is_starting(&self) -> bool {
        matches!(self.stage, Stage::Runs(Series::Start, _))
    }

    /// How it is.
    #[must_use]
    pub fn state(&self) -> State {
        match (self.reported, self.stage) {
            (Some(Why::Flaps), _) | (_, Stage::GaveUp) => State::Failed,
            (_, Stage::New) => State::Unknown,
            (_, Stage::Here) => State::Here,
            (_, Stage::Stopped) => State::Stopped,
            (
                _,
                Stage::Waits { .. }
                | Stage::Runs(..)
                | Stage::Settles { .. }
                | Stage::Last { .. }
                | Stage::Flaps,
            ) => State::Missing,
        }
    }

    fn is_here(&mut self) -> Vec<Act> {
        match self.stage {
            Stage::Waits { is_owed: true, .. } => return Vec::new(),
            Stage::Last { is_owed: true, .. } => return self.give_up(Why::NoRestart),
            Stage::New
            | Stage::Here
            | Stage::Stopped
            | Stage::Waits { .. }
            | Stage::Settles { .. }
            | Stage::Last { .. }
            | Stage::GaveUp
            | Stage::Flaps
            | Stage::Runs(..) => {}
        }
        let flapped = self.reported == Some(Why::Flaps) && !self.restarts.is_empty();
        if !flapped {
            self.reported = None;
        }
        (self.stage, self.failures) = (Stage::Here, 0);
        match std::mem::take(&mut self.is_missing) {
            true => vec![Act::Say(News::Back)],
            false => Vec::new(),
        }
    }

    fn is_gone(&mut self, now: Boot) -> Vec<Act> {
        match self.stage {
            Stage::New | Stage::Here | Stage::Stopped => {
                self.is_missing = true;
                let mut acts = vec![Act::Say(News::Missing)];
                acts.extend(self.restart(now));
                acts
            }
            Stage::Settles { until } if until <= now => {
                // A start command that did nothing was not told as missing yet.
                let told = std::mem::replace(&mut self.is_missing, true);
                let mut acts = Vec::new();
                if !told {
                    acts.push(Act::Say(News::Missing));
                }
                acts.extend(self.restart(now));
                acts
            }
            Stage::Last { .. } => self.give_up(Why::NoRestart),
            Stage::Flaps => self.restart(now),
            Stage::Settles { .. } | Stage::Waits { .. } | Stage::GaveUp | Stage::Runs(..) => {
                Vec::new()
            }
        }
    }

    fn is_stopped(&mut self) -> Vec<Act> {
        if self.stage == Stage::Stopped {
            return Vec::new();
        }
        (self.stage, self.failures, self.reported) = (Stage::Stopped, 0, None);
        self.is_missing = true;
        vec![Act::Say(News::Stopped)]
    }

    fn is_refused(&mut self) -> Vec<Act> {
        match self.stage {
            Stage::GaveUp => Vec::new(),
            Stage::New
            | Stage::Here
            | Stage::Stopped
            | Stage::Waits { .. }
            | Stage::Settles { .. }
            | Stage::Last { .. }
            | Stage::Flaps
            | Stage::Runs(..) => {
                let mut acts = Vec::new();
                if !std::mem::replace(&mut self.is_missing, true) {
                    acts.push(Act::Say(News::Missing));
                }
                acts.extend(self.give_up(Why::StartLimit));
                acts
            }
        }
    }

    /// It is to be restarted: at once, if that was not tried a moment ago and not too often.
    fn restart(&mut self, now: Boot) -> Vec<Act> {
        self.failures = 0;
        if self.restarts.len() >= self.limits.flap_restarts {
            self.stage = Stage::Flaps;
            return self.report(Why::Flaps);
        }
        let paced = self.tried_at.map(|tried| tried.plus(self.limits.interval));
        self.stage = Stage::Waits { at: paced.map_or(now, |at| at.max(now)), is_owed: false };
        Vec::new()
    }

    /// The next command of a series from `part` on, or its end.
    fn run_from(&mut self, series: Series, part: Part, now: Boot) -> Vec<Act> {
        let commands = match series {
            Series::Start => &self.entry.start,
            Series::Restart => &self.entry.restart,
        };
        let parts = [
            (Part::Pre, &commands.pre),
            (Part::Main, &commands.main),
            (Part::Post, &commands.post),
        ];
        let from = parts.iter().skip_while(|(of, _)| *of != part);
        let next = from.filter(|(_, command)| command.is_some()).map(|(of, _)| *of).next();
        match next {
            Some(part) => {
                self.stage = Stage::Runs(series, part);
                vec![Act::Run(series, part)]
            }
            None => self.settle(now),
        }
    }

    fn settle(&mut self, now: Boot) -> Vec<Act> {
        self.stage = Stage::Settles { until: now.plus(self.limits.settle) };
        Vec::new()
    }

    fn failed(&mut self, part: Part, now: Boot) -> Vec<Act> {
        self.failures = self.failures.saturating_add(1);
        let is_owed = part == Part::Post;
        self.stage = match self.failures > self.limits.retries {
            false => Stage::Waits { at: now.plus(self.limits.interval), is_owed },
            true => Stage::Last { until: now.plus(self.limits.settle), is_owed },
        };
        Vec::new()
    }

    fn give_up(&mut self, why: Why) -> Vec<Act> {
        self.stage = Stage::GaveUp;
        self.report(why)
    }

    /// Once for each time that it fails.
    fn report(&mut self, why: Why) -> Vec<Act> {
        match self.reported.replace(why) {
            Some(_) => Vec::new(),
            None => vec![Act::Report(why)],
        }
    }

    fn forget_old_restarts(&mut self, now: Boot) {
        let window = self.limits.flap_window;
        self.restarts.retain(|at| now.since(*at) < window);
    }
}
