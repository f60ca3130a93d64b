//! One host's failure, followed to its end: what the engine writes in its log and what Nova shows of the
//! servers, in sentences, each told once.

use super::screen::{Tone, Who};
use recovery::{
    HostName, Millis, NotificationId, ServerId,
    capacity::{self, CapacityEntry},
    evidence::Kind,
    log::{Act, Entry, Line, Planned},
    nouns::NotificationStatus,
    seen::{Server, Task, VmState},
    way::WayEntry,
};
use std::collections::BTreeMap;
use store::{Store, StoreError};

/// More is not open in this small cloud.
const RECOVERIES_MAX: u32 = 100;

/// One sentence about a moment.
#[derive(Debug)]
pub(super) struct Sentence {
    pub(super) at: Millis,
    pub(super) who: Who,
    pub(super) tone: Tone,
    pub(super) text: String,
}

/// When each phase was over.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Moments {
    /// The monitor saw it for the first time.
    pub(super) silent: Option<Millis>,
    pub(super) reported: Option<Millis>,
    /// Nova was asked to evacuate the first VM.
    pub(super) asked: Option<Millis>,
    /// The last VM was on its new host.
    pub(super) home: Option<Millis>,
    pub(super) ended: Option<Millis>,
}

/// How far a server is, as it was told last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Way {
    OnDeadHost,
    Rebuilding,
    Home,
}

#[derive(Debug)]
pub(super) struct Incident {
    pub(super) host: HostName,
    pub(super) failed_at: Millis,
    /// The servers of the host, as they were before.
    pub(super) before: Vec<Server>,
    pub(super) notification: Option<NotificationId>,
    pub(super) moments: Moments,
    /// When each server was on its new host.
    pub(super) home_at: BTreeMap<ServerId, Millis>,
    pub(super) ended: Option<NotificationStatus>,
    ways: BTreeMap<ServerId, Way>,
    last_seq: u64,
}

impl Incident {
    pub(super) fn new(host: HostName, failed_at: Millis, all: Vec<Server>) -> Self {
        let mut before = all;
        before.retain(|server| server.host.as_ref() == Some(&host));
        before.sort_by(|a, b| a.name.cmp(&b.name));
        Self {
            host,
            failed_at,
            before,
            notification: None,
            moments: Moments::default(),
            home_at: BTreeMap::new(),
            ended: None,
            ways: BTreeMap::new(),
            last_seq: 0,
        }
    }

    /// What is new since the last look. `servers` are all of the cloud.
    pub(super) async fn look(
        &mut self,
        store: &dyn Store,
        servers: &[Server],
        now: Millis,
    ) -> Result<Vec<Sentence>, StoreError> {
        if self.notification.is_none() {
            let open = store.open_recoveries(RECOVERIES_MAX).await?;
            let ours = open.into_iter().find(|r| r.host_name.as_ref() == Some(&self.host));
            self.notification = ours.map(|recovery| recovery.notification);
        }
        let Some(id) = &self.notification else { return Ok(Vec::new()) };
        let lines = store.log(id).await?;
        let mut told: Vec<Sentence> = Vec::new();
        let last_seq = self.last_seq;
        for line in lines.iter().filter(|line| line.seq > last_seq) {
            self.note(line);
            if let Some((tone, text)) = self.sentence(&line.entry) {
                told.push(Sentence { at: line.at, who: Who::Engine, tone, text });
            }
        }
        self.last_seq = lines.last().map_or(last_seq, |line| line.seq);
        told.extend(self.watch(servers, now));
        // The log's lines are older than this look, and Nova may have been quicker.
        told.sort_by_key(|sentence| sentence.at);
        Ok(told)
    }

    fn note(&mut self, line: &Line) {
        if let Entry::Intended { act: Act::Evacuate, .. } = &line.entry {
            self.moments.asked.get_or_insert(line.at);
        }
        if let Entry::Ended { status, .. } = &line.entry {
            self.moments.ended = Some(line.at);
            self.ended = Some(*status);
        }
    }

    /// Nova's view of the servers: which began to be rebuilt, and which are there.
    fn watch(&mut self, servers: &[Server], now: Millis) -> Vec<Sentence> {
        let mut rebuilding = Vec::new();
        let mut told = Vec::new();
        for old in &self.before {
            let Some(new) = servers.iter().find(|server| server.id == old.id) else { continue };
            let way = way(new, &self.host);
            let last = self.ways.insert(old.id.clone(), way).unwrap_or(Way::OnDeadHost);
            match way {
                Way::Rebuilding if last < way => rebuilding.push(old.name.as_str()),
                Way::Home if last < way => {
                    self.home_at.insert(old.id.clone(), now);
                    self.moments.home = Some(now);
                    let place = new.host.as_ref().map_or("no host", HostName::as_str);
                    let text = format!("{} is {} on {place}", old.name, status(new));
                    told.push(Sentence { at: now, who: Who::Nova, tone: Tone::Good, text });
                }
                Way::OnDeadHost | Way::Rebuilding | Way::Home => {}
            }
        }
        if !rebuilding.is_empty() {
            let text = format!("rebuilding {}", rebuilding.join(", "));
            told.insert(0, Sentence { at: now, who: Who::Nova, tone: Tone::Plain, text });
        }
        told
    }

    fn of_capacity(&self, entry: &CapacityEntry) -> (Tone, String) {
        match entry {
            CapacityEntry::Waits { server, why, since, until, .. } => {
                let told = capacity::told(why, *since, *until);
                (Tone::Bad, format!("{} {told}", self.name(server)))
            }
            CapacityEntry::Room { servers } => {
                (Tone::Plain, format!("there may be room for {}", self.names(servers)))
            }
            CapacityEntry::Left { server, .. } => {
                (Tone::Plain, format!("{} is not on {} any more", self.name(server), self.host))
            }
        }
    }

    /// What a line of the log says to a person; some say nothing that is not seen elsewhere.
    fn sentence(&self, entry: &Entry) -> Option<(Tone, String)> {
        let host = &self.host;
        let plain = |text: String| Some((Tone::Plain, text));
        let bad = |text: String| Some((Tone::Bad, text));
        match entry {
            Entry::Claimed { generation: 1, .. } => plain("takes the recovery".into()),
            Entry::Claimed { owner, .. } => plain(format!("{owner} takes the recovery over")),
            Entry::Proven { kind, evidence, .. } => {
                let source = evidence.iter().rev().find(|e| e.kind == *kind);
                plain(proof(host, *kind, source.map_or("", |e| &e.source)))
            }
            Entry::Held { why, .. } => bad(format!("held: {why}")),
            Entry::Waiting { why } => bad(format!("waits: {why}")),
            Entry::ForcedDown => plain(format!("has told Nova for certain that {host} is down")),
            Entry::Disabled => plain(format!("has disabled {host}: Nova places no VM there")),
            Entry::Planned { moves, .. } if moves.is_empty() => {
                plain("plan: no VM is to move".into())
            }
            Entry::Planned { moves, skipped, .. } => plain(planned(moves, skipped.len())),
            Entry::Intended { act: Act::Evacuate, servers } => {
                plain(format!("evacuates {}", self.names(servers)))
            }
            Entry::Intended { act: Act::Stop, servers } => {
                plain(format!("stops {} again, as before", self.names(servers)))
            }
            Entry::Refused { server, why, .. } => {
                bad(format!("{}: Nova refused: {why}", self.name(server)))
            }
            Entry::NotMoved { server, why, again_at, .. } => {
                let next = if again_at.is_some() { "it is tried again" } else { "given up" };
                bad(format!("{} was not moved: {why}; {next}", self.name(server)))
            }
            Entry::NotRestored { server, why } => bad(format!("{}: {why}", self.name(server))),
            Entry::Gone { server } => plain(format!("{} was deleted", self.name(server))),
            Entry::Way(entry) => of_way(entry),
            Entry::Capacity(entry) => Some(self.of_capacity(entry)),
            Entry::Confirmed { on_host: 0 } => {
                plain(format!("asks Nova once more: no VM is left on {host}"))
            }
            Entry::Confirmed { on_host } => {
                plain(format!("asks Nova once more: {on_host} VMs stay on {host}, none is to move"))
            }
            Entry::Ended { status: NotificationStatus::Finished, .. } => {
                Some((Tone::Good, "the notification is finished".into()))
            }
            Entry::Ended { status, message } => {
                let why = message.as_deref().unwrap_or("no reason was given");
                bad(format!("the notification is {status}: {why}"))
            }
            Entry::ForceDownIntended
            | Entry::DisableIntended
            | Entry::Intended { act: Act::Settle, .. }
            | Entry::Did { .. }
            | Entry::Postponed { .. }
            | Entry::Arrived { .. }
            | Entry::Step(_)
            | Entry::Restart(_)
            | Entry::Guard(_)
            | Entry::Shadow(_)
            | Entry::Hand(_)
            | Entry::Process(_)
            | Entry::Return(_)
            | Entry::Drill(_)
            | Entry::Drain(_)
            | Entry::Tier(_)
            | Entry::Fence(_)
            | Entry::Stopped { .. } => None,
        }
    }

    fn name<'a>(&'a self, id: &'a ServerId) -> &'a str {
        let known = self.before.iter().find(|server| server.id == *id);
        known.map_or(id.as_str(), |server| &server.name)
    }

    fn names(&self, ids: &[ServerId]) -> String {
        ids.iter().map(|id| self.name(id)).collect::<Vec<_>>().join(", ")
    }
}

fn planned(moves: &[Planned], stay: usize) -> String {
    let ha = moves.iter().filter(|planned| planned.ha_enabled).count();
    let stay = if stay == 0 { String::new() } else { format!("; {stay} stay") };
    format!("plan: {} VMs move, the {ha} that are HA_Enabled first{stay}", moves.len())
}

/// What became of a reserved host, or of a method.
fn of_way(entry: &WayEntry) -> Option<(Tone, String)> {
    match entry {
        WayEntry::Taken { reserve } => {
            Some((Tone::Plain, format!("takes the reserved host {}", reserve.host)))
        }
        WayEntry::HandedBack { host } => {
            let text = format!("gives the reserved host {host} back: it was not needed");
            Some((Tone::Plain, text))
        }
        WayEntry::Over { why } => Some((Tone::Bad, why.clone())),
        WayEntry::Passed { host, why } => {
            Some((Tone::Bad, format!("the reserved host {host} cannot be used: {why}")))
        }
        WayEntry::Method { .. }
        | WayEntry::Within { .. }
        | WayEntry::Waits
        | WayEntry::Ready { .. }
        | WayEntry::Left { .. } => None,
    }
}

fn way(server: &Server, dead: &HostName) -> Way {
    if server.host.as_ref() != Some(dead) {
        return Way::Home;
    }
    match server.task {
        Task::Rebuilding | Task::Other(_) => Way::Rebuilding,
        Task::None => Way::OnDeadHost,
    }
}

/// Why the host is taken for dead.
fn proof(host: &HostName, kind: Kind, source: &str) -> String {
    match kind {
        Kind::MonitorSaid => {
            format!("{host} is taken for dead: a monitor says so ({kind}), and Nova says down")
        }
        Kind::OperatorConfirmed
        | Kind::LeaseExpired
        | Kind::ClusterFenced
        | Kind::StorageFenced
        | Kind::PoweredOff => format!("{host} is proven dead: {kind}, by {source}"),
    }
}

/// The server's status in Nova's word.
pub(super) fn status(server: &Server) -> &'static str {
    match (server.vm_state, &server.task) {
        (VmState::Active | VmState::Stopped | VmState::Error, Task::Rebuilding) => "REBUILD",
        (VmState::Active, _) => "ACTIVE",
        (VmState::Stopped, _) => "SHUTOFF",
        (VmState::Error, _) => "ERROR",
        (VmState::Paused, _) => "PAUSED",
        (VmState::Suspended, _) => "SUSPENDED",
        (VmState::Resized, _) => "VERIFY_RESIZE",
        (VmState::Rescued, _) => "RESCUE",
        (VmState::Building, _) => "BUILD",
        (VmState::Shelved, _) => "SHELVED",
        (VmState::ShelvedOffloaded, _) => "SHELVED_OFFLOADED",
        (VmState::SoftDeleted, _) => "SOFT_DELETED",
        (VmState::Deleted, _) => "DELETED",
        (VmState::Unknown, _) => "UNKNOWN",
    }
}
