//! `/ha/v1`: hosts that recoveries left out of service, and a person who wants one back.

use crate::{
    confirm::world,
    engine,
    world::{Answer, Client, World},
};
use http::StatusCode;
use recovery::{
    HostId, HostName, Millis, NotificationId, ServerId,
    evidence::{Kind, Sighting, Sign},
    lease::{LeaseKey, Owner},
    log::{Entry, Line},
    nouns::NotificationStatus,
    request::{Asked, RequestState},
    returns::{Did, Event, log_of},
};
use serde_json::{Value, json};
use std::time::Duration;
use store::{Claim, Store};

const RETURN: &str = "/ha/v1/hosts/compute01/return";

/// A recovery of the host has ended.
async fn lost(world: &World) -> NotificationId {
    let answer = world.ask("POST", "/ha/v1/hosts/compute01/recover", None).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    let id = answer.json()["notification"]["notification_uuid"].as_str().unwrap().to_owned();
    let id = NotificationId::new(id);
    let proven = Entry::Proven { kind: Kind::PoweredOff, at: Millis(0), evidence: Vec::new() };
    let ended = Entry::Ended { status: NotificationStatus::Finished, message: None };
    engine::write(&world.store, &id, vec![engine::claimed(), proven, ended]).await;
    id
}

/// An engine has looked at it.
async fn looked(world: &World, events: Vec<Event>) {
    let host = world.store.host_named(&HostName::new("compute01")).await.unwrap().unwrap();
    let log = log_of(&HostId::new(host.uuid.as_str()));
    let claim = Claim { key: LeaseKey::recovery(&log), seen: None };
    let taken = world.store.take(&[claim], &Owner("test".into())).await.unwrap().unwrap();
    let lines: Vec<Line> = (1..)
        .zip(events)
        .map(|(seq, event)| Line { seq, at: world.clock.wall(), entry: Entry::Return(event) })
        .collect();
    world.store.append(&taken[0], &log, &lines, &[]).await.unwrap();
}

async fn returns(world: &World) -> Vec<Value> {
    let answer = world.ask("GET", "/ha/v1/returns", None).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()["returns"].as_array().unwrap().clone()
}

fn message(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::CONFLICT, "{answer:?}");
    answer.json()["conflictingRequest"]["message"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_away_is_shown_with_what_it_waits_for() {
    let world = world().await;
    assert_eq!(returns(&world).await, Vec::<Value>::new());
    let id = lost(&world).await;
    let shown = &returns(&world).await[0];
    assert_eq!((&shown["host"], &shown["state"]), (&json!("compute01"), &json!("away")));
    assert!(shown["why"].as_str().unwrap().contains("no engine has looked at it"));
    assert_eq!(shown["notifications"], json!([id.as_str()]));

    let lost = Event::Lost { recovery: id, did: Did::default() };
    let seen = Event::Seen { heartbeat: Millis(0) };
    let asked = Event::Asked {
        request: None,
        by: "ann".into(),
        why: Some("drill".into()),
        power_on: false,
    };
    let waits = Event::Waits { why: "on probation".into() };
    looked(&world, vec![lost, seen, asked, waits]).await;
    let shown = world.ask("GET", RETURN, None).await.json();
    let shown = &shown["return"];
    assert_eq!((&shown["state"], &shown["why"]), (&json!("heard"), &json!("on probation")));
    assert_eq!(shown["asked_by"], "ann: drill");
}

/// A host that its fencing rebooted stays out of the way of its own recovery, and of nothing else.
#[tokio::test(start_paused = true)]
async fn nova_compute_may_start_but_while_a_recovery_of_its_host_is_under_way() {
    const MAY_START: &str = "/ha/v1/hosts/compute01/may-start";
    let world = world().await;
    let told = world.ask("GET", MAY_START, None).await.json();
    assert_eq!((&told["may_start"], &told["notification"]), (&json!(true), &Value::Null));
    let host = HostName::new("compute01");
    let signs = async || world.store.sightings(&host).await.unwrap();
    assert_eq!(signs().await, [], "no recovery waits that it could speak against");
    let answer = world.ask("POST", "/ha/v1/hosts/compute01/recover", None).await;
    let id = answer.json()["notification"]["notification_uuid"].as_str().unwrap().to_owned();
    let id = NotificationId::new(id);
    let held = world.ask("GET", MAY_START, None).await.json();
    assert_eq!(held["may_start"], true, "nothing was begun: {held}");
    let at = world.clock.wall();
    let let_start = Sighting { host: host.clone(), at, what: Sign::LetStart };
    assert_eq!(signs().await, [let_start], "what waits does not begin any more");
    let proven = Entry::Proven { kind: Kind::PoweredOff, at: Millis(0), evidence: Vec::new() };
    engine::write(&world.store, &id, vec![engine::claimed(), proven]).await;
    let told = world.ask("GET", MAY_START, None).await.json();
    assert_eq!((&told["may_start"], &told["notification"]), (&json!(false), &json!(id.as_str())));
    assert!(told["why"].as_str().unwrap().contains("masakari cancel"), "{told}");
    let nobody = world.ask("GET", "/ha/v1/hosts/nobody/may-start", None).await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);
}

/// The monitor of a host says which of its guests' agents answer.
#[tokio::test(start_paused = true)]
async fn guests_that_answer_are_kept_as_nova_writes_them() {
    const GUESTS: &str = "/ha/v1/hosts/compute01/guests";
    let world = world().await;
    let id = "A1A1A1A1B2B24C3C8D4D555555555555";
    let answer = world.ask("POST", GUESTS, Some(json!({ "answer": [id] }))).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::NO_CONTENT, ""));
    let server = ServerId::new("a1a1a1a1-b2b2-4c3c-8d4d-555555555555");
    let heard = world.store.guest(&server).await.unwrap().unwrap();
    assert_eq!((heard.host.as_str(), heard.at), ("compute01", world.clock.wall()));
    let too_many = vec![id; 1_001];
    for body in [
        json!({}),
        json!({ "answer": "x" }),
        json!({ "answer": ["x"] }),
        json!({ "answer": too_many }),
    ] {
        let answer = world.ask("POST", GUESTS, Some(body)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
    }
    let nobody = world.ask("POST", "/ha/v1/hosts/nobody/guests", Some(json!({ "answer": [id] })));
    assert_eq!(nobody.await.status, StatusCode::NOT_FOUND);
}

/// The agent of a host says which machine it is.
#[tokio::test(start_paused = true)]
async fn which_machine_a_host_is_is_kept_and_shown() {
    const IDENTITY: &str = "/ha/v1/hosts/compute01/identity";
    let world = world().await;
    let unknown = world.ask("GET", IDENTITY, None).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert!(unknown.text.contains("masakari-agent"), "{unknown:?}");
    let boot = "a1a1a1a1-b2b2-4c3c-8d4d-555555555555";
    let uuid = "4c4c4544-0042-3510-8054-b4c04f4d3232";
    let body = json!({ "boot": boot, "uuid": uuid, "serial": "CZ 1" });
    let kept = world.ask("POST", IDENTITY, Some(body.clone())).await;
    assert_eq!((kept.status, kept.text.as_str()), (StatusCode::NO_CONTENT, ""));
    let shown = world.ask("GET", IDENTITY, None).await.json();
    let shown = &shown["identity"];
    for name in ["boot", "uuid", "serial"] {
        assert_eq!(shown[name], body[name]);
    }
    assert_eq!((&shown["host"], &shown["at"]), (&json!("compute01"), &shown["booted_by"]));
    let (host, at) = (HostName::new("compute01"), world.clock.wall());
    let signs = world.store.sightings(&host).await.unwrap();
    assert_eq!(signs, [Sighting { host, at, what: Sign::PowerOn }], "who says that runs");
    for body in [
        json!({}),
        json!({ "boot": "b" }),
        json!({ "boot": boot, "uuid": "x" }),
        json!({ "boot": boot, "serial": "" }),
        json!({ "boot": boot, "serial": "CZ\u{1b}[2J" }),
        json!({ "boot": boot, "asset": "x" }),
    ] {
        let answer = world.ask("POST", IDENTITY, Some(body)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
    }
    let body = json!({ "boot": boot });
    let nobody = world.ask("POST", "/ha/v1/hosts/nobody/identity", Some(body)).await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn a_person_wants_a_host_back_and_an_engine_grants_it() {
    let world = world().await;
    lost(&world).await;
    for (state, status, power_on) in
        [(RequestState::Done, 200, false), (RequestState::Refused, 409, true)]
    {
        let engine = async {
            world.clock.sleep(Duration::from_millis(450)).await;
            let open = world.store.open_requests(10).await.unwrap();
            let [request] = open.as_slice() else { panic!("{open:?}") };
            let (host, reason) = (HostName::new("compute01"), Some("new memory".to_owned()));
            assert_eq!(request.asked, Asked::Return { host, reason, power_on });
            assert_eq!(request.who, "admin (admin-id)");
            world.store.answer_request(&request.id, state, "so it is", None).await.unwrap();
        };
        let mut body = json!({ "reason": "new memory" });
        if power_on {
            body["power_on"] = json!(true);
        }
        let asking = world.ask("POST", RETURN, Some(body));
        let (answer, ()) = tokio::join!(asking, engine);
        assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    }
    let answer = world.ask("POST", RETURN, None).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "no engine: {answer:?}");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_no_recovery_left_away_cannot_return_and_files_nothing() {
    let world = world().await;
    let said = "No recovery of ours has left host compute01 out of service.";
    for method in ["GET", "POST"] {
        assert_eq!(message(&world.ask(method, RETURN, None).await), said);
        let nobody = world.ask(method, "/ha/v1/hosts/nope/return", None).await;
        assert_eq!(nobody.status, StatusCode::NOT_FOUND);
    }
    let odd = world.ask("POST", RETURN, Some(json!({ "why": "x" }))).await;
    assert_eq!(odd.status, StatusCode::BAD_REQUEST, "{odd:?}");
    let odd = world.ask("POST", RETURN, Some(json!({ "power_on": "soon" }))).await;
    assert_eq!(odd.status, StatusCode::BAD_REQUEST, "{odd:?}");
    assert_eq!(world.store.open_requests(10).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn only_those_whom_the_policy_trusts_see_and_bring_back_hosts() {
    let world = world().await;
    lost(&world).await;
    for (method, path, rule) in [
        ("POST", RETURN, "ha:hosts:return"),
        ("GET", RETURN, "ha:returns:index"),
        ("GET", "/ha/v1/returns", "ha:returns:index"),
    ] {
        let answer = world.ask_as(Client::Demo, method, path, None).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path}");
        let message = format!("Policy doesn't allow {rule} to be performed.");
        assert_eq!(answer.json()["forbidden"]["message"], message);
    }
}
