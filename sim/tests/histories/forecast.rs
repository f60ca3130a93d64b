//! A plan that was asked for, and what came of it: the host dies, and each server does what was foreseen.

use crate::{
    crash_points::{Word, scene},
    scene::{Scene, undisturbed},
    tale::{self, PLAN, Stage},
};
use recovery::{
    ServerId,
    forecast::{Fate, Forecast},
    rules::{Owners, read},
};
use store::Store;

fn foretold() -> Scene {
    Scene { foretold: true, ..scene(Word::Monitor, vec![undisturbed()]) }
}

async fn forecast(stage: &Stage) -> Forecast {
    let answered = stage.memory.request(PLAN).await.unwrap().unwrap();
    serde_json::from_str(&answered.answer.unwrap()).unwrap()
}

/// Who would move, and who did.
fn compared(scene: Scene) -> (Vec<ServerId>, Vec<ServerId>, Forecast) {
    let stage = tale::tell(scene).stage;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let forecast = runtime.block_on(forecast(&stage));
    let moves = |fate: &Fate| matches!(fate, Fate::Moves { .. });
    let foreseen = forecast.servers.iter().filter(|s| moves(&s.fate));
    let mut foreseen: Vec<ServerId> = foreseen.map(|s| s.id.clone()).collect();
    let now = stage.world.servers();
    let moved =
        |id: &ServerId| now.iter().any(|s| s.id == *id && s.host.as_ref() != Some(&stage.host(0)));
    let there = stage.at_first.iter().filter(|s| s.host == Some(stage.host(0)));
    let mut did: Vec<ServerId> = there.map(|s| s.id.clone()).filter(moved).collect();
    foreseen.sort();
    did.sort();
    (foreseen, did, forecast)
}

#[test]
fn where_there_is_room_all_move_as_was_foreseen() {
    let (foreseen, did, forecast) = compared(foretold());
    assert_eq!((foreseen.len(), forecast.stays), (4, 0), "{forecast}");
    assert_eq!(foreseen, did);
}

#[test]
fn where_there_is_room_for_some_as_many_move_as_was_foreseen() {
    let mut scene = foretold();
    // Two other hosts, with room for one more each.
    scene.shape.vms_per_host_max = scene.shape.vms_per_host + 1;
    scene.shape.ha_enabled_every = 2;
    let (foreseen, did, forecast) = compared(scene);
    assert_eq!((foreseen.len(), did.len(), forecast.stays), (2, 2, 2), "{forecast}");
}

#[test]
fn whom_a_rule_leaves_alone_is_foreseen_to_stay() {
    let rules = vec![read("batch skip name=vm-0001").unwrap()];
    let scene = Scene { owners: Owners { rules, ..Owners::default() }, ..foretold() };
    let (foreseen, did, forecast) = compared(scene);
    assert_eq!((foreseen.len(), forecast.stays), (3, 1), "{forecast}");
    assert_eq!(foreseen, did);
}
