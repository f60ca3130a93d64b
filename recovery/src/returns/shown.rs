//! Where a host stands on its way back, in words.

use super::{Did, Stage, State};
use crate::{Millis, NotificationId};
use alloc::{string::String, vec::Vec};

/// What a person sees.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// `away`, `heard`, or `in service`.
    pub state: &'static str,
    pub since: Option<Millis>,
    /// What it waits for.
    pub why: String,
    /// The recoveries after which it is away.
    pub recoveries: Vec<NotificationId>,
    /// Who wants it back now.
    pub asked: Option<String>,
    pub did: Did,
}

/// Where it stands.
#[must_use]
pub fn standing(state: &State) -> Standing {
    let (word, else_why) = match state.stage {
        Stage::InService => ("in service", ""),
        Stage::Away => ("away", "it has not been heard since it was lost"),
        Stage::Heard => ("heard", "it is being looked at"),
    };
    let waiting = state.common.waiting.as_ref();
    Standing {
        state: word,
        since: state.since,
        why: state.why.as_ref().or(waiting).cloned().unwrap_or_else(|| else_why.into()),
        recoveries: state.by.clone(),
        asked: state.asked.clone(),
        did: state.did.clone(),
    }
}
