//! How far a drain is, for people and for machines.

use super::{End, Stage, State};
use crate::forecast::printable;
use crate::{HostName, ServerId};
use alloc::{borrow::ToOwned, string::String, vec::Vec};
use core::fmt;
use serde::Serialize;

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Told {
    pub host: HostName,
    /// Nothing more is asked: by its log, or because its time is over or a person has ended it.
    pub over: bool,
    pub end: Option<End>,
    pub moved: usize,
    pub moving: usize,
    pub left: Vec<Left>,
    /// Why nothing is asked at this moment.
    pub waits: Option<String>,
}

/// A server that stays.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Left {
    pub id: ServerId,
    pub name: String,
    pub why: String,
}

impl Told {
    /// Of one that no engine has taken up.
    #[must_use]
    pub fn new(host: &HostName) -> Self {
        let (over, end, left, waits) = (false, None, Vec::new(), None);
        Self { host: host.clone(), over, end, moved: 0, moving: 0, left, waits }
    }

    /// `stands`: nobody has ended it, and its time is not over. `None`: no engine has taken it up.
    #[must_use]
    pub fn of(state: &State, stands: bool) -> Option<Self> {
        let count =
            |is: fn(&Stage) -> bool| state.servers.values().filter(|of| is(&of.stage)).count();
        let left = state.servers.iter().filter_map(|(id, of)| match &of.stage {
            Stage::Left { why } => {
                Some(Left { id: id.clone(), name: of.name.clone(), why: why.clone() })
            }
            Stage::Intended { .. } | Stage::Asked { .. } | Stage::Moved => None,
        });
        Some(Self {
            host: state.host.clone()?,
            over: state.over.is_some() || !stands,
            end: state.over,
            moved: count(|stage| *stage == Stage::Moved),
            moving: count(|stage| matches!(stage, Stage::Intended { .. } | Stage::Asked { .. })),
            left: left.collect(),
            waits: state.common.waiting.clone(),
        })
    }

    fn stands(&self) -> String {
        match (self.end, self.over) {
            (Some(End::Empty), _) => "no server is left on it, and the planned stop has begun",
            (Some(End::Left), _) => "over: not all could be moved, and no stop is planned",
            (Some(End::Lost), _) => "over: the host was reported lost, and its recovery has it",
            (None, true) => "ended before all were moved; what is on its way goes on",
            (None, false) => "going on",
        }
        .to_owned()
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, moved, moving, left, .. } = self;
        let (stands, stay) = (self.stands(), left.len());
        writeln!(
            f,
            "drain of host {host}: {stands}; {moved} moved, {moving} on their way, {stay} stay"
        )?;
        for Left { id, name, why } in left {
            writeln!(f, "  {} ({id}) stays: {}", printable(name), printable(why))?;
        }
        if self.end == Some(End::Left) {
            writeln!(
                f,
                "  move them by hand and drain it again, or `masakari host maintenance {host}` if they may go down with it"
            )?;
        }
        if let Some(why) = self.waits.as_ref().filter(|_| !self.over) {
            writeln!(f, "  it waits: {}", printable(why))?;
        }
        Ok(())
    }
}
