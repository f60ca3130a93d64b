//! What both implementations must decide alike.

use crate::{Claim, Order, Page, StoreError};
use recovery::{
    HostId, Millis, NotificationId, SegmentId, ServerId,
    guard::GuardEntry,
    lease::{Lease, LeaseRow, Owner},
    log::{Entry, Line, Summary},
    nouns::{HostReport, NotificationType},
    quarantine::Death,
    request::Request,
};

pub(crate) const SEGMENT: &str = "segment";
pub(crate) const HOST: &str = "host";
/// The noun of what is refused because the guard was read before it changed.
pub const GUARD: &str = "guard";

/// How much evidence of one host is shown.
pub(crate) const EVIDENCE_SHOWN: usize = 100;

/// Masakari's columns hold no fractions of seconds.
pub(crate) fn whole_second(at: Millis) -> Millis {
    Millis(at.0.div_euclid(1000).saturating_mul(1000))
}

pub(crate) fn no_segment(uuid: &SegmentId) -> StoreError {
    StoreError::NotFound { noun: SEGMENT, id: uuid.as_str().into() }
}

pub(crate) fn no_host(uuid: &HostId) -> StoreError {
    StoreError::NotFound { noun: HOST, id: uuid.as_str().into() }
}

pub(crate) fn no_marker(marker: i64) -> StoreError {
    StoreError::NotFound { noun: "marker", id: marker.to_string() }
}

pub(crate) fn no_sort_key(key: &str) -> StoreError {
    StoreError::NotFound { noun: "sort key", id: key.into() }
}

pub(crate) fn segment_in_use(uuid: &SegmentId) -> StoreError {
    StoreError::InUse { noun: SEGMENT, id: uuid.as_str().into() }
}

pub(crate) fn host_in_use(uuid: &HostId) -> StoreError {
    StoreError::InUse { noun: HOST, id: uuid.as_str().into() }
}

/// The whole order of a list: what was asked for, then the newest or, as the first key goes, the
/// oldest.
pub(crate) fn sort_of(page: &Page) -> Vec<(&str, Order)> {
    let mut sort: Vec<(&str, Order)> =
        page.sort.iter().map(|sort| (sort.key.as_str(), sort.order)).collect();
    let rest = sort.first().map_or(Order::Descending, |(_, order)| *order);
    for key in ["created_at", "id"] {
        if !sort.iter().any(|(there, _)| *there == key) {
            sort.push((key, rest));
        }
    }
    sort
}

/// The reserved host that this summary takes.
pub(crate) fn taken_by(summary: &Summary) -> Option<&HostId> {
    match summary {
        Summary::Taken(host) => Some(host),
        Summary::Status { .. }
        | Summary::VMove(_)
        | Summary::OnMaintenance(_)
        | Summary::OnMaintenanceForProcess(_)
        | Summary::Evidence(_)
        | Summary::Restarted { .. }
        | Summary::Passed { .. }
        | Summary::Storm
        | Summary::Reopened
        | Summary::Away(_)
        | Summary::Returned { .. }
        | Summary::Answered { .. }
        | Summary::HandedBack(_) => None,
    }
}

/// The request that this summary answers.
pub(crate) fn answered_by(summary: &Summary) -> Option<&str> {
    if let Summary::Answered { request, .. } = summary { Some(request) } else { None }
}

/// As which the guard was read, if it was, by what passes it.
pub(crate) fn passed_by(summary: &Summary) -> Option<Option<u64>> {
    if let Summary::Passed { beat } = summary { Some(*beat) } else { None }
}

/// Somebody else has begun meanwhile, or turned the switch.
pub(crate) fn guard_moved(beat: u64) -> StoreError {
    StoreError::InUse { noun: GUARD, id: format!("as of {beat}") }
}

/// So many planned stops are told to engines.
pub(crate) const STOPS_MOST: u32 = 10_000;

/// So many losses are told to the guard.
pub(crate) const LOSSES_MOST: usize = 10_000;

/// Whether a report of that payload says that its host died.
pub(crate) fn tells_of_a_death(payload: &str) -> bool {
    let Ok(payload) = serde_json::from_str::<serde_json::Value>(payload) else { return false };
    let word = |key: &str| payload.get(key).and_then(|v| v.as_str());
    let report = HostReport::read(word("event").unwrap_or_default(), word("host_status"));
    report == Some(HostReport::Died)
}

/// It was answered before.
pub(crate) fn not_open(request: &str) -> StoreError {
    StoreError::InUse { noun: "request", id: request.into() }
}

/// Somebody else took it.
pub(crate) fn not_reserved(uuid: &HostId) -> StoreError {
    StoreError::InUse { noun: "reserved host", id: uuid.as_str().into() }
}

/// The leases that `claims` come to when they succeed.
pub(crate) fn leases_for(claims: &[Claim], owner: &Owner) -> Vec<Lease> {
    let lease = |claim: &Claim| Lease {
        key: claim.key.clone(),
        owner: owner.clone(),
        generation: claim.seen.map_or(0, |(generation, _)| generation) + 1,
    };
    claims.iter().map(lease).collect()
}

/// Refuses lines that are not the next ones of the log.
pub(crate) fn follows(
    recovery: &NotificationId,
    ends_at: u64,
    lines: &[Line],
) -> Result<(), StoreError> {
    for (expected, line) in (ends_at + 1..).zip(lines) {
        if line.seq != expected {
            let seq = line.seq;
            let what = format!(
                "the log of recovery {recovery} goes on with line {expected}, not with line {seq}"
            );
            return Err(StoreError::Unreadable { what });
        }
    }
    Ok(())
}

/// The server that a report is about, read from its payload.
pub(crate) fn server_of(kind: NotificationType, payload: &str) -> Option<ServerId> {
    match kind {
        NotificationType::Vm => {
            let payload: serde_json::Value = serde_json::from_str(payload).ok()?;
            payload.get("instance_uuid")?.as_str().map(ServerId::new)
        }
        NotificationType::ComputeHost | NotificationType::Process => None,
    }
}

pub(crate) fn in_order_of_death(deaths: &mut [Death]) {
    deaths.sort_by(|a, b| (a.at, &a.server, &a.host).cmp(&(b.at, &b.server, &b.host)));
}

/// Restarts older than this are forgotten: no window is longer.
pub(crate) const RESTARTS_KEPT_MS: i64 = 31 * 86_400_000;

/// Whether the recovery is held after these lines; `None` when they say nothing of it.
pub(crate) fn held_after(lines: &[Line]) -> Option<bool> {
    lines.iter().rev().find_map(|line| match &line.entry {
        Entry::Held { .. } | Entry::Guard(GuardEntry::Held { .. } | GuardEntry::Stopped { .. }) => {
            Some(true)
        }
        Entry::Proven { .. } | Entry::Guard(GuardEntry::Passed { .. }) => Some(false),
        _ => None,
    })
}

/// A request that is filed a second time: fine when it is the same one, whose answer was lost.
pub(crate) fn filed_again(there: &Request, request: &Request) -> Result<(), StoreError> {
    let same = (&there.asked, &there.who, there.created_at, there.deadline)
        == (&request.asked, &request.who, request.created_at, request.deadline);
    match same {
        true => Ok(()),
        false => Err(StoreError::Exists { noun: "request", name: request.id.clone() }),
    }
}

/// Whether the row says that `lease` is still its owner's.
pub(crate) fn holds(row: &LeaseRow, lease: &Lease) -> bool {
    row.owner.as_ref() == Some(&lease.owner) && row.generation == lease.generation
}
