//! Ordered restart: the words in which its tests are written.

use crate::words::{At, Log, arrived, host, id, permitted_by, planned, sentence, shown};
use recovery::{
    HostName, Millis, Permit, ServerId,
    due::Scene,
    evidence::Kind,
    log::{Act, Entry},
    seen::{ComputeService, Evacuation, Server, Task, VmState},
    tiers::{self, Check, Door, HostSeen, Limits, Look, Ordered, Stage, Tier, TierEntry, Wanted},
};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) fn ordered(server: &str, tier: Tier) -> Ordered {
    let name = format!("vm-{server}");
    Ordered { server: id(server), name, tier, check: None, not_checked: None }
}

pub(crate) fn checked(server: &str, tier: Tier) -> Ordered {
    let door = Door { address: "192.0.2.7".into(), port: 5432, path: None };
    Ordered { check: Some(Check::At(door)), ..ordered(server, tier) }
}

pub(crate) fn tier(entry: TierEntry) -> Entry {
    Entry::Tier(entry)
}

pub(crate) const ONE: Tier = Tier::Number(1);
pub(crate) const TWO: Tier = Tier::Number(2);

/// `a` and `b` of the first tier, `c` of the second, `d` of none.
pub(crate) fn four() -> Log {
    let servers =
        [ordered("a", ONE), checked("b", ONE), ordered("c", TWO), ordered("d", Tier::Last)];
    Log::planned(&["a", "b", "c", "d"].map(planned))
        .says(0, tier(TierEntry::Ordered { servers: servers.to_vec() }))
}

impl Log {
    pub(crate) fn lands(self, at: i64, server: &str) -> Self {
        let moving = self.intends(at, Act::Evacuate, server).did(at, Act::Evacuate, server);
        moving.says(at, arrived(server, VmState::Stopped)).did(at, Act::Settle, server)
    }

    pub(crate) fn tier(self, at: i64, entry: TierEntry) -> Self {
        self.says(at, tier(entry))
    }

    pub(crate) fn starts(self, at: i64, server: &str) -> Self {
        let servers = vec![id(server)];
        self.tier(at, TierEntry::StartIntended { servers: servers.clone() })
            .tier(at, TierEntry::StartTaken { servers })
    }

    pub(crate) fn runs(self, at: i64, server: &str) -> Self {
        self.starts(at, server).tier(at, TierEntry::Active { servers: vec![id(server)] })
    }

    pub(crate) fn stage(&self, server: &str) -> &Stage {
        &self.state.starts.servers[&id(server)].stage
    }

    /// What is due of the starts.
    pub(crate) fn due_now(
        &self,
        now: i64,
        permit: Option<&Permit>,
        seen: Option<&Arrived>,
    ) -> Vec<String> {
        let at = At::without_permit(now);
        let scene = Scene {
            now: Millis(now),
            permit,
            unproven: None,
            service: None,
            busy: &BTreeSet::new(),
            room: at.room,
            look: true,
        };
        let look = seen.map(Arrived::as_look);
        let wanted = Wanted { look: seen.is_none(), resting: &BTreeSet::new() };
        let steps = tiers::due(&self.state, &Limits::default(), &scene, look.as_ref(), wanted);
        steps.iter().map(sentence_of).collect()
    }

    pub(crate) fn sees(&self, now: i64, seen: &Arrived) -> Vec<TierEntry> {
        let entries = tiers::judge(&self.state, &Limits::default(), &seen.as_look(), Millis(now));
        let only = |entry| match entry {
            Entry::Tier(entry) => entry,
            other => panic!("{other:?}"),
        };
        entries.into_iter().map(only).collect()
    }
}

pub(crate) fn sentence_of(step: &recovery::due::Step) -> String {
    match step {
        recovery::due::Step::Note(Entry::Tier(TierEntry::Over { tier })) => {
            format!("{tier} is over")
        }
        recovery::due::Step::Note(Entry::Tier(TierEntry::Began { tier })) => {
            format!("{tier} begins")
        }
        recovery::due::Step::Note(Entry::Tier(TierEntry::Unanswered { server })) => {
            format!("{server} is checked no more")
        }
        other => sentence(other),
    }
}

/// A look at servers that have arrived; `new` is up and was heard.
#[derive(Clone)]
pub(crate) struct Arrived {
    pub(crate) began: i64,
    pub(crate) servers: BTreeMap<ServerId, Server>,
    pub(crate) hosts: BTreeMap<HostName, HostSeen>,
    pub(crate) evacuations: Vec<Evacuation>,
    pub(crate) watched: BTreeSet<ServerId>,
    pub(crate) busy: BTreeSet<ServerId>,
}

pub(crate) fn service(up: bool, heard: i64) -> Option<ComputeService> {
    Some(ComputeService { up, heartbeat_at: Some(Millis(heard)), ..crate::words::service() })
}

impl Arrived {
    pub(crate) fn at(began: i64, servers: &[Server]) -> Self {
        let up = HostSeen { service: service(true, began - 1_000), ..HostSeen::default() };
        Self {
            began,
            servers: servers.iter().map(|s| (s.id.clone(), s.clone())).collect(),
            hosts: [(host("new"), up.clone()), (host("other"), up)].into(),
            evacuations: Vec::new(),
            watched: ["a", "b", "c", "d"].map(id).into(),
            busy: BTreeSet::new(),
        }
    }

    pub(crate) fn as_look(&self) -> Look<'_> {
        Look {
            began: Millis(self.began),
            heard_at: Millis(self.began),
            servers: &self.servers,
            hosts: &self.hosts,
            evacuations: &self.evacuations,
            watched: &self.watched,
            busy: &self.busy,
        }
    }

    pub(crate) fn host(mut self, name: &str, seen: HostSeen) -> Self {
        self.hosts.insert(host(name), seen);
        self
    }
}

pub(crate) fn stopped(server: &str) -> Server {
    shown(server, "new", VmState::Stopped, Task::None)
}

pub(crate) fn active(server: &str) -> Server {
    shown(server, "new", VmState::Active, Task::None)
}

pub(crate) fn powering_on(server: &str) -> Server {
    shown(server, "new", VmState::Stopped, Task::Other("powering-on".into()))
}

pub(crate) fn dead() -> Permit {
    permitted_by(Kind::MonitorSaid)
}
