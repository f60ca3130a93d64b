//! `/ha/v1/hosts/{host}/guests`: which guest agents answer on a host, as its introspectiveinstancemonitor says.
//!
//! It is how a server that is started in its turn, and asks to be checked by its agent, counts as up; and it is a sign of
//! life of the host. It proves nothing else.

use crate::{
    ApiState,
    ask::{Ask, Reply, given},
    fault::Fault,
    ha::{enter, find_host},
    schema::{Need, Rule, Schema},
};
use axum::{
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use recovery::ServerId;
use std::sync::Arc;

/// More do not run on one host; a monitor says more in several calls.
const GUESTS_MOST: usize = 1000;

const ANSWER: Schema = Schema {
    key: None,
    fields: &[("answer", Rule::Uuids(GUESTS_MOST))],
    need: Need::All(&["answer"]),
};

pub(crate) async fn answer(
    State(api): State<Arc<ApiState>>,
    Path(host): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let said_at = api.clock.wall();
    let ask = enter(api, request).await?;
    let servers = servers(&ask)?;
    ask.can("ha:hosts:guests")?;
    let host = find_host(&ask, &host).await?.name;
    ask.api.store.guests_answer(&host, &servers, said_at).await?;
    Ok(Reply::no_content().into_response())
}

fn servers(ask: &Ask) -> Result<Vec<ServerId>, Fault> {
    let body = ask.body(&ANSWER)?;
    let texts = given(body.texts("answer"), "answer")?;
    // As Nova writes them, however they are written here.
    let ids = texts.into_iter().filter_map(|text| uuid::Uuid::try_parse(text).ok());
    Ok(ids.map(|id| ServerId::new(id.hyphenated().to_string())).collect())
}
