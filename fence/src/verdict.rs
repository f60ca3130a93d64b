//! How a climb ended, for the log and for people: what every rung came to, in order, and what is proven.

use crate::device::Failure;
use recovery::evidence::{Evidence, Kind};
use recovery::fencing::Hurdle;
use recovery::{HostName, Millis};
use std::fmt;

/// What one rung came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RungEnd {
    /// It proved that the host is off, or shut out; `already` before we asked.
    Proven { already: bool },
    /// It could not be used, or did not do what was asked.
    Failed(Failure),
    /// It had power to the end of the rung's time, though the device took the order.
    StayedOn,
    /// The rung's time was over before the device had said enough.
    OutOfTime,
    /// The device controls another machine; it was not asked to switch that off.
    WrongMachine { recorded: String, told: String },
    /// A machine is recorded and the device does not say which one it controls; it was not asked.
    MachineNotTold,
    /// The device says that the host is off, and the host showed a sign of life after that.
    SeenAlive { what: String },
    /// It did what it can, which proves nothing.
    ProvesNothing,
    /// Nothing was done: a person has to.
    NeedsPerson { what: String },
    /// It was not asked to switch the host off: whoever climbs may not any more.
    MayNot { why: String },
    /// The answer does not belong to the question: a fault of ours, which must not prove anything.
    OutOfTurn,
}

impl RungEnd {
    /// The word in tables and logs.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Proven { already: false } => "proven",
            Self::Proven { already: true } => "already-off",
            Self::Failed(failure) => failure.word(),
            Self::StayedOn => "stayed-on",
            Self::OutOfTime => "out-of-time",
            Self::WrongMachine { .. } => "wrong-machine",
            Self::MachineNotTold => "machine-not-told",
            Self::SeenAlive { .. } => "seen-alive",
            Self::ProvesNothing => "proves-nothing",
            Self::NeedsPerson { .. } => "needs-person",
            Self::MayNot { .. } => "may-not",
            Self::OutOfTurn => "out-of-turn",
        }
    }
}

impl RungEnd {
    /// What kept it from proving anything, for the log.
    #[must_use]
    pub fn hurdle(&self) -> Option<Hurdle> {
        Some(match self {
            Self::Proven { .. } => return None,
            Self::Failed(failure) => failure.hurdle(),
            Self::StayedOn => Hurdle::StayedOn,
            Self::OutOfTime => Hurdle::OutOfTime,
            Self::WrongMachine { .. } => Hurdle::WrongMachine,
            Self::MachineNotTold => Hurdle::MachineNotTold,
            Self::SeenAlive { .. } => Hurdle::SeenAlive,
            Self::ProvesNothing => Hurdle::ProvesNothing,
            Self::NeedsPerson { .. } => Hurdle::NeedsPerson,
            Self::MayNot { .. } => Hurdle::MayNot,
            Self::OutOfTurn => Hurdle::OutOfTurn,
        })
    }
}

impl fmt::Display for RungEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proven { already: false } => f.write_str("off, asked again after it was ordered"),
            Self::Proven { already: true } => f.write_str("was off already, asked twice"),
            Self::Failed(failure) => failure.fmt(f),
            Self::StayedOn => f.write_str("took the order and still has power"),
            Self::OutOfTime => f.write_str("its time was over before it had said enough"),
            Self::WrongMachine { recorded, told } => {
                write!(f, "controls another machine ({told}, recorded is {recorded}); not asked")
            }
            Self::MachineNotTold => f.write_str(
                "does not say which machine it controls, and one is recorded; not asked",
            ),
            Self::SeenAlive { what } => write!(f, "says off, but {what} after that: not believed"),
            Self::ProvesNothing => f.write_str("did what it can, which proves nothing"),
            Self::NeedsPerson { what } => f.write_str(what),
            Self::MayNot { why } => write!(f, "not asked to switch it off: {why}"),
            Self::OutOfTurn => f.write_str("gave an answer to another question"),
        }
    }
}

/// One rung's end, with its device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ended {
    pub device: String,
    pub end: RungEnd,
    /// Whether its machine was compared with what is recorded; `None` where it did not come to that.
    pub machine_compared: Option<bool>,
}

/// What the climb came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The host was proven dead by one rung at `at`, by our clock.
    Proven {
        device: String,
        kind: Kind,
        at: Millis,
        /// Why nobody else could be asked whether the host lives; `None`: somebody was.
        unseen: Option<String>,
    },
    /// No rung proved it. The host may be alive.
    NotFenced,
}

/// The path as people read it: one line for each rung.
#[must_use]
pub fn path_text(path: &[Ended]) -> String {
    let line = |(i, ended): (usize, &Ended)| format!("{}. {}: {}", i + 1, ended.device, ended.end);
    path.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}

impl Verdict {
    /// The evidence that this is, for the judge of permits; none when nothing is proven.
    #[must_use]
    pub fn evidence(&self, host: &HostName, path: &[Ended]) -> Option<Evidence> {
        match self {
            Self::NotFenced => None,
            Self::Proven { device, kind, at, unseen } => {
                let mut raw = path_text(path);
                if let Some(why) = unseen {
                    raw.push_str("\nnobody else could be asked whether it lives: ");
                    raw.push_str(why);
                }
                let source = format!("fence device {device}");
                Some(Evidence { host: host.clone(), kind: *kind, at: *at, source, raw })
            }
        }
    }
}
