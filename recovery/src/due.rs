//! What may start now.
//!
//! Pure: [`due`] is asked again after every line of the log, [`judge`] after every look. Neither
//! remembers anything; what is in flight in this process is told by the caller.

use crate::capacity;
use crate::explain::words::NOT_STOPPED;
use crate::fencing::{self, Unproven};
use crate::hand;
use crate::idle;
use crate::log::{Act, Aftermath, Entry, Reset};
pub use crate::look::{Look, judge};
use crate::nouns::NotificationStatus;
use crate::permit::{Evacuate, ForceDown, Permit};
use crate::seen::ComputeService;
use crate::state::{Move, Once, Outcome, Stage, State};
use crate::steps::{self, Next, Place};
use crate::tiers::{Check, Start};
use crate::way::{Reserve, Standing, Way, WayEntry};
use crate::{HostName, Millis, ServerId, ServiceId};
use alloc::{collections::BTreeSet, format, string::String, vec::Vec};

/// How long and how often things are tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// How often Nova is asked to evacuate one server.
    pub attempts: u32,
    /// The wait before a second attempt; doubled for each further one.
    pub retry_ms: i64,
    /// How long after its intent a call may still reach Nova, when its answer was lost or whoever
    /// sent it died. Nova accepts a second evacuation of a server that it is evacuating, and then two
    /// hosts build it: so nothing is asked for again before this time is over.
    pub linger_ms: i64,
    /// `wait_period_after_evacuation`: how long no server of the recovery may come further before
    /// those that Nova still works on are given up. Counted from the last progress of any of
    /// them, because Nova works through a queue, and only while Nova answers.
    pub arrival_ms: i64,
    /// `wait_period_after_power_off`: how long a stop may take.
    pub stop_ms: i64,
    /// `notifications_expired_interval`: how old a recovery may become.
    pub expiry_ms: i64,
    /// How many plans one recovery may make.
    pub plans: u32,
    /// `host_failure_recovery_threads`, when it is set: the most servers of one host on their way.
    pub on_their_way: Option<usize>,
    /// Of fencing.
    pub fencing: fencing::Limits,
    /// Of ordered starts.
    pub tiers: crate::tiers::Limits,
    /// `[recovery] capacity_wait`: how long a server waits for room; 0: not at all.
    pub capacity_wait_ms: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            attempts: 4,
            retry_ms: 5_000,
            linger_ms: 90_000,
            arrival_ms: 90_000,
            stop_ms: 180_000,
            expiry_ms: 86_400_000,
            plans: 10,
            on_their_way: None,
            fencing: fencing::Limits::default(),
            tiers: crate::tiers::Limits::default(),
            capacity_wait_ms: 600_000,
        }
    }
}

/// What is known at this moment besides the log.
#[derive(Debug)]
pub struct Scene<'a> {
    pub now: Millis,
    /// `None`: the host must be looked at first, or again.
    pub permit: Option<&'a Permit>,
    /// Why there is none, for a host that has a ladder of fence devices.
    pub unproven: Option<Unproven<'a>>,
    pub service: Option<&'a ComputeService>,
    /// Servers with an act in flight in this process.
    pub busy: &'a BTreeSet<ServerId>,
    /// How many more servers Nova may be asked to move now.
    pub room: usize,
    /// Whether other servers' moves may be asked about now (a look costs Nova something).
    pub look: bool,
}

/// Something that may start now.
#[derive(Debug)]
pub enum Step {
    /// Get a fresh permit, or learn what is missing.
    LookAtHost,
    /// Climb the host's ladder of fence devices.
    Fence {
        attempt: u32,
    },
    ForceDown(ForceDown),
    Disable(ServiceId),
    /// List what is on the host and choose.
    Plan,
    Evacuate {
        order: Evacuate,
        lock: bool,
        reset: Reset,
    },
    LookAtServers,
    Stop(ServerId),
    Settle {
        server: ServerId,
        to_error: bool,
        unlock: bool,
    },
    /// Find a reserved host of the segment, and take it.
    TakeReserve,
    /// Put it into its aggregates and into service.
    ReadyReserve(Reserve),
    /// Leave it as it was found.
    HandBack(Reserve),
    /// A step of the operator's own.
    RunStep(steps::Run),
    /// An observation that needs no act: the time is over.
    Note(Entry),
    /// Who has room for these, which wait for it?
    LookForRoom(Vec<ServerId>),
    /// A fresh list from Nova: is anything left?
    Confirm,
    /// Look at the servers that wait for their start, and at their hosts.
    LookAtStarts,
    Start(Start),
    /// Ask a server that was started whether it is up.
    Check(ServerId, Check),
}

/// How long a server that has arrived stays locked while Nova still has others to move.
const SETTLE_LATER_MS: i64 = 15_000;

/// Every step that may start now. An empty answer means: wait (see [`wake_at`]).
#[must_use]
pub fn due(state: &State, limits: &Limits, scene: &Scene<'_>) -> Vec<Step> {
    if state.ended.is_some() {
        return Vec::new();
    }
    let mut steps = after_the_move(state, limits, scene);
    let over = || state.steps.failed().or_else(|| state.ways.now().err());
    if let Some(why) = state.hand.cancelled.as_deref().or_else(over) {
        steps.extend(given_up(state, scene, why));
    } else if expired(state, limits, scene.now) {
        let why = state.held.as_deref().unwrap_or("the recovery took too long");
        steps.extend(given_up(state, scene, why));
    } else {
        steps.extend(capacity::due(state, scene));
        if needs_permit(state, scene.now) {
            match scene.permit {
                None => {
                    steps.push(Step::LookAtHost);
                    steps.extend(fence(state, limits, scene));
                }
                Some(permit) => steps.extend(with_permit(state, limits, permit, scene)),
            }
        }
    }
    steps.extend(the_end(state, limits, scene));
    steps
}

/// When something becomes due by itself; `None` when only an answer from outside can help.
#[must_use]
pub fn wake_at(state: &State, limits: &Limits) -> Option<Millis> {
    let moves = state.moves.values().filter_map(|m| match &m.stage {
        Stage::Waiting { .. } if m.waits_for_room() => m.wait.as_ref().map(|wait| wait.until),
        Stage::Waiting { not_before }
        | Stage::Arrived { not_before, .. }
        | Stage::Settling { not_before, .. } => Some(*not_before),
        Stage::Asking { .. } | Stage::Moving { .. } => {
            state.progress_at.map(|p| p.plus(limits.arrival_ms))
        }
        Stage::Stopping { .. } => m.stop_since.map(|s| s.plus(limits.stop_ms)),
        Stage::Ended { .. } => None,
    });
    let expires = state.since().map(|b| b.plus(limits.expiry_ms));
    moves.chain(expires).chain(state.steps.again_at()).chain(state.fencing.wake_at()).min()
}

fn expired(state: &State, limits: &Limits, now: Millis) -> bool {
    state.since().is_some_and(|since| now.since(since) >= limits.expiry_ms)
}

/// Whether something is left that only a permit allows.
fn needs_permit(state: &State, now: Millis) -> bool {
    state.plans == 0
        || instead_of_evacuating(state)
        || state.moves.values().any(|m| {
            !m.waits_for_room()
                && matches!(m.stage, Stage::Waiting { not_before } if not_before <= now)
        })
}

/// A host without a permit is fenced, if that could bring one.
fn fence(state: &State, limits: &Limits, scene: &Scene<'_>) -> Option<Step> {
    let next = state.fencing.next(&limits.fencing, scene.unproven.as_ref()?, scene.now);
    let attempt = state.fencing.next_attempt();
    (next == fencing::Next::Fence).then_some(Step::Fence { attempt })
}

/// Whether steps are left to which the operator leaves it to bring the servers back.
fn instead_of_evacuating(state: &State) -> bool {
    state.steps.leave_out(steps::EVACUATE) && state.steps.are_left(Place::Third)
}

/// The operator's steps up to that place, in front of everything that comes after it; `None`: all of
/// them are over.
fn own_steps(state: &State, upto: Place, now: Millis) -> Option<Vec<Step>> {
    state.steps.next(upto, now).map(|next| match next {
        Next::Run(run) => Vec::from([Step::RunStep(run)]),
        Next::Note(entry) => Vec::from([Step::Note(entry)]),
        Next::Wait { .. } => Vec::new(),
    })
}

/// First blind Nova (with proof), then take the host out of service, then plan, then evacuate; and
/// between these what the operator wants there.
fn with_permit(state: &State, limits: &Limits, permit: &Permit, scene: &Scene<'_>) -> Vec<Step> {
    if let Some(service) = scene.service {
        let force = permit.force_down(service.id.clone());
        if let Some(order) =
            force.filter(|_| !service.forced_down && state.forced_down != Once::Done)
        {
            return Vec::from([Step::ForceDown(order)]);
        }
    }
    if let Some(steps) = own_steps(state, Place::First, scene.now) {
        return steps;
    }
    if let Some(service) = scene.service
        && state.disabled != Once::Done
        && !state.steps.leave_out(steps::DISABLE_SERVICE)
    {
        // One that a person disabled keeps that person's reason.
        if !service.enabled && state.disabled == Once::NotYet {
            return Vec::from([Step::Note(Entry::Disabled)]);
        }
        // Listing changes nothing: it need not wait for Nova's answer to the other.
        let plan = state.plans == 0 && !state.steps.are_left(Place::Second);
        let mut steps = Vec::from([Step::Disable(service.id.clone())]);
        steps.extend(plan.then_some(Step::Plan));
        return steps;
    }
    if let Some(steps) = own_steps(state, Place::Second, scene.now) {
        return steps;
    }
    if state.plans == 0 {
        return Vec::from([Step::Plan]);
    }
    if let Some(steps) = own_steps(state, Place::Third, scene.now) {
        return steps;
    }
    match (state.ways.now(), state.ways.reserve()) {
        (Ok(Way::Reserved), None) => Vec::from([Step::TakeReserve]),
        (Ok(Way::Reserved), Some((reserve, Standing::Taken))) => {
            Vec::from([Step::ReadyReserve(reserve.clone())])
        }
        (Ok(Way::Reserved), Some((reserve, _))) => {
            evacuations(state, limits, permit, scene, Target::One(&reserve.host))
        }
        (Ok(Way::Scheduler), _) => {
            let within = state.ways.within.as_deref();
            let target = within.map_or(Target::Nova, Target::Within);
            evacuations(state, limits, permit, scene, target)
        }
        (Err(_), _) => Vec::new(),
    }
}

/// Where servers are sent.
#[derive(Clone, Copy)]
enum Target<'a> {
    /// Nova chooses.
    Nova,
    One(&'a HostName),
    /// Each to the next of these; one that is refused to the one after it.
    Within(&'a [HostName]),
}

impl Target<'_> {
    fn of(self, place: usize, m: &Move) -> Option<HostName> {
        match self {
            Self::Nova => None,
            Self::One(host) => Some(host.clone()),
            Self::Within(hosts) => {
                let turn = place.saturating_add(usize::try_from(m.attempts).unwrap_or(0));
                turn.checked_rem(hosts.len()).and_then(|at| hosts.get(at)).cloned()
            }
        }
    }
}

fn evacuations(
    state: &State,
    limits: &Limits,
    permit: &Permit,
    scene: &Scene<'_>,
    target: Target<'_>,
) -> Vec<Step> {
    let waits = |m: &Move| {
        !m.waits_for_room()
            && matches!(m.stage, Stage::Waiting { not_before } if not_before <= scene.now)
    };
    let busy = |m: &Move| scene.busy.contains(&m.planned.server);
    let asking = |m: &Move| matches!(m.stage, Stage::Asking { .. }) && busy(m);
    // As long as one of a higher rank is being asked for, nobody of a lower one is: calls that are in
    // flight together reach Nova in any order.
    let next = state.moves.values().filter(|m| waits(m) || asking(m)).map(|m| m.planned.rank());
    let next = next.max();
    let on_their_way = state.moves.values().filter(|m| m.is_on_its_way()).count();
    let most = limits.on_their_way.map_or(usize::MAX, |most| most.saturating_sub(on_their_way));
    let ready = state
        .order
        .iter()
        .enumerate()
        .filter_map(|(place, id)| Some((place, state.moves.get(id)?)))
        .filter(|(_, m)| waits(m) && !busy(m) && Some(m.planned.rank()) == next);
    ready
        .take(scene.room.min(most))
        .map(|(place, m)| Step::Evacuate {
            order: permit.evacuate(m.planned.server.clone(), target.of(place, m)),
            lock: m.is_to_be_locked(),
            reset: m.reset,
        })
        .collect()
}

/// What needs no permit: following, stopping, unlocking.
fn after_the_move(state: &State, limits: &Limits, scene: &Scene<'_>) -> Vec<Step> {
    let (mut steps, mut settled) = (Vec::new(), Vec::new());
    let mut look = false;
    let at_work = state.moves.values().any(|m| {
        !m.waits_for_room()
            && matches!(
                m.stage,
                Stage::Waiting { .. } | Stage::Asking { .. } | Stage::Moving { .. }
            )
    });
    for m in state.moves.values().filter(|m| !scene.busy.contains(&m.planned.server)) {
        let server = m.planned.server.clone();
        look |= m.doubted && !matches!(m.stage, Stage::Ended { .. });
        match &m.stage {
            Stage::Waiting { .. } | Stage::Ended { .. } => {}
            Stage::Asking { .. } | Stage::Moving { .. } => look = true,
            Stage::Stopping { .. } | Stage::Arrived { .. }
                if m.stop_since.is_some_and(|s| scene.now.since(s) >= limits.stop_ms) =>
            {
                let why = format!("{NOT_STOPPED}{} s", limits.stop_ms / 1000);
                steps.push(Step::Note(Entry::NotRestored { server, why }));
            }
            Stage::Stopping { .. } => look = true,
            Stage::Arrived { not_before, .. } if *not_before <= scene.now => {
                steps.push(Step::Stop(server));
            }
            // Nothing to undo: it is over, and all such servers are in one line.
            Stage::Settling { .. }
                if settles(m) == (Settles { to_error: false, unlock: false }) =>
            {
                settled.push(server);
            }
            // Moving the others goes before unlocking those that have arrived, for a while.
            Stage::Settling { not_before, .. }
                if at_work && scene.now.since(*not_before) < SETTLE_LATER_MS => {}
            Stage::Settling { not_before, .. } if *not_before <= scene.now => {
                let Settles { to_error, unlock } = settles(m);
                steps.push(Step::Settle { server, to_error, unlock });
            }
            Stage::Arrived { .. } | Stage::Settling { .. } => {}
        }
    }
    if !settled.is_empty() {
        steps.push(Step::Note(Entry::Did { act: Act::Settle, servers: settled }));
    }
    if look && scene.look {
        steps.push(Step::LookAtServers);
    }
    steps.extend(state.ways.unused().cloned().map(Step::HandBack));
    steps
}

/// What is left to do for a server whose end is known.
#[derive(PartialEq, Eq)]
struct Settles {
    to_error: bool,
    unlock: bool,
}

fn settles(m: &Move) -> Settles {
    let succeeded = matches!(&m.stage, Stage::Settling { outcome: Outcome::Succeeded { .. }, .. });
    Settles {
        to_error: succeeded && m.planned.aftermath == Aftermath::StoppedInError,
        unlock: m.locked_by_us,
    }
}

/// There is no way any more, or the recovery is too old: nothing more is asked of Nova, what was
/// locked is unlocked.
fn given_up(state: &State, scene: &Scene<'_>, why: &str) -> Vec<Step> {
    let waiting = state.moves.values().filter(|m| {
        matches!(m.stage, Stage::Waiting { .. }) && !scene.busy.contains(&m.planned.server)
    });
    let give_up = |m: &Move| Entry::NotMoved {
        server: m.planned.server.clone(),
        why: why.into(),
        again_at: None,
        reset: m.reset,
    };
    waiting.map(give_up).map(Step::Note).collect()
}

fn the_end(state: &State, limits: &Limits, scene: &Scene<'_>) -> Option<Step> {
    let all_ended = state.moves.values().all(|m| matches!(m.stage, Stage::Ended { .. }));
    if !all_ended {
        return None;
    }
    let expired = expired(state, limits, scene.now);
    if let Some(why) = &state.hand.cancelled {
        return hand::last_of_host(state, why, scene, expired);
    }
    let failed = state.steps.failed().is_some();
    let planned_enough = failed || state.confirmed || state.plans >= plans_most(state, limits);
    if let Some((reserve, _)) = state.ways.reserve().filter(|_| expired || planned_enough) {
        let (host, used) = (reserve.host.clone(), may_have_been_used(state));
        return Some(Step::Note(Entry::Way(WayEntry::Left { host, used })));
    }
    if expired {
        let why = state.held.clone().or_else(|| state.waiting.clone());
        let message = why.unwrap_or_else(|| "the recovery took too long".into());
        let off = match state.starts.to_be_started() {
            0 => String::new(),
            off => format!("; {off} servers were evacuated and not started"),
        };
        let message = Some(idle::given_up(limits.expiry_ms, &format!("{message}{off}")));
        return Some(Step::Note(Entry::Ended { status: NotificationStatus::Failed, message }));
    }
    if !failed && (state.plans == 0 || instead_of_evacuating(state)) {
        return None;
    }
    if !planned_enough {
        return scene.busy.is_empty().then_some(Step::Confirm);
    }
    // A recovery that is too old leaves it to a person.
    if state.ways.unused().is_some() || !state.starts.are_over(&state.moves) {
        return None;
    }
    let verdict = verdict(state);
    match last_steps(state, &verdict, scene.now) {
        Some(steps) => steps.into_iter().next(),
        None => Some(Step::Note(verdict)),
    }
}

/// The operator's steps after a recovery that went well, unless there was nothing to do.
fn last_steps(state: &State, verdict: &Entry, now: Millis) -> Option<Vec<Step>> {
    let well = matches!(verdict, Entry::Ended { status: NotificationStatus::Finished, .. });
    let done = !state.moves.is_empty() || state.steps.leave_out(steps::EVACUATE);
    if well && done { own_steps(state, Place::End, now) } else { None }
}

/// What a way, or a reserved host, left behind is one plan more.
fn plans_most(state: &State, limits: &Limits) -> u32 {
    limits.plans.saturating_add(u32::try_from(state.ways.detours()).unwrap_or(u32::MAX))
}

/// Whether Nova may have been asked to send something to the reserved host of this moment. (The
/// fresh list tells for certain; this is for when there is none.)
pub(crate) fn may_have_been_used(state: &State) -> bool {
    state.moves.values().any(|m| m.started_at.is_some())
}

/// How the recovery ended, by how its moves did.
fn verdict(state: &State) -> Entry {
    let failed: Vec<String> = state
        .moves
        .values()
        .filter_map(|m| match &m.stage {
            Stage::Ended { outcome: Outcome::Failed { why, .. } } => {
                Some(format!("{}: {why}", m.planned.server))
            }
            Stage::Ended { outcome: Outcome::Succeeded { .. } | Outcome::Ignored { .. } }
            | Stage::Waiting { .. }
            | Stage::Asking { .. }
            | Stage::Moving { .. }
            | Stage::Arrived { .. }
            | Stage::Stopping { .. }
            | Stage::Settling { .. } => None,
        })
        .collect();
    if let Some(why) = state.steps.failed() {
        let of_all =
            format!("{} of {} servers were not recovered", failed.len(), state.moves.len());
        let message = if failed.is_empty() { why.into() } else { format!("{why}; {of_all}") };
        return Entry::Ended { status: NotificationStatus::Failed, message: Some(message) };
    }
    let off: Vec<String> =
        state.starts.not_started().map(|(s, why)| format!("{}: {why}", s.ordered.server)).collect();
    if failed.is_empty() && off.is_empty() && state.confirmed {
        let message = state.told_of_left(FAILURES_SHOWN);
        return Entry::Ended { status: NotificationStatus::Finished, message };
    }
    let some = |what: &str, whose: &[String]| {
        let shown = whose.iter().take(FAILURES_SHOWN).cloned().collect::<Vec<_>>().join("; ");
        format!("{} of {} servers were {what}: {shown}", whose.len(), state.moves.len())
    };
    let message = match (failed.is_empty(), off.is_empty()) {
        (false, true) => some("not recovered", &failed),
        (false, false) => {
            let off = some("evacuated and not started", &off);
            format!("{}; {off}", some("not recovered", &failed))
        }
        (true, false) => some("evacuated and not started", &off),
        (true, true) => format!("new servers appeared on the host after {} plans", state.plans),
    };
    let left = state.told_of_left(FAILURES_SHOWN).map(|left| format!("; {left}"));
    let message = Some(message + &left.unwrap_or_default());
    Entry::Ended { status: NotificationStatus::Failed, message }
}

/// A message that names hundreds of servers is read by nobody; the vmoves name each.
const FAILURES_SHOWN: usize = 5;
