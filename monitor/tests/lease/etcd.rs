//! An etcd of three members that answers as the JSON gateway of a real one does, and the ways to it that fail.

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use ports::{Answer, Ask, Boot, Clock, Transport, TransportError};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};
use url::Url;

const STOPPED: Duration = Duration::from_secs(60);

/// What is wrong with a way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// Nothing gets there.
    Away,
    /// All gets there, and no answer back.
    AnswersAreLost,
    /// It leads to an etcd of another cluster.
    OtherCluster,
    /// Who asks is stopped for a minute when the answer has come, and goes on with it.
    AskerIsStopped,
}

/// One of the three.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Member(pub(crate) u8);

#[derive(Default, Debug)]
struct State {
    keys: BTreeMap<String, (String, u64)>,
    revision: u64,
    failed: BTreeSet<Member>,
    fault: Option<Fault>,
    takes: Duration,
    written_at: Option<Boot>,
}

#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    state: Arc<Mutex<State>>,
    clock: Arc<dyn Clock>,
}

/// Somebody's way to it.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    cluster: Cluster,
    fault: Arc<Mutex<Option<Fault>>>,
}

impl Cluster {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { state: Arc::default(), clock }
    }

    pub(crate) fn way(&self) -> Way {
        Way { cluster: self.clone(), fault: Arc::default() }
    }

    pub(crate) fn fails(&self, fault: Fault) {
        self.state.lock().unwrap().fault = Some(fault);
    }

    pub(crate) fn member_fails(&self, member: Member) {
        self.state.lock().unwrap().failed.insert(member);
    }

    /// All is well.
    pub(crate) fn works(&self) {
        let mut state = self.state.lock().unwrap();
        (state.fault, state.takes) = (None, Duration::ZERO);
        state.failed.clear();
    }

    /// As a person does who takes the host for gone.
    pub(crate) fn forgets(&self, key: &str) {
        self.state.lock().unwrap().keys.remove(key).expect("it is there");
    }

    /// When the last write succeeded.
    pub(crate) fn written_at(&self) -> Duration {
        self.state.lock().unwrap().written_at.unwrap().since(Boot(0))
    }

    /// Each way takes so long, there and back.
    pub(crate) fn takes(&self, each: Duration) {
        self.state.lock().unwrap().takes = each;
    }
}

impl Way {
    pub(crate) fn fails(&self, fault: Fault) {
        *self.fault.lock().unwrap() = Some(fault);
    }

    pub(crate) fn works(&self) {
        *self.fault.lock().unwrap() = None;
    }

    pub(crate) fn client(&self) -> monitor::lease::Etcd {
        let members = ["http://e0:2379", "http://e1:2379", "http://e2:2379"];
        let members = members.map(|member| Url::parse(member).unwrap()).to_vec();
        monitor::lease::Etcd::new(members, None, Arc::new(self.clone()))
    }
}

impl State {
    fn kv(&self, key: &str) -> Option<Value> {
        let (value, revision) = self.keys.get(key)?;
        Some(
            json!({"key": STANDARD.encode(key), "value": value, "mod_revision": revision.to_string()}),
        )
    }

    fn txn(&mut self, body: &Value) -> Value {
        let compare = &body["compare"][0];
        let key = text_of(&compare["key"]);
        let wanted: u64 = compare["mod_revision"].as_str().unwrap().parse().unwrap();
        let current = self.keys.get(&key).map_or(0, |(_, revision)| *revision);
        if wanted == current {
            self.revision += 1;
            let value = body["success"][0]["request_put"]["value"].as_str().unwrap().to_owned();
            self.keys.insert(key, (value, self.revision));
            // What is false or empty is left out.
            let put = json!({"header": {"revision": self.revision.to_string()}});
            return json!({"succeeded": true, "responses": [{"response_put": put}]});
        }
        let kvs: Vec<Value> = self.kv(&key).into_iter().collect();
        let range = if kvs.is_empty() { json!({}) } else { json!({"kvs": kvs, "count": "1"}) };
        json!({"responses": [{"response_range": range}]})
    }

    fn range(&self, body: &Value) -> Value {
        let (from, to) = (text_of(&body["key"]), text_of(&body["range_end"]));
        let kvs: Vec<Value> =
            self.keys.range(from..to).filter_map(|(key, _)| self.kv(key)).collect();
        if kvs.is_empty() { json!({}) } else { json!({"kvs": kvs}) }
    }
}

fn text_of(value: &Value) -> String {
    String::from_utf8(STANDARD.decode(value.as_str().unwrap()).unwrap()).unwrap()
}

#[async_trait]
impl Transport for Way {
    async fn send(&self, ask: Ask, deadline: Duration) -> Result<Answer, TransportError> {
        let from = ask.uri().host().unwrap().to_owned();
        let number: u8 = from[1..].parse().unwrap();
        let (fault, takes, is_failed) = {
            let state = self.cluster.state.lock().unwrap();
            let failed = state.failed.contains(&Member(number));
            ((*self.fault.lock().unwrap()).or(state.fault), state.takes, failed)
        };
        if is_failed {
            return Err(TransportError::Unreachable { to: from, why: "refused".into() });
        }
        let deadline_ms = u64::try_from(deadline.as_millis()).unwrap();
        let clock = &self.cluster.clock;
        if fault == Some(Fault::Away) || takes * 2 > deadline {
            clock.sleep(deadline).await;
            return Err(TransportError::TimedOut { from, deadline_ms });
        }
        clock.sleep(takes).await;
        let body: Value = serde_json::from_slice(ask.body()).unwrap();
        let mut answer = {
            let mut state = self.cluster.state.lock().unwrap();
            match ask.uri().path() {
                "/v3/kv/txn" => {
                    let answer = state.txn(&body);
                    if answer["succeeded"] == true {
                        state.written_at = Some(clock.boot());
                    }
                    answer
                }
                "/v3/kv/range" => state.range(&body),
                path => panic!("{path}"),
            }
        };
        if fault == Some(Fault::AnswersAreLost) {
            clock.sleep(deadline).await;
            return Err(TransportError::TimedOut { from, deadline_ms });
        }
        let is_stopped = fault == Some(Fault::AskerIsStopped);
        clock.sleep(if is_stopped { STOPPED } else { takes }).await;
        let cluster =
            if fault == Some(Fault::OtherCluster) { "99" } else { "14841639068965178418" };
        let revision = self.cluster.state.lock().unwrap().revision.to_string();
        answer["header"] = json!({"cluster_id": cluster, "member_id": "1", "revision": revision});
        Ok(http::Response::new(answer.to_string().into()))
    }
}
