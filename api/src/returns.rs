//! `/ha/v1`: the way back of hosts that recoveries left out of service: where each stands, and a person's wish.

use crate::{
    ApiState,
    ask::{Ask, Reply},
    fault::Fault,
    ha::{enter, file_about, find_host},
    hand::reason_of,
    schema::{Need, Rule, Schema},
    timestamp::iso,
};
use axum::{
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use recovery::{
    HostId,
    evidence::{Sighting, Sign},
    fold::Fold,
    nouns::{Host, NotificationStatus},
    request::Asked,
    returns::{self, log_of, standing},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};
use store::Away;

/// How many are shown; the oldest come first.
const SHOWN_MOST: u32 = 500;

const WISH: Schema = Schema {
    key: None,
    fields: &[("reason", Rule::Text(1000)), ("power_on", Rule::Boolean)],
    need: Need::All(&[]),
};

/// A person wants a host back in service.
pub(crate) async fn bring_back(
    State(api): State<Arc<ApiState>>,
    Path(host): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let ask = enter(api, request).await?;
    let (reason, power_on) = wish(&ask)?;
    ask.can("ha:hosts:return")?;
    let host = find_host(&ask, &host).await?;
    one_away(&ask, &host).await?;
    let asked = Asked::Return { host: host.name.clone(), reason, power_on };
    file_about(&ask, format!("Host {}", host.name), asked).await
}

/// Why, and whether it is to be switched on; nothing when the body is empty.
fn wish(ask: &Ask) -> Result<(Option<String>, bool), Fault> {
    if ask.body.is_empty() {
        return Ok((None, false));
    }
    let body = ask.body(&WISH)?;
    Ok((reason_of(&body), body.flag("power_on").unwrap_or(false)))
}

/// Where one host stands.
pub(crate) async fn show_one(
    State(api): State<Arc<ApiState>>,
    Path(host): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let ask = enter(api, request).await?;
    ask.can("ha:returns:index")?;
    let host = find_host(&ask, &host).await?;
    let away = one_away(&ask, &host).await?;
    Ok(Reply::ok(&json!({ "return": view(&ask, &away).await? }))?.into_response())
}

/// Whether its nova-compute may start: not while a recovery of it is under way. One that was not begun is ended by the
/// host's heartbeat, as it should be.
pub(crate) async fn may_start(
    State(api): State<Arc<ApiState>>,
    Path(host): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let ask = enter(api, request).await?;
    ask.can("ha:hosts:may_start")?;
    let host = find_host(&ask, &host).await?;
    let open = match ask.api.store.open_host_recovery(&host.name).await? {
        Some(id) => ask.api.store.notification(&id).await?,
        None => None,
    };
    let waits = open.is_some();
    let under_way = open.filter(|open| open.status == NotificationStatus::Running);
    if waits && under_way.is_none() {
        // Before it is told: VMs may be resumed before Nova hears from it.
        let (host, at) = (host.name.clone(), ask.now());
        ask.api.store.keep_sighting(&Sighting { host, at, what: Sign::LetStart }).await?;
    }
    let name = &host.name;
    let why = match &under_way {
        None => format!("no recovery of host {name} is under way"),
        Some(notification) => {
            let id = &notification.uuid;
            format!(
                "the recovery of host {name} is under way, notification {id}; `masakari explain {id}` says how far, \
                 `masakari cancel {id}` ends it"
            )
        }
    };
    let notification = under_way.as_ref().map(|notification| notification.uuid.as_str());
    let may_start = under_way.is_none();
    let told = json!({ "may_start": may_start, "why": why, "notification": notification });
    Ok(Reply::ok(&told)?.into_response())
}

/// Every host that is away.
pub(crate) async fn index(
    State(api): State<Arc<ApiState>>,
    request: Request,
) -> Result<Response, Fault> {
    let ask = enter(api, request).await?;
    ask.can("ha:returns:index")?;
    let mut shown = Vec::new();
    for away in by_host(ask.api.store.away(SHOWN_MOST).await?).values() {
        shown.push(view(&ask, away).await?);
    }
    Ok(Reply::ok(&json!({ "returns": shown }))?.into_response())
}

async fn one_away(ask: &Ask, host: &Host) -> Result<Vec<Away>, Fault> {
    // A host that is back may not be among the oldest: nobody has so many.
    let mut away = by_host(ask.api.store.away(SHOWN_MOST).await?);
    away.remove(&host.uuid).ok_or_else(|| {
        let name = &host.name;
        Fault::conflict(format!("No recovery of ours has left host {name} out of service."))
    })
}

fn by_host(away: Vec<Away>) -> BTreeMap<HostId, Vec<Away>> {
    let mut hosts: BTreeMap<HostId, Vec<Away>> = BTreeMap::new();
    for away in away {
        hosts.entry(away.host.uuid.clone()).or_default().push(away);
    }
    hosts
}

async fn view(ask: &Ask, away: &[Away]) -> Result<Value, Fault> {
    let Some(first) = away.first() else { return Ok(Value::Null) };
    let log = ask.api.store.log(&log_of(&first.host.uuid)).await?;
    let state = returns::State::fold(&log).map_err(|illegal| {
        let message = format!("The log of host {} cannot be read.", first.host.name);
        Fault::new(StatusCode::INTERNAL_SERVER_ERROR, message).because(illegal)
    })?;
    // What no engine has looked at yet is away.
    let known = away.iter().all(|away| state.by.contains(&away.recovery));
    let stands = standing(&state);
    let (word, why) = match known && state.stage != returns::Stage::InService {
        true => (stands.state, stands.why),
        false => ("away", "no engine has looked at it since its recovery ended".to_owned()),
    };
    let recoveries: Vec<&str> = away.iter().map(|away| away.recovery.as_str()).collect();
    Ok(json!({
        "host": first.host.name.as_str(),
        "state": word,
        "why": why,
        "since": iso(stands.since.filter(|_| known).unwrap_or(first.since)),
        "lost_at": iso(first.since),
        "notifications": recoveries,
        "asked_by": stands.asked,
    }))
}
