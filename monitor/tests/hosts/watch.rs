//! Hosts that die and come back, and what the API is told of it, in virtual time.

use async_trait::async_trait;
use bytes::Bytes;
use monitor::{
    Board, Sender, SendingConfig,
    hosts::{Driven, Hosts, HostsConfig, Power, Source, SourceFault, TURN_MOST, WatchHosts},
};
use openstack::{Session, instance_ha::Client};
use ports::{Answer, Ask, Clock, Entropy, SeededEntropy, Transport, TransportError};
use recovery::{
    HostName, Millis,
    evidence::Kind,
    verdict::{Proof, Quorum, Round, Rule, Seen, Sight},
};
use serde_json::{Value, json};
use sim::SimClock;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::mpsc;

const SECOND: Duration = Duration::from_secs(1);

/// An API that takes everything, or answers a status to everything; `took`: where and what.
#[derive(Clone, Debug)]
struct Api {
    status: Arc<Mutex<u16>>,
    took: Arc<Mutex<Vec<(String, Value)>>>,
}

#[async_trait]
impl Transport for Api {
    async fn send(&self, ask: Ask, _: Duration) -> Result<Answer, TransportError> {
        let status = *self.status.lock().unwrap();
        if status == 0 {
            return Err(TransportError::Unreachable { to: "api".into(), why: "away".into() });
        }
        let path = ask.uri().path().to_owned();
        let body: Value = serde_json::from_slice(ask.body()).unwrap();
        self.took.lock().unwrap().push((path.clone(), body.clone()));
        let answer = if path.ends_with("/evidence") || path.ends_with("/confirm-dead") {
            json!({ "request": { "id": "r1", "state": "done", "answer": "taken" } })
        } else {
            let mut taken = body["notification"].clone();
            for (name, value) in [
                ("id", json!(1)),
                ("notification_uuid", json!("n")),
                ("source_host_uuid", json!("h")),
                ("status", json!("new")),
            ] {
                taken[name] = value;
            }
            json!({ "notification": taken })
        };
        let body = Bytes::from(answer.to_string());
        Ok(http::Response::builder().status(status).body(body).unwrap())
    }
}

/// A source that shows what it is told to.
#[derive(Debug)]
struct Shown(mpsc::UnboundedReceiver<Result<Round, SourceFault>>);

#[async_trait]
impl Source for Shown {
    fn name(&self) -> &'static str {
        "shown"
    }

    async fn next(&mut self) -> Result<Round, SourceFault> {
        match self.0.recv().await {
            Some(round) => round,
            None => std::future::pending().await,
        }
    }
}

/// A look at the power, which takes a while.
#[derive(Debug)]
struct Switch {
    is_off: bool,
    clock: SimClock,
}

#[async_trait]
impl Power for Switch {
    async fn is_off(&self, _: &HostName) -> Result<(), String> {
        self.clock.sleep(SECOND * 20).await;
        if self.is_off { Ok(()) } else { Err("Chassis Power is on".into()) }
    }
}

struct World {
    clock: SimClock,
    api: Api,
    board: Board,
    show: mpsc::UnboundedSender<Result<Round, SourceFault>>,
}

impl World {
    async fn shows(&self, sight: Sight, proof: Option<Proof>) {
        let seen = Seen { proof, ..Seen::new(HostName::new("cmp1"), sight) };
        self.show.send(Ok(Round::quorate(vec![seen]))).unwrap();
        self.clock.sleep(SECOND).await;
    }

    /// Takes what was told since: `STOPPED OFFLINE NORMAL`, or the kind of evidence.
    fn told(&self) -> Vec<String> {
        let took = std::mem::take(&mut *self.api.took.lock().unwrap());
        let told = took.iter().map(|(path, body)| {
            let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            if path.starts_with("/ha") {
                return format!("{} {}", path.rsplit('/').next().unwrap(), word(&body["kind"]))
                    .trim()
                    .to_owned();
            }
            let payload = &body["notification"]["payload"];
            let words = ["event", "cluster_status", "host_status"].map(|name| word(&payload[name]));
            words.join(" ")
        });
        told.collect()
    }
}

/// Tells a story in a world with a monitor.
async fn story<F: Future<Output = ()>>(
    power: Option<bool>,
    require_proof: bool,
    story: impl FnOnce(Arc<World>) -> F,
) {
    let clock = SimClock::new();
    let api = Api { status: Arc::new(Mutex::new(202)), took: Arc::default() };
    let (show, shown) = mpsc::unbounded_channel();
    let (shared, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>) =
        (Arc::new(clock), Arc::new(SeededEntropy::new(7)));
    let board = Board::new(shared.clone());
    let world = Arc::new(World { clock, api: api.clone(), board: board.clone(), show });
    let url = url::Url::parse("http://m:15868/v1").unwrap();
    let session = Session::none(url, None, Arc::new(api), shared.clone(), entropy.clone());
    let (client, hosts) = (Client::new(session), Hosts::default());
    let config = SendingConfig::of_python(12, SECOND * 10);
    let (reporter, sender) = Sender::new(
        &config,
        None,
        client.clone(),
        Arc::new(hosts.clone()),
        shared.clone(),
        entropy.clone(),
    );
    let power = power.map(|is_off| Arc::new(Switch { is_off, clock }) as Arc<dyn Power>);
    let watch = WatchHosts {
        config: HostsConfig {
            hostname: HostName::new("ctl1"),
            interval: SECOND * 60,
            samples: 1,
            timeout: SECOND * 30,
            rule: Rule::All,
            require_proof,
        },
        sources: vec![Driven { source: Box::new(Shown(shown)), power }],
        hosts,
        reporter,
        client,
        mark: board.mark("hosts", None, TURN_MOST),
        clock: shared,
        entropy,
    };
    tokio::select! {
        () = watch.run() => {}
        () = sender.run(std::future::pending()) => {}
        () = story(world) => {}
    }
}

fn fenced(world: &World) -> Option<Proof> {
    let at = Millis(world.clock.wall().0 / 1000 * 1000);
    Some(Proof { kind: Kind::ClusterFenced, at, detail: "reboot of cmp1: success".into() })
}

#[tokio::test(start_paused = true)]
async fn a_death_and_a_return_are_told_as_pythons_monitor_tells_them() {
    story(None, false, |world| async move {
        world.shows(Sight::Online, None).await;
        assert_eq!(world.told(), [""; 0]);
        world.shows(Sight::Offline, None).await;
        let took = world.api.took.lock().unwrap().clone();
        let [(path, body)] = took.as_slice() else { panic!("{took:?}") };
        assert_eq!(path, "/v1/notifications");
        let mut expected = json!({"notification": {
            "type": "COMPUTE_HOST",
            "hostname": "cmp1",
            "payload": {"event": "STOPPED", "cluster_status": "OFFLINE", "host_status": "NORMAL"},
        }});
        let at = &body["notification"]["generated_time"];
        assert!(at.as_str().unwrap().starts_with("2025-11-21T08:00:0"), "{at}");
        expected["notification"]["generated_time"] = at.clone();
        assert_eq!(*body, expected);
        world.told();
        world.shows(Sight::Offline, None).await;
        assert_eq!(world.told(), [""; 0]);
        world.shows(Sight::Online, None).await;
        assert_eq!(world.told(), ["STARTED ONLINE NORMAL"]);
        world.shows(Sight::Offline, None).await;
        assert_eq!(world.told(), ["STOPPED OFFLINE NORMAL"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_was_proven_is_told_as_evidence_and_makes_an_unknown_status_normal() {
    story(None, true, |world| async move {
        world.shows(Sight::Offline, None).await;
        assert_eq!(world.told(), ["STOPPED OFFLINE UNKNOWN"]);
        world.shows(Sight::Offline, fenced(&world)).await;
        let mut told = world.told();
        told.sort_unstable();
        assert_eq!(told, ["STOPPED OFFLINE NORMAL", "evidence cluster_fenced"]);
        world.shows(Sight::Offline, fenced(&world)).await;
        assert_eq!(world.told(), [""; 0]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_persons_word_is_told_as_one() {
    story(None, false, |world| async move {
        let proof = fenced(&world).map(|proof| Proof { kind: Kind::OperatorConfirmed, ..proof });
        let at = proof.as_ref().map(|proof| proof.at.iso());
        world.shows(Sight::Offline, proof).await;
        let brought =
            world.api.took.lock().unwrap().iter().find_map(|(_, body)| body.get("at").cloned());
        assert_eq!(brought, at.map(Value::from), "it is of when it was said");
        let mut told = world.told();
        told.sort_unstable();
        assert_eq!(told, ["STOPPED OFFLINE NORMAL", "confirm-dead"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_power_of_a_host_decides_what_is_said_of_it_where_nothing_is_proven() {
    for (is_off, expected) in [(true, "STOPPED OFFLINE NORMAL"), (false, "STOPPED OFFLINE UNKNOWN")]
    {
        story(Some(is_off), false, |world| async move {
            world.shows(Sight::Offline, None).await;
            assert_eq!(world.told(), [""; 0]);
            world.clock.sleep(SECOND * 22).await;
            assert_eq!(world.told(), [expected]);
        })
        .await;
    }
    // It is back before that is known.
    story(Some(true), false, |world| async move {
        world.shows(Sight::Offline, None).await;
        world.shows(Sight::Online, None).await;
        world.clock.sleep(SECOND * 40).await;
        assert_eq!(world.told(), [""; 0]);
    })
    .await;
    // It is proven before that is known.
    story(Some(false), false, |world| async move {
        world.shows(Sight::Offline, None).await;
        world.shows(Sight::Offline, fenced(&world)).await;
        world.clock.sleep(SECOND * 40).await;
        let mut told = world.told();
        told.sort_unstable();
        assert_eq!(told, ["STOPPED OFFLINE NORMAL", "evidence cluster_fenced"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_told_is_looked_at_again_before_it_is() {
    story(None, false, |world| async move {
        *world.api.status.lock().unwrap() = 0;
        world.shows(Sight::Offline, None).await;
        world.clock.sleep(SECOND * 30).await;
        world.shows(Sight::Online, None).await;
        *world.api.status.lock().unwrap() = 202;
        world.clock.sleep(SECOND * 60).await;
        let told = world.told();
        assert!(!told.contains(&"STOPPED OFFLINE NORMAL".to_owned()), "{told:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn evidence_is_brought_until_it_is_answered_or_the_host_is_back() {
    story(None, false, |world| async move {
        *world.api.status.lock().unwrap() = 503;
        world.shows(Sight::Offline, fenced(&world)).await;
        world.clock.sleep(SECOND * 20).await;
        let tried = world.told().iter().filter(|told| told.starts_with("evidence")).count();
        assert!((3..=6).contains(&tried), "{tried}");
        world.shows(Sight::Online, None).await;
        *world.api.status.lock().unwrap() = 202;
        world.told();
        world.clock.sleep(SECOND * 60).await;
        assert!(world.told().iter().all(|told| !told.starts_with("evidence")));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_is_cut_off_or_cannot_ask_says_nothing() {
    story(None, false, |world| async move {
        world.shows(Sight::Online, None).await;
        let why = || "Pacemaker cluster doesn't have quorum.".to_owned();
        world.show.send(Ok(Round::silent(Quorum::NotQuorate { why: why() }))).unwrap();
        world.show.send(Err(SourceFault("crm_mon: Not connected".into()))).unwrap();
        world.clock.sleep(SECOND * 600).await;
        assert_eq!(world.told(), [""; 0]);
        world.shows(Sight::Offline, None).await;
        world.clock.sleep(SECOND * 10).await;
        assert_eq!(world.told(), ["STOPPED OFFLINE NORMAL"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn however_long_a_source_shows_nothing_the_loop_is_seen_to_turn() {
    story(None, false, |world| async move {
        for minute in 0..60 {
            if minute == 20 {
                world.shows(Sight::Online, None).await;
            }
            world.clock.sleep(SECOND * 60).await;
            assert_eq!(world.board.stuck(), [""; 0], "in minute {minute}");
        }
    })
    .await;
}
