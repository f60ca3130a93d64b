//! When a host is to be fenced, and what the log says of that.
//!
//! A host is fenced when what is known of it is not enough for a permit, as `[fencing] require` says, and somebody
//! reported it. Whether it has a ladder of devices is told by the caller; which device does what is not known here.
//! Fencing brings evidence, never a permit: [`crate::permit()`] weighs it like any other.
//!
//! A host that is plainly alive is not fenced: one that Nova has heard after the report and takes for up, one that a
//! monitor reported to be there since, or one on which a VM's agent answered a moment ago. And none is before Nova has missed a heartbeat of it: a monitor may be wrong, and a host that lives is heard
//! within that time. One that says that it writes a crash dump is left its power for a while ([`Dump`]); that is no
//! evidence of anything. A climb of the ladder that was begun and has no outcome in the log is begun again: off is
//! ordered of a host that is off already, which proves it just as well.

use crate::details::Task;
use crate::evidence::{Evidence, Sighting, Sign};
use crate::log::{Entry, Line, Summary};
use crate::permit::{Missing, NovaSays};
use crate::seen::ComputeService;
use crate::{HostName, Millis};
use alloc::{boxed::Box, format, string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// A VM's agent that answered within this time says more than Nova, which takes as long to miss heartbeats.
const FRESH_MS: i64 = 60_000;

/// What the log tells of fencing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum FenceEntry {
    /// We are about to climb the host's ladder: these devices, in this order.
    Begun { attempt: u32, rungs: Vec<String> },
    /// A device proved that the host is dead; the evidence names it, and holds what every rung came to.
    Proven { evidence: Evidence },
    /// None did. `path`: what every rung came to; `why`: what else there is to say.
    Failed {
        path: Vec<String>,
        why: Option<String>,
        again_at: Option<Millis>,
        /// The same as a type, rung by rung; nothing in the log of an older program.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hurdles: Vec<Hurdle>,
    },
}

/// What kept one rung from proving that the host is dead.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hurdle {
    NoAnswer,
    WrongCredentials,
    Refused,
    Garbled,
    /// A secret or a program is missing on the engine's machine.
    Unusable,
    StayedOn,
    OutOfTime,
    WrongMachine,
    MachineNotTold,
    /// It says off, and the host was heard after that.
    SeenAlive,
    ProvesNothing,
    NeedsPerson,
    MayNot,
    OutOfTurn,
}

/// How often and how soon it is tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// How often the ladder is climbed before a person has to help.
    pub attempts: u32,
    /// The wait before a second climb; doubled for each further one.
    pub retry_ms: i64,
    /// The longest such wait.
    pub retry_most_ms: i64,
    /// A host that Nova has heard within this time may live: it is waited for before it is fenced.
    pub quiet_ms: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { attempts: 10, retry_ms: 15_000, retry_most_ms: 300_000, quiet_ms: 15_000 }
    }
}

/// Where the fencing of a host stands.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Fencing {
    /// How many climbs brought no permit so far.
    pub attempts: u32,
    under_way: bool,
    failed: Option<Failed>,
    /// When a device proved it last, and no permit has followed yet.
    proven_at: Option<Millis>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Failed {
    path: Vec<String>,
    why: Option<String>,
    again_at: Option<Millis>,
}

/// What is to be done with a host that is not proven dead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Climb its ladder.
    Fence,
    /// Nova heard it a moment ago: see whether it is heard again. Or it writes a crash dump.
    Listen,
    /// Nothing: it is plainly alive, nobody said that it is dead, or it was tried and is not to be tried now.
    Nothing,
}

/// A host said that it writes a crash dump.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dump {
    /// When it said so last.
    pub heard: Millis,
    /// Longer than that nobody waits for it.
    pub until: Millis,
}

impl Dump {
    /// It is said every ten seconds: two of three may be lost.
    pub const SILENT_MS: i64 = 30_000;

    /// Whether it still writes, as far as anybody knows.
    #[must_use]
    pub fn goes_on(&self, now: Millis) -> bool {
        now < self.until && now.since(self.heard) < Self::SILENT_MS
    }
}

/// What is known of a host that has a ladder and is not proven dead.
#[derive(Clone, Copy, Debug)]
pub struct Unproven<'a> {
    pub missing: &'a Missing,
    pub service: Option<&'a ComputeService>,
    pub dump: Option<Dump>,
}

impl Unproven<'_> {
    /// Whether it lives though it was reported dead: Nova hears it and takes it for up, or others say so.
    #[must_use]
    pub fn is_plainly_alive(&self, now: Millis) -> bool {
        match self.missing {
            // That somebody forced it down, we as a rule, says nothing about the host: it may be back.
            Missing::SignOfLife { sighting, .. } => match self.says() {
                NovaSays::Up | NovaSays::ForcedDown | NovaSays::Absent => true,
                NovaSays::Down => sighting.what.lasts() || is_fresh(sighting, now),
            },
            Missing::NoEvidence | Missing::TooWeak { .. } | Missing::NovaStillUp => false,
        }
    }

    fn says(&self) -> NovaSays {
        self.service.map_or(NovaSays::Absent, ComputeService::says)
    }

    fn dumps(&self, now: Millis) -> bool {
        self.dump.is_some_and(|dump| dump.goes_on(now))
    }

    fn was_heard_within(&self, ms: i64, now: Millis) -> bool {
        self.service.and_then(|s| s.heartbeat_at).is_some_and(|at| now.since(at) < ms)
    }
}

/// Whether what others saw of it is so young that it says more than Nova's word. Nova's own is in that.
fn is_fresh(sighting: &Sighting, now: Millis) -> bool {
    sighting.what != Sign::Heartbeat && now.since(sighting.at) < FRESH_MS
}

impl Fencing {
    /// What is to be done with a host that has a ladder.
    #[must_use]
    pub fn next(&self, limits: &Limits, host: &Unproven<'_>, now: Millis) -> Next {
        let reported = !matches!(host.missing, Missing::NoEvidence);
        let may = match (&self.failed, self.proven_at) {
            (Some(failed), _) => failed.again_at.is_some_and(|at| at <= now),
            // What was proven is not seen, or was outdated at once: that is no reason to ask without end.
            (None, Some(at)) => {
                self.attempts < limits.attempts && now.since(at) >= self.wait_ms(limits)
            }
            (None, None) => true,
        };
        if !reported || !may || host.is_plainly_alive(now) {
            Next::Nothing
        } else if host.was_heard_within(limits.quiet_ms, now) || host.dumps(now) {
            Next::Listen
        } else {
            Next::Fence
        }
    }

    /// The number of the next climb. One that was begun and has no outcome is begun again under its own.
    #[must_use]
    pub fn next_attempt(&self) -> u32 {
        self.attempts.saturating_add(1)
    }

    /// When a climb that fails now is tried again; `None`: that was the last one.
    #[must_use]
    pub fn again_at(&self, limits: &Limits, now: Millis) -> Option<Millis> {
        let counted = Self { attempts: self.next_attempt(), ..Self::default() };
        (counted.attempts < limits.attempts).then(|| now.plus(counted.wait_ms(limits)))
    }

    /// The wait after the last climb.
    fn wait_ms(&self, limits: &Limits) -> i64 {
        let wait = limits.retry_ms.saturating_mul(1 << self.attempts.saturating_sub(1).min(20));
        wait.min(limits.retry_most_ms)
    }

    /// When it is due by itself.
    pub(crate) fn wake_at(&self) -> Option<Millis> {
        self.failed.as_ref().and_then(|failed| failed.again_at)
    }

    /// What the last climb came to, for whoever has to help.
    #[must_use]
    pub fn told(&self) -> Option<String> {
        let failed = self.failed.as_ref()?;
        let rungs = failed.path.iter().enumerate();
        let path =
            rungs.map(|(i, rung)| format!("{}. {rung}", i + 1)).collect::<Vec<_>>().join("; ");
        let why = failed.why.as_ref().map(|why| format!("; {why}")).unwrap_or_default();
        let next = match failed.again_at {
            Some(_) => "it is tried again",
            None => "it is not tried again",
        };
        Some(format!("it could not be fenced: {path}{why}; {next}"))
    }

    /// A permit has followed. Should the host come back and die again, that is another matter.
    pub(crate) fn permitted(&mut self) {
        *self = Self { under_way: self.under_way, ..Self::default() };
    }

    pub(crate) fn apply(&mut self, entry: &FenceEntry, at: Millis) -> Result<(), &'static str> {
        match entry {
            FenceEntry::Begun { .. } => self.under_way = true,
            FenceEntry::Proven { .. } | FenceEntry::Failed { .. } if !self.under_way => {
                return Err("a climb ended that was not begun");
            }
            FenceEntry::Proven { .. } => {
                let attempts = self.next_attempt();
                *self = Self { attempts, proven_at: Some(at), ..Self::default() };
            }
            FenceEntry::Failed { path, why, again_at, .. } => {
                self.under_way = false;
                self.attempts = self.attempts.saturating_add(1);
                let (path, why, again_at) = (path.clone(), why.clone(), *again_at);
                self.failed = Some(Failed { path, why, again_at });
            }
        }
        Ok(())
    }
}

impl FenceEntry {
    /// A message of the task that stands last.
    pub(crate) fn tell(&self, task: &mut Task, at: Millis, host: &HostName) {
        let text = match self {
            Self::Begun { attempt, rungs } => {
                format!("Fencing host '{host}' (attempt {attempt}): {}", rungs.join(", "))
            }
            Self::Proven { evidence } => {
                let path = evidence.raw.replace('\n', "; ");
                format!("Fenced host '{host}': {}, {}: {path}", evidence.kind, evidence.source)
            }
            Self::Failed { again_at: Some(again), .. } => {
                let wait_s = again.since(at) / 1000;
                format!("Host '{host}' could not be fenced; tried again in {wait_s} s")
            }
            Self::Failed { again_at: None, .. } => {
                format!("Host '{host}' could not be fenced; not tried again")
            }
        };
        task.say(at, task.progress, text);
    }
}

/// The evidence that these lines bring.
pub(crate) fn summaries(lines: &[Line]) -> impl Iterator<Item = Summary> {
    lines.iter().filter_map(|line| {
        let Entry::Fence(FenceEntry::Proven { evidence }) = &line.entry else { return None };
        Some(Summary::Evidence(Box::new(evidence.clone())))
    })
}
