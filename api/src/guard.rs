//! `/ha/v1/guard`: the switch by which a person stops everything, and what the storm guard sees.
//!
//! The switch is a row, written here and not by an engine: it must work when none answers. Engines read it
//! several times a second.

use crate::{
    ApiState,
    ask::{Ask, Reply},
    fault::Fault,
    ha::enter,
    hand::reason,
};
use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use recovery::{
    Millis,
    guard::{Loss, Record, Switch},
};
use serde_json::{Value, json};
use std::sync::Arc;

/// Hosts lost within this time are shown, besides those whose recovery is open.
const SHOWN_MS: i64 = 3_600_000;
/// So many turns of the switch.
const TURNS_SHOWN: u32 = 20;

/// How the switch stands, and who is lost.
pub(crate) async fn show(
    State(api): State<Arc<ApiState>>,
    request: Request,
) -> Result<Response, Fault> {
    let ask = enter(api, request).await?;
    ask.can("ha:guard:detail")?;
    view(&ask).await
}

/// Nothing is begun any more.
pub(crate) async fn disarm(
    State(api): State<Arc<ApiState>>,
    request: Request,
) -> Result<Response, Fault> {
    turn(api, request, "ha:guard:disarm", false).await
}

/// What is held by that goes on.
pub(crate) async fn arm(
    State(api): State<Arc<ApiState>>,
    request: Request,
) -> Result<Response, Fault> {
    turn(api, request, "ha:guard:arm", true).await
}

async fn turn(
    api: Arc<ApiState>,
    request: Request,
    rule: &'static str,
    armed: bool,
) -> Result<Response, Fault> {
    let ask = enter(api, request).await?;
    let why = reason(&ask)?;
    ask.can(rule)?;
    let switch = Switch { armed, at: ask.now(), by: ask.who(), why };
    ask.api.store.turn_switch(&switch).await?;
    (ask.api.wake)();
    view(&ask).await
}

async fn view(ask: &Ask) -> Result<Response, Fault> {
    let record = ask.api.store.guard(ask.now().plus(-SHOWN_MS)).await?;
    let turns = ask.api.store.switches(TURNS_SHOWN).await?;
    let turns: Vec<Value> = turns.iter().map(turned).collect();
    let armed = record.switch.as_ref().is_none_or(|switch| switch.armed);
    let lost: Vec<Value> = record.losses.iter().map(|loss| lost(&record, loss)).collect();
    let guard = json!({
        "armed": armed,
        "storm_at": record.storm_at.map(Millis::utc),
        "lost": lost,
        "history": turns,
    });
    Ok(Reply::ok(&json!({ "guard": guard }))?.into_response())
}

fn turned(switch: &Switch) -> Value {
    json!({
        "armed": switch.armed,
        "at": switch.at.utc(),
        "by": switch.by,
        "reason": switch.why,
    })
}

fn lost(record: &Record, loss: &Loss) -> Value {
    let segment = record.segments.iter().find(|size| size.segment == loss.segment);
    json!({
        "host": loss.host.as_str(),
        "segment": segment.map(|size| size.name.as_str()),
        "notification": loss.notification.as_str(),
        "reported_at": loss.reported.utc(),
        "begun_at": loss.passed.map(Millis::utc),
        "open": loss.open,
    })
}
