//! `/ha/v1`: whether the hosts of the segments could be fenced, as the engines looked last; and a person who has it tried.

use crate::{
    ApiState,
    ask::Reply,
    fault::Fault,
    ha::{enter, file_about, find_host},
    hand::reason,
    timestamp::iso,
};
use axum::{
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use recovery::{
    HostId,
    nouns::{Host, Segment},
    readiness::{Check, Rung},
    request::Asked,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};
use store::{HostFilter, Page, SegmentFilter};

/// Every host, also one that was not looked at yet.
pub(crate) async fn index(
    State(api): State<Arc<ApiState>>,
    request: Request,
) -> Result<Response, Fault> {
    let ask = enter(api, request).await?;
    ask.can("ha:fencing:index")?;
    let (store, all) = (&ask.api.store, Page::default());
    let known: BTreeMap<HostId, Check> =
        store.fence_checks().await?.into_iter().map(|check| (check.host.clone(), check)).collect();
    let mut shown = Vec::new();
    for segment in store.segments(&SegmentFilter::default(), &all).await? {
        for host in store.hosts(&segment.uuid, &HostFilter::default(), &all).await? {
            shown.push(view(&segment, &host, known.get(&host.uuid)));
        }
    }
    Ok(Reply::ok(&json!({ "fencing": shown }))?.into_response())
}

/// A person has a host on which nothing runs switched off and on again.
pub(crate) async fn test(
    State(api): State<Arc<ApiState>>,
    Path(host): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let ask = enter(api, request).await?;
    let reason = reason(&ask)?;
    ask.can("ha:hosts:fence_test")?;
    let host = find_host(&ask, &host).await?;
    let about = format!("Host {}", host.name);
    file_about(&ask, about, Asked::FenceTest { host: host.name, reason }).await
}

fn view(segment: &Segment, host: &Host, check: Option<&Check>) -> Value {
    let why = check.map(Check::why).filter(|why| !why.is_empty());
    let rungs = check.and_then(|check| check.found.as_deref().ok()).unwrap_or_default();
    json!({
        "host": host.name.as_str(),
        "segment": segment.name,
        "state": check.map_or("unknown", |check| check.readiness.as_str()),
        "since": check.map(|check| iso(check.since)),
        "checked_at": check.map(|check| iso(check.at)),
        "why": why,
        "rungs": rungs.iter().map(rung).collect::<Vec<_>>(),
    })
}

fn rung(rung: &Rung) -> Value {
    json!({
        "device": rung.device,
        "could_prove": rung.could_prove,
        "to_be_repaired": rung.is_fault,
        "said": rung.said,
    })
}
