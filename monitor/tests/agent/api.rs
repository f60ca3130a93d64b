//! An API that keeps one planned stop, and answers as it is told to.

use async_trait::async_trait;
use bytes::Bytes;
use ports::{Answer, Ask, Clock, Transport, TransportError};
use serde_json::{Value, json};
use sim::SimClock;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Stop {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) by: String,
    /// Of the report that came meanwhile.
    pub(crate) status: Option<String>,
}

#[derive(Default, Debug)]
struct State {
    stop: Option<Stop>,
    span: Option<String>,
    asked: u32,
    identities: Vec<Value>,
    status: Option<u16>,
    hangs: bool,
    /// Of the boot clock, in milliseconds.
    may_start_at_ms: u64,
}

/// Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    state: Arc<Mutex<State>>,
    clock: SimClock,
}

impl Api {
    pub(crate) fn new(clock: SimClock) -> Self {
        Self { state: Arc::default(), clock }
    }

    pub(crate) fn stop(&self) -> Option<Stop> {
        self.state.lock().unwrap().stop.clone()
    }

    pub(crate) fn span(&self) -> Option<String> {
        self.state.lock().unwrap().span.clone()
    }

    pub(crate) fn asked(&self) -> u32 {
        self.state.lock().unwrap().asked
    }

    /// What the agent has said of its machine.
    pub(crate) fn identities(&self) -> Vec<Value> {
        self.state.lock().unwrap().identities.clone()
    }

    pub(crate) fn plans(&self, stop: Stop) {
        self.state.lock().unwrap().stop = Some(stop);
    }

    pub(crate) fn report_is(&self, status: Option<&str>) {
        let mut state = self.state.lock().unwrap();
        state.stop.as_mut().unwrap().status = status.map(str::to_owned);
    }

    pub(crate) fn answers(&self, status: u16) {
        let mut state = self.state.lock().unwrap();
        (state.status, state.hangs) = (Some(status), false);
    }

    pub(crate) fn answers_again(&self) {
        self.state.lock().unwrap().status = None;
    }

    pub(crate) fn hangs(&self) {
        self.state.lock().unwrap().hangs = true;
    }

    pub(crate) fn may_start_after(&self, wait: Duration) {
        self.state.lock().unwrap().may_start_at_ms = self.clock.boot().plus(wait).0;
    }

    fn answer(&self, ask: &Ask) -> (u16, Value) {
        let mut state = self.state.lock().unwrap();
        state.asked += 1;
        if let Some(status) = state.status {
            return (status, json!({ "error": { "code": status, "message": "told to" } }));
        }
        match (ask.method().as_str(), ask.uri().path()) {
            ("GET", "/ha/v1/stops") => {
                let stops: Vec<Value> = state.stop.iter().map(shown).collect();
                (200, json!({ "stops": stops }))
            }
            ("POST", "/ha/v1/hosts/cmp1/stop") => {
                let body: Value = serde_json::from_slice(ask.body()).unwrap();
                state.span = body["for"].as_str().map(str::to_owned);
                let kind = body["kind"].as_str().unwrap().to_owned();
                let stop = Stop { id: "ours".into(), kind, by: "cmp1".into(), status: None };
                let told = shown(&stop);
                state.stop = Some(stop);
                (200, json!({ "stop": told }))
            }
            ("POST", "/ha/v1/hosts/cmp1/resume") => match state.stop.take() {
                Some(stop) => (200, json!({ "stop": shown(&stop) })),
                None => (409, json!({ "conflictingRequest": { "code": 409, "message": "none" } })),
            },
            ("POST", "/ha/v1/hosts/cmp1/identity") => {
                state.identities.push(serde_json::from_slice(ask.body()).unwrap());
                (204, Value::Null)
            }
            ("GET", "/ha/v1/hosts/cmp1/may-start") => {
                let may = self.clock.boot().0 >= state.may_start_at_ms;
                let why = if may { "none is under way" } else { "a recovery is under way" };
                (200, json!({ "may_start": may, "why": why, "notification": null }))
            }
            other => panic!("{other:?}"),
        }
    }
}

fn shown(stop: &Stop) -> Value {
    json!({
        "id": stop.id,
        "host": "cmp1",
        "kind": stop.kind,
        "by": stop.by,
        "reason": null,
        "at": "2026-11-22T10:00:00Z",
        "until": "2026-11-22T10:30:00Z",
        "notification": stop.status.as_ref().map(|_| "n1"),
        "notification_status": stop.status,
    })
}

#[async_trait]
impl Transport for Api {
    async fn send(&self, ask: Ask, deadline: Duration) -> Result<Answer, TransportError> {
        if self.state.lock().unwrap().hangs {
            self.clock.sleep(deadline).await;
            return Err(TransportError::TimedOut { from: "api".into(), deadline_ms: 0 });
        }
        let (status, body) = self.answer(&ask);
        Ok(http::Response::builder().status(status).body(Bytes::from(body.to_string())).unwrap())
    }
}
