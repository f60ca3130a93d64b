//! The version documents: what clients read first, to find out where `/v1` is and what it can do.

use crate::{
    ApiState,
    ask::{Ask, Reply},
    config::Config,
    fault::Fault,
    microversion::Version,
    route::Action,
};
use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header, request::Parts};
use serde_json::{Value, json};
use std::sync::Arc;

const ID: &str = "v1.0";
const UPDATED: &str = "2016-07-01T11:33:21Z";

/// `/`, whatever the method, for everybody.
pub(crate) async fn list(State(api): State<Arc<ApiState>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let link = format!("{}/v1/", base(&api.config, &head));
    let document = json!({"versions": [{
        "id": ID,
        "status": "CURRENT",
        "version": Version::MAX,
        "min_version": Version::MIN,
        "updated": UPDATED,
        "links": [{"rel": "self", "href": link}],
    }]});
    Reply::ok(&document).into_response()
}

/// A path that is no API: says which there are.
pub(crate) async fn choices(State(api): State<Arc<ApiState>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let path = head.uri.path().trim_matches('/');
    let document = json!({"choices": [{
        "id": ID,
        "status": "CURRENT",
        "links": [{"rel": "self", "href": format!("{}/v1/{path}", base(&api.config, &head))}],
        "media-types": media_types(),
    }]});
    Reply::with(StatusCode::MULTIPLE_CHOICES, &document).into_response()
}

/// `/v1/`.
pub(crate) fn show(ask: &Ask, head: &Parts) -> Result<Reply, Fault> {
    let link = format!("{}/v1/", base(&ask.api.config, head));
    Reply::ok(&json!({"version": {
        "id": ID,
        "status": "CURRENT",
        "version": Version::MAX,
        "min_version": Version::MIN,
        "updated": UPDATED,
        "links": [
            {"rel": "self", "href": link},
            {"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"},
        ],
        "media-types": media_types(),
    }}))
}

/// `/v1/versions/{id}`.
pub(crate) fn answer(ask: &Ask, head: &Parts, action: Action) -> Result<Reply, Fault> {
    match action {
        Action::Show(id) if id == ID => show(ask, head),
        Action::Show(_) => Err(Fault::not_found("The resource could not be found.")),
        Action::Index
        | Action::Create
        | Action::New
        | Action::Update(_)
        | Action::Delete(_)
        | Action::Edit
        | Action::Act => Err(Fault::not_allowed(&ask.method, &action)),
    }
}

fn media_types() -> Value {
    json!([{
        "base": "application/json",
        "type": "application/vnd.openstack.masakari+json;version=1",
    }])
}

/// Scheme and address under which we were called, without a slash at the end.
fn base(config: &Config, head: &Parts) -> String {
    if let Some(prefix) = config.osapi_masakari_link_prefix.as_deref().filter(|p| !p.is_empty()) {
        return prefix.trim_end_matches('/').to_owned();
    }
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let scheme = match header("x-forwarded-proto") {
        Some("https") => "https",
        Some(_) | None => "http",
    };
    let host = header(header::HOST.as_str());
    let host = host.or_else(|| head.uri.authority().map(|authority| authority.as_str()));
    format!("{scheme}://{}", host.unwrap_or("localhost"))
}
