//! The log folded up: where one recovery stands, and each of its servers.
//!
//! ```text
//!             Intended        Did                    Arrived (ran)
//!  Waiting ───────────► Asking ───► Moving ───────────────────────────► Settling ──► Ended
//!     ▲                   │           │   Arrived (did not)   Stopped       ▲
//!     │     NotMoved      │           └──► Arrived ──► Stopping ────────────┤
//!     └───────────────────┴── again        (to be stopped)                  │
//!                         └── no more, Gone, NotRestored ───────────────────┘
//! ```
//!
//! `Asking` without an act in flight means: we do not know whether Nova took it. Nothing is asked
//! again before a look at the server has told.

mod about;
mod forced;
mod left;
mod retry;
mod row;
mod subject;

use crate::capacity::Wait;
use crate::evidence::Kind;
use crate::fencing::Fencing;
use crate::forecast::Forecast;
use crate::guard;
use crate::hand::Hand;
use crate::log::{Act, Aftermath, Arrival, Entry, Line, Planned, Reset, Skipped};
use crate::nouns::NotificationStatus;
use crate::seen::VmState;
use crate::shadow::ShadowEntry;
use crate::steps::Steps;
use crate::tiers::Starts;
use crate::way::Ways;
use crate::{HostName, Millis, ServerId};
use about::matters_to_nova;
use alloc::{boxed::Box, collections::BTreeMap, string::String, vec::Vec};
pub use subject::Subject;

/// How the move of one server ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    Succeeded { host: HostName },
    Failed { host: Option<HostName>, why: String },
    Ignored { why: String },
}

/// Where the move of one server stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stage {
    /// To be asked for, not before that moment.
    Waiting {
        not_before: Millis,
    },
    /// We meant to ask and may have done so. `refused`: Nova has answered that it did not take it.
    Asking {
        since: Millis,
        refused: bool,
    },
    /// Nova took it.
    Moving {
        since: Millis,
    },
    /// On its new host, to be stopped there.
    Arrived {
        host: HostName,
        not_before: Millis,
    },
    /// We asked for the stop, or meant to.
    Stopping {
        host: HostName,
        since: Millis,
    },
    /// Its end is known; it is still to be unlocked (and set to error).
    Settling {
        outcome: Outcome,
        not_before: Millis,
    },
    Ended {
        outcome: Outcome,
    },
}

/// The move of one server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Move {
    pub planned: Planned,
    pub stage: Stage,
    /// How often Nova was asked, not counting when it was away.
    pub attempts: u32,
    /// How many calls may have reached Nova, ever: each that did leaves a record.
    pub sent: u32,
    /// An evacuation of it was meant in this recovery, or Nova was at one when it was planned: what Nova shows of one may be
    /// that. Of any other it is somebody else's.
    pub meant: bool,
    /// Whether the state must be reset before Nova is asked next.
    pub reset: Reset,
    /// Why Nova refused it last.
    pub refusal: Option<String>,
    /// Nova said that it does not know the server: a whole list must tell whether it is gone.
    pub doubted: bool,
    /// We may have locked it: it must be unlocked at the end.
    pub locked_by_us: bool,
    /// When it was to be stopped first.
    pub stop_since: Option<Millis>,
    /// It waits, or has waited, for room.
    pub wait: Option<Wait>,
    pub started_at: Option<Millis>,
    pub ended_at: Option<Millis>,
}

/// Something of which the intent is written before and the outcome after.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Once {
    #[default]
    NotYet,
    Intended,
    Done,
}

/// Where one recovery stands.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct State {
    /// The number of the last line.
    pub last_seq: u64,
    /// When it was claimed first.
    pub began: Option<Millis>,
    /// By what the host was judged dead last.
    pub proven: Option<Kind>,
    /// Why there is no permit now.
    pub held: Option<String>,
    /// In shadow mode: what would be done.
    pub shadow: Option<Box<Forecast>>,
    /// What the guard says.
    pub guard: guard::Standing,
    pub fencing: Fencing,
    /// What outside did not answer, when that was written last.
    pub waiting: Option<String>,
    pub forced_down: Once,
    /// When it was meant: Nova may show that it was done soon after.
    pub force_down_meant_at: Option<Millis>,
    /// When that was written: Nova shows it as the service's last heartbeat.
    pub forced_down_at: Option<Millis>,
    pub disabled: Once,
    /// How many plans were made; a later one adds what was found later.
    pub plans: u32,
    pub ways: Ways,
    pub hand: Hand,
    pub steps: Steps,
    /// The servers that were found on the host, by the last plan; one that a way left behind is
    /// planned again.
    pub moves: BTreeMap<ServerId, Move>,
    /// The servers in the order in which they shall move.
    pub order: Vec<ServerId>,
    pub skipped: Vec<Skipped>,
    /// Servers that are started in order where they arrive.
    pub starts: Starts,
    /// A fresh list had nothing left to move.
    pub confirmed: bool,
    /// When a server last came further, or the first was asked for.
    pub progress_at: Option<Millis>,
    pub ended: Option<(NotificationStatus, Option<String>)>,
}

/// A log that no version of this program can have written.
#[derive(Clone, PartialEq, Eq, thiserror::Error, Debug)]
#[error("line {seq} of the log cannot follow what stands before it: {what}")]
pub struct Illegal {
    pub seq: u64,
    pub what: &'static str,
}

impl State {
    /// Folds a whole log.
    ///
    /// # Errors
    /// [`Illegal`] when a line does not follow from those before it.
    pub fn fold(lines: &[Line]) -> Result<Self, Illegal> {
        let mut state = Self::default();
        for line in lines {
            state.apply(line)?;
        }
        Ok(state)
    }

    /// Folds one more line; at start-up as in the normal run.
    ///
    /// # Errors
    /// [`Illegal`] when it does not follow from the lines before it; the state is not to be used then.
    pub fn apply(&mut self, line: &Line) -> Result<(), Illegal> {
        let illegal = |what| Err(Illegal { seq: line.seq, what });
        if line.seq != self.last_seq + 1 {
            return illegal("its number is not the next one");
        }
        match (&self.ended, line.entry.is_retry()) {
            (Some(_), false) => return illegal("the recovery had ended"),
            (None, true) => return illegal("it was tried again before it had ended"),
            (Some(_), true) | (None, false) => {}
        }
        self.apply_entry(&line.entry, line.at).or_else(illegal)?;
        self.last_seq = line.seq;
        Ok(())
    }

    fn apply_entry(&mut self, entry: &Entry, at: Millis) -> Result<(), &'static str> {
        match entry {
            Entry::Claimed { .. } => self.began = self.began.or(Some(at)),
            Entry::Proven { kind, .. } => {
                (self.proven, self.held) = (Some(*kind), None);
                self.guard.held = None;
                self.fencing.permitted();
            }
            Entry::Held { why, .. } => (self.held, self.guard.held) = (Some(why.clone()), None),
            Entry::Guard(entry) => self.held = self.guard.apply(entry, at),
            Entry::Shadow(ShadowEntry::Would { forecast }) => {
                (self.shadow, self.waiting) = (Some(forecast.clone()), None);
            }
            Entry::Fence(entry) => self.fencing.apply(entry, at)?,
            Entry::Waiting { why } => self.waiting = Some(why.clone()),
            Entry::ForceDownIntended => {
                (self.forced_down, self.force_down_meant_at) = (Once::Intended, Some(at));
            }
            Entry::ForcedDown => (self.forced_down, self.forced_down_at) = (Once::Done, Some(at)),
            Entry::DisableIntended => self.disabled = Once::Intended,
            Entry::Disabled => self.disabled = Once::Done,
            Entry::Planned { moves, skipped, .. } => self.plan(moves, skipped, at)?,
            Entry::Intended { act, servers } => self.each(servers, |m| m.intend(*act, at))?,
            Entry::Did { act, servers } => self.each(servers, |m| m.did(*act, at))?,
            Entry::Refused { server, why, .. } => self.each([server], |m| m.refused(why))?,
            Entry::Postponed { act, servers, until } => {
                self.each(servers, |m| m.postpone(*act, *until))?;
            }
            Entry::Arrived { servers } => {
                for arrival in servers {
                    self.each([&arrival.server], |m| m.arrive(arrival, at))?;
                    self.starts.arrive(arrival, at);
                }
            }
            Entry::NotMoved { server, why, again_at, reset } => {
                self.each([server], |m| m.not_moved(why, *again_at, *reset, at))?;
            }
            Entry::Stopped { servers } => self.each(servers, |m| m.stopped(at))?,
            Entry::NotRestored { server, why } => {
                self.each([server], |m| m.not_restored(why, at))?
            }
            Entry::Gone { server } => self.gone(server, at)?,
            Entry::Way(entry) => self.ways.apply(entry)?,
            Entry::Hand(word) => {
                self.hand.apply(word, at)?;
                if entry.is_retry() {
                    self.retry(at);
                }
            }
            Entry::Capacity(entry) => {
                self.each(entry.servers(), |m| m.capacity(entry, at))?;
                entry.deleted().into_iter().for_each(|server| self.starts.gone(server));
            }
            Entry::Tier(entry) => self.starts.apply(entry, at)?,
            Entry::Step(entry) => self.steps.apply(entry, at)?,
            Entry::Confirmed { .. } => self.confirmed = true,
            Entry::Restart(_)
            | Entry::Process(_)
            | Entry::Return(_)
            | Entry::Drill(_)
            | Entry::Drain(_) => return Err("it belongs to another kind of recovery"),
            Entry::Ended { status, message } => self.ended = Some((*status, message.clone())),
        }
        if matters_to_nova(entry) {
            self.progress_at = Some(at);
            self.waiting = None;
        }
        Ok(())
    }

    fn gone(&mut self, server: &ServerId, at: Millis) -> Result<(), &'static str> {
        let outcome = Outcome::Ignored { why: "it was deleted meanwhile".into() };
        self.each([server], |m| m.end(outcome.clone(), at))?;
        self.starts.gone(server);
        Ok(())
    }

    fn plan(
        &mut self,
        moves: &[Planned],
        skipped: &[Skipped],
        at: Millis,
    ) -> Result<(), &'static str> {
        self.plans += 1;
        self.skipped = skipped.to_vec();
        for planned in moves {
            let mut fresh = Move::new(planned.clone(), at);
            fresh.meant |= self.moves.get(&planned.server).is_some_and(|before| before.meant);
            match self.moves.insert(planned.server.clone(), fresh).map(|before| before.stage) {
                None => {}
                Some(Stage::Ended { outcome: Outcome::Failed { .. } }) => {
                    self.order.retain(|server| *server != planned.server);
                }
                Some(_) => return Err("the server was planned before"),
            }
            self.order.push(planned.server.clone());
        }
        Ok(())
    }

    fn each<'s>(
        &mut self,
        servers: impl IntoIterator<Item = &'s ServerId>,
        mut step: impl FnMut(&mut Move) -> Result<(), &'static str>,
    ) -> Result<(), &'static str> {
        for server in servers {
            step(self.moves.get_mut(server).ok_or("the server was never planned")?)?;
        }
        Ok(())
    }

    /// The servers that Nova may be moving now, each with the number of its last evacuation before.
    #[must_use]
    pub fn on_their_way(&self) -> BTreeMap<ServerId, i64> {
        let known = |m: &Move| (m.planned.server.clone(), m.planned.last_evacuation);
        self.moves.values().filter(|m| m.is_on_its_way()).map(known).collect()
    }

    /// Since when its time counts: the claim, the last retry, or the end of a planned stop.
    #[must_use]
    pub fn since(&self) -> Option<Millis> {
        self.hand.retried_at.or(self.began).max(self.guard.stop_ends)
    }

    /// The status of the notification, as the API shows it.
    #[must_use]
    pub fn status(&self) -> NotificationStatus {
        match (&self.ended, self.proven, &self.held) {
            (Some((status, _)), _, _) => *status,
            (None, Some(_), None) => NotificationStatus::Running,
            (None, _, _) => NotificationStatus::New,
        }
    }
}

/// How many calls a move takes.
#[derive(PartialEq, Eq)]
enum Calls {
    One,
    Several,
}

impl Move {
    fn new(planned: Planned, at: Millis) -> Self {
        let stage = match &planned.quarantine {
            Some(why) => Stage::Ended { outcome: Outcome::Failed { host: None, why: why.clone() } },
            None if planned.under_way => Stage::Moving { since: at },
            None => Stage::Waiting { not_before: at },
        };
        let started_at = planned.under_way.then_some(at);
        let ended_at = planned.quarantine.is_some().then_some(at);
        Self {
            reset: planned.reset,
            meant: planned.under_way,
            planned,
            stage,
            attempts: 0,
            sent: 0,
            refusal: None,
            doubted: false,
            locked_by_us: false,
            stop_since: None,
            wait: None,
            started_at,
            ended_at,
        }
    }

    fn intend(&mut self, act: Act, at: Millis) -> Result<(), &'static str> {
        self.stage = match (act, &self.stage) {
            (Act::Evacuate, Stage::Waiting { .. }) => {
                self.attempts += 1;
                self.sent += 1;
                self.meant = true;
                self.refusal = None;
                self.locked_by_us = self.is_to_be_locked();
                self.started_at = self.started_at.or(Some(at));
                Stage::Asking { since: at, refused: false }
            }
            (Act::Stop, Stage::Arrived { host, .. }) => {
                self.stop_since = self.stop_since.or(Some(at));
                Stage::Stopping { host: host.clone(), since: at }
            }
            // Unlocking and setting to error may be done twice: the intent changes nothing.
            (Act::Settle, Stage::Settling { .. }) => self.stage.clone(),
            (Act::Evacuate | Act::Stop | Act::Settle, _) => {
                return Err("an act that is not due was intended");
            }
        };
        Ok(())
    }

    /// Whether Nova may be moving it now.
    #[must_use]
    pub fn is_on_its_way(&self) -> bool {
        match self.stage {
            Stage::Asking { .. } | Stage::Moving { .. } => true,
            Stage::Waiting { .. }
            | Stage::Arrived { .. }
            | Stage::Stopping { .. }
            | Stage::Settling { .. }
            | Stage::Ended { .. } => false,
        }
    }

    /// Whether it is locked before it moves: only what needs more calls than one, so that nobody comes
    /// between them. A running server needs one, and from then on Nova itself refuses what its owner
    /// asks for, because of the task; the lock would be a call more for each, in the same queue.
    #[must_use]
    pub fn is_to_be_locked(&self) -> bool {
        let calls = match (self.reset, self.planned.aftermath) {
            (Reset::NotNeeded, Aftermath::Running) => Calls::One,
            (Reset::ToError | Reset::ToActive, _)
            | (_, Aftermath::Stopped | Aftermath::StoppedInError) => Calls::Several,
        };
        !self.planned.locked && (self.locked_by_us || calls == Calls::Several)
    }

    /// A look at the server comes before anything else: it may be on its way already.
    fn refused(&mut self, why: &str) -> Result<(), &'static str> {
        match &mut self.stage {
            Stage::Asking { refused, .. } => {
                *refused = true;
                self.sent = self.sent.saturating_sub(1);
            }
            Stage::Stopping { .. } | Stage::Settling { .. } => self.doubted = true,
            Stage::Waiting { .. }
            | Stage::Moving { .. }
            | Stage::Arrived { .. }
            | Stage::Ended { .. } => return Err("an act that was not intended was refused"),
        }
        self.refusal = Some(why.into());
        Ok(())
    }

    fn did(&mut self, act: Act, at: Millis) -> Result<(), &'static str> {
        self.doubted = false;
        self.stage = match (act, &self.stage) {
            (Act::Evacuate, Stage::Asking { .. }) => Stage::Moving { since: at },
            // Somebody else has asked for it, before we meant to. That call leaves a record as one of ours would.
            (Act::Evacuate, Stage::Waiting { .. }) if !self.meant => {
                self.sent += 1;
                self.meant = true;
                self.started_at = self.started_at.or(Some(at));
                Stage::Moving { since: at }
            }
            (Act::Stop, Stage::Stopping { host, .. }) => {
                Stage::Stopping { host: host.clone(), since: at }
            }
            (Act::Settle, Stage::Settling { outcome, .. }) => match &self.wait {
                Some(wait) if !wait.going => {
                    self.locked_by_us = false;
                    Stage::Waiting { not_before: wait.again_at }
                }
                Some(_) | None => {
                    self.ended_at = Some(at);
                    Stage::Ended { outcome: outcome.clone() }
                }
            },
            (Act::Evacuate | Act::Stop | Act::Settle, _) => {
                return Err("an act that was not intended was done");
            }
        };
        Ok(())
    }

    fn postpone(&mut self, act: Act, until: Millis) -> Result<(), &'static str> {
        self.stage = match (act, &self.stage) {
            (Act::Evacuate, Stage::Asking { .. }) => {
                self.attempts = self.attempts.saturating_sub(1);
                self.sent = self.sent.saturating_sub(1);
                Stage::Waiting { not_before: until }
            }
            (Act::Stop, Stage::Stopping { host, .. }) => {
                Stage::Arrived { host: host.clone(), not_before: until }
            }
            (Act::Settle, Stage::Settling { outcome, .. }) => {
                Stage::Settling { outcome: outcome.clone(), not_before: until }
            }
            (Act::Evacuate | Act::Stop | Act::Settle, _) => {
                return Err("an act that was not intended was postponed");
            }
        };
        Ok(())
    }

    fn arrive(&mut self, arrival: &Arrival, at: Millis) -> Result<(), &'static str> {
        let (Stage::Asking { .. } | Stage::Moving { .. }) = self.stage else {
            return Err("a server arrived that was not on its way");
        };
        let host = arrival.host.clone();
        let as_before = match self.planned.aftermath {
            Aftermath::Running => true,
            Aftermath::Stopped => arrival.vm_state == VmState::Stopped,
            Aftermath::StoppedInError => false,
        };
        self.stage = if as_before {
            Stage::Settling { outcome: Outcome::Succeeded { host }, not_before: at }
        } else {
            Stage::Arrived { host, not_before: at }
        };
        Ok(())
    }

    fn not_moved(
        &mut self,
        why: &str,
        again_at: Option<Millis>,
        reset: Reset,
        at: Millis,
    ) -> Result<(), &'static str> {
        let (Stage::Waiting { .. } | Stage::Asking { .. } | Stage::Moving { .. }) = self.stage
        else {
            return Err("a server did not move that was not on its way");
        };
        self.reset = reset;
        self.stage = match again_at {
            Some(not_before) => Stage::Waiting { not_before },
            None => {
                // Whatever it waited for.
                self.wait.iter_mut().for_each(|wait| wait.going = true);
                let outcome = Outcome::Failed { host: None, why: why.into() };
                Stage::Settling { outcome, not_before: at }
            }
        };
        Ok(())
    }

    fn stopped(&mut self, at: Millis) -> Result<(), &'static str> {
        let (Stage::Arrived { host, .. } | Stage::Stopping { host, .. }) = &self.stage else {
            return Err("a server was stopped that was not on its new host");
        };
        let outcome = Outcome::Succeeded { host: host.clone() };
        self.stage = Stage::Settling { outcome, not_before: at };
        Ok(())
    }

    fn not_restored(&mut self, why: &str, at: Millis) -> Result<(), &'static str> {
        let host = match &self.stage {
            Stage::Arrived { host, .. } | Stage::Stopping { host, .. } => Some(host.clone()),
            Stage::Settling { outcome: Outcome::Succeeded { host }, .. } => Some(host.clone()),
            Stage::Settling { outcome: Outcome::Failed { host, .. }, .. } => host.clone(),
            Stage::Waiting { .. }
            | Stage::Asking { .. }
            | Stage::Moving { .. }
            | Stage::Settling { outcome: Outcome::Ignored { .. }, .. }
            | Stage::Ended { .. } => return Err("a server was not restored that had not arrived"),
        };
        self.end_or_settle(Outcome::Failed { host, why: why.into() }, at);
        Ok(())
    }

    /// What could not be restored is still unlocked; what could not even be unlocked ends.
    fn end_or_settle(&mut self, outcome: Outcome, at: Millis) {
        self.stage = if let Stage::Settling { .. } = self.stage {
            self.ended_at = Some(at);
            Stage::Ended { outcome }
        } else {
            Stage::Settling { outcome, not_before: at }
        };
    }

    pub(crate) fn end(&mut self, outcome: Outcome, at: Millis) -> Result<(), &'static str> {
        if let Stage::Ended { .. } = self.stage {
            return Err("a move ended twice");
        }
        self.ended_at = Some(at);
        self.stage = Stage::Ended { outcome };
        Ok(())
    }
}
