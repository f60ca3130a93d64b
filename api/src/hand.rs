//! `/ha/v1`: a recovery by hand. A host is reported by a person, what failed is tried again, what runs is
//! cancelled, what is held is approved or rejected.
//!
//! What cannot be done is refused at once, with 409; an engine looks again, because it may have
//! changed meanwhile, and its refusal is a 409 too.

use crate::{
    ApiState,
    ask::Ask,
    fault::Fault,
    ha::{enter, file_about, find_host},
    json::Json,
    notifications::{accepted, find},
    schema::{Need, Rule, Schema},
    stops,
};
use axum::{
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use recovery::{
    NotificationId,
    evidence::{Evidence, Kind},
    hand::{self, Unfit},
    log::Line,
    nouns::{Host, NotificationStatus, NotificationType},
    request::Asked,
};
use std::sync::Arc;
use store::{Accepted, NewNotification};

const WORD: Schema =
    Schema { key: None, fields: &[("reason", Rule::Text(1000))], need: Need::All(&[]) };

/// What failed in a recovery is tried again.
pub(crate) async fn retry(
    State(api): State<Arc<ApiState>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let asked = |notification, reason| Asked::Retry { notification, reason };
    say(api, id, request, "ha:notifications:retry", hand::may_retry, asked).await
}

/// A recovery begins nothing more.
pub(crate) async fn cancel(
    State(api): State<Arc<ApiState>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let asked = |notification, reason| Asked::Cancel { notification, reason };
    say(api, id, request, "ha:notifications:cancel", hand::may_cancel, asked).await
}

/// A recovery may begin, as far as the guard and `[approval]` go.
pub(crate) async fn approve(
    State(api): State<Arc<ApiState>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let asked = |notification, reason| Asked::Approve { notification, reason };
    say(api, id, request, "ha:notifications:approve", hand::may_approve, asked).await
}

/// A recovery is not to begin.
pub(crate) async fn reject(
    State(api): State<Arc<ApiState>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let asked = |notification, reason| Asked::Reject { notification, reason };
    say(api, id, request, "ha:notifications:reject", hand::may_reject, asked).await
}

/// Whether a recovery with that status and log may be asked that.
type Fits = fn(NotificationStatus, &[Line]) -> Result<(), Unfit>;

/// A person's word to a recovery: when it may be said, and what is asked by it then.
async fn say(
    api: Arc<ApiState>,
    id: String,
    request: Request,
    rule: &'static str,
    fits: Fits,
    asked: fn(NotificationId, Option<String>) -> Asked,
) -> Result<Response, Fault> {
    let ask = enter(api, request).await?;
    let reason = reason(&ask)?;
    ask.can(rule)?;
    let notification = may(&ask, id, fits).await?;
    let about = format!("Notification {notification}");
    file_about(&ask, about, asked(notification, reason)).await
}

/// A person reports that a host failed. No stronger proof than a monitor's report; maintenance does not
/// mute it, and a planned stop of the host ends with it.
pub(crate) async fn recover(
    State(api): State<Arc<ApiState>>,
    Path(host): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let ask = enter(api, request).await?;
    let reason = reason(&ask)?;
    ask.can("ha:hosts:recover")?;
    let host = find_host(&ask, &host).await?;
    let name = host.name.clone();
    // A person's word goes before what is planned; what a report of the host waits with for that, begins.
    let planned = stops::end(&ask, &name).await?;
    let ended = match &planned {
        Some(stop) => Some(stops::view(&ask, stop).await?),
        None => None,
    };
    let also = ended.as_ref().map_or("", |_| " The planned stop of the host is ended.");
    if let Some(open) = ask.api.store.open_host_recovery(&name).await? {
        if ended.is_some() {
            let waited = find(&ask, &open).await?;
            return Ok(accepted(&waited, ended.as_ref())?.into_response());
        }
        let message = format!("Host {name} is being recovered already, by notification {open}.");
        return Err(Fault::conflict(message));
    }
    match ask.api.store.accept(report(&ask, host, reason)).await? {
        Accepted::New(notification) => {
            (ask.api.wake)();
            Ok(accepted(&notification, ended.as_ref())?.into_response())
        }
        Accepted::Duplicate(first) => {
            let message = format!(
                "Host {name} was reported by hand just now: see notification {first}, and `retry` if it \
                 failed.{also}"
            );
            Err(Fault::conflict(message))
        }
    }
}

/// What a monitor would send, and who sends it instead.
fn report(ask: &Ask, host: Host, reason: Option<String>) -> NewNotification {
    let word = |key: &str, word: &str| (key.to_owned(), Json::Text(word.to_owned()));
    let mut fields = vec![
        word("event", "STOPPED"),
        word("cluster_status", "OFFLINE"),
        word("host_status", "NORMAL"),
        word(hand::ASKED_BY, &ask.who()),
    ];
    fields.extend(reason.as_deref().map(|reason| word(hand::REASON, reason)));
    let payload = Json::Object(fields);
    let (uuid, now) = (NotificationId::new(ask.api.entropy.uuid().to_string()), ask.now());
    let evidence = Evidence {
        host: host.name,
        kind: Kind::MonitorSaid,
        at: now,
        source: format!("report {uuid} by {}", ask.who()),
        raw: payload.compact(),
    };
    NewNotification {
        uuid,
        kind: NotificationType::ComputeHost,
        generated_time: now,
        payload: payload.as_python_dumps(),
        // Whoever says it, for whatever reason: one recovery.
        fingerprint: format!("{} by hand", host.uuid),
        source_host: host.uuid,
        segment: host.segment,
        window_ms: i64::from(ask.api.config.duplicate_notification_detection_interval_s) * 1000,
        evidence: Some(evidence),
        now,
    }
}

/// Why; nothing when the body is empty or says nothing.
pub(crate) fn reason(ask: &Ask) -> Result<Option<String>, Fault> {
    if ask.body.is_empty() {
        return Ok(None);
    }
    let body = ask.body(&WORD)?;
    Ok(reason_of(&body))
}

/// The `reason` of a body, as a database takes it.
pub(crate) fn reason_of(body: &Json) -> Option<String> {
    let reason = body.text("reason").map(str::trim).filter(|reason| !reason.is_empty());
    // PostgreSQL has no NUL.
    reason.map(|reason| reason.replace('\0', "\u{fffd}"))
}

/// The notification, of which that may be asked now.
async fn may(ask: &Ask, id: String, fits: Fits) -> Result<NotificationId, Fault> {
    let notification = find(ask, &NotificationId::new(id)).await?;
    let log = ask.api.store.log(&notification.uuid).await?;
    fits(notification.status, &log)
        .map_err(|unfit| refused(&notification.uuid, &unfit.to_string()))?;
    Ok(notification.uuid)
}

fn refused(id: &NotificationId, why: &str) -> Fault {
    Fault::conflict(format!("Notification {id}: {why}."))
}
