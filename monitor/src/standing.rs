//! How the monitors of this process stand: each loop, each source and the sender write it down here, and whoever asks
//! reads it: the status socket, `masakari monitors`, systemd's watchdog.
//!
//! ```text
//!  a monitor ── Mark: turned, saw, well, troubled ──┐
//!  the sender ── what waits, what the API said ─────┼──► Board ──► Shown ──► JSON, table, metrics
//!  who keeps monitors running ── Mark: rests ───────┘          └──► who is stuck ──► systemd
//! ```
//!
//! It decides nothing but one thing: a loop that has not turned for longer than its monitor says it ever needs is
//! stuck, whatever it said of itself before. Times are those of the boot clock, and are shown as ages: a host whose
//! wall clock jumps shows the same.

mod shown;

pub use shown::{Ago, Shown, ShownMonitor, ShownSending, State};

use crate::report::Watched;
use ports::{Boot, Clock};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The standing of all monitors of one process. Clones share it.
#[derive(Clone, Debug)]
pub struct Board {
    clock: Arc<dyn Clock>,
    began: Boot,
    monitors: Arc<Mutex<BTreeMap<&'static str, Monitor>>>,
    sending: Arc<Mutex<Sending>>,
}

/// What one monitor writes on the board.
#[derive(Clone, Debug)]
pub struct Mark {
    name: &'static str,
    board: Board,
}

#[derive(Clone, Debug)]
struct Monitor {
    watched: Option<Watched>,
    said: Said,
    since: Boot,
    turn_most: Duration,
    turned: Boot,
    events: u64,
    last_event: Option<(String, Boot)>,
}

/// What a monitor last said of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Said {
    Starting,
    Well,
    Troubled(String),
    /// It does not run now; it will be begun again.
    Rests(String),
}

/// What the sender writes.
#[derive(Clone, Default, Debug)]
pub(crate) struct Sending {
    /// How many wait, and how old the eldest is.
    pub(crate) waiting: BTreeMap<Watched, (u64, Duration)>,
    pub(crate) keeps: bool,
    pub(crate) answered: u64,
    pub(crate) withdrawn: u64,
    pub(crate) given_up: u64,
    pub(crate) lost: u64,
    pub(crate) last_answer: Option<(String, Boot)>,
    pub(crate) failing_since: Option<Boot>,
}

impl Board {
    /// An empty one.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let began = clock.boot();
        Self { clock, began, monitors: Arc::default(), sending: Arc::default() }
    }

    /// A monitor, whose loop turns within `turn_most` however slowly its source answers. `watched`: whose reports are
    /// its own.
    #[must_use]
    pub fn mark(&self, name: &'static str, watched: Option<Watched>, turn_most: Duration) -> Mark {
        let now = self.clock.boot();
        let monitor = Monitor {
            watched,
            said: Said::Starting,
            since: now,
            turn_most,
            turned: now,
            events: 0,
            last_event: None,
        };
        self.monitors().insert(name, monitor);
        Mark { name, board: self.clone() }
    }

    /// The monitors whose loops do not turn any more.
    #[must_use]
    pub fn stuck(&self) -> Vec<&'static str> {
        let now = self.clock.boot();
        let monitors = self.monitors();
        monitors
            .iter()
            .filter(|(_, monitor)| monitor.is_stuck(now))
            .map(|(name, _)| *name)
            .collect()
    }

    pub(crate) fn sending(&self, write: impl FnOnce(&mut Sending)) {
        write(&mut self.sending.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn monitors(&self) -> MutexGuard<'_, BTreeMap<&'static str, Monitor>> {
        self.monitors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mark {
    /// The monitor's name.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Its loop turned.
    pub fn turned(&self) {
        self.write(|monitor, now| monitor.turned = now);
    }

    /// It saw something.
    pub fn saw(&self, what: impl Into<String>) {
        self.write(|monitor, now| {
            monitor.events += 1;
            monitor.last_event = Some((what.into(), now));
        });
    }

    /// Its source answers.
    pub fn well(&self) {
        self.says(Said::Well);
    }

    /// Its source does not: why.
    pub fn troubled(&self, why: impl Into<String>) {
        self.says(Said::Troubled(why.into()));
    }

    /// It does not run: why. It is begun again.
    pub fn rests(&self, why: impl Into<String>) {
        self.says(Said::Rests(why.into()));
    }

    /// It is begun, or begun again.
    pub fn starts(&self) {
        self.says(Said::Starting);
    }

    fn says(&self, said: Said) {
        self.write(|monitor, now| {
            monitor.turned = now;
            // Since when is since the kind of it changed: another reason does not make it newer.
            if std::mem::discriminant(&monitor.said) != std::mem::discriminant(&said) {
                monitor.since = now;
            }
            monitor.said = said;
        });
    }

    fn write(&self, write: impl FnOnce(&mut Monitor, Boot)) {
        let now = self.board.clock.boot();
        if let Some(monitor) = self.board.monitors().get_mut(self.name) {
            write(monitor, now);
        }
    }
}

impl Monitor {
    fn is_stuck(&self, now: Boot) -> bool {
        match self.said {
            // Whoever keeps it running waits, and not its loop.
            Said::Rests(_) => false,
            Said::Starting | Said::Well | Said::Troubled(_) => {
                now.since(self.turned) > self.turn_most
            }
        }
    }
}
