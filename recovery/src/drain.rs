//! A drain: before a person works on a host, Nova is asked to move its servers to others, while it lives.
//!
//! It is planned like a stop ([`crate::stops`]), with an end, and mutes nothing: a host that dies while it is drained is
//! recovered like any other, and the drain ends with that. When no server is left on the host, the planned stop begins.
//! Nothing is stopped and nothing evacuated here: who runs is live-migrated, who is off is migrated where that was asked
//! for, and who cannot move stays, with the reason.
//!
//! The log is the drain's own. An intent stands in it before Nova is asked, and the host's list tells what became of it:
//! who is not on it any more has moved. So a second request is sent only when the first has had [`LINGER_MS`] to show;
//! one that comes twice all the same is refused, or moves a server once more.

mod told;

use crate::fold::{Common, Fold, frame};
use crate::log::{Line, Summary};
use crate::seen::{ComputeService, Server, Task, VmState};
use crate::state::{Once, Subject};
use crate::{HostName, Millis, NotificationId, ServerId, ServiceId};
use alloc::{
    borrow::ToOwned,
    collections::{BTreeMap, BTreeSet},
    format,
    string::String,
    vec::Vec,
};
use serde::{Deserialize, Serialize};

pub use told::Told;

/// So many servers of a host are on their way at once.
pub const AT_ONCE: usize = 4;
/// An intent of which nobody knows what became is meant anew after so long.
pub const LINGER_MS: i64 = 90_000;
/// Nova took it, and shows no task: so long it may not have begun.
const SETTLE_MS: i64 = 15_000;

/// How a server is moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// It runs on meanwhile.
    Live,
    /// It is off, and stays so.
    Cold,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Event {
    /// An engine has taken it up.
    Began {
        host: HostName,
    },
    /// Its service is about to be taken out, so that nothing new is placed there.
    DisableIntended,
    Disabled,
    /// Nova did not take it; servers are moved all the same.
    NotDisabled {
        why: String,
    },
    /// Nova is about to be asked to move it.
    Intended {
        server: ServerId,
        name: String,
        way: Way,
    },
    /// Nova took it.
    Asked {
        server: ServerId,
    },
    /// Nova was certainly not asked.
    NotAsked {
        server: ServerId,
    },
    /// It is on another host.
    Moved {
        server: ServerId,
    },
    /// It cannot move, or did not.
    Left {
        server: ServerId,
        name: String,
        why: String,
    },
    /// Nothing more is asked.
    Over {
        end: End,
    },
}

/// How it ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// No server is left: the planned stop begins.
    Empty,
    /// Some stay.
    Left,
    /// The host was reported lost: its recovery has it.
    Lost,
}

/// Where one server stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stage {
    Intended { way: Way, at: Millis },
    Asked { way: Way, at: Millis },
    Moved,
    Left { why: String },
}

/// One server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Move {
    pub name: String,
    pub stage: Stage,
}

impl Move {
    fn is_under_way(&self) -> bool {
        matches!(self.stage, Stage::Intended { .. } | Stage::Asked { .. })
    }
}

/// A drain, folded up from its log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct State {
    pub common: Common,
    pub host: Option<HostName>,
    pub disabled: Once,
    /// Why it was not disabled.
    pub not_disabled: Option<String>,
    pub servers: BTreeMap<ServerId, Move>,
    pub over: Option<End>,
}

impl State {
    /// Those of which nobody knows yet that they have arrived, or stay.
    pub fn under_way(&self) -> impl Iterator<Item = &ServerId> {
        self.servers.iter().filter(|(_, of)| of.is_under_way()).map(|(id, _)| id)
    }
}

/// The log of the drain that is planned under this id.
#[must_use]
pub fn log_of(stop: &str) -> NotificationId {
    NotificationId::new(stop)
}

impl Fold for State {
    frame!(Drain);

    fn happen(&mut self, event: &Event, at: Millis) -> Result<(), &'static str> {
        if self.over.is_some() {
            return Err("the drain was over");
        }
        self.common.waiting = None;
        match event {
            Event::Began { host } => self.host = Some(host.clone()),
            Event::DisableIntended => self.disabled = Once::Intended,
            Event::Disabled => self.disabled = Once::Done,
            Event::NotDisabled { why } => {
                (self.disabled, self.not_disabled) = (Once::Done, Some(why.clone()));
            }
            Event::Intended { server, name, way } => {
                let stage = Stage::Intended { way: *way, at };
                self.servers.insert(server.clone(), Move { name: name.clone(), stage });
            }
            Event::Asked { server } => match self.servers.get_mut(server) {
                Some(Move { stage, .. }) => {
                    let Stage::Intended { way, .. } = *stage else {
                        return Err("nobody meant to ask for it");
                    };
                    *stage = Stage::Asked { way, at };
                }
                None => return Err("nobody meant to ask for it"),
            },
            Event::NotAsked { server } => drop(self.servers.remove(server)),
            Event::Moved { server } => match self.servers.get_mut(server) {
                Some(of) => of.stage = Stage::Moved,
                None => return Err("it was not on its way"),
            },
            Event::Left { server, name, why } => {
                let stage = Stage::Left { why: why.clone() };
                self.servers.insert(server.clone(), Move { name: name.clone(), stage });
            }
            Event::Over { end } => self.over = Some(*end),
        }
        Ok(())
    }

    /// Masakari's tables know nothing of a drain.
    fn summaries(&self, _: &Self, _: &[Line], _: &Subject) -> Vec<Summary> {
        Vec::new()
    }
}

/// What a look shows.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    pub service: Option<&'a ComputeService>,
    /// On the host.
    pub servers: &'a [Server],
    /// Those that are on their way and were not on the host when it was listed; none: there is no such server.
    pub elsewhere: &'a BTreeMap<ServerId, Option<Server>>,
    /// Servers that Nova is moving to it, and shows elsewhere until they are there; asked when none is on it.
    pub coming: usize,
    /// A recovery of the host is open.
    pub lost: bool,
    /// Of those away: what Nova was just asked to confirm.
    pub confirming: &'a BTreeSet<ServerId>,
    /// Servers that are off are moved, too.
    pub cold: bool,
    pub now: Millis,
}

/// What is to be done now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Due {
    /// Until the next look.
    Wait,
    Note(Event),
    Disable(ServiceId),
    Move {
        server: ServerId,
        name: String,
        way: Way,
    },
    /// It has arrived, and Nova waits for that to be confirmed.
    Confirm(ServerId),
    /// Nova took it, and it is where it was: the reason is asked for.
    Explain {
        server: ServerId,
        name: String,
    },
}

/// Says what is due by what the log and a look tell.
#[must_use]
pub fn judge(state: &State, look: &Look<'_>) -> Due {
    if state.over.is_some() {
        return Due::Wait;
    }
    if look.lost {
        return Due::Note(Event::Over { end: End::Lost });
    }
    // A host that is not up moves nothing; whether it is dead is asked elsewhere.
    let Some(service) = look.service.filter(|service| service.up && !service.forced_down) else {
        return Due::Wait;
    };
    if service.enabled && state.disabled != Once::Done {
        return Due::Disable(service.id.clone());
    }
    let moving = state.servers.iter().filter(|(_, of)| of.is_under_way());
    if let Some(due) = moving.clone().find_map(|(id, of)| followed(id, of, look)) {
        return due;
    }
    let under_way = moving.count();
    // One that came back is asked for like a new one.
    let known = |server: &Server| state.servers.get(&server.id);
    let new = look.servers.iter();
    let new = new.filter(|server| known(server).is_none_or(|of| of.stage == Stage::Moved));
    let new = new.filter(|server| server.task == Task::None);
    let moves = |way| (under_way < AT_ONCE).then_some(way);
    for server in new {
        let (id, name) = (server.id.clone(), server.name.clone());
        match way_of(server, look.cold).map(moves) {
            Ok(Some(way)) => return Due::Move { server: id, name, way },
            Ok(None) => {}
            Err(why) => return Due::Note(Event::Left { server: id, name, why }),
        }
    }
    let stays =
        |server: &Server| known(server).is_some_and(|of| matches!(of.stage, Stage::Left { .. }));
    match (under_way, look.servers) {
        (0, []) if look.coming == 0 => Due::Note(Event::Over { end: End::Empty }),
        // They were sent before it was out of service, and are moved away again.
        (0, []) => Due::Wait,
        (0, here) if here.iter().all(stays) => Due::Note(Event::Over { end: End::Left }),
        (_, _) => Due::Wait,
    }
}

/// What became of one that is on its way.
fn followed(id: &ServerId, of: &Move, look: &Look<'_>) -> Option<Due> {
    let (server, name) = (id.clone(), of.name.clone());
    let Some(here) = look.servers.iter().find(|server| server.id == *id) else {
        return arrived(id, look.elsewhere.get(id)?.as_ref(), look.confirming.contains(id));
    };
    let idle = here.task == Task::None;
    match of.stage {
        // Somebody asked who did not live to write it.
        Stage::Intended { .. } if !idle => Some(Due::Note(Event::Asked { server })),
        Stage::Intended { way, at } if look.now.since(at) >= LINGER_MS => {
            Some(Due::Move { server, name, way })
        }
        Stage::Asked { at, .. } if idle && look.now.since(at) >= SETTLE_MS => {
            Some(Due::Explain { server, name })
        }
        Stage::Intended { .. } | Stage::Asked { .. } | Stage::Moved | Stage::Left { .. } => None,
    }
}

/// The server has moved when Nova shows it confirmed: it does that on the host that is drained, after it has answered.
fn arrived(id: &ServerId, there: Option<&Server>, was_asked: bool) -> Option<Due> {
    let server = id.clone();
    match there {
        Some(there) if there.task != Task::None => None,
        Some(there) if there.vm_state == VmState::Resized => {
            (!was_asked).then_some(Due::Confirm(server))
        }
        Some(_) | None => Some(Due::Note(Event::Moved { server })),
    }
}

/// How Nova moves it (`nova/compute/api.py`: `live_migrate` takes what is active or paused, `resize` what is active or
/// stopped), or why it does not.
fn way_of(server: &Server, cold: bool) -> Result<Way, String> {
    match server.vm_state {
        VmState::Active | VmState::Paused => Ok(Way::Live),
        VmState::Stopped if cold => Ok(Way::Cold),
        VmState::Stopped => Err("it is off, and `--cold` was not asked for".to_owned()),
        VmState::Resized => Err("its owner has not confirmed its last resize".to_owned()),
        VmState::Error
        | VmState::Suspended
        | VmState::Rescued
        | VmState::Building
        | VmState::Shelved
        | VmState::ShelvedOffloaded
        | VmState::SoftDeleted
        | VmState::Deleted
        | VmState::Unknown => {
            Err(format!("it is {}, and Nova moves none of these", server.vm_state))
        }
    }
}
