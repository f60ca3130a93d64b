//! The mirror, before an API that lists as Python's does (`masakari/db/sqlalchemy/api.py`: a marker is the number of the
//! last row).

use super::*;
use async_trait::async_trait;
use bytes::Bytes;
use openstack::Session;
use ports::{Answer, Ask, Boot, SeededEntropy, Transport, TransportError};
use recovery::{
    lease::{LeaseKey, Owner},
    log::{Entry, Line, Summary},
    nouns::NotificationStatus,
};
use serde_json::{Value, json};
use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};
use store::{Claim, Memory};

const NOON: Millis = Millis(1_795_260_000_000);

/// The time of the paused runtime.
#[derive(Debug)]
struct At(tokio::time::Instant);

#[async_trait]
impl Clock for At {
    fn wall(&self) -> Millis {
        NOON.plus(i64::try_from(self.0.elapsed().as_millis()).unwrap())
    }

    fn boot(&self) -> Boot {
        Boot(self.wall().0.unsigned_abs())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    async fn sleep(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }
}

/// Python's API.
#[derive(Debug, Default)]
struct Python {
    away: AtomicBool,
    reports: Mutex<Vec<Value>>,
    segments: Mutex<Vec<Value>>,
    hosts: Mutex<Vec<Value>>,
    asked: Mutex<Vec<String>>,
}

impl Python {
    fn with_a_host() -> Arc<Self> {
        let python = Self::default();
        python.segments.lock().unwrap().push(json!({
            "id": 1, "uuid": "segment", "name": "ssd", "service_type": "COMPUTE", "description": null,
            "recovery_method": "auto", "created_at": null, "updated_at": null,
        }));
        python.hosts.lock().unwrap().push(host("host-id", "compute01"));
        Arc::new(python)
    }

    fn is_told(&self, uuid: &str, at: Millis) {
        let mut reports = self.reports.lock().unwrap();
        let at = at.iso().trim_end_matches('Z').to_owned();
        let report = json!({
            "id": reports.len() + 1, "notification_uuid": uuid, "generated_time": at,
            "source_host_uuid": "host-id", "type": "COMPUTE_HOST", "status": "new",
            "payload": {"event": "STOPPED", "host_status": "NORMAL", "cluster_status": "OFFLINE"},
            "created_at": at, "updated_at": null,
        });
        reports.push(report);
    }

    fn notifications(&self, query: &str) -> Value {
        let word = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name));
        assert_eq!((word("sort_key="), word("sort_dir=")), (Some("id"), Some("desc")), "{query}");
        let before = word("marker=").map_or(i64::MAX, |marker| marker.parse().unwrap());
        let most: usize = word("limit=").unwrap().parse().unwrap();
        let reports = self.reports.lock().unwrap();
        let page = reports.iter().rev().filter(|r| r["id"].as_i64().unwrap() < before);
        json!({ "notifications": page.take(most).collect::<Vec<_>>() })
    }
}

fn host(uuid: &str, name: &str) -> Value {
    json!({
        "id": 1, "uuid": uuid, "name": name, "failover_segment_id": "segment", "type": "COMPUTE",
        "control_attributes": "SSH", "reserved": false, "on_maintenance": false,
        "created_at": null, "updated_at": null,
    })
}

#[async_trait]
impl Transport for Python {
    async fn send(&self, ask: Ask, _: Duration) -> Result<Answer, TransportError> {
        assert_eq!(*ask.method(), http::Method::GET);
        let path = ask.uri().path().to_owned();
        self.asked.lock().unwrap().push(path.clone());
        if self.away.load(Ordering::Relaxed) {
            return Err(TransportError::Unreachable { to: path, why: "nobody".into() });
        }
        let query = ask.uri().query().unwrap_or_default();
        let list = |name: &str, of: &Mutex<Vec<Value>>| match query.contains("marker=") {
            true => json!({ name: [] }),
            false => json!({ name: *of.lock().unwrap() }),
        };
        let body = match path.rsplit('/').next() {
            Some("notifications") => self.notifications(query),
            Some("segments") => list("segments", &self.segments),
            Some("hosts") => list("hosts", &self.hosts),
            other => panic!("{other:?} was asked for"),
        };
        Ok(http::Response::new(Bytes::from(body.to_string())))
    }
}

struct Stage {
    python: Arc<Python>,
    memory: Memory,
    clock: Arc<At>,
}

impl Stage {
    #[expect(clippy::disallowed_methods, reason = "the paused clock begins here")]
    fn new() -> Self {
        let clock = Arc::new(At(tokio::time::Instant::now()));
        Self { python: Python::with_a_host(), memory: Memory::new(), clock }
    }

    /// As it is started, for the first time or again.
    fn mirror(&self) -> Mirror {
        let endpoint = "http://python:15868/v1".parse().unwrap();
        let entropy = Arc::new(SeededEntropy::new(1));
        let session =
            Session::none(endpoint, None, self.python.clone(), self.clock.clone(), entropy);
        Mirror::new(Client::new(session), Arc::new(self.memory.clone()), self.clock.clone())
    }

    /// The shadow has its verdict.
    async fn judged(&self, id: &str) {
        let id = NotificationId::new(id);
        let claim = Claim { key: LeaseKey::recovery(&id), seen: None };
        let taken = self.memory.take(&[claim], &Owner("shadow".into())).await.unwrap();
        let lease = taken.unwrap().remove(0);
        let (status, message) = (NotificationStatus::Ignored, None);
        let entry = Entry::Ended { status, message: message.clone() };
        let line = Line { seq: 1, at: NOON, entry };
        let summary = Summary::Status { status, message };
        self.memory.append(&lease, &id, &[line], &[summary]).await.unwrap();
        self.memory.release(&[lease]).await.unwrap();
    }

    fn filed(&self) -> Vec<String> {
        self.memory.all_notifications().into_iter().map(|n| n.uuid.to_string()).collect()
    }
}

fn filed(filed: usize) -> Passed {
    Passed { filed, too_old: 0 }
}

#[tokio::test(start_paused = true)]
async fn what_python_is_told_is_filed_once_under_its_own_id() {
    let stage = Stage::new();
    let mirror = stage.mirror();
    assert_eq!(mirror.pass().await.unwrap(), filed(0));
    stage.python.is_told("report", NOON);
    assert_eq!(mirror.pass().await.unwrap(), filed(1));
    assert_eq!(mirror.pass().await.unwrap(), filed(0));
    let [only] = <[_; 1]>::try_from(stage.memory.all_notifications()).unwrap();
    assert_eq!((only.uuid.as_str(), only.status), ("report", NotificationStatus::New));
    assert_eq!(only.created_at, Some(NOON), "as Python took it");
    let evidence = stage.memory.evidence(&HostName::new("compute01")).await.unwrap();
    assert_eq!(evidence.len(), 1);
    assert_eq!((evidence[0].kind, evidence[0].at), (Kind::MonitorSaid, NOON));
}

#[tokio::test(start_paused = true)]
async fn a_mirror_that_is_started_again_goes_on_where_it_was() {
    let stage = Stage::new();
    stage.python.is_told("first", NOON.plus(-5_000));
    assert_eq!(stage.mirror().pass().await.unwrap(), filed(1));
    stage.python.is_told("second", NOON.plus(-1_000));
    assert_eq!(stage.mirror().pass().await.unwrap(), filed(1));
    assert_eq!(stage.filed(), ["first", "second"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_reported_before_the_first_start_is_history() {
    let stage = Stage::new();
    for n in 0..250 {
        stage.python.is_told(&format!("old-{n}"), NOON.plus(-86_400_000 + n));
    }
    assert_eq!(stage.mirror().pass().await.unwrap(), filed(0));
    let pages = stage.python.asked.lock().unwrap().len();
    assert_eq!(pages, 1, "one page is enough to see that");
}

#[tokio::test(start_paused = true)]
async fn what_was_reported_while_nothing_was_mirrored_is_filed_while_it_is_fresh_and_else_told() {
    let stage = Stage::new();
    stage.python.is_told("seen", NOON.plus(-1_000));
    assert_eq!(stage.mirror().pass().await.unwrap(), filed(1));
    tokio::time::advance(Duration::from_secs(3_600)).await;
    stage.python.is_told("missed", NOON.plus(60_000));
    stage.python.is_told("fresh", NOON.plus(3_570_000));
    let again = stage.mirror();
    assert_eq!(again.pass().await.unwrap(), Passed { filed: 1, too_old: 1 });
    assert_eq!(again.pass().await.unwrap(), filed(0), "told once");
    assert_eq!(stage.filed(), ["seen", "fresh"]);
}

#[tokio::test(start_paused = true)]
async fn more_than_a_page_of_new_reports_is_filed_whole_and_in_order() {
    let stage = Stage::new();
    let ids: Vec<String> = (0..230).map(|n| format!("report-{n:03}")).collect();
    for (n, id) in (0..).zip(&ids) {
        stage.python.is_told(id, NOON.plus(-300_000 + n));
    }
    assert_eq!(stage.mirror().pass().await.unwrap(), filed(230));
    assert_eq!(stage.filed(), ids);
}

#[tokio::test(start_paused = true)]
async fn an_api_that_is_away_is_told_once_and_asked_again() {
    let stage = Stage::new();
    let mirror = stage.mirror();
    stage.python.is_told("report", NOON);
    stage.python.away.store(true, Ordering::Relaxed);
    let error = format!("{:#}", mirror.pass().await.unwrap_err());
    assert!(error.starts_with("Python's notifications: "), "{error}");
    assert!(error.contains("nobody listens there"), "{error}");
    let there_again = async {
        stage.clock.sleep(Duration::from_secs(60)).await;
        assert!(mirror.away.get());
        stage.python.away.store(false, Ordering::Relaxed);
        stage.clock.sleep(Duration::from_secs(60)).await;
    };
    let filed = std::cell::Cell::new(0);
    tokio::select! {
        () = mirror.run(|| filed.set(filed.get() + 1)) => unreachable!(),
        () = there_again => {}
    }
    assert_eq!(filed.get(), 1);
    assert_eq!(stage.filed(), ["report"]);
    assert!(!mirror.away.get());
}

#[tokio::test(start_paused = true)]
async fn a_report_whose_host_is_gone_is_left_out_and_told_once() {
    let stage = Stage::new();
    let mirror = stage.mirror();
    stage.python.hosts.lock().unwrap().clear();
    stage.python.is_told("report", NOON);
    assert_eq!(mirror.pass().await.unwrap(), filed(0));
    let looks = || {
        let asked = stage.python.asked.lock().unwrap();
        asked.iter().filter(|path| path.ends_with("/segments")).count()
    };
    let before = looks();
    assert_eq!(mirror.pass().await.unwrap(), filed(0));
    assert_eq!(looks(), before, "its host is not looked for again");
}

#[tokio::test(start_paused = true)]
async fn hosts_are_as_python_has_them_at_each_report() {
    let stage = Stage::new();
    let mirror = stage.mirror();
    stage.python.is_told("first", NOON);
    mirror.pass().await.unwrap();
    stage.judged("first").await;
    {
        // It was put in again, and another one got its place.
        let mut spare = host("spare-id", "compute02");
        spare["reserved"] = json!(true);
        let mut again = host("host-id", "compute01");
        (again["control_attributes"], again["on_maintenance"]) = (json!("ipmi"), json!(true));
        *stage.python.hosts.lock().unwrap() = vec![again, spare];
    }
    stage.python.is_told("second", NOON);
    mirror.pass().await.unwrap();
    stage.judged("second").await;
    let row =
        async |name: &str| stage.memory.host_named(&HostName::new(name)).await.unwrap().unwrap();
    let (first, spare) = (row("compute01").await, row("compute02").await);
    assert_eq!(first.control_attributes, "ipmi");
    assert!(!first.on_maintenance, "that is Python's, since it took the report up");
    assert!(spare.reserved);
    *stage.python.hosts.lock().unwrap() =
        vec![host("new-id", "compute02"), host("host-id", "compute01")];
    stage.python.is_told("third", NOON);
    mirror.pass().await.unwrap();
    assert_eq!(row("compute02").await.uuid.as_str(), "new-id");
}
