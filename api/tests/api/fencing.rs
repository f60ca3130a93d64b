//! `/ha/v1/fencing`: which hosts could be fenced, and a person who has that tried.

use crate::{confirm::world, world::Client};
use http::StatusCode;
use recovery::{
    HostName, Millis,
    readiness::{Check, Rung},
    request::{Asked, RequestState},
};
use serde_json::{Value, json};
use std::time::Duration;
use store::Store;

const TEST: &str = "/ha/v1/hosts/compute01/fence-test";

async fn shown(world: &crate::world::World) -> Value {
    let answer = world.ask("GET", "/ha/v1/fencing", None).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()["fencing"][0].clone()
}

#[tokio::test(start_paused = true)]
async fn every_host_is_shown_with_what_keeps_it_from_being_fenced() {
    let world = world().await;
    let unknown = shown(&world).await;
    assert_eq!((&unknown["host"], &unknown["state"]), (&json!("compute01"), &json!("unknown")));
    assert_eq!((&unknown["checked_at"], &unknown["rungs"]), (&Value::Null, &json!([])));

    let host = world.store.host_named(&HostName::new("compute01")).await.unwrap().unwrap();
    let said = "no answer: connection refused".to_owned();
    let rung = Rung { device: "bmc (redfish)".into(), could_prove: false, is_fault: true, said };
    let lost = Check::of(host.uuid.clone(), Ok(vec![rung]), None, Millis(1_790_000_000_000));
    world.store.keep_fence_check(&lost).await.unwrap();
    let broken = shown(&world).await;
    assert_eq!(broken["state"], json!("not_ready"));
    assert_eq!(broken["why"], json!("bmc (redfish): no answer: connection refused"));
    assert_eq!(broken["since"], broken["checked_at"]);
    assert_eq!(broken["rungs"][0]["to_be_repaired"], json!(true));
}

#[tokio::test(start_paused = true)]
async fn a_person_has_a_host_tested_and_an_engine_says_how_it_went() {
    let world = world().await;
    for (state, status) in [(RequestState::Done, 200), (RequestState::Refused, 409)] {
        let engine = async {
            world.clock.sleep(Duration::from_millis(450)).await;
            let open = world.store.open_requests(10).await.unwrap();
            let [request] = open.as_slice() else { panic!("{open:?}") };
            let (host, reason) = (HostName::new("compute01"), Some("new BMC".to_owned()));
            assert_eq!(request.asked, Asked::FenceTest { host, reason });
            assert_eq!(request.who, "admin (admin-id)");
            world.store.answer_request(&request.id, state, "so it went", None).await.unwrap();
        };
        let asking = world.ask("POST", TEST, Some(json!({ "reason": "new BMC" })));
        let (answer, ()) = tokio::join!(asking, engine);
        assert_eq!(answer.status.as_u16(), status, "{answer:?}");
        assert!(answer.text.contains("so it went"), "{answer:?}");
    }
    let answer = world.ask("POST", TEST, None).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "it takes longer: {answer:?}");
    let see = answer.json()["request"]["see"].as_str().unwrap().to_owned();
    assert_eq!(world.ask("GET", &see, None).await.json()["request"]["state"], json!("pending"));
}

#[tokio::test(start_paused = true)]
async fn a_test_of_no_host_or_with_odd_words_files_nothing() {
    let world = world().await;
    let nobody = world.ask("POST", "/ha/v1/hosts/nope/fence-test", None).await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);
    let odd = world.ask("POST", TEST, Some(json!({ "why": "x" }))).await;
    assert_eq!(odd.status, StatusCode::BAD_REQUEST, "{odd:?}");
    assert_eq!(world.store.open_requests(10).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn only_those_whom_the_policy_trusts_see_readiness_and_test_hosts() {
    let world = world().await;
    for (method, path, rule) in
        [("GET", "/ha/v1/fencing", "ha:fencing:index"), ("POST", TEST, "ha:hosts:fence_test")]
    {
        let answer = world.ask_as(Client::Demo, method, path, None).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path}");
        let message = format!("Policy doesn't allow {rule} to be performed.");
        assert_eq!(answer.json()["forbidden"]["message"], message);
    }
}
