//! What may start now of the ordered starts, and when a tier is over.

use super::{Check, Limits, Look, Stage, Starting, Tier, TierEntry, ready};
use crate::ServerId;
use crate::due::{Scene, Step};
use crate::log::{Entry, Reset};
use crate::seen::{Server, Task, VmState};
use crate::state::{self, Move, State};
use alloc::{collections::BTreeSet, vec::Vec};

/// Every step for the starts. `look` is what was seen of the servers so short a time ago that it may be
/// acted upon; `wanted`: whether a new look, or check, may be made now.
#[must_use]
pub fn due(
    state: &State,
    limits: &Limits,
    scene: &Scene<'_>,
    look: Option<&Look<'_>>,
    wanted: Wanted<'_>,
) -> Vec<Step> {
    if state.ended.is_some() || state.starts.servers.is_empty() {
        return Vec::new();
    }
    if state.hand.cancelled.is_some() {
        // What Nova was asked for is followed to its end.
        let look = wanted.look && state.starts.is_asked();
        return Vec::from_iter(look.then_some(Step::LookAtStarts));
    }
    let notes = turns(state, limits, scene);
    if !notes.is_empty() {
        return notes.into_iter().map(|entry| Step::Note(Entry::Tier(entry))).collect();
    }
    let mut steps = Vec::new();
    for (id, s) in &state.starts.servers {
        if let (Stage::Checking, Some(check)) = (&s.stage, &s.ordered.check)
            && !wanted.resting.contains(id)
        {
            steps.push(Step::Check(id.clone(), Check::clone(check)));
        }
    }
    if wanted.look && state.starts.servers.values().any(|s| is_to_be_seen(state, s)) {
        steps.push(Step::LookAtStarts);
    }
    let Some(look) = look else { return steps };
    match ready(state, look, scene.permit, scene.now) {
        None => steps.push(Step::LookAtHost),
        Some(starts) => {
            let free = starts.into_iter().filter(|start| !scene.busy.contains(start.server()));
            steps.extend(free.take(scene.room).map(Step::Start));
        }
    }
    steps
}

/// What the caller has time for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub look: bool,
    /// Who is being checked, or was a moment ago.
    pub resting: &'a BTreeSet<ServerId>,
}

/// Who waits for its turn need not be looked at.
fn is_to_be_seen(state: &State, s: &Starting) -> bool {
    s.is_watched() && state.starts.may_start(s.ordered.tier)
}

/// The tier whose turn it is: whether its time begins to run, or it is over.
fn turns(state: &State, limits: &Limits, scene: &Scene<'_>) -> Vec<TierEntry> {
    let starts = &state.starts;
    let Some(tier) = starts.turn() else { return Vec::new() };
    let members = || starts.servers.values().filter(|s| s.ordered.tier == tier);
    let of = |s: &Starting| state.moves.get(&s.ordered.server);
    if !members().any(|s| s.is_awaited(of(s))) {
        return Vec::from([TierEntry::Over { tier }]);
    }
    match starts.begun.get(&tier) {
        None => {
            let coming = members().any(|s| s.stage == Stage::Away && of(s).is_some_and(is_coming));
            if coming { Vec::new() } else { Vec::from([TierEntry::Began { tier }]) }
        }
        Some(began) if scene.now.since(*began) >= limits.tier_ms => {
            over(starts_of(state, tier), tier)
        }
        Some(_) => Vec::new(),
    }
}

fn starts_of(state: &State, tier: Tier) -> impl Iterator<Item = &Starting> {
    state.starts.servers.values().filter(move |s| s.ordered.tier == tier)
}

/// Its time is spent: nobody waits for checks any more.
fn over<'a>(members: impl Iterator<Item = &'a Starting>, tier: Tier) -> Vec<TierEntry> {
    let checked = members.filter(|s| s.stage == Stage::Checking);
    let given_up = checked.map(|s| TierEntry::Unanswered { server: s.ordered.server.clone() });
    given_up.chain([TierEntry::Over { tier }]).collect()
}

/// Whether it is on its way for the first time, so that the time of its tier does not run yet. Whoever was
/// left behind once may have to wait for room, and nobody else has to wait for that.
fn is_coming(m: &Move) -> bool {
    match m.stage {
        state::Stage::Waiting { .. } => m.attempts == 0 && m.wait.is_none(),
        state::Stage::Asking { .. } | state::Stage::Moving { .. } => true,
        state::Stage::Arrived { .. }
        | state::Stage::Stopping { .. }
        | state::Stage::Settling { .. }
        | state::Stage::Ended { .. } => false,
    }
}

/// How the state of a server is reset that shall arrive stopped: Nova starts what was in error.
#[must_use]
pub fn reset_for(server: &Server) -> Reset {
    let ready = matches!(server.vm_state, VmState::Active | VmState::Stopped);
    if ready && server.task == Task::None { Reset::NotNeeded } else { Reset::ToActive }
}
