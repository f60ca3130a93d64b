//! `/ha/v1/hosts/{host}/identity`: which machine a host is and in which boot, as its agent says.
//!
//! A fence device that tells of another machine is not used for this host. It can only keep from fencing, never lead to it.

use crate::{
    ApiState,
    ask::{Ask, Reply, given},
    fault::Fault,
    ha::{enter, find_host},
    schema::{Need, Rule, Schema},
    timestamp::iso,
};
use axum::{
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use recovery::{
    evidence::{Sighting, Sign},
    identity::Identity,
};
use serde_json::json;
use std::sync::Arc;

const SAID: Schema = Schema {
    key: None,
    fields: &[("boot", Rule::Uuid), ("uuid", Rule::Uuid), ("serial", Rule::Text(255))],
    need: Need::All(&["boot"]),
};

pub(crate) async fn keep(
    State(api): State<Arc<ApiState>>,
    Path(host): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let ask = enter(api, request).await?;
    let identity = said(&ask)?;
    ask.can("ha:hosts:identify")?;
    let host = find_host(&ask, &host).await?.name;
    let at = ask.now();
    ask.api.store.identify(&host, &identity, at).await?;
    // Who says that runs: what proved the machine without power, or shut out, is over.
    ask.api.store.keep_sighting(&Sighting { host, at, what: Sign::PowerOn }).await?;
    Ok(Reply::no_content().into_response())
}

pub(crate) async fn show(
    State(api): State<Arc<ApiState>>,
    Path(host): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let ask = enter(api, request).await?;
    ask.can("ha:hosts:identity")?;
    let host = find_host(&ask, &host).await?.name;
    let Some(known) = ask.api.store.identified(&host).await? else {
        return Err(Fault::not_found(format!(
            "No agent of host {host} has said which machine it is; is masakari-agent running there?"
        )));
    };
    let Identity { boot, uuid, serial } = known.identity;
    let (booted_by, at) = (iso(known.booted_by), iso(known.at));
    let identity = json!({
        "host": host, "boot": boot, "uuid": uuid, "serial": serial, "booted_by": booted_by, "at": at,
    });
    Ok(Reply::ok(&json!({ "identity": identity }))?.into_response())
}

fn said(ask: &Ask) -> Result<Identity, Fault> {
    let body = ask.body(&SAID)?;
    let text = |name: &str| body.text(name).map(str::to_owned);
    let serial = text("serial");
    if serial.as_ref().is_some_and(|serial| serial.chars().any(char::is_control)) {
        return Err(Fault::bad("'serial' is to hold printable characters"));
    }
    Ok(Identity { boot: given(text("boot"), "boot")?, uuid: text("uuid"), serial })
}
