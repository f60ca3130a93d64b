//! Requests taken apart and answers put together, in OpenStack's manner.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use ports::{Answer, Ask};
use recovery::Millis;
use serde_json::Value;

/// A request, taken apart.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) method: Method,
    /// The parts of the path, without the slashes.
    pub(crate) path: Vec<String>,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
}

impl Question {
    pub(crate) fn new(ask: &Ask) -> Self {
        let query = ask.uri().query().unwrap_or_default();
        Self {
            method: ask.method().clone(),
            path: ask.uri().path().split('/').filter(|p| !p.is_empty()).map(Into::into).collect(),
            query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            headers: ask.headers().clone(),
            body: ask.body().clone(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The first value of a query parameter.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn query_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.query.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The query again, with `marker` in place of any that it had: the link to the next page.
    pub(crate) fn query_with_marker(&self, marker: &str) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.query.iter().filter(|(key, _)| key != "marker"));
        query.append_pair("marker", marker).finish()
    }

    /// The body; `Null` when it is not JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// What a service answers, before it is bytes.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Option<Value>,
    /// How long the service keeps the answer back after it has done what was asked.
    pub(crate) hold_ms: u64,
}

/// An answer, or the refusal that ends the work early.
pub(crate) type Answered = Result<Reply, Reply>;

impl Reply {
    pub(crate) fn json(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: Some(body), hold_ms: 0 }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: None, hold_ms: 0 }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// As bytes, dated `now`.
    pub(crate) fn answer(self, now: Millis) -> Answer {
        // A value can always be written.
        let body = self.body.and_then(|body| serde_json::to_vec(&body).ok()).unwrap_or_default();
        let mut answer = http::Response::new(Bytes::from(body));
        *answer.status_mut() = StatusCode::from_u16(self.status).unwrap_or_default();
        let json = ("content-type", "application/json".to_owned());
        let date = ("date", moment(now).format("%a, %d %b %Y %H:%M:%S GMT").to_string());
        for (name, value) in [json, date].into_iter().chain(self.headers) {
            if let Ok(value) = HeaderValue::from_str(&value) {
                answer.headers_mut().append(HeaderName::from_static(name), value);
            }
        }
        answer
    }
}

/// `2025-11-21T08:00:00Z`, as most of the compute API.
pub(crate) fn iso(at: Millis) -> String {
    moment(at).format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `2025-11-21T08:00:00.000000`, as the compute API where it forgot the time zone.
pub(crate) fn naive(at: Millis) -> String {
    moment(at).format("%Y-%m-%dT%H:%M:%S.000000").to_string()
}

/// The same with the fraction of the second.
pub(crate) fn naive_exactly(at: Millis) -> String {
    moment(at).format("%Y-%m-%dT%H:%M:%S%.6f").to_string()
}

/// Nova's database keeps whole seconds.
pub(crate) fn whole_second(at: Millis) -> Millis {
    Millis(at.0 - at.0.rem_euclid(1000))
}

/// Reads the times that clients send: with a zone or without one, which is UTC then.
pub(crate) fn parse_time(text: &str) -> Option<Millis> {
    let zoned = DateTime::parse_from_rfc3339(text).map(|t| t.timestamp_millis());
    let naive = || chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f");
    zoned.or_else(|_| naive().map(|t| t.and_utc().timestamp_millis())).ok().map(Millis)
}

fn moment(at: Millis) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(at.0).unwrap_or_default()
}
