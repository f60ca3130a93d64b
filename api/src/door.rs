//! Which part of the API a path is for, as Python Masakari's urlmap decides it: repeated slashes and dots are
//! resolved first, and a path that names no version may do so in a parameter of its media type
//! (`Accept: application/json;version=1`).

use crate::{ApiState, accept, envelope, healthcheck, v1, versions};
use axum::{
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, Uri, header};
use std::sync::Arc;

/// The answer to whatever the router has no route for.
pub(crate) async fn other(State(api): State<Arc<ApiState>>, request: Request) -> Response {
    let path = normal(request.uri().path());
    if path == "/healthcheck" || path.starts_with("/healthcheck/") {
        return healthcheck::answer(&api, &request.into_parts().0);
    }
    let path = match path.as_str() {
        path if path == "/v1" || path.starts_with("/v1/") => path.to_owned(),
        path if asks_for_v1(request.headers()) => format!("/v1{path}"),
        "/" => return versions::list(&api, request).await,
        _ => return versions::choices(&api, request),
    };
    let request = moved(request, &path);
    envelope::around(&api, request, |request| v1::answer(State(Arc::clone(&api)), request)).await
}

/// Without repeated slashes, and with dots resolved.
pub(crate) fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let mut open = false;
    for part in path.split('/') {
        open = matches!(part, "" | "." | "..");
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let end = if open && !parts.is_empty() { "/" } else { "" };
    format!("/{}{end}", parts.join("/"))
}

fn asks_for_v1(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let parameters = kind.unwrap_or_default().split(';').skip(1);
    let in_type = parameters
        .filter_map(|part| part.split_once('='))
        .any(|(name, value)| name.trim() == "version" && value.trim() == "1");
    in_type || accept::media_type(accept::asked(headers)).1 == Some("1")
}

/// The same request to another path. A path that is none stays what it was, and finds nothing.
fn moved(mut request: Request, path: &str) -> Request {
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    if let Ok(uri) = Uri::try_from(format!("{path}{query}")) {
        *request.uri_mut() = uri;
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_and_dots_are_resolved() {
        for (path, plain) in [
            ("/", "/"),
            ("//", "/"),
            ("/v1", "/v1"),
            ("/v1/", "/v1/"),
            ("//v1//segments", "/v1/segments"),
            ("/v1/segments//", "/v1/segments/"),
            ("/v1/../v1/./segments", "/v1/segments"),
            ("/../..", "/"),
            ("*", "/*"),
        ] {
            assert_eq!(normal(path), plain, "{path}");
        }
    }
}
