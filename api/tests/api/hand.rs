//! `/ha/v1`: a recovery by hand. A stand-in for an engine answers.

use crate::{
    confirm::{HOST, world},
    engine,
    world::{Answer, Client, World},
};
use http::StatusCode;
use recovery::{
    HostName, NotificationId,
    evidence::Kind,
    hand::HandEntry,
    log::Entry,
    nouns::NotificationStatus,
    request::{Asked, RequestState},
};
use serde_json::{Value, json};
use std::time::Duration;
use store::{HostUpdate, Store};

const RECOVER: &str = "/ha/v1/hosts/compute01/recover";

fn because(reason: &str) -> Option<Value> {
    Some(json!({ "reason": reason }))
}

/// A notification whose recovery has ended like that.
async fn ended(world: &World, status: NotificationStatus) -> NotificationId {
    let id = recovered(world).await;
    engine::end(&world.store, &id, status).await;
    id
}

async fn recovered(world: &World) -> NotificationId {
    let answer = world.ask("POST", RECOVER, because("I see smoke")).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    NotificationId::new(answer.json()["notification"]["notification_uuid"].as_str().unwrap())
}

async fn ask(world: &World, what: &str, id: &NotificationId) -> Answer {
    let path = format!("/ha/v1/notifications/{id}/{what}");
    world.ask("POST", &path, because("there is room")).await
}

/// The same, and what an engine says to it.
async fn answered(world: &World, what: &str, id: &NotificationId, state: RequestState) -> Answer {
    let engine = async {
        world.clock.sleep(Duration::from_millis(450)).await;
        let open = world.store.open_requests(10).await.unwrap();
        let [request] = open.as_slice() else { panic!("{open:?}") };
        assert_eq!(request.who, "admin (admin-id)");
        let reason = Some("there is room".to_owned());
        let notification = id.clone();
        let asked = match what {
            "retry" => Asked::Retry { notification, reason },
            "approve" => Asked::Approve { notification, reason },
            "reject" => Asked::Reject { notification, reason },
            _ => Asked::Cancel { notification, reason },
        };
        assert_eq!(request.asked, asked);
        world.store.answer_request(&request.id, state, "so it is", None).await.unwrap();
    };
    let (answer, ()) = tokio::join!(ask(world, what, id), engine);
    answer
}

fn message(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::CONFLICT, "{answer:?}");
    answer.json()["conflictingRequest"]["message"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_person_reports_a_host_by_name_with_a_monitors_weight() {
    let world = world().await;
    let id = recovered(&world).await;
    assert_eq!(world.woken(), 1);
    let shown = world.ask("GET", &format!("/v1/notifications/{id}"), None).await.json();
    let shown = &shown["notification"];
    assert_eq!((&shown["type"], &shown["status"]), (&json!("COMPUTE_HOST"), &json!("new")));
    assert_eq!(shown["source_host_uuid"], HOST);
    assert_eq!(
        shown["payload"],
        json!({ "event": "STOPPED", "cluster_status": "OFFLINE", "host_status": "NORMAL",
                "asked_by": "admin (admin-id)", "reason": "I see smoke" })
    );
    let evidence = world.store.evidence(&HostName::new("compute01")).await.unwrap();
    let [said] = evidence.as_slice() else { panic!("{evidence:?}") };
    assert_eq!(said.kind, Kind::MonitorSaid, "no permit while Nova takes the host for alive");
    assert_eq!(said.source, format!("report {id} by admin (admin-id)"));
}

#[tokio::test(start_paused = true)]
async fn a_host_is_reported_without_a_reason_and_on_maintenance_too() {
    let world = world().await;
    let host = world.store.host_named(&HostName::new("compute01")).await.unwrap().unwrap();
    let change = HostUpdate {
        name: None,
        kind: None,
        control_attributes: None,
        reserved: None,
        on_maintenance: Some(true),
        now: recovery::Millis(0),
    };
    world.store.update_host(&host.uuid, change).await.unwrap();
    let answer = world.ask("POST", RECOVER, None).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    assert_eq!(answer.json()["notification"]["payload"].get("reason"), None);
}

#[tokio::test(start_paused = true)]
async fn one_host_is_recovered_once_at_a_time() {
    let world = world().await;
    let both = futures::future::join(
        world.ask("POST", RECOVER, because("a")),
        world.ask_as(Client::Admin, "POST", RECOVER, because("b")),
    );
    let (first, second) = both.await;
    let mut statuses = [first.status.as_u16(), second.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 409], "{first:?} {second:?}");
    let open = world.store.open_recoveries(10).await.unwrap();
    let [open] = open.as_slice() else { panic!("{open:?}") };
    let again = message(&world.ask("POST", RECOVER, None).await);
    let id = &open.notification;
    assert_eq!(again, format!("Host compute01 is being recovered already, by notification {id}."));
    engine::end(&world.store, id, NotificationStatus::Failed).await;
    let again = message(&world.ask("POST", RECOVER, None).await);
    assert!(again.contains(id.as_str()) && again.contains("just now"), "{again}");
    world.wait(Duration::from_secs(181));
    assert_eq!(world.ask("POST", RECOVER, None).await.status, StatusCode::ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_tried_again_when_an_engine_grants_it() {
    let world = world().await;
    let id = ended(&world, NotificationStatus::Failed).await;
    let answer = answered(&world, "retry", &id, RequestState::Done).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.json()["request"]["answer"], "so it is");
    let refused = answered(&world, "retry", &id, RequestState::Refused).await;
    assert_eq!(message(&refused), format!("Notification {id}: so it is."));
}

#[tokio::test(start_paused = true)]
async fn what_runs_is_cancelled_when_an_engine_grants_it() {
    let world = world().await;
    let id = recovered(&world).await;
    let answer = answered(&world, "cancel", &id, RequestState::Done).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let answer = ask(&world, "cancel", &id).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "no engine: {answer:?}");
    assert!(answer.headers.contains_key("location"));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_done_is_refused_at_once_and_files_nothing() {
    let world = world().await;
    let id = recovered(&world).await;
    let running = message(&ask(&world, "retry", &id).await);
    assert!(running.contains("has not ended: it is new"), "{running}");
    engine::end(&world.store, &id, NotificationStatus::Finished).await;
    let finished = message(&ask(&world, "retry", &id).await);
    assert_eq!(finished, format!("Notification {id}: nothing of it failed: it is finished."));
    let over = message(&ask(&world, "cancel", &id).await);
    assert!(over.contains("has ended: it is finished"), "{over}");
    let nowhere = NotificationId::new("55555555-0000-4000-8000-000000000001");
    for what in ["retry", "cancel"] {
        assert_eq!(ask(&world, what, &nowhere).await.status, StatusCode::NOT_FOUND);
        let path = format!("/ha/v1/notifications/{id}/{what}");
        let odd = world.ask("POST", &path, Some(json!({ "why": "x" }))).await;
        assert_eq!(odd.status, StatusCode::BAD_REQUEST, "{odd:?}");
        assert_eq!(world.ask("GET", &path, None).await.status, StatusCode::METHOD_NOT_ALLOWED);
    }
    let nobody = "/ha/v1/hosts/nope/recover";
    assert_eq!(world.ask("POST", nobody, None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.store.open_requests(10).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn only_those_whom_the_policy_trusts_may_do_it_by_hand() {
    let world = world().await;
    let id = ended(&world, NotificationStatus::Failed).await;
    for (path, rule) in [
        (RECOVER.to_owned(), "ha:hosts:recover"),
        (format!("/ha/v1/notifications/{id}/retry"), "ha:notifications:retry"),
        (format!("/ha/v1/notifications/{id}/cancel"), "ha:notifications:cancel"),
        (format!("/ha/v1/notifications/{id}/approve"), "ha:notifications:approve"),
        (format!("/ha/v1/notifications/{id}/reject"), "ha:notifications:reject"),
    ] {
        let answer = world.ask_as(Client::Demo, "POST", &path, None).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        let message = format!("Policy doesn't allow {rule} to be performed.");
        assert_eq!(answer.json()["forbidden"]["message"], message);
    }
}

#[tokio::test(start_paused = true)]
async fn the_details_tell_who_asked() {
    let world = world().await;
    let id = recovered(&world).await;
    let by = "admin (admin-id)".to_owned();
    let asked = Entry::Hand(HandEntry::Asked { by, why: Some("I see smoke".into()) });
    engine::write(&world.store, &id, vec![engine::claimed(), asked]).await;
    let shown = world.ask("GET", &format!("/v1/notifications/{id}"), None).await.json();
    let details = shown["notification"]["recovery_workflow_details"].to_string();
    assert!(details.contains("asked for by admin (admin-id): I see smoke"), "{details}");
}

#[tokio::test(start_paused = true)]
async fn what_has_not_begun_is_approved_or_rejected_and_what_has_is_not() {
    let world = world().await;
    let id = recovered(&world).await;
    for what in ["approve", "reject"] {
        let answer = answered(&world, what, &id, RequestState::Done).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert_eq!(answer.json()["request"]["answer"], "so it is");
    }
    let kind = Kind::MonitorSaid;
    let proven = Entry::Proven { kind, at: recovery::Millis(0), evidence: Vec::new() };
    engine::write(&world.store, &id, vec![engine::claimed(), proven]).await;
    for what in ["approve", "reject"] {
        let told = message(&ask(&world, what, &id).await);
        assert!(told.contains("its recovery has begun; `masakari cancel` stops it"), "{told}");
    }
}
