//! What a report of a failure becomes.

use crate::world::World;
use http::StatusCode;
use recovery::{
    HostName, NotificationId,
    evidence::{Kind, Sighting, Sign},
};
use serde_json::{Value, json};
use std::time::Duration;
use store::Store;

/// A segment with the host compute01 in it.
async fn world() -> World {
    let world = World::new();
    let segment = json!({"name": "s", "recovery_method": "auto", "service_type": "COMPUTE"});
    let made = world.ask("POST", "/v1/segments", Some(json!({ "segment": segment }))).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let path = format!("/v1/segments/{}/hosts", made.json()["segment"]["uuid"].as_str().unwrap());
    let host = json!({"name": "compute01", "type": "COMPUTE", "control_attributes": "SSH"});
    let made = world.ask("POST", &path, Some(json!({ "host": host }))).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    world
}

fn report(payload: &Value) -> Value {
    json!({"notification": {
        "type": "COMPUTE_HOST",
        "hostname": "compute01",
        "generated_time": "2026-11-21T10:00:00",
        "payload": payload,
    }})
}

fn died() -> Value {
    json!({"event": "STOPPED", "cluster_status": "OFFLINE", "host_status": "NORMAL"})
}

#[tokio::test(start_paused = true)]
async fn a_monitor_that_is_sure_of_a_death_leaves_evidence_and_wakes_the_engine() {
    let world = world().await;
    let accepted = world.ask("POST", "/v1/notifications", Some(report(&died()))).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED, "{accepted:?}");
    let uuid = accepted.json()["notification"]["notification_uuid"].as_str().unwrap().to_owned();
    let evidence = world.store.evidence(&HostName::new("compute01")).await.unwrap();
    let [said] = evidence.as_slice() else { panic!("{evidence:?}") };
    assert_eq!(said.kind, Kind::MonitorSaid);
    assert_eq!(said.source, format!("monitor report {uuid}"));
    assert_eq!(said.raw, died().to_string());
    assert_eq!(world.woken(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_monitor_that_is_not_sure_leaves_no_evidence() {
    let world = world().await;
    for payload in [
        json!({"event": "STOPPED", "host_status": "UNKNOWN"}),
        json!({"event": "STOPPED"}),
        json!({"event": "STARTED", "host_status": "NORMAL"}),
    ] {
        let accepted = world.ask("POST", "/v1/notifications", Some(report(&payload))).await;
        assert_eq!(accepted.status, StatusCode::ACCEPTED, "{accepted:?}");
    }
    assert_eq!(world.store.evidence(&HostName::new("compute01")).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_report_that_says_the_same_in_another_order_is_a_duplicate() {
    let world = world().await;
    let first = r#"{"event": "STOPPED", "host_status": "NORMAL"}"#;
    let again = r#"{"host_status": "NORMAL", "event": "STOPPED"}"#;
    let mut statuses = Vec::new();
    for payload in [first, again] {
        // As text, because the order counts.
        let body = report(&json!("PAYLOAD")).to_string().replace("\"PAYLOAD\"", payload);
        let request = http::Request::post("/v1/notifications")
            .header("x-auth-token", crate::cloud::ADMIN_TOKEN)
            .body(body.into());
        statuses.push(world.send(request.unwrap()).await.status.as_u16());
    }
    assert_eq!(statuses, [202, 409]);
    assert_eq!(world.woken(), 1, "a duplicate is no work");
}

#[tokio::test(start_paused = true)]
async fn of_many_reports_that_come_at_once_one_is_accepted() {
    let world = world().await;
    let asks = (0..20).map(|_| world.ask("POST", "/v1/notifications", Some(report(&died()))));
    let answers = futures::future::join_all(asks).await;
    let accepted = answers.iter().filter(|answer| answer.status == StatusCode::ACCEPTED).count();
    assert_eq!(accepted, 1);
    assert_eq!(world.store.all_notifications().len(), 1);
}

/// A report of another kind about the same host.
fn other(kind: &str, payload: &Value) -> Value {
    let mut report = report(payload);
    report["notification"]["type"] = json!(kind);
    report
}

async fn uuid_of(world: &World, report: Value) -> NotificationId {
    let accepted = world.ask("POST", "/v1/notifications", Some(report)).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED, "{accepted:?}");
    NotificationId::new(accepted.json()["notification"]["notification_uuid"].as_str().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_host_on_maintenance_for_a_process_is_still_heard_when_it_dies() {
    let world = world().await;
    let stopped = json!({"event": "STOPPED", "process_name": "libvirtd"});
    let id = uuid_of(&world, other("PROCESS", &stopped)).await;
    crate::engine::retire_host(&world.store, &id).await;
    let again = json!({"event": "STOPPED", "process_name": "nova-compute"});
    let refused = world.ask("POST", "/v1/notifications", Some(other("PROCESS", &again))).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{refused:?}");
    uuid_of(&world, report(&died())).await;
}

#[tokio::test(start_paused = true)]
async fn a_host_that_a_person_put_on_maintenance_is_not_heard() {
    let world = world().await;
    let stopped = json!({"event": "STOPPED", "process_name": "libvirtd"});
    let id = uuid_of(&world, other("PROCESS", &stopped)).await;
    crate::engine::retire_host(&world.store, &id).await;
    let host = world.store.host_named(&HostName::new("compute01")).await.unwrap().unwrap();
    let path = format!("/v1/segments/{}/hosts/{}", host.segment, host.uuid);
    let on = json!({"host": {"on_maintenance": true}});
    assert_eq!(world.ask("PUT", &path, Some(on)).await.status, StatusCode::OK);
    let refused = world.ask("POST", "/v1/notifications", Some(report(&died()))).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn who_says_that_a_host_is_there_leaves_a_sign_of_life() {
    let world = world().await;
    let host = HostName::new("compute01");
    let said = |payload: Value| world.ask("POST", "/v1/notifications", Some(report(&payload)));
    for unsure in [json!({"event": "STARTED"}), died()] {
        assert_eq!(said(unsure).await.status, StatusCode::ACCEPTED);
    }
    let process =
        |event| other("PROCESS", &json!({"process_name": "nova-compute", "event": event}));
    world.ask("POST", "/v1/notifications", Some(process("STOPPED"))).await;
    assert_eq!(world.store.sightings(&host).await.unwrap(), []);
    let started =
        || json!({"event": "STARTED", "cluster_status": "ONLINE", "host_status": "NORMAL"});
    let seen = |at| Sighting { host: host.clone(), at, what: Sign::MonitorSaw };
    for status in [StatusCode::ACCEPTED, StatusCode::CONFLICT] {
        world.clock.sleep(Duration::from_secs(5)).await;
        // It is repeated, and it is news all the same.
        assert_eq!(said(started()).await.status, status);
        let now = world.clock.wall();
        assert_eq!(world.store.sightings(&host).await.unwrap(), [seen(now)]);
    }
    world.clock.sleep(Duration::from_secs(5)).await;
    world.ask("POST", "/v1/notifications", Some(process("STARTED"))).await;
    let now = world.clock.wall();
    assert_eq!(world.store.sightings(&host).await.unwrap(), [seen(now)]);
}

#[tokio::test(start_paused = true)]
async fn a_death_that_is_reported_again_is_refused_and_heard() {
    let world = world().await;
    let host = HostName::new("compute01");
    let said = async |late_s: i64| {
        let mut report = report(&died());
        let at = world.clock.wall().plus(-late_s * 1_000);
        report["notification"]["generated_time"] = json!(at.utc());
        world.ask("POST", "/v1/notifications", Some(report)).await.status
    };
    let heard = async || world.store.evidence(&host).await.unwrap().len();
    assert_eq!((said(0).await, heard().await, world.woken()), (StatusCode::ACCEPTED, 1, 1));
    assert_eq!((said(0).await, heard().await), (StatusCode::CONFLICT, 1), "one word of many");
    world.clock.sleep(Duration::from_secs(60)).await;
    assert_eq!((said(31).await, heard().await), (StatusCode::CONFLICT, 1), "it is late");
    assert_eq!((said(29).await, heard().await, world.woken()), (StatusCode::CONFLICT, 2, 2));
    // The recovery has taken it out of service meanwhile.
    let of = world.store.all_notifications().remove(0).uuid;
    crate::engine::begin(&world.store, &of).await;
    assert!(world.store.host_named(&host).await.unwrap().unwrap().on_maintenance);
    world.clock.sleep(Duration::from_secs(60)).await;
    assert_eq!((said(0).await, heard().await, world.woken()), (StatusCode::CONFLICT, 3, 3));
}
