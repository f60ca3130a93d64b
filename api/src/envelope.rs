//! What every answer below `/v1` and `/ha/v1` gets: a request id, and one line in the log if it is a
//! fault. A fault of ours is an error, a mistake of the caller is for debugging.

use crate::{ApiState, fault::Fault};
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderName, HeaderValue, Method};
use std::sync::Arc;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-openstack-request-id");

pub(crate) async fn wrap(
    State(api): State<Arc<ApiState>>,
    request: Request,
    next: Next,
) -> Response {
    if request.method() == Method::OPTIONS {
        // Preflights are answered further out in Python Masakari, and have no id there either.
        return next.run(request).await;
    }
    let id = format!("req-{}", api.entropy.uuid());
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    if let Some(fault) = response.extensions().get::<Arc<Fault>>() {
        let (status, message, cause) = (fault.status().as_u16(), fault.message(), fault.chain());
        if fault.status().is_server_error() {
            tracing::error!(request_id = id, "{method} {path}: {status} {message}{cause}");
        } else {
            tracing::debug!(request_id = id, "{method} {path}: {status} {message}{cause}");
        }
    }
    if let Ok(value) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}
