//! Looks at every rung of a host's ladder and orders nothing: could this host be fenced now?

use crate::build::{Tools, rung};
use crate::device::{Failure, Found, Power};
use crate::file::{Entry, LadderOf};
use crate::ladder::Means;
use crate::machine::Compared;
use futures::StreamExt;
use ports::within;
use std::fmt;
use std::time::Duration;

/// A device that does not answer a look within this time would be lost in the night.
const LOOK_MAX: Duration = Duration::from_secs(20);
/// So many rungs of one host are looked at side by side.
const SIDE_BY_SIDE: usize = 8;

/// What a look at one rung found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Surveyed {
    /// It answers, controls this host as far as that can be known, and could prove it off.
    Ready {
        power: Power,
        machine: Compared,
    },
    /// It answers and is not to be used: it controls another machine, or does not say which.
    NotThisMachine {
        machine: Compared,
    },
    Failed(Failure),
    /// There is nothing to look at: it proves nothing whatever it says.
    NotLookedAt(&'static str),
}

impl Surveyed {
    /// Whether the host could be proven off by this rung now.
    #[must_use]
    pub fn could_prove(&self) -> bool {
        matches!(self, Self::Ready { .. })
    }

    /// Whether something is to be repaired.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        matches!(self, Self::NotThisMachine { .. } | Self::Failed(_))
    }
}

impl fmt::Display for Surveyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready { power, machine } => {
                write!(f, "{power}; ")?;
                told(machine, f)
            }
            Self::NotThisMachine { machine } => told(machine, f),
            Self::Failed(failure) => failure.fmt(f),
            Self::NotLookedAt(why) => f.write_str(why),
        }
    }
}

fn told(machine: &Compared, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match machine {
        Compared::Same => f.write_str("it is the recorded machine"),
        Compared::NothingRecorded => f.write_str("which machine it controls was not compared"),
        Compared::NotTold => f.write_str("it does not say which machine it controls"),
        Compared::Other { recorded, told } => {
            write!(f, "it controls another machine: {told}, recorded is {recorded}")
        }
    }
}

/// Looks at all rungs of a host's ladder; each with its device's name, in the ladder's order.
pub async fn survey(tools: &Tools, ladder: &LadderOf<'_>) -> Vec<(String, Surveyed)> {
    let looks = ladder.entries.iter().map(|entry| async {
        (rung(entry, &ladder.values).device, look(tools, entry, ladder).await)
    });
    futures::stream::iter(looks).buffered(SIDE_BY_SIDE).collect().await
}

async fn look(tools: &Tools, entry: &Entry, ladder: &LadderOf<'_>) -> Surveyed {
    match rung(entry, &ladder.values).means {
        Means::Power | Means::Storage => {}
        Means::Request => return Surveyed::NotLookedAt("proves nothing; not tried"),
        Means::Person { .. } => return Surveyed::NotLookedAt("a person would be told what to do"),
    }
    let mut device = match tools.device(entry, ladder) {
        Ok(Some(device)) => device,
        Ok(None) => return Surveyed::NotLookedAt("a person would be told what to do"),
        Err(failure) => return Surveyed::Failed(failure),
    };
    let limit = entry.deadline.min(LOOK_MAX);
    match within(tools.clock.as_ref(), limit, device.examine(limit)).await {
        None => {
            let why = format!("it did not answer within {} s", limit.as_secs());
            Surveyed::Failed(Failure::NoAnswer(why))
        }
        Some(Err(failure)) => Surveyed::Failed(failure),
        Some(Ok(Found { power, machine: None })) => {
            Surveyed::Ready { power, machine: Compared::NothingRecorded }
        }
        Some(Ok(Found { power, machine: Some(told) })) => match ladder.machine.compare(&told) {
            machine @ (Compared::Same | Compared::NothingRecorded) => {
                Surveyed::Ready { power, machine }
            }
            machine @ (Compared::NotTold | Compared::Other { .. }) => {
                Surveyed::NotThisMachine { machine }
            }
        },
    }
}
