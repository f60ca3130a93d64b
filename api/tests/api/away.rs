//! When something that we need does not answer: 503 with a reason, never a wrong answer.

use crate::{
    cloud::{Away, Instead},
    world::{Client, World},
};
use async_trait::async_trait;
use http::StatusCode;
use serde_json::json;
use std::sync::Arc;
use store::{Gate, Memory, StoreError};

/// A database that is gone.
#[derive(Debug)]
struct Gone;

#[async_trait]
impl Gate for Gone {
    async fn before(&self, doing: &'static str) -> Result<(), StoreError> {
        Err(StoreError::Away { doing, source: "connection refused".into() })
    }

    async fn after(&self, _: &'static str) -> Result<(), StoreError> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_database_every_resource_answers_503_and_says_why() {
    let store = Memory::new();
    let world = World::with(store.clone(), Arc::new(store.handle(Arc::new(Gone))));
    let notification = "/v1/notifications/00000000-1111-2222-3333-444444444444";
    let hosts = "/v1/segments/00000000-1111-2222-3333-444444444444/hosts";
    let request = "/ha/v1/requests/00000000-1111-2222-3333-444444444444";
    let segment = "/v1/segments/00000000-1111-2222-3333-444444444444";
    let made = json!({"segment": {
        "name": "s", "recovery_method": "auto", "service_type": "COMPUTE"}});
    let renamed = json!({"segment": {"name": "other"}});
    let reported = json!({"notification": {
        "type": "COMPUTE_HOST", "hostname": "compute01", "generated_time": "2026-11-21T05:59:00",
        "payload": {"event": "STOPPED", "cluster_status": "OFFLINE", "host_status": "NORMAL"}}});
    for (method, path, body) in [
        ("GET", "/v1/segments", None),
        ("GET", notification, None),
        ("GET", hosts, None),
        ("GET", request, None),
        ("POST", "/v1/segments", Some(made)),
        ("PUT", segment, Some(renamed)),
        ("DELETE", segment, None),
        ("POST", "/v1/notifications", Some(reported)),
    ] {
        let answer = world.ask(method, path, body).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{method} {path}");
        let message = answer.json()["serviceUnavailable"]["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with("the database does not answer"), "{message}");
        assert!(!message.contains("refused"), "the cause is for the log: {message}");
        assert!(answer.headers.contains_key("retry-after"));
    }
}

#[tokio::test(start_paused = true)]
async fn without_keystone_an_unknown_token_is_503_and_never_401() {
    let world = World::new();
    world.cloud.lose(Away::Keystone);
    let answer = world.ask("GET", "/v1/segments", None).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.text.contains("Keystone cannot tell whose token it is"), "{answer:?}");
}

const ANSWERS_OF_NO_USE: [Instead; 9] = [
    Instead::Status(403),
    Instead::Status(409),
    Instead::Status(413),
    Instead::Status(429),
    Instead::Status(500),
    Instead::Status(503),
    Instead::Status(401),
    Instead::Rubbish,
    Instead::Half,
];

#[tokio::test(start_paused = true)]
async fn an_answer_of_keystone_that_tells_nothing_of_the_token_is_503() {
    for instead in ANSWERS_OF_NO_USE {
        let world = World::new();
        world.cloud.fail(Away::Keystone, instead);
        let answer = world.ask("GET", "/v1/segments", None).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{instead:?}: {answer:?}");
        assert!(answer.text.contains("Keystone cannot tell whose token it is"), "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_keystone_has_vouched_for_works_on_while_keystone_is_away() {
    let world = World::new();
    assert_eq!(world.ask("GET", "/v1/segments", None).await.status, StatusCode::OK);
    world.cloud.lose(Away::Keystone);
    assert_eq!(world.ask("GET", "/v1/segments", None).await.status, StatusCode::OK);
    let other = world.ask_as(Client::Demo, "GET", "/v1/segments", None).await;
    assert_eq!(other.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn without_nova_no_host_is_taken_in() {
    for instead in ANSWERS_OF_NO_USE.into_iter().chain([Instead::Nothing, Instead::Status(404)]) {
        no_host_is_taken_in(instead).await;
    }
}

async fn no_host_is_taken_in(instead: Instead) {
    let world = World::new();
    let segment = json!({"name": "s", "recovery_method": "auto", "service_type": "COMPUTE"});
    let made = world.ask("POST", "/v1/segments", Some(json!({ "segment": segment }))).await;
    let path = format!("/v1/segments/{}/hosts", made.json()["segment"]["uuid"].as_str().unwrap());
    world.cloud.fail(Away::Nova, instead);
    let host = json!({"name": "compute01", "type": "COMPUTE", "control_attributes": "SSH"});
    let answer = world.ask("POST", &path, Some(json!({ "host": host }))).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{instead:?}: {answer:?}");
    assert_eq!(world.ask("GET", &path, None).await.json()["hosts"], json!([]));
}
