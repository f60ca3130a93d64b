//! The version documents: what clients read first, to find out where `/v1` is and what it can do.

use crate::{
    ApiState,
    ask::{self, Ask, Reply},
    called::Called,
    fault::Fault,
    microversion::Version,
    route::Action,
};
use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use http::{Method, StatusCode, request::Parts};
use serde::de::IgnoredAny;
use serde_json::{Value, json};

const ID: &str = "v1.0";
const UPDATED: &str = "2016-07-01T11:33:21Z";

/// `/`, whatever the method, for everybody; but a body that is sent must be one.
pub(crate) async fn list(api: &ApiState, request: Request) -> Response {
    let (head, body) = request.into_parts();
    if let Err(fault) = check_body(api, &head, body).await {
        return fault.into_response();
    }
    let link = Called::of(&api.config, &head).v1_from_root();
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

async fn check_body(api: &ApiState, head: &Parts, body: Body) -> Result<(), Fault> {
    ask::check_content_type(&head.headers)?;
    if !matches!(head.method, Method::POST | Method::PUT) {
        return Ok(());
    }
    let body = ask::read(api, &head.headers, body).await?;
    if body.is_empty() {
        return Ok(());
    }
    let json: Result<IgnoredAny, _> = serde_json::from_slice(&body);
    json.map(|_| ()).map_err(|why| Fault::bad("Malformed request body").because(why))
}

/// A path that is no API: says which there are.
pub(crate) fn choices(api: &ApiState, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let link = Called::of(&api.config, &head).below_v1(head.uri.path());
    let document = json!({"choices": [{
        "id": ID,
        "status": "CURRENT",
        "links": [{"rel": "self", "href": link}],
        "media-types": media_types(),
    }]});
    Reply::with(StatusCode::MULTIPLE_CHOICES, &document).into_response()
}

/// `/v1/`.
pub(crate) fn show(ask: &Ask, head: &Parts) -> Result<Reply, Fault> {
    let link = Called::of(&ask.api.config, head).v1();
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
