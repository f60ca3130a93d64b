//! `/ha/v1`: a plan is asked for, and an engine answers.

use crate::{
    confirm::world,
    world::{Client, World},
};
use http::StatusCode;
use recovery::{
    HostName, ServerId,
    forecast::{Fate, Forecast, Foreseen, Obstacle},
    nouns::RecoveryMethod,
    request::{Asked, RequestState},
};
use std::time::Duration;
use store::Store;

const PATH: &str = "/ha/v1/hosts/compute01/plan";

fn forecast() -> Forecast {
    let lb = Foreseen {
        id: ServerId::new("s1"),
        name: "lb".into(),
        ha_enabled: false,
        priority: 0,
        fate: Fate::Stays { why: Obstacle::Vtpm },
    };
    Forecast {
        host: HostName::new("compute01"),
        method: RecoveryMethod::Auto,
        moves: 0,
        stays: 1,
        servers: vec![lb],
        left_off: 0,
        unknown: Vec::new(),
    }
}

/// An engine that answers what it is asked.
async fn engine(world: &World, state: RequestState, answer: &str) {
    world.clock.sleep(Duration::from_millis(250)).await;
    let open = world.store.open_requests(10).await.unwrap();
    let [request] = open.as_slice() else { panic!("{open:?}") };
    assert_eq!(request.asked, Asked::Plan { host: HostName::new("compute01") });
    world.store.answer_request(&request.id, state, answer, None).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_plan_is_shown_to_machines_and_to_people() {
    let world = world().await;
    let answer = serde_json::to_string(&forecast()).unwrap();
    let engine = engine(&world, RequestState::Done, &answer);
    let (shown, ()) = tokio::join!(world.ask("GET", PATH, None), engine);
    assert_eq!(shown.status, StatusCode::OK, "{shown:?}");
    let plan = shown.json()["plan"].clone();
    assert_eq!((&plan["stays"], &plan["servers"][0]["reason"]), (&1.into(), &"vtpm".into()));
    assert_eq!(plan["text"], forecast().to_string());
}

#[tokio::test(start_paused = true)]
async fn what_an_engine_cannot_tell_now_is_asked_for_again_later() {
    let world = world().await;
    let engine = engine(&world, RequestState::Refused, "there is no plan: Nova is away");
    let (refused, ()) = tokio::join!(world.ask("GET", PATH, None), engine);
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.json().to_string().contains("Nova is away"), "{refused:?}");
    let nobody = world.ask("GET", PATH, None).await;
    assert_eq!(nobody.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(nobody.json().to_string().contains("No engine has answered yet"), "{nobody:?}");
}

#[tokio::test(start_paused = true)]
async fn a_plan_is_for_those_whom_the_policy_trusts_and_of_hosts_that_there_are() {
    let world = world().await;
    let refused = world.ask_as(Client::Demo, "GET", PATH, None).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let nope = world.ask("GET", "/ha/v1/hosts/nope/plan", None).await;
    assert_eq!(nope.status, StatusCode::NOT_FOUND);
    assert_eq!(world.store.open_requests(10).await.unwrap(), []);
}
