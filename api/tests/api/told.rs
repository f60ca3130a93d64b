//! `/ha/v1`: what the log of a recovery tells, also when it is over.

use crate::{
    confirm::world,
    engine,
    world::{Answer, Client, World},
};
use http::StatusCode;
use recovery::{
    HostName, Millis, NotificationId,
    evidence::{Evidence, Kind},
    log::Entry,
    nouns::NotificationStatus,
    permit::{Lack, Lacks, LadderIs},
};
use serde_json::Value;

const NOBODY: &str = "55555555-0000-4000-8000-000000000001";

pub(crate) async fn reported(world: &World) -> NotificationId {
    let answer = world.ask("POST", "/ha/v1/hosts/compute01/recover", None).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    NotificationId::new(answer.json()["notification"]["notification_uuid"].as_str().unwrap())
}

async fn ask(world: &World, id: &str, what: &str) -> Answer {
    world.ask("GET", &format!("/ha/v1/notifications/{id}/{what}"), None).await
}

async fn certificate(world: &World, id: &NotificationId) -> Value {
    let answer = ask(world, id.as_str(), "certificate").await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()["certificate"].clone()
}

fn proven() -> Entry {
    let said = Evidence {
        host: HostName::new("compute01"),
        kind: Kind::OperatorConfirmed,
        at: Millis(1_795_240_000_000),
        source: "ann (u1)".into(),
        raw: "the plug is in my hand".into(),
    };
    Entry::Proven { kind: said.kind, at: said.at, evidence: vec![said] }
}

#[tokio::test(start_paused = true)]
async fn a_certificate_is_missing_in_force_and_kept() {
    let world = world().await;
    let id = reported(&world).await;
    let none = certificate(&world, &id).await;
    assert_eq!(none["missing"], "no engine has taken the report up yet");
    let why = "host 'compute01': nothing says that it is dead".to_owned();
    let held = Entry::Held { why: why.clone(), sighting: None, lack: None };
    engine::write(&world.store, &id, vec![engine::claimed(), held]).await;
    let none = certificate(&world, &id).await;
    assert_eq!(
        (&none["missing"], &none["certificates"]),
        (&why.clone().into(), &Value::Array(vec![]))
    );
    assert!(none["text"].as_str().unwrap().contains(&format!("no certificate is in force: {why}")));
    engine::write(&world.store, &id, vec![proven()]).await;
    let one = certificate(&world, &id).await;
    assert_eq!((&one["host"], &one["status"]), (&"compute01".into(), &"running".into()));
    let first = &one["certificates"][0];
    assert_eq!((&first["kind"], &first["engine"]), (&"operator_confirmed".into(), &"test".into()));
    assert_eq!(first["evidence"][0]["raw"], "the plug is in my hand");
    assert_eq!(one["missing"], Value::Null);
    engine::end(&world.store, &id, NotificationStatus::Finished).await;
    let kept = certificate(&world, &id).await;
    assert_eq!(
        (&kept["status"], &kept["certificates"]),
        (&"finished".into(), &one["certificates"])
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_404_and_what_is_not_allowed_403() {
    let world = world().await;
    let id = reported(&world).await;
    for what in ["certificate", "explain"] {
        for nothing in [NOBODY, "x", "%00"] {
            let answer = ask(&world, nothing, what).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{what} of {nothing}: {answer:?}");
        }
        let path = format!("/ha/v1/notifications/{id}/{what}");
        let answer = world.ask_as(Client::Demo, "GET", &path, None).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        let message = format!("Policy doesn't allow ha:notifications:{what} to be performed.");
        assert_eq!(answer.json()["forbidden"]["message"], message);
        let answer = world.ask("POST", &path, None).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    }
}

#[tokio::test(start_paused = true)]
async fn why_a_recovery_stands_still_is_told_with_what_to_type() {
    let world = world().await;
    let id = reported(&world).await;
    let told = async || {
        let answer = ask(&world, id.as_str(), "explain").await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.json()["explanation"].clone()
    };
    let first = told().await["findings"][0].clone();
    assert_eq!(first["cause"], serde_json::json!({"is": "not_begun", "why": "not_taken_up"}));
    let lack = Some(Lack { what: Lacks::NovasWord, ladder: LadderIs::NoFile });
    let held = Entry::Held { why: "Nova says up".into(), sighting: None, lack };
    engine::write(&world.store, &id, vec![engine::claimed(), held]).await;
    let held = told().await;
    let finding = &held["findings"][0];
    assert_eq!(finding["cause"]["is"], "nova_takes_it_for_up");
    assert_eq!(finding["next"][1], "masakari confirm-dead compute01 --reason \"...\"");
    assert!(held["text"].as_str().unwrap().contains("\nNova still takes compute01 for up"));
    engine::end(&world.store, &id, NotificationStatus::Finished).await;
    assert_eq!(told().await["findings"][0]["cause"]["is"], "nothing_to_do");
}
