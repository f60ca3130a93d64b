//! From rows to nouns and back: what Python wrote is read leniently where a column may be empty.

use super::{ours, read, stored, theirs, trouble::Trouble, unreadable};
use chrono::{DateTime, NaiveDateTime};
use recovery::{
    HostId, HostName, Millis, NotificationId, SegmentId, ServerId, VMoveId,
    evidence::{Evidence, Kind},
    lease::{LeaseKey, LeaseRow, Owner},
    log::Line,
    nouns::{Host, Notification, NotificationType, Segment, VMove, VMoveStatus, VMoveType},
    request::{Asked, Request, RequestState},
};
use sea_orm::Set;

/// A moment as Masakari's columns keep it: UTC without saying so, in whole seconds.
pub(super) fn naive(at: Millis) -> NaiveDateTime {
    let seconds = at.0.div_euclid(1000);
    DateTime::from_timestamp(seconds, 0).unwrap_or_default().naive_utc()
}

pub(super) fn millis(at: NaiveDateTime) -> Millis {
    Millis(at.and_utc().timestamp_millis())
}

pub(super) fn segment(row: theirs::segments::Model) -> Segment {
    Segment {
        id: row.id.into(),
        uuid: SegmentId::new(row.uuid),
        name: row.name,
        service_type: row.service_type,
        description: row.description,
        recovery_method: row.recovery_method.into(),
        // Rows of before the column was added have nothing there, and are enabled.
        enabled: row.enabled.unwrap_or(true),
        created_at: row.created_at.map(millis),
        updated_at: row.updated_at.map(millis),
    }
}

pub(super) fn host(row: theirs::hosts::Model) -> Host {
    Host {
        id: row.id.into(),
        uuid: HostId::new(row.uuid),
        name: HostName::new(row.name),
        segment: SegmentId::new(row.failover_segment_id),
        kind: row.kind,
        control_attributes: row.control_attributes,
        reserved: row.reserved.unwrap_or(false),
        on_maintenance: row.on_maintenance.unwrap_or(false),
        created_at: row.created_at.map(millis),
        updated_at: row.updated_at.map(millis),
    }
}

/// The noun for `word`, which a row holds.
pub(super) fn word<T>(
    read: impl Fn(&str) -> Option<T>,
    word: &str,
    what: &str,
) -> Result<T, Trouble> {
    read(word).ok_or_else(|| unreadable(format!("{what} '{word}'")))
}

pub(super) fn notification_type(text: &str) -> Result<NotificationType, Trouble> {
    word(NotificationType::from_word, text, "a notification of type")
}

/// A notification; `segment` is where its host is, for rows of before it was noted.
pub(super) fn notification(
    row: theirs::notifications::Model,
    segment: Option<SegmentId>,
) -> Result<Notification, Trouble> {
    let noted = row.failover_segment_uuid.map(SegmentId::new);
    Ok(Notification {
        id: row.id.into(),
        uuid: NotificationId::new(row.notification_uuid),
        kind: notification_type(&row.kind)?,
        generated_time: millis(row.generated_time),
        payload: row.payload.unwrap_or_else(|| "{}".into()),
        status: row.status.into(),
        source_host: HostId::new(row.source_host_uuid),
        segment: noted.or(segment).unwrap_or_else(|| SegmentId::new("")),
        message: row.message,
        created_at: row.created_at.map(millis),
        updated_at: row.updated_at.map(millis),
    })
}

pub(super) fn vmove(row: theirs::vmoves::Model) -> Result<VMove, Trouble> {
    let kind = row.kind.as_deref().unwrap_or(VMoveType::Evacuation.as_str());
    let status = row.status.as_deref().unwrap_or(VMoveStatus::Pending.as_str());
    Ok(VMove {
        id: row.id.into(),
        uuid: VMoveId::new(row.uuid),
        notification: NotificationId::new(row.notification_uuid),
        server: ServerId::new(row.instance_uuid),
        server_name: row.instance_name,
        source_host: HostName::new(row.source_host.unwrap_or_default()),
        dest_host: row.dest_host.map(HostName::new),
        started_at: row.start_time.map(millis),
        ended_at: row.end_time.map(millis),
        kind: word(VMoveType::from_word, kind, "a VM move of type")?,
        status: word(VMoveStatus::from_word, status, "a VM move with status")?,
        message: row.message,
        created_at: row.created_at.map(millis),
        updated_at: row.updated_at.map(millis),
    })
}

pub(super) fn new_vmove(vmove: &VMove, at: Millis) -> theirs::vmoves::ActiveModel {
    theirs::vmoves::ActiveModel {
        created_at: Set(Some(naive(at))),
        deleted: Set(Some(0)),
        uuid: Set(vmove.uuid.as_str().into()),
        notification_uuid: Set(vmove.notification.as_str().into()),
        instance_uuid: Set(vmove.server.as_str().into()),
        instance_name: Set(fitting(&vmove.server_name, 255)),
        source_host: Set(Some(vmove.source_host.as_str().into())),
        dest_host: Set(vmove.dest_host.as_ref().map(|host| host.as_str().into())),
        start_time: Set(vmove.started_at.map(naive)),
        end_time: Set(vmove.ended_at.map(naive)),
        kind: Set(Some(vmove.kind.as_str().into())),
        status: Set(Some(vmove.status.as_str().into())),
        message: Set(vmove.message.as_deref().map(message)),
        ..Default::default()
    }
}

/// A message as it fits the column, which holds 64 KiB.
pub(super) fn message(text: &str) -> String {
    fitting(text, 16_000)
}

/// `text` as any database of Masakari's takes it. What Nova and people call their things must not
/// keep a recovery from being written: most clouds' tables are in MySQL's three-byte `utf8`.
fn fitting(text: &str, chars_max: usize) -> String {
    // PostgreSQL has no NUL.
    let narrow = |c| if c > '\u{ffff}' || c == '\0' { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().take(chars_max).map(narrow).collect()
}

pub(super) fn lease(row: ours::leases::Model) -> LeaseRow {
    LeaseRow {
        key: LeaseKey::from_stored(row.lease_key),
        owner: row.owner.map(Owner),
        generation: read(row.generation),
        beat: read(row.beat),
    }
}

pub(super) fn line(row: ours::log::Model) -> Result<Line, Trouble> {
    let entry = serde_json::from_str(&row.entry).map_err(|error| {
        unreadable(format!("line {} of the log of recovery {}: {error}", row.seq, row.recovery))
    })?;
    Ok(Line { seq: read(row.seq), at: Millis(row.at_ms), entry })
}

pub(super) fn new_line(
    recovery: &NotificationId,
    generation: u64,
    line: &Line,
) -> Result<ours::log::Model, Trouble> {
    let entry = serde_json::to_string(&line.entry)
        .map_err(|error| unreadable(format!("an entry that is no JSON: {error}")))?;
    Ok(ours::log::Model {
        recovery: recovery.as_str().into(),
        seq: stored(line.seq),
        at_ms: line.at.0,
        generation: stored(generation),
        entry,
    })
}

pub(super) fn evidence(row: ours::evidence::Model) -> Result<Evidence, Trouble> {
    Ok(Evidence {
        host: HostName::new(row.host),
        kind: word(Kind::from_word, &row.kind, "evidence of the kind")?,
        at: Millis(row.at_ms),
        source: row.source,
        raw: row.raw,
    })
}

pub(super) fn new_evidence(evidence: &Evidence) -> ours::evidence::ActiveModel {
    ours::evidence::ActiveModel {
        host: Set(evidence.host.as_str().into()),
        kind: Set(evidence.kind.as_str().into()),
        at_ms: Set(evidence.at.0),
        source: Set(evidence.source.clone()),
        raw: Set(evidence.raw.clone()),
        ..Default::default()
    }
}

const CONFIRM_DEAD: &str = "confirm_dead";
/// When it was said, in milliseconds, stands in front of the reason.
const CONFIRM_DEAD_AT: &str = "confirm_dead_at";
const ATTEST: &str = "attest";
const RETURN: &str = "return";
const RETURN_SWITCHED_ON: &str = "return_switched_on";
const RETRY: &str = "retry";
const CANCEL: &str = "cancel";
const APPROVE: &str = "approve";
const REJECT: &str = "reject";
const PLAN: &str = "plan";
const FENCE_TEST: &str = "fence_test";
const REPORT: &str = "report";

pub(super) fn state_word(state: RequestState) -> &'static str {
    match state {
        RequestState::Open => "open",
        RequestState::Done => "done",
        RequestState::Refused => "refused",
    }
}

fn state(text: &str) -> Option<RequestState> {
    [RequestState::Open, RequestState::Done, RequestState::Refused]
        .into_iter()
        .find(|state| state_word(*state) == text)
}

pub(super) fn request(row: ours::requests::Model) -> Result<Request, Trouble> {
    let asked = match row.asked.as_str() {
        CONFIRM_DEAD => {
            Asked::ConfirmDead { host: HostName::new(row.host), reason: row.reason, at: None }
        }
        CONFIRM_DEAD_AT => {
            let parts = row.reason.split_once(' ');
            let Some((at, reason)) = parts.and_then(|(at, why)| Some((at.parse().ok()?, why)))
            else {
                return Err(unreadable(format!("when the request {} was said", row.id)));
            };
            let (host, reason) = (HostName::new(row.host), reason.to_owned());
            Asked::ConfirmDead { host, reason, at: Some(Millis(at)) }
        }
        // All of it, as it becomes evidence.
        ATTEST => match serde_json::from_str(&row.reason) {
            Ok(evidence) => Asked::Attest { evidence },
            Err(why) => {
                return Err(unreadable(format!("what the request {} attests: {why}", row.id)));
            }
        },
        RETRY => {
            Asked::Retry { notification: NotificationId::new(row.host), reason: given(row.reason) }
        }
        CANCEL => {
            Asked::Cancel { notification: NotificationId::new(row.host), reason: given(row.reason) }
        }
        APPROVE => Asked::Approve {
            notification: NotificationId::new(row.host),
            reason: given(row.reason),
        },
        REJECT => {
            Asked::Reject { notification: NotificationId::new(row.host), reason: given(row.reason) }
        }
        RETURN | RETURN_SWITCHED_ON => Asked::Return {
            host: HostName::new(row.host),
            reason: given(row.reason),
            power_on: row.asked == RETURN_SWITCHED_ON,
        },
        PLAN => Asked::Plan { host: HostName::new(row.host) },
        FENCE_TEST => Asked::FenceTest { host: HostName::new(row.host), reason: given(row.reason) },
        REPORT => Asked::Report {
            segment: given(row.host).map(SegmentId::new),
            after: match given(row.reason).map(|number| number.parse()) {
                None => None,
                Some(Ok(number)) => Some(number),
                Some(Err(_)) => return Err(unreadable(format!("where report {} goes on", row.id))),
            },
        },
        other => return Err(unreadable(format!("a request for '{other}'"))),
    };
    Ok(Request {
        id: row.id,
        asked,
        who: row.who,
        created_at: Millis(row.created_ms),
        deadline: Millis(row.deadline_ms),
        state: word(state, &row.state, "a request in the state")?,
        answer: row.answer,
    })
}

/// Nobody gives an empty reason.
fn given(reason: String) -> Option<String> {
    Some(reason).filter(|reason| !reason.is_empty())
}

pub(super) fn new_request(request: &Request) -> ours::requests::Model {
    let (asked, of, reason) = match &request.asked {
        Asked::ConfirmDead { host, reason, at: None } => {
            (CONFIRM_DEAD, host.as_str(), Some(reason.clone()))
        }
        Asked::ConfirmDead { host, reason, at: Some(at) } => {
            (CONFIRM_DEAD_AT, host.as_str(), Some(format!("{} {reason}", at.0)))
        }
        Asked::Attest { evidence } => {
            // Texts and numbers: writing them does not fail.
            let whole = serde_json::to_string(evidence).unwrap_or_default();
            (ATTEST, evidence.host.as_str(), Some(whole))
        }
        Asked::Retry { notification, reason } => (RETRY, notification.as_str(), reason.clone()),
        Asked::Cancel { notification, reason } => (CANCEL, notification.as_str(), reason.clone()),
        Asked::Approve { notification, reason } => (APPROVE, notification.as_str(), reason.clone()),
        Asked::Reject { notification, reason } => (REJECT, notification.as_str(), reason.clone()),
        Asked::Return { host, reason, power_on } => {
            let kind = if *power_on { RETURN_SWITCHED_ON } else { RETURN };
            (kind, host.as_str(), reason.clone())
        }
        Asked::Plan { host } => (PLAN, host.as_str(), None),
        Asked::FenceTest { host, reason } => (FENCE_TEST, host.as_str(), reason.clone()),
        Asked::Report { segment, after } => {
            let segment = segment.as_ref().map_or("", SegmentId::as_str);
            (REPORT, segment, after.map(|number| number.to_string()))
        }
    };
    ours::requests::Model {
        id: request.id.clone(),
        asked: asked.into(),
        host: of.into(),
        reason: reason.unwrap_or_default(),
        who: request.who.clone(),
        created_ms: request.created_at.0,
        deadline_ms: request.deadline.0,
        state: state_word(request.state).into(),
        answer: request.answer.clone(),
    }
}
