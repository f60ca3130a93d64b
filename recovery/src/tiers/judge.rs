//! What a look at the servers that have arrived means for their starts, and which may be started by it.

use super::{Limits, Stage, Starting, TierEntry};
use crate::log::Entry;
use crate::permit::Permit;
use crate::plan::newest_evacuations;
use crate::restart::deaf;
use crate::seen::{ComputeService, Evacuation, EvacuationStatus, Server, Task, VmState};
use crate::state::State;
use crate::{HostName, Millis, NotificationId, ServerId};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::String,
    vec::Vec,
};

/// The wait before a start that did not reach Nova is asked for again.
const AGAIN_MS: i64 = 1_000;

/// What one look at Nova, and at our own database, showed.
#[derive(Debug)]
pub struct Look<'a> {
    /// When it began: what was asked later is not judged by it.
    pub began: Millis,
    /// Which servers were looked at: those that had arrived by then.
    pub watched: &'a BTreeSet<ServerId>,
    /// Servers by id. One that was watched and is missing is gone.
    pub servers: &'a BTreeMap<ServerId, Server>,
    /// When the services of their hosts were shown.
    pub heard_at: Millis,
    /// The hosts on which they are, or were.
    pub hosts: &'a BTreeMap<HostName, HostSeen>,
    /// Evacuations away from the dead host.
    pub evacuations: &'a [Evacuation],
    /// Servers with an act in flight when the look began.
    pub busy: &'a BTreeSet<ServerId>,
}

/// A host on which servers have arrived.
#[derive(Clone, Debug, Default)]
pub struct HostSeen {
    pub service: Option<ComputeService>,
    /// The servers that Nova is evacuating from it. Looked at *after* the servers.
    pub evacuating: BTreeSet<ServerId>,
    /// A recovery of it that is open.
    pub recovery: Option<NotificationId>,
}

/// The right to start one server, once.
#[derive(Debug)]
pub struct Start {
    server: ServerId,
    host: HostName,
    copy: Copy,
}

/// Why what is left of a server on its old host does not run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Copy {
    /// Nova has destroyed it.
    Gone,
    /// That host is dead, and has to be so still when the start is sent.
    OfTheDead,
}

impl Start {
    #[must_use]
    pub fn server(&self) -> &ServerId {
        &self.server
    }

    /// Where it is started.
    #[must_use]
    pub fn host(&self) -> &HostName {
        &self.host
    }

    #[must_use]
    pub fn copy(&self) -> &Copy {
        &self.copy
    }
}

/// What the look means for each server that is watched.
#[must_use]
pub fn judge(state: &State, limits: &Limits, look: &Look<'_>, now: Millis) -> Vec<Entry> {
    let (mut entries, mut taken, mut active) = (Vec::new(), Vec::new(), Vec::new());
    for (id, s) in &state.starts.servers {
        if !s.is_watched() || !look.watched.contains(id) || look.busy.contains(id) {
            continue;
        }
        let Some(server) = look.servers.get(id).filter(|server| !is_deleted(server)) else {
            entries.push(TierEntry::Gone { server: id.clone() });
            continue;
        };
        let sees = Sees { id, s, server, limits, look, now };
        match sees.finding() {
            None => {}
            Some(Finding::Taken) => taken.push(id.clone()),
            Some(Finding::Active) => active.push(id.clone()),
            Some(Finding::Note(entry)) => entries.push(entry),
        }
    }
    if !taken.is_empty() {
        entries.push(TierEntry::StartTaken { servers: taken });
    }
    if !active.is_empty() {
        entries.push(TierEntry::Active { servers: active });
    }
    entries.into_iter().map(Entry::Tier).collect()
}

/// Those that may be started by this look; `permit`: their old host is dead at this moment.
///
/// `None`: there are some, and whether the old host is dead must be known first.
#[must_use]
pub fn ready(
    state: &State,
    look: &Look<'_>,
    permit: Option<&Permit>,
    now: Millis,
) -> Option<Vec<Start>> {
    let mut starts = Vec::new();
    let mut asks_for_permit = false;
    for (id, s) in &state.starts.servers {
        let Stage::ToStart { not_before } = s.stage else { continue };
        let judged = not_before < look.began && not_before <= now;
        if !judged || look.busy.contains(id) || !state.starts.may_start(s.ordered.tier) {
            continue;
        }
        let Some(server) = look.servers.get(id) else { continue };
        let host = server.host.as_ref().filter(|host| s.host.as_ref() == Some(*host));
        let stopped = server.vm_state == VmState::Stopped && server.task == Task::None;
        let Some(host) = host.filter(|_| stopped && obstacle(s, server, look).is_none()) else {
            continue;
        };
        // Its copy on the old host is gone for certain, or that host is dead.
        let copy = match (is_cleaned_up(state, look, id), permit) {
            (true, _) => Copy::Gone,
            (false, Some(_)) => Copy::OfTheDead,
            (false, None) => {
                asks_for_permit = true;
                continue;
            }
        };
        starts.push(Start { server: id.clone(), host: host.clone(), copy });
    }
    (!asks_for_permit || !starts.is_empty()).then_some(starts)
}

enum Finding {
    Taken,
    Active,
    Note(TierEntry),
}

struct Sees<'a> {
    id: &'a ServerId,
    s: &'a Starting,
    server: &'a Server,
    limits: &'a Limits,
    look: &'a Look<'a>,
    now: Millis,
}

impl Sees<'_> {
    fn finding(&self) -> Option<Finding> {
        let since = match self.s.stage {
            Stage::ToStart { .. } => None,
            Stage::Asking { since } | Stage::Starting { since } => Some(since),
            Stage::Away
            | Stage::Checking
            | Stage::Up
            | Stage::Unanswered
            | Stage::NotStarted { .. }
            | Stage::Gone => return None,
        };
        if since.is_some_and(|since| since >= self.look.began) {
            return None;
        }
        if self.server.vm_state == VmState::Active && self.server.task == Task::None {
            return Some(Finding::Active);
        }
        match self.s.stage {
            Stage::Asking { since } => self.asking(since),
            Stage::Starting { since } => self.starting(since),
            Stage::ToStart { .. }
            | Stage::Away
            | Stage::Checking
            | Stage::Up
            | Stage::Unanswered
            | Stage::NotStarted { .. }
            | Stage::Gone => self.to_start(),
        }
    }

    fn to_start(&self) -> Option<Finding> {
        if let Some(why) = obstacle(self.s, self.server, self.look) {
            return self.blocked(why);
        }
        if self.server.vm_state != VmState::Stopped {
            return self.not_started(format!("it is in '{}' state", self.server.vm_state));
        }
        if self.s.attempts >= self.limits.attempts {
            let why = self.s.trouble.as_deref().unwrap_or("Nova did not start it");
            return self.not_started(format!("{why}; it was asked {} times", self.s.attempts));
        }
        let host = self.server.host.as_ref().filter(|host| self.s.host.as_ref() != Some(*host))?;
        let (server, host) = (self.id.clone(), host.clone());
        Some(Finding::Note(TierEntry::Elsewhere { server, host }))
    }

    fn asking(&self, since: Millis) -> Option<Finding> {
        match &self.server.task {
            Task::Other(word) if word == "powering-on" => Some(Finding::Taken),
            Task::Other(_) | Task::Rebuilding => self.overdue(since),
            Task::None => {
                let (server, until) = (self.id.clone(), self.now.plus(AGAIN_MS));
                Some(Finding::Note(TierEntry::NotAsked { server, until }))
            }
        }
    }

    fn starting(&self, since: Millis) -> Option<Finding> {
        match self.server.task {
            Task::None if self.server.vm_state == VmState::Stopped => {
                Some(Finding::Note(TierEntry::StartRefused {
                    server: self.id.clone(),
                    why: "Nova took the start and did not do it".into(),
                    again_at: self.s.again_at(self.limits, self.now),
                }))
            }
            Task::None if obstacle(self.s, self.server, self.look).is_none() => {
                self.not_started(format!("it is in '{}' state", self.server.vm_state))
            }
            Task::None | Task::Other(_) | Task::Rebuilding => self.overdue(since),
        }
    }

    /// A start takes too long. That of a host which died is undone by the recovery of that host.
    fn overdue(&self, since: Millis) -> Option<Finding> {
        if self.now.since(since) < self.limits.start_ms {
            return None;
        }
        match host_obstacle(self.s, self.server, self.look) {
            Some(why) => self.blocked(why),
            None => self.not_started(format!(
                "it did not run within {} s after Nova took the start",
                self.limits.start_ms / 1000
            )),
        }
    }

    /// Once for each reason; and the end when it lasts too long.
    fn blocked(&self, (why, bounded): (String, Bounded)) -> Option<Finding> {
        let too_long = |since| self.now.since(since) >= self.limits.blocked_ms;
        if bounded == Bounded::Yes && self.s.blocked.is_some_and(too_long) {
            return self.not_started(why);
        }
        let server = self.id.clone();
        let told = self.s.blocked.is_some() && self.s.trouble.as_ref() == Some(&why);
        (!told).then_some(Finding::Note(TierEntry::Blocked { server, why }))
    }

    fn not_started(&self, why: String) -> Option<Finding> {
        Some(Finding::Note(TierEntry::NotStarted { server: self.id.clone(), why }))
    }
}

/// Whether an obstacle is waited for only so long. A recovery of its host ends by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bounded {
    Yes,
    No,
}

/// Whether the dead host is back and has destroyed its copy after the evacuation that was ours.
fn is_cleaned_up(state: &State, look: &Look<'_>, id: &ServerId) -> bool {
    let Some(m) = state.moves.get(id) else { return false };
    let newest = newest_evacuations(look.evacuations);
    newest.get(id).is_some_and(|e| {
        e.id > m.planned.last_evacuation && e.status == EvacuationStatus::Completed
    })
}

/// Why it may not be started now.
fn obstacle(s: &Starting, server: &Server, look: &Look<'_>) -> Option<(String, Bounded)> {
    host_obstacle(s, server, look).or_else(|| match &server.task {
        Task::None => None,
        Task::Rebuilding => Some(("Nova is rebuilding it".into(), Bounded::Yes)),
        Task::Other(word) => Some((format!("Nova is busy with it ({word})"), Bounded::Yes)),
    })
}

/// Why nothing may be started where it is, or was when we saw it last: a recovery of that host may still
/// be at work on it.
fn host_obstacle(s: &Starting, server: &Server, look: &Look<'_>) -> Option<(String, Bounded)> {
    for host in s.host.iter().chain(&server.host) {
        let seen = look.hosts.get(host);
        if let Some(recovery) = seen.and_then(|seen| seen.recovery.as_ref()) {
            let why = format!("host '{host}' is being recovered by notification {recovery}");
            return Some((why, Bounded::No));
        }
        if seen.is_some_and(|seen| seen.evacuating.contains(&server.id)) {
            return Some((format!("Nova is evacuating it from host '{host}'"), Bounded::No));
        }
    }
    let Some(host) = &server.host else {
        return Some(("it has no host".into(), Bounded::Yes));
    };
    let service = look.hosts.get(host).and_then(|seen| seen.service.as_ref());
    deaf(host, service, look.heard_at).map(|why| (why, Bounded::Yes))
}

fn is_deleted(server: &Server) -> bool {
    matches!(server.vm_state, VmState::Deleted | VmState::SoftDeleted)
}
