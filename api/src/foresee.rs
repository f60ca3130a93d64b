//! `/ha/v1`: what would become of a host's servers, and how many hosts each segment may lose. The API never plans: an
//! engine answers, with the plan that a recovery would make.
//!
//! A report takes longer than anybody waits for an answer: it is made (`POST`), and asked for until it is there.

use crate::{
    ApiState,
    ask::{Ask, Reply},
    fault::Fault,
    ha::{answered, enter, file, file_until, find_host, view},
    query::Query,
    schema::is_uuid,
    told::said,
};
use axum::{
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use recovery::{
    SegmentId,
    forecast::Forecast,
    report::Report,
    request::{self, Asked, RequestState},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;
use std::{fmt::Display, sync::Arc};

/// An engine takes four minutes for a report at most, and is at one at a time.
const REPORT_DEADLINE_MS: i64 = 300_000;

/// What would become of a host's servers if it died now.
pub(crate) async fn plan(
    State(api): State<Arc<ApiState>>,
    Path(host): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let ask = enter(api, request).await?;
    ask.can("ha:hosts:plan")?;
    let host = find_host(&ask, &host).await?;
    let answered = file(&ask, Asked::Plan { host: host.name }).await?;
    let answer = answered.answer.unwrap_or_default();
    match answered.state {
        RequestState::Done => said_by_engine::<Forecast>("plan", &answer),
        RequestState::Refused => Err(Fault::unavailable(answer)),
        RequestState::Open => {
            let id = answered.id;
            Err(Fault::unavailable(format!(
                "No engine has answered yet: none runs, or Nova is slow. Ask again, or see /ha/v1/requests/{id}."
            )))
        }
    }
}

/// Has a report made: of one segment, or of those after the one of this number.
pub(crate) async fn report(
    State(api): State<Arc<ApiState>>,
    request: Request,
) -> Result<Response, Fault> {
    let ask = enter(api, request).await?;
    ask.can("ha:reports")?;
    let query = Query::parse(&ask.query)?;
    let segment = match query.get("segment") {
        None => None,
        Some(id) => Some(segment(&ask, id).await?),
    };
    let number = |text: &str| {
        text.parse().map_err(|_| Fault::bad("'after' is the number that a report gave as 'next'"))
    };
    let after = query.get("after").map(number).transpose()?;
    let asked = Asked::Report { segment, after };
    show_report(&file_until(&ask, asked, REPORT_DEADLINE_MS).await?)
}

/// The report once it is made.
pub(crate) async fn report_again(
    State(api): State<Arc<ApiState>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let ask = enter(api, request).await?;
    ask.can("ha:reports")?;
    let missing = || Fault::not_found(format!("No report with id {id}."));
    if !is_uuid(&id) {
        return Err(missing());
    }
    let found = ask.api.store.request(&id).await?.ok_or_else(missing)?;
    if !matches!(found.asked, Asked::Report { .. }) {
        return Err(missing());
    }
    show_report(&answered(&ask, found).await?)
}

async fn segment(ask: &Ask, id: &str) -> Result<SegmentId, Fault> {
    let missing = || Fault::not_found(format!("No segment with id {id}."));
    if !is_uuid(id) {
        return Err(missing());
    }
    let found = ask.api.store.segment(&SegmentId::new(id)).await?;
    found.map(|segment| segment.uuid).ok_or_else(missing)
}

fn show_report(request: &request::Request) -> Result<Response, Fault> {
    let answer = request.answer.clone().unwrap_or_default();
    match request.state {
        RequestState::Done => said_by_engine::<Report>("report", &answer),
        RequestState::Refused => Err(Fault::unavailable(answer)),
        RequestState::Open => {
            let place = format!("/ha/v1/reports/{}", request.id);
            let mut body = view(request);
            body["report"] = json!(null);
            body["request"]["see"] = json!(place);
            let mut response = Reply::with(StatusCode::ACCEPTED, &body)?.into_response();
            if let Ok(place) = HeaderValue::try_from(place) {
                response.headers_mut().insert(header::LOCATION, place);
            }
            Ok(response)
        }
    }
}

fn said_by_engine<T: Serialize + DeserializeOwned + Display>(
    name: &'static str,
    answer: &str,
) -> Result<Response, Fault> {
    match serde_json::from_str::<T>(answer) {
        Ok(told) => said(name, &told),
        Err(error) => {
            let message = "An engine of another version answered; ask again when all are of one.";
            Err(Fault::unavailable(message).because(error.to_string()))
        }
    }
}
