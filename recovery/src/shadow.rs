//! Shadow mode: a recovery that is judged and planned, and not made.
//!
//! Everything up to the permit is as ever: the looks, the evidence, the guard, a person's approval. What it would do
//! stands in the log as the forecast that `masakari plan` gives, and the death certificate as it would be. Then it ends.
//! That nothing can be done is not decided here: whoever only judges has no way to a cloud on which it could.

pub mod compare;

use crate::details::Task;
use crate::forecast::Forecast;
use crate::log::Entry;
use crate::nouns::NotificationStatus;
use crate::state::State;
use crate::{HostName, Millis};
use alloc::{boxed::Box, format, string::String};
use serde::{Deserialize, Serialize};

/// A verdict that has not come by then is one, too: held.
pub const JUDGED_WITHIN_MS: i64 = 900_000;

/// What is written of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum ShadowEntry {
    /// What the recovery would do, were the host proven dead.
    Would { forecast: Box<Forecast> },
}

impl ShadowEntry {
    /// A message of the task that stands last.
    pub(crate) fn tell(&self, task: &mut Task, at: Millis) {
        let Self::Would { forecast } = self;
        task.say(
            at,
            task.progress,
            format!("Shadow: once the host is proven dead {}", would(forecast)),
        );
    }
}

/// With this the message of each begins.
pub const SHADOW: &str = "shadow, nothing was done: ";

/// What fails on a host that lives is not judged in shadow: it would be stopped and started, or its host disabled, as in
/// Python.
pub const SMALL: &str = "shadow, nothing was done: only the failure of a host is judged";

/// The end, when there is a verdict.
#[must_use]
pub fn end(state: &State, host: &HostName, now: Millis) -> Option<Entry> {
    let began = state.began?;
    let verdict = verdict(state, host)
        .or_else(|| (now.since(began) >= JUDGED_WITHIN_MS).then(|| held(state, host)))?;
    let message = Some(format!("{SHADOW}{verdict}"));
    Some(Entry::Ended { status: NotificationStatus::Ignored, message })
}

/// `None`: there is none yet.
fn verdict(state: &State, host: &HostName) -> Option<String> {
    let plan = would(state.shadow.as_deref()?);
    match state.proven {
        Some(kind) => Some(format!("host {host} was proven dead ({kind}), {plan}")),
        // It would be fenced, and go on when that has proven it.
        None if state.has_passed() => Some(format!("host {host} would be fenced; then {plan}")),
        None => None,
    }
}

fn held(state: &State, host: &HostName) -> String {
    format!("the recovery of host {host} would still be held: {}", why_held(state))
}

fn why_held(state: &State) -> &str {
    state.held.as_deref().or(state.waiting.as_deref()).unwrap_or("nobody says why")
}

fn would(forecast: &Forecast) -> String {
    format!("{} servers would be evacuated and {} stay", forecast.moves, forecast.stays)
}
