//! What an answer means: a [`Reply`], or the [`AskError`] of its status.

use crate::{AskError, Asked, moment};
use http::{HeaderMap, StatusCode};
use ports::{Answer, TransportError};
use recovery::Millis;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{fmt, time::Duration};

/// How much of a strange answer goes into an error.
const EXCERPT_CHARS_MAX: usize = 200;
/// How much of a service's own words: ours end with what to type.
const WORDS_CHARS_MAX: usize = 1000;

/// A good answer (2xx).
#[derive(Clone)]
pub struct Reply {
    pub status: u16,
    /// `Null` when there was no body.
    pub body: Value,
    pub(crate) headers: HeaderMap,
    pub(crate) asked: Asked,
}

impl Reply {
    /// The service's own time, by its `Date` header.
    #[must_use]
    pub fn date(&self) -> Option<Millis> {
        date(&self.headers)
    }

    /// What the body has under `name`.
    pub(crate) fn read_under<T: DeserializeOwned>(
        mut self,
        name: &'static str,
    ) -> Result<T, AskError> {
        self.body = self.body.get_mut(name).map_or(Value::Null, Value::take);
        self.read(name)
    }

    /// The body as `T`, which `expected` names for people.
    pub fn read<T: DeserializeOwned>(mut self, expected: &'static str) -> Result<T, AskError> {
        let body = self.body.take();
        T::deserialize(&body).map_err(|_| AskError::Rubbish {
            asked: Box::new(self.asked),
            expected,
            excerpt: excerpt(&body.to_string()),
        })
    }
}

impl fmt::Debug for Reply {
    /// Without headers and body: a log-in's answer has the token in them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("asked", &self.asked).finish_non_exhaustive()
    }
}

/// What kept an answer from coming.
pub(crate) fn unanswered(asked: Asked, source: TransportError) -> AskError {
    let asked = Box::new(asked);
    match source {
        TransportError::Unreachable { .. } => AskError::Unreachable { asked, source },
        TransportError::TimedOut { .. } | TransportError::BrokeOff { .. } => {
            AskError::NoAnswer { asked, source }
        }
    }
}

/// Judges an answer by its status.
pub(crate) fn judge(mut asked: Asked, answer: Answer) -> Result<Reply, AskError> {
    let (parts, body) = answer.into_parts();
    asked.status = Some(parts.status.as_u16());
    if let Some(id) = request_id(&parts.headers) {
        asked.request_id = id;
    }
    if !parts.status.is_success() {
        return Err(refusal(asked, parts.status, &parts.headers, &body));
    }
    let value = if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&body) };
    match value {
        Ok(body) => {
            Ok(Reply { status: parts.status.as_u16(), body, headers: parts.headers, asked })
        }
        Err(_) => Err(AskError::Rubbish {
            asked: Box::new(asked),
            expected: "JSON",
            excerpt: excerpt(&String::from_utf8_lossy(&body)),
        }),
    }
}

fn refusal(asked: Asked, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> AskError {
    let asked = Box::new(asked);
    let message = message(body);
    let retry_after = retry_after(headers);
    match status.as_u16() {
        401 => AskError::Unauthorized { asked, message },
        403 => AskError::Forbidden { asked, message },
        404 => AskError::NotFound { asked, message },
        409 => AskError::Conflict { asked, message },
        413 if retry_after.is_none() => AskError::TooLarge { asked, message },
        413 | 429 => AskError::OverLimit { asked, message, retry_after },
        408 => AskError::ServerFault { asked, message, retry_after: None },
        400..500 => AskError::BadRequest { asked, message },
        // Only 503 promises that nothing was begun, and only a server that says when to come back
        // is taken at its word: a proxy answers 503 for a server that broke down on the way too.
        503 => AskError::ServerFault { asked, message, retry_after },
        500..600 => AskError::ServerFault { asked, message, retry_after: None },
        _ => AskError::Rubbish { asked, expected: "an answer", excerpt: message },
    }
}

/// The service's own words: OpenStack wraps them in one object whose name varies.
fn message(body: &[u8]) -> String {
    let value: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let wrapped = || value.as_object()?.values().find_map(|inner| inner.get("message"));
    match value.get("message").or_else(wrapped).and_then(Value::as_str) {
        // Our sentences end in their own way.
        Some(text) => shortened(text.trim_end_matches('.'), WORDS_CHARS_MAX),
        None => excerpt(&String::from_utf8_lossy(body)),
    }
}

fn excerpt(text: &str) -> String {
    shortened(text, EXCERPT_CHARS_MAX)
}

fn shortened(text: &str, most: usize) -> String {
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    printable.take(most).collect::<String>().trim().to_owned()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn date(headers: &HeaderMap) -> Option<Millis> {
    moment::read_http_date(text(headers, "date")?)
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    let id = text(headers, "x-openstack-request-id");
    id.or_else(|| text(headers, "x-compute-request-id")).map(excerpt)
}

/// `Retry-After`: seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let said = text(headers, "retry-after")?.trim();
    if let Ok(seconds) = said.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let wait_ms = moment::read_http_date(said)?.since(date(headers)?);
    Some(Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_services_own_words_are_told_to_their_end_and_a_strange_page_is_not() {
        let long = format!("{} `masakari resume`", "because ".repeat(80));
        let body = serde_json::json!({ "conflictingRequest": { "message": format!("{long}.") } });
        assert_eq!(message(body.to_string().as_bytes()), long);
        assert_eq!(message(long.as_bytes()).chars().count(), EXCERPT_CHARS_MAX - 1, "trimmed");
    }
}
