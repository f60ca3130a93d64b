//! Consul agents in memory: one for each network, with its blocking queries.

use async_trait::async_trait;
use bytes::Bytes;
use ports::{Answer, Ask, Clock, Transport, TransportError};
use serde_json::{Value, json};
use sim::SimClock;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

#[derive(Debug, Default)]
struct State {
    members: BTreeMap<String, i64>,
    index: u64,
    /// Answered to everything; none: nobody is there.
    refuses: Option<(u16, &'static str)>,
    is_away: bool,
    hangs: bool,
    asked: Vec<String>,
    tokens: Vec<String>,
}

/// One of them. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Agent {
    state: Arc<Mutex<State>>,
    clock: SimClock,
}

impl Agent {
    pub(crate) fn new(clock: SimClock, members: &[&str]) -> Self {
        let agent = Self { state: Arc::default(), clock };
        members.iter().for_each(|name| agent.set(name, 1));
        agent
    }

    fn state<T>(&self, with: impl FnOnce(&mut State) -> T) -> T {
        with(&mut self.state.lock().unwrap())
    }

    pub(crate) fn set(&self, name: &str, status: i64) {
        self.state(|state| {
            state.members.insert(name.into(), status);
            state.index += 1;
        });
    }

    /// What the leader's list of checks does not show, or has shown before.
    pub(crate) fn hears(&self, name: &str, status: i64) {
        self.state(|state| state.members.insert(name.into(), status));
    }

    /// The leader knows it, and this agent will only in a moment.
    pub(crate) fn wakes(&self) {
        self.state(|state| state.index += 1);
    }

    /// As after a restore of the servers.
    pub(crate) fn begins_anew(&self) {
        self.state(|state| state.index = 1);
    }

    pub(crate) fn is_away(&self, is_away: bool) {
        self.state(|state| state.is_away = is_away);
    }

    pub(crate) fn hangs(&self, hangs: bool) {
        self.state(|state| state.hangs = hangs);
    }

    pub(crate) fn refuses(&self, with: Option<(u16, &'static str)>) {
        self.state(|state| state.refuses = with);
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.state(|state| std::mem::take(&mut state.asked))
    }

    pub(crate) fn tokens(&self) -> Vec<String> {
        self.state(|state| state.tokens.clone())
    }

    fn answer(&self, path: &str) -> Result<Answer, TransportError> {
        self.state(|state| {
            if state.is_away {
                let why = "refused".into();
                return Err(TransportError::Unreachable { to: "agent".into(), why });
            }
            let answer =
                http::Response::builder().header("X-Consul-Index", state.index.to_string());
            if let Some((status, why)) = state.refuses {
                return Ok(answer.status(status).body(Bytes::from(why)).unwrap());
            }
            let members = state
                .members
                .iter()
                .map(|(name, status)| json!({ "Name": name, "Status": status }));
            let body =
                if path == "/v1/agent/members" { members.collect() } else { Value::Array(vec![]) };
            Ok(answer.body(Bytes::from(body.to_string())).unwrap())
        })
    }
}

#[async_trait]
impl Transport for Agent {
    async fn send(&self, ask: Ask, deadline: Duration) -> Result<Answer, TransportError> {
        let path = ask.uri().path().to_owned();
        assert!(
            ["/v1/agent/members", "/v1/health/state/critical"].contains(&path.as_str()),
            "{path}"
        );
        let url: url::Url = ask.uri().to_string().parse().unwrap();
        let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        self.state(|state| {
            state.asked.push(ask.uri().path_and_query().unwrap().to_string());
            let token =
                ask.headers().get("X-Consul-Token").map(|token| token.to_str().unwrap().to_owned());
            state.tokens.extend(token);
        });
        let known = query.get("index").map(|index| index.parse::<u64>().unwrap());
        let wait = query.get("wait").map_or(0, |wait| wait.trim_end_matches("ms").parse().unwrap());
        let began = self.clock.boot();
        let limit = Duration::from_millis(wait);
        while self.state(|state| {
            state.hangs || !state.is_away && state.refuses.is_none() && known == Some(state.index)
        }) {
            if self.clock.boot().since(began) >= deadline {
                let deadline_ms = u64::try_from(deadline.as_millis()).unwrap();
                return Err(TransportError::TimedOut { from: "agent".into(), deadline_ms });
            }
            if !self.state(|state| state.hangs) && self.clock.boot().since(began) >= limit {
                break;
            }
            self.clock.sleep(Duration::from_millis(10)).await;
        }
        self.answer(&path)
    }
}
