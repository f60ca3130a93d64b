//! What Python Masakari did beside what ours would have done, and where they differ.

use super::why_held;
use crate::ServerId;
use crate::forecast::{Fate, Forecast, printable};
use crate::nouns::NotificationStatus;
use crate::state::State;
use alloc::{
    collections::BTreeMap,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

/// What became of one server there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Moved {
    Yes,
    /// Not yet.
    Running,
    No {
        why: Option<String>,
    },
}

/// What Python Masakari did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Theirs {
    pub status: NotificationStatus,
    /// None: its API does not tell of single servers (it does since 1.3).
    pub servers: Option<BTreeMap<ServerId, Moved>>,
}

/// Where they differ.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Difference {
    /// There servers of a host were moved that ours does not hold for dead; none: it is not told how many.
    NotProven { moved: Option<usize>, why: String },
    /// There nothing was moved of a host that ours would have recovered.
    NotRecovered { status: NotificationStatus, would: usize },
    /// There it moved what ours would have left.
    OnlyThere { server: ServerId, why: String },
    /// Ours would have moved what was not moved there.
    OnlyHere { server: ServerId, why: Option<String> },
}

/// All differences; nothing where they agree, or it is too early.
#[must_use]
pub fn differences(theirs: &Theirs, ours: &State) -> Vec<Difference> {
    let Some(forecast) = ours.shadow.as_deref().filter(|_| ours.ended.is_some()) else {
        return Vec::new();
    };
    if ours.proven.is_none() && !ours.has_passed() {
        return theirs.moved_some().map_or_else(Vec::new, |moved| {
            let why = why_held(ours).to_string();
            alloc::vec![Difference::NotProven { moved, why }]
        });
    }
    let over = theirs.status.is_terminal();
    let Some(servers) = theirs.servers.as_ref().filter(|servers| !servers.is_empty()) else {
        let (status, would) = (theirs.status, forecast.moves);
        let did = theirs.servers.is_none() && status == NotificationStatus::Finished;
        let differs = over && !did && would > 0;
        return differs.then_some(Difference::NotRecovered { status, would }).into_iter().collect();
    };
    let there = servers.iter().filter_map(|(id, moved)| only_there(forecast, id, moved));
    let here = forecast.servers.iter().filter_map(|server| match &server.fate {
        Fate::Moves { .. } if over => only_here(servers, &server.id),
        Fate::Moves { .. } | Fate::Stays { .. } | Fate::UnderWay => None,
    });
    there.chain(here).collect()
}

impl Theirs {
    /// Whether it moved servers, and how many if that is told.
    fn moved_some(&self) -> Option<Option<usize>> {
        match &self.servers {
            Some(servers) => {
                let moved = servers.values().filter(|moved| **moved == Moved::Yes).count();
                (moved > 0).then_some(Some(moved))
            }
            None => (self.status == NotificationStatus::Finished).then_some(None),
        }
    }
}

fn only_there(forecast: &Forecast, id: &ServerId, moved: &Moved) -> Option<Difference> {
    let ours = forecast.servers.iter().find(|server| server.id == *id);
    match (moved, ours.map(|server| &server.fate)) {
        (Moved::Yes, Some(Fate::Stays { why })) => {
            Some(Difference::OnlyThere { server: id.clone(), why: why.to_string() })
        }
        // Those that are not in the plan had gone when it was made: both have moved them.
        (Moved::Yes, Some(Fate::Moves { .. } | Fate::UnderWay) | None)
        | (Moved::Running | Moved::No { .. }, _) => None,
    }
}

fn only_here(theirs: &BTreeMap<ServerId, Moved>, id: &ServerId) -> Option<Difference> {
    let why = match theirs.get(id) {
        Some(Moved::Yes | Moved::Running) => return None,
        Some(Moved::No { why }) => why.clone(),
        None => None,
    };
    Some(Difference::OnlyHere { server: id.clone(), why })
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotProven { moved: Some(moved), why } => {
                write!(f, "Python moved {moved} servers of a host that is not proven dead: {why}")
            }
            Self::NotProven { moved: None, why } => {
                write!(f, "Python recovered a host that is not proven dead: {why}")
            }
            Self::NotRecovered { status, would } => {
                write!(f, "Python ended it {status} and moved none; {would} would be evacuated")
            }
            Self::OnlyThere { server, why } => {
                write!(f, "Python moved {server}, which would stay: {why}")
            }
            Self::OnlyHere { server, why } => {
                let why = why.as_deref().map_or_else(|| "it has no VM move".into(), printable);
                write!(f, "{server} would be evacuated, and Python did not move it: {why}")
            }
        }
    }
}
