//! A plan that was asked for, and what came of it: the host dies, and each server does what was foreseen.

use crate::{
    crash_points::{Word, scene},
    scene::{Scene, undisturbed},
    tale::{self, PLAN, Stage},
};
use recovery::{
    ServerId,
    forecast::{Doubt, Fate, Forecast, Obstacle},
    rules::{Owners, read},
};
use sim::Want;
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

/// A server for each thing that one can want, and one that wants nothing.
fn wishful(devices: bool) -> Scene {
    let mut scene = foretold();
    scene.shape.newest = 97;
    scene.shape.vms_per_host = 6;
    scene.shape.devices = devices;
    scene.shape.wants =
        vec![Want::Vtpm, Want::Share, Want::Passthrough, Want::Numa, Want::Accelerator];
    scene
}

#[test]
fn what_nova_refuses_to_evacuate_is_foreseen_to_stay_and_what_cannot_be_seen_is_in_doubt() {
    for devices in [true, false] {
        let (foreseen, did, forecast) = compared(wishful(devices));
        let fate = |name: &str| {
            let found = forecast.servers.iter().find(|s| s.name == name);
            found.unwrap_or_else(|| panic!("{name}: {forecast}")).fate.clone()
        };
        assert_eq!(fate("vm-0001"), Fate::Stays { why: Obstacle::Vtpm });
        assert_eq!(fate("vm-0002"), Fate::Stays { why: Obstacle::Share });
        let doubted = [Doubt::Passthrough, Doubt::Pinning, Doubt::Accelerator];
        for (name, doubt) in ["vm-0003", "vm-0004", "vm-0005"].into_iter().zip(doubted) {
            let Fate::Moves { doubts, .. } = fate(name) else { panic!("{name}: {forecast}") };
            assert_eq!(doubts, [doubt], "{name}");
        }
        assert_eq!((foreseen.len(), forecast.stays), (4, 2), "{forecast}");
        // Where the hosts have the devices, all in doubt move; where none has them, only the last one does.
        assert_eq!(did.len(), if devices { 4 } else { 1 }, "{forecast}");
        assert!(did.iter().all(|id| foreseen.contains(id)), "{forecast}");
    }
}
