//! `/ha/v1/guard`: the switch, and who is lost.

use crate::{
    confirm::world,
    world::{Client, World},
};
use http::StatusCode;
use serde_json::{Value, json};
use store::Store;

async fn guard(world: &World) -> Value {
    let answer = world.ask("GET", "/ha/v1/guard", None).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()["guard"].clone()
}

#[tokio::test(start_paused = true)]
async fn who_turned_the_switch_when_and_why_is_kept() {
    let world = world().await;
    assert_eq!(guard(&world).await["armed"], true, "as nobody has touched it");
    let why = json!({ "reason": "the switches are replaced" });
    let answer = world.ask("POST", "/ha/v1/guard/disarm", Some(why)).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.json()["guard"]["armed"], false);
    assert_eq!(world.woken(), 1, "an engine in this process notices at once");
    let answer = world.ask("POST", "/ha/v1/guard/arm", None).await;
    assert_eq!(answer.json()["guard"]["armed"], true);
    let history = guard(&world).await["history"].clone();
    let told = |n: usize| (&history[n]["armed"], &history[n]["by"], &history[n]["reason"]);
    let by = json!("admin (admin-id)");
    assert_eq!(told(0), (&json!(true), &by, &Value::Null));
    assert_eq!(told(1), (&json!(false), &by, &json!("the switches are replaced")));
    let at = history[1]["at"].as_str().unwrap();
    assert!(at.len() == 20 && at.ends_with('Z'), "{at}");
    let [armed, _] = &world.store.switches(10).await.unwrap()[..] else { panic!() };
    assert!(armed.armed);
}

#[tokio::test(start_paused = true)]
async fn lost_hosts_are_shown() {
    let world = world().await;
    assert_eq!(guard(&world).await["lost"], json!([]));
    let answer = world.ask("POST", "/ha/v1/hosts/compute01/recover", None).await;
    let id = answer.json()["notification"]["notification_uuid"].clone();
    let lost = guard(&world).await["lost"].clone();
    assert_eq!((&lost[0]["host"], &lost[0]["notification"]), (&json!("compute01"), &id));
    assert_eq!((&lost[0]["open"], &lost[0]["begun_at"]), (&json!(true), &Value::Null));
}

#[tokio::test(start_paused = true)]
async fn only_those_whom_the_policy_trusts_may_turn_or_see_it() {
    let world = world().await;
    for (method, path, rule) in [
        ("GET", "/ha/v1/guard", "ha:guard:detail"),
        ("POST", "/ha/v1/guard/arm", "ha:guard:arm"),
        ("POST", "/ha/v1/guard/disarm", "ha:guard:disarm"),
    ] {
        let answer = world.ask_as(Client::Demo, method, path, None).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        let message = format!("Policy doesn't allow {rule} to be performed.");
        assert_eq!(answer.json()["forbidden"]["message"], message);
    }
    let odd = Some(json!({ "why": "x" }));
    let answer = world.ask("POST", "/ha/v1/guard/disarm", odd).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
    assert_eq!(world.store.switches(10).await.unwrap(), []);
}
