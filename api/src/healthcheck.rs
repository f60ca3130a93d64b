//! `/healthcheck`: whether this process answers and nobody has taken it out of service by a file.
//! It does not ask the database: a load balancer that drops every API at once helps nobody.

use crate::ApiState;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use serde_json::json;
use std::sync::Arc;

pub(crate) async fn show(State(api): State<Arc<ApiState>>, headers: HeaderMap) -> Response {
    let (status, reason) = standing(&api);
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let accept = accept.unwrap_or_default();
    if accept.contains("application/json") {
        let body = json!({"detailed": false, "reasons": [reason]});
        (status, axum::Json(body)).into_response()
    } else if accept.contains("text/html") {
        (status, Html(page(reason))).into_response()
    } else {
        (status, reason).into_response()
    }
}

pub(crate) async fn head(State(api): State<Arc<ApiState>>) -> StatusCode {
    match standing(&api) {
        (StatusCode::OK, _) => StatusCode::NO_CONTENT,
        (status, _) => status,
    }
}

fn standing(api: &ApiState) -> (StatusCode, &'static str) {
    match &api.config.healthcheck_disable_file {
        Some(file) if file.exists() => (StatusCode::SERVICE_UNAVAILABLE, "DISABLED BY FILE"),
        Some(_) | None => (StatusCode::OK, "OK"),
    }
}

fn page(reason: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<title>Healthcheck Status</title>\n<h2>Result of 1 checks:</h2>\n<p>{reason}</p>\n"
    )
}
