//! `/ha/v1/fencing`: which hosts could be fenced.

use crate::confirm::world;
use http::StatusCode;
use recovery::{
    HostName, Millis,
    readiness::{Check, Rung},
};
use serde_json::{Value, json};
use store::Store;

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
