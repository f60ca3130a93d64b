//! `/ha/v1`: planned stops.

use crate::{
    confirm::world,
    world::{Client, World},
};
use http::StatusCode;
use recovery::{
    HostName, Millis, NotificationId, ServerId,
    drain::{self, Event},
    lease::{LeaseKey, Owner},
    log::{Entry, Line},
};
use serde_json::{Value, json};
use store::{Claim, Store};

const STOP: &str = "/ha/v1/hosts/compute01/stop";
const RESUME: &str = "/ha/v1/hosts/compute01/resume";

async fn plan(world: &World, body: Value) -> Value {
    let answer = world.ask("POST", STOP, Some(body)).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()["stop"].clone()
}

async fn stops(world: &World) -> Value {
    let answer = world.ask("GET", "/ha/v1/stops", None).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()["stops"].clone()
}

fn report(kind: &str, payload: &Value) -> Value {
    json!({"notification": {
        "type": kind,
        "hostname": "compute01",
        "generated_time": "2026-11-21T08:08:18.000000",
        "payload": payload,
    }})
}

fn died() -> Value {
    let payload = json!({"event": "STOPPED", "cluster_status": "OFFLINE", "host_status": "NORMAL"});
    report("COMPUTE_HOST", &payload)
}

#[tokio::test(start_paused = true)]
async fn who_planned_it_why_and_how_long_is_kept_and_shown() {
    let world = world().await;
    let told =
        plan(&world, json!({"kind": "maintenance", "for": "90m", "reason": " new RAM\0 "})).await;
    assert_eq!(world.woken(), 1, "an engine in this process notices at once");
    let shown = (&told["host"], &told["kind"], &told["by"], &told["reason"]);
    let by = json!("admin (admin-id)");
    let expected = (&json!("compute01"), &json!("maintenance"), &by, &json!("new RAM\u{fffd}"));
    assert_eq!(shown, expected);
    let [stop] = &world.store.stops(Millis(0), 9).await.unwrap()[..] else { panic!() };
    assert_eq!(stop.until.since(stop.at), 90 * 60_000);
    assert_eq!(told["until"], stop.until.utc());
    assert_eq!(stops(&world).await, json!([told]));
    let told = plan(&world, json!({"kind": "stop-announced"})).await;
    assert_eq!(stops(&world).await, json!([told]), "one stands of a host");
    let [stop] = &world.store.stops(Millis(0), 9).await.unwrap()[..] else { panic!() };
    assert_eq!(stop.until.since(stop.at), 30 * 60_000, "as long as usual");
}

#[tokio::test(start_paused = true)]
async fn a_report_of_its_death_is_kept_for_the_end_and_others_are_refused() {
    let world = world().await;
    plan(&world, json!({"kind": "stop-announced", "for": "10m"})).await;
    for (kind, payload) in [
        ("PROCESS", json!({"event": "STOPPED", "process_name": "nova-compute"})),
        (
            "VM",
            json!({
                "event": "LIFECYCLE",
                "instance_uuid": "3c9a1c1e-5f77-4d2e-9d6a-8e5f6a7b8c9d",
                "vir_domain_event": "STOPPED_FAILED",
            }),
        ),
    ] {
        let answer = world.ask("POST", "/v1/notifications", Some(report(kind, &payload))).await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "{answer:?}");
        let message = answer.json()["conflictingRequest"]["message"].to_string();
        assert!(message.contains("a planned stop of the host stands until"), "{message}");
    }
    let answer = world.ask("POST", "/v1/notifications", Some(died())).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    let id = answer.json()["notification"]["notification_uuid"].clone();
    let shown = stops(&world).await;
    assert_eq!((&shown[0]["notification"], &shown[0]["notification_status"]), (&id, &json!("new")));
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_ended_by_hand_once() {
    let world = world().await;
    let refused = world.ask("POST", RESUME, None).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{refused:?}");
    let planned = plan(&world, json!({"kind": "maintenance"})).await;
    let ended = world.ask("POST", RESUME, None).await;
    assert_eq!(ended.status, StatusCode::OK, "{ended:?}");
    assert_eq!(ended.json()["stop"]["id"], planned["id"]);
    assert_eq!(stops(&world).await, json!([]));
    assert_eq!(world.ask("POST", RESUME, None).await.status, StatusCode::CONFLICT);
}

/// What waits for the end of the stop begins; it is not reported a second time.
#[tokio::test(start_paused = true)]
async fn a_persons_report_goes_before_what_is_planned() {
    let world = world().await;
    plan(&world, json!({"kind": "maintenance"})).await;
    let waits = world.ask("POST", "/v1/notifications", Some(died())).await;
    let waits = waits.json()["notification"]["notification_uuid"].clone();
    let recover = async || world.ask("POST", "/ha/v1/hosts/compute01/recover", None).await;
    let answer = recover().await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    assert_eq!(answer.json()["notification"]["notification_uuid"], waits);
    let ended = answer.json()["ended_stop"].clone();
    assert_eq!((&ended["host"], &ended["kind"]), (&json!("compute01"), &json!("maintenance")));
    assert_eq!(stops(&world).await, json!([]));
    let id = NotificationId::new(waits.as_str().unwrap());
    assert!(world.store.notification(&id).await.unwrap().is_some());
    assert_eq!(world.store.all_notifications().len(), 1);
    assert_eq!(recover().await.status, StatusCode::CONFLICT, "as without a stop");
}

#[tokio::test(start_paused = true)]
async fn a_persons_report_ends_a_stop_for_which_nothing_waits_and_says_so() {
    let world = world().await;
    let planned = plan(&world, json!({"kind": "maintenance"})).await;
    let answer = world.ask("POST", "/ha/v1/hosts/compute01/recover", None).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    assert_eq!(answer.json()["ended_stop"]["id"], planned["id"]);
    assert_eq!(stops(&world).await, json!([]));
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_is_a_400_that_says_why() {
    let world = world().await;
    for (body, why) in [
        (json!({}), "'kind' is a required property"),
        (json!({"kind": "drain-cold"}), "'drain-cold' is not one of"),
        (json!({"kind": "maintenance", "cold": true}), "'cold' is said of a drain"),
        (json!({"kind": "drain", "cold": "perhaps"}), "cold"),
        (json!({"kind": "maintenance", "for": "2 weeks"}), "as in 90s, 30m, 2h or 1d"),
        (json!({"kind": "maintenance", "for": "8d"}), "seven days at most"),
        (json!({"kind": "maintenance", "for": 7}), "is not of type 'string'"),
        (json!({"kind": "maintenance", "who": "me"}), "who"),
    ] {
        let answer = world.ask("POST", STOP, Some(body)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
        let message = answer.json()["badRequest"]["message"].to_string();
        assert!(message.contains(why), "{message}");
    }
    let answer =
        world.ask("POST", "/ha/v1/hosts/nobody/stop", Some(json!({"kind": "maintenance"})));
    assert_eq!(answer.await.status, StatusCode::NOT_FOUND);
    assert_eq!(stops(&world).await, json!([]));
}

#[tokio::test(start_paused = true)]
async fn only_those_whom_the_policy_trusts_may_plan_end_or_see_stops() {
    let world = world().await;
    for (method, path, body, rule) in [
        ("POST", STOP, Some(json!({"kind": "maintenance"})), "ha:stops:create"),
        ("POST", RESUME, None, "ha:stops:delete"),
        ("GET", "/ha/v1/stops", None, "ha:stops:index"),
    ] {
        let answer = world.ask_as(Client::Demo, method, path, body).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        let message = format!("Policy doesn't allow {rule} to be performed.");
        assert_eq!(answer.json()["forbidden"]["message"], message);
    }
    assert_eq!(stops(&world).await, json!([]));
}

/// A drain mutes nothing, and tells how far it is also when it is over.
#[tokio::test(start_paused = true)]
async fn a_drain_is_planned_and_told_by_its_log() {
    let world = world().await;
    let drain = plan(&world, json!({"kind": "drain", "cold": true, "for": "4h"})).await;
    assert_eq!(drain["kind"], "drain-cold");
    let path = format!("/ha/v1/drains/{}", drain["id"].as_str().unwrap());
    let told = world.ask("GET", &path, None).await;
    assert_eq!(told.status, StatusCode::OK, "{told:?}");
    let new = told.json()["drain"].clone();
    assert_eq!((&new["host"], &new["over"]), (&json!("compute01"), &json!(false)));
    assert_eq!(new["text"], "drain of host compute01: going on; 0 moved, 0 on their way, 0 stay\n");
    let answer = world
        .ask(
            "POST",
            "/v1/notifications",
            Some(report("PROCESS", &json!({"event": "STOPPED", "process_name": "nova-compute"}))),
        )
        .await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "servers are on it: {answer:?}");
    // An engine takes it up and leaves one.
    let log = drain::log_of(drain["id"].as_str().unwrap());
    let claim = Claim { key: LeaseKey::recovery(&log), seen: None };
    let lease = world.store.take(&[claim], &Owner("e".into())).await.unwrap().unwrap().remove(0);
    let events = [
        Event::Began { host: HostName::new("compute01") },
        Event::Left { server: ServerId::new("s1"), name: "db".into(), why: "it is off".into() },
    ];
    let lines: Vec<Line> = (1..)
        .zip(events)
        .map(|(seq, event)| Line { seq, at: world.clock.wall(), entry: Entry::Drain(event) })
        .collect();
    world.store.append(&lease, &log, &lines, &[]).await.unwrap();
    assert_eq!(world.ask("POST", RESUME, None).await.status, StatusCode::OK);
    let over = world.ask("GET", &path, None).await.json()["drain"].clone();
    assert_eq!((&over["over"], &over["end"]), (&json!(true), &json!(null)));
    assert_eq!(over["left"], json!([{"id": "s1", "name": "db", "why": "it is off"}]));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_drain_is_not_found() {
    let world = world().await;
    let stop = plan(&world, json!({"kind": "maintenance"})).await;
    let waits = world.ask("POST", "/v1/notifications", Some(died())).await;
    let report = waits.json()["notification"]["notification_uuid"].clone();
    for id in [&stop["id"], &report, &json!("x"), &json!("3c9a1c1e-5f77-4d2e-9d6a-8e5f6a7b8c9d")] {
        let path = format!("/ha/v1/drains/{}", id.as_str().unwrap());
        let answer = world.ask("GET", &path, None).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}: {answer:?}");
    }
    let path = format!("/ha/v1/drains/{}", stop["id"].as_str().unwrap());
    let refused = world.ask_as(Client::Demo, "GET", &path, None).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}
