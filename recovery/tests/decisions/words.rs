//! Words for the tests: logs are written as they would be, and steps are read as sentences.

use recovery::{
    Evacuate, HostName, Millis, Permit, ServerId, ServiceId, VMoveId,
    capacity::CapacityEntry,
    due::{Limits, Look, Scene, Step, due, judge},
    evidence::{Evidence, Kind, Require},
    log::{Act, Aftermath, Arrival, Entry, Line, Planned, Reset},
    permit,
    permit::NovaSays,
    seen::{ComputeService, Evacuation, EvacuationStatus, Power, Server, Task, VmState},
    state::{Illegal, State},
};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) fn id(name: &str) -> ServerId {
    ServerId::new(name)
}

pub(crate) fn host(name: &str) -> HostName {
    HostName::new(name)
}

/// A log that grows, and its state. Times are milliseconds from the claim.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    pub(crate) lines: Vec<Line>,
    pub(crate) state: State,
}

impl Log {
    /// A recovery whose host is proven dead and out of service, with `servers` planned at 0.
    pub(crate) fn planned(servers: &[Planned]) -> Self {
        let claimed = Entry::Claimed { owner: "engine".into(), generation: 1 };
        Self::default()
            .says(0, claimed)
            .says(0, proven())
            .says(0, Entry::Disabled)
            .plans(0, servers)
    }

    /// The log of a recovery of `a`, an active server, that Nova was asked for at `at`.
    pub(crate) fn asked(at: i64) -> Self {
        Self::planned(&[planned("a")]).intends(at, Act::Evacuate, "a")
    }

    pub(crate) fn says(mut self, at: i64, entry: Entry) -> Self {
        self.try_to_say(at, entry).unwrap();
        self
    }

    pub(crate) fn try_to_say(&mut self, at: i64, entry: Entry) -> Result<(), Illegal> {
        let line = Line { seq: self.state.last_seq + 1, at: Millis(at), entry };
        self.state.apply(&line)?;
        self.lines.push(line);
        Ok(())
    }

    pub(crate) fn plans(self, at: i64, moves: &[Planned]) -> Self {
        let on_host = u32::try_from(moves.len()).unwrap();
        self.says(at, Entry::Planned { on_host, moves: moves.to_vec(), skipped: vec![] })
    }

    pub(crate) fn intends(self, at: i64, act: Act, server: &str) -> Self {
        self.says(at, Entry::Intended { act, servers: vec![id(server)] })
    }

    pub(crate) fn did(self, at: i64, act: Act, server: &str) -> Self {
        self.says(at, Entry::Did { act, servers: vec![id(server)] })
    }

    pub(crate) fn arrives(self, at: i64, server: &str) -> Self {
        self.says(at, arrived(server, VmState::Active))
    }

    /// The server was moved and settled.
    pub(crate) fn moves(self, at: i64, server: &str) -> Self {
        let moving = self.intends(at, Act::Evacuate, server).did(at, Act::Evacuate, server);
        moving.arrives(at, server).did(at, Act::Settle, server)
    }

    pub(crate) fn all(mut self, entries: Vec<Entry>, at: i64) -> Self {
        for entry in entries {
            self = self.says(at, entry);
        }
        self
    }

    /// What a look at `seen` means, by the default limits.
    pub(crate) fn looks(&self, now: i64, seen: &Seen) -> Vec<Entry> {
        judge(&self.state, &Limits::default(), &seen.as_look(), Millis(now))
    }

    /// What is due, by the default limits.
    pub(crate) fn due(&self, at: &At<'_>) -> Vec<String> {
        self.due_within(&Limits::default(), at)
    }

    pub(crate) fn due_within(&self, limits: &Limits, at: &At<'_>) -> Vec<String> {
        let service = service();
        let scene = Scene {
            now: Millis(at.now),
            permit: at.permit,
            unproven: None,
            service: Some(&service),
            busy: &at.busy.iter().map(|name| id(name)).collect(),
            room: at.room,
            look: at.look,
        };
        due(&self.state, limits, &scene).iter().map(sentence).collect()
    }
}

/// The moment at which is asked what is due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<'a> {
    pub(crate) now: i64,
    pub(crate) permit: Option<&'a Permit>,
    pub(crate) busy: &'a [&'a str],
    pub(crate) room: usize,
    pub(crate) look: bool,
}

impl<'a> At<'a> {
    pub(crate) fn with(permit: &'a Permit, now: i64) -> Self {
        Self { permit: Some(permit), ..Self::without_permit(now) }
    }

    pub(crate) fn without_permit(now: i64) -> Self {
        Self { now, permit: None, busy: &[], room: 8, look: true }
    }
}

pub(crate) fn sentence(step: &Step) -> String {
    let and = |what: &str, is: bool| if is { format!(", {what}") } else { String::new() };
    match step {
        Step::LookAtHost => "look at the host".into(),
        Step::Fence { attempt } => format!("fence, {attempt}"),
        Step::ForceDown(_) => "force down".into(),
        Step::Disable(_) => "disable".into(),
        Step::Plan => "plan".into(),
        Step::Evacuate { order, lock, reset } => {
            let reset = match reset {
                Reset::NotNeeded => "",
                Reset::ToError => ", reset",
                Reset::ToActive => ", reset to active",
            };
            let to = order.target().map_or(String::new(), |host| format!(" to {host}"));
            format!("evacuate {}{to}{}{reset}", Evacuate::server(order), and("lock", *lock))
        }
        Step::LookAtServers => "look at the servers".into(),
        Step::Stop(server) => format!("stop {server}"),
        Step::Settle { server, to_error, unlock } => {
            format!("settle {server}{}{}", and("to error", *to_error), and("unlock", *unlock))
        }
        Step::Note(entry) => format!("note {}", word(entry)),
        Step::TakeReserve => "take a reserved host".into(),
        Step::ReadyReserve(reserve) => format!("make {} ready", reserve.host),
        Step::HandBack(reserve) => format!("hand {} back", reserve.host),
        Step::RunStep(run) => format!("run {}, attempt {}", run.step, run.attempt),
        Step::LookForRoom(servers) => {
            let servers: Vec<&str> = servers.iter().map(ServerId::as_str).collect();
            format!("look for room for {}", servers.join(" "))
        }
        Step::Confirm => "confirm".into(),
        Step::LookAtStarts => "look at the starts".into(),
        Step::Start(start) => format!("start {} on {}", start.server(), start.host()),
        Step::Check(server, check) => format!("check {server}, {check}"),
    }
}

/// The entry's name in the log, and whom it is about.
pub(crate) fn word(entry: &Entry) -> String {
    let json = serde_json::to_value(entry).unwrap();
    let name = json["entry"].as_str().unwrap().replace('_', " ");
    match entry {
        Entry::NotMoved { server, again_at: None, .. } => format!("{name} {server}, no more"),
        Entry::NotMoved { server, again_at: Some(at), .. } => {
            format!("{name} {server}, at {}", at.0)
        }
        Entry::NotRestored { server, .. } | Entry::Gone { server } => format!("{name} {server}"),
        Entry::Ended { status, .. } => format!("{name} {status}"),
        Entry::Did { act: Act::Evacuate, servers } => format!("Nova has begun {servers:?}"),
        Entry::Did { act: Act::Settle, servers } => {
            let servers: Vec<&str> = servers.iter().map(ServerId::as_str).collect();
            format!("done settle {}", servers.join(" "))
        }
        Entry::Arrived { servers } => format!("{name} {:?}", servers[0].server),
        Entry::Capacity(CapacityEntry::Waits { server, again_at, until, .. }) => {
            format!("{server} waits for room, again at {}, until {}", again_at.0, until.0)
        }
        Entry::Capacity(CapacityEntry::Room { servers }) => format!("room for {servers:?}"),
        Entry::Capacity(CapacityEntry::Left { server, .. }) => format!("{server} left"),
        Entry::Stopped { servers } => format!("{name} {servers:?}"),
        _ => name,
    }
}

pub(crate) fn words(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(word).collect()
}

/// An active server without the key of HA.
pub(crate) fn planned(server: &str) -> Planned {
    Planned {
        server: id(server),
        vmove: VMoveId::new(format!("vmove-{server}")),
        name: format!("vm-{server}"),
        vm_state: VmState::Active,
        power: Power::Other,
        reset: Reset::NotNeeded,
        aftermath: Aftermath::Running,
        locked: false,
        ha_enabled: false,
        priority: 0,
        under_way: false,
        last_evacuation: 0,
        quarantine: None,
    }
}

/// A server that was stopped and shall be so again.
pub(crate) fn planned_stopped(server: &str) -> Planned {
    Planned { vm_state: VmState::Stopped, aftermath: Aftermath::Stopped, ..planned(server) }
}

/// A running server with a task that died with its host.
pub(crate) fn planned_busy(server: &str) -> Planned {
    Planned { reset: Reset::ToError, ..planned(server) }
}

pub(crate) fn arrived(server: &str, vm_state: VmState) -> Entry {
    Entry::Arrived { servers: vec![Arrival { server: id(server), host: host("new"), vm_state }] }
}

pub(crate) fn not_moved(server: &str, again_at: Option<i64>) -> Entry {
    let again_at = again_at.map(Millis);
    Entry::NotMoved { server: id(server), why: "why".into(), again_at, reset: Reset::ToError }
}

fn said(kind: Kind) -> Evidence {
    let (host, source, raw) = (host("dead"), "operator".into(), String::new());
    Evidence { host, kind, at: Millis(0), source, raw }
}

pub(crate) fn proven() -> Entry {
    let kind = Kind::MonitorSaid;
    Entry::Proven { kind, at: Millis(0), evidence: vec![said(kind)] }
}

pub(crate) fn permitted_by(kind: Kind) -> Permit {
    permit(&host("dead"), &[said(kind)], Require::Monitor, &[], NovaSays::Down).unwrap()
}

pub(crate) fn service() -> ComputeService {
    ComputeService {
        id: ServiceId::new("service"),
        host: host("dead"),
        enabled: true,
        disabled_reason: None,
        up: false,
        forced_down: false,
        heartbeat_at: None,
    }
}

/// What a look showed.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) began: i64,
    answered_since: i64,
    servers: BTreeMap<ServerId, Server>,
    pub(crate) evacuations: Vec<Evacuation>,
    reasons: BTreeMap<ServerId, String>,
    pub(crate) whole: bool,
    pub(crate) busy: BTreeSet<ServerId>,
    source: HostName,
}

impl Seen {
    /// A look at `servers` that began at `began`, and that shows only what changed.
    pub(crate) fn changed(began: i64, servers: Vec<Server>) -> Self {
        let servers = servers.into_iter().map(|s| (s.id.clone(), s)).collect();
        let (evacuations, busy) = (vec![], BTreeSet::new());
        let (reasons, source) = (BTreeMap::new(), host("dead"));
        let answered_since = 0;
        Self { began, answered_since, servers, evacuations, reasons, whole: false, busy, source }
    }

    /// One that shows everything.
    pub(crate) fn whole(began: i64, servers: Vec<Server>) -> Self {
        Self { whole: true, ..Self::changed(began, servers) }
    }

    pub(crate) fn record(mut self, number: i64, server: &str, status: EvacuationStatus) -> Self {
        let (server, source, dest) = (id(server), host("dead"), None);
        self.evacuations.push(Evacuation {
            id: number,
            server,
            source,
            dest,
            status,
            created: None,
        });
        self
    }

    /// The same later.
    pub(crate) fn begun(self, began: i64) -> Self {
        Self { began, ..self }
    }

    /// One before which no look was answered for a while.
    pub(crate) fn answered_since(self, answered_since: i64) -> Self {
        Self { answered_since, ..self }
    }

    pub(crate) fn noted(mut self, server: &str, why: &str) -> Self {
        self.reasons.insert(id(server), why.into());
        self
    }

    pub(crate) fn as_look(&self) -> Look<'_> {
        Look {
            source: &self.source,
            began: Millis(self.began),
            answered_since: Millis(self.answered_since),
            servers: &self.servers,
            evacuations: &self.evacuations,
            reasons: &self.reasons,
            whole: self.whole,
            busy: &self.busy,
        }
    }
}

pub(crate) fn shown(server: &str, on: &str, vm_state: VmState, task: Task) -> Server {
    Server {
        id: id(server),
        name: format!("vm-{server}"),
        host: Some(host(on)),
        vm_state,
        task,
        power: Power::Other,
        locked: false,
        metadata: BTreeMap::new(),
        hints: recovery::seen::Hints::default(),
    }
}

/// On the dead host, as it was.
pub(crate) fn still_there(server: &str) -> Server {
    shown(server, "dead", VmState::Active, Task::None)
}
