//! `/ha/v1`: what Masakari does not have. Same tokens, same policy engine, plain HTTP manners.
//!
//! What only an engine may decide is filed as a request and answered by an engine; we wait for the
//! answer a little, and say where to look when it takes longer.

use crate::{
    ApiState, accept,
    ask::{self, Ask, Reply, given},
    evidence,
    fault::Fault,
    fencing, foresee, guard, guests, hand, identity,
    microversion::Version,
    query::can_be_kept,
    returns,
    schema::{Need, Rule, Schema, is_uuid},
    stops, told,
};
use axum::{
    Router,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use http::{HeaderValue, StatusCode, header};
use recovery::{
    HostId, HostName,
    nouns::Host,
    request::{self, Asked, RequestState},
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// Longer than this nobody waits for an answer; the request stays open a little longer, so that an
/// engine that is just starting can still take it.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(100);
const REQUEST_DEADLINE_MS: i64 = 60_000;

/// OpenAPI 3.1.
const OPEN_API: &str = include_str!("../openapi/ha-v1.json");

const CONFIRM_DEAD: Schema = Schema {
    key: None,
    fields: &[("reason", Rule::Text(1000)), ("at", Rule::Time)],
    need: Need::All(&["reason"]),
};

/// Every path, and what answers there; `openapi/ha-v1.json` says what is sent and what comes.
fn routes() -> Vec<(&'static str, MethodRouter<Arc<ApiState>>)> {
    vec![
        ("/openapi.json", get(open_api)),
        ("/hosts/{host}/confirm-dead", post(confirm_dead)),
        ("/hosts/{host}/evidence", get(evidence::list).post(evidence::attest)),
        ("/hosts/{host}/plan", get(foresee::plan)),
        ("/reports", post(foresee::report)),
        ("/reports/{id}", get(foresee::report_again)),
        ("/hosts/{host}/recover", post(hand::recover)),
        ("/hosts/{host}/return", post(returns::bring_back).get(returns::show_one)),
        ("/hosts/{host}/may-start", get(returns::may_start)),
        ("/hosts/{host}/guests", post(guests::answer)),
        ("/hosts/{host}/identity", post(identity::keep).get(identity::show)),
        ("/hosts/{host}/stop", post(stops::plan)),
        ("/hosts/{host}/resume", post(stops::resume)),
        ("/stops", get(stops::index)),
        ("/drains/{id}", get(stops::drain)),
        ("/returns", get(returns::index)),
        ("/notifications/{id}/retry", post(hand::retry)),
        ("/notifications/{id}/cancel", post(hand::cancel)),
        ("/notifications/{id}/certificate", get(told::certificate)),
        ("/notifications/{id}/approve", post(hand::approve)),
        ("/notifications/{id}/reject", post(hand::reject)),
        ("/guard", get(guard::show)),
        ("/guard/disarm", post(guard::disarm)),
        ("/guard/arm", post(guard::arm)),
        ("/notifications/{id}/explain", get(told::explain)),
        ("/fencing", get(fencing::index)),
        ("/hosts/{host}/fence-test", post(fencing::test)),
        ("/requests/{id}", get(show_request)),
    ]
}

pub(crate) fn router() -> Router<Arc<ApiState>> {
    let all = routes().into_iter();
    all.fold(Router::new(), |router, (path, answers)| router.route(path, answers))
        .fallback(async || Fault::not_found("There is no such resource under /ha/v1"))
        .method_not_allowed_fallback(async || {
            let message = "This method is not allowed here; the header Allow names those that are";
            Fault::new(StatusCode::METHOD_NOT_ALLOWED, message)
        })
}

/// What this API is, for programs: it tells nothing of the cloud, so nobody needs a token for it.
async fn open_api() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, accept::JSON)], OPEN_API)
}

/// "This host is dead": a person vouches for it.
async fn confirm_dead(
    State(api): State<Arc<ApiState>>,
    Path(host): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let ask = enter(api, request).await?;
    let body = ask.body(&CONFIRM_DEAD)?;
    ask.can("ha:hosts:confirm_dead")?;
    let reason = given(body.text("reason"), "reason")?.trim();
    if reason.is_empty() {
        return Err(Fault::bad("'reason' must say why the host is dead for certain"));
    }
    let at = body.text("at").map(|at| evidence::moment(&ask, at)).transpose()?;
    let host = find_host(&ask, &host).await?;
    let asked = Asked::ConfirmDead { host: host.name, reason: reason.to_owned(), at };
    show(&file(&ask, asked).await?)
}

/// Files a request and waits for an engine's answer a little.
pub(crate) async fn file(ask: &Ask, asked: Asked) -> Result<request::Request, Fault> {
    file_until(ask, asked, REQUEST_DEADLINE_MS).await
}

/// The same of one that may be answered for so long.
pub(crate) async fn file_until(
    ask: &Ask,
    asked: Asked,
    deadline_ms: i64,
) -> Result<request::Request, Fault> {
    let filed = request::Request {
        id: ask.api.entropy.uuid().to_string(),
        asked,
        who: ask.who(),
        created_at: ask.now(),
        deadline: ask.now().plus(deadline_ms),
        state: RequestState::Open,
        answer: None,
    };
    ask.api.store.file_request(&filed).await?;
    (ask.api.wake)();
    answered(ask, filed).await
}

/// The same for what concerns one thing, `about`: an engine that refuses is a 409 that names it.
pub(crate) async fn file_about(ask: &Ask, about: String, asked: Asked) -> Result<Response, Fault> {
    let answered = file(ask, asked).await?;
    match answered.state {
        RequestState::Open | RequestState::Done => show(&answered),
        RequestState::Refused => {
            Err(Fault::conflict(format!("{about}: {}.", answered.answer.unwrap_or_default())))
        }
    }
}

async fn show_request(
    State(api): State<Arc<ApiState>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let ask = enter(api, request).await?;
    ask.can("ha:requests:detail")?;
    let missing = || Fault::not_found(format!("No request with id {id}."));
    if !is_uuid(&id) {
        return Err(missing());
    }
    let found = ask.api.store.request(&id).await?.ok_or_else(missing)?;
    Ok(Reply::ok(&view(&found))?.into_response())
}

pub(crate) async fn enter(api: Arc<ApiState>, request: Request) -> Result<Ask, Fault> {
    let (head, body) = request.into_parts();
    let body = ask::read(&api, &head.headers, body).await?;
    let caller = api.auth.caller(&head.headers, &api.config).await?;
    ask::check_content_type(&head.headers)?;
    let query = head.uri.query().unwrap_or_default().to_owned();
    Ok(Ask { api, caller, version: Version::VMoves, method: head.method, query, body })
}

/// By its name, or by its id in Masakari.
pub(crate) async fn find_host(ask: &Ask, host: &str) -> Result<Host, Fault> {
    let missing = || Fault::not_found(format!("No host named {host} is in any segment."));
    if !can_be_kept(host) {
        return Err(missing());
    }
    let mut found = ask.api.store.host_named(&HostName::new(host)).await?;
    if found.is_none() && is_uuid(host) {
        found = ask.api.store.host(&HostId::new(host)).await?;
    }
    found.ok_or_else(missing)
}

/// The request once it is answered, or as it stands when the wait is over.
pub(crate) async fn answered(
    ask: &Ask,
    filed: request::Request,
) -> Result<request::Request, Fault> {
    let since = ask.api.clock.boot();
    let mut last = filed;
    while last.state == RequestState::Open && ask.api.clock.boot().since(since) < ANSWER_WAIT {
        ask.api.clock.sleep(LOOK_EVERY).await;
        if let Some(now) = ask.api.store.request(&last.id).await? {
            last = now;
        }
    }
    Ok(last)
}

pub(crate) fn show(request: &request::Request) -> Result<Response, Fault> {
    let status = match request.state {
        RequestState::Open => StatusCode::ACCEPTED,
        RequestState::Done | RequestState::Refused => StatusCode::OK,
    };
    let mut response = Reply::with(status, &view(request))?.into_response();
    if let Ok(place) = HeaderValue::try_from(format!("/ha/v1/requests/{}", request.id)) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

pub(crate) fn view(request: &request::Request) -> Value {
    let state = match request.state {
        RequestState::Open => "pending",
        RequestState::Done => "done",
        RequestState::Refused => "refused",
    };
    json!({"request": {
        "id": request.id,
        "state": state,
        "answer": request.answer,
        "see": format!("/ha/v1/requests/{}", request.id),
    }})
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_document_has_every_path_and_no_other() {
        let document: Value = serde_json::from_str(OPEN_API).unwrap();
        let documented = document["paths"].as_object().unwrap();
        let documented: BTreeSet<&str> = documented.keys().map(String::as_str).collect();
        let routes: Vec<String> =
            routes().iter().map(|(path, _)| format!("/ha/v1{path}")).collect();
        let routes: BTreeSet<&str> = routes.iter().map(String::as_str).collect();
        assert_eq!(documented, routes);
    }
}
