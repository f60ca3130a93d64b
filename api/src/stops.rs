//! `/ha/v1`: planned stops. A person says that a host will be away, and how long; lists it, and ends it.
//!
//! A stop is a row, written here and not by an engine: it must work when none answers, and whoever was told that it
//! stands can rely on it. Engines read it several times a second.

use crate::{
    ApiState,
    ask::{Ask, Reply, given},
    fault::Fault,
    ha::{enter, find_host},
    hand::{reason, reason_of},
    schema::{Brackets, Need, Rule, Schema, is_uuid},
    told::said,
};
use axum::{
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use recovery::{
    HostName, Millis,
    drain::{self, Told},
    fold::Fold,
    nouns::NotificationType,
    stops::{self, Kind, Stop},
};
use serde_json::{Value, json};
use std::sync::Arc;

/// So many are shown; nobody plans more at once.
const SHOWN_MOST: u32 = 500;

const PLAN: Schema = Schema {
    key: None,
    fields: &[
        ("kind", Rule::Word(&["maintenance", "stop-announced", "drain"], Brackets::Round)),
        ("cold", Rule::Boolean),
        ("for", Rule::Text(20)),
        ("reason", Rule::Text(1000)),
    ],
    need: Need::All(&["kind"]),
};

/// The host will be away. What was planned of it before ends.
pub(crate) async fn plan(
    State(api): State<Arc<ApiState>>,
    Path(host): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let ask = enter(api, request).await?;
    let body = ask.body(&PLAN)?;
    ask.can("ha:stops:create")?;
    let kind = given(body.text("kind").and_then(Kind::from_word), "kind")?;
    let kind = match (kind, body.flag("cold")) {
        (Kind::Drain { .. }, Some(cold)) => Kind::Drain { cold },
        (kind, None) => kind,
        (Kind::Maintenance | Kind::StopAnnounced, Some(_)) => {
            return Err(Fault::bad("'cold' is said of a drain: what is off is migrated, too"));
        }
    };
    let span_ms = match body.text("for") {
        Some(text) => stops::span_ms(text)
            .map_err(|wrong| Fault::bad(format!("'for' says how long it is: {wrong}")))?,
        None => kind.usual_ms(),
    };
    let why = reason_of(&body);
    let host = find_host(&ask, &host).await?;
    let now = ask.now();
    let stop = Stop {
        id: ask.api.entropy.uuid().to_string(),
        host: host.name,
        kind,
        by: ask.who(),
        why,
        at: now,
        until: now.plus(span_ms),
    };
    ask.api.store.plan_stop(&stop).await?;
    (ask.api.wake)();
    let (by, until) = (&stop.by, stop.until.utc());
    tracing::info!(host = %stop.host, kind = kind.as_str(), by, until, "a stop is planned");
    Ok(Reply::ok(&json!({ "stop": view(&ask, &stop).await? }))?.into_response())
}

/// The host is not away any more: from now on its failure is one.
pub(crate) async fn resume(
    State(api): State<Arc<ApiState>>,
    Path(host): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let ask = enter(api, request).await?;
    // The body is read for its mistakes: why a stop ends stands nowhere.
    reason(&ask)?;
    ask.can("ha:stops:delete")?;
    let host = find_host(&ask, &host).await?;
    match end(&ask, &host.name).await? {
        Some(stop) => Ok(Reply::ok(&json!({ "stop": view(&ask, &stop).await? }))?.into_response()),
        None => {
            let message = format!("No planned stop of host {} stands.", host.name);
            Err(Fault::conflict(message))
        }
    }
}

/// Ends what is planned of the host, if anything is.
pub(crate) async fn end(ask: &Ask, host: &HostName) -> Result<Option<Stop>, Fault> {
    let by = ask.who();
    let ended = ask.api.store.end_stop(host, &by, ask.now()).await?;
    if let Some(stop) = &ended {
        (ask.api.wake)();
        let (kind, until) = (stop.kind.as_str(), stop.until.utc());
        tracing::warn!(%host, kind, by, until, "a planned stop is ended before its time");
    }
    Ok(ended)
}

/// Every stop that stands.
pub(crate) async fn index(
    State(api): State<Arc<ApiState>>,
    request: Request,
) -> Result<Response, Fault> {
    let ask = enter(api, request).await?;
    ask.can("ha:stops:index")?;
    let mut shown = Vec::new();
    for stop in ask.api.store.stops(ask.now(), SHOWN_MOST).await? {
        shown.push(view(&ask, &stop).await?);
    }
    Ok(Reply::ok(&json!({ "stops": shown }))?.into_response())
}

/// How far a drain is, while it goes on and after it.
pub(crate) async fn drain(
    State(api): State<Arc<ApiState>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let ask = enter(api, request).await?;
    ask.can("ha:stops:index")?;
    let missing = || Fault::not_found(format!("No drain with id {id} could be found."));
    if !is_uuid(&id) {
        return Err(missing());
    }
    let now = ask.now();
    let standing = ask.api.store.stops(now, u32::MAX).await?;
    let stop = standing.into_iter().find(|stop| stop.id == id && !stop.kind.mutes());
    let log = ask.api.store.log(&drain::log_of(&id)).await?;
    let state = drain::State::fold(&log).map_err(|_| missing())?;
    let told = match (Told::of(&state, stop.is_some()), &stop) {
        (Some(told), _) => told,
        (None, Some(stop)) => Told::new(&stop.host),
        (None, None) => return Err(missing()),
    };
    said("drain", &told)
}

/// Why a report of that kind is refused while a stop stands: who is shut down takes its VMs and its processes along, and
/// nothing is to be started on it. That of the host's own death is kept, for the end of the stop.
pub(crate) async fn refusal(
    ask: &Ask,
    kind: NotificationType,
    host: &HostName,
) -> Result<Option<Fault>, Fault> {
    match kind {
        NotificationType::ComputeHost => return Ok(None),
        NotificationType::Process | NotificationType::Vm => {}
    }
    let standing = ask.api.store.stops(ask.now(), u32::MAX).await?;
    Ok(stops::of(&standing, host, ask.now()).map(|stop| {
        Fault::conflict(format!(
            "Notification received from host {host} of type '{kind}' is ignored: a planned stop of the host stands \
             until {} ({} by {}).",
            stop.until.utc(),
            stop.kind.as_str(),
            stop.by
        ))
    }))
}

/// A stop, with the report of its host that waits for its end.
pub(crate) async fn view(ask: &Ask, stop: &Stop) -> Result<Value, Fault> {
    let recovery = ask.api.store.open_host_recovery(&stop.host).await?;
    let found = match &recovery {
        Some(id) => ask.api.store.notification(id).await?,
        None => None,
    };
    Ok(json!({
        "id": stop.id,
        "host": stop.host.as_str(),
        "kind": stop.kind.as_str(),
        "by": stop.by,
        "reason": stop.why,
        "at": Millis::utc(stop.at),
        "until": Millis::utc(stop.until),
        "notification": found.as_ref().map(|n| n.uuid.as_str()),
        "notification_status": found.as_ref().map(|n| n.status.as_str()),
    }))
}
