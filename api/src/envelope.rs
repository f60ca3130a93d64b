//! What every answer below `/v1` and `/ha/v1` gets: a request id, what browsers must know, and one line in
//! the log if it is a fault. A fault of ours is an error, a mistake of the caller is for debugging.

use crate::{ApiState, accept, fault::Fault};
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderName, HeaderValue, Method, header};
use std::sync::Arc;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-openstack-request-id");

pub(crate) async fn wrap(
    State(api): State<Arc<ApiState>>,
    request: Request,
    next: Next,
) -> Response {
    around(&api, request, |request| next.run(request)).await
}

/// What `answer` says, in its envelope.
pub(crate) async fn around<F: Future<Output = Response>>(
    api: &ApiState,
    request: Request,
    answer: impl FnOnce(Request) -> F,
) -> Response {
    if request.method() == Method::OPTIONS {
        return api.config.cors.preflight(request.headers());
    }
    let id = format!("req-{}", api.entropy.uuid());
    let asked = Asked::of(&request);
    let mut response = answer(request).await;
    if let Some(fault) = response.extensions().get::<Arc<Fault>>().cloned() {
        asked.log(&id, &fault);
        fault.suit(&asked.accept, &mut response);
    }
    if let Ok(value) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    if !api.config.cors.allowed_origin.is_empty() {
        api.config.cors.apply(asked.origin.as_ref(), &mut response);
    }
    response
}

/// What must be known of a request when it is answered.
struct Asked {
    method: Method,
    path: String,
    accept: String,
    origin: Option<HeaderValue>,
    /// The id under which the caller's own log knows this: oslo's global request id.
    global_id: Option<String>,
}

impl Asked {
    fn of(request: &Request) -> Self {
        let headers = request.headers();
        let global_id = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
        Self {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            accept: accept::asked(headers).to_owned(),
            origin: headers.get(header::ORIGIN).cloned(),
            global_id: global_id.filter(|id| is_request_id(id)).map(str::to_owned),
        }
    }

    fn log(&self, request_id: &str, fault: &Fault) {
        let Self { method, path, global_id, .. } = self;
        let (status, message, cause) = (fault.status().as_u16(), fault.message(), fault.chain());
        let global_id = global_id.as_deref();
        if fault.status().is_server_error() {
            tracing::error!(request_id, global_id, "{method} {path}: {status} {message}{cause}");
        } else {
            tracing::debug!(request_id, global_id, "{method} {path}: {status} {message}{cause}");
        }
    }
}

/// `req-` and a UUID in small letters; what looks otherwise is not written to a log.
fn is_request_id(id: &str) -> bool {
    id.strip_prefix("req-").is_some_and(|uuid| {
        uuid.len() == 36
            && uuid.parse::<uuid::Uuid>().is_ok_and(|parsed| parsed.to_string() == uuid)
    })
}

#[cfg(test)]
mod tests {
    use super::is_request_id;

    #[test]
    fn only_what_looks_like_a_request_id_reaches_the_log() {
        assert!(is_request_id("req-0a11aa11-2222-4333-8444-555555555555"));
        for other in ["", "req-", "req-0A11aa11-2222-4333-8444-555555555555", "x\ny", "req-1"] {
            assert!(!is_request_id(other), "{other}");
        }
    }
}
