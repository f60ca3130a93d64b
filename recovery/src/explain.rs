//! Why a recovery stands where it stands, or ended as it did: the cause, whom it concerns, and what to type next.
//!
//! Read from the log, which has what decided as types where we decided it. What Nova said is text, and is read by one
//! table ([`words`]). Nothing is asked of anybody, so it answers while Nova is away, and of recoveries that ended long ago.

mod cause;
mod next;
mod small;
mod told;
pub mod words;

pub use cause::{Cause, FenceFault, NotBegun, Over};

use crate::capacity;
use crate::fencing::FenceEntry;
use crate::idle::{self, Idle};
use crate::log::{Entry, Line, Skipped};
use crate::nouns::{NotificationStatus, NotificationType};
use crate::permit::{Lack, Lacks, LadderIs};
use crate::state::{Move, Outcome, Stage, State};
use crate::{HostName, NotificationId, ServerId};
use alloc::{borrow::ToOwned, collections::BTreeMap, string::String, vec::Vec};
use serde::Serialize;

/// So many servers of one cause are named; their number is told.
pub const SERVERS_NAMED: usize = 5;

/// Whose recovery is explained.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    pub notification: &'a NotificationId,
    pub kind: NotificationType,
    pub status: NotificationStatus,
    /// What the notification says of its end.
    pub message: Option<&'a str>,
    pub host: &'a HostName,
    /// Reports of the host are refused.
    pub on_maintenance: bool,
    pub lines: &'a [Line],
}

/// The answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Explanation {
    pub notification: NotificationId,
    pub host: HostName,
    pub status: NotificationStatus,
    /// The first is what matters most.
    pub findings: Vec<Finding>,
}

/// One cause.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    pub cause: Cause,
    pub sentence: String,
    /// How many servers it concerns; none where it concerns the recovery.
    pub servers: usize,
    /// The first of them.
    pub named: Vec<ServerId>,
    /// Commands to type, in their order.
    pub next: Vec<String>,
}

/// Explains it.
#[must_use]
pub fn explain(case: &Case<'_>) -> Explanation {
    let found =
        if case.lines.is_empty() { Vec::from([without_a_log(case)]) } else { of_its_log(case) };
    let findings = found.into_iter().map(|found| found.told(case)).collect();
    let (notification, host) = (case.notification.clone(), case.host.clone());
    Explanation { notification, host, status: case.status, findings }
}

fn of_its_log(case: &Case<'_>) -> Vec<Found> {
    match case.kind {
        NotificationType::ComputeHost => match State::fold(case.lines) {
            Ok(state) => of_host(case, &state),
            Err(illegal) => Vec::from([Found::of(Cause::Unreadable, alloc::format!("{illegal}"))]),
        },
        NotificationType::Vm => small::of_server(case),
        NotificationType::Process => small::of_process(case),
    }
}

/// A cause, whom it concerns, and what was said of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Found {
    pub(crate) cause: Cause,
    pub(crate) servers: Vec<ServerId>,
    pub(crate) why: String,
    /// Nothing is given up yet.
    pub(crate) open: bool,
}

impl Found {
    pub(crate) fn of(cause: Cause, why: impl Into<String>) -> Self {
        Self { cause, servers: Vec::new(), why: why.into(), open: false }
    }
}

fn without_a_log(case: &Case<'_>) -> Found {
    let message = case.message.unwrap_or_default();
    match (case.status.is_terminal(), idle::read(message)) {
        (_, Some(idle)) => Found::of(of_idle(idle), message),
        (true, None) => Found::of(not_begun(NotBegun::NotOurs), message),
        (false, None) => Found::of(not_begun(NotBegun::NotTakenUp), ""),
    }
}

fn of_idle(idle: Idle) -> Cause {
    match idle {
        Idle::SegmentDisabled => not_begun(NotBegun::SegmentDisabled),
        Idle::HostDeleted | Idle::SegmentDeleted => not_begun(NotBegun::HostDeleted),
        Idle::Uncertain => not_begun(NotBegun::Uncertain),
        Idle::NoFailure => Cause::NothingToDo,
        Idle::AsPlanned => not_begun(NotBegun::AsPlanned),
        Idle::TooOld => not_begun(NotBegun::NotTakenUpInTime),
    }
}

fn not_begun(why: NotBegun) -> Cause {
    Cause::NotBegun { why }
}

fn of_host(case: &Case<'_>, state: &State) -> Vec<Found> {
    let mut found = Vec::new();
    found.extend(ended(state));
    if state.ended.is_none() || found.iter().any(|f| f.cause == Cause::Expired) {
        found.extend(held(case.lines, state));
        found.extend(away(state));
    }
    let cancelled = state.hand.cancelled.as_deref();
    found.extend(moves(state, cancelled));
    found.extend(skipped(&state.skipped));
    let stopped: Vec<(ServerId, String)> =
        state.starts.not_started().map(|(s, why)| (s.ordered.server.clone(), why.into())).collect();
    if let Some((_, why)) = stopped.first() {
        let why = why.clone();
        let servers = stopped.into_iter().map(|(server, _)| server).collect();
        found.push(Found { cause: Cause::NotStarted, servers, why, open: false });
    }
    if found.is_empty() {
        found.push(all_well(state));
    }
    if case.on_maintenance
        && state.ended.is_some()
        && state.status() != NotificationStatus::Finished
    {
        found.push(Found::of(Cause::OnMaintenance, ""));
    }
    found
}

/// What the end of the recovery says of itself.
fn ended(state: &State) -> Option<Found> {
    if let Some(why) = &state.hand.cancelled {
        return Some(Found::of(Cause::Cancelled, why.clone()));
    }
    if let Some(why) = state.steps.failed() {
        return Some(Found::of(Cause::OwnStep, why));
    }
    let (_, message) = state.ended.as_ref()?;
    let message = message.as_deref()?;
    match idle::read(message) {
        Some(idle) => Some(Found::of(of_idle(idle), message)),
        None if idle::is_given_up(message) => Some(Found::of(Cause::Expired, message)),
        None => None,
    }
}

/// Why there is no permit.
fn held(lines: &[Line], state: &State) -> Vec<Found> {
    let Some(why) = &state.held else { return Vec::new() };
    if let Some((by, _)) = state.guard.held {
        return Vec::from([Found { open: true, ..Found::of(Cause::Guard { by }, why.clone()) }]);
    }
    let last = lines.iter().rev().find_map(|line| {
        let Entry::Held { lack, sighting, .. } = &line.entry else { return None };
        Some((*lack, sighting.is_some()))
    });
    let (lack, seen) = last.unwrap_or((None, false));
    let open = |cause| Found { open: true, ..Found::of(cause, why.clone()) };
    let Some(Lack { what, ladder }) = lack else {
        return Vec::from([open(if seen { Cause::SignOfLife } else { Cause::Held })]);
    };
    let proof = match what {
        Lacks::Evidence => Cause::NoEvidence,
        Lacks::Strength => Cause::WeakProof,
        Lacks::Silence => Cause::SignOfLife,
        Lacks::NovasWord => Cause::NovaTakesItForUp,
    };
    let fenced = match (what, ladder) {
        (Lacks::Silence, _) | (_, LadderIs::NoFile) => None,
        (_, LadderIs::None) => Some(Cause::Fence { by: FenceFault::NoDevice }),
        (_, LadderIs::There) => last_climb(lines),
    };
    // What a device could have proven comes before what is missing because it did not.
    fenced.into_iter().chain([proof]).map(open).collect()
}

/// Why the last climb of the ladder proved nothing, by its worst hurdle.
fn last_climb(lines: &[Line]) -> Option<Cause> {
    let last = lines.iter().rev().find_map(|line| {
        let Entry::Fence(entry) = &line.entry else { return None };
        Some(entry)
    });
    let Some(FenceEntry::Failed { hurdles, .. }) = last else { return None };
    hurdles
        .iter()
        .map(|hurdle| cause::of_hurdle(*hurdle))
        .min()
        .or(Some(Cause::Fence { by: FenceFault::Failed }))
}

/// What outside does not answer.
fn away(state: &State) -> Option<Found> {
    let why = state.waiting.as_ref()?;
    Some(Found { open: true, ..Found::of(words::waiting(why), why.clone()) })
}

/// Those that did not move, or wait for room, by their cause.
fn moves(state: &State, cancelled: Option<&str>) -> Vec<Found> {
    let mut causes: BTreeMap<(Cause, bool), (Vec<ServerId>, String)> = BTreeMap::new();
    for id in &state.order {
        let Some(m) = state.moves.get(id) else { continue };
        let Some((why, open)) = stuck(m).filter(|(why, _)| Some(*why) != cancelled) else {
            continue;
        };
        let cause = match &m.planned.quarantine {
            Some(why) if !why.starts_with(words::MAY_RUN) => Cause::Quarantined,
            Some(_) | None => words::not_moved(why),
        };
        let (servers, _) =
            causes.entry((cause, open)).or_insert_with(|| (Vec::new(), why.to_owned()));
        servers.push(id.clone());
    }
    let found = |((cause, open), (servers, why))| Found { cause, servers, why, open };
    causes.into_iter().map(found).collect()
}

/// Why it is not where it shall be, and whether that may still change.
fn stuck(m: &Move) -> Option<(&str, bool)> {
    if let Stage::Ended { outcome: Outcome::Failed { why, .. } } = &m.stage {
        return Some((why, false));
    }
    let wait = m.wait.as_ref().filter(|_| m.waits_for_room())?;
    Some((&wait.why, true))
}

fn skipped(all: &[Skipped]) -> Vec<Found> {
    let mut by_reason: BTreeMap<&str, Vec<ServerId>> = BTreeMap::new();
    for Skipped { server, why, .. } in all {
        by_reason.entry(why).or_default().push(server.clone());
    }
    let found = |(why, servers): (&str, _)| Found { servers, ..Found::of(Cause::Skipped, why) };
    by_reason.into_iter().map(found).collect()
}

fn all_well(state: &State) -> Found {
    match (&state.ended, state.moves.is_empty()) {
        (None, _) => Found { open: true, ..Found::of(Cause::UnderWay, "") },
        (Some((NotificationStatus::Finished, _)), true) => Found::of(Cause::NothingToDo, ""),
        (Some((NotificationStatus::Finished, _)), false) => Found::of(Cause::AllMoved, ""),
        (Some((_, message)), _) => {
            let message = message.clone().unwrap_or_default();
            let short = capacity::is_short(&message);
            Found::of(if short { words::not_moved(&message) } else { Cause::Other }, message)
        }
    }
}
