//! The causes that are told apart.

use crate::fencing::Hurdle;
use crate::guard;
use crate::shortage::{Resource, Tie};
use serde::Serialize;

/// Why something is as it is. The order is that in which they are told, and in which the worst of a climb is chosen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Cause {
    /// A person ended it.
    Cancelled,
    /// A step of the operator's own failed.
    OwnStep,
    /// `notifications_expired_interval`.
    Expired,
    /// Nothing was begun.
    NotBegun {
        why: NotBegun,
    },
    /// Many hosts are lost at once, or a person has disarmed.
    Guard {
        by: guard::Cause,
    },
    /// No fence device could prove it.
    Fence {
        by: FenceFault,
    },
    SignOfLife,
    WeakProof,
    NovaTakesItForUp,
    NoEvidence,
    /// Held for another reason.
    Held,
    /// Nova's conductor gave up: RabbitMQ, the scheduler or the database was away.
    BusAway,
    /// Nova's API, Keystone or the way to them.
    NovaAway,
    ReservedBusy,
    NoReservedHost,
    /// A destination may run it.
    MayRunThere,
    Capacity {
        of: Option<Resource>,
    },
    /// What the server wants of a host that has the room.
    Tied {
        by: Tie,
    },
    /// The scheduler's rules exclude hosts that have room; which of them is not known.
    SchedulerRules,
    /// Nova failed at it, in its own words.
    NovaFault {
        over: Over,
    },
    NotFinishedInTime,
    InErrorThere,
    Locked,
    /// Nova refused.
    Refused,
    NotRestored,
    NotStarted,
    Quarantined,
    Skipped,
    OnMaintenance,
    /// Of a server or a process: it waits for something else.
    Waits,
    NotRestarted,
    Other,
    Unreadable,
    UnderWay,
    NothingToDo,
    AllMoved,
}

/// Why nothing was begun.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NotBegun {
    SegmentDisabled,
    HostDeleted,
    /// The monitor does not know for certain.
    Uncertain,
    /// By no engine, yet.
    NotTakenUp,
    NotTakenUpInTime,
    /// A planned stop, and the host is back.
    AsPlanned,
    /// Another program's recovery: Python's.
    NotOurs,
}

/// Why no device proved it, the worst first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FenceFault {
    /// It says "off" of a host that lives.
    Lies,
    WrongMachine,
    Credentials,
    NoAnswer,
    Unusable,
    /// It refuses, or the host stays on.
    Failed,
    /// The ladder can prove nothing: a person has to.
    NeedsPerson,
    NoDevice,
}

/// What Nova failed over.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Over {
    Image,
    Volume,
    Port,
    Other,
}

/// What kept one rung from proving it.
pub(super) fn of_hurdle(hurdle: Hurdle) -> Cause {
    let by = match hurdle {
        Hurdle::SeenAlive => FenceFault::Lies,
        Hurdle::WrongMachine | Hurdle::MachineNotTold => FenceFault::WrongMachine,
        Hurdle::WrongCredentials => FenceFault::Credentials,
        Hurdle::NoAnswer => FenceFault::NoAnswer,
        Hurdle::Unusable => FenceFault::Unusable,
        Hurdle::Refused
        | Hurdle::Garbled
        | Hurdle::StayedOn
        | Hurdle::OutOfTime
        | Hurdle::MayNot
        | Hurdle::OutOfTurn => FenceFault::Failed,
        Hurdle::ProvesNothing | Hurdle::NeedsPerson => FenceFault::NeedsPerson,
    };
    Cause::Fence { by }
}
