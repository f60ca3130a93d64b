//! Replays recorded answers of Python Masakari. Where no engine runs, this test is the engine: at a
//! step that waits for a status, it writes that status.

use crate::{
    bases::Kind,
    engine,
    replay::{Recording, Replay, Verdicts},
    world::{Settings, World},
};
use recovery::{NotificationId, nouns::NotificationStatus};
use serde_json::Value;
use std::time::Duration;

const STEPS: &str = include_str!("../golden/api.jsonl");
/// `name of step: why` a line; must shrink.
const DIFFERS: &str = include_str!("../golden/differs.txt");

#[tokio::test(start_paused = true)]
async fn answers_are_those_of_python_masakari() {
    replay_on(Kind::Memory).await;
}

#[tokio::test]
async fn answers_are_those_of_python_masakari_on_sqlite() {
    replay_on(Kind::Sqlite).await;
}

#[tokio::test]
async fn answers_are_those_of_python_masakari_on_the_servers_that_are_here() {
    for kind in Kind::servers() {
        replay_on(kind).await;
    }
}

async fn replay_on(kind: Kind) {
    let base = kind.fresh().await;
    let world = World::on(base.store.clone(), Settings::default());
    let mut replay = Replay::new(world, Recording::Shared);
    let mut verdicts = Verdicts::new(DIFFERS, kind);
    for line in STEPS.lines() {
        let step: Value = serde_json::from_str(line).unwrap();
        let name = step["name"].as_str().unwrap();
        if step.get("wait").is_some() {
            settle(&replay, &step).await;
            continue;
        }
        if name == "notification create not duplicate" {
            // Python goes by the time that the report names, we by the time at which it comes.
            replay.world.wait(Duration::from_secs(181));
        }
        verdicts.take(&mut replay, &step).await;
    }
    verdicts.end(450);
}

/// Plays the engine: what is waited for happens.
async fn settle(replay: &Replay, step: &Value) {
    let store = &*replay.world.door;
    let path = replay.fill(step["wait"]["path"].as_str().unwrap());
    let id = NotificationId::new(path.rsplit('/').next().unwrap());
    match step["name"].as_str().unwrap() {
        "in-use running" => engine::begin(store, &id).await,
        "vmoves finished" => engine::finish(store, &id).await,
        "process failure finished" => engine::retire_host(store, &id).await,
        name => {
            let status = NotificationStatus::from_word(step["final"].as_str().unwrap());
            engine::end(store, &id, status.unwrap()).await;
            if name == "notification settled n8" {
                for left in store.open_recoveries(1000).await.unwrap() {
                    engine::end(store, &left.notification, NotificationStatus::Finished).await;
                }
            }
        }
    }
}
