//! An API that answers what it is told to, and remembers what it took.

use async_trait::async_trait;
use bytes::Bytes;
use ports::{Answer, Ask, Clock, Transport, TransportError};
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// How it behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mood {
    Well,
    Away,
    Silent,
    Status(u16),
}

#[derive(Debug)]
struct State {
    mood: Mood,
    /// It answers this to whatever speaks of that VM.
    chokes_on: Option<(String, u16)>,
    asked: Vec<(u64, Value)>,
    taken: Vec<(u64, Value)>,
}

/// Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    state: Arc<Mutex<State>>,
    clock: sim::SimClock,
}

impl Api {
    pub(crate) fn new(clock: sim::SimClock) -> Self {
        let state = State { mood: Mood::Well, chokes_on: None, asked: vec![], taken: vec![] };
        Self { state: Arc::new(Mutex::new(state)), clock }
    }

    pub(crate) fn is(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    pub(crate) fn chokes_on(&self, vm: &str, status: u16) {
        self.state.lock().unwrap().chokes_on = Some((vm.to_owned(), status));
    }

    /// Of whom and what it took: `vm1 STOPPED_FAILED`.
    pub(crate) fn taken(&self) -> Vec<String> {
        self.state.lock().unwrap().taken.iter().map(|(_, body)| told(body)).collect()
    }

    /// When it was asked, in milliseconds.
    pub(crate) fn asked_at(&self) -> Vec<u64> {
        self.state.lock().unwrap().asked.iter().map(|(at, _)| *at).collect()
    }

    /// The whole bodies that it took.
    pub(crate) fn bodies(&self) -> Vec<Value> {
        self.state.lock().unwrap().taken.iter().map(|(_, body)| body.clone()).collect()
    }
}

fn told(body: &Value) -> String {
    let payload = &body["notification"]["payload"];
    let word = |name: &str| payload[name].as_str().unwrap_or_default().to_owned();
    format!("{} {}", word("instance_uuid"), word("vir_domain_event"))
}

#[async_trait]
impl Transport for Api {
    async fn send(&self, ask: Ask, deadline: Duration) -> Result<Answer, TransportError> {
        self.clock.sleep(Duration::from_millis(2)).await;
        assert_eq!((ask.method().as_str(), ask.uri().path()), ("POST", "/v1/notifications"));
        let body: Value = serde_json::from_slice(ask.body()).unwrap();
        let status = {
            let mut state = self.state.lock().unwrap();
            state.asked.push((self.clock.boot().0, body.clone()));
            let chokes = state.chokes_on.clone().filter(|(vm, _)| told(&body).starts_with(vm));
            match (chokes, state.mood) {
                (_, Mood::Away) => {
                    let why = "nobody there".into();
                    return Err(TransportError::Unreachable { to: "api".into(), why });
                }
                (_, Mood::Silent) => None,
                (Some((_, status)), _) => Some(status),
                (None, Mood::Status(status)) => Some(status),
                (None, Mood::Well) => {
                    state.taken.push((self.clock.boot().0, body.clone()));
                    Some(202)
                }
            }
        };
        let Some(status) = status else {
            self.clock.sleep(deadline).await;
            return Err(TransportError::TimedOut { from: "api".into(), deadline_ms: 0 });
        };
        let mut notification = body["notification"].clone();
        notification["id"] = json!(1);
        notification["notification_uuid"] = json!("n1");
        notification["source_host_uuid"] = json!("h1");
        notification["status"] = json!("new");
        let answer = match status {
            202 => json!({ "notification": notification }),
            code => json!({ "error": { "code": code, "message": "told to" } }),
        };
        Ok(http::Response::builder().status(status).body(Bytes::from(answer.to_string())).unwrap())
    }
}
