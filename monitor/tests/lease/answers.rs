//! What an observer makes of single answers: those that are none of etcd's, or more than is read, are refused as a whole, and said why.

use crate::world::PREFIX;
use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use monitor::{
    hosts::{Source, lease::Leases},
    lease::{Etcd, Observer, etcd::Login},
};
use ports::{Answer, Ask, Clock, Transport, TransportError};
use recovery::{deadman::Standing, verdict::Sight};
use serde_json::{Value, json};
use sim::SimClock;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// Says one thing to everybody, after a while.
#[derive(Debug)]
struct Says {
    body: Mutex<Bytes>,
    after: Duration,
    clock: SimClock,
}

#[async_trait]
impl Transport for Says {
    async fn send(&self, _: Ask, _: Duration) -> Result<Answer, TransportError> {
        self.clock.sleep(self.after).await;
        Ok(http::Response::new(self.body.lock().unwrap().clone()))
    }
}

impl Says {
    fn new(body: &str, after: Duration, clock: SimClock) -> Arc<Self> {
        Arc::new(Self { body: Mutex::new(Bytes::from(body.to_owned())), after, clock })
    }

    fn instead(&self, body: &Value) {
        *self.body.lock().unwrap() = body.to_string().into();
    }

    fn observer(self: &Arc<Self>) -> Observer {
        let etcd = Etcd::new(vec!["http://etcd:2379".parse().unwrap()], None, self.clone());
        Observer::new(etcd, PREFIX.into(), Duration::from_secs(15), Arc::new(self.clock))
    }
}

/// Whose leases are seen.
async fn seen(body: &str) -> Result<Vec<String>, String> {
    let mut observer = Says::new(body, Duration::ZERO, SimClock::new()).observer();
    let all = observer.look().await.map_err(|error| error.to_string())?;
    Ok(all.into_iter().map(|one| one.host.to_string()).collect())
}

fn list(kvs: &[Value]) -> Value {
    json!({ "header": { "cluster_id": "7", "revision": "9" }, "kvs": kvs })
}

fn kv(host: &str, value: &str) -> Value {
    json!({ "key": STANDARD.encode(format!("{PREFIX}{host}")), "mod_revision": "8", "value": STANDARD.encode(value) })
}

const LEASE: &str = r#"{"stage":"held","boot":"b1","agent":"4f","renew_ms":2000,"term_ms":20000,"watchdog_ms":10000,"beat":3}"#;

#[tokio::test(start_paused = true)]
async fn what_is_no_answer_of_etcds_is_refused_and_says_why() {
    assert_eq!(seen(&list(&[kv("cmp1", LEASE)]).to_string()).await.unwrap(), ["cmp1"]);
    let whole = list(&[kv("cmp1", LEASE)]).to_string();
    let cut_off = &whole[..whole.len() - 2];
    let (no_base64, no_number) = (whole.replace("L21h", "!!"), whole.replace("\"8\"", "\"-8\""));
    for body in ["", "<html>", "[]", "{}", cut_off, &no_base64, &no_number] {
        let error = seen(body).await.unwrap_err();
        assert!(error.starts_with("what etcd:2379 answers is no answer of etcd's: "), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn more_leases_than_are_asked_for_are_refused() {
    let mut part = list(&[kv("cmp1", LEASE)]);
    part["more"] = true.into();
    let error = seen(&part.to_string()).await.unwrap_err();
    assert_eq!(error, "there are more than 5000 keys below /masakari/lease/");
}

/// Of whom it stands nothing is known; of the others all is.
#[tokio::test(start_paused = true)]
async fn a_lease_that_is_none_blinds_nobody() {
    let long = format!("{LEASE}{}", " ".repeat(5_000));
    let all = list(&[kv("cmp1", &long), kv("cmp2", LEASE), kv("cmp3", "{")]);
    assert_eq!(seen(&all.to_string()).await.unwrap(), ["cmp2"]);
}

/// A look speaks of the moment at which it was asked for: who dies while it is answered is not seen to be dead by it.
#[tokio::test(start_paused = true)]
async fn a_lease_has_been_seen_from_its_first_answer_to_the_last_question() {
    let says =
        Says::new(&list(&[kv("cmp1", LEASE)]).to_string(), Duration::from_secs(2), SimClock::new());
    let mut observer = says.observer();
    observer.look().await.unwrap();
    says.clock.sleep(Duration::from_secs(25)).await;
    let seen = observer.look().await.unwrap();
    assert_eq!(seen[0].standing, Standing::Overdue { for_ms: 25_000 });
}

#[tokio::test(start_paused = true)]
async fn of_a_host_whose_key_is_deleted_nothing_is_known() {
    let says = Says::new(&list(&[kv("cmp1", LEASE)]).to_string(), Duration::ZERO, SimClock::new());
    let mut observer = says.observer();
    assert_eq!(observer.look().await.unwrap().len(), 1);
    says.instead(&list(&[]));
    assert_eq!(observer.look().await.unwrap(), []);
    // Made anew it is counted from then.
    says.clock.sleep(Duration::from_secs(3_600)).await;
    says.instead(&list(&[kv("cmp1", LEASE)]));
    let made_anew = observer.look().await.unwrap()[0].standing;
    assert_eq!(made_anew, Standing::Unmoved { for_ms: 0 });
}

/// Its agent died before it had armed the watchdog: nothing resets the host.
#[tokio::test(start_paused = true)]
async fn a_lease_that_was_never_held_is_no_death() {
    let taking = list(&[kv("cmp1", &LEASE.replace("held", "taking"))]).to_string();
    let says = Says::new(&taking, Duration::ZERO, SimClock::new());
    let interval = Duration::from_secs(60);
    let mut leases = Leases::new(says.observer(), interval, Arc::new(says.clock));
    let mut sights = Vec::new();
    for _ in 0..10 {
        sights.extend(leases.next().await.unwrap().hosts.into_iter().map(|seen| seen.sight));
    }
    sights.dedup();
    assert_eq!(sights, [Sight::Uncertain]);
}

/// Gives out tokens, of which the last is good.
#[derive(Debug, Default)]
struct WantsTokens(Mutex<u32>);

#[async_trait]
impl Transport for WantsTokens {
    async fn send(&self, ask: Ask, _: Duration) -> Result<Answer, TransportError> {
        let mut given = self.0.lock().unwrap();
        if ask.uri().path() == "/v3/auth/authenticate" {
            *given += 1;
            return Ok(http::Response::new(
                json!({ "token": given.to_string() }).to_string().into(),
            ));
        }
        let token = ask.headers().get(http::header::AUTHORIZATION).unwrap().to_str().unwrap();
        let is_good = token == given.to_string();
        let body =
            if is_good { list(&[]) } else { json!({ "error": "etcdserver: invalid auth token" }) };
        let answer = http::Response::builder().status(if is_good { 200 } else { 401 });
        Ok(answer.body(body.to_string().into()).unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_not_good_any_more_is_asked_for_anew() {
    let wants = Arc::new(WantsTokens::default());
    let login = Login { name: "watch".into(), password: "hush".into() };
    let etcd = Etcd::new(vec!["http://etcd:2379".parse().unwrap()], Some(login), wants.clone());
    let deadline = Duration::from_secs(3);
    assert_eq!(etcd.list(PREFIX, deadline).await.unwrap(), []);
    *wants.0.lock().unwrap() += 1;
    let error = etcd.list(PREFIX, deadline).await.unwrap_err().to_string();
    assert!(error.ends_with("invalid auth token") && !error.contains("hush"), "{error}");
    assert_eq!(etcd.list(PREFIX, deadline).await.unwrap(), []);
    assert_eq!(*wants.0.lock().unwrap(), 3);
}
