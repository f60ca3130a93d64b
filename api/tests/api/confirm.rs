//! `/ha/v1`: a person confirms a death, and an engine answers.

use crate::world::{Client, World};
use http::StatusCode;
use recovery::{
    HostId, HostName, SegmentId,
    nouns::RecoveryMethod,
    request::{Asked, RequestState},
};
use serde_json::{Value, json};
use std::time::Duration;
use store::{NewHost, NewSegment, Store};

const PATH: &str = "/ha/v1/hosts/compute01/confirm-dead";
pub(crate) const HOST: &str = "33333333-0000-4000-8000-000000000001";

pub(crate) async fn world() -> World {
    let world = World::new();
    let segment = SegmentId::new("44444444-0000-4000-8000-000000000001");
    let now = recovery::Millis(0);
    let new = NewSegment {
        uuid: segment.clone(),
        name: "s".into(),
        service_type: "COMPUTE".into(),
        description: None,
        recovery_method: RecoveryMethod::Auto,
        enabled: true,
        now,
    };
    world.store.create_segment(new).await.unwrap();
    let host = NewHost {
        uuid: HostId::new(HOST),
        name: HostName::new("compute01"),
        segment,
        kind: "COMPUTE".into(),
        control_attributes: "SSH".into(),
        reserved: false,
        on_maintenance: false,
        now,
    };
    world.store.create_host(host).await.unwrap();
    world
}

fn because(reason: &str) -> Option<Value> {
    Some(json!({ "reason": reason }))
}

#[tokio::test(start_paused = true)]
async fn the_engines_answer_is_waited_for() {
    let world = world().await;
    let engine = async {
        world.clock.sleep(Duration::from_millis(450)).await;
        let open = world.store.open_requests(10).await.unwrap();
        let [request] = open.as_slice() else { panic!("{open:?}") };
        let reason = "power cable pulled".to_owned();
        let host = HostName::new("compute01");
        assert_eq!(request.asked, Asked::ConfirmDead { host, reason, at: None });
        assert_eq!(request.who, "admin (admin-id)");
        let id = &request.id;
        world.store.answer_request(id, RequestState::Done, "evidence", None).await.unwrap();
    };
    let (answer, ()) = tokio::join!(world.ask("POST", PATH, because("power cable pulled")), engine);
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.json()["request"]["state"], "done");
    assert_eq!(answer.json()["request"]["answer"], "evidence");
    assert_eq!(world.woken(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_an_engine_the_answer_says_where_to_look_later() {
    let world = world().await;
    let answer = world.ask("POST", PATH, because("burnt")).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    assert_eq!(answer.json()["request"]["state"], "pending");
    let place = answer.headers["location"].to_str().unwrap();
    let id = answer.json()["request"]["id"].as_str().unwrap().to_owned();
    assert_eq!(world.ask("GET", place, None).await.json()["request"]["state"], "pending");
    world.store.answer_request(&id, RequestState::Refused, "it lives", None).await.unwrap();
    let later = world.ask("GET", place, None).await.json();
    assert_eq!(later["request"]["state"], "refused");
    assert_eq!(later["request"]["answer"], "it lives");
}

#[tokio::test(start_paused = true)]
async fn a_host_may_be_named_by_its_id() {
    let world = world().await;
    let path = format!("/ha/v1/hosts/{HOST}/confirm-dead");
    assert_eq!(world.ask("POST", &path, because("x")).await.status, StatusCode::ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn who_passes_a_word_on_says_when_it_was() {
    let world = world().await;
    let body = json!({ "reason": "a taint", "at": "2026-11-21T06:59:58.500+01:00" });
    let answer = world.ask("POST", PATH, Some(body)).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    let open = world.store.open_requests(10).await.unwrap();
    let (host, reason) = (HostName::new("compute01"), "a taint".to_owned());
    let at = Some(recovery::Millis(1_795_240_798_500));
    assert_eq!(open[0].asked, Asked::ConfirmDead { host, reason, at });
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_vouched_for_is_not_filed() {
    let world = world().await;
    let nowhere = "/ha/v1/hosts/nope/confirm-dead";
    for (status, path, body) in [
        (400, PATH, None),
        (400, PATH, because("")),
        (400, PATH, because(" \n ")),
        (400, PATH, Some(json!({"reason": "x", "by": "y"}))),
        (400, PATH, Some(json!({"reason": "x", "at": "yesterday"}))),
        // The clock of the tests begins at 06:00.
        (400, PATH, Some(json!({"reason": "x", "at": "2026-11-21T06:00:03Z"}))),
        (400, PATH, Some(json!({"reason": "x", "at": "2026-11-21T05:54:59Z"}))),
        (404, nowhere, because("x")),
    ] {
        let answer = world.ask("POST", path, body.clone()).await;
        assert_eq!(answer.status.as_u16(), status, "{path} {body:?}: {answer:?}");
    }
    assert_eq!(world.store.open_requests(10).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn only_those_whom_the_policy_trusts_may_confirm_a_death() {
    let world = world().await;
    let answer = world.ask_as(Client::Demo, "POST", PATH, because("x")).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(
        answer.json()["forbidden"]["message"],
        "Policy doesn't allow ha:hosts:confirm_dead to be performed."
    );
    let anonymous = http::Request::post(PATH).body("{}".into()).unwrap();
    assert_eq!(world.send(anonymous).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(world.store.open_requests(10).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn another_method_is_405_with_the_methods_that_are_allowed() {
    let world = world().await;
    let answer = world.ask("GET", PATH, None).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.headers["allow"], "POST");
    assert_eq!(answer.json()["badMethod"]["code"], 405);
    assert_eq!(world.ask("GET", "/ha/v1/nope", None).await.status, StatusCode::NOT_FOUND);
}
