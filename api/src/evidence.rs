//! `/ha/v1/hosts/{host}/evidence`: what is known of a host's death, and what reporters outside may add.
//!
//! A reporter's word becomes a request; an engine looks whether it still fits, and adds the evidence in the
//! transaction that answers. It is no permit: the recovery that is open judges the host anew.

use crate::{
    ApiState,
    ask::{Ask, Reply, given},
    fault::Fault,
    ha::{enter, file_about, find_host},
    schema::{Need, Rule, Schema},
    timestamp,
};
use axum::{
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use recovery::{
    Millis, attest,
    certificate::{Certificates, Of},
    evidence::{Evidence, Kind},
    nouns::{Host, NotificationType},
    request::Asked,
};
use serde_json::{Value, json};
use std::sync::Arc;
use store::{NotificationFilter, Page};

const ATTEST: Schema = Schema {
    key: None,
    fields: &[
        ("kind", Rule::Text(32)),
        ("at", Rule::Time),
        ("source", Rule::Text(255)),
        // With all its characters escaped it fits the column in which the request waits.
        ("raw", Rule::Text(4000)),
    ],
    need: Need::All(&["kind", "at", "source", "raw"]),
};

/// Somebody who is not the engine knows that the host is dead.
pub(crate) async fn attest(
    State(api): State<Arc<ApiState>>,
    Path(host): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let ask = enter(api, request).await?;
    let body = ask.body(&ATTEST)?;
    ask.can("ha:hosts:attest")?;
    let text = |name: &'static str| given(body.text(name), name);
    let kind = read_kind(text("kind")?)?;
    let at = moment(&ask, text("at")?)?;
    let (source, raw) = (text("source")?.trim(), text("raw")?.trim());
    if source.is_empty() || source.chars().any(char::is_control) {
        return Err(Fault::bad("'source' must name in one line who or what says so"));
    }
    if raw.is_empty() {
        return Err(Fault::bad("'raw' must be what was said, as it was said"));
    }
    let host = find_host(&ask, &host).await?.name;
    let source = format!("{source} by {}", ask.who());
    // PostgreSQL has no NUL.
    let raw = raw.replace('\0', "\u{fffd}");
    let evidence = Evidence { host: host.clone(), kind, at, source, raw };
    file_about(&ask, format!("Host {host}"), Asked::Attest { evidence }).await
}

/// When something was true, if that is still believed.
pub(crate) fn moment(ask: &Ask, text: &str) -> Result<Millis, Fault> {
    let at = given(timestamp::parse(text), "at")?;
    attest::moment(at, ask.now()).map_err(|unfit| Fault::bad(format!("'at': {unfit}")))?;
    Ok(at)
}

fn read_kind(word: &str) -> Result<Kind, Fault> {
    let kind = Kind::from_word(word).ok_or_else(|| {
        Fault::bad("'kind' must be one of cluster_fenced, lease_expired, powered_off")
    })?;
    attest::kind(kind).map_err(|unfit| Fault::bad(format!("'kind': {unfit}")))?;
    Ok(kind)
}

/// All that is known of the host, oldest first, and how its last recovery judged.
pub(crate) async fn list(
    State(api): State<Arc<ApiState>>,
    Path(host): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let ask = enter(api, request).await?;
    ask.can("ha:hosts:evidence")?;
    let host = find_host(&ask, &host).await?;
    let known = ask.api.store.evidence(&host.name).await?;
    let known: Vec<Value> = known.iter().map(view).collect();
    let body = json!({"evidence": known, "judgement": judgement(&ask, &host).await?});
    Ok(Reply::ok(&body)?.into_response())
}

fn view(evidence: &Evidence) -> Value {
    json!({
        "kind": evidence.kind,
        "at": evidence.at.iso(),
        "source": evidence.source,
        "raw": evidence.raw,
    })
}

/// By the log of the newest report of its failure; nothing when there is none.
async fn judgement(ask: &Ask, host: &Host) -> Result<Value, Fault> {
    let filter = NotificationFilter {
        source_host: Some(host.uuid.clone()),
        kind: Some(NotificationType::ComputeHost),
        ..NotificationFilter::default()
    };
    let page = Page { limit: Some(1), ..Page::default() };
    let found = ask.api.store.notifications(&filter, &page).await?;
    let Some(newest) = found.iter().next() else { return Ok(Value::Null) };
    let id = recovery::NotificationId::new(newest.uuid);
    let lines = ask.api.store.log(&id).await?;
    let (kind, status) = (newest.kind, newest.status);
    let all = Certificates::read(Of { notification: &id, kind, status, host: &host.name }, &lines);
    let in_force = all.in_force();
    Ok(json!({
        "notification": id,
        "status": status,
        "proven": in_force.map(|c| c.kind),
        "judged_at": in_force.map(|c| c.judged_at.iso()),
        "missing": all.missing,
    }))
}
