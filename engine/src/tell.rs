//! What an operator reads in the engine's log of one recovery, in words and not in our types.
//!
//! Every line of a recovery is written in its [`span`], which carries the notification's id; so no line
//! names it itself. What is told here stands in the recovery's own log already: a line is written after it.

use crate::subject::Task;
use openstack::AskError;
use recovery::{
    HostName, Millis, NotificationId, certificate,
    evidence::{Evidence, Kind},
    fencing::FenceEntry,
    log::{Act, Entry, Skipped},
    nouns::NotificationStatus,
    readiness::{Check, Readiness},
    returns,
    state::{Outcome, Stage, State},
    way::WayEntry,
};
use std::error::Error;
use tracing::Span;

/// Around all that is done for a recovery. Of the highest level, so that it is there at every one.
pub(crate) fn span(notification: &NotificationId) -> Span {
    tracing::error_span!("recovery", %notification)
}

/// What an engine has just taken up.
pub(crate) fn claimed(task: &Task, generation: u64) {
    match task {
        Task::RecoverHost(mission) => {
            let (host, method) = (&mission.subject.host, mission.method);
            tracing::info!(%host, %method, generation, "claimed: recover a host");
        }
        Task::Restart { subject, server } => {
            tracing::info!(%server, host = %subject.host, generation, "claimed: restart a server");
        }
        Task::Process { subject, process } => {
            tracing::info!(process, host = %subject.host, generation, "claimed: a process stopped");
        }
        Task::Nothing { status, message } => {
            let why = message.as_deref().unwrap_or_default();
            tracing::info!(%status, why, generation, "claimed: there is nothing to do");
        }
    }
}

/// What was just written into the log of a host's recovery, as far as a person wants to know it.
pub(crate) fn written<'l>(entries: impl Iterator<Item = &'l Entry>, state: &State, now: Millis) {
    for entry in entries {
        match entry {
            Entry::Proven { kind, at, evidence } => proven(*kind, *at, evidence),
            Entry::Fence(entry) => fencing(entry, now),
            Entry::NotMoved { server, why, again_at: Some(at), .. } => {
                let again_in_ms = at.since(now);
                tracing::info!(%server, why, again_in_ms, "not moved; it will be tried again");
            }
            Entry::NotMoved { server, why, again_at: None, .. } => {
                tracing::warn!(%server, why, "not moved, and not tried again");
            }
            Entry::NotRestored { server, why } => {
                tracing::warn!(%server, why, "moved, but not as it was before");
            }
            Entry::Planned { skipped, .. } => skipped.iter().for_each(left_alone),
            Entry::Ended { status, message } => host_ended(*status, message.as_deref(), state, now),
            Entry::Way(WayEntry::Over { why }) => {
                tracing::info!(why, "there is no host to be had in this way");
            }
            Entry::Claimed { .. }
            | Entry::Held { .. }
            | Entry::Guard(_)
            | Entry::Shadow(_)
            | Entry::Waiting { .. }
            | Entry::ForceDownIntended
            | Entry::ForcedDown
            | Entry::DisableIntended
            | Entry::Disabled
            | Entry::Intended { .. }
            | Entry::Did { .. }
            | Entry::Refused { .. }
            | Entry::Postponed { .. }
            | Entry::Arrived { .. }
            | Entry::Stopped { .. }
            | Entry::Gone { .. }
            | Entry::Way(_)
            | Entry::Capacity(_)
            | Entry::Confirmed { .. }
            | Entry::Hand(_)
            | Entry::Step(_)
            | Entry::Restart(_)
            | Entry::Process(_)
            | Entry::Return(_)
            | Entry::Drill(_)
            | Entry::Drain(_)
            | Entry::Tier(_) => {}
        }
    }
}

/// The death certificate.
fn proven(kind: Kind, at: Millis, evidence: &[Evidence]) {
    let decides = |e: &&Evidence| certificate::decides(e, kind, at);
    let source = evidence.iter().filter(decides).map(|e| e.source.as_str());
    let source = source.collect::<Vec<_>>().join(", ");
    let piece = |e: &Evidence| {
        let raw = e.raw.replace('\n', "; ");
        format!("{} at {} by {} ({raw})", e.kind, e.at.iso(), e.source)
    };
    // The oldest are of other losses.
    let pieces =
        evidence.iter().rev().take(EVIDENCE_TOLD).map(piece).collect::<Vec<_>>().join("; ");
    let (host, known) = (evidence.first().map(|e| e.host.as_str()), evidence.len());
    let true_at = at.iso();
    tracing::info!(proof = %kind, source, host, true_at, known, evidence = pieces, "the host is proven dead");
}

/// So many of the newest pieces of evidence stand in a line of the log; the certificate has all.
const EVIDENCE_TOLD: usize = 8;

fn left_alone(skipped: &Skipped) {
    let (server, why) = (&skipped.server, &skipped.why);
    match &skipped.left {
        Some(left) if left.tell => tracing::warn!(%server, name = left.name, why, "it stays"),
        Some(left) => tracing::info!(%server, name = left.name, why, "it stays"),
        None => tracing::debug!(%server, why, "it stays"),
    }
}

fn fencing(entry: &FenceEntry, now: Millis) {
    match entry {
        FenceEntry::Begun { attempt, rungs } => {
            tracing::warn!(attempt, ladder = rungs.join(", "), "fencing the host");
        }
        FenceEntry::Proven { evidence } => {
            let path = evidence.raw.replace('\n', "; ");
            tracing::warn!(proof = %evidence.kind, source = evidence.source, path, "fenced");
        }
        FenceEntry::Failed { path, why, again_at, .. } => {
            let (path, why) = (path.join("; "), why.as_deref().unwrap_or_default());
            let again_in_ms = again_at.map(|at| at.since(now));
            tracing::error!(path, why, again_in_ms, "the host could not be fenced");
        }
    }
}

fn host_ended(status: NotificationStatus, why: Option<&str>, state: &State, now: Millis) {
    let (mut moved, mut failed) = (0_u32, 0_u32);
    for m in state.moves.values() {
        match &m.stage {
            Stage::Ended { outcome: Outcome::Succeeded { .. } } => moved += 1,
            Stage::Ended { outcome: Outcome::Failed { .. } } => failed += 1,
            Stage::Ended { outcome: Outcome::Ignored { .. } }
            | Stage::Waiting { .. }
            | Stage::Asking { .. }
            | Stage::Moving { .. }
            | Stage::Arrived { .. }
            | Stage::Stopping { .. }
            | Stage::Settling { .. } => {}
        }
    }
    let (why, took_ms) = (why.unwrap_or_default(), state.began.map_or(0, |began| now.since(began)));
    if status == NotificationStatus::Failed {
        tracing::warn!(%status, moved, failed, took_ms, why, "recovery ended");
    } else {
        tracing::info!(%status, moved, failed, took_ms, why, "recovery ended");
    }
}

/// The end of the recovery of one server or service.
pub(crate) fn ended(what: &str, status: NotificationStatus, message: Option<&str>) {
    let why = message.unwrap_or_default();
    if status == NotificationStatus::Failed {
        tracing::warn!(%status, why, "{what} ended");
    } else {
        tracing::info!(%status, why, "{what} ended");
    }
}

/// Nova did not take an act, or that is not known.
pub(crate) fn not_done(server: &recovery::ServerId, act: Act, why: &str, sent: bool) {
    let act = word(act);
    if sent {
        tracing::warn!(%server, act, why, "Nova's answer is not known; it is looked whether it was done");
    } else {
        tracing::warn!(%server, act, why, "Nova did not do it");
    }
}

/// What is done to a server.
pub(crate) fn word(act: Act) -> &'static str {
    match act {
        Act::Evacuate => "evacuate",
        Act::Stop => "stop",
        Act::Settle => "leave as it was",
    }
}

/// Something was asked for and is not there; it is tried again.
pub(crate) fn trouble(failed: &(dyn Error + 'static), why: &str) {
    let what = kind_of_trouble(failed);
    tracing::warn!(why, "{what}; trying again");
}

fn kind_of_trouble(failed: &(dyn Error + 'static)) -> &'static str {
    let look = failed.downcast_ref::<crate::look::LookFailed>();
    let ask = look.map_or_else(
        || failed.downcast_ref::<AskError>(),
        |look| match look {
            crate::look::LookFailed::Nova(ask) => Some(ask),
            crate::look::LookFailed::Store(_) | crate::look::LookFailed::Slow { .. } => None,
        },
    );
    match ask {
        Some(AskError::Unreachable { .. } | AskError::NoAnswer { .. }) => "no answer",
        Some(AskError::NoLogin { .. }) => "not asked, as there is no token",
        Some(AskError::NotAtOnce { .. }) => "not possible at once",
        Some(AskError::Unauthorized { .. } | AskError::Forbidden { .. }) => "not allowed",
        Some(AskError::OverLimit { .. }) => "too many requests",
        Some(AskError::ServerFault { .. }) => "the service failed",
        Some(AskError::Rubbish { .. } | AskError::PartialAnswer { .. }) => {
            "the answer cannot be used"
        }
        Some(
            AskError::NotFound { .. }
            | AskError::Conflict { .. }
            | AskError::BadRequest { .. }
            | AskError::TooLarge { .. },
        ) => "refused",
        Some(
            AskError::NoEndpoint { .. } | AskError::TooOld { .. } | AskError::Misconfigured { .. },
        ) => "it cannot be asked",
        None => "it could not be looked at",
    }
}

/// It was away.
pub(crate) fn answers_again(outages: u32) {
    if outages > 0 {
        tracing::info!(outages, "it answers again");
    }
}

/// Whether a host could be fenced has changed.
pub(crate) fn readiness(host: &HostName, check: &Check) {
    let why = check.why();
    match check.readiness {
        Readiness::Unready => tracing::warn!(%host, why, "the host could not be fenced now"),
        Readiness::Impaired => {
            tracing::warn!(%host, why, "the host could be fenced now, and a device of it is to be repaired");
        }
        Readiness::Ready => {
            tracing::info!(%host, "the host could be fenced by all its devices again")
        }
    }
}

/// What happened to a host on its way back.
pub(crate) fn returned(host: &HostName, event: &returns::Event) {
    use returns::Event;
    match event {
        Event::Lost { recovery, .. } => {
            tracing::info!(%host, %recovery, "the host is away, and watched for its return");
        }
        Event::Seen { .. } => tracing::info!(%host, "a lost host is heard again"),
        Event::Silent => tracing::warn!(%host, "a lost host that was heard again is silent"),
        Event::Waits { why } => tracing::info!(%host, why, "a lost host does not return yet"),
        Event::Asked { by, why, power_on, .. } => {
            tracing::info!(%host, by, why, power_on, "a lost host is wanted back");
        }
        Event::OnIntended => tracing::warn!(%host, "a lost host is switched on"),
        Event::On { path } => {
            tracing::warn!(%host, path = path.join("; "), "a lost host has its power back");
        }
        Event::NotOn { path, .. } => {
            tracing::warn!(%host, path = path.join("; "), "a lost host could not be switched on");
        }
        Event::Refused { act, why, .. } => {
            tracing::warn!(%host, ?act, why, "Nova refused something on a host's way back");
        }
        Event::Done { act } => tracing::info!(%host, ?act, "done on a host's way back"),
        Event::Back { reserved: false } => tracing::warn!(%host, "the host is in service again"),
        Event::Back { reserved: true } => {
            tracing::warn!(%host, "the host is back, and a reserved host from now on");
        }
        Event::Intended { .. } | Event::NotAsked { .. } => {}
    }
}
