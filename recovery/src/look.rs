//! What a look at Nova means for each server on its way.

use crate::capacity::{self, CapacityEntry};
use crate::due::Limits;
use crate::log::{Act, Arrival, Entry, Reset};
use crate::plan::newest_evacuations;
use crate::seen::{Evacuation, EvacuationStatus, Server, Task, VmState};
use crate::state::{Move, Stage, State};
use crate::way::Way;
use crate::{HostName, Millis, ServerId};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::{String, ToString},
    vec::Vec,
};

/// What one look at Nova showed.
#[derive(Debug)]
pub struct Look<'a> {
    /// The dead host.
    pub source: &'a HostName,
    /// When it began: what was asked later is not judged by it.
    pub began: Millis,
    /// Since when every look has been answered: what Nova did before that nobody saw.
    pub answered_since: Millis,
    /// Servers by id. A server of the recovery that is missing did not change, or is gone.
    pub servers: &'a BTreeMap<ServerId, Server>,
    /// Evacuations away from the host, listed *after* the servers.
    pub evacuations: &'a [Evacuation],
    /// What Nova noted of evacuations that failed.
    pub reasons: &'a BTreeMap<ServerId, String>,
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
        let waited = |p: Millis| now.since(p.max(look.answered_since));
        let overdue = state.progress_at.is_none_or(|p| waited(p) >= limits.arrival_ms);
        // A record of an earlier attempt says nothing of this one.
        let may_land = |since| now.since(since) < limits.linger_ms && records(m, look) < m.sent;
        let lingers = match m.stage {
            Stage::Asking { since, refused } => !refused && may_land(since),
            // What looked like this attempt may have been an earlier one.
            Stage::Moving { since } => may_land(since),
            Stage::Waiting { .. }
            | Stage::Arrived { .. }
            | Stage::Stopping { .. }
            | Stage::Settling { .. }
            | Stage::Ended { .. } => false,
        };
        match judge_one(m, server, evacuation, look, Times { overdue, lingers }) {
            Finding::Nothing => {}
            Finding::Moving => moving.push(id.clone()),
            Finding::Arrived(arrival) => arrived.push(arrival),
            Finding::Left(to) => {
                let left = CapacityEntry::Left { server: id.clone(), to: Some(to) };
                entries.push(Entry::Capacity(left));
            }
            Finding::Stopped => stopped.push(id.clone()),
            Finding::NotStopped => runs_on.push(id.clone()),
            Finding::Gone => entries.push(Entry::Gone { server: id.clone() }),
            Finding::NotMoved { why, reset, at_once } => {
                let stopped = server.filter(|_| state.starts.arrives_stopped(id));
                let reset = stopped.map_or(reset, crate::tiers::reset_for);
                let by_nova = evacuation.is_some_and(|e| e.status == EvacuationStatus::Failed);
                let most = attempts_most(state, limits, by_nova);
                let next = if at_once { now } else { again(m, limits, now) };
                let again_at = (m.asked_in_a_row() < most).then_some(next);
                let last = again_at.is_none();
                let waits = capacity::waits(state, limits, m, (&why, reset), last, now);
                let not_moved = || Entry::NotMoved { server: id.clone(), why, again_at, reset };
                entries.push(waits.map_or_else(not_moved, Entry::Capacity));
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

/// How often Nova is asked on this way. What Nova itself gave up goes soon to the next one; of hosts
/// that we name, each has its turn.
fn attempts_most(state: &State, limits: &Limits, by_nova: bool) -> u32 {
    let elsewhere = state.ways.now() == Ok(Way::Reserved) || state.ways.next().is_some();
    match &state.ways.within {
        _ if by_nova && elsewhere => limits.attempts.min(ATTEMPTS_BEFORE_THE_NEXT),
        Some(hosts) => limits.attempts.max(u32::try_from(hosts.len()).unwrap_or(u32::MAX)),
        None => limits.attempts,
    }
}

/// How often Nova is asked where there is another way, or may be another reserved host.
const ATTEMPTS_BEFORE_THE_NEXT: u32 = 2;

/// How many of the calls for it have left a record.
fn records(m: &Move, look: &Look<'_>) -> u32 {
    let ours = |e: &&Evacuation| e.server == m.planned.server && e.id > m.planned.last_evacuation;
    u32::try_from(look.evacuations.iter().filter(ours).count()).unwrap_or(u32::MAX)
}

fn again(m: &Move, limits: &Limits, now: Millis) -> Millis {
    now.plus(limits.retry_ms << m.asked_in_a_row().saturating_sub(1).min(10))
}

enum Finding {
    Nothing,
    Moving,
    Arrived(Arrival),
    /// Somebody else has brought it there.
    Left(HostName),
    Stopped,
    /// It runs and Nova has nothing to do with it: the stop never arrived, or failed.
    NotStopped,
    Gone,
    NotMoved {
        why: String,
        reset: Reset,
        /// There is nothing to wait for.
        at_once: bool,
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
        Stage::Waiting { not_before } if !m.meant && *not_before < look.began => {
            return moved_by_others(m, server, evacuation, look);
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
        None if times.overdue && !asking => given_up_moving(evacuation),
        None => Finding::Nothing,
        Some(server) if is_deleted(server) => Finding::Gone,
        Some(server) => judge_shown(m, server, evacuation, look, asking, times),
    }
}

/// It waits for its turn, and this recovery has never meant to ask for it. What somebody else evacuates is followed: Nova
/// would take a second call beside that. What somebody else has moved is where it is: no permit speaks of that host.
fn moved_by_others(
    m: &Move,
    server: Option<&Server>,
    evacuation: Option<&Evacuation>,
    look: &Look<'_>,
) -> Finding {
    let Some(server) = server.filter(|server| !is_deleted(server)) else {
        return Finding::Nothing;
    };
    // What was busy when it was planned is reset before it is asked for.
    let rebuilding = server.task == Task::Rebuilding && m.reset == Reset::NotNeeded;
    if rebuilding || evacuation.is_some_and(|e| e.status.may_run()) {
        return Finding::Moving;
    }
    match server.host.as_ref().filter(|host| *host != look.source) {
        Some(host) if server.vm_state == VmState::Error => {
            let noted = look.reasons.get(&m.planned.server);
            Finding::GivenUp { why: in_error_on(host, is_done(evacuation), noted) }
        }
        Some(host) => Finding::Left(host.clone()),
        None => Finding::Nothing,
    }
}

fn is_done(evacuation: Option<&Evacuation>) -> bool {
    evacuation
        .is_some_and(|e| matches!(e.status, EvacuationStatus::Done | EvacuationStatus::Completed))
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
    // record runs it is at work, whatever the server shows. And where nobody is behind the record that was
    // written last, nobody is at work, whatever the server shows.
    let void = is_void(m, look);
    let at_work = (server.task == Task::Rebuilding && !void)
        || evacuation.is_some_and(|e| e.status.may_run());
    let done = is_done(evacuation);
    let elsewhere = server.host.as_ref().filter(|host| *host != look.source);
    if at_work {
        return match (asking, times.overdue) {
            (true, _) => Finding::Moving,
            (false, true) => given_up_moving(evacuation),
            (false, false) => Finding::Nothing,
        };
    }
    match elsewhere {
        Some(host) if server.vm_state == VmState::Error => {
            let noted = look.reasons.get(&m.planned.server);
            Finding::GivenUp { why: in_error_on(host, done, noted) }
        }
        Some(host) => Finding::Arrived(Arrival {
            server: m.planned.server.clone(),
            host: host.clone(),
            vm_state: server.vm_state,
        }),
        // The record says done and the server's host is not yet written: look again.
        None if done && !times.overdue => Finding::Nothing,
        None if times.lingers && (asking || void) => Finding::Nothing,
        None if void && server.task == Task::Rebuilding => {
            Finding::NotMoved { why: GIVEN_UP.into(), reset: reset_for(server), at_once: true }
        }
        None => Finding::NotMoved {
            why: why_not(m, server, evacuation, look),
            reset: reset_for(server),
            at_once: false,
        },
    }
}

/// What is left when the conductor's call to the scheduler was not answered.
pub(crate) const GIVEN_UP: &str = "Nova's conductor gave the evacuation up before it told any host (RabbitMQ or the scheduler did not answer it)";

/// Whether every request for it since it was planned is over and one of them has left a record that says
/// otherwise.
fn is_void(m: &Move, look: &Look<'_>) -> bool {
    let ours = |e: &&Evacuation| e.server == m.planned.server && e.id > m.planned.last_evacuation;
    let mut void = false;
    for record in look.evacuations.iter().filter(ours) {
        if record.status.may_run() {
            return false;
        }
        void |= record.status == EvacuationStatus::Void;
    }
    void
}

fn given_up_moving(evacuation: Option<&Evacuation>) -> Finding {
    let to = evacuation.and_then(|e| e.dest.as_ref()).map(|host| format!(" on {host}"));
    let to = to.unwrap_or_default();
    Finding::GivenUp { why: format!("{NOT_FINISHED}{to} in time") }
}

// How our sentences begin, for who reads them.
pub(crate) const NOT_FINISHED: &str = "Nova took the evacuation and did not finish it";
pub(crate) const MOVED_AND_FAILED: &str = "Nova moved it and then failed to bring it up";
pub(crate) const REBUILD_FAILED: &str = "Nova failed to rebuild it";
pub(crate) const REFUSED: &str = "Nova refused to evacuate it: ";

/// It is there, and does not run as far as Nova knows.
fn in_error_on(host: &HostName, done: bool, noted: Option<&String>) -> String {
    let what = match done {
        true => MOVED_AND_FAILED,
        false => REBUILD_FAILED,
    };
    match noted {
        Some(why) => format!("{what} on {host}: {why}"),
        None => format!("{what} on {host}; it is in error there"),
    }
}

fn is_deleted(server: &Server) -> bool {
    matches!(server.vm_state, VmState::Deleted | VmState::SoftDeleted)
}

fn reset_for(server: &Server) -> Reset {
    let ready = matches!(server.vm_state, VmState::Active | VmState::Stopped | VmState::Error);
    if ready && server.task == Task::None { Reset::NotNeeded } else { Reset::ToError }
}

fn why_not(m: &Move, server: &Server, evacuation: Option<&Evacuation>, look: &Look<'_>) -> String {
    let noted = look.reasons.get(&m.planned.server);
    match (evacuation.map(|e| e.status), noted, &m.refusal) {
        (Some(EvacuationStatus::Failed | EvacuationStatus::Void), Some(why), _) => why.clone(),
        (Some(EvacuationStatus::Failed), None, _)
            if server.vm_state == VmState::Error
                && evacuation.is_some_and(|e| e.dest.is_none()) =>
        {
            // It went nowhere, and Nova did not answer what it noted of it.
            capacity::NO_VALID_HOST.to_string()
        }
        (Some(EvacuationStatus::Failed), None, _) if server.vm_state == VmState::Error => {
            "Nova could not evacuate it: it is in error (no host had room, or the rebuild failed)"
                .to_string()
        }
        (Some(EvacuationStatus::Failed), None, _) => "Nova gave the evacuation up".to_string(),
        (None, _, Some(refusal)) => format!("{REFUSED}{refusal}"),
        (
            Some(
                EvacuationStatus::Accepted
                | EvacuationStatus::Void
                | EvacuationStatus::Running
                | EvacuationStatus::Done
                | EvacuationStatus::Completed,
            )
            | None,
            _,
            _,
        ) => "Nova has no evacuation of it under way".to_string(),
    }
}
