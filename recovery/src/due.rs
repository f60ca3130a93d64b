//! What may start now, and what a look at Nova means.
//!
//! Pure: [`due`] is asked again after every line of the log, [`judge`] after every look. Neither
//! remembers anything; what is in flight in this process is told by the caller.

use crate::log::{Act, Aftermath, Arrival, Entry, Reset};
use crate::nouns::NotificationStatus;
use crate::permit::{Evacuate, ForceDown, Permit};
use crate::plan::newest_evacuations;
use crate::seen::{ComputeService, Evacuation, EvacuationStatus, Server, Task, VmState};
use crate::state::{Move, Once, Outcome, Stage, State};
use crate::{HostName, Millis, ServerId, ServiceId};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::{String, ToString},
    vec::Vec,
};

/// How long and how often things are tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// How often Nova is asked to evacuate one server.
    pub attempts: u32,
    /// The wait before a second attempt; doubled for each further one.
    pub retry_ms: i64,
    /// How long after its intent a call may still reach Nova, when its answer was lost or whoever
    /// sent it died. Nova accepts a second evacuation of a server that it is evacuating, and then two
    /// hosts build it: so nothing is asked for again before this time is over.
    pub linger_ms: i64,
    /// `wait_period_after_evacuation`: how long no server of the recovery may come further before
    /// those that Nova still works on are given up. Counted from the last progress of any of
    /// them, because Nova works through a queue.
    pub arrival_ms: i64,
    /// `wait_period_after_power_off`: how long a stop may take.
    pub stop_ms: i64,
    /// `notifications_expired_interval`: how old a recovery may become.
    pub expiry_ms: i64,
    /// How many plans one recovery may make.
    pub plans: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            attempts: 4,
            retry_ms: 5_000,
            linger_ms: 90_000,
            arrival_ms: 90_000,
            stop_ms: 180_000,
            expiry_ms: 86_400_000,
            plans: 10,
        }
    }
}

/// What is known at this moment besides the log.
#[derive(Debug)]
pub struct Scene<'a> {
    pub now: Millis,
    /// `None`: the host must be looked at first, or again.
    pub permit: Option<&'a Permit>,
    pub service: Option<&'a ComputeService>,
    /// Servers with an act in flight in this process.
    pub busy: &'a BTreeSet<ServerId>,
    /// How many more servers Nova may be asked to move now.
    pub room: usize,
    /// Whether other servers' moves may be asked about now (a look costs Nova something).
    pub look: bool,
}

/// Something that may start now.
#[derive(Debug)]
pub enum Step {
    /// Get a fresh permit, or learn what is missing.
    LookAtHost,
    ForceDown(ForceDown),
    Disable(ServiceId),
    /// List what is on the host and choose.
    Plan,
    Evacuate {
        order: Evacuate,
        lock: bool,
        reset: Reset,
    },
    LookAtServers,
    Stop(ServerId),
    Settle {
        server: ServerId,
        to_error: bool,
        unlock: bool,
    },
    /// An observation that needs no act: the time is over.
    Note(Entry),
    /// A fresh list from Nova: is anything left?
    Confirm,
}

/// How long a server that has arrived stays locked while Nova still has others to move.
const SETTLE_LATER_MS: i64 = 15_000;

/// Every step that may start now. An empty answer means: wait (see [`wake_at`]).
#[must_use]
pub fn due(state: &State, limits: &Limits, scene: &Scene<'_>) -> Vec<Step> {
    if state.ended.is_some() {
        return Vec::new();
    }
    let mut steps = after_the_move(state, limits, scene);
    if expired(state, limits, scene.now) {
        steps.extend(given_up(state, scene));
    } else if needs_permit(state, scene.now) {
        match scene.permit {
            None => steps.push(Step::LookAtHost),
            Some(permit) => steps.extend(with_permit(state, permit, scene)),
        }
    }
    steps.extend(the_end(state, limits, scene));
    steps
}

/// When something becomes due by itself; `None` when only an answer from outside can help.
#[must_use]
pub fn wake_at(state: &State, limits: &Limits) -> Option<Millis> {
    let moves = state.moves.values().filter_map(|m| match &m.stage {
        Stage::Waiting { not_before }
        | Stage::Arrived { not_before, .. }
        | Stage::Settling { not_before, .. } => Some(*not_before),
        Stage::Asking { .. } | Stage::Moving { .. } => {
            state.progress_at.map(|p| p.plus(limits.arrival_ms))
        }
        Stage::Stopping { .. } => m.stop_since.map(|s| s.plus(limits.stop_ms)),
        Stage::Ended { .. } => None,
    });
    moves.chain(state.began.map(|b| b.plus(limits.expiry_ms))).min()
}

fn expired(state: &State, limits: &Limits, now: Millis) -> bool {
    state.began.is_some_and(|began| now.since(began) >= limits.expiry_ms)
}

/// Whether something is left that only a permit allows.
fn needs_permit(state: &State, now: Millis) -> bool {
    state.plans == 0
        || state
            .moves
            .values()
            .any(|m| matches!(m.stage, Stage::Waiting { not_before } if not_before <= now))
}

/// First blind Nova (with proof), then take the host out of service, then plan, then evacuate.
fn with_permit(state: &State, permit: &Permit, scene: &Scene<'_>) -> Vec<Step> {
    if let Some(service) = scene.service {
        let force = permit.force_down(service.id.clone());
        if let Some(order) =
            force.filter(|_| !service.forced_down && state.forced_down != Once::Done)
        {
            return Vec::from([Step::ForceDown(order)]);
        }
        if state.disabled != Once::Done {
            // One that a person disabled keeps that person's reason.
            if !service.enabled && state.disabled == Once::NotYet {
                return Vec::from([Step::Note(Entry::Disabled)]);
            }
            // Listing changes nothing: it need not wait for Nova's answer to the other.
            let mut steps = Vec::from([Step::Disable(service.id.clone())]);
            steps.extend((state.plans == 0).then_some(Step::Plan));
            return steps;
        }
    }
    if state.plans == 0 {
        return Vec::from([Step::Plan]);
    }
    let waits =
        |m: &Move| matches!(m.stage, Stage::Waiting { not_before } if not_before <= scene.now);
    let busy = |m: &Move| scene.busy.contains(&m.planned.server);
    let asking = |m: &Move| matches!(m.stage, Stage::Asking { .. }) && busy(m);
    // As long as one with the key is being asked for, nobody without it is: calls that are in flight
    // together reach Nova in any order.
    let only_with_key =
        state.moves.values().any(|m| m.planned.ha_enabled && (waits(m) || asking(m)));
    let ready = state
        .order
        .iter()
        .filter_map(|id| state.moves.get(id))
        .filter(|m| waits(m) && !busy(m) && (m.planned.ha_enabled || !only_with_key));
    ready
        .take(scene.room)
        .map(|m| Step::Evacuate {
            order: permit.evacuate(m.planned.server.clone(), None),
            lock: m.is_to_be_locked(),
            reset: m.reset,
        })
        .collect()
}

/// What needs no permit: following, stopping, unlocking.
fn after_the_move(state: &State, limits: &Limits, scene: &Scene<'_>) -> Vec<Step> {
    let (mut steps, mut settled) = (Vec::new(), Vec::new());
    let mut look = false;
    let at_work = state.moves.values().any(|m| {
        matches!(m.stage, Stage::Waiting { .. } | Stage::Asking { .. } | Stage::Moving { .. })
    });
    for m in state.moves.values().filter(|m| !scene.busy.contains(&m.planned.server)) {
        let server = m.planned.server.clone();
        look |= m.doubted && !matches!(m.stage, Stage::Ended { .. });
        match &m.stage {
            Stage::Waiting { .. } | Stage::Ended { .. } => {}
            Stage::Asking { .. } | Stage::Moving { .. } => look = true,
            Stage::Stopping { .. } | Stage::Arrived { .. }
                if m.stop_since.is_some_and(|s| scene.now.since(s) >= limits.stop_ms) =>
            {
                let why = format!("it did not stop within {} s", limits.stop_ms / 1000);
                steps.push(Step::Note(Entry::NotRestored { server, why }));
            }
            Stage::Stopping { .. } => look = true,
            Stage::Arrived { not_before, .. } if *not_before <= scene.now => {
                steps.push(Step::Stop(server));
            }
            // Nothing to undo: it is over, and all such servers are in one line.
            Stage::Settling { .. }
                if settles(m) == (Settles { to_error: false, unlock: false }) =>
            {
                settled.push(server);
            }
            // Moving the others goes before unlocking those that have arrived, for a while.
            Stage::Settling { not_before, .. }
                if at_work && scene.now.since(*not_before) < SETTLE_LATER_MS => {}
            Stage::Settling { not_before, .. } if *not_before <= scene.now => {
                let Settles { to_error, unlock } = settles(m);
                steps.push(Step::Settle { server, to_error, unlock });
            }
            Stage::Arrived { .. } | Stage::Settling { .. } => {}
        }
    }
    if !settled.is_empty() {
        steps.push(Step::Note(Entry::Did { act: Act::Settle, servers: settled }));
    }
    if look && scene.look {
        steps.push(Step::LookAtServers);
    }
    steps
}

/// What is left to do for a server whose end is known.
#[derive(PartialEq, Eq)]
struct Settles {
    to_error: bool,
    unlock: bool,
}

fn settles(m: &Move) -> Settles {
    let succeeded = matches!(&m.stage, Stage::Settling { outcome: Outcome::Succeeded { .. }, .. });
    Settles {
        to_error: succeeded && m.planned.aftermath == Aftermath::StoppedInError,
        unlock: m.locked_by_us,
    }
}

/// The recovery is too old: nothing more is asked of Nova, what was locked is unlocked.
fn given_up(state: &State, scene: &Scene<'_>) -> Vec<Step> {
    let why = state.held.clone().unwrap_or_else(|| "the recovery took too long".into());
    let waiting = state.moves.values().filter(|m| {
        matches!(m.stage, Stage::Waiting { .. }) && !scene.busy.contains(&m.planned.server)
    });
    let give_up = |m: &Move| Entry::NotMoved {
        server: m.planned.server.clone(),
        why: why.clone(),
        again_at: None,
        reset: m.reset,
    };
    waiting.map(give_up).map(Step::Note).collect()
}

fn the_end(state: &State, limits: &Limits, scene: &Scene<'_>) -> Option<Step> {
    let all_ended = state.moves.values().all(|m| matches!(m.stage, Stage::Ended { .. }));
    if !all_ended {
        return None;
    }
    if expired(state, limits, scene.now) {
        let why = state.held.clone().or_else(|| state.waiting.clone());
        let message = why.unwrap_or_else(|| "the recovery took too long".into());
        let message = Some(format!("given up after {} s: {message}", limits.expiry_ms / 1000));
        return Some(Step::Note(Entry::Ended { status: NotificationStatus::Failed, message }));
    }
    if state.plans == 0 {
        return None;
    }
    if !state.confirmed && state.plans < limits.plans {
        return scene.busy.is_empty().then_some(Step::Confirm);
    }
    Some(Step::Note(verdict(state)))
}

/// How the recovery ended, by how its moves did.
fn verdict(state: &State) -> Entry {
    let failed: Vec<String> = state
        .moves
        .values()
        .filter_map(|m| match &m.stage {
            Stage::Ended { outcome: Outcome::Failed { why, .. } } => {
                Some(format!("{}: {why}", m.planned.server))
            }
            Stage::Ended { outcome: Outcome::Succeeded { .. } | Outcome::Ignored { .. } }
            | Stage::Waiting { .. }
            | Stage::Asking { .. }
            | Stage::Moving { .. }
            | Stage::Arrived { .. }
            | Stage::Stopping { .. }
            | Stage::Settling { .. } => None,
        })
        .collect();
    if failed.is_empty() && state.confirmed {
        return Entry::Ended { status: NotificationStatus::Finished, message: None };
    }
    let message = if failed.is_empty() {
        format!("new servers appeared on the host after {} plans", state.plans)
    } else {
        let shown = failed.iter().take(FAILURES_SHOWN).cloned().collect::<Vec<_>>().join("; ");
        format!("{} of {} servers were not recovered: {shown}", failed.len(), state.moves.len())
    };
    Entry::Ended { status: NotificationStatus::Failed, message: Some(message) }
}

/// A message that names hundreds of servers is read by nobody; the vmoves name each.
const FAILURES_SHOWN: usize = 5;

/// What one look at Nova showed.
#[derive(Debug)]
pub struct Look<'a> {
    /// The dead host.
    pub source: &'a HostName,
    /// When it began: what was asked later is not judged by it.
    pub began: Millis,
    /// Servers by id. A server of the recovery that is missing did not change, or is gone.
    pub servers: &'a BTreeMap<ServerId, Server>,
    /// Evacuations away from the host, listed *after* the servers.
    pub evacuations: &'a [Evacuation],
    /// Whether a missing server is gone for certain (both lists were whole).
    pub whole: bool,
    /// Servers with an act in flight when the look began.
    pub busy: &'a BTreeSet<ServerId>,
}

/// What the look means for each server on its way.
#[must_use]
pub fn judge(state: &State, limits: &Limits, look: &Look<'_>, now: Millis) -> Vec<Entry> {
    let newest = newest_evacuations(look.evacuations);
    let (mut entries, mut arrived, mut moving) = (Vec::new(), Vec::new(), Vec::new());
    let (mut stopped, mut runs_on) = (Vec::new(), Vec::new());
    for m in state.moves.values().filter(|m| !look.busy.contains(&m.planned.server)) {
        let id = &m.planned.server;
        let evacuation = newest.get(id).copied().filter(|e| e.id > m.planned.last_evacuation);
        let server = look.servers.get(id);
        let overdue = state.progress_at.is_none_or(|p| now.since(p) >= limits.arrival_ms);
        let lingers = match m.stage {
            Stage::Asking { since, refused } => !refused && now.since(since) < limits.linger_ms,
            Stage::Waiting { .. }
            | Stage::Moving { .. }
            | Stage::Arrived { .. }
            | Stage::Stopping { .. }
            | Stage::Settling { .. }
            | Stage::Ended { .. } => false,
        };
        match judge_one(m, server, evacuation, look, Times { overdue, lingers }) {
            Finding::Nothing => {}
            Finding::Moving => moving.push(id.clone()),
            Finding::Arrived(arrival) => arrived.push(arrival),
            Finding::Stopped => stopped.push(id.clone()),
            Finding::NotStopped => runs_on.push(id.clone()),
            Finding::Gone => entries.push(Entry::Gone { server: id.clone() }),
            Finding::NotMoved { why, reset } => {
                let again_at = (m.attempts < limits.attempts).then(|| again(m, limits, now));
                entries.push(Entry::NotMoved { server: id.clone(), why, again_at, reset });
            }
            Finding::GivenUp { why } => entries.push(Entry::NotMoved {
                server: id.clone(),
                why,
                again_at: None,
                reset: Reset::NotNeeded,
            }),
        }
    }
    if !moving.is_empty() {
        entries.push(Entry::Did { act: Act::Evacuate, servers: moving });
    }
    if !arrived.is_empty() {
        entries.push(Entry::Arrived { servers: arrived });
    }
    if !runs_on.is_empty() {
        let until = now.plus(STOP_AGAIN_MS);
        entries.push(Entry::Postponed { act: Act::Stop, servers: runs_on, until });
    }
    if !stopped.is_empty() {
        entries.push(Entry::Stopped { servers: stopped });
    }
    entries
}

/// The wait before a server that runs on is asked to stop again; `stop_ms` bounds them all.
const STOP_AGAIN_MS: i64 = 2_000;

fn again(m: &Move, limits: &Limits, now: Millis) -> Millis {
    now.plus(limits.retry_ms << m.attempts.saturating_sub(1).min(10))
}

enum Finding {
    Nothing,
    Moving,
    Arrived(Arrival),
    Stopped,
    /// It runs and Nova has nothing to do with it: the stop never arrived, or failed.
    NotStopped,
    Gone,
    NotMoved {
        why: String,
        reset: Reset,
    },
    GivenUp {
        why: String,
    },
}

/// What the clock says of a server on its way.
#[derive(Clone, Copy)]
struct Times {
    /// No server of the recovery came further for too long.
    overdue: bool,
    /// A call for it may still be on its way to Nova.
    lingers: bool,
}

fn judge_one(
    m: &Move,
    server: Option<&Server>,
    evacuation: Option<&Evacuation>,
    look: &Look<'_>,
    times: Times,
) -> Finding {
    let gone = server.is_some_and(is_deleted) || (server.is_none() && look.whole);
    if m.doubted && gone && !matches!(m.stage, Stage::Ended { .. }) {
        return Finding::Gone;
    }
    let (asking, since) = match &m.stage {
        Stage::Asking { since, .. } => (true, *since),
        Stage::Moving { since } => (false, *since),
        Stage::Stopping { since, .. } => {
            return match server.filter(|_| *since < look.began) {
                Some(s) if is_deleted(s) => Finding::Gone,
                Some(s) if s.vm_state == VmState::Stopped && s.task == Task::None => {
                    Finding::Stopped
                }
                Some(s) if s.task == Task::None => Finding::NotStopped,
                Some(_) | None => Finding::Nothing,
            };
        }
        Stage::Waiting { .. }
        | Stage::Arrived { .. }
        | Stage::Settling { .. }
        | Stage::Ended { .. } => return Finding::Nothing,
    };
    if since >= look.began {
        return Finding::Nothing;
    }
    match server {
        None if look.whole => Finding::Gone,
        None if times.overdue && !asking => given_up_moving(),
        None => Finding::Nothing,
        Some(server) if is_deleted(server) => Finding::Gone,
        Some(server) => judge_shown(m, server, evacuation, look, asking, times),
    }
}

/// The server is there. Where, and is Nova still at work on it?
fn judge_shown(
    m: &Move,
    server: &Server,
    evacuation: Option<&Evacuation>,
    look: &Look<'_>,
    asking: bool,
    times: Times,
) -> Finding {
    // Nova clears the task before it changes the host, and marks its record last: as long as the
    // record runs it is at work, whatever the server shows.
    let at_work = server.task == Task::Rebuilding
        || evacuation.is_some_and(|e| e.status == EvacuationStatus::Running);
    let done = evacuation.is_some_and(|e| e.status == EvacuationStatus::Done);
    let elsewhere = server.host.as_ref().filter(|host| *host != look.source);
    if at_work {
        return match (asking, times.overdue) {
            (true, _) => Finding::Moving,
            (false, true) => given_up_moving(),
            (false, false) => Finding::Nothing,
        };
    }
    match elsewhere {
        Some(host) if server.vm_state == VmState::Error && !done => Finding::GivenUp {
            why: format!("Nova failed to rebuild it on {host}; it is in error there"),
        },
        Some(host) => Finding::Arrived(Arrival {
            server: m.planned.server.clone(),
            host: host.clone(),
            vm_state: server.vm_state,
        }),
        // The record says done and the server's host is not yet written: look again.
        None if done && !times.overdue => Finding::Nothing,
        None if times.lingers && evacuation.is_none() => Finding::Nothing,
        None => Finding::NotMoved { why: why_not(server, evacuation), reset: reset_for(server) },
    }
}

fn given_up_moving() -> Finding {
    Finding::GivenUp { why: "Nova took the evacuation and did not finish it in time".into() }
}

fn is_deleted(server: &Server) -> bool {
    matches!(server.vm_state, VmState::Deleted | VmState::SoftDeleted)
}

fn reset_for(server: &Server) -> Reset {
    let ready = matches!(server.vm_state, VmState::Active | VmState::Stopped | VmState::Error);
    if ready && server.task == Task::None { Reset::NotNeeded } else { Reset::ToError }
}

fn why_not(server: &Server, evacuation: Option<&Evacuation>) -> String {
    match (evacuation.map(|e| e.status), server.vm_state) {
        (Some(EvacuationStatus::Failed), VmState::Error) => {
            "Nova could not evacuate it: it is in error (no host had room, or the rebuild failed)"
                .to_string()
        }
        (Some(EvacuationStatus::Failed), _) => "Nova gave the evacuation up".to_string(),
        (Some(EvacuationStatus::Running | EvacuationStatus::Done) | None, _) => {
            "Nova has no evacuation of it under way".to_string()
        }
    }
}
