//! `/ha/v1/hosts/{host}/evidence`: a reporter attests a death, and what is known is shown.

use crate::{
    confirm::world,
    engine,
    told::reported,
    world::{Answer, Client, World},
};
use http::StatusCode;
use recovery::{
    HostName, Millis,
    evidence::{Evidence, Kind},
    log::Entry,
    request::{Asked, RequestState},
};
use serde_json::{Value, json};
use std::time::Duration;
use store::Store;

const PATH: &str = "/ha/v1/hosts/compute01/evidence";
/// When the clock of the tests begins: 2026-11-21T06:00:00Z.
const NOW: i64 = 1_795_240_800_000;

fn fenced(at: &str) -> Value {
    json!({
        "kind": "cluster_fenced",
        "at": at,
        "source": "pacemaker of rack 1",
        "raw": "st_notify_fence: compute01 off by node2: OK",
    })
}

fn with(field: &str, value: Value) -> Value {
    let mut body = fenced("2026-11-21T05:59:58Z");
    body[field] = value;
    body
}

fn evidence() -> Evidence {
    Evidence {
        host: HostName::new("compute01"),
        kind: Kind::ClusterFenced,
        at: Millis(NOW - 2_000),
        source: "pacemaker of rack 1 by admin (admin-id)".into(),
        raw: "st_notify_fence: compute01 off by node2: OK".into(),
    }
}

/// Posts it, while a stand-in for an engine answers.
async fn answered(world: &World, state: RequestState, brings: bool) -> Answer {
    let engine = async {
        world.clock.sleep(Duration::from_millis(450)).await;
        let open = world.store.open_requests(10).await.unwrap();
        let [request] = open.as_slice() else { panic!("{open:?}") };
        assert_eq!(request.asked, Asked::Attest { evidence: evidence() });
        assert_eq!(request.who, "admin (admin-id)");
        let brings = brings.then(evidence);
        world.store.answer_request(&request.id, state, "so it is", brings.as_ref()).await.unwrap();
    };
    let body = fenced("2026-11-21T06:59:58+01:00");
    tokio::join!(world.ask("POST", PATH, Some(body)), engine).0
}

#[tokio::test(start_paused = true)]
async fn what_a_reporter_attests_waits_for_an_engine_under_the_reporters_name() {
    let world = world().await;
    let answer = answered(&world, RequestState::Done, true).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.json()["request"]["answer"], "so it is");
    assert_eq!(world.woken(), 1);
    let refused = answered(&world, RequestState::Refused, false).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert_eq!(refused.json()["conflictingRequest"]["message"], "Host compute01: so it is.");
    let nobody = world.ask("POST", PATH, Some(fenced("2026-11-21T05:59:58Z"))).await;
    assert_eq!(nobody.status, StatusCode::ACCEPTED, "no engine: {nobody:?}");
    assert!(nobody.headers.contains_key("location"));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_attested_is_told_and_not_filed() {
    let world = world().await;
    for (body, part) in [
        (with("kind", json!("operator_confirmed")), "confirm-dead"),
        (with("kind", json!("monitor_said")), "/v1/notifications"),
        (with("kind", json!("storage_fenced")), "fencing.yaml"),
        (with("kind", json!("hearsay")), "one of cluster_fenced, lease_expired, powered_off"),
        (with("at", json!("2026-11-21T06:00:03Z")), "in the future"),
        (with("at", json!("2026-11-21T05:54:59Z")), "301 s old"),
        (with("at", json!("yesterday")), "date-time"),
        (with("source", json!(" ")), "'source'"),
        (with("source", json!("a\nb")), "'source'"),
        (with("source", json!("x".repeat(256))), "too long"),
        (with("raw", json!(" \n")), "'raw'"),
        (with("raw", json!("x".repeat(4001))), "too long"),
        (with("by", json!("x")), "unexpected"),
        (json!({"kind": "cluster_fenced"}), "required"),
    ] {
        let answer = world.ask("POST", PATH, Some(body.clone())).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}: {answer:?}");
        assert!(answer.text.contains(part), "{body}: {answer:?}");
    }
    let nowhere = "/ha/v1/hosts/nope/evidence";
    let answer = world.ask("POST", nowhere, Some(fenced("2026-11-21T05:59:58Z"))).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(world.ask("GET", nowhere, None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.store.open_requests(10).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn the_longest_and_oddest_that_is_taken_is_kept_as_it_was() {
    let world = world().await;
    let raw = "\u{1}\"\\\u{1f480}".repeat(1_000);
    let answer = world.ask("POST", PATH, Some(with("raw", json!(raw)))).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    let open = world.store.open_requests(10).await.unwrap();
    let Asked::Attest { evidence } = &open[0].asked else { panic!("{open:?}") };
    assert_eq!(evidence.raw, raw);
    // It waits in a column of 65,535 bytes.
    assert!(serde_json::to_string(evidence).unwrap().len() < 65_535);
}

#[tokio::test(start_paused = true)]
async fn who_may_attest_is_a_rule_of_its_own() {
    let world = world().await;
    for (method, rule) in [("POST", "ha:hosts:attest"), ("GET", "ha:hosts:evidence")] {
        let body = Some(fenced("2026-11-21T05:59:58Z")).filter(|_| method == "POST");
        let answer = world.ask_as(Client::Demo, method, PATH, body).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        let message = format!("Policy doesn't allow {rule} to be performed.");
        assert_eq!(answer.json()["forbidden"]["message"], message);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_known_is_listed_with_how_the_last_recovery_judged() {
    let world = world().await;
    let list = async || world.ask("GET", PATH, None).await.json();
    assert_eq!(list().await, json!({"evidence": [], "judgement": null}));
    let id = reported(&world).await;
    answered(&world, RequestState::Done, true).await;
    let known = list().await;
    let kinds: Vec<&Value> =
        known["evidence"].as_array().unwrap().iter().map(|e| &e["kind"]).collect();
    assert_eq!(kinds, ["cluster_fenced", "monitor_said"], "oldest first");
    assert_eq!(known["evidence"][0]["at"], "2026-11-21T05:59:58.000Z");
    assert_eq!(known["evidence"][0]["source"], evidence().source);
    assert_eq!(known["evidence"][0]["raw"], evidence().raw);
    assert_eq!(known["judgement"]["missing"], "no engine has taken the report up yet");
    let kind = Kind::ClusterFenced;
    let proven = Entry::Proven { kind, at: evidence().at, evidence: vec![evidence()] };
    engine::write(&world.store, &id, vec![engine::claimed(), proven]).await;
    let judgement = list().await["judgement"].clone();
    assert_eq!(judgement["notification"], id.as_str());
    assert_eq!(judgement["proven"], "cluster_fenced");
    assert_eq!((&judgement["status"], &judgement["missing"]), (&json!("running"), &Value::Null));
}
