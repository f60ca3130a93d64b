//! A Masakari in memory: it takes reports, or behaves as it is told to, and remembers what it took.
#![allow(dead_code, reason = "each suite wants a part of it")]

#[path = "log.rs"]
pub(crate) mod log;

use async_trait::async_trait;
use bytes::Bytes;
use openstack::{Session, instance_ha::Client};
use ports::{Answer, Ask, Clock, Entropy, Transport, TransportError};
use serde_json::{Value, json};
use sim::SimClock;
use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use url::Url;

/// How long it thinks.
const THINKS: Duration = Duration::from_millis(2);

/// How it behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mood {
    Well,
    Away,
    Silent,
    Status(u16),
    /// It takes a report at once, and says so after a while.
    Slow(Duration),
    /// It takes a report, and its answer is lost.
    Mute,
}

/// A report that it took.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    /// When, in milliseconds of the clock.
    pub(crate) at: u64,
    /// What stands in `notification`.
    pub(crate) report: Value,
}

#[derive(Debug)]
struct State {
    mood: Mood,
    /// It answers this to whatever speaks of that VM.
    chokes_on: Option<(String, u16)>,
    asked_at: Vec<u64>,
    taken: Vec<Taken>,
    /// The guests that were said to answer, by call.
    guests: Vec<Vec<String>>,
}

/// Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    state: Arc<Mutex<State>>,
    clock: SimClock,
}

impl Api {
    pub(crate) fn new(clock: SimClock) -> Self {
        log::listen();
        let (asked_at, taken, guests) = (Vec::new(), Vec::new(), Vec::new());
        let state = State { mood: Mood::Well, chokes_on: None, asked_at, taken, guests };
        Self { state: Arc::new(Mutex::new(state)), clock }
    }

    /// The monitors' way to it.
    pub(crate) fn client(&self, entropy: &Arc<dyn Entropy>) -> Client {
        let endpoint = Url::parse("http://api/v1").unwrap();
        let (api, clock) = (Arc::new(self.clone()), Arc::new(self.clock));
        Client::new(Session::none(endpoint, None, api, clock, Arc::clone(entropy)))
    }

    pub(crate) fn is(&self, mood: Mood) {
        self.state().mood = mood;
    }

    pub(crate) fn is_away(&self, is_away: bool) {
        self.is(if is_away { Mood::Away } else { Mood::Well });
    }

    pub(crate) fn chokes_on(&self, vm: &str, status: u16) {
        self.state().chokes_on = Some((vm.to_owned(), status));
    }

    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.state().taken.clone()
    }

    /// The guests that were said to answer, by call.
    pub(crate) fn guests(&self) -> Vec<Vec<String>> {
        self.state().guests.clone()
    }

    /// What it says to who tells that guests answer.
    fn hears_of(&self, guests: Vec<String>) -> Result<u16, TransportError> {
        let mut state = self.state();
        match state.mood {
            Mood::Status(status) => Ok(status),
            Mood::Well => {
                state.guests.push(guests);
                Ok(204)
            }
            Mood::Away | Mood::Silent | Mood::Slow(_) | Mood::Mute => {
                let why = "away: nobody there".into();
                Err(TransportError::Unreachable { to: "api".into(), why })
            }
        }
    }

    /// When it was asked, in milliseconds.
    pub(crate) fn asked_at(&self) -> Vec<u64> {
        self.state().asked_at.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// What it says to a report, after how long; none: nothing.
    fn answers(&self, report: &Value) -> Result<Option<(u16, Duration)>, TransportError> {
        let at = self.clock.boot().0;
        let mut state = self.state();
        state.asked_at.push(at);
        let of = report["payload"]["instance_uuid"].as_str().unwrap_or_default();
        if let (Some((vm, status)), false) = (&state.chokes_on, state.mood == Mood::Away)
            && vm == of
        {
            return Ok(Some((*status, Duration::ZERO)));
        }
        let (status, after) = match state.mood {
            Mood::Away => {
                let why = "away: nobody there".into();
                return Err(TransportError::Unreachable { to: "api".into(), why });
            }
            Mood::Silent => return Ok(None),
            Mood::Status(status) => return Ok(Some((status, Duration::ZERO))),
            Mood::Well | Mood::Mute => (202, Duration::ZERO),
            Mood::Slow(after) => (202, after),
        };
        if state.taken.iter().any(|taken| taken.report == *report) {
            return Ok(Some((409, after)));
        }
        state.taken.push(Taken { at, report: report.clone() });
        Ok((state.mood != Mood::Mute).then_some((status, after)))
    }
}

impl Taken {
    pub(crate) fn word(&self, name: &str) -> &str {
        self.report["payload"][name].as_str().unwrap_or_default()
    }
}

#[async_trait]
impl Transport for Api {
    async fn send(&self, ask: Ask, deadline: Duration) -> Result<Answer, TransportError> {
        self.clock.sleep(THINKS).await;
        let body: Value = serde_json::from_slice(ask.body()).unwrap();
        if ask.uri().path() == "/ha/v1/hosts/cmp1/guests" {
            let guests = serde_json::from_value(body["answer"].clone()).unwrap();
            let status = self.hears_of(guests)?;
            return Ok(http::Response::builder().status(status).body(Bytes::new()).unwrap());
        }
        assert_eq!((ask.method().as_str(), ask.uri().path()), ("POST", "/v1/notifications"));
        let Some((status, after)) = self.answers(&body["notification"])? else {
            self.clock.sleep(deadline).await;
            return Err(TransportError::TimedOut { from: "api".into(), deadline_ms: 0 });
        };
        self.clock.sleep(after).await;
        let answer = match status {
            202 => {
                let mut taken = body["notification"].clone();
                for (name, value) in [
                    ("id", json!(1)),
                    ("notification_uuid", json!("n1")),
                    ("source_host_uuid", json!("h1")),
                    ("status", json!("new")),
                ] {
                    taken[name] = value;
                }
                json!({ "notification": taken })
            }
            code => json!({ "error": { "code": code, "message": "told to" } }),
        };
        Ok(http::Response::builder().status(status).body(Bytes::from(answer.to_string())).unwrap())
    }
}
