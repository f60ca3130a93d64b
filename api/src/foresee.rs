//! `/ha/v1`: what would become of a host's servers. The API never plans: an engine answers, with the plan that a
//! recovery would make.

use crate::{
    ApiState,
    fault::Fault,
    ha::{enter, file, find_host},
    told::said,
};
use axum::{
    extract::{Path, Request, State},
    response::Response,
};
use recovery::{
    forecast::Forecast,
    request::{Asked, RequestState},
};
use std::sync::Arc;

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
        RequestState::Done => match serde_json::from_str::<Forecast>(&answer) {
            Ok(forecast) => said("plan", &forecast),
            Err(error) => {
                let message =
                    "An engine of another version answered; ask again when all are of one.";
                Err(Fault::unavailable(message).because(error.to_string()))
            }
        },
        RequestState::Refused => Err(Fault::unavailable(answer)),
        RequestState::Open => {
            let id = answered.id;
            Err(Fault::unavailable(format!(
                "No engine has answered yet: none runs, or Nova is slow. Ask again, or see /ha/v1/requests/{id}."
            )))
        }
    }
}
