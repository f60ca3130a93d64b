//! Ordered restart: the servers that ran arrive stopped, and are started tier by tier.
//!
//! ```text
//!         arrived, stopped      StartIntended      StartTaken         Active
//!  Away ───────────────────► ToStart ───────► Asking ───────► Starting ───► Checking ──► Up
//!    │                          ▲    NotAsked   │    Refused      │             └──► Unanswered
//!    │                          └───────────────┴─────────────────┤
//!    └── arrived, running: Checking                               └──► NotStarted, Gone
//! ```
//!
//! A server's tier is the number in its metadata; the lowest goes first, those without one last. All of
//! them are evacuated side by side: only the starts wait. A tier may start when every one before it is
//! *over*: each of its servers is up or will not be, or its time is spent, which runs from the moment when
//! none of them is on its way any more. Who comes later than its tier starts at once.
//!
//! A start obeys the law of any start. The dead host must still be proven dead, or have cleaned up what
//! was evacuated; the server's host must be up, heard lately, and nobody's recovery; and nothing may be
//! moving the server. Nova looks at none of that. A second start is refused by Nova, so after a
//! crash one is asked for again as soon as a look shows that the first did not arrive.

mod check;
mod details;
mod due;
mod guest;
mod judge;

pub use check::{Check, Door, Inside, Network, NotChecked, networks};
pub(crate) use details::tell;
pub use due::{Wanted, due, reset_for};
pub use guest::{GuestHeard, is_up};
pub use judge::{Copy, HostSeen, Look, Start, judge, ready};

use crate::log::Arrival;
use crate::priority::Keys;
use crate::seen::{Server, VmState};
use crate::state::{self, Move};
use crate::{HostName, Millis, ServerId};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};
use core::fmt;
use serde::{Deserialize, Serialize};

/// When a server is started among the others: lower numbers first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    Number(i64),
    /// Nothing says a number.
    Last,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "Tier {number}"),
            Self::Last => f.write_str("Those without a tier"),
        }
    }
}

/// Where tiers and checks are looked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rules {
    /// `[recovery] ordered_restart`.
    pub on: bool,
    /// `[recovery] tier_*_key`; there are no tiers of aggregates.
    pub keys: Keys,
    /// `[recovery] check_metadata_key`; empty: nothing is checked.
    pub check_key: String,
    /// `[recovery] check_networks`: which addresses may be asked.
    pub networks: Vec<Network>,
}

impl Default for Rules {
    fn default() -> Self {
        let keys = Keys { metadata: "HA_Tier".into(), ..Keys::default() };
        Self { on: false, keys, check_key: "HA_Check".into(), networks: Vec::new() }
    }
}

impl Rules {
    /// How `server` is started. `image` has the properties of its image.
    #[must_use]
    pub fn of(&self, server: &Server, image: Option<&crate::priority::Properties>) -> Ordered {
        let tier = self.keys.find(server, image, &[]).map_or(Tier::Last, Tier::Number);
        let wanted = server.metadata.get(&self.check_key).filter(|_| !self.check_key.is_empty());
        let (check, not_checked) = match wanted.map(|text| self.check(text, server)) {
            None => (None, None),
            Some(Ok(check)) => (Some(check), None),
            Some(Err(why)) => (None, Some(why)),
        };
        let (id, name) = (server.id.clone(), server.name.clone());
        Ordered { server: id, name, tier, check, not_checked }
    }

    fn check(&self, text: &str, server: &Server) -> Result<Check, NotChecked> {
        Check::read(text, &server.hints.addresses, &self.networks)
    }
}

/// How long and how often.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// `[recovery] tier_timeout_s`: how long a tier may keep the next one waiting.
    pub tier_ms: i64,
    /// How often Nova is asked to start one server.
    pub attempts: u32,
    /// The wait before a second attempt; doubled for each further one.
    pub retry_ms: i64,
    /// `wait_period_after_power_on`: how long a start that Nova took may take.
    pub start_ms: i64,
    /// How long a server may be kept from its start by anything but a recovery of its host.
    pub blocked_ms: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tier_ms: 300_000,
            attempts: 4,
            retry_ms: 5_000,
            start_ms: 60_000,
            blocked_ms: 600_000,
        }
    }
}

/// One server that is started in its turn.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ordered {
    pub server: ServerId,
    pub name: String,
    pub tier: Tier,
    pub check: Option<Check>,
    /// A check is asked for that is not done, and why: it is up when it is active.
    #[serde(default)]
    pub not_checked: Option<NotChecked>,
}

/// What the log says of ordered starts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum TierEntry {
    /// These arrive stopped and are started in their turn.
    Ordered { servers: Vec<Ordered> },
    /// Nova cannot leave evacuated servers stopped: from here on they arrive as they were.
    Impossible { why: String },
    /// None of its servers is on its way any more: its time runs.
    Began { tier: Tier },
    /// The next tier may start.
    Over { tier: Tier },
    /// We are about to start them.
    StartIntended { servers: Vec<ServerId> },
    /// Nova took the start.
    StartTaken { servers: Vec<ServerId> },
    /// Nova did not take it, or took it and did not do it: asked again at `again_at`.
    StartRefused { server: ServerId, why: String, again_at: Millis },
    /// What was meant did not reach Nova: it is asked for at `until`, and does not count.
    NotAsked { server: ServerId, until: Millis },
    /// It may not be started now.
    Blocked { server: ServerId, why: String },
    /// Somebody has moved it on: it is started there.
    Elsewhere { server: ServerId, host: HostName },
    /// They run, as Nova sees it.
    Active { servers: Vec<ServerId> },
    /// Its check does not answer, or answers otherwise than before.
    NoAnswer { server: ServerId, why: String },
    /// Its check answers.
    Answers { server: ServerId },
    /// It is not checked any more.
    Unanswered { server: ServerId },
    /// It does not run, and is not started any more.
    NotStarted { server: ServerId, why: String },
    /// It was deleted meanwhile.
    Gone { server: ServerId },
}

impl TierEntry {
    /// Whether it shows that Nova works for us.
    pub(crate) fn is_progress(&self) -> bool {
        match self {
            Self::StartTaken { .. }
            | Self::Active { .. }
            | Self::Answers { .. }
            | Self::Gone { .. } => true,
            Self::Ordered { .. }
            | Self::Impossible { .. }
            | Self::Began { .. }
            | Self::Over { .. }
            | Self::StartIntended { .. }
            | Self::StartRefused { .. }
            | Self::NotAsked { .. }
            | Self::Blocked { .. }
            | Self::Elsewhere { .. }
            | Self::NoAnswer { .. }
            | Self::Unanswered { .. }
            | Self::NotStarted { .. } => false,
        }
    }
}

/// Where the start of one server stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Not on its new host yet.
    Away,
    ToStart {
        not_before: Millis,
    },
    /// We meant to ask, and may have done so.
    Asking {
        since: Millis,
    },
    /// Nova took it.
    Starting {
        since: Millis,
    },
    /// It runs; its check has not answered.
    Checking,
    Up,
    /// It runs, and its check did not answer in time.
    Unanswered,
    NotStarted {
        why: String,
    },
    Gone,
}

/// The start of one server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Starting {
    pub ordered: Ordered,
    pub stage: Stage,
    /// Where it arrived, or was seen since.
    pub host: Option<HostName>,
    /// When Nova was asked to start it last, as we meant to.
    pub started: Option<Millis>,
    /// How often Nova was asked to start it, not counting when it was away.
    pub attempts: u32,
    /// Since when it may not be started.
    pub blocked: Option<Millis>,
    /// What keeps it, as far as is known.
    pub trouble: Option<String>,
}

/// The ordered starts of one recovery.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Starts {
    /// Servers that are evacuated now arrive stopped.
    possible: bool,
    pub servers: BTreeMap<ServerId, Starting>,
    /// Whose time runs, and since when.
    begun: BTreeMap<Tier, Millis>,
    over: BTreeSet<Tier>,
}

impl Starts {
    /// Whether `server` is to be evacuated so that it arrives stopped.
    #[must_use]
    pub fn arrives_stopped(&self, server: &ServerId) -> bool {
        self.possible && self.servers.contains_key(server)
    }

    /// Whether what is found later is started in order too.
    #[must_use]
    pub fn are_ordered(&self) -> bool {
        self.possible
    }

    /// The tier whose turn it is.
    #[must_use]
    pub fn turn(&self) -> Option<Tier> {
        self.servers.values().map(|s| s.ordered.tier).filter(|t| !self.over.contains(t)).min()
    }

    /// Whether it is the turn of `tier`, or was.
    #[must_use]
    pub fn may_start(&self, tier: Tier) -> bool {
        self.turn().is_none_or(|turn| tier <= turn)
    }

    /// Whether nothing more will happen.
    pub(crate) fn are_over(&self, moves: &BTreeMap<ServerId, Move>) -> bool {
        let awaited = |s: &Starting| s.is_awaited(moves.get(&s.ordered.server));
        self.turn().is_none() && !self.servers.values().any(awaited)
    }

    /// Whether one that has arrived is still to be started, or to be asked whether it is up.
    pub(crate) fn are_left(&self) -> bool {
        self.servers.values().any(|s| s.is_awaited(None))
    }

    /// How many have arrived, and do not run as far as is known.
    pub(crate) fn to_be_started(&self) -> usize {
        self.servers.values().filter(|s| s.is_watched()).count()
    }

    /// Whether Nova was asked for a start of which the end is not known.
    pub(crate) fn is_asked(&self) -> bool {
        self.servers.values().any(|s| s.is_asked())
    }

    /// What was not started is tried again, in order as before.
    pub(crate) fn retry(&mut self, at: Millis) {
        self.begun.clear();
        self.over.clear();
        for s in self.servers.values_mut() {
            if let Stage::NotStarted { .. } = s.stage {
                s.stage = Stage::ToStart { not_before: at };
                (s.attempts, s.blocked, s.trouble) = (0, None, None);
            }
        }
    }

    /// Those that do not run although they should, and why.
    pub(crate) fn not_started(&self) -> impl Iterator<Item = (&Starting, &str)> {
        self.servers.values().filter_map(|s| match &s.stage {
            Stage::NotStarted { why } => Some((s, why.as_str())),
            Stage::Away
            | Stage::ToStart { .. }
            | Stage::Asking { .. }
            | Stage::Starting { .. }
            | Stage::Checking
            | Stage::Up
            | Stage::Unanswered
            | Stage::Gone => None,
        })
    }

    pub(crate) fn arrive(&mut self, arrival: &Arrival, at: Millis) {
        let over = &self.over;
        let Some(s) = self.servers.get_mut(&arrival.server) else { return };
        s.host = Some(arrival.host.clone());
        s.stage = match arrival.vm_state {
            // Somebody was quicker, or Nova could not know that it is to stay off.
            VmState::Active => s.after_active(over),
            VmState::Stopped
            | VmState::Error
            | VmState::Paused
            | VmState::Suspended
            | VmState::Resized
            | VmState::Rescued
            | VmState::Building
            | VmState::Shelved
            | VmState::ShelvedOffloaded
            | VmState::SoftDeleted
            | VmState::Deleted
            | VmState::Unknown => Stage::ToStart { not_before: at },
        };
    }

    pub(crate) fn gone(&mut self, server: &ServerId) {
        if let Some(s) = self.servers.get_mut(server) {
            s.stage = Stage::Gone;
        }
    }

    pub(crate) fn apply(&mut self, entry: &TierEntry, at: Millis) -> Result<(), &'static str> {
        match entry {
            TierEntry::Ordered { servers } => {
                self.possible = true;
                for ordered in servers {
                    let fresh = || Starting::new(ordered.clone());
                    self.servers.entry(ordered.server.clone()).or_insert_with(fresh);
                }
            }
            TierEntry::Impossible { .. } => self.possible = false,
            TierEntry::Began { tier } => {
                self.begun.entry(*tier).or_insert(at);
            }
            TierEntry::Over { tier } => {
                self.over.insert(*tier);
            }
            TierEntry::Active { servers } => {
                let over = self.over.clone();
                self.each(servers, |s| s.active(&over))?;
            }
            TierEntry::StartIntended { servers } => self.each(servers, |s| s.intend(at))?,
            TierEntry::StartTaken { servers } => self.each(servers, |s| s.taken(at))?,
            TierEntry::StartRefused { server, why, again_at } => {
                self.each([server], |s| s.refused(why, *again_at))?;
            }
            TierEntry::NotAsked { server, until } => {
                self.each([server], |s| s.not_asked(*until))?;
            }
            TierEntry::Blocked { server, why } => self.each([server], |s| s.block(why, at))?,
            TierEntry::Elsewhere { server, host } => self.each([server], |s| {
                s.host = Some(host.clone());
                Ok(())
            })?,
            TierEntry::NoAnswer { server, why } => self.each([server], |s| s.no_answer(why))?,
            TierEntry::Answers { server } => self.each([server], |s| s.checked(Stage::Up))?,
            TierEntry::Unanswered { server } => {
                self.each([server], |s| s.checked(Stage::Unanswered))?;
            }
            TierEntry::NotStarted { server, why } => {
                self.each([server], |s| s.end(Stage::NotStarted { why: why.clone() }))?;
            }
            TierEntry::Gone { server } => self.each([server], |s| s.end(Stage::Gone))?,
        }
        Ok(())
    }

    fn each<'s>(
        &mut self,
        servers: impl IntoIterator<Item = &'s ServerId>,
        mut step: impl FnMut(&mut Starting) -> Result<(), &'static str>,
    ) -> Result<(), &'static str> {
        for server in servers {
            step(self.servers.get_mut(server).ok_or("the server is started in no order")?)?;
        }
        Ok(())
    }
}

impl Starting {
    fn new(ordered: Ordered) -> Self {
        let (stage, host, attempts) = (Stage::Away, None, 0);
        Self { ordered, stage, host, started: None, attempts, blocked: None, trouble: None }
    }

    /// Whether something may still happen to it; `on_its_way`: its move.
    pub(crate) fn is_awaited(&self, on_its_way: Option<&Move>) -> bool {
        match self.stage {
            Stage::Away => {
                on_its_way.is_some_and(|m| !matches!(m.stage, state::Stage::Ended { .. }))
            }
            Stage::ToStart { .. }
            | Stage::Asking { .. }
            | Stage::Starting { .. }
            | Stage::Checking => true,
            Stage::Up | Stage::Unanswered | Stage::NotStarted { .. } | Stage::Gone => false,
        }
    }

    /// Whether it is looked at: it is on its new host and does not run, as far as is known.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        match self.stage {
            Stage::ToStart { .. } | Stage::Asking { .. } | Stage::Starting { .. } => true,
            Stage::Away
            | Stage::Checking
            | Stage::Up
            | Stage::Unanswered
            | Stage::NotStarted { .. }
            | Stage::Gone => false,
        }
    }

    /// Whether Nova was asked to start it, or may have been, and the end is not known.
    pub(crate) fn is_asked(&self) -> bool {
        matches!(self.stage, Stage::Asking { .. } | Stage::Starting { .. })
    }

    /// When the present start is asked for again.
    #[must_use]
    pub fn again_at(&self, limits: &Limits, now: Millis) -> Millis {
        now.plus(limits.retry_ms << self.attempts.saturating_sub(1).min(10))
    }

    /// Who runs when its tier is over is waited for by nobody.
    fn after_active(&self, over: &BTreeSet<Tier>) -> Stage {
        let checked = self.ordered.check.is_some() && !over.contains(&self.ordered.tier);
        if checked { Stage::Checking } else { Stage::Up }
    }

    fn active(&mut self, over: &BTreeSet<Tier>) -> Result<(), &'static str> {
        if !self.is_watched() {
            return Err("a server is active that was not to be started");
        }
        (self.blocked, self.trouble) = (None, None);
        self.stage = self.after_active(over);
        Ok(())
    }

    fn intend(&mut self, at: Millis) -> Result<(), &'static str> {
        let Stage::ToStart { .. } = self.stage else {
            return Err("a start that is not due was intended");
        };
        self.attempts += 1;
        (self.blocked, self.trouble) = (None, None);
        (self.stage, self.started) = (Stage::Asking { since: at }, Some(at));
        Ok(())
    }

    fn taken(&mut self, at: Millis) -> Result<(), &'static str> {
        let Stage::Asking { .. } = self.stage else {
            return Err("a start that was not intended was taken");
        };
        self.stage = Stage::Starting { since: at };
        Ok(())
    }

    fn refused(&mut self, why: &str, again_at: Millis) -> Result<(), &'static str> {
        let (Stage::Asking { .. } | Stage::Starting { .. }) = self.stage else {
            return Err("a start that was not intended was refused");
        };
        self.trouble = Some(why.into());
        self.stage = Stage::ToStart { not_before: again_at };
        Ok(())
    }

    fn not_asked(&mut self, until: Millis) -> Result<(), &'static str> {
        let Stage::Asking { .. } = self.stage else {
            return Err("a start that was not intended was not asked for");
        };
        self.attempts = self.attempts.saturating_sub(1);
        self.stage = Stage::ToStart { not_before: until };
        Ok(())
    }

    fn block(&mut self, why: &str, at: Millis) -> Result<(), &'static str> {
        if !self.is_watched() {
            return Err("a server was kept from its start that has none before it");
        }
        self.blocked = self.blocked.or(Some(at));
        self.trouble = Some(why.into());
        Ok(())
    }

    fn no_answer(&mut self, why: &str) -> Result<(), &'static str> {
        let Stage::Checking = self.stage else {
            return Err("a server that is not checked did not answer");
        };
        self.trouble = Some(why.into());
        Ok(())
    }

    fn checked(&mut self, outcome: Stage) -> Result<(), &'static str> {
        let Stage::Checking = self.stage else {
            return Err("a server that is not checked was checked");
        };
        if outcome == Stage::Up {
            self.trouble = None;
        }
        self.stage = outcome;
        Ok(())
    }

    fn end(&mut self, outcome: Stage) -> Result<(), &'static str> {
        if !self.is_watched() {
            return Err("the start of a server ended that was not to be started");
        }
        self.stage = outcome;
        Ok(())
    }
}
