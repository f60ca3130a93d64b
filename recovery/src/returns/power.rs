//! Power for a host that is away: its fence device gives it back, if a person asks for that, or `[return] power_on` does.
//!
//! Once for each loss, and tried so often at most; never while a recovery of the host is open, for that takes it for
//! dead. Without a person's word only a host that a recovery of ours switched off, and that has nothing left on it.

use super::{Look, Rules, State, Word};
use crate::Millis;
use alloc::{format, string::String};

/// So often it is tried.
const TRIES_MAX: u32 = 3;
const RETRY_MS: i64 = 30_000;

/// How the answer to a wish begins.
pub(super) const GRANTED: &str =
    "it is switched on by its fence device, unless it is heard already; then ";

/// How far that is, since the host was lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Power {
    wanted: bool,
    tries: u32,
    done: bool,
    not_before: Option<Millis>,
}

impl Power {
    /// A person's wish: it is tried anew.
    pub(super) fn wish(&mut self, power_on: bool) {
        if power_on {
            *self = Self { wanted: true, ..Self::default() };
        }
    }

    pub(super) fn intend(&mut self) {
        self.tries = self.tries.saturating_add(1);
    }

    /// What the host waits for then.
    pub(super) fn is_on(&mut self, path: &[String]) -> String {
        self.done = true;
        format!("it was switched on and has not been heard yet ({})", path.join("; "))
    }

    pub(super) fn is_not_on(&mut self, path: &[String], again_at: Millis) -> String {
        self.not_before = Some(again_at);
        let how = if self.tries < TRIES_MAX { "it is tried again" } else { "that is left to you" };
        format!("it could not be switched on, {how} ({})", path.join("; "))
    }

    /// When it is tried again.
    #[must_use]
    pub fn again_at(&self, now: Millis) -> Millis {
        crate::fold::again_at(RETRY_MS, self.tries, now)
    }
}

/// Whether it is switched on now.
pub(super) fn is_due(state: &State, rules: &Rules, look: &Look<'_>) -> bool {
    let Power { wanted, tries, done, not_before } = state.power;
    let is_over = done || tries >= TRIES_MAX || not_before.is_some_and(|at| at > look.now);
    if is_over || look.recovery.is_some() {
        return false;
    }
    let losses = state.losses_within(rules.flap_window_ms, look.now);
    let flaps = rules.flap_limit > 0 && losses >= rules.flap_limit;
    let by_itself = rules.power_on
        && state.did.switched_off
        && look.word != Some(Word::Stay)
        && look.hands_off.is_none()
        && !flaps;
    wanted || by_itself
}
