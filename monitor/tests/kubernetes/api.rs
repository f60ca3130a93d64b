//! An API server in memory, of which each connection can be cut. It speaks the API's JSON.

use async_trait::async_trait;
use bytes::Bytes;
use futures::{FutureExt, StreamExt, channel::mpsc};
use monitor::hosts::kubernetes::{Connects, access::Access};
use ports::{Answer, Ask, HttpClientError, Opened, Pieces, Streams, Transport, TransportError};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

type Piece = Result<Bytes, TransportError>;

#[derive(Debug, Default)]
struct State {
    nodes: BTreeMap<String, Value>,
    version: u64,
    is_away: bool,
    /// Answered to everything.
    refuses: Option<(u16, String)>,
    /// Versions before this one are forgotten.
    forgotten: u64,
    /// It says so by the answer's status, and not by an event.
    refuses_forgotten: bool,
    /// Each watch ends when it is opened.
    ends_at_once: bool,
    /// What refuses a watch says so without an end.
    is_endless: bool,
    /// Nodes in a page at most.
    page: Option<usize>,
    /// So often a page that is not the first has been forgotten when it is asked for.
    forgets_pages: u32,
    watches: Vec<mpsc::UnboundedSender<Piece>>,
    asked: Vec<String>,
    /// Whether each connection was made without a look at certificates.
    insecure: Vec<bool>,
}

/// Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Api(Arc<Mutex<State>>);

pub(crate) fn ready(name: &str, status: &str) -> Value {
    let reason = if status == "Unknown" { "NodeStatusUnknown" } else { "KubeletSays" };
    json!({
        "kind": "Node", "apiVersion": "v1", "metadata": { "name": name }, "spec": {},
        "status": { "conditions": [{ "type": "Ready", "status": status, "reason": reason,
            "lastTransitionTime": "2025-11-21T07:59:00Z", "lastHeartbeatTime": "2025-11-21T07:58:00Z" }] }
    })
}

impl Api {
    pub(crate) fn with(nodes: &[(&str, &str)]) -> Self {
        let api = Self::default();
        nodes.iter().for_each(|(name, status)| api.set(ready(name, status)));
        api
    }

    fn state<T>(&self, with: impl FnOnce(&mut State) -> T) -> T {
        with(&mut self.0.lock().unwrap())
    }

    /// The node is so from now on.
    pub(crate) fn set(&self, mut node: Value) {
        self.state(|state| {
            state.version += 1;
            node["metadata"]["resourceVersion"] = json!(state.version.to_string());
            let name = node["metadata"]["name"].as_str().unwrap().to_owned();
            state.nodes.insert(name, node.clone());
            state.tell(&json!({ "type": "MODIFIED", "object": node }));
        });
    }

    pub(crate) fn remove(&self, name: &str) {
        self.state(|state| {
            state.version += 1;
            let mut node = state.nodes.remove(name).unwrap();
            node["metadata"]["resourceVersion"] = json!(state.version.to_string());
            state.tell(&json!({ "type": "DELETED", "object": node }));
        });
    }

    pub(crate) fn says(&self, piece: &str) {
        self.state(|state| state.send(Bytes::from(piece.to_owned())));
    }

    /// Gone, with all connections; or back.
    pub(crate) fn is_away(&self, is_away: bool) {
        self.state(|state| {
            state.is_away = is_away;
            let broke = || TransportError::BrokeOff { from: "api".into(), why: "reset".into() };
            state.watches.drain(..).for_each(|watch| drop(watch.unbounded_send(Err(broke()))));
        });
    }

    /// Watches end, as they do every few minutes.
    pub(crate) fn ends_watches(&self) {
        self.state(|state| state.watches.clear());
    }

    pub(crate) fn forgets(&self) {
        self.state(|state| state.forgotten = state.version + 1);
    }

    /// As [`Self::forgets`], said by the status of the answer.
    pub(crate) fn refuses_forgotten(&self) {
        self.state(|state| state.refuses_forgotten = true);
        self.forgets();
    }

    pub(crate) fn ends_at_once(&self) {
        self.state(|state| state.ends_at_once = true);
        self.ends_watches();
    }

    /// Watches are refused, with words without an end.
    pub(crate) fn refuses_endlessly(&self) {
        self.state(|state| state.is_endless = true);
        self.ends_watches();
    }

    pub(crate) fn refuses(&self, with: Option<(u16, &str)>) {
        self.state(|state| state.refuses = with.map(|(status, why)| (status, why.to_owned())));
    }

    pub(crate) fn pages(&self, nodes: usize) {
        self.state(|state| state.page = Some(nodes));
    }

    pub(crate) fn forgets_pages(&self, times: u32) {
        self.state(|state| state.forgets_pages = times);
    }

    /// Whether each was made without a look at certificates.
    pub(crate) fn connections(&self) -> Vec<bool> {
        self.state(|state| state.insecure.clone())
    }

    /// `list` and `watch VERSION`, in order, and what was asked since is forgotten.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state(|state| std::mem::take(&mut state.asked))
    }
}

impl State {
    fn tell(&mut self, event: &Value) {
        self.send(Bytes::from(format!("{event}\n")));
    }

    fn send(&mut self, piece: Bytes) {
        self.watches.retain(|watch| watch.unbounded_send(Ok(piece.clone())).is_ok());
    }

    fn refusal(&self) -> Result<Option<(u16, Bytes)>, TransportError> {
        if self.is_away {
            return Err(TransportError::Unreachable { to: "api".into(), why: "refused".into() });
        }
        Ok(self.refuses.clone().map(|(code, why)| {
            (
                code,
                Bytes::from(json!({ "kind": "Status", "code": code, "message": why }).to_string()),
            )
        }))
    }

    fn list(&self, from: usize) -> Value {
        let page = self.page.unwrap_or(usize::MAX);
        let items: Vec<&Value> = self.nodes.values().skip(from).take(page).collect();
        let end = from + items.len();
        let more = if end < self.nodes.len() { end.to_string() } else { String::new() };
        json!({ "kind": "NodeList", "items": items,
            "metadata": { "resourceVersion": self.version.to_string(), "continue": more } })
    }
}

fn query(ask: &Ask) -> BTreeMap<String, String> {
    let url: url::Url = ask.uri().to_string().parse().unwrap();
    url.query_pairs().into_owned().collect()
}

#[async_trait]
impl Transport for Api {
    async fn send(&self, ask: Ask, _: Duration) -> Result<Answer, TransportError> {
        let query = query(&ask);
        self.state(|state| {
            let labels = query.get("labelSelector").map_or_else(String::new, |l| format!(" {l}"));
            state.asked.push(format!("list{labels}"));
            let from = query.get("continue").map_or(0, |from| from.parse().unwrap());
            let (status, body) = match state.refusal()? {
                Some(refused) => refused,
                None if from > 0 && state.forgets_pages > 0 => {
                    state.forgets_pages -= 1;
                    (410, Bytes::from("{}"))
                }
                None => (200, Bytes::from(state.list(from).to_string())),
            };
            Ok(http::Response::builder().status(status).body(body).unwrap())
        })
    }
}

struct Body(mpsc::UnboundedReceiver<Piece>);

/// So many pieces are more than anybody should read.
struct Endless(u32);

#[async_trait]
impl Pieces for Endless {
    async fn next(&mut self) -> Result<Option<Bytes>, TransportError> {
        self.0 = self.0.checked_sub(1).expect("it reads on and on");
        Ok(Some(Bytes::from(vec![b'x'; 16 << 10])))
    }
}

#[async_trait]
impl Pieces for Body {
    async fn next(&mut self) -> Result<Option<Bytes>, TransportError> {
        self.0.next().await.transpose()
    }
}

#[async_trait]
impl Streams for Api {
    async fn open(&self, ask: Ask, _: Duration) -> Result<Opened, TransportError> {
        let from = query(&ask)["resourceVersion"].clone();
        self.state(|state| {
            state.asked.push(format!("watch {from}"));
            let (tell, told) = mpsc::unbounded();
            let (mut status, mut first) = (200, None);
            if state.is_endless {
                let body: Box<dyn Pieces> = Box::new(Endless(64));
                return Ok(http::Response::builder().status(500).body(body).unwrap());
            }
            if let Some((code, body)) = state.refusal()? {
                (status, first) = (code, Some(body));
            } else if from.parse::<u64>().unwrap() < state.forgotten {
                let gone = json!({ "kind": "Status", "code": 410 });
                if state.refuses_forgotten {
                    (status, first) = (410, Some(Bytes::from(gone.to_string())));
                } else {
                    let event = json!({ "type": "ERROR", "object": gone });
                    first = Some(Bytes::from(format!("{event}\n")));
                }
            } else if !state.ends_at_once {
                state.watches.push(tell.clone());
            }
            if let Some(first) = first {
                tell.unbounded_send(Ok(first)).unwrap();
            }
            let body: Box<dyn Pieces> = Box::new(Body(told));
            Ok(http::Response::builder().status(status).body(body).unwrap())
        })
    }
}

impl Connects for Api {
    fn connect(&self, access: &Access) -> Result<Arc<dyn Streams>, HttpClientError> {
        self.state(|state| state.insecure.push(access.insecure));
        Ok(Arc::new(self.clone()))
    }
}

/// Whether `future` is ready without waiting.
pub(crate) fn at_once<F: Future>(future: F) -> Option<F::Output> {
    future.now_or_never()
}
