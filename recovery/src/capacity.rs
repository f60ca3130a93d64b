//! A server for which Nova finds no room waits, and is asked for again when there is some.
//!
//! ```text
//!            Waits                     Room                    (Nova is asked, with a new permit)
//!  failed ──────────► waits for room ─────────► to be asked for ──► … ──► moved, or waits again
//!                         └── its time is over ──► failed, with the reason
//! ```
//!
//! Before it waits all the ways of the segment's method were tried, and it is unlocked: its owner may delete
//! it meanwhile. Room is seen by one look at Placement for all who wait. What Placement does not know of (a
//! pinned CPU, the scheduler's rules) it cannot tell, so each is asked for now and then anyway.

use crate::due::{Limits, Scene, Step};
use crate::log::{Entry, Line, Reset};
use crate::nouns::RecoveryMethod;
use crate::state::{Move, Outcome, Stage, State};
use crate::way::Way;
use crate::{HostName, Millis, ServerId};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::String,
    vec::Vec,
};
use serde::{Deserialize, Serialize};

/// The least and the most wait before Nova is asked again for one server; doubled each time.
const AGAIN_MS: (i64, i64) = (15_000, 60_000);
/// So long after Nova found no room it is asked again, whatever Placement shows.
const ANYWAY_MS: i64 = 300_000;

/// What the log says of servers that wait for room.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum CapacityEntry {
    /// No host has room for it. It is not asked for before `again_at`, and given up at `until`.
    Waits {
        server: ServerId,
        why: String,
        since: Millis,
        again_at: Millis,
        until: Millis,
        reset: Reset,
    },
    /// There may be room for these: they are asked for again.
    Room { servers: Vec<ServerId> },
    /// It is not on the dead host any more: deleted, or brought to another one by a person.
    Left { server: ServerId, to: Option<HostName> },
}

/// What a look for room showed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RoomSeen {
    /// For whom there is room.
    pub fits: BTreeSet<ServerId>,
    /// Who is not on the dead host any more, and where.
    pub left: BTreeMap<ServerId, Option<HostName>>,
}

/// The wait of one server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wait {
    pub since: Millis,
    pub until: Millis,
    pub again_at: Millis,
    /// When Nova found no room last.
    pub failed_at: Millis,
    /// How often that was.
    pub tries: u32,
    /// How often it had been asked for by then.
    pub attempts: u32,
    pub why: String,
    /// It waits no more: it is asked for again, or it is over.
    pub going: bool,
}

impl CapacityEntry {
    /// Whom it is about.
    #[must_use]
    pub fn servers(&self) -> Vec<&ServerId> {
        match self {
            Self::Waits { server, .. } | Self::Left { server, .. } => Vec::from([server]),
            Self::Room { servers } => servers.iter().collect(),
        }
    }

    /// Who was deleted meanwhile.
    pub(crate) fn deleted(&self) -> Option<&ServerId> {
        match self {
            Self::Left { server, to: None } => Some(server),
            Self::Left { to: Some(_), .. } | Self::Waits { .. } | Self::Room { .. } => None,
        }
    }
}

impl Wait {
    /// The sentence that its vmove and the details show.
    #[must_use]
    pub fn told(&self) -> String {
        told(&self.why, self.since, self.until)
    }
}

/// What is short, since when it is waited for and until when.
#[must_use]
pub fn told(why: &str, since: Millis, until: Millis) -> String {
    let short = why.strip_prefix(NO_VALID_HOST).unwrap_or(why);
    let short = short.trim_start_matches(['.', ':', ' ']).trim_end_matches('.');
    let short = if short.is_empty() { "no host has room" } else { short };
    format!("waits for capacity: {short}; since {}, until {}", since.utc(), until.utc())
}

/// How Nova says that its scheduler found nothing, and how a destination says that it has no room.
pub(crate) const NO_VALID_HOST: &str = "No valid host was found";
const NO_ROOM_THERE: &str = "Insufficient compute resources";

/// Whether an evacuation failed for want of room, by Nova's own words.
#[must_use]
pub fn is_short(why: &str) -> bool {
    why.starts_with(NO_VALID_HOST) || why.contains(NO_ROOM_THERE)
}

/// What is written instead of the end, when an evacuation failed for want of room and the server shall
/// wait for it. `last`: it would not be asked for again on this way.
pub(crate) fn waits(
    state: &State,
    limits: &Limits,
    m: &Move,
    failed: (&str, Reset),
    last: bool,
    now: Millis,
) -> Option<CapacityEntry> {
    let (why, reset) = failed;
    let last_way = state.ways.now() == Ok(Way::Scheduler) && state.ways.next().is_none();
    // Who waits already keeps the time that was told, whatever the setting is now.
    let begins = last && last_way && limits.capacity_wait_ms > 0;
    if !is_short(why) || !(m.wait.is_some() || begins) {
        return None;
    }
    let (since, until, tries) = match &m.wait {
        Some(wait) => (wait.since, wait.until, wait.tries),
        None => (now, now.plus(limits.capacity_wait_ms), 0),
    };
    let again_at = now.plus((AGAIN_MS.0 << tries.min(8)).min(AGAIN_MS.1));
    let (server, why) = (m.planned.server.clone(), why.into());
    let waits = CapacityEntry::Waits { server, why, since, again_at, until, reset };
    (now < until).then_some(waits)
}

/// Of the servers that all ways left behind, those that wait for room from now on (and have not waited yet),
/// each with the line that follows its new plan.
#[must_use]
pub fn left_short(state: &State, limits: &Limits, now: Millis) -> Vec<CapacityEntry> {
    let short = |m: &Move| match &m.stage {
        Stage::Ended { outcome: Outcome::Failed { why, .. } } if is_short(why) => Some(why.clone()),
        Stage::Ended { .. }
        | Stage::Waiting { .. }
        | Stage::Asking { .. }
        | Stage::Moving { .. }
        | Stage::Arrived { .. }
        | Stage::Stopping { .. }
        | Stage::Settling { .. } => None,
    };
    let waits = |m: &Move| {
        let why = short(m).filter(|_| m.wait.is_none() && limits.capacity_wait_ms > 0)?;
        Some(CapacityEntry::Waits {
            server: m.planned.server.clone(),
            why,
            since: now,
            again_at: now.plus(AGAIN_MS.0),
            until: now.plus(limits.capacity_wait_ms),
            // Its new plan says whether it is to be reset.
            reset: m.reset,
        })
    };
    state.moves.values().filter_map(waits).collect()
}

/// What the waits ask for: their end, or a look at who has room.
pub(crate) fn due(state: &State, scene: &Scene<'_>) -> Vec<Step> {
    let (mut steps, mut look) = (Vec::new(), Vec::new());
    for m in in_rank(state).filter(|m| !scene.busy.contains(&m.planned.server)) {
        let (Some(wait), Stage::Waiting { .. }) = (&m.wait, &m.stage) else { continue };
        let server = m.planned.server.clone();
        if wait.until <= scene.now {
            let why = over(state, wait);
            let (again_at, reset) = (None, m.reset);
            steps.push(Step::Note(Entry::NotMoved { server, why, again_at, reset }));
        } else if !wait.going && wait.again_at <= scene.now {
            look.push(server);
        }
    }
    if !look.is_empty() {
        steps.push(Step::LookForRoom(look));
    }
    steps
}

/// What a look for room for `servers` means. The law asks that they are where they were: only those that are
/// still on the dead host are asked for again.
#[must_use]
pub fn seen(state: &State, servers: &[ServerId], seen: &RoomSeen, now: Millis) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut room: Vec<ServerId> = Vec::new();
    for m in servers.iter().filter_map(|id| state.moves.get(id)) {
        let (Some(wait), Stage::Waiting { .. }) = (&m.wait, &m.stage) else { continue };
        let server = m.planned.server.clone();
        let anyway = wait.failed_at.plus(ANYWAY_MS) <= now;
        match seen.left.get(&server) {
            _ if wait.going => {}
            Some(to) => {
                entries.push(Entry::Capacity(CapacityEntry::Left { server, to: to.clone() }));
            }
            None if anyway || seen.fits.contains(&server) => room.push(server),
            None => {}
        }
    }
    if !room.is_empty() {
        entries.push(Entry::Capacity(CapacityEntry::Room { servers: room }));
    }
    entries
}

/// Who goes first comes first.
fn in_rank(state: &State) -> impl Iterator<Item = &Move> {
    let mut moves: Vec<&Move> = state.order.iter().filter_map(|id| state.moves.get(id)).collect();
    moves.sort_by_key(|m| core::cmp::Reverse(m.planned.rank()));
    moves.into_iter()
}

fn over(state: &State, wait: &Wait) -> String {
    let waited_s = wait.until.since(wait.since) / 1000;
    let held = state.held.as_ref().map(|held| format!("; {held}")).unwrap_or_default();
    format!("{}; it waited {waited_s} s for capacity{held}", wait.why)
}

impl Move {
    /// Whether nothing is done with it until there is room.
    #[must_use]
    pub fn waits_for_room(&self) -> bool {
        let open = match self.stage {
            Stage::Waiting { .. } | Stage::Settling { .. } => true,
            Stage::Asking { .. }
            | Stage::Moving { .. }
            | Stage::Arrived { .. }
            | Stage::Stopping { .. }
            | Stage::Ended { .. } => false,
        };
        open && self.wait.as_ref().is_some_and(|wait| !wait.going)
    }

    /// How often Nova was asked for it in a row: what has waited for room is asked for anew, and what then
    /// fails for another reason is tried again as it would be at first.
    pub(crate) fn asked_in_a_row(&self) -> u32 {
        self.attempts.saturating_sub(self.wait.as_ref().map_or(0, |wait| wait.attempts))
    }

    pub(crate) fn capacity(
        &mut self,
        entry: &CapacityEntry,
        at: Millis,
    ) -> Result<(), &'static str> {
        match (entry, &self.stage) {
            (
                CapacityEntry::Waits { why, since, again_at, until, reset, .. },
                Stage::Waiting { .. } | Stage::Asking { .. } | Stage::Moving { .. },
            ) => {
                let tries = self.wait.as_ref().map_or(0, |wait| wait.tries) + 1;
                let (since, until, again_at) = (*since, *until, *again_at);
                let (failed_at, why, going) = (at, why.clone(), false);
                let attempts = self.attempts;
                let wait = Wait { since, until, again_at, failed_at, tries, attempts, why, going };
                self.wait = Some(wait);
                self.reset = *reset;
                self.stage = self.waiting_or_to_be_unlocked(at);
                Ok(())
            }
            (CapacityEntry::Room { .. }, Stage::Waiting { .. }) => {
                let wait = self.wait.as_mut().filter(|wait| !wait.going);
                wait.ok_or("there is room for a server that did not wait")?.going = true;
                self.stage = Stage::Waiting { not_before: at };
                Ok(())
            }
            (CapacityEntry::Left { to, .. }, Stage::Waiting { .. }) => {
                let why = match to {
                    Some(host) => format!("somebody brought it to {host} meanwhile"),
                    None => "it was deleted meanwhile".into(),
                };
                self.end(Outcome::Ignored { why }, at)
            }
            (
                CapacityEntry::Waits { .. }
                | CapacityEntry::Room { .. }
                | CapacityEntry::Left { .. },
                _,
            ) => Err("a server waits for room that is on its way, or is over"),
        }
    }

    /// A long wait is not spent locked.
    fn waiting_or_to_be_unlocked(&self, at: Millis) -> Stage {
        match &self.wait {
            Some(wait) if self.locked_by_us => {
                let outcome = Outcome::Failed { host: None, why: wait.why.clone() };
                Stage::Settling { outcome, not_before: at }
            }
            Some(wait) => Stage::Waiting { not_before: wait.again_at },
            None => Stage::Waiting { not_before: at },
        }
    }
}

impl State {
    /// Whether all that is left is to wait for room.
    #[must_use]
    pub fn rests(&self) -> bool {
        let waits = |m: &Move| m.waits_for_room() && matches!(m.stage, Stage::Waiting { .. });
        let rests = |m: &Move| waits(m) || matches!(m.stage, Stage::Ended { .. });
        let starts = self.starts.are_left();
        self.ended.is_none()
            && !starts
            && self.moves.values().any(waits)
            && self.moves.values().all(rests)
    }

    /// Those that wait for room, who goes first before the others.
    #[must_use]
    pub fn waiting_for_room(&self) -> Vec<&Move> {
        in_rank(self).filter(|m| m.waits_for_room()).collect()
    }
}

/// Whether this method lets Nova choose a host for what its ways left behind.
pub(crate) fn nova_may_choose(method: RecoveryMethod) -> bool {
    match method {
        RecoveryMethod::Auto | RecoveryMethod::AutoPriority | RecoveryMethod::RhPriority => true,
        RecoveryMethod::ReservedHost => false,
    }
}

/// The line for the details, once for each reason: who waits is asked for more than once.
pub(crate) fn detail(entry: &CapacityEntry, before: &[Line]) -> Option<String> {
    let CapacityEntry::Waits { server, why, since, until, .. } = entry else { return None };
    let told_of = |line: &Line| {
        matches!(&line.entry, Entry::Capacity(CapacityEntry::Waits { server: s, why: w, since: t, .. })
            if s == server && w == why && t == since)
    };
    let text = || format!("Instance '{server}' {}", told(why, *since, *until));
    (!before.iter().any(told_of)).then(text)
}
