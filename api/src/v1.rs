//! The door of Masakari's API: the checks that every request passes, in the order in which Python
//! Masakari makes them, because the order decides which of several mistakes is answered.

use crate::{
    ApiState, accept,
    ask::{self, Ask, Reply},
    door, extensions,
    fault::Fault,
    hosts,
    microversion::Version,
    notifications,
    route::{Resource, Route},
    segments, versions, vmoves,
};
use axum::{
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Method, header, request::Parts};
use recovery::SegmentId;
use std::sync::Arc;

pub(crate) async fn answer(State(api): State<Arc<ApiState>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let bodiless = head.method == Method::HEAD;
    let response = enter(api, head, body).await.unwrap_or_else(Fault::into_response);
    if bodiless { without_body(response) } else { response }
}

async fn enter(api: Arc<ApiState>, head: Parts, body: Body) -> Result<Response, Fault> {
    let body = ask::read(&api, &head.headers, body).await?;
    let caller = api.auth.caller(&head.headers, &api.config).await?;
    let path = door::normal(head.uri.path());
    let path = path.strip_prefix("/v1").unwrap_or_default();
    let route = Route::find(&head.method, path).ok_or_else(Fault::no_such_resource)?;
    let version = match Version::asked(&head.headers) {
        Ok(version) => version,
        Err(refusal) => return Ok(*refusal),
    };
    let query = head.uri.query().unwrap_or_default().to_owned();
    let ask = Ask { api, caller, version, method: head.method.clone(), query, body };
    Ok(version.stamp(match inside(&ask, route, &head).await {
        Ok(reply) => as_accepted(reply.into_response(), &head.headers),
        Err(fault) => fault.into_response(),
    }))
}

async fn inside(ask: &Ask, route: Route, head: &Parts) -> Result<Reply, Fault> {
    ask::check_content_type(&head.headers)?;
    let own = ask.caller.project_id.as_deref().unwrap_or("None");
    if let Some(asked) = &route.project
        && asked != own
    {
        return Err(Fault::bad(format!(
            "Malformed request URL: URL's project_id '{asked}' doesn't match Context's project_id '{own}'"
        )));
    }
    match route.resource {
        Resource::Root => versions::show(ask, head),
        Resource::Segments(action) => segments::answer(ask, action).await,
        Resource::Hosts { segment, action } => {
            hosts::answer(ask, &SegmentId::new(segment), action).await
        }
        Resource::Notifications(action) => notifications::answer(ask, action).await,
        Resource::VMoves { notification, action } => {
            vmoves::answer(ask, &notification, action).await
        }
        Resource::Extensions(action) => extensions::answer(ask, action),
        Resource::Versions(action) => versions::answer(ask, head, action),
    }
}

/// In the media type that the caller likes better.
fn as_accepted(mut response: Response, headers: &HeaderMap) -> Response {
    let (kind, _) = accept::media_type(accept::asked(headers));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// HEAD has no route, so this is a refusal; Python shows it as a page.
fn without_body(mut response: Response) -> Response {
    *response.body_mut() = Body::empty();
    let page = HeaderValue::from_static("text/html; charset=UTF-8");
    response.headers_mut().insert(header::CONTENT_TYPE, page);
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response
}
