//! etcd, by the JSON gateway of its API of version 3: a write under a condition, and a list.
//!
//! Both are linearizable, which is all that [`recovery::deadman`] asks for: the answer to a write says that a quorum has it, and a list
//! shows every write that was answered before it was asked for. A member that is cut off from the others, or has lost
//! its quorum, answers neither. Nothing is asked of etcd's own leases and watches: what counts here is that a key does *not*
//! change, of which no event tells.
//!
//! It knows several members and asks one at a time, the next one after each that failed. All of them must be of one
//! cluster: the first answer says which, and an answer of another one is an error.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{Method, StatusCode};
use ports::{Ask, Transport, TransportError};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use url::Url;

/// More leases than that are not read.
pub const LEASES_MOST: usize = 5_000;
/// What an etcd has to say of an error.
const SAID_MOST: usize = 300;

/// Who we are to etcd, where its own users are switched on.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    pub name: String,
    pub password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A cluster. Clones share it.
#[derive(Clone, Debug)]
pub struct Etcd(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    members: Vec<Url>,
    login: Option<Login>,
    transport: Arc<dyn Transport>,
    state: Mutex<State>,
}

#[derive(Default, Debug)]
struct State {
    /// Which member is asked.
    at: usize,
    /// Which cluster it is.
    cluster: Option<u64>,
    token: Option<String>,
}

/// A key with what stands in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    pub key: String,
    pub value: Vec<u8>,
    /// Which write it is: no other has the same.
    pub revision: u64,
}

/// What became of a write under a condition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Swapped {
    /// A quorum has it, as this revision.
    Written(u64),
    /// Somebody else had written before: that.
    Found(Option<Stored>),
}

/// Why there is no answer.
#[derive(Clone, thiserror::Error, Debug)]
pub enum EtcdError {
    #[error("{0}")]
    Transport(#[from] TransportError),
    #[error("etcd at {from} says {status}: {said}")]
    Refused { from: String, status: StatusCode, said: String },
    #[error("what {from} answers is no answer of etcd's: {why}")]
    Malformed { from: String, why: String },
    #[error(
        "{from} belongs to etcd cluster {other:x}, and the others to {cluster:x}: all endpoints must be of one cluster. \
         When it was built anew, start this process again"
    )]
    OtherCluster { from: String, cluster: u64, other: u64 },
    #[error("there are more than {LEASES_MOST} keys below {prefix}")]
    TooMany { prefix: String },
    #[error("no endpoint of etcd is named")]
    Nobody,
}

#[derive(Deserialize)]
struct Header {
    #[serde(deserialize_with = "number")]
    cluster_id: u64,
    #[serde(default, deserialize_with = "number")]
    revision: u64,
}

#[derive(Deserialize)]
struct Kv {
    #[serde(deserialize_with = "bytes")]
    key: Vec<u8>,
    #[serde(default, deserialize_with = "bytes")]
    value: Vec<u8>,
    #[serde(deserialize_with = "number")]
    mod_revision: u64,
}

#[derive(Deserialize)]
struct RangeAnswer {
    header: Header,
    #[serde(default)]
    kvs: Vec<Kv>,
    #[serde(default)]
    more: bool,
}

#[derive(Deserialize)]
struct TxnAnswer {
    header: Header,
    #[serde(default)]
    succeeded: bool,
    #[serde(default)]
    responses: Vec<Response>,
}

#[derive(Deserialize)]
struct Response {
    #[serde(default)]
    response_range: Option<Found>,
}

/// Within a transaction the header is left out.
#[derive(Deserialize)]
struct Found {
    #[serde(default)]
    kvs: Vec<Kv>,
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

impl Etcd {
    /// The cluster of `members`.
    #[must_use]
    pub fn new(members: Vec<Url>, login: Option<Login>, transport: Arc<dyn Transport>) -> Self {
        let state = Mutex::new(State::default());
        Self(Arc::new(Shared { members, login, transport, state }))
    }

    /// Writes `value` if the last write to `key` was of revision `follows`; 0: if it is not there.
    ///
    /// # Errors
    /// Nobody knows whether it was written.
    pub async fn swap(
        &self,
        key: &str,
        follows: u64,
        value: &[u8],
        deadline: Duration,
    ) -> Result<Swapped, EtcdError> {
        let name = STANDARD.encode(key);
        let body = json!({
            "compare": [{"key": name, "target": "MOD", "result": "EQUAL", "mod_revision": follows.to_string()}],
            "success": [{"request_put": {"key": name, "value": STANDARD.encode(value)}}],
            "failure": [{"request_range": {"key": name}}],
        });
        let answer: TxnAnswer =
            self.ask("v3/kv/txn", &body, deadline, |a: &TxnAnswer| a.header.cluster_id).await?;
        if answer.succeeded {
            return Ok(Swapped::Written(answer.header.revision));
        }
        let found = answer.responses.into_iter().find_map(|response| response.response_range);
        Ok(Swapped::Found(found.and_then(|found| found.kvs.into_iter().next()).map(Stored::of)))
    }

    /// All keys that begin with `prefix`.
    ///
    /// # Errors
    /// Nobody answers who has a quorum, or there are too many.
    pub async fn list(&self, prefix: &str, deadline: Duration) -> Result<Vec<Stored>, EtcdError> {
        let body = json!({
            "key": STANDARD.encode(prefix),
            "range_end": STANDARD.encode(end_of(prefix)),
            "limit": LEASES_MOST.to_string(),
        });
        let answer: RangeAnswer =
            self.ask("v3/kv/range", &body, deadline, |a: &RangeAnswer| a.header.cluster_id).await?;
        if answer.more {
            return Err(EtcdError::TooMany { prefix: prefix.to_owned() });
        }
        Ok(answer.kvs.into_iter().map(Stored::of).collect())
    }

    async fn ask<A: for<'de> Deserialize<'de>>(
        &self,
        path: &str,
        body: &Value,
        deadline: Duration,
        cluster_of: fn(&A) -> u64,
    ) -> Result<A, EtcdError> {
        let asked = self.ask_one(path, body, deadline, cluster_of).await;
        if asked.is_err() {
            let mut state = self.state();
            state.at = state.at.wrapping_add(1);
            // Each member has its own, which end after five minutes.
            state.token = None;
        }
        asked
    }

    async fn ask_one<A: for<'de> Deserialize<'de>>(
        &self,
        path: &str,
        body: &Value,
        deadline: Duration,
        cluster_of: fn(&A) -> u64,
    ) -> Result<A, EtcdError> {
        let at = self.state().at;
        let members = &self.0.members;
        let member = members.get(at % members.len().max(1)).ok_or(EtcdError::Nobody)?;
        let token = self.token(member, deadline).await?;
        let answer: A = self.post(member, path, body, token, deadline).await?;
        let (other, from) = (cluster_of(&answer), name(member));
        let cluster = *self.state().cluster.get_or_insert(other);
        if cluster != other {
            return Err(EtcdError::OtherCluster { from, cluster, other });
        }
        Ok(answer)
    }

    /// The token of our user, if we are one.
    async fn token(&self, member: &Url, deadline: Duration) -> Result<Option<String>, EtcdError> {
        let Some(login) = &self.0.login else { return Ok(None) };
        if let Some(token) = self.state().token.clone() {
            return Ok(Some(token));
        }
        let body = json!({"name": login.name, "password": login.password});
        let got: Token = self.post(member, "v3/auth/authenticate", &body, None, deadline).await?;
        self.state().token = Some(got.token.clone());
        Ok(Some(got.token))
    }

    async fn post<A: for<'de> Deserialize<'de>>(
        &self,
        member: &Url,
        path: &str,
        body: &Value,
        token: Option<String>,
        deadline: Duration,
    ) -> Result<A, EtcdError> {
        let from = name(member);
        let malformed = |why: String| EtcdError::Malformed { from: name(member), why };
        let url = member.join(path).map_err(|error| malformed(error.to_string()))?;
        let mut ask = http::Request::builder()
            .method(Method::POST)
            .uri(url.as_str())
            .header(http::header::CONTENT_TYPE, "application/json");
        if let Some(token) = token {
            ask = ask.header(http::header::AUTHORIZATION, token);
        }
        let ask: Ask =
            ask.body(body.to_string().into()).map_err(|error| malformed(error.to_string()))?;
        let answer = self.0.transport.send(ask, deadline).await?;
        if !answer.status().is_success() {
            let (status, said) = (answer.status(), said(answer.body()));
            return Err(EtcdError::Refused { from, status, said });
        }
        serde_json::from_slice(answer.body()).map_err(|error| malformed(error.to_string()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stored {
    fn of(kv: Kv) -> Self {
        let key = String::from_utf8_lossy(&kv.key).into_owned();
        Self { key, value: kv.value, revision: kv.mod_revision }
    }
}

/// The first key that does not begin with `prefix` any more.
fn end_of(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    // All keys there are.
    vec![0]
}

fn name(member: &Url) -> String {
    member[url::Position::BeforeHost..url::Position::AfterPort].to_owned()
}

/// What an error says, short.
fn said(body: &[u8]) -> String {
    let value: Option<Value> = serde_json::from_slice(body).ok();
    let of = |name| value.as_ref().and_then(|value| value.get(name)).and_then(Value::as_str);
    let text = of("message").or_else(|| of("error"));
    let text = text.map_or_else(|| String::from_utf8_lossy(body).into_owned(), str::to_owned);
    text.chars().filter(|c| !c.is_control()).take(SAID_MOST).collect()
}

/// As protobuf's JSON writes 64 bits: in quotes.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    match Value::deserialize(from)? {
        Value::String(text) => text.parse().map_err(D::Error::custom),
        Value::Number(number) => {
            number.as_u64().ok_or_else(|| D::Error::custom("a number that is none of 64 bits"))
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            Err(D::Error::custom("a number was expected"))
        }
    }
}

fn bytes<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    STANDARD.decode(String::deserialize(from)?).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_the_next_key() {
        assert_eq!(end_of("/masakari/lease/"), b"/masakari/lease0");
        assert_eq!(end_of(""), [0]);
    }

    #[test]
    fn an_error_is_told_in_etcds_own_words() {
        let body =
            br#"{"error":"etcdserver: no leader","message":"etcdserver: no leader","code":14}"#;
        assert_eq!(said(body), "etcdserver: no leader");
        assert_eq!(said(b"404 page not found\n"), "404 page not found");
        assert_eq!(said("x".repeat(1_000).as_bytes()).len(), SAID_MOST);
    }

    #[test]
    fn a_password_is_not_shown() {
        let login = Login { name: "cmp1".into(), password: "secret".into() };
        assert!(!format!("{login:?}").contains("secret"));
    }
}
