//! Everything that can be answered instead of what was asked, and how it looks on the wire.
//!
//! The only file that turns meaning into a status code. Each fault has two readers: the caller
//! gets the message, the log gets the cause too, once, where the answer leaves
//! ([`crate::envelope`]).

use crate::{
    accept::{self, JSON},
    route::Action,
};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::json;
use std::sync::Arc;
use store::StoreError;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// An answer that is not what was asked for.
#[derive(Debug)]
pub(crate) struct Fault {
    status: StatusCode,
    message: String,
    form: Form,
    cause: Option<Cause>,
}

/// The three forms of error bodies that Masakari's clients see.
#[derive(Debug)]
enum Form {
    /// `{"badRequest": {"code": 400, "message": …}}`.
    Named,
    /// What Python's web library says before a resource is reached.
    Unrouted,
    /// What Keystone's middleware says.
    Unauthorized { keystone: Option<String> },
}

impl Fault {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), form: Form::Named, cause: None }
    }

    pub(crate) fn because(mut self, cause: impl Into<Cause>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// Something that we need does not answer; the same request may succeed later.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    pub(crate) fn no_such_resource() -> Self {
        let message = "The resource could not be found.";
        Self { form: Form::Unrouted, ..Self::not_found(message) }
    }

    pub(crate) fn too_large(bytes_max: usize) -> Self {
        let message =
            format!("Request is too large. Larger than max_request_body_size ({bytes_max}).");
        Self { form: Form::Unrouted, ..Self::new(StatusCode::PAYLOAD_TOO_LARGE, message) }
    }

    /// `keystone` is where the caller can get a token.
    pub(crate) fn unauthorized(keystone: Option<String>) -> Self {
        let message = "The request you have made requires authentication.";
        let form = Form::Unauthorized { keystone };
        Self { form, ..Self::new(StatusCode::UNAUTHORIZED, message) }
    }

    pub(crate) fn not_allowed(method: &Method, action: &Action) -> Self {
        let message = format!(
            "The request method: '{method}' with action: '{}' is not allowed on this resource",
            action.word()
        );
        Self::new(StatusCode::METHOD_NOT_ALLOWED, message)
    }

    pub(crate) fn no_marker(marker: &str) -> Self {
        Self::bad(format!("Marker {marker} could not be found."))
    }

    pub(crate) fn no_segment(id: &str) -> Self {
        Self::not_found(format!("No failover segment with id {id}."))
    }

    pub(crate) fn no_notification(id: &str) -> Self {
        Self::not_found(format!("No notification with id {id}."))
    }

    pub(crate) fn no_vmove(id: &str) -> Self {
        Self::not_found(format!("No vm move with id {id}."))
    }

    /// As [`From<StoreError>`], with the sentence for a change that work under way forbids.
    pub(crate) fn in_use(error: StoreError, sentence: String) -> Self {
        if let StoreError::InUse { .. } = error { Self::conflict(sentence) } else { error.into() }
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The causes, outermost first, as one line.
    pub(crate) fn chain(&self) -> String {
        let mut chain = String::new();
        let mut cause = self.cause.as_deref().map(|cause| cause as &dyn std::error::Error);
        while let Some(error) = cause {
            chain.push_str(": ");
            chain.push_str(&error.to_string());
            cause = error.source();
        }
        chain
    }

    /// Gives what Python's web library says the form that `accept` asks for: a page, text, or JSON as it is.
    pub(crate) fn suit(&self, accept: &str, response: &mut Response) {
        let Form::Unrouted = self.form else { return };
        let status = format!("{} {}", self.status.as_u16(), title(self.status));
        let message = &self.message;
        let (kind, body) = match accept::best_offer(accept, &["text/html", JSON]) {
            Some(JSON) => return,
            Some(_) => (
                "text/html; charset=UTF-8",
                format!(
                    "<html>\n <head>\n  <title>{status}</title>\n </head>\n <body>\n  <h1>{status}</h1>\n  \
                     {message}<br /><br />\n\n\n\n </body>\n</html>"
                ),
            ),
            None => ("text/plain; charset=UTF-8", format!("{status}\n\n{message}\n\n   ")),
        };
        *response.body_mut() = body.into();
        response.headers_mut().remove(header::CONTENT_LENGTH);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }

    fn body(&self) -> serde_json::Value {
        let code = self.status.as_u16();
        let title = title(self.status);
        match self.form {
            Form::Named => json!({name(self.status): {"code": code, "message": self.message}}),
            Form::Unrouted => {
                json!({
                    "message": format!("{}<br /><br />\n\n\n", self.message),
                    "code": format!("{code} {title}"),
                    "title": title,
                })
            }
            Form::Unauthorized { .. } => {
                json!({"error": {"code": code, "title": title, "message": self.message}})
            }
        }
    }
}

/// Python's name for 413 is the older one.
fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => "Request Entity Too Large",
        status => status.canonical_reason().unwrap_or_default(),
    }
}

/// The key of a fault's body.
fn name(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "badRequest",
        401 => "unauthorized",
        403 => "forbidden",
        404 => "itemNotFound",
        405 => "badMethod",
        409 => "conflictingRequest",
        413 | 429 => "overLimit",
        415 => "badMediaType",
        501 => "notImplemented",
        503 => "serviceUnavailable",
        _ => "masakariFault",
    }
}

impl IntoResponse for Fault {
    /// The fault itself travels along in the extensions, for the log.
    fn into_response(self) -> Response {
        let content_type = match self.form {
            Form::Named => "application/json; charset=UTF-8",
            Form::Unrouted | Form::Unauthorized { .. } => "application/json",
        };
        let mut response = (self.status, self.body().to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Form::Unauthorized { keystone: Some(uri) } = &self.form
            && let Ok(value) = HeaderValue::try_from(format!("Keystone uri=\"{uri}\""))
        {
            headers.insert(header::WWW_AUTHENTICATE, value);
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        let said = error.to_string();
        match error {
            StoreError::Exists { noun, name } => {
                Self::conflict(format!("{} with name {name} already exists.", capitalized(noun)))
            }
            StoreError::NotFound { noun: "marker", id } => Self::no_marker(&id),
            StoreError::NotFound { noun: "sort key", id } => {
                Self::bad(format!("InvalidSortKey('Sort key supplied is invalid: {id}')"))
            }
            StoreError::NotFound { noun, id } => {
                Self::not_found(format!("No {} with id {id}.", known_as(noun)))
            }
            StoreError::InUse { noun, id } => Self::conflict(format!(
                "{} {id} can't be changed as it is in-use to process notifications.",
                capitalized(noun)
            )),
            StoreError::Busy { .. } | StoreError::LeaseLost { .. } => {
                Self::unavailable(format!("{said}; try again"))
            }
            StoreError::Away { .. } => {
                Self::unavailable(format!("{said}; try again later")).because(error)
            }
            StoreError::Schema { .. } | StoreError::Foreign { .. } => Self::unavailable(said),
            StoreError::Unreadable { .. } => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, said.clone())
            }
        }
    }
}

/// Masakari's name for the store's noun.
fn known_as(noun: &str) -> &str {
    match noun {
        "segment" => "failover segment",
        "vmove" => "vm move",
        other => other,
    }
}

fn capitalized(noun: &str) -> String {
    let mut letters = known_as(noun).chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_is_away_is_503_with_the_reason_and_keeps_the_cause_for_the_log() {
        let away = StoreError::Away { doing: "list segments", source: "refused".into() };
        let fault = Fault::from(away);
        assert_eq!(fault.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            fault.body(),
            json!({"serviceUnavailable": {
                "code": 503,
                "message": "the database does not answer (list segments); try again later",
            }})
        );
        assert!(fault.chain().ends_with(": refused"), "{}", fault.chain());
    }

    #[test]
    fn a_name_that_is_taken_is_409_in_pythons_words() {
        let taken = StoreError::Exists { noun: "segment", name: "alpha".into() };
        assert_eq!(
            Fault::from(taken).message(),
            "Failover segment with name alpha already exists."
        );
    }
}
