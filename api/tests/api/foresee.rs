//! `/ha/v1`: a plan is asked for, and an engine answers.

use crate::{
    confirm::world,
    world::{Client, World},
};
use http::StatusCode;
use recovery::{
    HostName, SegmentId, ServerId,
    forecast::{Fate, Forecast, Foreseen, Obstacle},
    nouns::RecoveryMethod,
    report::Report,
    request::{Asked, RequestState},
};
use serde_json::json;
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
    let plan = Asked::Plan { host: HostName::new("compute01") };
    engine_after(world, Duration::from_millis(250), plan, (state, answer)).await;
}

async fn engine_after(
    world: &World,
    time: Duration,
    asked: Asked,
    (state, answer): (RequestState, &str),
) {
    world.clock.sleep(time).await;
    let open = world.store.open_requests(10).await.unwrap();
    let [request] = open.as_slice() else { panic!("{open:?}") };
    assert_eq!(request.asked, asked);
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

const REPORTS: &str = "/ha/v1/reports";

#[tokio::test(start_paused = true)]
async fn a_report_is_asked_for_until_it_is_there() {
    let world = world().await;
    let answer = serde_json::to_string(&Report { next: Some(7), ..Report::default() }).unwrap();
    let asked = Asked::Report { segment: None, after: Some(3) };
    let done = (RequestState::Done, answer.as_str());
    let engine = engine_after(&world, Duration::from_secs(15), asked, done);
    let asks = async {
        let pending = world.ask("POST", "/ha/v1/reports?after=3", None).await;
        assert_eq!(pending.status, StatusCode::ACCEPTED, "{pending:?}");
        let body = pending.json();
        assert_eq!((&body["report"], &body["request"]["state"]), (&json!(null), &"pending".into()));
        let place = pending.headers["location"].to_str().unwrap().to_owned();
        assert_eq!(body["request"]["see"], place);
        world.ask("GET", &place, None).await
    };
    let (shown, ()) = tokio::join!(asks, engine);
    assert_eq!(shown.status, StatusCode::OK, "{shown:?}");
    let report = shown.json()["report"].clone();
    assert_eq!((&report["next"], &report["text"]), (&7.into(), &"there is no segment\n".into()));
}

#[tokio::test(start_paused = true)]
async fn a_report_of_one_segment_is_asked_for_by_its_id() {
    let world = world().await;
    let id = "44444444-0000-4000-8000-000000000001";
    let asked = Asked::Report { segment: Some(SegmentId::new(id)), after: None };
    let refused = (RequestState::Refused, "there is no report: Nova is away");
    let engine = engine_after(&world, Duration::from_millis(250), asked, refused);
    let path = format!("{REPORTS}?segment={id}");
    let (shown, ()) = tokio::join!(world.ask("POST", &path, None), engine);
    assert_eq!(shown.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(shown.text.contains("Nova is away"), "{shown:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_report_is_refused_before_an_engine_is_asked() {
    let world = world().await;
    let nope = "44444444-0000-4000-8000-00000000000f";
    for (method, path, status) in [
        ("POST", format!("{REPORTS}?after=x"), StatusCode::BAD_REQUEST),
        ("POST", format!("{REPORTS}?segment=x"), StatusCode::NOT_FOUND),
        ("POST", format!("{REPORTS}?segment={nope}"), StatusCode::NOT_FOUND),
        ("GET", format!("{REPORTS}/{nope}"), StatusCode::NOT_FOUND),
        ("GET", format!("{REPORTS}/x"), StatusCode::NOT_FOUND),
    ] {
        let answer = world.ask(method, &path, None).await;
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
    }
    let refused = world.ask_as(Client::Demo, "POST", REPORTS, None).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(world.store.open_requests(10).await.unwrap(), []);
}
